package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// siginfo's codes of SIGCHLD (Linux include/uapi/asm-generic/siginfo.h), and the flag
// of a parent that wants no zombies.
const (
	cldExited = 1
	cldKilled = 2

	saNOCLDWAIT = 2
)

// exits ends threads and processes. A process ends with its last thread: it is a zombie
// then, of which only the Process remains until its parent waits for it. The machine
// ends with init.
func exits() Program {
	return Program{
		Funcs: Funcs(
			sysExit, sysExitGroup, groupExit, initExit, killOthers, killForced, threadExit, processExit,
			vforkDone, reparent, processNotify, wakeWaiter, processRelease, filesFree,
		),
	}
}

func sysExit() Func {
	self := thread(RAX)
	return FUNC("sys_exit", "sys_exit(status EDI) ends the thread; with the last one its process ends, with the status of the first one.",
		MOVZBL(RDI, RDI),
		SHLL(8, RDI),
		current(RAX),
		MOVQ(self.TID, RCX),
		CMPQ(RCX, gs.PID),
		IF(E,
			MOVQ(gs.Process, RCX),
			MOVQ(RDI, process(RCX).LeaderStatus),
		),
		JMP(threadExit),
	).Takes(RDI).NoReturn()
}

func sysExitGroup() Func {
	return FUNC("sys_exit_group", "sys_exit_group(status EDI) ends the process.",
		MOVZBL(RDI, RDI),
		SHLL(8, RDI),
		JMP(groupExit),
	).Takes(RDI).NoReturn()
}

func groupExit() Func {
	group := process(RAX)
	return FUNC("group_exit", "group_exit ends the current process with the wait status EDI, unless another thread has begun to; if it is init, the machine.",
		CMPQ(gs.PID, initPID),
		IF(E, JMP(initExit)),
		MOVQ(gs.Process, RAX),
		CMPQ(group.Exiting, 0),
		IF(E,
			MOVQ(1, group.Exiting),
			MOVL(RDI, RDI),
			MOVQ(RDI, group.Status),
			CALL(killOthers),
		),
		JMP(threadExit),
	).Takes(RDI).NoReturn()
}

func initExit() Func {
	status := RBX
	return FUNC("init_exit", "init_exit ends the machine, as init has ended with the wait status EDI of an exit.",
		MOVL(RDI, status),
		SHRL(8, status),
		LEAQ(Str("entrylab: init exited with status "), RDI),
		CALL(printk),
		MOVL(status, RDI),
		CALL(printkDec),
		LEAQ(Str("\n"), RDI),
		CALL(printk),
		CALL(biosNextBoot),
		MOVL(layout.ExitInit, RDI),
		JMP(machineExit),
	).Takes(RDI).NoReturn()
}

func killOthers() Func {
	other := RBX
	return FUNC("kill_others", "kill_others makes the other threads of the current process end. Turns interrupts off.",
		CLI(),
		MOVQ(gs.Process, RAX),
		eachPeer(RAX, other,
			CMPQ(other, gs.Current),
			IF(NE,
				MOVQ(other, RAX),
				CALL(killForced),
				MOVQ(other, RDI),
				MOVQ(-EINTR, RSI),
				CALL(wakeUp),
			),
		),
		RETURN(),
	).Saving(RBX).Takes()
}

func killForced() Func {
	t := thread(RAX)
	return FUNC("kill_forced", "kill_forced makes thread RAX die by SIGKILL before it returns to ring 3. Clobbers nothing else.",
		MOVQ(sigKILL, t.SigForced),
		MOVQ(0, t.SigCode),
		ORL(layout.TIFSigPending, t.Flags),
		RETURN(),
	).Takes(RAX).Keeps(RAX, RDI, RSI, RDX, RCX, R8)
}

