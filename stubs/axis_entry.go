package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis entry.
const (
	EntrySYSCALL Value = "entry=syscall"
	EntryFRED    Value = "entry=fred"
)

var _ = Register(Axis{
	Name: "entry", Rank: 420,
	Of: DispatchTree, OfWhy: "one entry takes calls, interrupts and exceptions, so the call is made from the frame, in C, by the do_syscall_64 that comes with a tree",
	Doc: "how ring 3 enters the kernel, and leaves it",
	Values: []Choice{
		{Value: EntrySYSCALL, Since: "Linux 3.19", Doc: "by SYSCALL, which changes no stack and pushes nothing; interrupts and exceptions have entries of their own, in the IDT"},
		{
			// Linux 6.9: arch/x86/entry/entry_64_fred.S, entry_fred.c; Intel, Flexible
			// Return and Event Delivery.
			Value: EntryFRED, Since: "Linux 6.9", Needs: layout.FeatureFRED, Promises: PromiseFRED,
			Doc: "by FRED: the CPU takes the thread's stack from an MSR and pushes the hardware frame for a call as for any event, and ERETU pops it; neither RCX nor R11 changes. GS changes with the ring. The test of exit=opportunistic remains, and nobody reads its answer",
		},
	},
	Excludes: []Exclusion{
		{
			What: "entry=fred with instructions at places that only SYSCALL's path has",
			Why:  "nothing is between user and frame that they could change: the CPU comes with the kernel's GS and stack, all flags clear and the hardware frame built, for interrupts too, which begin with interrupts off; and nothing is between the last load and ERETU (so no landing=endbr, irq=early, irq=frame, sfmask=few, cr3, stackleak, ibrs or buffers)",
			Is: func(v Axes) bool {
				return v.Is(EntryFRED) && v.puts(AtEntry, BeforeStack, OnStack, SPSafe, BeforeHandler, BeforeExit, OnTrampoline, BeforeReturn)
			},
		},
		{
			What: "entry=fred with untrain, returns or a loop of bhb",
			Why:  "no CPU that has FRED needs them, and Linux has none of them on this path",
			Is: func(v Axes) bool {
				return v.Is(EntryFRED) && (!v.Is(UntrainNone) || !v.Is(ReturnsRET) || v.clearsHistory())
			},
		},
		{
			What: "entry=fred with a choice of align",
			Why:  "FRED's entry begins a page",
			Is:   func(v Axes) bool { return v.Is(EntryFRED) && !v.Is(Align16) },
		},
		{
			What: "entry=fred with a choice of scratch, stack, leave, sfmask, espfix or build",
			Why:  "FRED leaves nothing to choose: there is no scratch word and no second stack, every flag is clear, ERETU restores all of RSP, and what the CPU does not push is pushed below it (so build=push, and the others at their first values)",
			Is: func(v Axes) bool {
				return v.Is(EntryFRED) && !(v.Is(ScratchPerCPU) && v.Is(StackPerCPU) && v.Is(LeaveStack) && v.Is(SFMaskControl) && v.Is(ESPFixTest) && v.Is(BuildPush))
			},
		},
	},
})

// fredEvent are the functions of the kernel for events that are no call.
const (
	fredEventUser   = "fred_event_user"
	fredEventKernel = "fred_event_kernel"
)

// fredKernelLast is the last instruction of FREDKernelEntry.
const fredKernelLast = "fred_kernel_last"

// fredConfig is MSR_IA32_FRED_CONFIG without the entry's address.
const fredConfig = x86.FREDRedZone

// fredEntries returns the entry from ring 3 and, 256 bytes behind it, the entry from ring 0
// (Linux 6.18: arch/x86/entry/entry_64_fred.S).
func (v Axes) fredEntries(suffix string) []Func {
	exit := FuncName(fredExit, suffix)
	return []Func{
		FUNC(FuncName(FREDEntry, suffix), `asm_fred_entrypoint_user is where every event of ring 3 arrives, SYSCALL among
them (MSR_IA32_FRED_CONFIG).

State on entry (Intel, Flexible Return and Event Delivery):
  RSP  the thread's stack, at the error code of the hardware frame
  GS   the kernel's
  CS   KERNEL_CS, SS KERNEL_DS
  RFLAGS has no flag set; all other registers are the user's`,
			FRAME(pt.OrigAX.Off),
			v.fredSave(),
			MOVQ(RSP, RDI).C("the frame"),
			CALL(FuncName(fredFromUser, suffix)).C("leaves interrupts off"),
			GLOBAL(exit),
			v.popRegs(),
			POPQ(RDI).Is(pt.DI),
			ERETU().C("GS.base: PerCPU -> user"),
		).In("entry").At(x86.FREDEntryAlign, 0),
		FUNC(FuncName(FREDKernelEntry, suffix), `asm_fred_entrypoint_kernel is where every event of ring 0 arrives, on the stack of
its level. State on entry as above, but that all other registers are the kernel's.`,
			FRAME(pt.OrigAX.Off),
			v.fredSave(),
			MOVQ(RSP, RDI).C("the frame"),
			CALL(fredEventKernel),
			v.popRegs(),
			POPQ(RDI).Is(pt.DI),
			GLOBAL(FuncName(fredKernelLast, suffix)),
			ERETS(),
		).In("entry").At(x86.FREDKernelEntry, 0),
		v.fredDispatch(suffix),
		FUNC(FuncName(FREDReturn, suffix), `fred_return returns to ring 3 from a trap, or begins a thread: RSP is at full
PtRegs, on any stack, IF is 0, and no work is left.`,
			v.updateRSP0(),
			JMP(exit),
		).In("entry"),
	}
}

