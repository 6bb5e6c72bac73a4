package prove

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// survivor is a change that leaves a variant right, and why.
type survivor struct {
	functions []string       // of any variant, or with a variant's name of that alone
	of        likes          // the instruction that is changed
	what      *regexp.Regexp // the change, as mutants name it
	with      likes          // the next instruction, if that matters
	lands     landing        // where a branch goes instead, if that matters
	why       string
}

// landing reports whether a place is one where a changed branch does no harm.
type landing func(m oneMutant, at uint64) bool

// replacing are the wrappers of handlers that replace the frame.
const replacing = "stub_rt_sigreturn|stub_execve|stub_execveat"

func survives(functions string, of likes, what, why string) survivor {
	return survivor{functions: strings.Split(functions, "|"), of: of, what: regexp.MustCompile(`\A(?:` + what + `)\z`), why: why}
}

// survivesLanding works like survives, but for a branch whose displacement is changed, so
// that it lands elsewhere.
func survivesLanding(functions string, of likes, lands landing, why string) survivor {
	s := survives(functions, of, "bit .* of the displacement", why)
	s.lands = lands
	return s
}

func survivesBefore(functions string, of, with likes, why string) survivor {
	return survivesWith(functions, of, changesPlaces, with, why)
}

// survivesWith works like survives, but for a change of an instruction that stands before
// another.
func survivesWith(functions string, of likes, what string, with likes, why string) survivor {
	s := survives(functions, of, what, why)
	s.with = with
	return s
}

// has reports whether the reason is one for this mutant.
func (s survivor) has(m oneMutant) bool {
	function, _, _ := stubs.CutFuncName(m.where.Func)
	return (slices.Contains(s.functions, function) || slices.Contains(s.functions, m.where.Func)) && s.of.has(m.where.Ins) && s.what.MatchString(m.what) &&
		(s.with == nil || s.with.has(m.after)) && (s.lands == nil || m.lands(s.lands))
}

// lands reports whether the changed branch goes to such a place.
func (m oneMutant) lands(where landing) bool {
	in, err := m.subject().fetch(m.addr)
	return err == nil && in.enc.rel && where(m, uint64(in.src.imm))
}

// inSlowExit is a jump to the slow exit, behind instructions that load a callee-saved
// register from its slot, or change RAX, which the slow exit loads again.
func inSlowExit(m oneMutant, at uint64) bool {
	for {
		in, err := m.s.fetch(at)
		if err != nil {
			return false
		}
		switch p := m.s.partOf(at); {
		case in.op == opJMP && in.enc.rel:
			return atStart(m.s, uint64(in.src.imm), "int_ret_from_sys_call")
		case in.op == opMOV && in.dst.kind == inReg && in.src.kind == inMem && in.src.base == rSP,
			in.op == opAND && in.width == 1 && in.dst.kind == inReg && in.dst.reg == rAX:
			at += uint64(in.len)
			if at >= p.addr+uint64(len(p.code)) {
				return false
			}
		default:
			return false
		}
	}
}

// atStartOf is the beginning of one of some functions.
func atStartOf(names ...string) landing {
	return func(m oneMutant, at uint64) bool { return atStart(m.s, at, names...) }
}

func atStart(s *subject, at uint64, names ...string) bool {
	p := s.partOf(at)
	if p == nil || p.addr != at {
		return false
	}
	name, _, _ := stubs.CutFuncName(p.name)
	return slices.Contains(names, name)
}

// atRET is a RET.
func atRET(m oneMutant, at uint64) bool {
	in, err := m.s.fetch(at)
	return err == nil && in.op == opRET
}

// like is a set of instructions.
type like func(asm.Ins) bool

// likes are several.
type likes []like

func (l likes) has(in asm.Ins) bool {
	return slices.ContainsFunc(l, func(of like) bool { return of(in) })
}

