package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// ELF constants of a static x86-64 executable (System V ABI; Linux
// include/uapi/linux/elf.h).
const (
	elfMagic    = 0x464c457f
	elfIdent    = 0x010102 // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
	elfExec     = 2        // ET_EXEC
	elfDyn      = 3        // ET_DYN
	elfX86_64   = 62       // EM_X86_64
	phLoad      = 1
	phInterp    = 3
	phGNUStack  = 0x6474e551
	phExec      = 1 << 0 // PF_X
	phWrite     = 1 << 1
	phRead      = 1 << 2
	phEntrySize = 56
)

// elfRefuse fails unless cc holds.
func elfRefuse(cc CC, why string) Item {
	return IF(cc, LEAQ(Str(why), RDI), JMP(elfFail))
}

// elf maps a program.
func elf() Program {
	return Program{
		Funcs: Funcs(
			elfFail, elfCheck, elfLoad, elfBias, elfMap, elfArea,
		),
	}
}

func elfFail() Func {
	reason := RBX
	return FUNC("elf_fail",
		`elf_fail fails the boot: init's file cannot be run, for the reason RDI. Once init runs, the
process whose execve has found that too late dies as by SIGKILL; if it is init itself,
the machine ends.`,
		CMPQ(execState.Booted, 0),
		IF(NE,
			CMPQ(gs.PID, initPID),
			IF(NE,
				MOVL(sigKILL, RDI),
				JMP(groupExit),
			),
			MOVQ(RDI, reason),
			logText("entrylab: init killed by signal 9 (SIGKILL): its new program cannot be run: "),
			MOVQ(reason, RDI),
			CALL(printk),
			logText("\n"),
			MOVL(layout.ExitSignal, RDI),
			JMP(machineExit),
		),
		MOVQ(RDI, reason),
		MOVQ(execState.Path, RDI),
		CALL(message),
		tell(" cannot be run: "),
		MOVQ(reason, RDI),
		CALL(message),
		JMP(bootFailMessage),
	).Takes(RDI).NoReturn()
}

const noSegment = "it has no segment to load (PT_LOAD)"

func elfCheck() Func {
	hdrPtr := RSI
	phPtr := RDX
	hdr := Fields[layout.ELFHeader[Mem]](hdrPtr)
	ph := Fields[layout.ELFProgHeader[Mem]](phPtr)
	refuse := func(cc CC, why string) Item { return IF(cc, LEAQ(Str(why), RAX), RETURN()) }
	const notELF = "it is not an ELF file"
	return FUNC("elf_check",
		`elf_check looks at the headers of the file execState.File. It returns 0 in RAX, or why
the file cannot be run, and then in RCX the error of execve.`,
		MOVQ(-ENOEXEC, RCX),
		MOVQ(execState.File, hdrPtr),
		CMPQ(execState.Size, SizeOf[layout.ELFHeader[Mem]]()),
		refuse(B, notELF),
		CMPL(hdr.Ident[0], elfMagic),
		refuse(NE, notELF),
		MOVQ(hdr.Ident[0], RAX),
		SHRQ(32, RAX),
		ANDL(0xff_ffff, RAX),
		CMPL(RAX, elfIdent),
		IF(E,
			MOVL(hdr.TypeMachine, RAX),
			SHRL(16, RAX),
			CMPL(RAX, elfX86_64),
		),
		refuse(NE, "it is not a 64-bit x86 program"),
		MOVZWL(hdr.TypeMachine, RAX),
		CMPL(RAX, elfExec),
		IF(NE,
			CMPL(RAX, elfDyn),
			refuse(NE, "it is not an executable (ET_EXEC or ET_DYN)"),
		),
		MOVQ(hdr.FlagsSizes, RAX),
		SHRQ(48, RAX),
		CMPL(RAX, phEntrySize),
		refuse(NE, "its program headers are not 56 bytes long"),
		MOVZWL(hdr.Counts, RDI),
		MOVQ(RDI, execState.PHNum),
		TESTL(RDI, RDI),
		refuse(E, noSegment),
		IMULQ(phEntrySize, RDI),
		MOVQ(execState.Size, RAX),
		MOVQ(hdr.PHOff, phPtr),
		SUBQ(phPtr, RAX),
		JB("truncated"),
		CMPQ(RDI, RAX),
		JA("truncated"),
		ADDQ(hdrPtr, phPtr), // the program header
		XORL(RDI, RDI),
		LOOP(
			CMPQ(RDI, execState.PHNum),
			BREAK(E),
			CMPL(ph.TypeFlags, phInterp),
			IF(E, MOVQ(-ENOENT, RCX)),
			refuse(E, "it needs a dynamic linker (PT_INTERP): link it statically"),
			ADDQ(phEntrySize, phPtr),
			INCQ(RDI),
		),
		returns(0),
		LABEL("truncated"),
		LEAQ(Str("its program headers reach beyond the file's end"), RAX),
		RETURN(),
	).Takes().Returns(RAX, RCX)
}