// fredSave completes the frame that the CPU has begun.
func (v Axes) fredSave() Block {
	return Block{
		PUSHQ(RDI).Is(pt.DI),
		pushScratch(),
		v.pushRest(),
		v.at(FrameBuilt),
	}
}

// What distinguishes SYSCALL from other events, in the bits of the ss slot from
// x86.FREDSSVector on, once its type is known.
const (
	syscallMask  = 0xff | x86.FREDSSLong>>x86.FREDSSVector
	syscallEvent = x86.FREDSyscall | x86.FREDSSLong>>x86.FREDSSVector
)

// fredDispatch makes the call, or lets the kernel handle another event (Linux 6.18:
// arch/x86/entry/entry_fred.c, fred_entry_from_user and fred_other).
func (v Axes) fredDispatch(suffix string) Func {
	frame := RDI
	regs := Fields[layout.PtRegs[Mem]](frame)
	return FUNC(FuncName(fredFromUser, suffix), `fred_entry_from_user(regs) handles an event of ring 3 and does all the work that is
then pending. It leaves interrupts off.`,
		v.nop("ENDBR64: nothing calls it through a pointer"),
		MOVQ(regs.OrigAX, RSI).C("the error code"),
		MOVQ(-1, regs.OrigAX).C("no call to restart"),
		MOVZBL(regs.SS.Add(x86.FREDSSType/8), RAX),
		ANDL(0xf, RAX),
		CMPL(RAX, x86.FREDTypeOther),
		JNE("other_event"),
		MOVL(regs.SS.Add(x86.FREDSSVector/8), RAX),
		ANDL(syscallMask, RAX),
		CMPL(RAX, syscallEvent).C("SYSCALL, in 64-bit code?"),
		JNE("other_event"),
		MOVQ(regs.AX, RSI),
		MOVQ(RSI, regs.OrigAX).C("the number"),
		MOVQ(-layout.ENOSYS, regs.AX),
		JMP(FuncName("do_syscall_64", suffix)),

		LABEL("other_event"),
		CALL(fredEventUser).C("leaves interrupts off"),
		v.updateRSP0(),
		RET(),
	).In("entry")
}

// updateRSP0 makes the CPU find the running thread's stack at the next event of ring 3,
// if that is another thread's still (Linux 6.18: arch/x86/include/asm/fred.h,
// fred_update_rsp0). Clobbers RAX, RCX and RDX.
func (v Axes) updateRSP0() Block {
	stack := RAX
	switch {
	case v.Is(EntryFRED):
	case v.Is(ExitWorkChecked): // the compiler has it before the jump
		return Block{MOVQ(keptThread, stack), ADDQ(layout.ThreadSize, stack).C("the stack's end"), v.jumpOver("FRED's stack")}
	default:
		return v.nop("FRED's stack")
	}
	return Block{
		MOVQ(gs.Current, stack),
		LEAQ(stack.At(layout.ThreadSize), stack).C("its end"),
		CMPQ(gs.FREDRSP0, stack),
		IF(NE,
			MOVL(x86.MSR_IA32_FRED_RSP0, RCX).C("IA32_FRED_RSP0"),
			MOVQ(stack, RDX),
			SHRQ(32, RDX),
			WRMSR(),
			MOVQ(stack, gs.FREDRSP0),
		),
	}
}

// fredInit returns the function that the kernel calls when a variant with entry=fred is
// selected.
func (v Axes) fredInit(suffix string) Func {
	return FUNC(FuncName(SyscallInit, suffix), `syscall_init makes events arrive at this variant's entries: the selectors, the
address, and EFER.SCE, which enables SYSCALL. The stacks and CR4.FRED are the
kernel's. Clobbers RAX, RCX and RDX. IF is 0.`,
		v.writeStar(),
		MOVL(x86.MSR_IA32_FRED_CONFIG, RCX).C("IA32_FRED_CONFIG"),
		LEAQ(Sym(FuncName(FREDEntry, suffix)).Add(fredConfig), RAX),
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		WRMSR(),
		enableSYSCALL(),
		v.setBHIDisS(),
		RET(),
	)
}