func threadExit() Func {
	threadPtr, group := RBX, R12
	t := thread(threadPtr)
	p := process(group)
	// count adds a count of the thread to its process's.
	count := func(from, to Mem) Block { return Block{MOVQ(from, RAX), ADDQ(RAX, to)} }
	return FUNC("thread_exit", "thread_exit ends the current thread, and with the last one of its process that; if it is init, the machine.",
		current(threadPtr),
		MOVQ(gs.Process, group),
		CALL(exitRobustList),
		CALL(exitPI),
		MOVQ(t.ClearTID, RDI),
		TESTQ(RDI, RDI),
		IF(NE,
			XORL(RSI, RSI),
			CALL(putUserInt),
			MOVQ(t.ClearTID, RDI),
			MOVL(1, RSI),
			MOVL(-1, RDX),
			CALL(futexWake),
		),
		CLI(),
		hlistDel(threadPtr, threadAll, RAX, RDX),
		hlistDel(threadPtr, threadPeer, RAX, RDX),
		hlistDel(threadPtr, threadHashed, RAX, RDX),
		DECQ(sched.Threads),
		CALL(cpuAccount),
		count(t.UTime, p.UTime),
		count(t.STime, p.STime),
		count(t.Switches, p.Switches),
		count(t.MinFaults, p.Faults),
		count(t.Preempted, p.Preempted),
		count(t.Preempted, sched.Preempted),
		LEAQ(t.Pending.Mask, RDI),
		CALL(dropPending),
		DECQ(p.Threads),
		IF(E,
			CMPQ(gs.PID, initPID),
			IF(E,
				MOVL(p.LeaderStatus, RDI),
				JMP(initExit),
			),
			CALL(processExit),
		).ELSE(
			CALL(retargetSignals),
			MOVQ(p.ExecThread, RDI),
			TESTQ(RDI, RDI),
			IF(NE,
				XORL(RSI, RSI),
				CALL(wakeUp),
			),
		),
		MOVQ(memory.Space, RAX),
		DECQ(space(RAX).Threads),
		IF(E, CALL(unmapAll)),
		// This stack is in use until the switch. The thread that takes it off the
		// list of the dead runs later, on another stack.
		CALL(reapThreads),
		MOVQ(0, t.Next),
		MOVQ(threadPtr, sched.Dead),
		MOVQ(layout.ThreadDead, t.State),
		CALL(schedule),
		UD2(),
	).Takes().NoReturn()
}

func processExit() Func {
	group := R12
	p := process(group)
	return FUNC("process_exit",
		`process_exit makes the current process R12, whose last thread is ending, a zombie, and
tells its parent. IF is 0.`,
		CMPQ(p.Exiting, 0),
		IF(E,
			MOVQ(p.LeaderStatus, RAX),
			MOVQ(RAX, p.Status),
		),
		MOVL(1, RDI),
		CALL(timersEnd),
		MOVQ(group, RDI),
		CALL(filesFree),
		LEAQ(p.Pending.Mask, RDI),
		CALL(dropPending),
		MOVQ(group, RDI),
		CALL(vforkDone),
		MOVQ(group, RDI),
		CALL(traceesEnd),
		MOVQ(group, RDI),
		CALL(reparent),
		MOVQ(group, RDI),
		CALL(processNotify),
		RETURN(),
	).Takes(R12)
}

func vforkDone() Func {
	return FUNC("vfork_done", "vfork_done wakes the thread that waits until the process RDI has left its memory, if there is one. IF is 0.",
		MOVQ(process(RDI).Vforker, RAX),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(0, process(RDI).Vforker),
		MOVQ(0, thread(RAX).VforkChild),
		MOVQ(RAX, RDI),
		XORL(RSI, RSI),
		JMP(wakeUp),
	).Takes(RDI)
}

func reparent() Func {
	heirPtr, group, child := RBX, R12, R13
	heir := process(heirPtr)
	p := process(group)
	c := process(child)
	return FUNC("reparent",
		`reparent gives the children of the process RDI, which is ending, to its nearest
ancestor that wants orphans (PR_SET_CHILD_SUBREAPER), else to init. IF is 0.`,
		MOVQ(RDI, group),
		MOVQ(RDI, heirPtr),
		LOOP(
			MOVQ(heir.Parent, heirPtr),
			CMPQ(heir.PID, initPID),
			BREAK(E),
			CMPQ(heir.Subreaper, 0),
			BREAK(NE),
		),
		LOOP(
			MOVQ(p.Children, child),
			TESTQ(child, child),
			BREAK(E),
			hlistDel(child, siblings, RAX, RDX),
			LEAQ(heir.Children, RDX),
			hlistAdd(child, siblings, RDX, RAX),
			MOVQ(heirPtr, c.Parent),
			MOVQ(sigCHLD, c.ExitSignal),
			CMPQ(c.Threads, 0),
			IF(E,
				CMPQ(c.Trace.Tracer, 0), // else its tracer is told already
				IF(E,
					MOVQ(child, RDI),
					CALL(processNotify),
				),
			),
		),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI)
}

