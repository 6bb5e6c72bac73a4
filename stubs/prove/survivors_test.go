package prove

import "regexp"

// survivor is a change that leaves a variant right, and why.
type survivor struct {
	function, text, what *regexp.Regexp
	why                  string
}

func survives(function, text, what, why string) survivor {
	whole := func(s string) *regexp.Regexp { return regexp.MustCompile(`\A(?:` + s + `)\z`) }
	return survivor{whole(function), whole(text), whole(what), why}
}

// What of an instruction may be changed if nothing looks at its result.
const (
	register  = "register is R.*"
	anyResult = "deleted|source and destination change places|" + register
)

// survivors are the reviewed changes that the proof does not reject.
var survivors = []survivor{
	// Other instructions that do the same.
	survives("entry_SYSCALL_64|int_ret_from_sys_call|do_syscall_64", "JNE .*", "condition is A",
		"the TEST or AND before it clears CF, so that A is NE"),
	survives("entry_SYSCALL_64|do_syscall_64", "JE .*", "condition is BE",
		"the TEST before it clears CF, so that BE is E"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call|do_syscall_64", `TESTL \$0x10100, R11`, "the width is another",
		"the constant has no bit from 31 on"),
	survives("entry_SYSCALL_64", "XORL (R..?), R..?", "the width is another",
		"a register less itself is 0 in both"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call", `(SHLQ|SARQ) \$0x10, RDI|SHRQ \$0x2f, RDI`, "bit [67] of the constant",
		"of the count only six bits are taken"),
	survives("entry_SYSCALL_64", `MOVQ PerCPU.TopOfStack\(GS\), RSP`, "bit 6 of the displacement",
		"that is TSS.SP0, which holds the same address"),
	survives("entry_SYSCALL_64", `MOVQ PerCPU.TSS.SP0\(GS\), RSP`, "bit 6 of the displacement",
		"that is TopOfStack, which holds the same address"),
	survives("do_syscall_64", `.*\(RBX\).*`, "base is RDI",
		"RDI is the frame still"),

	// Page-table isolation.
	survives("entry_SYSCALL_64", `BTSQ \$0x3f, R..`, "bit [67] of the constant",
		"of the bit's number only six bits are taken"),
	survives("entry_SYSCALL_64", `ANDQ \$0x7ff, RDI`, "bit ([0-9]|1[0-2]) of the constant|the width is another",
		"the kernel's CR3 has none of these bits"),
	survives("entry_SYSCALL_64", `BTR?Q RDI, PerCPU.UserPCIDFlushMask\(GS\)`, "index is RDI|the width is another",
		"RDI is the number of the address space, which is 0"),
	survives("entry_SYSCALL_64", "POPQ RAX", "register is RDI",
		"without PCIDs RAX holds what it pops still, and RDI is popped next"),
	survives("entry_SYSCALL_64", `ORQ \$0x800, RDI`, "bit 12 of the constant",
		"the next instruction sets that bit"),
	survives("entry_SYSCALL_64", `ORQ \$0x1000, RDI`, "bit 11 of the constant",
		"the instruction before has set that bit"),

	survives("entry_SYSCALL_64", `MOVQ CR3, R..|MOVQ R.., CR3|BTSQ \$0x3f, R..`, "it is run twice",
		"the second time it does the same"),
	survives("entry_SYSCALL_64", `BTSQ \$0x3f, RSP|ORQ \$0x800, RDI`, `it changes places with (ANDQ|ORQ) .*`,
		"they change different bits"),
	survives("entry_SYSCALL_64", "PUSHQ RAX|MOVQ RDI, CR3", "it changes places with (MOVQ CR3, RDI|POPQ RAX)",
		"both page tables map the trampoline stack"),
	survives("entry_SYSCALL_64", "POPQ RDI", "it changes places with SWAPGS",
		"interrupts are off, and the first is not relative to GS"),

	// The fast path of 3.19.
	survives("entry_SYSCALL_64", "JE sysret_signal", "condition is (NO|AE|NS|GE)",
		"always true after TESTL $1, RDX: the slow exit lets the other thread run as well"),
	survives("entry_SYSCALL_64", `TESTL \$1, RDX`, "bit 0 of the constant",
		"ZF is always set then: the slow exit lets the other thread run as well"),
	survives("entry_SYSCALL_64", `TESTL \$1, RDX`, "bit ([2-9]|[12].|3[01]) of the constant",
		"RDX has no bits but those of TIFAllWork"),
	survives("entry_SYSCALL_64", "JA ret_from_sys_call", "bit 1 of the displacement",
		"it lands in the last two bytes of MOVQ RAX, PtRegs.AX(RSP), which are ANDB $0x20, RAX: RAX is loaded again"),
	survives("entry_SYSCALL_64", "JMP sysret_check", "bit 0 of the displacement",
		"it lands behind the CLI: schedule returns with interrupts off"),
	survives("entry_SYSCALL_64", "JMP sysret_check", "bit 3 of the displacement",
		"it lands in the last three bytes of MOVQ RAX, PtRegs.AX(RSP), which are ANDB $0x20, RAX, and RDI gets the mask again"),

	// Wrappers.
	survives("stub_set_frame", `MOVL \$0xcf7bf, RCX`, "bit (2[1-9]|3[01]) of the constant",
		"no slot has this number"),
	survives("stub_set_frame", "MOVQ RDI, RBX", "the width is another",
		"BTL takes the lower half, and RBX itself is in the frame"),
	survives("stub_set_frame", "JAE set_frame_via_iret", "bit 1 of the displacement",
		"it lands two bytes before: the end of a MOVQ and the RET are XORB RAX, RBX, and RBX is in the frame"),
	survives("stub_(rt_sigreturn|poison)", `MOVQ PtRegs.R11\(RSP\), R11`, anyResult,
		"R11 holds the user's RFLAGS still, as does the slot; a register that is loaded instead is in the frame or not needed"),
	survives("entry_SYSCALL_64|stub_rt_sigreturn", "JMP int_ret_from_sys_call.linux-4.0", "bit 7 of the displacement",
		"it lands in the last two bytes of MOVQ RAX, PtRegs.AX(RSP), which are ANDB $0x50, RAX, and the same jump is behind them"),

	// The slow path of 4.0 on, and do_syscall_64.
	survives("entry_SYSCALL_64|int_ret_from_sys_call", `MOVQ PtRegs.CX\(RSP\), RCX`, "deleted|source and destination change places",
		"on the way to IRETQ: the test of the frame has loaded RCX from the slot already"),
	survives("entry_SYSCALL_64", "STI", "deleted",
		"before syscall_return_slowpath, which takes interrupts as they are"),
	survives("entry_SYSCALL_64", `TESTL \$0x103, Thread.Flags\(RSP\)`, "bit [01] of the constant",
		"work that is there before the handler is seen behind it too"),
	survives("stub_ptregs_64", "CLI", "deleted",
		"do_syscall_64 turns interrupts on in any case"),
	survives("stub_ptregs_64", "POPQ RAX", register,
		"of the registers that the slow path does not store in the frame none is needed"),
	survives("stub_ptregs_64", "JNE called_from_c", "condition is (B|L|S|NP)",
		"there are two places that it is called from, and the addresses behind them are so"),
	survives("stub_ptregs_64", `CMPQ R11, \(RSP\)`, "the width is another",
		"the addresses that it can be called from differ in their lower halves"),
	survives("do_syscall_64", "PUSHQ RBX|POPQ RBX", register,
		"all registers are loaded from the frame afterwards"),
	survives("do_syscall_64", `MOVQ PtRegs.(SI|DX|R8|R9)\(RBX\), R.*`, anyResult,
		"in 4.6: the register holds the user's argument still, and the one that is loaded instead is not needed"),
	survives("do_syscall_64", "MOVL RSI, RAX", "register is RAX",
		"in 6.12: RAX holds the number still"),
	survives("entry_SYSCALL_64", "XORL RSI, RSI", "deleted|"+register,
		"in 6.12: the number is put in RSI next, and what is cleared twice or too late is cleared"),
	survives("entry_SYSCALL_64", "POPQ (R11|RCX)", register,
		"in 6.12: do_syscall_64 has left RIP and RFLAGS in these, and the other register is loaded behind it"),
	survives("do_syscall_64", `MOVL \$1, RAX`, "bit ([1-9]|[12].|3[01]) of the constant",
		"SYSRETQ is taken for any AL but 0"),
	survives("do_syscall_64", `MOVQ \$0x7ffffffff000, RDI`, "bit ([0-9]|1[01]) of the constant",
		"from TaskSizeMax to the end of the lower half addresses are canonical"),
	survives("do_syscall_64", "JAE return_by_iret", "condition is A",
		"TaskSizeMax itself is canonical"),

	// Two that change places.
	survives("entry_SYSCALL_64|int_ret_from_sys_call|stub_set_frame|do_syscall_64", "J(NE|AE|A|E) .*", `it changes places with MOV[QL] .*, R..?`,
		"where the branch goes the register is loaded again, or nobody looks at it"),
	survives("entry_SYSCALL_64", "JNE entry_SYSCALL64_slow_path.*", "it changes places with STI",
		"do_syscall_64 turns interrupts on in any case"),
	survives("entry_SYSCALL_64|do_syscall_64", "STI", "it changes places with (SUBQ|PUSHQ|TESTL|CMPQ|MOVQ) .*",
		"an interrupt between the two loses nothing: RSP is at what is in use or below it"),
	survives("entry_SYSCALL_64|do_syscall_64", `MOVQ RCX, PtRegs.SP\(RSP\)|MOVQ RDI, RBX`, "it changes places with STI",
		"an interrupt keeps the register"),
	survives("entry_SYSCALL_64|int_ret_from_sys_call", `MOVQ PtRegs.SP\(RSP\), RSP|ADDQ .*, RSP|POPQ RSP`, "it changes places with SWAPGS",
		"interrupts are off, and the first is not relative to GS"),
	survives("stub_(rt_sigreturn|poison)", `ADDQ \$8, RSP`, "it changes places with (SUBQ .*, RSP|CALL .*)",
		"a handler with the whole frame may have a word more below it"),
	survives("stub_(rt_sigreturn|poison)", `MOVQ PtRegs.R11\(RSP\), R11`, `it changes places with MOVQ R11, 144\(RSP\)`,
		"R11 holds the user's RFLAGS still"),
	survives("stub_ptregs_64", "CLI", "it changes places with POPQ RAX",
		"what is popped is not needed"),
	survives("stub_ptregs_64", `CMPQ R11, \(RSP\)`, "the width is a byte",
		"the addresses that it can be called from differ in their lowest bytes"),
	survives("do_syscall_64", "PUSHQ RBX", "it changes places with MOVQ RDI, RBX",
		"all registers are loaded from the frame afterwards"),
	survives("do_syscall_64", "CALL syscall_return_slowpath", "it changes places with POPQ RBX",
		"it keeps RBX, which is loaded from the frame afterwards"),
	survives("do_syscall_64", `MOVQ PtRegs.R9\(RBX\), R9`, "it changes places with CALL .*",
		"in 4.6: R9 holds the user's argument still"),
	survives("do_syscall_64", "MOVL RSI, RAX", "it changes places with CMPL RAX, .*",
		"in 6.12: RAX holds the number still"),

	survives("entry_SYSCALL_64", `PUSHQ PtRegs.SP\(RDI\)`, runTwice,
		"in 6.12: the trampoline stack has one word more, which nobody pops"),

	// SPEC_CTRL.
	survives("entry_SYSCALL_64", `XORL (RDX|RCX), (RDX|RCX)`, "deleted|the width is a byte|"+register,
		"writing SPEC_CTRL overwrites both registers next, and what else is cleared twice is cleared"),
	survives("entry_SYSCALL_64", `MOVQ PerCPU.SpecCtrl\(GS\), RDX`, "index is R.*",
		"that register is 0: at the entry it is cleared, at the exit do_syscall_64 has kept it so"),
	survives("entry_SYSCALL_64", `MOVQ PerCPU.SpecCtrl\(GS\), RDX|ANDQ \$-2, RDX`, "the width is another",
		"SPEC_CTRL has nothing in its upper half"),
	survives("entry_SYSCALL_64", `SHRQ \$0x20, RDX`, "bit [67] of the constant",
		"of the count only six bits are taken"),
	survives("entry_SYSCALL_64", "WRMSR", "it changes places with POPQ R15",
		"neither needs what the other changes"),
	survives("entry_SYSCALL_64", "SWAPGS", "it changes places with VERW .*",
		"the operand is not relative to GS"),
}
