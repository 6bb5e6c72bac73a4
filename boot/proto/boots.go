package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// bootsPath is the file on the volume with a byte for each boot of a series.
const bootsPath = answerFolder + `\boots.txt`

// guidGlobalVariable is that of the firmware's own variables (UEFI Specification 2.10, 3.3).
var guidGlobalVariable = guid{0x11d2_93ca_8be4_df61, 0x8c2b_0398_e000_0daa}

// Boots returns the functions by which firmware boots an image again and again, until it
// has as many answers as the image wants: the data answer_boots, at most 999.
func Boots() Program {
	var (
		systab  = Fields[layout.EFISystemTable[Mem]](R12)
		runtime = Fields[layout.EFIRuntimeServices[Mem]](R14)
		file    = Fields[layout.EFIFile[Mem]](RCX)
		stack   = RSP.At
	)
	const frame = efiFrame + 8
	say := func(text string) Block { return Block{LEAQ(Str(text), R14), CALL("efi_say")} }
	number := func(from any) Block {
		switch n := from.(type) {
		case Reg:
			return Block{MOVQ(n, RAX), CALL("efi_say_number")}
		default:
			return Block{MOVQ(from.(Mem), RAX), CALL("efi_say_number")}
		}
	}
	// orNot leaves for the end if the firmware has refused the call before.
	orNot := Block{TESTQ(RAX, RAX), JNE("not_counted")}
	return Program{
		Funcs: []Func{
			FUNC("efi_next_boot",
				`efi_next_boot counts this boot on the medium and restarts the machine, from the same
medium, unless it was the last one, the kernel did not end by init's exit, or it cannot
be counted. RBP, R12 and RBX are as in efi_main.`,
				SUBQ(frame, RSP),
				CMPQ(Sym("efi_end"), layout.ExitInit),
				JNE("done"),
				CALL("efi_volume_open"),
				JNE("not_counted"),
				LEAQ(Sym("efi_boots_path"), R8),
				MOVQ(uint64(layout.EfiFileModeRead|layout.EfiFileModeWrite|layout.EfiFileModeCreate), R9),
				CALL("efi_file_open"),
				JNE("not_counted"),
				MOVQ(R15, RCX),
				MOVQ(-1, RDX), // to its end
				CALL(file.SetPosition),
				orNot,
				MOVQ(R15, RCX),
				LEAQ(stack(efiWord), RDX),
				CALL(file.GetPosition),
				orNot,
				MOVQ(stack(efiWord), R13),
				INCQ(R13),
				CMPQ(R13, Sym("answer_boots")),
				IF(AE, // the next boot begins a new series
					MOVQ(R15, RCX),
					CALL(file.Delete),
					say("\r\nentrylab: boot "), number(R13), say(" of "), number(Sym("answer_boots")), say(", the last one"),
					JMP("done"),
				),
				MOVQ(1, stack(efiWord)),
				MOVQ('.', stack(efiKey)),
				MOVQ(R15, RCX),
				LEAQ(stack(efiWord), RDX),
				LEAQ(stack(efiKey), R8),
				CALL(file.Write),
				orNot,
				MOVQ(R15, RCX),
				CALL(file.Close),
				orNot,
				say("\r\nentrylab: boot "), number(R13), say(" of "), number(Sym("answer_boots")), say(": the machine starts again\r\n"),

				// A person may have chosen the medium for one boot only.
				MOVQ(systab.RuntimeServices, R14),
				LEAQ(Sym("efi_boot_current"), RCX),
				LEAQ(Sym("efi_global_variable"), RDX),
				XORL(R8, R8),
				MOVQ(2, stack(efiWord)),
				LEAQ(stack(efiWord), R9),
				LEAQ(stack(efiKey), RAX),
				MOVQ(RAX, stack(efiArg5)),
				CALL(runtime.GetVariable),
				TESTQ(RAX, RAX),
				IF(E,
					LEAQ(Sym("efi_boot_next"), RCX),
					LEAQ(Sym("efi_global_variable"), RDX),
					MOVL(layout.EfiVariableNonVolatile|layout.EfiVariableBootService|layout.EfiVariableRuntime, R8),
					MOVL(2, R9),
					CALL(runtime.SetVariable),
				),
				XORL(RCX, RCX), // a cold reset
				XORL(RDX, RDX),
				XORL(R8, R8),
				XORL(R9, R9),
				CALL(runtime.ResetSystem),
				LABEL("not_counted"),
				say("\r\nentrylab: there is no further boot: the boots cannot be counted on the medium"),
				LABEL("done"),
				ADDQ(frame, RSP),
				RET(),
			),
			FUNC("efi_say_number", `efi_say_number prints RAX, below 1000, in decimal.`,
				SUBQ(frame, RSP),
				LEAQ(stack(efiKey+7), R14),
				MOVQ(0, stack(efiKey)), // ends in the NUL
				MOVL(10, RCX),
				DO(
					XORL(RDX, RDX),
					DIVL(RCX),
					ADDL('0', RDX),
					DECQ(R14),
					MOVB(RDX, R14.At(0)),
					TESTL(RAX, RAX),
				).WHILE(NE),
				CALL("efi_say"),
				ADDQ(frame, RSP),
				RET(),
			),
		},
		Data: []Data{
			RODATA("efi_boots_path", utf16z(bootsPath)),
			RODATA("efi_global_variable", guidGlobalVariable[0], guidGlobalVariable[1]),
			RODATA("efi_boot_current", utf16z("BootCurrent")),
			RODATA("efi_boot_next", utf16z("BootNext")),
		},
	}
}