func processNotify() Func {
	group, parentPtr, queue := RBX, R12, R13
	p := process(group)
	parent := process(parentPtr)
	child := parent.Actions[sigCHLD-1]
	info := sigQueue(queue).Info
	return FUNC("process_notify",
		`process_notify tells the tracer or the parent of the zombie RDI: by the signal, with a siginfo if
there is memory for one, and by the end of its wait. A parent that ignores SIGCHLD or has
SA_NOCLDWAIT gets no zombie (Linux kernel/signal.c, do_notify_parent). IF is 0.`,
		MOVQ(RDI, group),
		MOVQ(p.Trace.Tracer, parentPtr),
		TESTQ(parentPtr, parentPtr),
		IF(E, MOVQ(p.Parent, parentPtr)),
		CMPQ(p.ExitSignal, 0),
		IF(NE,
			CALL(sigqueueAlloc),
			MOVQ(RAX, queue),
			TESTQ(queue, queue),
			IF(NE,
				MOVL(p.ExitSignal, RAX),
				MOVL(RAX, info.SignoErrno),
				MOVQ(p.PID, RAX),
				MOVQ(RAX, info.Fields[0]),
				exitCode(p.Status),
				MOVL(RDX, info.Code),
				MOVL(RAX, info.Fields[1]),
				MOVL(nsPerSec/clockTicks, RCX),
				MOVQ(p.UTime, RAX),
				XORL(RDX, RDX),
				DIVQ(RCX),
				MOVQ(RAX, info.Fields[2]),
				MOVQ(p.STime, RAX),
				XORL(RDX, RDX),
				DIVQ(RCX),
				MOVQ(RAX, info.Fields[3]),
			),
			MOVL(p.ExitSignal, RDI),
			XORL(RSI, RSI),
			MOVQ(queue, RDX),
			MOVQ(parentPtr, R8),
			CALL(sendSignal),
		),
		MOVQ(parentPtr, RDI),
		CALL(wakeWaiter),
		CMPQ(parentPtr, p.Parent),
		IF(NE, RETURN()), // its tracer waits for it first
		CMPQ(p.ExitSignal, sigCHLD),
		IF(NE, RETURN()),
		CMPQ(child.Handler, sigIGN),
		IF(NE,
			TESTL(saNOCLDWAIT, child.Flags),
			IF(E, RETURN()),
		),
		CMPQ(p.Trace.Tracer, 0),
		IF(NE, DECQ(parent.Tracees)),
		MOVQ(group, RDI),
		CALL(processRelease),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI)
}

// exitCode puts si_status of a wait status in RAX and si_code in RDX.
func exitCode(status Mem) Block {
	return Block{
		MOVL(status, RAX),
		MOVL(cldKilled, RDX),
		TESTL(0x7f, RAX),
		IF(E,
			SHRL(8, RAX),
			MOVL(cldExited, RDX),
		),
	}
}

func wakeWaiter() Func {
	threadPtr := RBX
	return FUNC("wake_waiter", "wake_waiter wakes the threads of the process RDI that wait for a child's end. IF is 0.",
		eachPeer(RDI, threadPtr,
			CMPQ(thread(threadPtr).ChildWait, 0),
			IF(NE,
				MOVQ(threadPtr, RDI),
				XORL(RSI, RSI),
				CALL(wakeUp),
			),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func processRelease() Func {
	return FUNC("process_release", "process_release frees the zombie RDI. IF is 0.",
		hlistDel(RDI, siblings, RAX, RDX),
		hlistDel(RDI, processAll, RAX, RDX),
		hlistDel(RDI, processHashed, RAX, RDX),
		JMP(freePage),
	).Takes(RDI)
}

func filesFree() Func {
	fd, group, table, index, end := RBX, R12, R13, R14, R15
	p := process(group)
	descriptor := Fields[layout.FD[Mem]](fd)
	return FUNC("files_free", "files_free closes the descriptors of the process RDI, frees their table, and its working directory's path.",
		MOVQ(RDI, group),
		MOVQ(p.Cwd, RDI),
		LEAQ(Sym(cwdRoot), RAX),
		CMPQ(RAX, RDI),
		IF(NE, CALL(freePage)),
		MOVQ(p.Files, table),
		TESTQ(table, table),
		IF(E, RETURN()),
		XORL(index, index),
		LOOP(
			MOVQ(table.Index(index, 8), fd),
			TESTQ(fd, fd),
			IF(NE,
				fdsInUse(table, RAX, RCX),
				SHLL(4, RAX), // the size of an FD
				LEAQ(fd.Index(RAX, 1), end),
				DO(
					MOVQ(descriptor.File, RDI),
					TESTQ(RDI, RDI),
					IF(NE, CALL(fput)),
					ADDQ(SizeOf[layout.FD[Mem]](), fd),
					CMPQ(fd, end),
				).WHILE(NE),
				MOVQ(table.Index(index, 8), RDI),
				CALL(freePage),
			),
			INCL(index),
			MOVL(index, RAX),
			SHLQ(8, RAX), // layout.FDsPerPage
			CMPQ(RAX, fdTable(table).Size),
			BREAK(AE),
		),
		MOVQ(table, RDI),
		CALL(freePage),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI)
}

// fdsInUse puts in n how many FDs of a page of the FDTable can be in use. Clobbers tmp.
func fdsInUse(table, n, tmp Reg) Block {
	return Block{
		MOVQ(fdTable(table).Size, n),
		MOVL(layout.FDsPerPage, tmp),
		CMPQ(n, tmp),
		CMOVQA(tmp, n),
	}
}