func elfLoad() Func {
	hdrPtr, phPtr, left, executable := RBX, RBP, R12, R13
	hdr := Fields[layout.ELFHeader[Mem]](hdrPtr)
	ph := Fields[layout.ELFProgHeader[Mem]](phPtr)
	return FUNC("elf_load",
		`elf_load maps the segments of the file execState.File and fills in the rest of
execState. Fails by elf_fail.`,
		CALL(elfCheck),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX, RDI),
			JMP(elfFail),
		),
		MOVQ(0, execState.End),
		MOVQ(0, execState.PHAddr),
		MOVQ(execState.File, hdrPtr),
		MOVQ(hdr.PHOff, phPtr),
		ADDQ(hdrPtr, phPtr), // the program header
		CALL(elfBias),
		MOVQ(hdr.Entry, RAX),
		MOVQ(RAX, execState.Entry),
		MOVQ(layout.ProtRead|layout.ProtWrite, execState.StackProt),
		MOVQ(execState.PHNum, left),
		XORL(executable, executable), // 1 if the entry point is in an executable segment
		LOOP(
			SUBQ(1, left),
			BREAK(B),
			MOVL(ph.TypeFlags, RAX),
			CMPL(RAX, uint32(phGNUStack)),
			IF(E,
				TESTL(phExec, ph.TypeFlags.Add(4)),
				IF(NE, ORQ(layout.ProtExec, execState.StackProt)),
			),
			CMPL(RAX, phLoad),
			IF(E,
				CALL(elfMap),
				// Is the entry point here?
				MOVQ(execState.Entry, RAX),
				SUBQ(ph.VAddr, RAX),
				CMPQ(RAX, ph.MemSize),
				IF(B,
					TESTL(phExec, ph.TypeFlags.Add(4)),
					IF(NE, MOVL(1, executable)),
				),
				// And are the program headers, for AT_PHDR?
				MOVQ(hdr.PHOff, RAX),
				SUBQ(ph.Offset, RAX),
				CMPQ(RAX, ph.FileSize),
				IF(B,
					ADDQ(ph.VAddr, RAX),
					ADDQ(execState.Bias, RAX),
					MOVQ(RAX, execState.PHAddr),
				),
			),
			ADDQ(phEntrySize, phPtr),
		),
		CMPQ(execState.End, 0),
		elfRefuse(E, noSegment),
		TESTL(executable, executable),
		elfRefuse(E, "its entry point is not in an executable segment"),
		MOVQ(execState.Bias, RAX),
		ADDQ(RAX, execState.Entry),
		MOVQ(execState.End, RAX),
		MOVQ(RAX, memory.Own.BrkStart),
		MOVQ(RAX, memory.Own.Brk),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes()
}

func elfBias() Func {
	hdrPtr, phPtr, left := RBX, RBP, R12
	hdr := Fields[layout.ELFHeader[Mem]](hdrPtr)
	ph := Fields[layout.ELFProgHeader[Mem]](phPtr)
	return FUNC("elf_bias",
		`elf_bias sets execState.Bias of the file RBX: if it is position-independent, its
first segment goes to layout.PIEBase or, where its alignment requires, below.
The program headers, at RBP, are all in the file.`,
		MOVQ(0, execState.Bias),
		MOVZWL(hdr.TypeMachine, RAX),
		CMPL(RAX, elfDyn),
		IF(NE, RETURN()),
		MOVQ(execState.PHNum, left),
		XORL(RSI, RSI),             // the first segment's program header
		MOVL(layout.PageSize, RCX), // the largest alignment
		LOOP(
			SUBQ(1, left),
			BREAK(B),
			MOVL(ph.TypeFlags, RAX),
			CMPL(RAX, phLoad),
			IF(E,
				TESTQ(RSI, RSI),
				CMOVQE(phPtr, RSI),
				MOVQ(ph.Align, RAX),
				LEAQ(RAX.At(-1), RDX),
				TESTQ(RDX, RAX),
				IF(E, // a power of two; others mean nothing
					CMPQ(RAX, RCX),
					CMOVQA(RAX, RCX),
				),
			),
			ADDQ(phEntrySize, phPtr),
		),
		TESTQ(RSI, RSI),
		IF(E, RETURN()), // elf_load reports it
		MOVQ(uint64(layout.PIEBase), RAX),
		SUBQ(Fields[layout.ELFProgHeader[Mem]](RSI).VAddr, RAX),
		NEGQ(RCX),
		ANDQ(RCX, RAX),
		MOVQ(RAX, execState.Bias),
		RETURN(),
	).Saving(RBP, R12).Takes(RBX, RBP)
}

