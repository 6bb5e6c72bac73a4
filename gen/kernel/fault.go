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

// faults handles page faults: each ends in a page or a signal.
func faults() Program {
	return Program{
		Funcs: Funcs(
			doPageFault, makePage, memfdFault, populateRange, copySourcePage, expandStack, outOfMemory,
		),
	}
}

func doPageFault() Func {
	frame, addr, selfPtr, code := RBX, RBP, R12, R15
	regs := ptRegs(frame)
	self := area(selfPtr)
	return FUNC("do_page_fault",
		`do_page_fault handles a page fault at the address RSI; RDI is its PtRegs, from
ring 3 or ring 0. If an area allows the access and the page is not there yet, it is
made. Other faults are signals in ring 3; in ring 0 they continue where
__ex_table says, or the kernel dies. IF is 0.`,
		MOVQ(RDI, frame),
		MOVQ(RSI, addr),
		MOVL(regs.OrigAX, code), // error code
		TESTB(3, regs.CS),
		IF(NE, MOVQ(-1, regs.OrigAX)), // not a system call: nothing to restart
		taskSize(RAX),
		CMPQ(addr, RAX),
		JAE("kernel_address"),
		MOVQ(addr, RDI),
		CALL(findArea),
		MOVQ(RAX, selfPtr),
		CMPQ(addr, self.Start),
		IF(B,
			CALL(expandStack),
			TESTL(RAX, RAX),
			JE("no_area"),
		),

		MOVL(self.Prot, RDX),
		TESTL(RDX, RDX),
		JE("bad_access"),
		TESTL(x86.X86_PF_WRITE, code),
		IF(NE,
			TESTL(layout.ProtWrite, RDX),
			JE("bad_access"),
		),
		TESTL(x86.X86_PF_INSTR, code),
		IF(NE,
			TESTL(layout.ProtExec, RDX),
			JE("bad_access"),
		),

		CALL(makePage),
		CMPQ(RAX, 1),
		IF(E,
			MOVQ(gs.Current, RAX),
			INCQ(thread(RAX).MinFaults),
			RETURN(),
		),
		JB("no_memory"),
		JG("there"),
		MOVL(busAdrErr, RSI),
		MOVL(sigBUS, RDI),
		JMP("signal"),
		LABEL("there"),
		TESTL(x86.X86_PF_WRITE, code),
		IF(NE,
			CALL(cowBreak),
			CMPQ(RAX, 1),
			IF(E,
				MOVQ(gs.Current, RAX),
				INCQ(thread(RAX).MinFaults),
				RETURN(),
			),
			JB("no_memory"),
		),
		// The page is there and the access allowed: a stale TLB entry, or ring 0 without AC.
		TESTB(3, regs.CS),
		JE("bad_access"),
		invlpg(addr.At(0)),
		RETURN(),

		LABEL("no_memory"),
		CALL(outOfMemory),
		TESTL(RAX, RAX),
		IF(NE, RETURN()), // the instruction is tried again
		TESTB(3, regs.CS),
		IF(NE, RETURN()),
		MOVQ(frame, RDI),
		CALL(fixupException),
		RETURN(),

		LABEL("kernel_address"),
		TESTB(3, regs.CS),
		JE("kernel_fault"),
		// The user must not learn whether the kernel has something there.
		ORL(x86.X86_PF_PROT, code),
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
			MOVQ(frame, RDI),
			CALL(fixupException),
			TESTL(RAX, RAX),
			JE("kernel_fault"),
			RETURN(),
		),
		MOVQ(addr, RDX),
		MOVL(x86.X86_TRAP_PF, RCX),
		MOVL(code, R8),
		CALL(forceSigFault),
		RETURN(),
		LABEL("kernel_fault"),
		MOVQ(frame, RDI),
		MOVL(x86.X86_TRAP_PF, RSI),
		CALL(die),
		UD2(),
	).Saving(RBX, RBP, R12, R15).Takes(RDI, RSI)
}

