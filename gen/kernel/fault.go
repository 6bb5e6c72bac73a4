package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Codes of the signals of memory faults (Linux
// include/uapi/asm-generic/siginfo.h).
const (
	segvMapErr = 1 // no area
	segvAccErr = 2 // an area that does not allow it
	busAdrErr  = 2 // after the end of a file
)

// faults is what a page fault leads to: a page, or a signal.
func faults() Program {
	regs, self := ptRegs(RBX), area(R12)
	return Program{
		Funcs: []Func{
			FUNC("do_page_fault",
				`do_page_fault handles a page fault at the address RSI; RDI is its PtRegs, from
ring 3 or ring 0. A page that an area allows and that is not there yet is
made. Other faults are signals in ring 3; in ring 0 they go on where
__ex_table says, or the kernel dies. IF is 0.`,
				MOVQ(RDI, RBX),
				MOVQ(RSI, RBP),
				MOVL(regs.OrigAX, R15), // error code
				TESTB(3, regs.CS),
				IF(NE, MOVQ(-1, regs.OrigAX)), // not a system call: nothing to restart
				taskSize(RAX),
				CMPQ(RBP, RAX),
				JAE("kernel_address"),
				MOVQ(RBP, RDI),
				CALL("find_area"),
				MOVQ(RAX, R12),
				CMPQ(RBP, self.Start),
				IF(B,
					CALL("expand_stack"),
					TESTL(RAX, RAX),
					JE("no_area"),
				),

				MOVL(self.Prot, RDX),
				TESTL(RDX, RDX),
				JE("bad_access"),
				TESTL(x86.X86_PF_WRITE, R15),
				IF(NE,
					TESTL(layout.ProtWrite, RDX),
					JE("bad_access"),
				),
				TESTL(x86.X86_PF_INSTR, R15),
				IF(NE,
					TESTL(layout.ProtExec, RDX),
					JE("bad_access"),
				),

				MOVQ(RBP, RDI),
				CALL("pte_alloc"),
				TESTQ(RAX, RAX),
				JE("out_of_memory"),
				MOVQ(RAX, R13),
				CMPQ(R13.At(0), 0),
				IF(NE,
					// It is there and allowed: a stale TLB entry, or ring 0
					// without AC, for which there is no help.
					TESTB(3, regs.CS),
					JE("kernel_fault"),
					invlpg(RBP.At(0)),
					RETURN(),
				),

				CMPQ(self.Source, 0),
				IF(E,
					CALL("alloc_page"),
					TESTQ(RAX, RAX),
					JE("out_of_memory"),
				).ELSE(
					MOVQ(RBP, R14),
					ANDQ(pageMask, R14),
					SUBQ(self.Start, R14), // where in the source
					CALL("copy_source_page"),
					TESTQ(RAX, RAX),
					JE("out_of_memory"),
					JS("after_end"),
					MOVQ(RDX, RAX),
				),
				MOVL(RAX, RCX),
				MOVL(self.Prot, RDX),
				LEAQ(Sym("protection_map"), RAX),
				ORQ(RAX.Index(RDX, 8), RCX),
				MOVQ(RCX, R13.At(0)),
				RETURN(),

				LABEL("kernel_address"),
				TESTB(3, regs.CS),
				JE("kernel_fault"),
				// Whether the kernel has something there is not the user's to know.
				ORL(x86.X86_PF_PROT, R15),
				LABEL("no_area"),
				MOVL(segvMapErr, RSI),
				JMP("segv"),
				LABEL("bad_access"),
				MOVL(segvAccErr, RSI),
				LABEL("segv"),
				MOVL(sigSEGV, RDI),
				LABEL("signal"),
				TESTB(3, regs.CS),
				IF(E,
					MOVQ(RBX, RDI),
					CALL("fixup_exception"),
					TESTL(RAX, RAX),
					JE("kernel_fault"),
					RETURN(),
				),
				MOVQ(RBP, RDX),
				MOVL(x86.X86_TRAP_PF, RCX),
				MOVL(R15, R8),
				CALL("force_sig_fault"),
				RETURN(),
				LABEL("after_end"),
				MOVL(busAdrErr, RSI),
				MOVL(sigBUS, RDI),
				JMP("signal"),
				LABEL("kernel_fault"),
				MOVQ(RBX, RDI),
				MOVL(x86.X86_TRAP_PF, RSI),
				CALL("die"),
				UD2(),
			).Saving(RBX, RBP, R12, R13, R14, R15),
			FUNC("copy_source_page",
				`copy_source_page returns a page in RDX with what the area R12 is a copy of from
its offset R14 on, and RAX as 1; 0: no memory, -1: a file ends before.`,
				MOVQ(self.SourceLen, RAX),
				SUBQ(R14, RAX),
				IF(BE, // nothing left
					TESTL(layout.AreaFile, self.Flags),
					IF(NE, MOVQ(-1, RAX), RETURN()),
					XORL(RAX, RAX),
				),
				MOVL(layout.PageSize, RSI),
				CMPQ(RAX, RSI),
				CMOVQA(RSI, RAX),
				MOVQ(RAX, R8), // bytes to copy
				CALL("get_free_page"),
				TESTQ(RAX, RAX),
				IF(E, RETURN()),
				MOVQ(RAX, RDX),
				MOVQ(RAX, RDI),
				MOVQ(self.Source, RSI),
				ADDQ(R14, RSI),
				MOVL(R8, RCX),
				SHRL(3, RCX),
				REP(MOVSQ()),
				MOVL(R8, RCX),
				ANDL(7, RCX),
				REP(MOVSB()),
				MOVL(layout.PageSize, RCX),
				SUBL(R8, RCX),
				XORL(RAX, RAX),
				REP(STOSB()),
				INCL(RAX),
				RETURN(),
			),
			FUNC("expand_stack",
				`expand_stack extends the area R12 down to the address RBP below it, if it
grows downwards, by RLIMIT_STACK at most and not up to the area below. Returns
1 if it has.`,
				TESTL(layout.AreaGrowsDown, self.Flags),
				JE("no"),
				MOVQ(RBP, RDX),
				ANDQ(pageMask, RDX),
				MOVQ(self.End, RAX),
				SUBQ(RDX, RAX),
				CMPQ(RAX, layout.StackSize),
				JA("no"),
				CMPQ(RDX, layout.MMapMinAddr),
				JB("no"),
				MOVQ(self.Prev, RCX),
				TESTQ(RCX, RCX),
				IF(NE,
					CMPQ(area(RCX).Prot, 0), // what cannot be touched is a guard itself
					IF(NE,
						MOVQ(area(RCX).End, RAX),
						ADDQ(layout.StackGuard, RAX),
						CMPQ(RDX, RAX),
						JB("no"),
					),
				),
				MOVQ(RDX, self.Start),
				MOVQ(R12, RDI),
				CALL("area_update"),
				MOVL(1, RAX),
				RETURN(),
				LABEL("no"),
				XORL(RAX, RAX),
				RETURN(),
			),
			FUNC("out_of_memory", "out_of_memory ends init, which has touched more memory than there is, as by SIGKILL.",
				LEAQ(Str("entrylab: out of memory: all "), RDI),
				CALL("printk"),
				MOVQ(Sym("pages_total"), RDI),
				SHLQ(2, RDI),
				CALL("printk_dec"),
				LEAQ(Str(" KiB are in use\nentrylab: init killed by signal 9 (SIGKILL): out of memory\n"), RDI),
				CALL("printk"),
				MOVL(layout.ExitSignal, RDI),
				JMP("machine_exit"),
			),
		},
	}
}
