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

// Registers of init_stack and its parts.
const (
	stackErrs = R13 // errors so far
	stackAt   = R14 // the user address of the next word
	hwcap     = R15
)

// stackWord writes a value to init's stack and moves on.
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

// exec starts init.
func exec() Program {
	return Program{
		Funcs: Funcs(
			execInit, initStack, pushString,
		),
		Data: []Data{
			execData,
		},
	}
}

var execData = BSS("exec", SizeOf[layout.Exec[Mem]](), 64)

func execInit() Func {
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
		MOVQ(uint64(layout.StackTop-layout.StackSize), RDI),
		MOVQ(uint64(layout.StackTop), RSI),
		MOVQ(execState.StackProt, RDX),
		XORL(RCX, RCX),
		XORL(R8, R8),
		XORL(R9, R9),
		CALL(insertArea),
		CALL(initStack),

		CALL(threadAlloc),
		TESTQ(RAX, RAX),
		IF(E, LEAQ(Str("too little memory for init's first thread"), RDI), JMP(bootFail)),
		MOVQ(RAX, RDI),
		CALL(initComm),
		MOVQ(defaultSlack, thread(RAX).TimerSlack),
		MOVQ(RAX, RDX),
		LEAQ(RAX.At(layout.ThreadSize-regsSize), RDI),
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
		MOVQ(RDX, RDI),
		CALL(wakeUpNew),
		RETURN(),
	).Takes()
}

func initStack() Func {
	n, bottom, stackErrs, stackAt, hwcap := RBX, R12, R13, R14, R15
	random := RBX
	// strings copies count strings to the stack, the last one first, and replaces
	// their addresses in the array by the user's.
	strings := func(array Mem, count Mem) Block {
		return Block{
			MOVQ(count, n),
			LOOP(
				SUBQ(1, n),
				BREAK(B),
				LEAQ(array, RCX),
				MOVQ(RCX.Index(n, 8), RDI),
				CALL(pushString),
				LEAQ(array, RCX),
				MOVQ(RAX, RCX.Index(n, 8)),
			),
		}
	}
	// pointers writes an array with a null at its end.
	pointers := func(array Mem, count Mem) Block {
		return Block{
			XORL(n, n),
			LOOP(
				CMPQ(n, count),
				BREAK(E),
				LEAQ(array, RCX),
				stackWord(RCX.Index(n, 8)),
				INCQ(n),
			),
			stackWord(0),
		}
	}
	var vector Block
	for _, e := range auxv {
		vector = append(vector, stackWord(e.kind), e.value)
	}
	return FUNC("init_stack",
		`init_stack writes what init finds on its stack. Down from StackTop: its name,
its environment and arguments, 16 random bytes; then, up from RSP, the number
of arguments, their addresses, the addresses of the environment, and the auxiliary
vector (System V ABI AMD64, 3.4.1).`,
		MOVQ(uint64(layout.StackTop-8), RAX), // a null word ends the stack
		MOVQ(RAX, execState.SP),
		XORL(stackErrs, stackErrs), // errors
		MOVQ(execState.Path, RDI),
		CALL(pushString),
		MOVQ(RAX, execState.ExecName),
		strings(execState.Envp[0], execState.Envc),
		strings(execState.Argv[0], execState.Argc),

		MOVQ(execState.SP, stackAt),
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
		pointers(execState.Argv[0], execState.Argc),
		pointers(execState.Envp[0], execState.Envc),
		vector,
		TESTQ(stackErrs, stackErrs),
		IF(NE, LEAQ(Str("init's stack cannot be written"), RDI), JMP(bootFail)),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes()
}

func pushString() Func {
	text := RBX
	return FUNC("push_string",
		`push_string copies the NUL-terminated string RDI below execState.SP, moves that
down to the copy and returns it. Errors are added to R13.`,
		MOVQ(RDI, text),
		CALL(strlen),
		LEAQ(RAX.At(1), RDX),
		SUBQ(RDX, execState.SP),
		MOVQ(execState.SP, RDI),
		MOVQ(text, RSI),
		CALL(copyToUser),
		ORQ(RAX, stackErrs),
		MOVQ(execState.SP, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI, R13).Returns(RAX, R13)
}

// mix64 is a step of the generator splitmix64: every bit of the result depends
// on every bit of r, and only one value of r gives 0. Clobbers RAX.
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
