package kernel

import . "github.com/entrylab/entrylab/gen/asm"

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
)

// groupCall makes a call that returns a group of the process that a TID belongs to.
func groupCall(name string) Func {
	return FUNC("sys_"+name, "sys_"+name+"(pid EDI) is 1 for the process and each of its threads.",
		CALL(findTask),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
		returns(initPID),
	)
}

// ids is the process's place among other processes, of which there are none: it leads
// its own group and session, as after the setsid with which an init begins, and has no
// children.
func ids() Program {
	return Program{
		Funcs: Funcs(
			sysGetpgrp, sysGetpgid, sysGetsid, sysSetpgid, sysSetsid, sysWait4, sysWaitid, findTask,
		),
	}
}

func sysGetpgrp() Func {
	return FUNC("sys_getpgrp", "sys_getpgrp returns 1, the process's own group.", returns(initPID)).Takes().Returns(RAX)
}

func sysGetpgid() Func {
	return groupCall("getpgid").Takes(RDI).Returns(RAX)
}

func sysGetsid() Func {
	return groupCall("getsid").Takes(RDI).Returns(RAX)
}

func sysSetpgid() Func {
	return FUNC("sys_setpgid", "sys_setpgid(pid EDI, group ESI) is EPERM: the process leads its session.",
		TESTL(RSI, RSI),
		IF(E, MOVL(RDI, RSI)), // the process's own number
		TESTL(RSI, RSI),
		IF(S, fail(EINVAL)),
		CALL(findTask),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
		CMPL(RDI, initPID),
		IF(A, fail(EINVAL)), // a thread is not a process
		fail(EPERM),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysSetsid() Func {
	return FUNC("sys_setsid", "sys_setsid is EPERM: the process leads its group.", fail(EPERM)).Takes().Returns(RAX)
}

func sysWait4() Func {
	return FUNC("sys_wait4", "sys_wait4(pid EDI, status RSI, options EDX, rusage RCX): there are no children.",
		MOVL(^uint32(waitNOHANG|waitSTOPPED|waitCONTINUED|waitNOTHREAD|waitALL|waitCLONE), RAX),
		TESTL(RAX, RDX),
		IF(NE, fail(EINVAL)),
		CMPL(RDI, -1<<31),
		IF(E, fail(ESRCH)),
		fail(ECHILD),
	).Takes(RDI, RDX).Returns(RAX)
}

func sysWaitid() Func {
	return FUNC("sys_waitid", "sys_waitid(which EDI, id ESI, siginfo RDX, options ECX, rusage R8): there are no children.",
		MOVL(^uint32(waitNOHANG|waitSTOPPED|waitEXITED|waitCONTINUED|waitNOWAIT|waitNOTHREAD|waitALL|waitCLONE), RAX),
		TESTL(RAX, RCX),
		IF(NE, fail(EINVAL)),
		TESTL(waitSTOPPED|waitEXITED|waitCONTINUED, RCX),
		IF(E, fail(EINVAL)),
		CMPL(RDI, waitAnyPID),
		IF(E, fail(ECHILD)),
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
		),
		fail(ECHILD),
	).Takes(RDI, RSI, RCX).Returns(RAX)
}

func findTask() Func {
	return FUNC("find_task",
		`find_task returns the thread with TID EDI, the current one for 0, or 0. The
process's first thread is found by its TID even after its end: another thread then
takes its place. Keeps RDI.`,
		TESTL(RDI, RDI),
		IF(E,
			MOVQ(gs.Current, RAX),
			RETURN(),
		),
		CALL(findThread),
		CMPL(RDI, initPID),
		IF(NE, RETURN()),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(sched.All, RAX)),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDI).Keeps(RSI, RDX, RCX, R8)
}