// efiSeries finds out where in its series a boot is.
func efiSeries() Func {
	var (
		bs    = Fields[layout.EFIBootServices[Mem]](RBX)
		file  = Fields[layout.EFIFile[Mem]](RCX)
		stack = RSP.At
	)
	const frame = efiFrame + 8
	// size opens a file and leaves for the end if that cannot be done. It goes to the
	// file's end and puts its size in R13.
	size := func(path string) Block {
		return Block{
			LEAQ(Sym(path), R8),
			MOVL(layout.EfiFileModeRead, R9),
			CALL("efi_file_open"),
			JNE("out"),
			MOVQ(R15, RCX),
			MOVQ(-1, RDX),
			CALL(file.SetPosition),
			MOVQ(R15, RCX),
			MOVQ(0, stack(efiWord)),
			LEAQ(stack(efiWord), RDX),
			CALL(file.GetPosition),
			MOVQ(stack(efiWord), R13),
		}
	}
	return FUNC("efi_series",
		`efi_series fills in answer.Boot from the number of boots in the folder R14, and
answer.Earlier with the end of the answer there. It returns 0: without them this is the
first boot. RBX is as in efi_main. Clobbers R13, R15.`,
		SUBQ(frame, RSP),
		MOVQ(1, answer.Boot),
		size("efi_boots_path"),
		MOVQ(R15, RCX),
		CALL(file.Close),
		TESTQ(R13, R13),
		JE("out"),
		CMPQ(R13, Sym("answer_boots")),
		JAE("out"), // of an image that wanted more
		INCQ(R13),
		MOVQ(R13, answer.Boot),
		size("efi_answer_path"),
		MOVL(layout.AnswerRoom, RAX),
		MOVQ(R13, RDX),
		SUBQ(RAX, RDX),
		IF(BE, XORL(RDX, RDX)),
		SUBQ(RDX, R13),
		MOVQ(R15, RCX),
		CALL(file.SetPosition),
		MOVQ(uint64(1<<32-1), RAX),
		MOVQ(RAX, stack(efiKey)),
		MOVL(layout.EfiAllocateMaxAddress, RCX),
		MOVL(layout.EfiLoaderData, RDX),
		MOVL(layout.AnswerRoom>>12, R8),
		LEAQ(stack(efiKey), R9),
		CALL(bs.AllocatePages),
		TESTQ(RAX, RAX),
		IF(E,
			MOVQ(R13, stack(efiWord)),
			MOVQ(R15, RCX),
			LEAQ(stack(efiWord), RDX),
			MOVQ(stack(efiKey), R8),
			CALL(file.Read),
			TESTQ(RAX, RAX),
			IF(E,
				MOVQ(stack(efiKey), RAX),
				MOVQ(RAX, answer.Earlier),
				MOVQ(stack(efiWord), RAX),
				MOVQ(RAX, answer.EarlierLen),
			),
		),
		MOVQ(R15, RCX),
		CALL(file.Close),
		LABEL("out"),
		ADDQ(frame, RSP),
		XORL(RAX, RAX),
		RET(),
	)
}
