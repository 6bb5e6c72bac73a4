package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Scheduling policies (Linux include/uapi/linux/sched.h).
const (
	schedNORMAL   = 0
	schedFIFO     = 1
	schedRR       = 2
	schedBATCH    = 3
	schedIDLE     = 5
	schedDEADLINE = 6

	maxRTPriority = 99

	// Flags of sched_setattr.
	schedFlagResetOnFork = 1

	// schedAttrSize is the first published size of struct sched_attr
	// (SCHED_ATTR_SIZE_VER0, include/uapi/linux/sched/types.h).
	schedAttrSize = 48
)

// The kinds of who in getpriority and setpriority (Linux include/uapi/linux/resource.h).
const (
	prioProcess = 0
	prioPgrp    = 1
	prioUser    = 2

	minNice = -20
	maxNice = 19
)

// Commands of membarrier (Linux include/uapi/linux/membarrier.h).
const (
	membarrierGlobal            = 1 << 0
	membarrierGlobalExp         = 1 << 1
	membarrierRegisterGlobalExp = 1 << 2
	membarrierPrivate           = 1 << 3
	membarrierRegisterPrivate   = 1 << 4
	membarrierSyncCore          = 1 << 5
	membarrierRegisterSyncCore  = 1 << 6
	membarrierGetRegistrations  = 1 << 9

	membarrierRegister = membarrierRegisterGlobalExp | membarrierRegisterPrivate | membarrierRegisterSyncCore
	membarrierAll      = membarrierGlobal | membarrierGlobalExp | membarrierPrivate | membarrierSyncCore |
		membarrierRegister | membarrierGetRegistrations
)

// needTask sets RAX to the thread with the TID EDI, or leaves.
func needTask() Block {
	return Block{
		CALL(findTask),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
	}
}

// priorityLimit makes sched_get_priority_max or _min.
func priorityLimit(name string, realTime int) Func {
	return FUNC("sys_"+name, "sys_"+name+"(policy EDI).",
		CMPL(RDI, schedFIFO),
		IF(NE, CMPL(RDI, schedRR)),
		IF(E, returns(realTime)),
		CMPL(RDI, schedDEADLINE),
		IF(A, fail(EINVAL)),
		CMPL(RDI, schedBATCH+1),
		IF(E, fail(EINVAL)),
		returns(0),
	)
}

// validTask leaves with -EINVAL if there is no parameter or the TID is negative.
func validTask(parameter Reg) Block {
	return Block{
		TESTQ(parameter, parameter),
		IF(E, fail(EINVAL)),
		TESTL(RDI, RDI),
		IF(S, fail(EINVAL)),
	}
}

// schedCalls returns the system calls about how threads are scheduled. All threads take
// turns; a thread's policy, if it is one without priorities, and its nice value are stored
// and returned, but have no effect. The real-time policies are refused as for a process
// that may not use them (EPERM).
func schedCalls() Program {
	return Program{
		Funcs: Funcs(
			sysSchedGetPriorityMax, sysSchedGetPriorityMin, sysSchedGetscheduler, sysSchedGetparam,
			sysSchedSetparam, sysSchedSetscheduler, setScheduler, checkPolicy, sysSchedRrGetInterval,
			sysSchedGetattr, sysSchedSetattr, setNice, prioThreads, sysGetpriority, sysSetpriority,
			sysGetcpu, sysMembarrier,
		),
		Data: []Data{
			membarrierRegistered,
		},
	}
}

var membarrierRegistered = BSS("membarrier_registered", 8, 8)

func sysSchedGetPriorityMax() Func {
	return priorityLimit("sched_get_priority_max", maxRTPriority).Takes(RDI).Returns(RAX)
}

func sysSchedGetPriorityMin() Func {
	return priorityLimit("sched_get_priority_min", 1).Takes(RDI).Returns(RAX)
}

