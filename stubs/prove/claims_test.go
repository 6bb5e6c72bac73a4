package prove

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// first puts items before a function's own.
func first(function string, items ...asm.Item) func(*asm.Program) error {
	return func(p *asm.Program) error {
		f := find(p, function)
		f.Body = slices.Concat(asm.Block(items), f.Body)
		return nil
	}
}

// last puts items in the place of a function's last.
func last(function string, items ...asm.Item) func(*asm.Program) error {
	return func(p *asm.Program) error {
		f := find(p, function)
		f.Body = slices.Concat(f.Body[:len(f.Body)-1], asm.Block(items))
		return nil
	}
}

// compareNumber puts items in the place of the move and the comparison by which
// do_syscall_64 takes an int for the number.
func compareNumber(items ...asm.Item) func(*asm.Program) error {
	return both(
		broken.Edit("do_syscall_64", asm.MOVL(asm.RSI, asm.RAX)),
		broken.Edit("do_syscall_64", asm.CMPL(asm.RAX, layout.SysCallMax), items...),
	)
}

// bareCalls makes bare's entry call a handler, sound but for the look at Thread.Flags.
func bareCalls(p *asm.Program) error {
	f := find(p, "entry_SYSCALL_64")
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	f.Body = asm.Block{
		asm.CMPQ(asm.RAX, layout.SysCallMax), asm.JA("out"),
		asm.SWAPGS(), asm.MOVQ(asm.RSP, gs.RSPScratch), asm.MOVQ(gs.TopOfStack, asm.RSP), asm.CALL(asm.Sym("sys_call_table").Index(asm.RAX, 8)),
		asm.SWAPGS(), asm.LABEL("out"), asm.SYSRETQ(),
	}
	return nil
}

func none(*asm.Program) error { return nil }

func both(a, b func(*asm.Program) error) func(*asm.Program) error {
	return func(p *asm.Program) error { return errors.Join(a(p), b(p)) }
}

func find(p *asm.Program, function string) *asm.Func {
	return &p.Funcs[slices.IndexFunc(p.Funcs, func(f asm.Func) bool {
		name, _, _ := stubs.CutFuncName(f.Name)
		return name == function
	})]
}

// codeOf takes the functions of another variant.
func codeOf(name string) func(*asm.Program) error {
	return func(p *asm.Program) error {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			return err
		}
		_, suffix, _ := stubs.CutFuncName(p.Funcs[0].Name)
		*p, err = n.Axes.Program(suffix)
		return err
	}
}

// keeping makes an edit that leaves one of the functions there.
func keeping(function string, edit func(*asm.Program) error) func(*asm.Program) error {
	return func(p *asm.Program) error {
		kept := *find(p, function)
		if err := edit(p); err != nil {
			return err
		}
		p.Funcs = append(p.Funcs, kept)
		return nil
	}
}

// setUp puts an instruction of syscall_init in the place of another.
func setUp(was, now asm.Ins) func(*asm.Program) error {
	return broken.Edit(stubs.SyscallInit, was, now)
}