func makePage() Func {
	addr, selfPtr, pte, off, shared := RBP, R12, R13, R14, R15
	self := area(selfPtr)
	return FUNC("make_page",
		`make_page makes the page at the address RBP in the area R12. Returns 1; 2 if the page
is there already, 0 if there is no memory, -1 after the end of a file.`,
		MOVQ(addr, RDI),
		CALL(pteAlloc),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, pte),
		CMPQ(pte.At(0), 0),
		IF(NE, returns(2)),
		XORL(shared, shared), // PTEShared, if the page is shared
		CMPQ(self.Source, 0),
		IF(E,
			CALL(allocPage),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
		).ELSE(
			MOVQ(addr, off),
			ANDQ(pageMask, off),
			SUBQ(self.Start, off), // the offset in the source
			TESTL(layout.AreaMemFile, self.Flags),
			IF(NE, CALL(memfdFault)).ELSE(CALL(copySourcePage)),
			TESTQ(RAX, RAX),
			IF(LE, RETURN()),
			MOVQ(RDX, RAX),
		),
		physical(RAX, RCX),
		ORQ(shared, RCX),
		MOVL(self.Prot, RDX),
		LEAQ(Sym(protectionMap), RAX),
		ORQ(RAX.Index(RDX, 8), RCX),
		MOVQ(RCX, pte.At(0)),
		returns(1),
	).Saving(R13, R14, R15).Takes(RBP, R12).Returns(RAX)
}

func memfdFault() Func {
	selfPtr, off, shared := R12, R14, R15
	self := area(selfPtr)
	return FUNC("memfd_fault",
		`memfd_fault is copy_source_page for an area of a memfd: if the area is shared, the
page is the file's own, and R15 becomes PTEShared.`,
		MOVQ(self.Source, RDI),
		MOVQ(off, RSI),
		ADDQ(self.SourceLen, RSI),
		CMPQ(RSI, openFile(RDI).Size),
		IF(AE, returns(-1)),
		SHRQ(12, RSI),
		XORL(RDX, RDX),
		TESTL(layout.AreaSharedMem, self.Flags),
		IF(NE,
			MOVL(layout.PTEShared, shared),
			MOVL(1, RDX),
		),
		CALL(memfdPage),
		MOVQ(RAX, RDX),
		TESTL(shared, shared),
		IF(E, // a copy of the page, or of the zeros that it would hold
			MOVQ(RAX, R8),
			CALL(allocPage),
			MOVQ(RAX, RDX),
			TESTQ(RAX, RAX),
			IF(NE,
				TESTQ(R8, R8),
				IF(NE,
					MOVQ(RAX, RDI),
					MOVQ(R8, RSI),
					MOVL(layout.PageSize/8, RCX),
					REP(MOVSQ()),
				),
			),
		),
		XORL(RAX, RAX),
		TESTQ(RDX, RDX),
		SETNE(RAX),
		RETURN(),
	).Takes(R12, R14, R15).Returns(RAX, RDX, R15)
}