func sysSchedGetscheduler() Func {
	t := thread(RAX)
	return FUNC("sys_sched_getscheduler", "sys_sched_getscheduler(tid EDI) returns the policy.",
		TESTL(RDI, RDI),
		IF(S, fail(EINVAL)),
		needTask(),
		MOVQ(t.Policy, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func sysSchedGetparam() Func {
	return FUNC("sys_sched_getparam", "sys_sched_getparam(tid EDI, priority RSI): it is 0 for all policies that can be set.",
		validTask(RSI),
		needTask(),
		MOVQ(RSI, RDI),
		XORL(RSI, RSI),
		JMP(putUserInt),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysSchedSetparam() Func {
	return FUNC("sys_sched_setparam", "sys_sched_setparam(tid EDI, priority RSI).",
		MOVQ(RSI, RDX),
		MOVL(-1, RSI), // keep the policy
		JMP(setScheduler),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysSchedSetscheduler() Func {
	return FUNC("sys_sched_setscheduler", "sys_sched_setscheduler(tid EDI, policy ESI, priority RDX).",
		TESTL(RSI, RSI),
		IF(S, fail(EINVAL)),
		JMP(setScheduler),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func setScheduler() Func {
	tid, policy := R12, R13
	t := thread(RAX)
	return FUNC("set_scheduler", "set_scheduler gives thread EDI the policy ESI, or its own if that is negative, with the priority at the user's RDX.",
		validTask(RDX),
		MOVL(RDI, tid),
		MOVL(RSI, policy),
		MOVQ(RDX, RDI),
		CALL(getUserInt),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
		MOVL(RAX, RDX),
		MOVL(tid, RDI),
		needTask(),
		TESTL(policy, policy),
		IF(S, MOVL(t.Policy, policy)),
		MOVL(policy, RSI),
		CALL(checkPolicy),
		RETURN(),
	).Saving(R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func checkPolicy() Func {
	t := thread(RAX)
	return FUNC("check_policy",
		`check_policy gives thread RAX the policy ESI with the priority EDX, if that is
possible. Returns 0, -EINVAL or -EPERM.`,
		CMPL(RSI, schedFIFO),
		IF(NE, CMPL(RSI, schedRR)),
		IF(E,
			LEAL(RDX.At(-1), RCX),
			CMPL(RCX, maxRTPriority),
			IF(AE, fail(EINVAL)),
			fail(EPERM),
		),
		TESTL(RDX, RDX),
		IF(NE, fail(EINVAL)),
		CMPL(RSI, schedNORMAL),
		JE("set"),
		CMPL(RSI, schedBATCH),
		JE("set"),
		CMPL(RSI, schedIDLE),
		IF(NE, fail(EINVAL)),
		LABEL("set"),
		MOVL(RSI, RSI),
		MOVQ(RSI, t.Policy),
		returns(0),
	).Takes(RSI, RDX, RAX).Returns(RAX)
}

func sysSchedRrGetInterval() Func {
	return FUNC("sys_sched_rr_get_interval", "sys_sched_rr_get_interval(tid EDI, timespec RSI) writes the time slice.",
		TESTL(RDI, RDI),
		IF(S, fail(EINVAL)),
		needTask(),
		MOVQ(RSI, RDI),
		MOVQ(sched.Slice, RSI),
		JMP(putTimespec),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysSchedGetattr() Func {
	t := thread(RAX)
	attr := Fields[layout.SchedAttr[Mem]](RSP)
	return FUNC("sys_sched_getattr", "sys_sched_getattr(tid EDI, attr RSI, size EDX, flags ECX).",
		validTask(RSI),
		TESTL(RCX, RCX),
		IF(NE, fail(EINVAL)),
		LEAL(RDX.At(-schedAttrSize), RCX),
		CMPL(RCX, layout.PageSize-schedAttrSize),
		IF(A, fail(EINVAL)),
		needTask(),
		MOVL(t.Policy, RCX),
		MOVL(t.Nice, RDX),
		SUBQ(schedAttrSize, RSP),
		MOVL(schedAttrSize, attr.SizePolicy),
		MOVL(RCX, attr.SizePolicy.Add(4)),
		MOVQ(0, attr.Flags),
		MOVL(RDX, attr.NicePriority),
		MOVL(0, attr.NicePriority.Add(4)),
		MOVQ(0, attr.Runtime),
		MOVQ(0, attr.Deadline),
		MOVQ(0, attr.Period),
		MOVQ(RSI, RDI),
		MOVQ(RSP, RSI),
		MOVL(schedAttrSize, RDX),
		CALL(copyToUser),
		ADDQ(schedAttrSize, RSP),
		RETURN(),
	).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysSchedSetattr() Func {
	size, tid, attrAddr := RBX, R12, R13
	nice, target := RBX, R12
	t := thread(RAX)
	attr := Fields[layout.SchedAttr[Mem]](RSP)
	return FUNC("sys_sched_setattr",
		`sys_sched_setattr(tid EDI, attr RSI, flags EDX). An attr longer than the kernel
knows is -E2BIG if the rest is not 0, and the known size is written to it.`,
		validTask(RSI),
		TESTL(RDX, RDX),
		IF(NE, fail(EINVAL)),
		MOVL(RDI, tid),
		MOVQ(RSI, attrAddr),
		MOVQ(RSI, RDI),
		CALL(getUserInt),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
		TESTL(RAX, RAX),
		IF(E, MOVL(schedAttrSize, RAX)),
		CMPL(RAX, schedAttrSize),
		JB("size"),
		CMPL(RAX, layout.PageSize),
		JA("size"),
		MOVL(RAX, size),
		LOOP( // the rest must be 0
			SUBL(1, size),
			CMPL(size, schedAttrSize),
			BREAK(B),
			LEAQ(attrAddr.Index(size, 1).Add(-3), RDI),
			CALL(getUserInt),
			TESTQ(RDX, RDX),
			IF(NE, fail(EFAULT)),
			SHRL(24, RAX),
			JNE("size"),
		),
		SUBQ(schedAttrSize, RSP),
		MOVQ(RSP, RDI),
		MOVQ(attrAddr, RSI),
		MOVL(schedAttrSize, RDX),
		CALL(copyFromUser),
		MOVL(attr.SizePolicy.Add(4), RSI),
		MOVQ(attr.Flags, RCX),
		MOVL(attr.NicePriority, nice),
		MOVL(attr.NicePriority.Add(4), RDX),
		ADDQ(schedAttrSize, RSP),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		TESTL(RSI, RSI),
		IF(S, fail(EINVAL)),
		MOVL(tid, RDI),
		needTask(),
		TESTQ(^schedFlagResetOnFork, RCX), // nothing forks
		IF(NE, fail(EINVAL)),
		MOVQ(RAX, target),
		CALL(checkPolicy),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVL(nice, RSI),
		MOVQ(target, RAX),
		CMPQ(t.Policy, schedIDLE), // this policy has no nice value to set
		IF(NE, CALL(setNice)),
		returns(0),
		LABEL("size"),
		MOVQ(attrAddr, RDI),
		MOVL(schedAttrSize, RSI),
		CALL(putUserInt),
		fail(E2BIG),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func setNice() Func {
	t := thread(RAX)
	return FUNC("set_nice", "set_nice gives thread RAX the nice value ESI, or the nearest that exists. Keeps RAX. Clobbers RSI, RCX.",
		MOVL(minNice, RCX),
		CMPL(RSI, RCX),
		CMOVLL(RCX, RSI),
		MOVL(maxNice, RCX),
		CMPL(RSI, RCX),
		CMOVLG(RCX, RSI),
		MOVSLQ(RSI, RSI),
		MOVQ(RSI, t.Nice),
		RETURN(),
	).Takes(RSI, RAX).Keeps(RDX, R8, RAX)
}

func prioThreads() Func {
	return FUNC("prio_threads",
		`prio_threads returns the first thread that (which EDI, who ESI) names, or an error
in RAX. RDX is 1 if all other threads of the process are meant too, else 0.`,
		XORL(RDX, RDX),
		CMPL(RDI, prioProcess),
		IF(E,
			MOVL(RSI, RDI),
			needTask(),
			RETURN(),
		),
		CMPL(RDI, prioUser),
		IF(A, fail(EINVAL)),
		TESTL(RSI, RSI), // the caller's own
		IF(NE,
			CMPL(RDI, prioPgrp),
			IF(NE, fail(ESRCH)), // user 0 is the only one
			CMPL(RSI, initPID),
			IF(NE, fail(ESRCH)),
		),
		INCL(RDX),
		MOVQ(sched.All, RAX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX, RDX).Keeps(R8)
}

func sysGetpriority() Func {
	t := thread(RAX)
	return FUNC("sys_getpriority", "sys_getpriority(which EDI, who ESI) returns 20 minus the lowest nice value of those threads.",
		CALL(prioThreads),
		CMPQ(RAX, -4095),
		IF(AE, RETURN()),
		XORL(RCX, RCX),
		LOOP(
			MOVL(-minNice, RSI),
			SUBL(t.Nice, RSI),
			CMPL(RSI, RCX),
			CMOVLG(RSI, RCX),
			TESTL(RDX, RDX),
			BREAK(E),
			MOVQ(t.All.Next, RAX),
			TESTQ(RAX, RAX),
			BREAK(E),
		),
		MOVL(RCX, RAX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysSetpriority() Func {
	t := thread(RAX)
	return FUNC("sys_setpriority", "sys_setpriority(which EDI, who ESI, nice EDX).",
		MOVL(RDX, R8),
		CALL(prioThreads),
		CMPQ(RAX, -4095),
		IF(AE, RETURN()),
		LOOP(
			MOVL(R8, RSI),
			CALL(setNice),
			TESTL(RDX, RDX),
			BREAK(E),
			MOVQ(t.All.Next, RAX),
			TESTQ(RAX, RAX),
			BREAK(E),
		),
		returns(0),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysGetcpu() Func {
	nodeAddr := RBX
	return FUNC("sys_getcpu", "sys_getcpu(cpu RDI, node RSI, unused): writes 0 for each that is asked for.",
		MOVQ(RSI, nodeAddr),
		TESTQ(RDI, RDI),
		IF(NE,
			XORL(RSI, RSI),
			CALL(putUserInt),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		XORL(RAX, RAX),
		TESTQ(nodeAddr, nodeAddr),
		IF(NE,
			MOVQ(nodeAddr, RDI),
			XORL(RSI, RSI),
			CALL(putUserInt),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysMembarrier() Func {
	return FUNC("sys_membarrier",
		`sys_membarrier(command EDI, flags ESI): with one CPU, everything that other threads
did before is visible, so there is nothing to do. There are no restartable sequences,
and none of the commands for them.`,
		TESTL(RSI, RSI),
		IF(NE, fail(EINVAL)),
		TESTL(RDI, RDI),
		IF(E, returns(membarrierAll)), // MEMBARRIER_CMD_QUERY
		MOVL(RDI, RAX),
		LEAL(RDI.At(-1), RCX),
		TESTL(RCX, RAX),
		IF(NE, fail(EINVAL)), // two commands
		TESTL(membarrierAll, RDI),
		IF(E, fail(EINVAL)),
		TESTL(membarrierRegister, RDI),
		IF(NE,
			ORL(RDI, Sym(membarrierRegistered)),
			returns(0),
		),
		CMPL(RDI, membarrierGetRegistrations),
		IF(E,
			MOVL(Sym(membarrierRegistered), RAX),
			RETURN(),
		),
		TESTL(membarrierPrivate|membarrierSyncCore, RDI),
		IF(NE,
			ADDL(RDI, RDI), // the command that registers for it
			TESTL(RDI, Sym(membarrierRegistered)),
			IF(E, fail(EPERM)),
		),
		returns(0),
	).Takes(RDI, RSI).Returns(RAX)
}
