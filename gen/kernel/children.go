package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Options of wait4 and waitid, and the values of waitid's which (Linux
// include/uapi/linux/wait.h).
const (
	waitNOHANG    = 0x1
	waitSTOPPED   = 0x2 // WUNTRACED too
	waitEXITED    = 0x4
	waitCONTINUED = 0x8
	waitNOWAIT    = 0x0100_0000
	waitNOTHREAD  = 0x2000_0000
	waitALL       = 0x4000_0000
	waitCLONE     = 0x8000_0000

	waitAnyPID   = 0
	waitForPID   = 1
	waitForPGID  = 2
	waitForPIDFD = 3

	// waitAny is wait_child's number for any child: wait4's -1 would be group 1 there.
	waitAny = -1 << 31

	// waitStopped is the low byte of the status of a process that has stopped, and cldTrapped
	// its si_code for SIGCHLD.
	waitStopped = 0x7f
	cldTrapped  = 4
)

// children returns the part by which a process learns that its children have ended.
func children() Program {
	return Program{
		Funcs: Funcs(
			sysWait4, sysWaitid, waitChild, waitTake, putRusage,
		),
	}
}

func sysWait4() Func {
	statusAddr, usageAddr, child, result := R12, R13, RBX, R14
	c := process(child)
	return FUNC("sys_wait4", "sys_wait4(pid EDI, status RSI, options EDX, rusage RCX).",
		MOVL(^uint32(waitNOHANG|waitSTOPPED|waitCONTINUED|waitNOTHREAD|waitALL|waitCLONE), RAX),
		TESTL(RAX, RDX),
		IF(NE, fail(EINVAL)),
		CMPL(RDI, waitAny),
		IF(E, fail(ESRCH)),
		CMPL(RDI, -1),
		IF(E, MOVL(waitAny, RDI)),
		MOVQ(RSI, statusAddr),
		MOVQ(RCX, usageAddr),
		MOVL(RDX, RSI),
		ORL(waitEXITED, RSI),
		CALL(waitChild),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		CMPQ(RAX, -4095),
		IF(AE, RETURN()),
		MOVQ(RAX, child),
		MOVQ(c.PID, result),
		CMPQ(c.Threads, 0),
		IF(NE, // stopped
			MOVQ(1, c.Trace.Seen),
			MOVQ(child, RDI),
			MOVQ(usageAddr, RSI),
			CALL(putRusage),
			MOVQ(c.Trace.Signal, RSI),
			SHLL(8, RSI),
			ORL(waitStopped, RSI),
			JMP("status"),
		),
		MOVQ(child, RDI),
		MOVQ(usageAddr, RSI),
		CALL(putRusage),
		PUSHQ(c.Status),
		MOVQ(child, RDI),
		PUSHQ(RAX),
		CALL(waitTake),
		POPQ(RAX),
		POPQ(RSI),
		LABEL("status"),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(statusAddr, RDI),
		TESTQ(RDI, RDI),
		IF(NE,
			CALL(putUserInt),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVQ(result, RAX),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysWaitid() Func {
	child, infoAddr, options, usageAddr := RBX, R12, R13, R14
	c := process(child)
	info := Fields[layout.SigInfo[Mem]](RSP)
	size := SizeOf[layout.SigInfo[Mem]]()
	return FUNC("sys_waitid", "sys_waitid(which EDI, id ESI, siginfo RDX, options ECX, rusage R8).",
		MOVL(^uint32(waitNOHANG|waitSTOPPED|waitEXITED|waitCONTINUED|waitNOWAIT|waitNOTHREAD|waitALL|waitCLONE), RAX),
		TESTL(RAX, RCX),
		IF(NE, fail(EINVAL)),
		TESTL(waitSTOPPED|waitEXITED|waitCONTINUED, RCX),
		IF(E, fail(EINVAL)),
		MOVQ(RDX, infoAddr),
		MOVL(RCX, options),
		MOVQ(R8, usageAddr),
		CMPL(RDI, waitAnyPID),
		IF(E, MOVL(waitAny, RDI)).ELSE(
			CMPL(RDI, waitForPIDFD),
			IF(A, fail(EINVAL)),
			TESTL(RSI, RSI),
			IF(S, fail(EINVAL)),
			CMPL(RDI, waitForPIDFD),
			IF(E, fail(EBADF)), // nothing makes such a descriptor
			CMPL(RDI, waitForPID),
			IF(E,
				TESTL(RSI, RSI),
				IF(E, fail(EINVAL)),
			).ELSE(NEGL(RSI)), // 0: the caller's group
			MOVL(RSI, RDI),
		),
		MOVL(options, RSI),
		CALL(waitChild),
		CMPQ(RAX, -4095),
		IF(AE, RETURN()),
		MOVQ(RAX, child),
		SUBQ(size, RSP),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		TESTQ(child, child),
		IF(NE,
			MOVQ(child, RDI),
			MOVQ(usageAddr, RSI),
			CALL(putRusage),
			TESTQ(RAX, RAX),
			JNE("out"),
			MOVL(sigCHLD, info.SignoErrno),
			MOVL(c.PID, RAX),
			MOVL(RAX, info.Addr),
			CMPQ(c.Threads, 0),
			IF(E,
				exitCode(c.Status),
			).ELSE(
				MOVL(cldTrapped, RDX),
				MOVL(c.Trace.Signal, RAX),
			),
			MOVL(RDX, info.Code),
			MOVL(RAX, info.Rest[0]),
			TESTL(waitNOWAIT, options),
			IF(E,
				CMPQ(c.Threads, 0),
				IF(E,
					MOVQ(child, RDI),
					CALL(waitTake),
				).ELSE(MOVQ(1, c.Trace.Seen)),
			),
		),
		XORL(RAX, RAX),
		TESTQ(infoAddr, infoAddr),
		IF(NE,
			MOVQ(infoAddr, RDI),
			MOVQ(RSP, RSI),
			MOVL(size, RDX),
			CALL(copyToUser),
		),
		LABEL("out"),
		ADDQ(size, RSP),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

// Where wait_child looks: at the children, then, if the caller traces any, at all
// processes; or at the one with the PID.
const (
	fromChildren = 0
	fromAll      = 1
	fromPID      = 2
)

func waitChild() Func {
	child, pid, options, found, own, from := RBX, R12, R13, R14, R15, RBP
	c := process(child)
	return FUNC("wait_child",
		`wait_child waits for the end of a child by the options ESI: of the one with PID EDI;
waitAny: any; 0: one of the caller's group; else below 0: one of the group -EDI; or until one that
the caller traces has stopped. Returns the zombie, or the stopped process, which has threads;
0 with WNOHANG if there is none; -ECHILD or -ERESTARTSYS. Turns interrupts off.`,
		MOVL(RDI, pid),
		MOVL(RSI, options),
		MOVQ(gs.Process, own),
		TESTL(pid, pid),
		IF(E,
			MOVL(process(own).Group, pid),
			NEGL(pid),
		),
		LOOP(
			CLI(),
			XORL(found, found), // children that it can be
			XORL(from, from),
			TESTL(pid, pid),
			IF(NS,
				MOVL(fromPID, from),
				MOVL(pid, RDI),
				CALL(findProcess),
				MOVQ(RAX, child),
			).ELSE(MOVQ(process(own).Children, child)),
			LOOP(
				TESTQ(child, child),
				IF(E,
					CMPL(from, fromChildren),
					BREAK(NE),
					CMPQ(process(own).Tracees, 0),
					BREAK(E),
					MOVL(fromAll, from),
					MOVQ(sched.Processes, child),
				),
				TESTL(from, from),
				IF(NE,
					CMPQ(own, c.Parent),
					IF(E,
						CMPL(from, fromAll),
						JE("next"), // it was among the children
					).ELSE(
						CMPQ(own, c.Trace.Tracer),
						JNE("next"),
					),
				),
				TESTL(pid, pid),
				IF(S,
					CMPL(pid, waitAny),
					IF(NE,
						MOVL(pid, RAX),
						NEGL(RAX),
						CMPL(RAX, c.Group),
						JNE("next"),
					),
				),
				TESTL(waitALL, options),
				IF(E,
					XORL(RAX, RAX),
					CMPQ(c.ExitSignal, sigCHLD),
					SETNE(RAX),
					MOVL(options, RCX),
					SHRL(31, RCX), // waitCLONE
					CMPL(RAX, RCX),
					JNE("next"),
				),
				INCL(found),
				MOVQ(c.Trace.Tracer, RAX),
				TESTQ(RAX, RAX),
				IF(NE,
					CMPQ(RAX, own),
					JNE("next"), // its tracer is told first
				),
				CMPQ(c.Threads, 0),
				IF(E,
					TESTL(waitEXITED, options),
					IF(NE,
						MOVQ(child, RAX),
						RETURN(),
					),
				),
				CMPQ(c.Trace.Signal, 0),
				IF(NE, // it has stopped: its tracer is told whatever it waits for
					CMPQ(c.Trace.Seen, 0),
					IF(E,
						MOVQ(child, RAX),
						RETURN(),
					),
				),
				LABEL("next"),
				CMPL(from, fromPID),
				BREAK(E),
				TESTL(from, from),
				IF(E, MOVQ(c.Sibling.Next, child)).ELSE(MOVQ(c.All.Next, child)),
			),
			TESTL(found, found),
			IF(E, fail(ECHILD)),
			TESTL(waitNOHANG, options),
			IF(NE, returns(0)),
			MOVQ(gs.Current, child), // not a child: the thread
			MOVQ(1, thread(child).ChildWait),
			MOVQ(-1, RDI),
			CALL(sleepUntil),
			MOVQ(0, thread(child).ChildWait),
			CMPQ(RAX, -EINTR),
			IF(E, fail(ERESTARTSYS)),
		),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI).Returns(RAX)
}

func waitTake() Func {
	c := process(RDI)
	own := process(RDX)
	return FUNC("wait_take",
		`wait_take frees the zombie RDI, whose times become those of a child of the current process.
If that is its tracer alone, its parent is told now instead. IF is 0.`,
		MOVQ(gs.Process, RDX),
		CMPQ(c.Trace.Tracer, 0),
		IF(NE,
			DECQ(own.Tracees),
			MOVQ(0, c.Trace.Tracer),
			CMPQ(RDX, c.Parent),
			IF(NE, JMP(processNotify)),
		),
		MOVQ(c.UTime, RAX),
		ADDQ(c.ChildUTime, RAX),
		ADDQ(RAX, own.ChildUTime),
		MOVQ(c.STime, RAX),
		ADDQ(c.ChildSTime, RAX),
		ADDQ(RAX, own.ChildSTime),
		JMP(processRelease),
	).Takes(RDI)
}