// TestClaims: each claim that no broken variant shows can fail, and what the
// proof cannot follow is undecided.
func TestClaims(t *testing.T) {
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	next := asm.Fields[layout.Thread[asm.Mem]](asm.RSI)
	const byRetpoline = "linux-6.12+branch=retpoline+dispatch=retpoline"
	const srso, depth = "linux-6.12+untrain=srso+returns=srso", "linux-6.12+returns=calldepth"
	prev := asm.Fields[layout.Thread[asm.Mem]](asm.RDI)
	regs := asm.Slots[layout.PtRegs[asm.Slot]]()
	part, full := asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP.At(-regs.R11.Off)), asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP)
	inRBX := asm.Fields[layout.PtRegs[asm.Mem]](asm.RBX)
	ofRCX := asm.Fields[layout.Thread[asm.Mem]](asm.RCX)
	swap := asm.Block{asm.XORQ(asm.RDI, asm.RSI), asm.XORQ(asm.RSI, asm.RDI), asm.XORQ(asm.RDI, asm.RSI)}
	star, mask := asm.MOVL(uint32(0x230010), asm.RDX), asm.MOVL(uint32(0x47700), asm.RAX)
	const plain = "sp=frame,flags=flags,top=eager,irq=off"
	const ibrs = plain + ",ibrs=entry"
	const table = "linux-6.12+dispatch=table+nospec=none+kstack=none+exitwork=inlined+nops=none"
	const cet = "linux-6.12+cet=user"
	toFirst := asm.CALL(stubs.FuncName("filled_first", "linux-6.12"))
	ofRSI := asm.Fields[layout.Thread[asm.Mem]](asm.RSI)
	ofR13 := asm.Fields[layout.Thread[asm.Mem]](asm.R13)
	specCtrl := func(mask int) asm.Block {
		return asm.Block{
			asm.MOVL(x86.MSR_IA32_SPEC_CTRL, asm.RCX), asm.MOVQ(gs.SpecCtrl, asm.RDX), asm.ANDQ(mask, asm.RDX),
			asm.MOVL(asm.RDX, asm.RAX), asm.SHRQ(32, asm.RDX), asm.WRMSR(),
		}
	}
	const (
		isolated = "linux-4.1+scratch=sp2+leave=trampoline+cr3=switch"
		pcid     = "linux-4.1+scratch=sp2+leave=trampoline+cr3=pcid"
	)
	const fred, byCS, byRDGSBASE = "linux-6.18+fred", "linux-3.19+intgs=cs", "linux-6.12+paranoid=rdgsbase"
	onRDI := asm.Fields[layout.PtRegs[asm.Mem]](asm.RDI)
	toUser := asm.Block{asm.CLI(), asm.MOVQ(asm.CR3, asm.RAX), asm.ORQ(layout.PTIUserBits, asm.RAX), asm.MOVQ(asm.RAX, asm.CR3)}
	for _, tt := range []struct {
		name, variant string
		edit          func(*asm.Program) error
		outcome       Outcome
		want          string // part of a claim that fails
	}{
		{"DF set", "linux-4.1", first("entry_SYSCALL_64", asm.STD()), Refuted, "DF is clear at the handler; it is set or unknown"},
		{"AC set", "linux-4.1", first("stub_clone", asm.STAC()), Refuted, "AC is clear at sys_clone"},
		{"SYSRET's selector without RPL", "linux-3.19", setUp(star, asm.MOVL(0x200010, asm.RDX)), Refuted, "SYSRETQ loads USER_CS and USER_DS, with RPL 3"},
		{"a selector of RPL 0, but for a CPU that makes it 3", "linux-3.19+star=rpl0", codeOf("linux-3.19+star=rpl0"), Proved, ""},
		{"SYSRET's selector another", "linux-6.12", setUp(star, asm.MOVL(0x2b0010, asm.RDX)), Refuted, "MSR_STAR is what axis star says; it is 0x2b001000000000, want 0x23001000000000"},
		{"SYSCALL's selector another", "bare", setUp(star, asm.MOVL(0x230018, asm.RDX)), Refuted, "MSR_STAR is what axis star says"},
		{"DF not cleared by SYSCALL", "linux-3.19", setUp(mask, asm.MOVL(0x47300, asm.RAX)), Refuted, "DF is clear at the handler; it is the user's, as SYSCALL does not clear it (MSR_SYSCALL_MASK), want clear"},
		{"NT not cleared by SYSCALL", "linux-4.6", setUp(mask, asm.MOVL(0x43700, asm.RAX)), Refuted, "NT is clear at the handler"},
		{"AC not cleared by SYSCALL", "linux-4.1", setUp(mask, asm.MOVL(0x7700, asm.RAX)), Refuted, "AC is clear at the handler; it is the user's"},
		{"DF not cleared, but by the entry", "linux-4.1", both(setUp(mask, asm.MOVL(0x47300, asm.RAX)), first(stubs.Entry, asm.CLD())), Refuted, "MSR_SYSCALL_MASK is what axis sfmask says; it is 0x47300, want 0x47700"},
		{"IF not cleared by SYSCALL", "linux-4.1", setUp(mask, asm.MOVL(0x47500, asm.RAX)), Refuted, "interrupts are off here; it is on, as SYSCALL does not clear IF (MSR_SYSCALL_MASK), want off"},
		{"few flags cleared, and no others by the entry", "linux-4.1+sfmask=few", broken.Edit(stubs.Entry, asm.POPFQ(), asm.POPQ(asm.RAX)), Refuted, "NT is clear at the handler"},
		{"no SYSCALL", "linux-4.1", broken.Edit(stubs.SyscallInit, asm.ORL(x86.EFER_SCE, asm.RAX)), Refuted, "EFER.SCE is set, and nothing else changed"},
		{"SYSCALL arrives behind the entry's start", "linux-4.1", broken.Edit(stubs.SyscallInit, asm.MOVQ(asm.RAX, asm.RDX), asm.ADDQ(3, asm.RAX), asm.MOVQ(asm.RAX, asm.RDX)), Refuted, "MSR_LSTAR is the entry"},
		{"the set-up takes a register of its caller", "linux-4.1", first(stubs.SyscallInit, asm.XORL(asm.RBX, asm.RBX)), Refuted, "RBX is kept at the set-up's end; it is 0"},
		{"SWAPGS twice", "sp=frame,irq=off", first("stub_clone", asm.SWAPGS()), Refuted, "GS is the kernel's at sys_clone; it is the user's"},
		{"interrupts in the switch", "linux-4.1", first("__switch_to_asm", asm.STI()), Refuted, "interrupts are off here; it is on, want off"},
		{"interrupts with the user's GS", "linux-4.1", first("entry_SYSCALL_64", asm.STI()), Refuted, "interrupts are off here"},
		{"no switch", "linux-4.1", first(stubs.SwitchTo, asm.RET()), Refuted, "__switch_to has made the thread the current one at the switch's end"},
		{"no __switch_to", "linux-4.1", broken.Edit(stubs.SwitchTo, asm.CALL("__switch_to")), Refuted, "__switch_to has made the thread the current one at the switch's end"},
		{"no __switch_to, by a jump", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.JMP("__switch_to"), asm.RET()), Refuted, "__switch_to has made the thread the current one at the switch's end"},
		{"__switch_to on the old stack", "linux-4.1", first(stubs.SwitchTo, asm.CALL("__switch_to")), Refuted, "RSP is on the next thread's stack at __switch_to"},
		{"__switch_to twice", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.POPQ(asm.R15), asm.CALL("__switch_to"), asm.POPQ(asm.R15)), Refuted, "__switch_to is called once in a switch"},
		{"another thread", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.JMP("__switch_to"), asm.XCHGQ(asm.RSI, asm.RDI), asm.JMP("__switch_to")), Refuted, "__switch_to gets its argument in RDI; it is thread, want the thread that leaves"},
		{"the thread that leaves, lost", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.POPQ(asm.R15), asm.MOVQ(asm.RSI, asm.RDI), asm.POPQ(asm.R15)), Refuted, "__switch_to gets its argument in RDI; it is thread, want the thread that leaves"},
		{"a frame in another order", "linux-6.12", both(
			broken.Edit(stubs.SwitchTo, asm.PUSHQ(asm.R15), asm.PUSHQ(asm.R15), asm.XCHGQ(asm.RSP.At(0), asm.RBX), asm.XCHGQ(asm.RSP.At(32), asm.RBX), asm.XCHGQ(asm.RSP.At(0), asm.RBX)),
			broken.Edit(stubs.SwitchTo, asm.POPQ(asm.R15), asm.XCHGQ(asm.RSP.At(0), asm.RBX), asm.XCHGQ(asm.RSP.At(32), asm.RBX), asm.XCHGQ(asm.RSP.At(0), asm.RBX), asm.POPQ(asm.R15)),
		), Refuted, "is in the SwitchFrame"},
		{"a frame that is lower", "linux-6.12", both(
			broken.Edit(stubs.SwitchTo, asm.MOVQ(asm.RSP, prev.SP), asm.PUSHFQ(), asm.MOVQ(asm.RSP, prev.SP)),
			broken.Edit(stubs.SwitchTo, asm.POPQ(asm.R15), asm.POPFQ(), asm.POPQ(asm.R15)),
		), Refuted, "the thread's SP is set to its SwitchFrame; it is kernel.RSP-56, want kernel.RSP-48"},
		{"every thread begins anew", "linux-4.1", broken.Edit(stubs.SwitchTo, asm.JNE("ret_from_fork"), asm.JMP("ret_from_fork")), Refuted, "the thread has TIF_FORK at ret_from_fork"},
		{"a thread begins anew that is to reschedule", "linux-4.1", broken.Edit(stubs.SwitchTo, asm.TESTL(layout.TIFFork, next.Flags), asm.TESTL(layout.TIFNeedResched, next.Flags)), Refuted, "the thread has TIF_FORK at ret_from_fork"},
		{"a new thread that begins by its stack", "linux-4.1", broken.Edit(stubs.SwitchTo, asm.JNE("ret_from_fork")), Proved, ""},
		{"a new thread that is not current", "linux-4.1", both(
			broken.Edit(stubs.SwitchTo, asm.CALL("__switch_to"), asm.TESTL(layout.TIFFork, next.Flags), asm.JNE("ret_from_fork"), asm.CALL("__switch_to")),
			broken.Edit(stubs.SwitchTo, asm.MOVQ(asm.RBP, asm.RSI)),
		), Refuted, "__switch_to has made the thread the current one at ret_from_fork"},
		{"a call of ret_from_fork", "linux-4.1", broken.Edit("stub_clone", asm.JMP("sys_clone"), asm.JMP("ret_from_fork")), Undecided, "ret_from_fork, which is not for this part of the variant"},
		{"RSP off", "linux-4.1", last(stubs.SwitchTo, asm.RETN(8)), Refuted, "RSP is kept at the switch's end; it is kernel.RSP+16, want kernel.RSP+8"},
		{"RSP off by a jump", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.JMP("__switch_to"), asm.POPQ(asm.RAX), asm.JMP("__switch_to")), Refuted, "RSP is on the next thread's stack at __switch_to; it is kernel.RSP+8"},
		{"the next thread's words", "linux-4.1", first(stubs.SwitchTo, asm.MOVQ(asm.RAX, next.UserSP)), Refuted, "next+24, a word of the thread that is not the variant's"},
		{"the words of the thread that leaves, too late", "linux-4.1", broken.Edit(stubs.SwitchTo, asm.CALL("__switch_to"), asm.MOVQ(asm.RAX, prev.UserSP), asm.CALL("__switch_to")), Refuted, "the thread that leaves+24, a word of the thread that is not the variant's"},
		{"the next thread's stack", "linux-4.1", broken.Edit(stubs.SwitchTo, asm.MOVQ(next.SP, asm.RSP), asm.MOVQ(next.SP, asm.RAX), asm.MOVQ(asm.RBX, asm.RAX.At(-8)), asm.MOVQ(asm.RAX, asm.RSP)), Undecided, "next.SP-8"},
		{"a word of the thread", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RAX, asm.RSP.At(0xb0-layout.ThreadSize))), Refuted, "a word of the thread that is not the variant's"},
		{"a word of the per-CPU area", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RAX, gs.Current)), Refuted, "a word of the per-CPU area that is not the variant's"},
		{"beyond the per-CPU area", "linux-4.1", first("stub_clone", asm.MOVQ(gs.RSPScratch.Add(1<<20), asm.RAX)), Refuted, "outside the per-CPU area"},
		{"the user's GS", "linux-4.1", first("entry_SYSCALL_64", asm.MOVQ(gs.Current, asm.RBX)), Refuted, "through the user's GS"},
		{"a stack that no thread owns", "linux-4.1", first("stub_clone", asm.MOVQ(gs.TSS.IST[0], asm.RAX), asm.MOVQ(asm.RDI, asm.RAX.At(-8))), Refuted, "PerCPU.TSS.IST[0]-8, memory that is not the variant's"},
		{"above the stack", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RSP.At(0xb0), asm.RAX)), Refuted, "stack.top, memory that is not the variant's"},
		{"a jump to the user's address", "linux-4.1", first("stub_clone", asm.JMP(asm.RDI)), Refuted, "it is user.RDI, want an address in the kernel"},
		{"a breakpoint", "linux-4.1", first("stub_clone", asm.INT3()), Refuted, "want no breakpoint"},
		{"no VERW", "linux-4.1+buffers=verw", codeOf("linux-4.1"), Refuted, "VERW has overwritten the CPU's buffers"},
		{"no retpoline", "linux-4.1+branch=retpoline", codeOf("linux-4.1"), Refuted, "the branch is not indirect"},
		{"no landing", "linux-4.1+landing=endbr", codeOf("linux-4.1"), Refuted, "the entry begins with ENDBR64"},
		{"no trampoline", "linux-6.12", codeOf("linux-6.12+leave=stack"), Refuted, "the last word that is touched is on the trampoline stack"},
		{"not cleared", "linux-6.12", codeOf("linux-6.12+clear=none"), Refuted, "R15 is cleared at the function; it is user.R15, want 0"},
		{"another's word in the place of 0", "linux-6.12", broken.Edit(stubs.Entry, asm.XORL(asm.R12, asm.R12), asm.MOVQ(asm.RSP.At(-64), asm.R12)), Refuted, "R12 is cleared at the function; it is stack.-232, want 0"},
		{"not cleared at the handler", table, broken.Edit("do_syscall_64", asm.MOVQ(inRBX.R10, asm.RCX), asm.MOVQ(inRBX.R10, asm.R10), asm.MOVQ(asm.R10, asm.RCX)), Refuted, "R10 is cleared at the handler; it is syscall_trace_enter.r10, want 0"},
		{"VERW of a register", "linux-4.1+buffers=verw", broken.Edit(stubs.Entry, asm.VERW(asm.Sym("mds_verw_sel")), asm.VERW(asm.RAX)), Refuted, "VERW has overwritten the CPU's buffers"},
		{"VERW of another selector", "linux-4.1+buffers=verw", broken.Edit(stubs.Entry, asm.VERW(asm.Sym("mds_verw_sel")), asm.VERW(asm.Sym("mds_verw_sel").Add(2))), Refuted, "VERW has overwritten the CPU's buffers"},
		{"a store behind VERW", "linux-4.1+buffers=verw", both(
			broken.Edit(stubs.Entry, asm.VERW(asm.Sym("mds_verw_sel"))),
			broken.Edit(stubs.Entry, asm.MOVQ(full.SP, asm.RSP), asm.MOVQ(full.SP, asm.RSP), asm.VERW(asm.Sym("mds_verw_sel")), asm.MOVQ(asm.RSP, gs.RSPScratch)),
		), Refuted, "VERW has overwritten the CPU's buffers"},
		{"a retpoline whose RET is predicted to go to the kernel", "linux-4.1+branch=retpoline", broken.Edit("__x86_indirect_thunk_rax", asm.CALL(stubs.FuncName("__x86_indirect_thunk_set", "linux-4.1+branch=retpoline")), asm.PUSHQ(asm.RAX), asm.RET()), Refuted, "where the CPU predicts this RET to go is a loop that does nothing"},
		{"a retpoline without a loop", "linux-4.1+branch=retpoline", broken.Edit("__x86_indirect_thunk_rax", asm.LFENCE()), Refuted, "where the CPU predicts this RET to go is a loop that does nothing"},
		{"RF not looked for", "linux-4.1", broken.Edit("int_ret_from_sys_call", asm.TESTQ(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, asm.R11), asm.TESTQ(x86.X86_EFLAGS_TF, asm.R11)), Refuted, "SYSRETQ does what IRETQ would, RF and TF are clear"},
		{"SYSRETQ for IRETQ", "sp=frame,flags=flags,top=eager,irq=frame,exit=iret", codeOf("sp=frame,flags=flags,top=eager,irq=frame"), Refuted, "the call returns by IRETQ"},
		{"interrupts off at a handler", "linux-4.1", first("stub_clone", asm.CLI()), Refuted, "interrupts are as the variant promises at sys_clone; it is off, want on"},
		{"a word written that is left out", "linux-3.19", broken.Edit(stubs.Entry, asm.SUBQ(0x78, asm.RSP), asm.PUSHQ(asm.RDI), asm.POPQ(asm.RDI), asm.SUBQ(0x78, asm.RSP)), Refuted, "finds the slot ss as it was on the stack"},
		{"NT at IRETQ", "sp=frame,flags=flags,top=eager,irq=frame,exit=iret", broken.Edit(stubs.Entry, asm.ADDQ(0x50, asm.RSP), asm.PUSHQ(x86.X86_EFLAGS_NT), asm.POPFQ(), asm.ADDQ(0x50, asm.RSP)), Refuted, "NT is clear at IRETQ"},
		{"NT by POPFQ", "linux-4.1", first("stub_clone", asm.PUSHQ(x86.X86_EFLAGS_NT|x86.X86_EFLAGS_IF), asm.POPFQ()), Refuted, "NT is clear at sys_clone; it is set or unknown"},
		{"AC by POPFQ", "linux-4.1", first("stub_clone", asm.STAC(), asm.PUSHFQ(), asm.CLAC(), asm.POPFQ()), Refuted, "AC is clear at sys_clone; it is set or unknown"},
		{"DF kept by PUSHFQ", "linux-4.1", first("stub_clone", asm.STD(), asm.PUSHFQ(), asm.CLD(), asm.POPFQ()), Refuted, "DF is clear at sys_clone; it is set or unknown"},
		{"interrupts off by POPFQ", "linux-4.1", first("stub_clone", asm.PUSHQ(2), asm.POPFQ()), Refuted, "interrupts are as the variant promises at sys_clone; it is off, want on"},
		{"interrupts on by POPFQ", "linux-4.1", first("__switch_to_asm", asm.PUSHQ(x86.X86_EFLAGS_IF), asm.POPFQ()), Refuted, "interrupts are off here; it is on, want off"},
		{"TF by POPFQ", "linux-4.1", first("stub_clone", asm.PUSHQ(x86.X86_EFLAGS_TF), asm.POPFQ()), Refuted, "TF is clear at POPFQ; it is 0x100, want RFLAGS without TF"},
		{"flags kept", "linux-4.1", first("stub_clone", asm.PUSHFQ(), asm.CLI(), asm.STD(), asm.POPFQ()), Proved, ""},
		{"interrupts on in pushed flags", "linux-4.1", first("stub_clone", asm.CLI(), asm.PUSHFQ(), asm.ORQ(x86.X86_EFLAGS_IF, asm.RSP.At(0)), asm.POPFQ()), Proved, ""},
		{"a base read", "linux-4.1", first("stub_full_frame", asm.PUSHQ(asm.RAX), asm.PUSHQ(asm.RCX), asm.PUSHQ(asm.RDX), asm.MOVL(uint32(x86.MSR_FS_BASE), asm.RCX), asm.RDMSR(), asm.POPQ(asm.RDX), asm.POPQ(asm.RCX), asm.POPQ(asm.RAX)), Proved, ""},

		{"IBRS not set before interrupts", "linux-4.6+ibrs=entry", codeOf("linux-4.6"), Refuted, "interrupts are off while IBRS is clear; it is on, want off"},
		{"IBRS not set", ibrs, codeOf(plain), Refuted, "IBRS is set where a branch is indirect"},
		{"IBRS clear at a handler", ibrs, first("stub_clone", specCtrl(-2)...), Refuted, "IBRS is set at sys_clone"},
		{"IBRS left set", ibrs, broken.Edit(stubs.Entry, asm.ANDQ(-2, asm.RDX)), Refuted, "SPEC_CTRL is ring 3's at SYSRETQ"},
		{"another word for SPEC_CTRL", ibrs, first("stub_clone", asm.MOVL(x86.MSR_IA32_SPEC_CTRL, asm.RCX), asm.MOVL(1, asm.RAX), asm.XORL(asm.RDX, asm.RDX), asm.WRMSR()), Refuted, "gets the kernel's word or ring 3's; it is 0:1, want PerCPU.SpecCtrl, or that without IBRS"},
		{"half of SPEC_CTRL", ibrs, broken.Edit(stubs.Entry, asm.MOVQ(part.OrigAX, asm.RAX), asm.XORL(asm.RAX, asm.RAX), asm.WRMSR()), Refuted, "gets the kernel's word or ring 3's; it is (PerCPU.SpecCtrl >> 32):0"},
		{"SPEC_CTRL by Linux's instructions", ibrs, broken.Edit(stubs.Entry, asm.ANDQ(-2, asm.RDX), asm.ANDL(-2, asm.RDX)), Proved, ""},
		{"SPEC_CTRL without a promise", plain, codeOf(ibrs), Refuted, "SPEC_CTRL is touched only by a variant that promises it"},
		{"SPEC_CTRL read without a promise", plain, first("stub_clone", asm.MOVL(x86.MSR_IA32_SPEC_CTRL, asm.RCX), asm.RDMSR()), Refuted, "SPEC_CTRL is touched only by a variant that promises it"},
		{"SPEC_CTRL in the switch", ibrs, first("__switch_to_asm", specCtrl(-1)...), Refuted, "SPEC_CTRL is touched only by a variant that promises it, in a call"},
		{"SPEC_CTRL read and written", ibrs, broken.Edit(stubs.Entry, asm.MOVQ(part.OrigAX, asm.RAX), asm.RDMSR(), asm.WRMSR(), asm.MOVQ(part.OrigAX, asm.RAX)), Proved, ""},

		{"the floor calls a handler", "bare", bareCalls, Refuted, "the floor calls nothing"},
		{"RCX made canonical", "linux-4.1", broken.Edit(stubs.Entry, asm.MOVQ(full.SP, asm.RSP), asm.SHLQ(16, asm.RCX), asm.SARQ(16, asm.RCX), asm.MOVQ(full.SP, asm.RSP)), Proved, ""},
		{"the number clamped as against speculation", "linux-4.1", broken.Edit(stubs.Entry, asm.MOVQ(asm.R10, asm.RCX), asm.CMPQ(asm.RAX, layout.SysCallMax+1), asm.SBBQ(asm.RCX, asm.RCX), asm.ANDQ(asm.RCX, asm.RAX), asm.MOVQ(asm.R10, asm.RCX)), Proved, ""},
		{"the number clamped the other way", "linux-4.1", broken.Edit(stubs.Entry, asm.MOVQ(asm.R10, asm.RCX), asm.CMPQ(asm.RAX, layout.SysCallMax+1), asm.SBBQ(asm.RCX, asm.RCX), asm.NOTQ(asm.RCX), asm.ANDQ(asm.RCX, asm.RAX), asm.MOVQ(asm.R10, asm.RCX)), Refuted, "the handler is that of the call's number; it is 0, want user.RAX"},
		{"a number of 64 bits where it is an int", table, both(
			broken.Edit(stubs.Entry, asm.MOVSLQ(asm.RAX, asm.RSI), asm.MOVQ(asm.RAX, asm.RSI)),
			compareNumber(asm.MOVQ(asm.RSI, asm.RAX), asm.CMPQ(asm.RAX, layout.SysCallMax)),
		), Refuted, "only numbers beyond the table have no handler; it is from 0 on"},
		{"an int compared with 64 bits", table, compareNumber(asm.MOVQ(asm.RSI, asm.RAX), asm.CMPQ(asm.RAX, layout.SysCallMax)), Proved, ""},
		{"an int that is not extended", "linux-6.12", broken.Edit(stubs.Entry, asm.MOVSLQ(asm.RAX, asm.RSI), asm.MOVQ(asm.RAX, asm.RSI)), Proved, ""},
		{"an int where it has 64 bits", "linux-4.6", broken.Edit(stubs.Entry, asm.MOVQ(asm.R10, asm.RCX), asm.MOVL(asm.RAX, asm.RAX), asm.MOVQ(asm.R10, asm.RCX)), Proved, ""},
		{"two registers exchanged by XOR", "linux-4.1", first("stub_clone", swap, swap), Proved, ""},
		{"a number that is computed", "linux-4.1", broken.Edit(stubs.Entry, asm.MOVQ(asm.R10, asm.RCX), asm.XORQ(asm.RDI, asm.RAX), asm.XORQ(asm.RDI, asm.RAX), asm.MOVQ(asm.R10, asm.RCX)), Proved, ""},
		{"a number of two words", "linux-4.1", broken.Edit(stubs.Entry, asm.MOVQ(asm.R10, asm.RCX), asm.ADDQ(asm.RDI, asm.RAX), asm.MOVQ(asm.R10, asm.RCX)), Refuted, "the number is in the table; it is up to -1, want up to 0x3ff"},

		{"branches of ring 3 left in the history", "linux-6.12+bhb=loop-short", codeOf("linux-6.12"), Refuted, "the branch history is cleared at the handler; it is 4 branches, then no LFENCE, want 62 branches and an LFENCE behind them"},
		{"a history cleared a turn short", "linux-6.12+bhb=loop-short", broken.Edit("clear_bhb_loop", asm.MOVL(5, asm.RCX), asm.MOVL(4, asm.RCX)), Refuted, "the branch history is cleared at the handler"},
		{"a long history cleared by a short loop", "linux-6.12+bhb=loop-long", broken.Edit("clear_bhb_loop", asm.MOVL(12, asm.RCX), asm.MOVL(5, asm.RCX)), Refuted, "want 194 branches and an LFENCE behind them"},
		{"a history cleared without a fence", "linux-6.12+bhb=loop-short", broken.Edit("clear_bhb_inner", asm.LFENCE()), Refuted, "the branch history is cleared at the handler"},
		{"no fence at the caller", "linux-4.6+bhb=loop-long+bhbfence=caller", broken.Edit(stubs.Entry, asm.LFENCE()), Refuted, "the branch history is cleared at an indirect branch"},
		{"a history cleared at the caller's fence", "linux-4.6+bhb=loop-long+bhbfence=caller", none, Proved, ""},
		{"BHI_DIS_S not set", "linux-6.12+bhb=dis-s", codeOf("linux-6.12"), Refuted, "SPEC_CTRL is what axis bhb says; it is SPEC_CTRL, want 0x400"},
		{"BHI_DIS_S set without a promise", "linux-6.12", codeOf("linux-6.12+bhb=dis-s"), Refuted, "SPEC_CTRL is what axis bhb says; it is 0x400, want SPEC_CTRL"},
		{"BHI_DIS_S with IBRS", "linux-6.12+bhb=dis-s+ibrs=entry", none, Proved, ""},

		{"RETs not untrained", srso, codeOf("linux-6.12+returns=srso"), Refuted, "what ring 3 has taught the CPU of RETs is forgotten at the handler"},
		{"RETs untrained without a fence", srso, broken.Edit("srso_untrain_ret", asm.LFENCE()), Refuted, "what ring 3 has taught the CPU of RETs is forgotten at"},
		{"RETs of retbleed untrained", "linux-6.12+untrain=retbleed+returns=retbleed", none, Proved, ""},
		{"RETs of their own", "linux-6.12+returns=retbleed", codeOf("linux-6.12+untrain=retbleed"), Refuted, "the RET is the thunk's"},
		{"no IBPB", "linux-6.12+untrain=ibpb", broken.Edit("entry_ibpb", asm.WRMSR()), Refuted, "what ring 3 has taught the CPU of RETs is forgotten at a RET or an indirect branch"},
		{"another command than IBPB", "linux-6.12+untrain=ibpb", broken.Edit("entry_ibpb", asm.XORL(asm.RDX, asm.RDX), asm.MOVL(1, asm.RDX)), Refuted, "IBPB alone is written to PRED_CMD"},
		{"IBPB without a promise", "linux-6.12", codeOf("linux-6.12+untrain=ibpb"), Undecided, "what the MSR 0x49 does"},
		{"RETs in lower halves", "linux-6.12+returns=its", keeping("its_return_thunk", codeOf("linux-6.12+rsb=kept+exitwork=tests")), Refuted, "the branch ends in the upper half of a cache line"},
		{"a history cleared with RETs in upper halves", "linux-6.12+bhb=loop-short+returns=its", none, Proved, ""},
		{"a long history cleared with RETs in upper halves", "linux-6.12+bhb=loop-long+returns=its", none, Proved, ""},
		{"a CALL that is not counted", depth, broken.Edit("do_syscall_64", asm.SARQ(5, gs.CallDepth)), Refuted, "the CALL is counted"},
		{"a CALL of the kernel that is not counted", depth, func(p *asm.Program) error { find(p, "do_syscall_64").CallsPrefixed = false; return nil }, Refuted, "the CALL is counted"},
		{"a CALL of the kernel by another prefix", depth, func(p *asm.Program) error { p.Prefix = asm.Block{asm.NOP()}; return nil }, Refuted, "the CALL is counted"},
		{"a CALL of the kernel that is counted twice", depth, func(p *asm.Program) error { p.Prefix = append(p.Prefix[:1:1], p.Prefix...); return nil }, Refuted, "the call depth is set to that of a call from ring 3, counted by one"},
		{"a CALL that is counted twice", depth, broken.Edit("do_syscall_64", asm.SARQ(5, gs.CallDepth), asm.SARQ(5, gs.CallDepth), asm.SARQ(5, gs.CallDepth)), Refuted, "the call depth is set to that of a call from ring 3, counted by one"},
		{"a call depth that is ring 3's", depth, broken.Edit(stubs.Entry, asm.MOVQ(asm.RAX, gs.CallDepth)), Refuted, "what ring 3 has taught the CPU of RETs is forgotten at the handler"},
		{"a return stack said to be full", depth, broken.Edit("do_syscall_64", asm.MOVQ(asm.RDI, asm.R12), asm.MOVQ(-1, gs.CallDepth), asm.MOVQ(asm.RDI, asm.R12)), Refuted, "the call depth is set to that of a call from ring 3, counted by one"},
		{"a RET that is not counted", depth, broken.Edit("call_depth_return_thunk", asm.SHLQ(5, gs.CallDepth)), Refuted, "the RET is counted"},
		{"a RET from an empty return stack", depth, broken.Edit("call_depth_return_thunk", asm.JE("fill_return_stack")), Refuted, "the RET has an address left on the CPU's return stack"},
		{"call depths", depth, none, Proved, ""},
		{"a safe return predicted to go on", srso, broken.Edit("srso_return_thunk", asm.UD2(), asm.NOP(), asm.UD2()), Refuted, "where the CPU predicts this RET to go is a loop that does nothing, or a stop"},
		{"a guest that is not looked for", "linux-6.12+ibpbexit=tested", broken.Edit("arch_exit_to_user_mode_prepare", asm.MOVZBL(gs.IBPBExit, asm.RAX), asm.MOVL(1, asm.RAX)), Refuted, "the stop is only for work that nothing asks for"},

		{"a jump table's number beyond the table", "linux-6.12+dispatch=switch", broken.Edit("do_syscall_64", asm.CMPL(asm.R14, layout.SysCallMax), asm.CMPL(asm.R14, layout.SysCallMax+1)), Refuted, "the handler is that of the call's number"},
		{"a jump table's number beyond the table, without a mask", "linux-6.12+dispatch=switch+nospec=none", broken.Edit("do_syscall_64", asm.CMPL(asm.R14, layout.SysCallMax), asm.CMPL(asm.R14, layout.SysCallMax+1)), Refuted, "the number is in the table"},
		{"a retpoline to another number's handler", byRetpoline, broken.Edit("do_syscall_64", asm.MOVL(asm.R14, asm.RSI), asm.MOVL(asm.RDX, asm.RSI)), Refuted, "the handler is that of the call's number"},
		{"a retpoline without the frame", byRetpoline, broken.Edit("do_syscall_64", asm.ANDL(asm.RCX, asm.RSI), asm.ANDL(asm.RCX, asm.RSI), asm.XORL(asm.RDI, asm.RDI)), Refuted, "the handler gets its argument in RDI"},
		{"retpolines to handlers that take the frame", byRetpoline, none, Proved, ""},
		{"a stop where a tracer is to be told of a call's end", "linux-7.0", broken.Edit("do_syscall_64", asm.CALL("syscall_trace_leave"), asm.UD2()), Refuted, "the stop is only for work that nothing asks for"},
		{"a tracer that is not told of a call's end", "linux-7.0", broken.Edit("do_syscall_64", asm.CALL("syscall_trace_leave")), Refuted, "a tracer was told of the call's end"},
		{"a tracer that is not told of a call's end by 3.19", "linux-3.19", broken.Edit("int_ret_from_sys_call", asm.CALL("syscall_trace_leave")), Refuted, "a tracer was told of the call's end"},
		{"a tracer that is not told of a call's end by FRED", "linux-6.18+fred", broken.Edit("syscall_exit_to_user_mode_prepare", asm.CALL("syscall_trace_leave")), Refuted, "a tracer was told of the call's end"},
		{"a tracer that is told again and again", "linux-7.0", broken.Edit("do_syscall_64", asm.JMP("syscall_exit_work_done"), asm.JMP("syscall_return")), Refuted, "a tracer is told once of a call's end"},
		{"a tracer looked for in Thread.Flags where the call ends", "linux-6.12+exitwork=inlined", none, Proved, ""},
		{"a tracer not looked for in Thread.Flags", "linux-6.12+exitwork=inlined", broken.Edit("do_syscall_64", asm.TESTL(layout.TIFAllWork|layout.TIFEntryWork, ofR13.Flags), asm.TESTL(layout.TIFAllWork, ofR13.Flags)), Refuted, "a tracer was told of the call's end"},
		{"work not looked for in line", "linux-7.0", broken.Edit("do_syscall_64", asm.JNE("exit_work_loop")), Refuted, "no work is pending"},

		{"a random number that another thread may draw too", "linux-7.2", broken.Edit("do_syscall_64", asm.INCL(gs.PreemptCount)), Refuted, "a word of the per-CPU area that is not the variant's"},
		{"a random number drawn behind the count", "linux-7.2", broken.Edit("do_syscall_64", asm.CALL(stubs.FuncName("prandom_u32_state", "linux-7.2")), asm.DECL(gs.PreemptCount), asm.CALL(stubs.FuncName("prandom_u32_state", "linux-7.2")), asm.INCL(gs.PreemptCount)), Refuted, "a word of the per-CPU area that is not the variant's"},
		{"a count that stays", "linux-7.2", broken.Edit("do_syscall_64", asm.DECL(gs.PreemptCount)), Refuted, "PerCPU.PreemptCount is 0 at"},
		{"a count raised by two", "linux-7.2", broken.Edit("do_syscall_64", asm.INCL(gs.PreemptCount), asm.ADDL(2, gs.PreemptCount)), Refuted, "PerCPU.PreemptCount is raised by one"},
		{"a count raised where an interrupt may come in between", "linux-7.2", broken.Edit("do_syscall_64", asm.INCL(gs.PreemptCount), asm.MOVL(gs.PreemptCount, asm.RAX), asm.INCL(asm.RAX), asm.MOVL(asm.RAX, gs.PreemptCount)), Refuted, "PerCPU.PreemptCount is raised by one"},
		{"a thread that waits and is let run twice", "linux-7.2", broken.Edit("do_syscall_64", asm.CALL("preempt_schedule"), asm.CALL("preempt_schedule"), asm.CALL("preempt_schedule")), Proved, ""},
		{"a number lost while a thread that waited ran", "linux-7.2", broken.Edit("do_syscall_64", asm.JMP("alone"), asm.XORL(asm.RSI, asm.RSI), asm.JMP("alone")), Refuted, "the handler is that of the call's number; it is 0"},
		{"a count without a promise", "linux-6.12", broken.Edit("do_syscall_64", asm.MOVL(asm.RSI, asm.RBX), asm.MOVL(asm.RSI, asm.RBX), asm.INCL(gs.PreemptCount)), Refuted, "a word of the per-CPU area that is not the variant's"},
		{"an FPU that may hold another thread's registers", "linux-7.2", broken.Edit("fpregs_assert_state_consistent", asm.CMPQ(gs.Current, asm.RAX), asm.CMPQ(gs.Idle, asm.RAX)), Refuted, "the stop is only for work that nothing asks for"},

		{"a canary that is not changed", "linux-6.12", codeOf("linux-6.12+canary=none"), Refuted, "the CPU's canary is the thread's after the switch; it is PerCPU.StackCanary, want thread.StackCanary"},
		{"another word for a canary", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.MOVQ(ofRSI.StackCanary, asm.RBX), asm.MOVQ(ofRSI.UserSP, asm.RBX)), Refuted, "the CPU's canary is the thread's after the switch"},
		{"a canary without a promise", "linux-6.12+canary=none", first(stubs.SwitchTo, asm.MOVQ(asm.RSI, gs.StackCanary)), Refuted, "a word of the per-CPU area that is not the variant's"},
		{"shadow stacks", cet, none, Proved, ""},
		{"shadow stacks that are not switched", cet, codeOf("linux-6.12"), Refuted, "the thread's PL3SSP is set to ring 3's SSP"},
		{"a shadow stack left on", cet, broken.Edit(stubs.SwitchTo, asm.XORL(asm.RAX, asm.RAX), asm.MOVL(x86.CET_SHSTK_EN, asm.RAX)), Refuted, "ring 3 has no shadow stack when another thread's switch goes on; it is 1, want 0"},
		{"another word for SSP", cet, broken.Edit(stubs.SwitchTo, asm.MOVQ(ofRSI.PL3SSP, asm.RAX), asm.MOVQ(ofRSI.UserSP, asm.RAX)), Refuted, "IA32_PL3_SSP is the thread's after the switch"},
		{"half of SSP", cet, broken.Edit(stubs.SwitchTo, asm.SHLQ(32, asm.RDX), asm.XORL(asm.RDX, asm.RDX)), Refuted, "the thread's PL3SSP is set to ring 3's SSP"},
		{"a shadow stack not turned on again", cet, broken.Edit(stubs.SwitchTo, asm.MOVQ(ofRSI.UserCET, asm.RAX), asm.XORL(asm.RAX, asm.RAX)), Refuted, "IA32_U_CET is the thread's after the switch; it is 0, want thread.UserCET"},
		{"shadow stacks without a promise", "linux-6.12", codeOf(cet), Undecided, "what the MSR 0x6a7 holds"},
		{"a return stack that is not filled", "linux-6.12", codeOf("linux-6.12+rsb=kept"), Refuted, "have filled the return stack"},
		{"a return stack filled but for two", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.MOVL(x86.RSB_CLEAR_LOOPS/2, asm.R12), asm.MOVL(x86.RSB_CLEAR_LOOPS/2-1, asm.R12)), Refuted, "have filled the return stack"},
		{"a return stack filled without a fence", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.LFENCE()), Refuted, "have filled the return stack"},
		{"a return stack filled with addresses that go on", "linux-6.12", broken.Edit(stubs.SwitchTo, toFirst, toFirst, asm.NOP()), Refuted, "have filled the return stack"},
		{"a return stack filled, and not taken off the stack", "linux-6.12", broken.Edit(stubs.SwitchTo, asm.ADDQ(2*8, asm.RSP)), Refuted, "it is 3, want no breakpoint"},
		{"a return stack filled with retpolines", "linux-4.6+branch=retpoline+rsb=filled", none, Proved, ""},

		{"a trap's end without the kernel's GS left", "linux-4.0", first(stubs.TrapReturn, asm.SWAPGS()), Refuted, "GS is the user's at IRETQ"},
		{"a trap's end that looks at nothing", "linux-4.0", broken.Edit(stubs.TrapReturn, asm.CMPQ(part.IP, asm.RCX), asm.CMPQ(asm.RCX, asm.RCX)), Refuted, "RIP returns right by SYSRETQ"},
		{"a trap's end that steps", "linux-4.0", broken.Edit(stubs.TrapReturn, asm.TESTQ(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, asm.R11), asm.TESTQ(0, asm.R11)), Refuted, "RF and TF are clear"},
		{"a trap's end without R15", "linux-4.0", broken.Edit(stubs.TrapReturn, asm.MOVQ(full.R15, asm.R15)), Refuted, "R15 returns right by"},

		{"another thread's stack left to FRED", fred, broken.Edit("arch_exit_to_user_mode_prepare", asm.CMPQ(gs.FREDRSP0, asm.RAX), asm.CMPQ(asm.RAX, asm.RAX)), Refuted, "the next event of ring 3 will find this thread's stack (FRED_RSP0) at ERETU"},
		{"another thread's stack left by a trap", fred, last(stubs.FREDReturn, asm.MOVQ(0, gs.FREDRSP0), asm.JMP(stubs.FuncName("asm_fred_exit_user", fred))), Refuted, "PerCPU.FREDRSP0 is what FRED_RSP0 holds at ERETU"},
		{"FRED's entry without a red zone", fred, func(p *asm.Program) error {
			return broken.Edit(stubs.SyscallInit, asm.LEAQ(asm.Sym(stubs.FuncName(stubs.FREDEntry, fred)).Add(x86.FREDRedZone), asm.RAX), asm.LEAQ(asm.Sym(stubs.FuncName(stubs.FREDEntry, fred)), asm.RAX))(p)
		}, Refuted, "FRED_CONFIG is the entry and the red zone"},
		{"FRED's entry from ring 0 elsewhere", fred, func(p *asm.Program) error { find(p, stubs.FREDKernelEntry).Align = 16; return nil }, Refuted, "the entry begins a page, and the entry from ring 0 is 256 bytes behind it"},
		{"ERETS to ring 3", fred, broken.Edit(stubs.FREDEntry, asm.ERETU(), asm.ERETS()), Refuted, "ERETS is for the ring that the event came from"},
		{"an event of ring 0 handled as ring 3's", fred, broken.Edit(stubs.FREDKernelEntry, asm.CALL("fred_event_kernel"), asm.CALL("fred_event_user")), Refuted, "fred_event_user is for the ring that the event came from"},
		{"SWAPGS before ERETU", fred, broken.Edit(stubs.FREDEntry, asm.ERETU(), asm.SWAPGS(), asm.ERETU()), Refuted, "GS is the kernel's at ERETU"},
		{"a new thread by the fast exit", "linux-3.19+newthread=fast", none, Proved, ""},
		{"a new thread without the restore of its RSP", "linux-3.19+newthread=fast", broken.Edit(stubs.Entry, asm.MOVQ(part.SP, asm.RDI), asm.MOVQ(gs.RSPScratch, asm.RDI)), Refuted, "a scratch word is read only while no other thread can have written it"},
		{"a new thread past the slow path", "linux-4.1", broken.Edit(stubs.NewThread, asm.JMP(stubs.FuncName("int_ret_from_sys_call", "linux-4.1")), asm.SWAPGS(), asm.ADDQ(regs.IP.Off, asm.RSP), asm.IRETQ()), Refuted, "no work is pending"},

		{"ring 3 told by one of its two segments", byCS, broken.Edit(stubs.ErrorEntry, asm.CMPW(full.CS, x86.KERNEL_CS), asm.CMPW(full.CS, x86.USER32_CS)), Refuted, "error_from_kernel is for the ring that the event came from; it is reached by an event of ring 3, want ring 0"},
		{"an interrupt's entry without SWAPGS", byCS, broken.Edit(stubs.ErrorEntry, asm.SWAPGS()), Refuted, "GS is the kernel's at error_from_user; it is the user's"},
		{"an interrupt of ring 0 taken for one of ring 3", byCS, broken.Edit(stubs.ErrorEntry, asm.JMP("error_from_kernel"), asm.JMP("error_from_user")), Refuted, "error_from_user is for the ring that the event came from"},
		{"an interrupt's entry without CLD", byCS, broken.Edit(stubs.ErrorEntry, asm.CLD()), Refuted, "DF is clear at error_from_user"},
		{"an interrupt's frame with R8 twice", byCS, broken.Edit(stubs.ErrorEntry, asm.PUSHQ(asm.R9), asm.PUSHQ(asm.R8)), Refuted, "finds the user's word in the slot r9"},
		{"an interrupt's vector cut", byCS, broken.Edit(stubs.ErrorEntry, asm.MOVL(asm.RDI, asm.RSI), asm.MOVZBL(asm.RDI, asm.RSI)), Refuted, "gets its argument in RSI"},
		{"a base that is not given back", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.WRGSBASEQ(asm.RBX)), Refuted, "GS's base is right at IRETQ, for where the interrupt came from"},
		{"a base that is kept of ring 3 too", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.TESTB(3, full.CS), asm.CMPL(asm.RAX, asm.RAX)), Refuted, "MSR_KERNEL_GS_BASE is right at paranoid_body, for where the interrupt came from"},
		{"a base given where SWAPGS trusts CS", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.WRGSBASEQ(asm.RAX)), Refuted, "GS is the kernel's at paranoid_body; it is the user's"},
		{"a paranoid entry that loses RSI", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.POPQ(asm.RSI), asm.ADDQ(8, asm.RSP)), Refuted, "RSI returns right by IRETQ"},
		{"a paranoid entry's end at orig_ax", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.ADDQ(8, asm.RSP)), Refuted, "RSP is where the frame of IRETQ says"},
		{"interrupts on in a paranoid entry", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.CLD(), asm.CLD(), asm.STI()), Refuted, "interrupts are off here; it is on, want off"},
		{"a call to what is behind interrupts", "linux-4.1", first("stub_clone", asm.JMP("error_from_user")), Undecided, "error_from_user, which is for interrupts alone or for calls alone"},
		{"a handler of calls for an interrupt", byCS, broken.Edit(stubs.ErrorEntry, asm.JMP("error_from_user"), asm.JMP("retint_user")), Undecided, "retint_user, which is for interrupts alone or for calls alone"},
		{"SYSRETQ from an interrupt", byRDGSBASE, broken.Edit(stubs.ParanoidEntry, asm.IRETQ(), asm.SYSRETQ()), Refuted, "the call returns by IRETQ"},
		{"an interrupt's entries", byCS + "+paranoid=rdgsbase", none, Proved, ""},

		{"interrupts on at ERETU", fred, broken.Edit(stubs.FREDEntry, asm.ERETU(), asm.STI(), asm.ERETU()), Refuted, "interrupts are off at ERETU"},
		{"ERETU from elsewhere", fred, broken.Edit(stubs.FREDEntry, asm.ERETU(), asm.PUSHQ(0), asm.ERETU()), Refuted, "RSP is where the frame of ERETU says"},
		{"R15 of ring 0 lost", fred, broken.Edit(stubs.FREDKernelEntry, asm.POPQ(asm.R15), asm.ADDQ(8, asm.RSP)), Refuted, "R15 returns right by ERETS"},
		{"the type of an event not told", fred, broken.Edit("fred_entry_from_user", asm.CMPL(asm.RAX, x86.FREDTypeOther), asm.CMPL(asm.RAX, asm.RAX)), Refuted, "what comes to the handler is a call; it is another event"},
		{"a call handled as another event", fred, broken.Edit("fred_entry_from_user", asm.JMP(stubs.FuncName("do_syscall_64", fred))), Refuted, "what comes to fred_event_user is no call; it is a call"},
		{"an event of ring 3 that nobody handles", fred, broken.Edit("fred_entry_from_user", asm.CALL("fred_event_user")), Refuted, "the event was handled before ERETU; it is not handled"},
		{"an event of ring 0 that nobody handles", fred, broken.Edit(stubs.FREDKernelEntry, asm.CALL("fred_event_kernel")), Refuted, "the event was handled before ERETS; it is not handled"},
		{"an event of ring 0 that is handled twice", fred, broken.Edit(stubs.FREDKernelEntry, asm.CALL("fred_event_kernel"), asm.CALL("fred_event_kernel"), asm.MOVQ(asm.RSP, asm.RDI), asm.CALL("fred_event_kernel")), Refuted, "called again"},
		{"an error code not passed on", fred, broken.Edit("fred_entry_from_user", asm.MOVQ(onRDI.OrigAX, asm.RSI)), Refuted, "fred_event_user gets its argument in RSI"},
		{"ERETU without FRED", "linux-6.12", broken.Edit(stubs.Entry, asm.SYSRETQ(), asm.ERETU()), Undecided, "FRED does not deliver this variant's events"},
		{"SYSRETQ with FRED", fred, broken.Edit(stubs.FREDEntry, asm.ERETU(), asm.SYSRETQ()), Refuted, "GS is the user's at SYSRETQ"},

		{"CR3 where it is kept", "linux-4.1", first("stub_clone", asm.MOVQ(asm.CR3, asm.RAX), asm.MOVQ(asm.RAX, asm.CR3)), Refuted, "CR3 is loaded only to change between the two page tables of the address space; it is CR3, want no load here"},
		{"CR3 in the switch", isolated, first("__switch_to_asm", asm.MOVQ(asm.CR3, asm.RAX), asm.MOVQ(asm.RAX, asm.CR3)), Refuted, "want no load here"},
		{"no CR3", "linux-6.12+pti", codeOf("linux-6.12"), Refuted, "the page table in force maps what is touched; it is 0x40, the per-CPU area before the TSS"},
		{"the thread's stack on the user's table", isolated, first("stub_clone", toUser, asm.PUSHQ(asm.RAX)), Refuted, "the page table in force maps what is touched; it is stack.top"},
		{"a function on the user's table", isolated, last("stub_poison", toUser, asm.JMP("sys_poison")), Refuted, "CR3 is the kernel's at sys_poison"},
		{"a CR3 of one's own", isolated, first("stub_clone", asm.MOVL(0x1000, asm.RAX), asm.MOVQ(asm.RAX, asm.CR3)), Refuted, "CR3 is loaded only to change between the two page tables of the address space; it is 0x1000"},
		{"the kernel's exit where buffers are to be overwritten", "linux-4.6+buffers=verw", last("stub_ptregs_64", asm.JMP("retint_user")), Refuted, "VERW has overwritten the CPU's buffers behind the last load"},
		{"another bit of Thread.Status", "linux-4.1", broken.Edit("int_ret_from_sys_call", asm.ANDL(^layout.TSCompat, ofRCX.Status), asm.ANDL(^3, ofRCX.Status)), Refuted, "of Thread.Status only TS_COMPAT is cleared"},
		{"a frame for signals without R15", "linux-4.1", broken.Edit("int_ret_from_sys_call", asm.MOVQ(asm.R15, full.R15)), Refuted, "do_notify_resume finds the user's word in the slot r15"},
		{"a frame for handlers without R15", "linux-6.12", broken.Edit("do_syscall_64", asm.CALL("x64_sys_call"), asm.MOVQ(asm.RSI, asm.RDI.At(0)), asm.CALL("x64_sys_call")), Refuted, "the handler finds the user's word in the slot r15"},
		{"another thread let run unasked", "linux-4.1", broken.Edit("int_ret_from_sys_call", asm.BTL(0, asm.RDX), asm.BTL(1, asm.RDX)), Refuted, "another thread should run"},
		{"a signal's registers lost", "linux-4.1", broken.Edit("int_ret_from_sys_call", asm.MOVQ(full.R15, asm.R15)), Refuted, "R15 returns right by"},
		{"work looked for before interrupts go off", "linux-4.1", both(
			broken.Edit(stubs.Entry, asm.CLI()), first("int_ret_from_sys_call", asm.CLI()),
		), Refuted, "no work is pending"},
		{"translations kept without PCIDs", "linux-6.12+pti", codeOf("linux-6.12+pti+pcid"), Refuted, "CR3 is loaded without bits that the CPU may not have"},
		{"translations not kept", "linux-6.12+pti+pcid", codeOf("linux-6.12+pti"), Refuted, "the translations of the PCID that is loaded are kept if they are valid"},
		{"invalid translations kept", pcid, broken.Edit(stubs.Entry, asm.BTQ(asm.RDI, gs.UserPCIDFlushMask), asm.CMPQ(asm.RDI, asm.RDI)), Refuted, "no translation is kept that has become invalid; it is UserPCIDFlushMask, whose bit may be set"},
		{"all marks cleared", pcid, first("stub_clone", asm.MOVQ(0, gs.UserPCIDFlushMask)), Refuted, "of UserPCIDFlushMask only the bit of this address space is cleared"},
		{"another control register", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RAX, asm.CR0)), Undecided, "what that control register does"},
		{"a control register read", "linux-4.1", first("stub_clone", asm.PUSHQ(asm.RAX), asm.MOVQ(asm.CR4, asm.RAX), asm.POPQ(asm.RAX)), Proved, ""},

		{"a loop without end", "linux-4.1", first("stub_clone", asm.LOOP(asm.NOP())), Refuted, "the path ends: a loop without an exit"},
		{"a loop whose test nothing changes", "linux-4.1", first("stub_clone", asm.CMPQ(asm.RSI, asm.RAX), asm.DO(asm.PAUSE()).WHILE(asm.NE)), Refuted, "the path ends: a loop that nothing ends"},
		{"a stop with interrupts off", "linux-4.1", first("int_ret_from_sys_call", asm.CLI(), asm.HLT()), Refuted, "the path ends: HLT with interrupts off"},
		{"an operand of FXSAVE beside a multiple of 16", "linux-4.1", first("stub_clone", asm.FXSAVE64(asm.RSP.At(-536))), Refuted, "the operand lies at a multiple of 16; it is stack.top-712"},
		{"a loop over an unknown number", "linux-4.1", first("stub_clone", asm.DO(asm.DECQ(asm.RAX)).WHILE(asm.NE)), Undecided, "the path ends: "},
		{"an unknown instruction", "linux-4.1", first("stub_clone", asm.HLT()), Undecided, "the proof knows the instruction: what HLT does"},
		{"an instruction repeated by an unknown number", "linux-4.1", first("stub_clone", asm.REP(asm.MOVSQ())), Undecided, "how often REP MOVSQ repeats: RCX is user.R10"},
		{"the user's flags", "linux-4.1", first("stub_clone", asm.PUSHQ(asm.RSP.At(regs.Flags.Off+8)), asm.POPFQ()), Refuted, "TF is clear at POPFQ; it is user.RFLAGS, want RFLAGS without TF"},
		{"a base written", "linux-4.1", first("stub_clone", asm.MOVL(uint32(x86.MSR_GS_BASE), asm.RCX), asm.WRMSR()), Refuted, "interrupts are off here; it is on, want off, as GS is another here"},
		{"another MSR", "linux-4.1", first("stub_clone", asm.MOVL(uint32(x86.MSR_LSTAR), asm.RCX), asm.RDMSR()), Undecided, "what the MSR 0xc0000082 holds"},
		{"a MSR of the user's choice", "linux-4.1", first("stub_clone", asm.MOVL(asm.RDI, asm.RCX), asm.RDMSR()), Undecided, "what the MSR (user.RDI & 0xffffffff) holds"},
		{"an unknown jump", "linux-4.1", first("stub_clone", asm.MOVQ(gs.Idle, asm.RAX), asm.JMP(asm.RAX)), Undecided, "execution goes on where the proof can follow: PerCPU.Idle"},
		{"an unknown pointer", "linux-4.1", first("stub_clone", asm.MOVQ(gs.Idle, asm.RAX), asm.MOVQ(asm.RAX.At(0), asm.RAX)), Undecided, "PerCPU.Idle, an address that the proof does not know"},
		{"an absolute address", "linux-4.1", first("stub_clone", asm.MOVQ(asm.Abs(0x1000), asm.RAX)), Undecided, "0x1000, an address that the proof knows nothing of"},
		{"two words at once", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RSP.At(4), asm.RAX)), Proved, ""},
		{"deep on the stack", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RSP.At(-4096), asm.RAX)), Undecided, "deeper on the stack than the proof looks"},
		{"a segment", "linux-4.1", first("stub_clone", asm.MOVQ(asm.FS.At(0), asm.RAX)), Undecided, "a place in a segment that the proof does not know"},
		{"a function without a contract", "linux-4.1", first("stub_clone", asm.CALL("sys_ni_syscall")), Undecided, "the proof knows sys_ni_syscall only by sys_call_table"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := stubs.ParseVariant(tt.variant)
			if err != nil {
				t.Fatal(err)
			}
			n.Edit = tt.edit
			proof, err := Prove(n)
			if err != nil {
				t.Fatal(err)
			}
			if proof.Outcome() != tt.outcome {
				t.Errorf("it is %v, want %v\n%v", proof.Outcome(), tt.outcome, proof.Err())
			}
			if tt.outcome == Proved {
				return
			}
			if !slices.ContainsFunc(proof.Failed(), func(c Claim) bool { return c.Outcome == tt.outcome && strings.Contains(c.String(), tt.want) }) {
				t.Errorf("no claim fails with %q:\n%v", tt.want, proof.Err())
			}
		})
	}
}
