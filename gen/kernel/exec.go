package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Types of the auxiliary vector's entries (Linux include/uapi/linux/auxvec.h).
const (
	atNull   = 0
	atPHdr   = 3
	atPHEnt  = 4
	atPHNum  = 5
	atPageSz = 6
	atBase   = 7
	atFlags  = 8
	atEntry  = 9
	atUID    = 11
	atEUID   = 12
	atGID    = 13
	atEGID   = 14
	atHWCap  = 16 // CPUID leaf 1, EDX
	atClkTck = 17
	atSecure = 23
	atRandom = 25
	atExecFn = 31
)

// clockTicks is AT_CLKTCK, the unit of times(2) (Linux USER_HZ).
const clockTicks = 100

// Registers of stack_build and its parts.
const (
	stackErrs = R13 // errors so far
	stackAt   = R14 // the user address of the next word
	hwcap     = R15
)

// stackWord writes a value to the new stack and moves on.
func stackWord[V Operand](value V) Block {
	return Block{
		MOVQ(stackAt, RDI),
		MOVQ(value, RSI),
		CALL(putUserLong),
		ORQ(RAX, stackErrs),
		ADDQ(8, stackAt),
	}
}

// auxv is the auxiliary vector: types and values.
var auxv = []struct {
	kind  int
	value Block
}{
	{atHWCap, stackWord(hwcap)},
	{atPageSz, stackWord(layout.PageSize)},
	{atClkTck, stackWord(clockTicks)},
	{atPHdr, stackWord(execState.PHAddr)},
	{atPHEnt, stackWord(phEntrySize)},
	{atPHNum, stackWord(execState.PHNum)},
	{atBase, stackWord(0)},
	{atFlags, stackWord(0)},
	{atEntry, stackWord(execState.Entry)},
	{atUID, stackWord(0)},
	{atEUID, stackWord(0)},
	{atGID, stackWord(0)},
	{atEGID, stackWord(0)},
	{atSecure, stackWord(0)},
	{atRandom, stackWord(execState.Random)},
	{atExecFn, stackWord(execState.ExecName)},
	{atNull, stackWord(0)},
}

// exec makes a program from its file, and starts init.
func exec() Program {
	return Program{
		Funcs: Funcs(
			execInit, stringAdd, stackMap, stackBuild, startRegs,
		),
		Data: []Data{
			execData, execStrings,
		},
	}
}

var execData = BSS("exec", SizeOf[layout.Exec[Mem]](), 64)

// execStrings holds the strings for a new program's stack: arguments, environment, name.
var execStrings = BSS("exec_strings", layout.ExecArgsMax, 64)

func execInit() Func {
	next, threadPtr := RBX, R12
	// strings adds the strings of an array that a null ends.
	strings := func(array Mem) Block {
		return Block{
			LEAQ(array, next),
			LOOP(
				MOVQ(next.At(0), RDI),
				TESTQ(RDI, RDI),
				BREAK(E),
				CALL(stringAdd),
				ADDQ(8, next),
			),
		}
	}
	return FUNC("exec_init",
		`exec_init makes init from the file that init= names, or else from "/init", and makes
its first thread ready to run. Fails by boot_fail.`,
		MOVQ(execState.Path, RDI),
		CALL(initrdLookup),
		TESTQ(RAX, RAX),
		IF(E, LEAQ(Str("there is no such regular file in the initramfs"), RDI), JMP(elfFail)),
		MOVQ(RAX, execState.File),
		MOVQ(RDX, execState.Size),
		TESTL(0o111, RCX),
		IF(E, LEAQ(Str("its mode says that it is not executable"), RDI), JMP(elfFail)),
		CALL(elfLoad),
		CALL(stackMap),
		strings(execState.Argv[0]),
		strings(execState.Envp[0]),
		MOVQ(execState.Path, RDI),
		CALL(stringAdd),
		CALL(stackBuild),

		CALL(threadAlloc),
		TESTQ(RAX, RAX),
		IF(E, LEAQ(Str("too little memory for init's first thread"), RDI), JMP(bootFail)),
		MOVQ(RAX, threadPtr),
		MOVQ(RAX, RDI),
		CALL(threadJoin),
		MOVQ(execState.Path, RSI),
		CALL(setComm),
		MOVQ(defaultSlack, thread(threadPtr).TimerSlack),
		taskPtRegs(thread(threadPtr), RDI),
		CALL(startRegs),
		MOVQ(1, execState.Booted),
		MOVQ(threadPtr, RDI),
		CALL(wakeUpNew),
		RETURN(),
	).Saving(RBX, R12).Takes()
}

func stringAdd() Func {
	return FUNC("string_add", "string_add adds the string RDI to exec_strings, where there is room for the command line.",
		LEAQ(Sym(execStrings), RDX),
		ADDQ(execState.StringsLen, RDX),
		DO(
			MOVZBL(RDI.At(0), RAX),
			MOVB(RAX, RDX.At(0)),
			INCQ(RDI),
			INCQ(RDX),
			INCQ(execState.StringsLen),
			TESTL(RAX, RAX),
		).WHILE(NE),
		RETURN(),
	).Takes(RDI)
}

