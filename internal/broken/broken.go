// Package broken holds variants with one fault each, which show that the guest's
// checks can fail. A test puts one into an image beside a sound variant and selects it for
// the checks. They are not presets.
//
// Each is a sound variant whose listing is edited: one instruction is left out,
// replaced or added. An edit that does not find its instruction exactly once is a
// build error, so that no broken variant silently becomes a sound one.
package broken

import (
	"fmt"
	"strings"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// Variant is a variant with a fault.
type Variant struct {
	stubs.Variant
	// Base is the sound variant's name.
	Base string
	// Fault says what is wrong.
	Fault string
}

var (
	gs = Fields[layout.PerCPU[Mem]](GS)
	pt = Slots[layout.PtRegs[Slot]]()

	// The frame when RSP is at the start of a partial frame and at the start of full pt_regs,
	// and at a return address below either.
	part       = Fields[layout.PtRegs[Mem]](RSP.At(-pt.R11.Off))
	calledPart = Fields[layout.PtRegs[Mem]](RSP.At(8 - pt.R11.Off))
	full       = Fields[layout.PtRegs[Mem]](RSP)
	called     = Fields[layout.PtRegs[Mem]](RSP.At(8))
	onRDI      = Fields[layout.PtRegs[Mem]](RDI)
)

// earlyRounds is how long the variant early-irq waits with interrupts on and
// the user's RSP in RSPScratch alone.
const earlyRounds = 10_000

// looking is a variant whose only exit looks at the frame before it takes SYSRETQ.
const looking = "sp=frame,flags=flags,top=eager,irq=frame,exit=opportunistic"

// fred is the variant that enters by FRED.
const fred = "linux-6.18+fred"

// erasing is a variant that erases the stack.
const erasing = "linux-6.12+kstack=none+stackleak=erase"

// Variants returns all broken variants.
func Variants() []Variant {
	return []Variant{
		fault("star-without-rpl", "linux-3.19", "SYSRET's selector in MSR_STAR has the RPL 0",
			Edit(stubs.SyscallInit, MOVL(uint32(0x230010), RDX), MOVL(uint32(0x200010), RDX))),
		fault("ac-not-masked", "linux-3.19", "SYSCALL does not clear AC",
			Edit(stubs.SyscallInit, MOVL(uint32(0x47700), RAX), MOVL(uint32(0x7700), RAX))),

		fault("r10-not-passed", "linux-3.19", "argument 4 is not moved from R10 to RCX",
			Edit(stubs.Entry, MOVQ(R10, RCX))),
		fault("r10-not-restored", "linux-3.19", "R10 is loaded from the slot of R9",
			Edit(stubs.Entry, MOVQ(part.R10, R10), MOVQ(part.R9, R10))),
		fault("rbx-clobbered", "linux-3.19", "RBX, which is in no frame, is not kept",
			Edit(stubs.Entry, MOVQ(RAX, part.AX), MOVQ(RAX, part.AX), XORL(RBX, RBX))),
		fault("kernel-word-in-rdx", "linux-3.19", "RDX returns with the thread's address",
			Edit(stubs.Entry, MOVQ(part.DX, RDX), MOVQ(gs.Current, RDX))),
		fault("flags-lost", "heukelum-v2", "RFLAGS is not the user's",
			Edit(stubs.Entry, MOVQ(part.Flags, R11), MOVL(x86.X86_EFLAGS_IF|x86.X86_EFLAGS_FIXED, R11))),
		fault("rsp-off", "linux-3.19", "RSP returns 8 bytes too high",
			Edit(stubs.Entry, MOVQ(gs.RSPScratch, RSP), MOVQ(gs.RSPScratch, RSP), LEAQ(RSP.At(8), RSP))),
		fault("red-zone-written", "linux-3.19", "the exit writes below the user's RSP",
			Edit(stubs.Entry, MOVQ(gs.RSPScratch, RSP),
				MOVQ(gs.RSPScratch, RSP),
				STAC(),
				MOVQ(RAX, RSP.At(-64)),
				CLAC(),
			)),
		fault("ac-left", "linux-3.19", "AC is set while a handler runs: SMAP is off",
			Edit(stubs.Entry, MOVQ(R10, RCX), MOVQ(R10, RCX), STAC())),
		fault("x87-reset", "linux-3.19", "the x87 state is not kept",
			Edit(stubs.Entry, MOVQ(RAX, part.AX), MOVQ(RAX, part.AX), FNINIT())),
		fault("enosys-missing", "linux-3.19", "an unknown call does not return -ENOSYS",
			Edit(stubs.Entry, MOVQ(-38, part.AX), MOVQ(0, part.AX))),

		fault("x32-bit-kept", "linux-3.19+x32=mask", "x32's bit stays in the number",
			Edit(stubs.Entry, ANDL(^layout.X32Bit, RAX), ANDL(-1, RAX))),
		fault("x32-bit-tested-twice", "linux-6.12+x32=range", "the second test is of the number with x32's bit",
			Edit("do_syscall_64", LEAL(RBX.At(-layout.X32Bit), RSI), MOVL(RBX, RSI))),

		fault("orig-ax-slot-wrong", "heukelum-v2", "the orig_ax slot holds RDX",
			Edit(stubs.Entry, MOVQ(RAX, part.OrigAX), MOVQ(RDX, part.OrigAX))),
		fault("ss-slot-wrong", "linux-3.19", "the fix-up of a full-frame call puts KERNEL_DS into the ss slot",
			Edit("stub_full_frame", MOVQ(x86.USER_DS, called.SS), MOVQ(x86.KERNEL_DS, called.SS))),
		fault("cx-slot-written", "linux-3.19", "the cx slot is written though top=lazy leaves it alone",
			Edit(stubs.Entry, MOVQ(RCX, part.IP), MOVQ(RCX, part.IP), MOVQ(RCX, part.CX))),
		fault("cx-not-fixed-up", "linux-3.19", "the fix-up forgets the cx slot",
			Edit("stub_full_frame", MOVQ(-1, called.CX))),
		fault("flags-not-restored", "linux-3.19", "a changed flags slot does not reach the r11 slot",
			Edit("stub_set_frame", MOVQ(R11, called.R11))),
		fault("ip-from-cx-slot", "heukelum-v2", "the exit takes RIP from the cx slot, so that a changed ip slot is lost",
			Edit(stubs.Entry, MOVQ(part.IP, RCX), MOVQ(part.CX, RCX)),
			Edit("stub_set_frame", JAE("set_frame_via_iret"))),
		fault("iopl-not-restored", "linux-3.19", "the flags that iopl has changed do not reach the r11 slot",
			Edit("stub_iopl", MOVQ(R11, calledPart.R11))),
		fault("sp-not-restored", "linux-3.19", "a changed sp slot does not reach RSPScratch",
			Edit("stub_set_frame", MOVQ(R11, gs.RSPScratch))),

		fault("result-cut", "linux-3.19", "the result is taken for an int",
			Edit(stubs.Entry, MOVQ(RAX, part.AX), MOVSLQ(RAX, RAX), MOVQ(RAX, part.AX))),
		fault("flags-not-compared", looking, "the exit does not compare the flags slot with R11, which it returns",
			Edit(stubs.Entry, CMPQ(part.Flags, R11), CMPQ(R11, R11))),
		fault("tf-by-sysret", looking, "the exit does not look for TF",
			Edit(stubs.Entry, TESTQ(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, R11), TESTQ(x86.X86_EFLAGS_RF, R11))),
		fault("tf-by-slow-sysret", "linux-4.1", "the slow exit does not look for TF",
			Edit("int_ret_from_sys_call", TESTQ(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, R11), TESTQ(x86.X86_EFLAGS_RF, R11))),

		fault("full-iret-not-tested", "freebsd", "the exit takes SYSRETQ although PCB_FULL_IRET is set",
			Edit(stubs.Entry, JNE("full_iret"))),
		fault("single-step-not-told", "freebsd", "a call that the user single-steps ends by SYSRETQ",
			Edit(stubs.Entry, ANDL(x86.X86_EFLAGS_TF, RSI), XORL(RSI, RSI))),
		fault("sigreturn-via-sysret", "linux-4.1", "rt_sigreturn ends in SYSRETQ, which takes RCX and R11 for itself",
			Edit("stub_rt_sigreturn", JMP(stubs.FuncName("int_ret_from_sys_call", "sigreturn-via-sysret")), sysretFull())),

		fault("stack-not-erased", erasing, "SYSRETQ leaves what the call has written on the stack",
			Edit(stubs.Entry, PUSHQ(RDI.At(0)), PUSHQ(RDI.At(0)), POPQ(RDI), JMP("not_erased")),
			Edit(stubs.Entry, POPQ(RSP), LABEL("not_erased"), POPQ(RSP))),
		fault("stack-not-erased-by-iret", erasing+"+exit=iret+leave=stack+iptest=half", "IRETQ leaves it",
			Edit(stubs.Entry, CALL("stackleak_erase"))),
		fault("stack-skipped", erasing, "the stack begins lower than its search goes on",
			Edit("do_syscall_64", CALL("x64_sys_call"), SUBQ(32*layout.StackErasedRun, RSP), CALL("x64_sys_call"), ADDQ(32*layout.StackErasedRun, RSP))),

		fault("cr3-not-switched-back", "linux-4.1+scratch=sp2+leave=trampoline+cr3=switch", "SYSRETQ leaves ring 3 on the kernel's page table",
			Edit(stubs.Entry, MOVQ(RDI, CR3))),
		fault("cr3-not-switched-by-iret", "linux-6.12+exit=iret+leave=stack+iptest=half+cr3=switch", "IRETQ leaves ring 3 on the kernel's page table",
			Edit(stubs.Entry, MOVQ(RDI, CR3))),

		fault("fred-rcx-by-syscall", fred, "the entry leaves RIP in the cx slot, as SYSCALL would, and ERETU does not",
			Edit("fred_entry_from_user", MOVQ(RSI, onRDI.OrigAX), MOVQ(RSI, onRDI.OrigAX), MOVQ(onRDI.IP, RAX), MOVQ(RAX, onRDI.CX))),
		fault("fred-orig-ax-lost", fred, "the orig_ax slot says that there is no call",
			Edit("fred_entry_from_user", MOVQ(RSI, onRDI.OrigAX))),
		fault("fred-tf-lost", fred, "the entry clears TF in the frame, as if ring 3 got back what SYSCALL left",
			Edit("fred_entry_from_user", MOVQ(RSI, onRDI.OrigAX), MOVQ(RSI, onRDI.OrigAX), ANDQ(-1-x86.X86_EFLAGS_TF, onRDI.Flags))),

		fault("new-thread-rbx-lost", "linux-3.19", "a new thread begins with the kernel's RBX",
			Edit(stubs.NewThread, MOVQ(full.BX, RBX))),

		fault("usersp-not-swapped", "linux-3.19", "the context switch does not bring RSPScratch back",
			Edit(stubs.SwitchTo, MOVQ(RAX, gs.RSPScratch))),
		fault("early-irq", "linux-3.19+a", "interrupts come on before RSP is in its slot, and stay on there for long enough to be hit",
			Edit(stubs.Entry, MOVQ(gs.TopOfStack, RSP),
				MOVQ(gs.TopOfStack, RSP),
				STI(),
				PUSHQ(earlyRounds),
				DO(DECQ(RSP.At(0))).WHILE(NE),
				LEAQ(RSP.At(8), RSP),
			)),
	}
}

// Find returns the broken variant with that name.
func Find(name string) (Variant, error) {
	var names []string
	for _, v := range Variants() {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	return Variant{}, fmt.Errorf("no broken variant %q: want one of %s", name, strings.Join(names, ", "))
}

// fault makes a variant from a preset.
func fault(name, base, what string, edits ...func(*Program) error) Variant {
	n, err := stubs.ParseVariant(base)
	if err != nil {
		panic(err) // the name is in this file
	}
	all := func(p *Program) error {
		for _, edit := range edits {
			if err := edit(p); err != nil {
				return err
			}
		}
		return nil
	}
	return Variant{stubs.Variant{Name: name, Axes: n.Axes, Edit: all}, base, what}
}

// sysretFull returns from a full frame by SYSRETQ, RAX being the result.
func sysretFull() Block {
	return Block{
		CLI(),
		MOVQ(full.R15, R15),
		MOVQ(full.R14, R14),
		MOVQ(full.R13, R13),
		MOVQ(full.R12, R12),
		MOVQ(full.BP, RBP),
		MOVQ(full.BX, RBX),
		MOVQ(full.R10, R10),
		MOVQ(full.R9, R9),
		MOVQ(full.R8, R8),
		MOVQ(full.DX, RDX),
		MOVQ(full.SI, RSI),
		MOVQ(full.DI, RDI),
		MOVQ(full.IP, RCX),
		MOVQ(full.Flags, R11),
		MOVQ(full.SP, RSP),
		SWAPGS(),
		SYSRETQ(),
	}
}

// Edit replaces the instruction was, which a function must have exactly once, by items, of
// which there may be none. The function is named without the variant.
func Edit(function string, was Ins, items ...Item) func(*Program) error {
	return func(p *Program) error {
		found := 0
		for i, fn := range p.Funcs {
			if name, _, _ := stubs.CutFuncName(fn.Name); name == function {
				p.Funcs[i].Body = replace(fn.Body, was, items, &found)
			}
		}
		if found != 1 {
			return fmt.Errorf("%s has %d times %q; the edit needs it once", function, found, was.Short())
		}
		return nil
	}
}

// replace returns the listing with items in place of each instruction that equals was, and
// how many there were.
func replace(b Block, was Ins, items []Item, found *int) Block {
	var out Block
	for _, item := range b {
		switch item := item.(type) {
		case Block:
			out = append(out, replace(item, was, items, found))
			continue
		case Ins:
			if item.Equal(was) {
				*found++
				out = append(out, items...)
				continue
			}
		}
		out = append(out, item)
	}
	return out
}
