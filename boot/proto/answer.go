package proto

import (
	"encoding/binary"
	"unicode/utf16"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// An answer is what console and log say, as a file on the volume that firmware has
// started the image from. The firmware stays in memory for it: the kernel gets RAM that
// the firmware has allocated, and none of the firmware runs until the kernel ends. Then
// the CPU and its interrupt controllers get the state back in which the firmware left
// them, and it writes the file.
//
// A volume gets an answer only if it has the folder for it.

// Paths on the volume.
const (
	answerFolder = `\entrylab`
	answerPath   = answerFolder + `\console.txt`
	resultsPath  = answerFolder + `\results.jsonl`
)

// utf16z returns a text as firmware takes it, with a zero at its end.
func utf16z(s string) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(s + "\x00")) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

var (
	guidFileSystem     = guid{0x11d2_6459_964e_5b22, 0x3b72_69c9_a000_398e}
	guidFileSystemInfo = guid{0x11d2_6d3f_0957_6e93, 0x3b72_69c9_a000_398e}
)

// answer is what both sides of the kernel know.
var answer = Fields[layout.Answer[Mem]](Sym("answer"))

// atItsPlace makes an address in the kernel as it was loaded the one that it has at its
// place, in the upper half. Clobbers tmp.
func atItsPlace(r, tmp Reg) Block {
	return Block{
		LEAQ(Sym("__text_start"), tmp),
		SUBQ(tmp, r),
		ADDQ(Sym("linux_text"), r),
	}
}