func stackMap() Func {
	return FUNC("stack_map", "stack_map makes the area of the new program's stack. There must be room for it.",
		MOVQ(uint64(layout.StackTop-layout.StackSize), RDI),
		MOVQ(uint64(layout.StackTop), RSI),
		MOVQ(execState.StackProt, RDX),
		XORL(RCX, RCX),
		XORL(R8, R8),
		XORL(R9, R9),
		JMP(insertArea),
	).Takes()
}

func startRegs() Func {
	return FUNC("start_regs", "start_regs makes the PtRegs RDI those with which the loaded program begins.",
		MOVQ(RDI, R8),
		XORL(RAX, RAX),
		MOVL(regsSize/8, RCX),
		REP(STOSQ()),
		MOVQ(-1, ptRegs(R8).OrigAX),
		MOVQ(execState.Entry, RAX),
		MOVQ(RAX, ptRegs(R8).IP),
		MOVQ(x86.USER_CS, ptRegs(R8).CS),
		MOVQ(x86.X86_EFLAGS_FIXED|x86.X86_EFLAGS_IF, ptRegs(R8).Flags),
		MOVQ(execState.SP, RAX),
		MOVQ(RAX, ptRegs(R8).SP),
		MOVQ(x86.USER_DS, ptRegs(R8).SS),
		RETURN(),
	).Takes(RDI)
}

func stackBuild() Func {
	n, text, bottom, stackErrs, stackAt, hwcap := RBX, RBP, R12, R13, R14, R15
	random := RBX
	// pointers writes the user addresses of count strings, and a null.
	pointers := func(count Mem) Block {
		return Block{
			MOVQ(count, n),
			LOOP(
				SUBQ(1, n),
				BREAK(B),
				stringAddress(text),
				stackWord(RAX),
				MOVQ(text, RDI),
				CALL(strlen),
				LEAQ(text.Index(RAX, 1).Add(1), text),
			),
			stackWord(0),
		}
	}
	var vector Block
	for _, e := range auxv {
		vector = append(vector, stackWord(e.kind), e.value)
	}
	return FUNC("stack_build",
		`stack_build writes what a new program finds on its stack. Down from StackTop: its
name, its environment and arguments, which are in exec_strings, 16 random bytes; then,
up from RSP, the number of arguments, their addresses, the addresses of the environment,
and the auxiliary vector (System V ABI AMD64, 3.4.1).`,
		MOVQ(uint64(layout.StackTop-8), RDI), // a null word ends the stack
		SUBQ(execState.StringsLen, RDI),
		MOVQ(RDI, execState.ExecName), // of all strings, until the last is found
		LEAQ(Sym(execStrings), RSI),
		MOVQ(execState.StringsLen, RDX),
		MOVQ(RDI, stackAt),
		CALL(copyToUser),
		MOVQ(RAX, stackErrs),

		SUBQ(16, stackAt),
		ANDQ(-16, stackAt),
		MOVQ(stackAt, execState.Random),
		MOVQ(stackAt, bottom),
		// They differ from boot to boot if the time-stamp counter does, and are
		// the same in each boot where it counts instructions.
		RDTSC(),
		SHLQ(32, RDX),
		ORQ(RAX, RDX),
		MOVQ(RDX, random),
		mix64(random),
		stackWord(random),
		mix64(random),
		stackWord(random),

		MOVL(1, RAX),
		CPUID(),
		MOVL(RDX, hwcap),
		MOVQ(execState.Argc, RAX),
		ADDQ(execState.Envc, RAX),
		ADDQ(1+2+2*len(auxv), RAX), // argc, two nulls
		SHLQ(3, RAX),
		SUBQ(RAX, bottom),
		ANDQ(-16, bottom),
		MOVQ(bottom, execState.SP),
		MOVQ(bottom, stackAt),
		stackWord(execState.Argc),
		LEAQ(Sym(execStrings), text),
		pointers(execState.Argc),
		pointers(execState.Envc),
		stringAddress(text),
		MOVQ(RAX, execState.ExecName),
		vector,
		TESTQ(stackErrs, stackErrs),
		IF(NE, LEAQ(Str("its stack cannot be written"), RDI), JMP(elfFail)),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes()
}

// stringAddress puts in RAX the address that the string at text in exec_strings has on
// the new stack. Clobbers RCX.
func stringAddress(text Reg) Block {
	return Block{
		LEAQ(Sym(execStrings), RCX),
		MOVQ(text, RAX),
		SUBQ(RCX, RAX),
		ADDQ(execState.ExecName, RAX),
	}
}

// mix64 makes a step of the generator splitmix64: every bit of the result depends on every
// bit of r, and only one value of r gives 0. Clobbers RAX.
func mix64(r Reg) Block {
	step := func(shift int, factor uint64) Block {
		return Block{
			MOVQ(r, RAX),
			SHRQ(shift, RAX),
			XORQ(RAX, r),
			MOVQ(factor, RAX),
			IMULQ(RAX, r),
		}
	}
	return Block{
		MOVQ(uint64(0x9e37_79b9_7f4a_7c15), RAX),
		ADDQ(RAX, r),
		step(30, 0xbf58_476d_1ce4_e5b9),
		step(27, 0x94d0_49bb_1331_11eb),
		MOVQ(r, RAX),
		SHRQ(31, RAX),
		XORQ(RAX, r),
	}
}