func populateRange() Func {
	end, addr, selfPtr, write, err := RBX, RBP, R12, R14, R15
	self := area(selfPtr)
	return FUNC("populate_range",
		`populate_range makes the pages of the areas from RDI up to RSI, both at pages.
Returns 0; -ENOMEM if memory is short; or -EFAULT if some pages are impossible: in
areas without access or after the end of a file. If EDX is 1 it continues after these.`,
		MOVL(RDX, write),
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		XORL(err, err),
		CALL(findArea),
		MOVQ(RAX, selfPtr),
		LOOP(
			CMPQ(addr, self.Start),
			IF(B, MOVQ(self.Start, addr)),
			CMPQ(addr, end),
			BREAK(AE),
			CMPQ(self.Prot, 0),
			IF(E,
				MOVQ(-EFAULT, err),
				TESTL(write, write),
				BREAK(E),
				MOVQ(self.End, addr),
			).ELSE(
				CMPQ(Sym(pagesFree), layout.ReservePages),
				IF(BE, fail(ENOMEM)),
				CALL(makePage),
				TESTQ(RAX, RAX),
				IF(LE,
					IF(E, fail(ENOMEM)),
					MOVQ(-EFAULT, err),
					TESTL(write, write),
					BREAK(E),
				),
				ADDQ(layout.PageSize, addr),
			),
			CMPQ(addr, self.End),
			IF(AE, MOVQ(self.Next, selfPtr)),
		),
		MOVQ(err, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func copySourcePage() Func {
	selfPtr, off := R12, R14
	self := area(selfPtr)
	return FUNC("copy_source_page",
		`copy_source_page returns a page in RDX with a copy of the area R12's source from
its offset R14 on, and RAX as 1; 0: no memory, -1: the file ends before.`,
		MOVQ(self.SourceLen, RAX),
		SUBQ(off, RAX),
		IF(BE, // nothing left
			TESTL(layout.AreaFile, self.Flags),
			IF(NE, MOVQ(-1, RAX), RETURN()),
			XORL(RAX, RAX),
		),
		MOVL(layout.PageSize, RSI),
		CMPQ(RAX, RSI),
		CMOVQA(RSI, RAX),
		MOVQ(RAX, R8), // bytes to copy
		CALL(getFreePage),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, RDX),
		MOVQ(RAX, RDI),
		MOVQ(self.Source, RSI),
		ADDQ(off, RSI),
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
	).Takes(R12, R14).Returns(RAX, RDX)
}

func expandStack() Func {
	addr, selfPtr := RBP, R12
	self := area(selfPtr)
	return FUNC("expand_stack",
		`expand_stack extends the area R12 down to the address RBP below it, if it
grows downwards, by RLIMIT_STACK at most and not as far as the area below. Returns
1 if it did.`,
		TESTL(layout.AreaGrowsDown, self.Flags),
		JE("no"),
		MOVQ(addr, RDX),
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
			CMPQ(area(RCX).Prot, 0), // an area without access is a guard itself
			IF(NE,
				MOVQ(area(RCX).End, RAX),
				ADDQ(layout.StackGuard, RAX),
				CMPQ(RDX, RAX),
				JB("no"),
			),
		),
		MOVQ(RDX, self.Start),
		MOVQ(selfPtr, RDI),
		CALL(areaUpdate),
		MOVL(1, RAX),
		RETURN(),
		LABEL("no"),
		XORL(RAX, RAX),
		RETURN(),
	).Takes(RBP, R12).Returns(RAX)
}

func outOfMemory() Func {
	victim, t := RBX, R12
	p := process(victim)
	return FUNC("out_of_memory",
		`out_of_memory finds memory for the current process, which touches more than there is. The
newest process dies as by SIGKILL, as its parent outlives it then, but never init (as with
Linux's OOM killer, which takes the largest). If that is another than the current one, all
that it has mapped is free at once and the result is 1: try again; else it is 0. If there is
none but init, the machine ends. IF is 0.`,
		MOVQ(sched.Processes, victim),
		LOOP(
			CMPQ(p.PID, initPID), // the last
			IF(E,
				CMPQ(gs.PID, initPID),
				JE("init"),
				JMP("self"),
			),
			CMPQ(victim, gs.Process),
			JE("self"),
			CMPQ(p.Threads, 0), // a zombie
			IF(NE,
				CMPQ(p.Exiting, 0), // has nothing left, or soon
				IF(E,
					MOVQ(p.ThreadList, RAX),
					MOVQ(thread(RAX).MM, RDI),
					MOVQ(mm(RDI).Space, RAX),
					MOVQ(space(RAX).Threads, RAX),
					CMPQ(RAX, p.Threads),
					BREAK(E), // else one of the two that vfork has made
				),
			),
			MOVQ(p.All.Next, victim),
		),
		MOVQ(1, p.Exiting),
		MOVQ(sigKILL, p.Status),
		CALL(spaceEmpty),
		eachPeer(victim, t,
			MOVQ(t, RAX),
			CALL(killForced),
			MOVQ(t, RDI),
			MOVQ(-EINTR, RSI),
			CALL(wakeUp),
		),
		LEAQ(Str("entrylab: out of memory: process "), RDI),
		CALL(printk),
		MOVQ(p.PID, RDI),
		CALL(printkDec),
		LEAQ(Str(" killed\n"), RDI),
		CALL(printk),
		returns(1),
		LABEL("self"),
		MOVQ(gs.Current, RAX),
		CALL(killForced),
		returns(0),
		LABEL("init"),
		LEAQ(Str("entrylab: out of memory: all "), RDI),
		CALL(printk),
		MOVQ(Sym(pagesTotal), RDI),
		SHLQ(2, RDI),
		CALL(printkDec),
		LEAQ(Str(" KiB are in use\nentrylab: init killed by signal 9 (SIGKILL): out of memory\n"), RDI),
		CALL(printk),
		MOVL(layout.ExitSignal, RDI),
		JMP(machineExit),
	).Saving(RBX, R12).Takes().Returns(RAX)
}