// one matches the instructions of one of some mnemonics, in a list for survives. Operands
// are the same values, or func(any) bool; without any all will do.
func one(mnemonics string, operands ...any) likes {
	return likes{func(in asm.Ins) bool {
		if !slices.Contains(strings.Split(mnemonics, "|"), in.Mnemonic()) {
			return false
		}
		got := in.Operands()
		if operands == nil {
			return true
		}
		return slices.EqualFunc(got, operands, func(got, want any) bool {
			if in, ok := want.(func(any) bool); ok {
				return in(got)
			}
			return sameOperand(got, want)
		})
	}}
}

// sameOperand compares operands: memory as instructions do, integers of any type by
// their values.
func sameOperand(got, want any) bool {
	if m, ok := got.(asm.Mem); ok {
		w, ok := want.(asm.Mem)
		return ok && asm.PUSHQ(m).Equal(asm.PUSHQ(w))
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

// touching matches all that have an operand in memory at an address in base.
func touching(base asm.Reg) likes {
	return likes{func(in asm.Ins) bool { m, ok := in.Memory(); return ok && m.Base() == base }}
}

func anything(any) bool { return true }

// gpr reports whether an operand is a general register.
func gpr(operand any) bool { r, ok := operand.(asm.Reg); return ok && r <= asm.R15 }

// anImmediate reports whether an operand is neither a register nor memory.
func anImmediate(operand any) bool {
	_, memory := operand.(asm.Mem)
	_, register := operand.(asm.Reg)
	return !memory && !register
}

// regOf matches one of some registers.
func regOf(list ...asm.Reg) func(any) bool {
	return func(operand any) bool { r, ok := operand.(asm.Reg); return ok && slices.Contains(list, r) }
}

// inFrame matches one of some slots of the frame. RSP may be at its start, at that of a
// partial one, or below either at a return address.
func inFrame(base asm.Reg, slots ...asm.Slot) func(any) bool {
	return func(operand any) bool {
		m, ok := operand.(asm.Mem)
		return ok && m.Base() == base && slices.ContainsFunc(slots, func(s asm.Slot) bool {
			return m.Disp() == s.Off || base == asm.RSP && slices.Contains([]int{s.Off + 8, s.Off - inRegs.R11.Off}, m.Disp())
		})
	}
}

// atFrame matches one of some slots while RSP is at the frame's start.
func atFrame(slots ...asm.Slot) func(any) bool {
	return func(operand any) bool {
		m, ok := operand.(asm.Mem)
		return ok && m.Base() == asm.RSP && slices.ContainsFunc(slots, func(s asm.Slot) bool { return m.Disp() == s.Off })
	}
}

// onStack reports whether an operand is memory relative to RSP.
func onStack(operand any) bool { m, ok := operand.(asm.Mem); return ok && m.Base() == asm.RSP }

// to matches the target of a branch to a label that each variant has.
func to(label string) func(any) bool {
	return func(operand any) bool {
		target, _ := operand.(string)
		name, _, _ := stubs.CutFuncName(target)
		return name == label
	}
}

var (
	inRegs = asm.Slots[layout.PtRegs[asm.Slot]]()
	perCPU = asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	// The thread is at the bottom of the stack, the frame at its top.
	atBottom = asm.Fields[layout.Thread[asm.Mem]](asm.RSP.At(asm.SizeOf[layout.PtRegs[asm.Mem]]() - layout.ThreadSize))
)

// What of an instruction may be changed if nothing looks at its result.
const (
	register  = "register is R.*"
	anyResult = "deleted|source and destination change places|" + register
)

// survivors are the reviewed changes that the proof does not reject.
var survivors = slices.Concat(survivorsOfAssembly, survivorsOfTree, survivorsOfReturns, survivorsOfDrawing, survivorsOfTracing, survivorsOfFRED, survivorsOfDoreti)

var survivorsOfAssembly = []survivor{
	survives("syscall_init", one("SHRQ"), "bit [67] of the constant", "a shift takes six bits of its count"),
	survives("syscall_init", one("RDMSR"), runTwice, "it reads the same twice"),
	// Other instructions that do the same.
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs|do_syscall_64", one("JNE"), "condition is A",
		"the TEST or AND before it clears CF, so that A is NE"),
	survives("entry_SYSCALL_64|do_syscall_64", one("JE"), "condition is BE",
		"the TEST before it clears CF, so that BE is E"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs|do_syscall_64", one("TESTL|TESTQ", x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, asm.R11), "the width is another",
		"the constant has no bit from 31 on"),
	survives("entry_SYSCALL_64", one("XORL", gpr, gpr), "the width is another",
		"a register less itself is 0 in both"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", slices.Concat(one("SHLQ|SARQ", 16, asm.RCX), one("SHRQ", 47, asm.RCX)), "bit [67] of the constant",
		"of the count only six bits are taken"),
	survives("do_syscall_64", touching(asm.RBX), "base is RDI",
		"RDI is the frame still"),

	// The context switch that calls __switch_to.
	survives("__switch_to_asm", slices.Concat(one("MOVQ", asm.RSI, asm.RBP), one("MOVQ", asm.RBP, asm.RSI)), ".*",
		"as in 3.19 RBP has RSI, which __switch_to does not keep and nobody looks at again; what else is written is loaded again behind it"),
	survives("__switch_to_asm", one("MOVQ", asm.RAX, asm.RDI), ".*",
		"RDI is for 3.19's ret_from_fork, and this kernel's has no use for the thread that was left"),
	survives("__switch_to_asm", one("JNE", to("ret_from_fork")), "deleted|condition is (A|B|L|NP|O|S)|"+changesPlaces,
		"a new thread's frame has ret_from_fork for its return address, too; behind TESTL A is NE, and the others are never true"),
	survives("__switch_to_asm", one("TESTL", layout.TIFFork, anything), "bit 18 of the constant",
		"a new thread's frame has ret_from_fork for its return address, too"),
	survives("__switch_to_asm", one("MOVQ", anything, regOf(asm.RSP, asm.RAX)), "base is RBP",
		"RBP is RSI"),
	survives("__switch_to_asm", one("MOVQ", asm.RAX, anything), changesPlaces,
		"the two stores are of two words"),

	// The slow path in assembly.
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", slices.Concat(one("JMP", to("restore_c_regs_and_iret")), one("JMP", to("native_iret"))), "deleted",
		"it goes to the next instruction"),
	survives("int_ret_from_sys_call", one("ANDL", ^layout.TSCompat, anything), "deleted|"+changesPlaces+"|"+runTwice,
		"nothing sets TS_COMPAT: there is no 32-bit code"),
	survivesWith("int_ret_from_sys_call", one("CLI"), "deleted|"+changesPlaces, slices.Concat(one("SWAPGS"), one("MOVQ", anything, regOf(asm.R15, asm.RCX))),
		"at retint_swapgs: interrupts are off from int_with_check on"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call", one("STI"), "deleted",
		"schedule_user, do_notify_resume and syscall_return_slowpath take interrupts as they are"),
	survives("entry_SYSCALL_64", one("JAE", "sysret_signal"), "bit 0 of the displacement",
		"it lands behind the STI: do_notify_resume takes interrupts as they are"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", one("MOVQ", inFrame(asm.RSP, inRegs.IP, inRegs.CX, inRegs.R11, inRegs.R10, inRegs.R9, inRegs.R8, inRegs.AX, inRegs.DX), gpr), "index is RDX",
		"RDX is 0: it is what work is left, up to where it is loaded itself"),
	survives("int_ret_from_sys_call|retint_swapgs", one("CMPQ", inFrame(asm.RSP, inRegs.IP, inRegs.CS, inRegs.Flags, inRegs.SS), anything), "index is RDX",
		"RDX is 0: it is what work is left"),
	survives("int_ret_from_sys_call.freebsd|int_ret_from_sys_call.zircon", one("JMP", to("retint_swapgs")), "bit 0 of the displacement",
		"it lands behind the CLI: interrupts are off from int_with_check on"),
	survives("int_ret_from_sys_call.freebsd|int_ret_from_sys_call.zircon", one("JAE", to("int_very_careful")), "bit 0 of the displacement",
		"it lands in the last byte of a JMP, which with the STI is SARL CL, RBX: RBX is loaded from the frame, and do_notify_resume takes interrupts as they are"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", one("JNE", to("native_irq_return_ldt")), "condition is .*|deleted",
		"both ways come to IRETQ"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", one("TESTB"), ".*",
		"what is looked at decides between two ways to IRETQ, or is known to be of ring 3"),
	survives("int_ret_from_sys_call", one("JE", to("no_signal")), "condition is .*|deleted|bit [0-7] of the displacement",
		"of the work that is looked for, what do_notify_resume does is all that is left"),
	survives("int_ret_from_sys_call", one("TESTL", layout.TIFDoNotify, asm.RDX), ".*",
		"of the work that is looked for, what do_notify_resume does is all that is left"),
	survives("int_ret_from_sys_call", one("MOVL", layout.TIFAllWork|layout.TIFEntryWork, asm.RDI), "bit ([3-9]|[12].|3[01]) of the constant",
		"for work that nobody does the loop goes round once more, and then looks for TIFAllWork alone"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call", one("MOVL", layout.TIFAllWork, asm.RDI), "bit 8 of the constant",
		"that is TIFEntryWork: the slow path takes such a call too"),
	survives("int_ret_from_sys_call", one("TESTL", layout.TIFEntryWork, asm.RDX), "bit (0|[3-79]|[12].|3[01]) of the constant",
		"RDX has no bits but those of the mask, and of these TIFNeedResched is clear"),
	survives("int_ret_from_sys_call", one("JE", to("int_signal")), "condition is BE",
		"the TESTL before it clears CF, so that BE is E"),
	survives("int_ret_from_sys_call", one("JE", to("int_signal")), "bit 3 of the displacement",
		"it lands behind the test for a signal, which is all that is left of the work"),
	survives("int_ret_from_sys_call", one("ANDL", ^layout.TIFEntryWork, asm.RDI), "deleted|bit ([2-9]|[12].|3[01]) of the constant",
		"the loop looks for that work again, or for work that nobody does, and a tracer's second stop does no harm to what is proved"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call", one("BTL", 0, asm.RDX), "bit [5-7] of the constant",
		"of the bit's number only five bits are taken"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", one("JNE", to("native_irq_return_ldt")), "bit 1 of the displacement|"+changesPlaces,
		"both ways come to IRETQ"),

	// Page-table isolation.
	survives("entry_SYSCALL_64", one("BTSQ", 63, gpr), "bit [67] of the constant",
		"of the bit's number only six bits are taken"),
	survives("entry_SYSCALL_64", one("ANDQ", 0x7ff, asm.RDI), "bit ([0-9]|1[0-2]) of the constant|the width is another",
		"the kernel's CR3 has none of these bits"),
	survives("entry_SYSCALL_64", one("BTQ|BTRQ", asm.RDI, perCPU.UserPCIDFlushMask), "index is RDI|the width is another",
		"RDI is the number of the address space, which is 0"),
	survives("entry_SYSCALL_64", one("POPQ", asm.RAX), "register is RDI",
		"without PCIDs RAX holds what it pops still, and RDI is popped next"),
	survives("entry_SYSCALL_64", one("ORQ", 0x800, asm.RDI), "bit 12 of the constant",
		"the next instruction sets that bit"),
	survives("entry_SYSCALL_64", one("ORQ", 0x1000, asm.RDI), "bit 11 of the constant",
		"the instruction before has set that bit"),

	survives("entry_SYSCALL_64", slices.Concat(one("MOVQ", asm.CR3, gpr), one("MOVQ", gpr, asm.CR3), one("BTSQ", 63, gpr)), runTwice,
		"the second time it does the same"),
	survivesBefore("entry_SYSCALL_64", slices.Concat(one("BTSQ", 63, asm.RSP), one("ORQ", 0x800, asm.RDI)), one("ANDQ|ORQ"),
		"they change different bits"),
	survivesBefore("entry_SYSCALL_64", slices.Concat(one("PUSHQ", asm.RAX), one("MOVQ", asm.RDI, asm.CR3)), slices.Concat(one("MOVQ", asm.CR3, asm.RDI), one("POPQ", asm.RAX)),
		"both page tables map the trampoline stack"),
	survivesBefore("entry_SYSCALL_64", one("POPQ", asm.RDI), one("SWAPGS"),
		"interrupts are off, and the first is not relative to GS"),

	// The fast path of 3.19.
	survives("entry_SYSCALL_64", one("BTL", 0, asm.RDX), "deleted|bit [1-4] of the constant|register is RSP|"+changesPlaces,
		"JAE is always taken then, as ANDL has cleared CF, and neither RDX nor RSP has such a bit: the slow exit lets the other thread run as well"),
	survives("entry_SYSCALL_64", one("JNE", "sysret_careful"), "bit 2 of the displacement",
		"it lands behind the BTL, with CF clear: the slow exit lets the other thread run as well"),
	survives("entry_SYSCALL_64", one("JNE", "sysret_careful"), "bit 1 of the displacement",
		"it lands in the last two bytes of BTL, which are LOOP to the next instruction, and CF is clear still; RCX is not needed"),
	survives("entry_SYSCALL_64", one("MOVL", anything, asm.RDX), "the width is a byte",
		"the mask that is put on it has but two bits"),
	survives("entry_SYSCALL_64", one("JA", "ret_from_sys_call"), "bit 1 of the displacement",
		"it lands in the last two bytes of MOVQ RAX, PtRegs.AX(RSP), which are ANDB $0x20, RAX: RAX is loaded again"),
	survives("entry_SYSCALL_64", one("JE", "system_call_fastpath"), "bit 1 of the displacement",
		"it lands at the JNE before it, which is not taken: ZF is set"),
	survives("entry_SYSCALL_64", one("JMP", "sysret_check"), "deleted",
		"the slow exit is behind it, which looks for all work itself"),
	survives("int_ret_from_sys_call", one("JMP", "int_restore_rest"), "deleted",
		"behind it stands what looks for a signal: do_notify_resume may be called for none, and TIFAllWork is looked for next"),
	survives("entry_SYSCALL_64", one("JMP", "sysret_check"), "bit 3 of the displacement",
		"it lands in the last three bytes of MOVQ RAX, PtRegs.AX(RSP), which are ANDB $0x20, RAX, and RDI gets the mask again"),

	survives("entry_SYSCALL_64", one("JMP", to("int_check_syscall_exit_work")), "bit 0 of the displacement",
		"it lands at the STI before it"),
	survives("entry_SYSCALL_64", one("JMP", to("int_check_syscall_exit_work")), "bit 2 of the displacement",
		"it lands at the CLI before JMP int_with_check"),
	survives("entry_SYSCALL_64", one("JMP", to("int_check_syscall_exit_work")), "bit 4 of the displacement",
		"it lands in the last two bytes of BTL, which are LOOP to the next instruction, and CF is clear still; RCX is not needed"),

	// Wrappers.
	survives("stub_iopl", one("MOVQ", anImmediate, onStack), ".*",
		"these are SS, CS and RCX: of what the wrapper fills sys_iopl takes the flags alone"),
	survives("stub_iopl", one("MOVQ", asm.R11, perCPU.RSPScratch), ".*",
		"sys_iopl leaves the user's RSP as it is, and so what the wrapper took it from"),
	survives("stub_set_frame", one("MOVQ", atFrame(inRegs.R15, inRegs.R14, inRegs.R13, inRegs.R12, inRegs.BP), gpr), anyResult+"|the width is a byte",
		"at set_frame_via_iret no slot of these has changed, so that they hold the user's words still; the register that is loaded instead is loaded again behind it"),
	survives("stub_set_frame.linux-4.0|stub_set_frame.linux-4.1|stub_set_frame.linux-4.2", one("MOVL", 0xcf7bf, asm.RCX), "bit ([0-9]|1[0-9]|20) of the constant",
		"the slow exit ends by SYSRETQ too, where that fits"),
	survives("stub_set_frame.linux-4.0|stub_set_frame.linux-4.1|stub_set_frame.linux-4.2", one("BTL", asm.RBX, asm.RCX), "register is R[BC]X",
		"CF is always clear then: the slow exit ends by SYSRETQ too, where that fits"),
	survives("stub_set_frame", one("MOVL", 0xcf7bf, asm.RCX), "bit (2[1-9]|3[01]) of the constant",
		"no slot has this number"),
	survives("stub_set_frame", one("MOVQ", asm.RDI, asm.RBX), "the width is another",
		"BTL takes the lower half, and RBX itself is in the frame"),
	survives("stub_set_frame", one("JAE", "set_frame_via_iret"), "bit 1 of the displacement",
		"it lands two bytes before: the end of a MOVQ and the RET are XORB RAX, RBX, and RBX is in the frame"),
	survives("stub_set_frame.linux-4.0|stub_set_frame.linux-4.1|stub_set_frame.linux-4.2", one("RET|RETN"), "deleted",
		"set_frame_via_iret is behind it: the slow exit ends by SYSRETQ too, where that fits"),
	survivesLanding("entry_SYSCALL_64|stub_rt_sigreturn|stub_execve|stub_execveat|stub_set_frame|ret_from_fork|int_ret_from_sys_call|tracesys_phase2",
		one("JMP|JA", toOneOf("int_ret_from_sys_call", "int_check_syscall_exit_work", "int_with_check")), inSlowExit,
		"it lands at the end of another function, which goes to the slow exit too: what it loads before is in the frame, and ANDB $0x20, RAX and ANDB $0x50, RAX, the last bytes of MOVQ RAX, PtRegs.AX(RSP), change what is loaded again"),
	survives("tracesys_phase2", one("JMP", to("int_ret_from_sys_call")), "deleted",
		"in 3.19+a: it goes to the next instruction"),
	survives("ret_from_fork", one("JMP", to("int_ret_from_sys_call")), "bit 0 of the displacement",
		"it lands behind the CLI: interrupts are off where a thread begins"),

	// The slow path of 4.0 on, and do_syscall_64.
	survives("entry_SYSCALL_64.linux-4.0|entry_SYSCALL_64.linux-4.1|entry_SYSCALL_64.linux-4.2", one("JNE", toOneOf("int_ret_from_sys_call_fixup", "int_ret_from_sys_call_irqs_off")), "condition is (NO|AE|NS|GE)",
		"always true behind TESTL: the slow exit finds no work and ends by SYSRETQ too"),
	survives("entry_SYSCALL_64.linux-4.0|entry_SYSCALL_64.linux-4.1|entry_SYSCALL_64.linux-4.2", one("JNE|JMP", to("int_ret_from_sys_call_irqs_off")), "bit 0 of the displacement",
		"it lands at the CLI before it"),
	survives("entry_SYSCALL_64.freebsd|entry_SYSCALL_64.linux-4.6", one("TESTL", layout.TIFAllWork, anything), "bit 8 of the constant",
		"that is TIFEntryWork: the slow path takes such a call too"),
	survives("entry_SYSCALL_64.linux-4.0|entry_SYSCALL_64.linux-4.1|entry_SYSCALL_64.linux-4.2", one("TESTL", layout.TIFAllWork, anything), "bit ([3-9]|[12].|3[01]) of the constant",
		"the slow exit finds no work and ends by SYSRETQ too"),
	survives("entry_SYSCALL_64", one("TESTL", layout.TIFEntryWork|layout.TIFAllWork, atBottom.Flags), "bit [0-2] of the constant",
		"work that is there before the handler is seen behind it too"),
	survivesWith("int_ret_from_sys_call.linux-4.0|retint_swapgs.linux-4.0", one("MOVQ", inFrame(asm.RSP, inRegs.R11), asm.R11), anyResult+"|the width is a byte", one("MOVQ"),
		"the test of the frame has loaded R11 from the slot already; the register that is loaded instead is loaded behind it"),
	survives("stub_ptregs_64", one("CLI"), "deleted",
		"do_syscall_64 turns interrupts on in any case"),
	survives("stub_ptregs_64", one("POPQ", asm.RAX), register,
		"of the registers that the slow path does not store in the frame none is needed"),
	survives("stub_ptregs_64", one("JNE", "called_from_c"), "condition is (B|L|S|NP)",
		"there are two places that it is called from, and the addresses behind them are so"),
	survives("stub_ptregs_64", one("CMPQ", asm.R11, asm.RSP.At(0)), "the width is another",
		"the addresses that it can be called from differ in their lower halves"),
	survives("do_syscall_64", one("PUSHQ|POPQ", asm.RBX), register,
		"all registers are loaded from the frame afterwards"),
	survives("entry_SYSCALL_64", one("XORL", asm.RSI, asm.RSI), "deleted|"+register,
		"in 6.12: the number is put in RSI next, and what is cleared twice or too late is cleared"),
	survives("entry_SYSCALL_64", one("POPQ", regOf(asm.R11, asm.RCX)), register,
		"in 6.12: do_syscall_64 has left RIP and RFLAGS in these, and the other register is loaded behind it"),
	survives("do_syscall_64", one("MOVL", 1, asm.RAX), "bit ([1-9]|[12].|3[01]) of the constant",
		"SYSRETQ is taken for any AL but 0"),
	survives("do_syscall_64", one("XORL", asm.RAX, asm.RAX), "the width is a byte",
		"of the answer AL alone is looked at"),
	survives("do_syscall_64", one("MOVQ", layout.TaskSizeMax, asm.RDI), "bit ([0-9]|1[01]) of the constant",
		"from TaskSizeMax to the end of the lower half addresses are canonical"),
	survives("do_syscall_64", one("JAE", "return_by_iret"), "condition is A",
		"TaskSizeMax itself is canonical"),

	// Two that change places.
	survivesBefore("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs|stub_set_frame|do_syscall_64", one("JNE|JAE|JA|JE"), one("MOVQ|MOVL", anything, gpr),
		"where the branch goes the register is loaded again, or nobody looks at it"),
	survivesBefore("entry_SYSCALL_64", one("STI"), one("JMP", to("int_check_syscall_exit_work")),
		"do_notify_resume takes interrupts as they are"),
	survivesBefore("entry_SYSCALL_64", one("JNE", to("entry_SYSCALL64_slow_path")), one("STI"),
		"do_syscall_64 turns interrupts on in any case"),
	survivesBefore("entry_SYSCALL_64|int_ret_from_sys_call|do_syscall_64|tracesys_phase2", one("STI"), one("SUBQ|PUSHQ|TESTL|CMPQ|MOVQ"),
		"an interrupt between the two loses nothing: RSP is at what is in use or below it"),
	survivesBefore("entry_SYSCALL_64|do_syscall_64", slices.Concat(one("MOVQ", asm.RCX, inFrame(asm.RSP, inRegs.SP)), one("MOVQ", asm.RDI, asm.RBX)), one("STI"),
		"an interrupt keeps the register"),
	survivesBefore("entry_SYSCALL_64|int_ret_from_sys_call|retint_swapgs", slices.Concat(one("MOVQ", inFrame(asm.RSP, inRegs.SP), asm.RSP), one("ADDQ", anything, asm.RSP), one("POPQ", asm.RSP)), one("SWAPGS"),
		"interrupts are off, and the first is not relative to GS"),
	survivesBefore("int_ret_from_sys_call", slices.Concat(one("POPQ", asm.RDI), one("ADDQ", anything, asm.RSP), one("MOVL", layout.TIFAllWork, asm.RDI), one("MOVQ", onStack, asm.RBX)), one("CLI"),
		"an interrupt loses nothing: it keeps registers, and RSP is at what is in use"),
	survivesBefore("int_ret_from_sys_call|retint_swapgs", one("MOVQ", onStack, regOf(asm.RSP, asm.RBX)), one("SWAPGS"),
		"interrupts are off, and the first is not relative to GS"),
	survivesBefore(replacing, one("CALL"), one("ADDQ", 8, asm.RSP),
		"a handler with the whole frame may have a word less below it"),
	survivesBefore("int_ret_from_sys_call", one("CLI"), one("MOVL", anything, asm.RDI),
		"an interrupt keeps the register"),
	survivesBefore("entry_SYSCALL_64|int_ret_from_sys_call", one("JAE", anything), one("STI"),
		"STI keeps CF, and where the branch goes interrupts are turned on as well"),
	survivesBefore(replacing+"|stub_poison", one("ADDQ", 8, asm.RSP), slices.Concat(one("SUBQ", anything, asm.RSP), one("CALL")),
		"a handler with the whole frame may have a word more below it"),
	survivesBefore("stub_ptregs_64", one("CLI"), one("POPQ", asm.RAX),
		"what is popped is not needed"),
	survives("stub_ptregs_64", one("CMPQ", asm.R11, asm.RSP.At(0)), "the width is a byte",
		"the addresses that it can be called from differ in their lowest bytes"),
	survivesBefore("do_syscall_64", one("PUSHQ", asm.RBX), one("MOVQ", asm.RDI, asm.RBX),
		"all registers are loaded from the frame afterwards"),
	survivesBefore("do_syscall_64", one("CALL", "syscall_return_slowpath"), one("POPQ", asm.RBX),
		"it keeps RBX, which is loaded from the frame afterwards"),

	survives("entry_SYSCALL_64", one("PUSHQ", asm.RDI.At(inRegs.SP.Off-inRegs.DI.Off)), runTwice,
		"in 6.12: the trampoline stack has one word more, which nobody pops"),

	// SPEC_CTRL.
	survives("entry_SYSCALL_64", one("XORL", regOf(asm.RDX, asm.RCX), regOf(asm.RDX, asm.RCX)), "deleted|the width is a byte|"+register,
		"writing SPEC_CTRL overwrites both registers next, and what else is cleared twice is cleared"),
	survives("entry_SYSCALL_64", one("MOVQ", perCPU.SpecCtrl, asm.RDX), "index is R.*",
		"that register is 0: at the entry it is cleared, at the exit do_syscall_64 has kept it so"),
	survives("entry_SYSCALL_64", slices.Concat(one("MOVQ", perCPU.SpecCtrl, asm.RDX), one("ANDQ", -2, asm.RDX)), "the width is another",
		"SPEC_CTRL has nothing in its upper half"),
	survives("entry_SYSCALL_64", one("SHRQ", 32, asm.RDX), "bit [67] of the constant",
		"of the count only six bits are taken"),
	survivesBefore("entry_SYSCALL_64", one("WRMSR"), one("POPQ", asm.R15),
		"neither needs what the other changes"),
	survivesBefore("entry_SYSCALL_64", one("SWAPGS"), one("VERW"),
		"the operand is not relative to GS"),
}
