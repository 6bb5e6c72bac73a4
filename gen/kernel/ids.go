package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// groupCall makes a call that returns a number that the process which a TID belongs to
// shares with others.
func groupCall(name, doc string, number Mem) Func {
	return FUNC("sys_"+name, "sys_"+name+"(pid EDI) returns the "+doc+" of the process that pid belongs to, 0: the caller's.",
		MOVQ(gs.Process, RAX),
		TESTL(RDI, RDI),
		IF(NE,
			CALL(findOwner),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
		),
		MOVQ(number, RAX),
		RETURN(),
	)
}

// ids returns the part that keeps the groups and sessions that processes belong to. They
// matter for kill and wait alone: the console is nobody's controlling terminal. Init leads
// its own group and session, as after the setsid with which an init begins.
func ids() Program {
	return Program{
		Funcs: Funcs(
			sysGetpgrp, sysGetpgid, sysGetsid, sysSetpgid, sysSetsid, findGroup,
		),
	}
}

func sysGetpgrp() Func {
	return FUNC("sys_getpgrp", "sys_getpgrp returns the caller's group.",
		MOVQ(gs.Process, RAX),
		MOVQ(process(RAX).Group, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func sysGetpgid() Func {
	return groupCall("getpgid", "group", process(RAX).Group).Takes(RDI).Returns(RAX)
}

func sysGetsid() Func {
	return groupCall("getsid", "session", process(RAX).Session).Takes(RDI).Returns(RAX)
}

func sysSetpgid() Func {
	group, self := RBX, R12
	own := process(self)
	p := process(RAX)
	return FUNC("sys_setpgid",
		`sys_setpgid(pid EDI, group ESI) moves the caller, or a child of its that has not run
another program yet, to a group of its session, or to a new one (Linux kernel/sys.c).`,
		MOVQ(gs.Process, self),
		MOVQ(self, RAX),
		TESTL(RDI, RDI),
		IF(E, MOVL(own.PID, RDI)),
		MOVL(RSI, group),
		TESTL(group, group),
		IF(E, MOVL(RDI, group)),
		TESTL(group, group),
		IF(S, fail(EINVAL)),
		CALL(findProcess),
		TESTQ(RAX, RAX),
		IF(E,
			CALL(findThread),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
			fail(EINVAL), // a thread is not a process
		),
		CMPQ(RAX, self),
		IF(NE,
			CMPQ(self, p.Parent),
			IF(NE, fail(ESRCH)),
			MOVQ(own.Session, RCX),
			CMPQ(RCX, p.Session),
			IF(NE, fail(EPERM)),
			CMPQ(p.HasExeced, 0),
			IF(NE, fail(EACCES)),
		),
		MOVQ(p.PID, RCX),
		CMPQ(RCX, p.Session),
		IF(E, fail(EPERM)), // the leader of a session stays
		CMPL(RCX, group),
		IF(NE,
			MOVL(group, RDI),
			MOVQ(p.Session, RSI),
			CALL(findGroup),
			IF(NE, fail(EPERM)),
		),
		MOVQ(group, p.Group),
		returns(0),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func sysSetsid() Func {
	own := process(RAX)
	return FUNC("sys_setsid", "sys_setsid makes the caller lead a new session, unless there is a group with its PID.",
		MOVQ(gs.Process, RAX),
		MOVL(own.PID, RDI),
		MOVQ(-1, RSI),
		CALL(findGroup),
		IF(E, fail(EPERM)),
		MOVQ(RDI, own.Group),
		MOVQ(RDI, own.Session),
		MOVQ(RDI, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func findGroup() Func {
	p := process(RCX)
	return FUNC("find_group", "find_group sets ZF if a process belongs to the group RDI and to the session RSI (-1: any). Keeps RAX, RDI.",
		MOVQ(sched.Processes, RCX),
		LOOP(
			CMPQ(RDI, p.Group),
			IF(E,
				CMPQ(RSI, -1),
				BREAK(E),
				CMPQ(RSI, p.Session),
				BREAK(E),
			),
			MOVQ(p.All.Next, RCX),
			TESTQ(RCX, RCX),
			IF(E,
				CMPQ(RCX, 1), // clears ZF
				BREAK(),
			),
		),
		RETURN(),
	).Takes(RDI, RSI).Returns(FLAGS).Keeps(RAX, RDI)
}
