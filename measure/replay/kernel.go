package replay

import (
	"fmt"
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/kernel"
	"github.com/entrylab/entrylab/gen/layout"
)

// cpu is what GS points to: the kernel's per-CPU area, followed by the replay's own state.
type cpu[T any] struct {
	layout.PerCPU[T]
	Ring T // address of the ring
	Turn T // offset in Ring.Threads of the running thread
	// CallTable is the address of sys_call_table.
	CallTable T
}

// ring holds the threads that switch to each other.
type ring[T any] struct {
	Threads [threads]T
	// Before names, for each thread, the thread that left before it.
	Before [threads]T
}

// task is a thread of the kernel, followed by what thread_start loads: the state of
// userLoop.
type task[T any] struct {
	layout.Thread[T]
	StartSP, Back, Number, Entry, UserFlags, Loop T
}

// ptRegs is the frame.
type ptRegs = layout.PtRegs[Mem]

var (
	gs   = Fields[cpu[Mem]](GS)
	next = Fields[task[Mem]](RSI)
)

// threads is the number of threads that switch to each other, a power of two.
// Their kernel stacks lie 16 KiB apart, so that their hot lines compete for the
// same set of the first-level cache, which has at least 8 ways.
const threads = 8

// chainStep is the cycles of a dependent 64-bit IMUL on every Intel CPU since Nehalem and
// every AMD CPU since K8. chainLength is the number of them in a handler with work.
const (
	chainStep   = 3
	chainLength = 20
)

func chain(r Reg) Block { return slices.Repeat(Block{IMULQ(r, r)}, chainLength) }

// probeNOPs is the length of the probe for a busy neighbour, in instructions that need
// nothing but dispatch slots, which the two threads of a core share.
const probeNOPs = 96

// Names of the user's loops: one for each kind of fence.
const (
	loopN  = "loop_n"
	loopSR = "loop_sr"
	loopD  = "loop_d"

	loopBack = "back" // the label in each to which the call returns
)

// userLoop makes RBX calls. Its state is in registers that every call keeps:
// R12 the address of the label back, R13 the number of the call, R14 the entry,
// R15 RFLAGS. enter jumps to the entry.
func userLoop(name string, fence, enter Block) Func {
	return FUNC(name, "makes RBX system calls.",
		LABEL("again"),
		MOVQ(R13, RAX),
		MOVQ(R12, RCX).C("SYSCALL: RIP"),
		MOVQ(R15, R11).C("SYSCALL: RFLAGS"),
		fence,
		enter,
		LABEL(loopBack),
		fence,
		DECQ(RBX),
		JNE("again"),
		RET(),
	)
}

// userProgram returns the user's loops without additional instructions.
func userProgram() Program { return userLoops(JMP(R14)) }

func userLoops(enter ...Item) Program {
	return Program{Funcs: []Func{
		userLoop(loopN, nil, enter),
		userLoop(loopSR, Block{LFENCE()}, enter),
		userLoop(loopD, Block{MFENCE()}, enter),
	}}
}

func probeProgram() Program {
	return Program{Funcs: []Func{
		FUNC("probe", "takes RBX times the dispatch of probeNOPs instructions.",
			LABEL("again"),
			Block(slices.Repeat(Block{NOP()}, probeNOPs)),
			DECQ(RBX),
			JNE("again"),
			RET(),
		),
		FUNC("chain", "takes RBX times chainLength*chainStep cycles: the unit of all figures.",
			LABEL("again"),
			chain(RAX),
			DECQ(RBX),
			JNE("again"),
			RET(),
		),
	}}
}

// Names of the handlers.
const (
	sysNull            = "sys_null"
	sysWork            = "sys_work"
	sysNone            = "sys_work, once more"      // sysWork of a second copy of the job's chunk Kernel
	sysPositiveControl = "sys_work, one cycle more" // sysWork of the job's chunk PositiveControl
	fullFrame          = "stub_full_frame"          // the variant's wrapper of sysFull
	sysFull            = "sys_full_frame"
	sysYield           = "sys_yield"
	flushSP            = "sys_yield_flush_usersp"
	flushBoth          = "sys_yield_flush_thread"
)