func elfMap() Func {
	hdrPtr, phPtr, start, prot := RBX, RBP, R12, R13
	const (
		truncated = "a segment reaches beyond the file's end: the file is truncated"
		outside   = "a segment lies outside user memory"
	)
	ph := Fields[layout.ELFProgHeader[Mem]](phPtr)
	return FUNC("elf_map",
		`elf_map maps the segment with the program header RBP of the file RBX: first pages of
the file, then zeros.`,
		MOVQ(ph.FileSize, RCX),
		CMPQ(RCX, ph.MemSize),
		elfRefuse(A, "a segment is longer in the file than in memory"),
		MOVQ(execState.Size, RAX),
		SUBQ(ph.Offset, RAX),
		elfRefuse(B, truncated),
		CMPQ(RCX, RAX),
		elfRefuse(A, truncated),
		MOVQ(ph.VAddr, start),
		ADDQ(execState.Bias, start),
		CMPQ(start, layout.MMapMinAddr),
		elfRefuse(B, outside),
		MOVQ(uint64(layout.MMapBase), RAX),
		SUBQ(start, RAX),
		elfRefuse(B, outside),
		CMPQ(ph.MemSize, RAX),
		elfRefuse(A, outside),
		MOVQ(start, RAX),
		SUBQ(ph.Offset, RAX),
		TESTL(layout.PageSize-1, RAX),
		IF(NE,
			TESTQ(RCX, RCX),
			elfRefuse(NE, "a segment's address and file offset do not agree within the page"),
		),

		// PF_* to Prot*: the bits for read and execute are swapped.
		MOVL(ph.TypeFlags.Add(4), RAX),
		MOVL(RAX, prot),
		ANDL(phWrite, prot),
		TESTL(phRead, RAX),
		IF(NE, ORL(layout.ProtRead, prot)),
		TESTL(phExec, RAX),
		IF(NE, ORL(layout.ProtExec, prot)),

		// The pages of the file, then the rest of the memory.
		MOVQ(start, RAX),
		ANDL(layout.PageSize-1, RAX), // bytes of the first page before the segment
		SUBQ(RAX, start),
		TESTQ(RCX, RCX),
		IF(NE,
			LEAQ(RCX.Index(RAX, 1), R9),
			MOVQ(ph.Offset, R8),
			ADDQ(hdrPtr, R8),
			SUBQ(RAX, R8),
			LEAQ(start.Index(R9, 1), RSI),
			CALL(elfArea),
		),
		XORL(R8, R8),
		XORL(R9, R9),
		MOVQ(ph.VAddr, RSI),
		ADDQ(execState.Bias, RSI),
		ADDQ(ph.MemSize, RSI),
		CALL(elfArea),
		RETURN(),
	).Saving(R12, R13).Takes(RBX, RBP)
}

func elfArea() Func {
	start, prot := R12, R13
	end := R12
	return FUNC("elf_area",
		`elf_area enters an area from R12 to the end of the page that ends at RSI or
contains it, with the protection R13 and R9 bytes at R8 as its source. R12
becomes the area's end.`,
		pageAlignUp(RSI),
		CMPQ(RSI, start),
		IF(BE, RETURN()),
		roomForAreas(3, "full"),
		PUSHQ(R8),
		PUSHQ(R9),
		PUSHQ(RSI),
		MOVQ(start, RDI),
		CALL(unmapRange), // segments may share a page: the later one gets it
		POPQ(RSI),
		POPQ(R9),
		POPQ(R8),
		CMPQ(RSI, execState.End),
		IF(A, MOVQ(RSI, execState.End)),
		MOVQ(start, RDI),
		MOVQ(RSI, end),
		MOVQ(prot, RDX),
		XORL(RCX, RCX),
		JMP(insertArea),
		LABEL("full"),
		LEAQ(Str("it has too many segments"), RDI),
		JMP(elfFail),
	).Takes(RSI, R8, R9, R12, R13).Returns(R12)
}
