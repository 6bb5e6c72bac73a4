package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The threads whose usage getrusage returns (Linux include/uapi/linux/resource.h).
const (
	rusageSelf     = 0
	rusageChildren = -1
	rusageThread   = 1
)

// timeval writes RAX ns as a timeval. Clobbers RAX, RCX, RDX.
func timeval(to [2]Mem) Block {
	return Block{
		XORL(RDX, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		MOVQ(RAX, to[0]),
		MOVL(RDX, RAX),
		XORL(RDX, RDX),
		MOVL(1000, RCX),
		DIVQ(RCX),
		MOVQ(RAX, to[1]),
	}
}

func sysGetrusage() Func {
	user, who, buf := RBX, R12, R13
	system := R12
	t := thread(RSI)
	usage := Fields[layout.RUsage[Mem]](RSP)
	size := SizeOf[layout.RUsage[Mem]]()
	return FUNC("sys_getrusage", "sys_getrusage(who EDI, rusage RSI). Values that the kernel does not keep are 0, for children all but the times.",
		MOVL(RDI, who),
		MOVQ(RSI, buf),
		CMPL(who, rusageChildren),
		IF(L, fail(EINVAL)),
		CMPL(who, rusageThread),
		IF(G, fail(EINVAL)),
		SUBQ(size, RSP),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		CLI(),
		CALL(cpuAccount),
		TESTL(who, who), // MOV leaves the flags
		MOVQ(gs.Process, R8),
		IF(S,
			MOVQ(process(R8).ChildUTime, user),
			MOVQ(process(R8).ChildSTime, system),
			XORL(RAX, RAX),
			XORL(RDX, RDX),
			XORL(RCX, RCX),
			JMP("put"),
		),
		IF(E,
			CALL(processTimes),
			MOVQ(RAX, user),
			MOVQ(RDX, system),
			MOVQ(process(R8).Switches, RCX),
			MOVQ(process(R8).Preempted, RDX),
			MOVQ(process(R8).Faults, RAX),
			eachPeer(R8, RSI,
				ADDQ(t.Switches, RCX),
				ADDQ(t.Preempted, RDX),
				ADDQ(t.MinFaults, RAX),
			),
		).ELSE(
			MOVQ(1, sched.Counting),
			MOVQ(gs.Current, RSI),
			MOVQ(t.UTime, user),
			MOVQ(t.STime, system),
			MOVQ(t.Switches, RCX),
			MOVQ(t.Preempted, RDX),
			MOVQ(t.MinFaults, RAX),
		),
		LABEL("put"),
		MOVQ(RAX, usage.MinFaults),
		MOVQ(RDX, usage.InvoluntarySwitches),
		SUBQ(RDX, RCX),
		IF(S, XORL(RCX, RCX)), // a preemption that found no other thread
		MOVQ(RCX, usage.VoluntarySwitches),
		MOVQ(user, RAX),
		timeval(usage.UTime),
		MOVQ(system, RAX),
		timeval(usage.STime),
		MOVQ(buf, RDI),
		MOVQ(RSP, RSI),
		MOVL(size, RDX),
		CALL(copyToUser),
		ADDQ(size, RSP),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func sysTimes() Func {
	system, buf, now := RBX, R12, R13
	return FUNC("sys_times", "sys_times(tms RDI) returns the time since boot, and writes the process's times if RDI is not 0; all in 1/100 s.",
		MOVQ(RDI, buf),
		CLI(),
		CALL(cpuAccount),
		MOVQ(RAX, now),
		MOVQ(gs.Process, R8),
		CALL(processTimes),
		SUBQ(32, RSP),
		MOVQ(RDX, system),
		XORL(RDX, RDX),
		MOVL(nsPerSec/clockTicks, RCX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(0)), // tms_utime
		MOVQ(system, RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(8)), // tms_stime
		MOVQ(process(R8).ChildUTime, RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(16)), // tms_cutime
		MOVQ(process(R8).ChildSTime, RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(24)), // tms_cstime
		MOVQ(now, RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, now),
		XORL(RAX, RAX),
		TESTQ(buf, buf),
		IF(NE,
			MOVQ(buf, RDI),
			MOVQ(RSP, RSI),
			MOVL(32, RDX),
			CALL(copyToUser),
		),
		ADDQ(32, RSP),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(now, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI).Returns(RAX)
}

func putRusage() Func {
	child, addr := RBX, R12
	c := process(child)
	usage := Fields[layout.RUsage[Mem]](RSP)
	size := SizeOf[layout.RUsage[Mem]]()
	return FUNC("put_rusage",
		`put_rusage writes the times of the zombie RDI, and of those that it had waited for, to
the rusage at user address RSI, unless that is 0. Returns 0 or -EFAULT.`,
		TESTQ(RSI, RSI),
		IF(E, returns(0)),
		MOVQ(RDI, child),
		MOVQ(RSI, addr),
		SUBQ(size, RSP),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		MOVQ(c.UTime, RAX),
		ADDQ(c.ChildUTime, RAX),
		timeval(usage.UTime),
		MOVQ(c.STime, RAX),
		ADDQ(c.ChildSTime, RAX),
		timeval(usage.STime),
		MOVQ(c.Faults, RAX),
		MOVQ(RAX, usage.MinFaults),
		MOVQ(addr, RDI),
		MOVQ(RSP, RSI),
		MOVL(size, RDX),
		CALL(copyToUser),
		ADDQ(size, RSP),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}