// kernelProgram returns what a stub calls in the kernel. last is what the handler with work
// does after its chain.
func kernelProgram(last Ins) Program {
	return Program{Funcs: []Func{
		FUNC(sysNull, "does nothing.", XORL(RAX, RAX), RET()),
		FUNC(sysWork, "does something that its result waits for.", MOVQ(RDI, RAX), chain(RAX), last, RET()),
		FUNC("syscall_return_slowpath", "finds no work to do for the frame RDI.",
			TESTL(layout.TIFAllWork, Fields[layout.Thread[Mem]](RDI.At(8*int(layout.NumSlots)-layout.ThreadSize)).Flags),
			JNE("work"),
			RET(),
			LABEL("work"),
			UD2()),
		x64SysCall(),
		kernel.StackleakErase(),
		FUNC("x64_sys_call_switch", "is x64_sys_call where a compiler may make a table.",
			NOP(), NOP(),
			CMPL(RSI, layout.SysCallMax),
			JA("default"),
			MOVQ(Fields[layout.PtRegs[Mem]](RDI).DI, RDI),
			MOVQ(gs.CallTable, RAX),
			JMP(RAX.Index(RSI, 8)),
			LABEL("default"),
			UD2()),
		FUNC(sysFull, "is what the wrapper for a call that needs full pt_regs calls.",
			MOVQ(RDI, RAX), chain(RAX), RET()),
		yield(sysYield, nil),
		yield(flushSP, Block{CLFLUSH(next.UserSP)}),
		yield(flushBoth, Block{CLFLUSH(next.UserSP), CLFLUSH(next.SP)}),
		FUNC("__switch_to", "makes RSI the current thread, and returns RDI.",
			MOVQ(RSI, gs.Current),
			LEAQ(RSI.At(layout.ThreadSize), RAX),
			MOVQ(RAX, gs.TopOfStack),
			MOVQ(RAX, gs.TSS.SP0),
			MOVQ(RDI, RAX),
			RET()),
		FUNC("thread_start", "is where a thread begins: in ring 3, with the state of userLoop from its task.",
			MOVQ(gs.Current, RSI),
			MOVQ(next.StartSP, RSP),
			MOVQ(next.Back, R12),
			MOVQ(next.Number, R13),
			MOVQ(next.Entry, R14),
			MOVQ(next.UserFlags, R15),
			MOVQ(1<<40, RBX).C("calls to make: it never ends"),
			JMP(next.Loop)),
		cEntryFunc(),
		FUNC(trap, "stands for all else.", UD2()),
	}}
}

// x64SysCall stands for the kernel's, which a replay cannot use, as a handler has another
// number each time: seven comparisons, as for most numbers, then the table instead of the
// last jump. It loads the first argument from the frame.
func x64SysCall() Func {
	b := Block{NOP(), NOP()}
	for i := range 7 {
		b = append(b, CMPL(RSI, layout.SysCallMax+1+i), JE("none"), JA("none"))
	}
	return FUNC("x64_sys_call", "goes to the handler RSI with the frame RDI.",
		b,
		MOVQ(Fields[layout.PtRegs[Mem]](RDI).DI, RDI),
		MOVQ(gs.CallTable, RAX),
		JMP(RAX.Index(RSI, 8)),
		LABEL("none"),
		UD2(),
	)
}

// The handler with work ends in one of these instructions, which have the same length. Its
// result waits only for the second.
var (
	noDose = LEAQ(RDI.At(1), RCX)
	dose   = LEAQ(RAX.At(1), RAX).C("one cycle more")
)

// yield switches to the next thread of the ring as schedule does, by the variant's
// __switch_to_asm. The lines that are flushed are those of the thread that left before,
// which runs again only after all others.
func yield(name string, flush Block) Func {
	if flush != nil {
		flush = append(Block{
			MOVQ(gs.Ring, RDX),
			MOVQ(Fields[ring[Mem]](RDX.Index(RAX, 1)).Before[0], RSI),
		}, flush...)
	}
	return FUNC(name, "runs the next thread.",
		MOVQ(gs.Current, RDI),
		MOVQ(gs.Turn, RAX),
		flush,
		ADDQ(8, RAX),
		ANDL(8*(threads-1), RAX),
		MOVQ(RAX, gs.Turn),
		ADDQ(gs.Ring, RAX),
		MOVQ(Fields[ring[Mem]](RAX).Threads[0], RSI),
		JMP(gs.SwitchTo),
	)
}

// labelIn names a label of a function in a chunk's Defs.
func labelIn(function, label string) string { return function + "." + label }

// chunkOf links a program that refers to nothing outside itself.
func chunkOf(p Program) (chunk, error) {
	const base = 1 << 20
	obj, err := Link(p, base, 0)
	if err != nil {
		return chunk{}, fmt.Errorf("replay: %w", err)
	}
	c := chunk{Code: obj.Sections[0].Bytes, Defs: map[string]int{}}
	for _, l := range obj.Listings() {
		c.Defs[l.Name] = int(l.Addr - base)
		for _, row := range l.Rows {
			if row.Label != "" {
				c.Defs[labelIn(l.Name, row.Label)] = int(l.Addr-base) + row.Off
			}
		}
	}
	return c, nil
}

// Offsets for the sampler, which prepares the memory from outside.
var (
	perCPU   = Slots[cpu[Slot]]()
	ringSlot = Slots[ring[Slot]]()
	thread   = Slots[task[Slot]]()
	switched = Slots[layout.SwitchFrame[Slot]]()
)