// Answers returns the firmware's side of an answer: see EFI.
func Answers() Program {
	var (
		systab = Fields[layout.EFISystemTable[Mem]](R12)
		bs     = Fields[layout.EFIBootServices[Mem]](RBX)
		img    = Fields[layout.EFILoadedImage[Mem]](RDX)
		file   = Fields[layout.EFIFile[Mem]](RCX)
		info   = Fields[layout.EFIFileSystemInfo[Mem]](Sym("efi_volume_info"))
		ent    = Fields[layout.E820Entry[Mem]](RDI)
		stack  = RSP.At
	)
	const frame = efiFrame + 8 // of a function, whose return address is on the stack too
	because := func(why string) Block { return Block{LEAQ(Str(why), R15)} }
	// unless makes the reason R15 what is said of a status, and goes to the label.
	unless := func(status int, why, label string) Block {
		return Block{
			CMPB(RAX, status),
			IF(E, because(why), JMP(label)),
		}
	}
	failed := FUNC("efi_why",
		`efi_why returns in R15 what the status RAX of a call that had to do with the file
means.`,
		unless(layout.EfiWriteProtected, "the medium or the file is write-protected", "out"),
		unless(layout.EfiVolumeFull, "there is no room on the medium", "out"),
		unless(layout.EfiAccessDenied, "the firmware denies access to the file", "out"),
		unless(layout.EfiDeviceError, "the medium reports an error", "out"),
		unless(layout.EfiNotFound, `the folder \entrylab is no longer on the medium`, "out"),
		because("the firmware refuses to write the file"),
		LABEL("out"),
		RET(),
	)
	return Program{
		Funcs: []Func{
			FUNC("efi_answer_begin",
				`efi_answer_begin prepares for an answer: it fills in answer, and boot_params'
memory map with memory that the firmware gives to the kernel. RBP, R12 and RBX are as in
efi_main. Without a folder for it there is no answer. Where there can be none although
there is the folder, answer.Why says why.`,
				SUBQ(frame, RSP),
				CALL("efi_volume_open"),
				TESTQ(RAX, RAX),
				JNE("none"), // the image comes from no file system
				LEAQ(Sym("efi_answer_folder"), R8),
				MOVL(layout.EfiFileModeRead, R9),
				CALL("efi_file_open"),
				TESTQ(RAX, RAX),
				IF(NE,
					MOVQ(R14, RCX),
					CALL(file.Close),
					JMP("none"),
				),
				MOVQ(R15, RCX),
				CALL(file.Close),
				MOVL(answerLeast, R13),
				CALL("efi_volume_room"),
				TESTQ(RAX, RAX),
				IF(E, CALL("efi_answer_writable")),
				IF(E, CALL("efi_series")),
				MOVQ(RAX, stack(efiWord)),
				MOVQ(R14, RCX),
				CALL(file.Close),
				CMPQ(stack(efiWord), 0),
				JNE("refused"),
				MOVQ(CR4, RAX),
				TESTL(x86.CR4_LA57, RAX),
				IF(NE, because("the firmware runs with five-level paging"), JMP("refused")),

				// Memory for the kernel: as much as there is of what is asked for.
				MOVL(kernelMost>>12, R13),
				LOOP(
					MOVQ(uint64(1<<32-1), RAX),
					MOVQ(RAX, stack(efiWord)),
					MOVL(layout.EfiAllocateMaxAddress, RCX),
					MOVL(layout.EfiLoaderData, RDX),
					MOVQ(R13, R8),
					LEAQ(stack(efiWord), R9),
					CALL(bs.AllocatePages),
					TESTQ(RAX, RAX),
					BREAK(E),
					SHRL(1, R13),
					CMPL(R13, kernelLeast>>12),
					IF(B, because("the firmware has too little memory left for it to stay"), JMP("refused")),
				),
				LEAQ(params.MemMap[0], RDI),
				MOVQ(stack(efiWord), RAX),
				MOVQ(RAX, ent.Start),
				SHLQ(12, R13),
				MOVQ(R13, ent.Size),
				MOVL(layout.MemMapRAM, ent.Type),

				MOVQ(uint64(1<<32-1), RAX),
				MOVQ(RAX, stack(efiWord)),
				MOVL(layout.EfiAllocateMaxAddress, RCX),
				MOVL(layout.EfiLoaderData, RDX),
				MOVL(2*layout.AnswerRoom>>12, R8), // for both files
				LEAQ(stack(efiWord), R9),
				CALL(bs.AllocatePages),
				TESTQ(RAX, RAX),
				IF(NE, because("the firmware has no memory for it"), JMP("refused")),
				MOVQ(stack(efiWord), RAX),
				MOVQ(RAX, answer.Console.Text),
				MOVQ(layout.AnswerRoom, answer.Console.Room),
				ADDQ(layout.AnswerRoom, RAX),
				MOVQ(RAX, answer.Results.Text),
				MOVQ(layout.AnswerRoom, answer.Results.Room),
				LEAQ(Sym("efi_return"), RAX),
				MOVQ(RAX, answer.Return),
				LEAQ(Sym("boot_pdpt"), RAX),
				MOVQ(RAX, answer.Identity),
				JMP("none"),

				LABEL("refused"),
				atItsPlace(R15, RAX),
				MOVQ(R15, answer.Why),
				LABEL("none"),
				ADDQ(frame, RSP),
				RET(),
			),
			FUNC("efi_volume_open",
				`efi_volume_open opens the root folder of the volume that the image RBP came from.
It returns a status, and the folder in R14. RBX is the boot services.`,
				SUBQ(frame, RSP),
				MOVQ(RBP, RCX),
				LEAQ(Sym("efi_loaded_image"), RDX),
				LEAQ(stack(efiWord), R8),
				CALL(bs.HandleProtocol),
				TESTQ(RAX, RAX),
				JNE("out"),
				MOVQ(stack(efiWord), RDX),
				MOVQ(img.DeviceHandle, RCX),
				MOVL(layout.EfiNotFound, RAX),
				TESTQ(RCX, RCX),
				JE("out"),
				LEAQ(Sym("efi_file_system"), RDX),
				LEAQ(stack(efiWord), R8),
				CALL(bs.HandleProtocol),
				TESTQ(RAX, RAX),
				JNE("out"),
				MOVQ(stack(efiWord), RCX),
				LEAQ(stack(efiWord), RDX),
				CALL(Fields[layout.EFIFileSystem[Mem]](RCX).OpenVolume),
				MOVQ(stack(efiWord), R14),
				LABEL("out"),
				ADDQ(frame, RSP),
				TESTQ(RAX, RAX),
				RET(),
			),
			FUNC("efi_file_open",
				`efi_file_open opens the path R8 from the folder R14 in the mode R9. It returns a
status, and the file in R15.`,
				SUBQ(frame, RSP),
				MOVQ(R14, RCX),
				LEAQ(stack(efiWord), RDX),
				MOVQ(0, stack(efiArg5)), // no attributes for a new file
				CALL(file.Open),
				MOVQ(stack(efiWord), R15),
				ADDQ(frame, RSP),
				TESTQ(RAX, RAX),
				RET(),
			),
			FUNC("efi_volume_room",
				`efi_volume_room returns 0 if there is room for R13 bytes on the volume with the root
folder R14, and it can be written to; else R15 is the reason.`,
				SUBQ(frame, RSP),
				MOVQ(R14, RCX),
				LEAQ(Sym("efi_file_system_info"), RDX),
				MOVQ(efiVolumeInfoSize, stack(efiWord)),
				LEAQ(stack(efiWord), R8),
				LEAQ(info.Size, R9),
				CALL(file.GetInfo),
				TESTQ(RAX, RAX),
				IF(NE,
					CALL("efi_why"),
					JMP("out"),
				),
				INCL(RAX),
				CMPB(info.ReadOnly, 0),
				IF(NE, because("the medium is write-protected"), JMP("out")),
				MOVL(info.BlockSize, RCX), // the last block of each file, and two for the folder
				LEAQ(R13.Index(RCX, 4), RCX),
				CMPQ(info.FreeSpace, RCX),
				IF(B, because("there is no room on the medium"), JMP("out")),
				XORL(RAX, RAX),
				LABEL("out"),
				ADDQ(frame, RSP),
				RET(),
			),
			FUNC("efi_answer_writable",
				`efi_answer_writable returns 0 if of the files of the answer none is in the root
folder R14 yet, or those that are can be written to; else R15 is the reason.`,
				SUBQ(frame, RSP),
				func() (b Block) {
					for _, path := range []string{"efi_answer_path", "efi_results_path"} {
						b = append(b,
							LEAQ(Sym(path), R8),
							MOVL(layout.EfiFileModeRead|layout.EfiFileModeWrite, R9),
							CALL("efi_file_open"),
							IF(E,
								MOVQ(R15, RCX),
								CALL(file.Close),
							).ELSE(
								CMPB(RAX, layout.EfiNotFound),
								IF(NE,
									CALL("efi_why"),
									JMP("out"),
								),
							),
						)
					}
					return b
				}(),
				XORL(RAX, RAX),
				LABEL("out"),
				ADDQ(frame, RSP),
				TESTQ(RAX, RAX),
				RET(),
			),
			efiSeries(),
			failed,
			efiKeep(), efiReturn(),
			FUNC("efi_answer",
				`efi_answer writes the answer, says on the firmware's console what became of it, and
ends the machine. RBP and R12 are as in efi_main, RSP is its frame.`,
				MOVQ(systab.BootServices, RBX),
				CALL("efi_last_rows"),
				CALL("efi_volume_open"),
				IF(NE,
					CALL("efi_why"),
					JMP("refused"),
				),
				MOVQ(answer.Console.Len, R13),
				ADDQ(answer.Results.Len, R13),
				CALL("efi_volume_room"),
				TESTQ(RAX, RAX),
				JNE("refused"),
				func() (b Block) {
					for _, f := range []struct {
						path string
						file layout.AnswerFile[Mem]
					}{{"efi_results_path", answer.Results}, {"efi_answer_path", answer.Console}} {
						b = append(b,
							LEAQ(Sym(f.path), R8),
							MOVQ(f.file.Text, RSI),
							MOVQ(f.file.Len, R13),
							CALL("efi_file_add"),
							IF(NE,
								CALL("efi_why"),
								JMP("refused"),
							),
						)
					}
					return b
				}(),
				CMPQ(answer.Results.Len, 0),
				IF(NE,
					LEAQ(Str("\r\nentrylab: the results are in "+resultsPath+" on the medium"), R14),
					CALL("efi_say"),
				),
				LEAQ(Str("\r\nentrylab: the answer is in "+answerPath+" on the medium"), R14),
				CALL("efi_say"),
				MOVQ(answer.Console.Lost, RAX),
				ORQ(answer.Results.Lost, RAX),
				IF(NE,
					LEAQ(Str(", without its end, for which there was no memory"), R14),
					CALL("efi_say"),
				),
				CMPQ(Sym("answer_boots"), 1),
				IF(A, CALL("efi_next_boot")),
				JMP("end"),
				LABEL("refused"),
				LEAQ(Str("\r\nentrylab: the answer is not in a file: "), R14),
				CALL("efi_say"),
				MOVQ(R15, R14),
				CALL("efi_say"),
				LABEL("end"),
				LEAQ(Str("\r\n"), R14),
				CALL("efi_say"),
				MOVL(layout.DebugExitPort, RDX),
				MOVL(Sym("efi_end"), RAX),
				OUTL(),
				LOOP(HLT()),
				UD2(),
			),
			FUNC("efi_file_add",
				`efi_file_add adds the R13 bytes at RSI, if any, to the file with the path R8 in the
folder R14, behind what earlier boots have written. It returns a status. Clobbers R15.`,
				SUBQ(frame, RSP),
				XORL(RAX, RAX),
				TESTQ(R13, R13),
				JE("out"),
				MOVQ(uint64(layout.EfiFileModeRead|layout.EfiFileModeWrite|layout.EfiFileModeCreate), R9),
				CALL("efi_file_open"),
				JNE("out"),
				MOVQ(R15, RCX),
				MOVQ(-1, RDX), // to its end
				CALL(file.SetPosition),
				TESTQ(RAX, RAX),
				IF(E,
					MOVQ(R13, stack(efiWord)),
					MOVQ(R15, RCX),
					LEAQ(stack(efiWord), RDX),
					MOVQ(RSI, R8),
					CALL(file.Write),
					TESTQ(RAX, RAX),
					IF(E,
						MOVQ(R15, RCX),
						CALL(file.Flush),
					),
				),
				MOVQ(RAX, stack(efiWord)),
				MOVQ(R15, RCX),
				CALL(file.Close),
				MOVQ(stack(efiWord), RAX),
				LABEL("out"),
				ADDQ(frame, RSP),
				TESTQ(RAX, RAX),
				RET(),
			),
			FUNC("efi_say",
				`efi_say prints the string R14 on the firmware's console, to which R12 leads.`,
				SUBQ(frame, RSP),
				LOOP( // a character at a time
					MOVZBL(R14.At(0), RAX),
					TESTL(RAX, RAX),
					BREAK(E),
					INCQ(R14),
					MOVQ(RAX, stack(efiWord)), // and a zero
					MOVQ(systab.ConOut, RCX),
					LEAQ(stack(efiWord), RDX),
					CALL(Fields[layout.EFITextOutput[Mem]](RCX).OutputString),
				),
				ADDQ(frame, RSP),
				RET(),
			),
		},
		Data: []Data{
			RODATA("efi_file_system", guidFileSystem[0], guidFileSystem[1]),
			RODATA("efi_file_system_info", guidFileSystemInfo[0], guidFileSystemInfo[1]),
			RODATA("efi_answer_folder", utf16z(answerFolder)),
			RODATA("efi_answer_path", utf16z(answerPath)),
			RODATA("efi_results_path", utf16z(resultsPath)),
			BSS("efi_state", SizeOf[efiState[Mem]](), 16),
			BSS("efi_volume_info", efiVolumeInfoSize, 8),
			BSS("efi_end", 8, 8),
		},
	}
}

const (
	// answerLeast is the room in bytes without which a volume is not asked for more.
	answerLeast = 64 << 10
	// kernelMost and kernelLeast are how much RAM in bytes is asked for; the least of it
	// that the kernel starts with.
	kernelMost, kernelLeast = 256 << 20, 32 << 20

	efiVolumeInfoSize = 512 // with the volume's label
)
