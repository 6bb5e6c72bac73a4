package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// loadSYSRET loads the two registers that SYSRETQ takes.
func (v Axes) loadSYSRET(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.IP, RCX),
		MOVQ(v.userFlags(regs), R11),
	}
}

// loadArgs loads what a system call must keep, except RCX, R11 and RSP. RAX is
// the result.
func loadArgs(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.R10, R10),
		MOVQ(regs.R9, R9),
		MOVQ(regs.R8, R8),
		MOVQ(regs.AX, RAX),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DI, RDI),
	}
}

// loadArgsCX works like loadArgs, and loads RCX too, where Linux has it.
func loadArgsCX(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.R10, R10),
		MOVQ(regs.R9, R9),
		MOVQ(regs.R8, R8),
		MOVQ(regs.AX, RAX),
		MOVQ(regs.CX, RCX),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DI, RDI),
	}
}

// iretFrom returns by IRETQ, with the user's callee-saved registers loaded. RSP is
// off bytes above the frame's start; way is as in nativeIRET.
func (v Axes) iretFrom(off int, way string) Block {
	loads := Block{MOVQ(regsAt(off).R11, R11), loadArgsCX(regsAt(off))}
	if !v.Is(CR3Keep) { // needs GS
		return Block{loads, v.iretTail(off, way)}
	}
	return Block{
		SWAPGS().C("GS.base: PerCPU -> user"),
		JMP(way + "restore_c_regs_and_iret"),
		LABEL(way + "restore_c_regs_and_iret"), // which interrupts share
		loads,
		ADDQ(pt.IP.Off-off, RSP).C("to the hardware frame"),
		v.at(BeforeReturn),
		v.nativeIRET(way),
	}
}

// sysretFits goes to fail unless SYSRETQ does what IRETQ would do with the
// frame, in the order of each release (4.0 and 4.1: entry_64.S; 6.12:
// do_syscall_64). The test leaves RIP in RCX, except with iptest=half, and
// RFLAGS in R11. Clobbers RDI with iptest=tasksize.
//
// A frame that was not changed meets all conditions except those on RF and TF:
// with TF set, SYSRETQ traps before the user's next instruction and IRETQ
// after it, so a program that single-steps itself would trap at the same
// place for ever.
func (v Axes) sysretFits(regs *layout.PtRegs[Mem], fail string) Block {
	single := Block{
		TESTQ(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, R11).C(singleStepped),
		JNE(fail),
	}
	if v.Is(IPTaskSize) {
		return Block{v.sysretFrame(regs, fail, nil), single}
	}
	return v.sysretFrame(regs, fail, single)
}

const singleStepped = "SYSRETQ clears RF, traps early on TF"

// sysretFrame makes sysretFits's tests but that of RF and TF, for which it puts single
// among them; with iptest=tasksize it leaves single out.
func (v Axes) sysretFrame(regs *layout.PtRegs[Mem], fail string, single Block) Block {
	flags := Block{
		MOVQ(regs.R11, R11),
		CMPQ(regs.Flags, R11).C("SYSRETQ loads RFLAGS from R11"),
		JNE(fail),
	}
	cs := Block{v.cmpSelector(regs.CS, x86.USER_CS).C("and this from MSR_STAR"), JNE(fail)}
	ss := Block{v.cmpSelector(regs.SS, x86.USER_DS).C("and this"), JNE(fail)}
	ip := Block{v.sameIP(regs), JNE(fail)}
	if v.Is(IPTaskSize) {
		return Block{ip, flags, cs, ss, v.testIP(fail)}
	}
	return Block{ip, v.testIP(fail), cs, flags, single, ss}
}

// cmpSelector compares a slot with a selector: all of it or, where handlers take the frame, whose
// kernel came after FRED put other things into the same word (6.9), only 16 bits.
func (v Axes) cmpSelector(slot Mem, selector int) Ins {
	if v.ByFrame() {
		return CMPW(slot, selector)
	}
	return CMPQ(slot, selector)
}
