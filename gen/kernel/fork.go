package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// forks makes threads and processes.
func forks() Program {
	return Program{
		Funcs: Funcs(
			sysClone, sysFork, sysVfork, vforkWait, processMake, processShare,
			altStackShare, filesCopy,
		),
	}
}

func sysClone() Func {
	threadPtr, tls, flags, stack, parentTID, childTID := RBX, RBP, R12, R13, R14, R15
	t := thread(threadPtr)
	maker := thread(RCX)
	// inherit copies what a thread inherits from its creator, RCX.
	var inherit Block
	for _, word := range [...][2]Mem{
		{maker.Comm[0], t.Comm[0]},
		{maker.Comm[1], t.Comm[1]},
		{maker.Policy, t.Policy},
		{maker.Nice, t.Nice},
		{maker.NoNewPrivs, t.NoNewPrivs},
		{maker.TimerSlack, t.TimerSlack},
	} {
		inherit = append(inherit, MOVQ(word[0], RAX), MOVQ(RAX, word[1]))
	}
	return FUNC("sys_clone",
		`sys_clone(flags RDI, stack RSI, parent_tid RDX, child_tid RCX, tls R8) makes a
thread, or a process with a copy of the caller's memory or, with CLONE_VM, in the same
memory. It is a full-frame call: the child returns with the parent's registers.
Flags that would make something between the two are -ENOSYS.`,
		MOVQ(RDI, flags),
		MOVQ(RSI, stack),
		MOVQ(RDX, parentTID),
		MOVQ(RCX, childTID),
		MOVQ(R8, tls),
		TESTL(cloneTHREAD, RDI),
		IF(NE,
			MOVL(RDI, RAX),
			ANDL(cloneRequired, RAX),
			CMPL(RAX, cloneRequired),
			IF(NE, fail(ENOSYS)),
			TESTQ(^cloneAllowed, RDI),
		).ELSE(
			TESTQ(^cloneProcess, RDI),
		),
		IF(NE, fail(ENOSYS)),
		TESTL(cloneSETTLS, flags),
		IF(NE,
			userLimit(tls, RAX),
			IF(AE, fail(EPERM)),
		),
		CALL(threadAlloc),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		MOVQ(RAX, threadPtr),

		MOVQ(threadPtr, RDX),
		MOVQ(stack, RSI),
		CALL(copyThread),

		FXSAVE64(t.FX[0]),
		current(RCX),
		MOVQ(thread(RCX).SigBlocked, RAX),
		MOVQ(RAX, t.SigBlocked),
		inherit,
		MOVQ(thread(RCX).GSBase, RAX),
		MOVQ(RAX, t.GSBase),
		MOVQ(thread(RCX).FSBase, RAX),
		TESTL(cloneSETTLS, flags),
		IF(NE, MOVQ(tls, RAX)),
		MOVQ(RAX, t.FSBase),
		TESTL(cloneCHILDCLEAR, flags),
		IF(NE, MOVQ(childTID, t.ClearTID)),
		MOVQ(threadPtr, RDI),
		TESTL(cloneTHREAD, flags),
		IF(NE, CALL(threadJoin)).ELSE(
			TESTL(cloneCHILDSETTID, flags),
			IF(NE,
				MOVQ(childTID, t.SetTID),
				ANDL(^cloneCHILDSETTID, flags),
			),
			MOVL(flags, RSI),
			CALL(processMake),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(threadPtr, RDI),
				CALL(freeThreadStack),
				fail(ENOMEM),
			),
		),
		// As in Linux, a bad address for the TID is ignored.
		TESTL(clonePARENTSETTID, flags),
		IF(NE,
			MOVQ(parentTID, RDI),
			MOVQ(t.TID, RSI),
			CALL(putUserInt),
		),
		TESTL(cloneCHILDSETTID, flags),
		IF(NE,
			MOVQ(childTID, RDI),
			MOVQ(t.TID, RSI),
			CALL(putUserInt),
		),
		MOVQ(threadPtr, RDI),
		CALL(wakeUpNew),
		MOVQ(t.TID, RAX),
		TESTL(cloneVFORK, flags),
		IF(NE,
			MOVQ(threadPtr, RDI),
			CALL(vforkWait),
		),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

// forkAs calls clone with flags, and with the caller's stack.
func forkAs(flags int) Block {
	return Block{
		MOVL(flags, RDI),
		XORL(RSI, RSI),
		XORL(RDX, RDX),
		XORL(RCX, RCX),
		XORL(R8, R8),
		JMP(sysClone),
	}
}

func sysFork() Func {
	return FUNC("sys_fork", "sys_fork is clone with SIGCHLD.", forkAs(sigCHLD)).Takes().Returns(RAX)
}

func sysVfork() Func {
	return FUNC("sys_vfork", "sys_vfork is clone with CLONE_VFORK, CLONE_VM and SIGCHLD.", forkAs(cloneVFORK|cloneVM|sigCHLD)).Takes().Returns(RAX)
}

func vforkWait() Func {
	selfPtr, result := RBX, R12
	self := thread(selfPtr)
	return FUNC("vfork_wait",
		`vfork_wait sleeps until the process of thread RDI, which the current thread has just
made, has left its memory. Signals wait as long. Keeps RAX. IF is 0.`,
		MOVQ(RAX, result),
		MOVQ(thread(RDI).Process, RAX),
		MOVQ(gs.Current, selfPtr),
		MOVQ(RAX, self.VforkChild),
		MOVQ(selfPtr, process(RAX).Vforker),
		LOOP(
			MOVQ(layout.ThreadBlocked, self.State),
			CALL(schedule),
			CMPQ(self.VforkChild, 0),
			BREAK(E),
		),
		MOVQ(result, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RAX).Returns(RAX)
}

func processMake() Func {
	madePtr, threadPtr, flags, parentPtr, mmPtr := RBX, RBP, R12, R13, R14
	made := process(madePtr)
	parent := process(parentPtr)
	t := thread(threadPtr)
	return FUNC("process_make",
		`process_make makes a child process of the current one, whose only thread is RDI, by
clone's flags ESI: with descriptors of its own, and in the current Space with CLONE_VM,
else in a copy. Returns 0, or -ENOMEM with nothing made.`,
		MOVQ(RDI, threadPtr),
		MOVL(RSI, flags),
		MOVQ(gs.Process, parentPtr),
		CALL(getKernelPage),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		MOVQ(RAX, madePtr),
		CALL(processShare),
		MOVL(flags, RAX),
		ANDL(cloneSignal, RAX),
		MOVQ(RAX, made.ExitSignal),
		CALL(filesCopy),
		TESTQ(RAX, RAX),
		JNE("failed"),

		MOVL(flags, RDI),
		ANDL(cloneVM, RDI),
		SETNE(RDI),
		CALL(mmAlloc),
		TESTQ(RAX, RAX),
		JE("failed"),
		MOVQ(RAX, mmPtr),
		MOVQ(RAX, t.MM),
		TESTL(cloneVM, flags),
		IF(NE,
			MOVQ(memory.Space, RAX),
			INCQ(space(RAX).Threads),
			// A thread that shares the stack in force shares the stack for signals too.
			TESTL(cloneVFORK, flags),
			IF(NE, CALL(altStackShare)),
		).ELSE(
			CALL(altStackShare),
			MOVQ(mmPtr, RDI),
			CALL(spaceCopy),
			TESTQ(RAX, RAX),
			JNE("no_space"),
		),

		MOVQ(madePtr, t.Process),
		MOVQ(1, made.Threads),
		MOVQ(parentPtr, made.Parent),
		LEAQ(parent.Children, RCX),
		hlistAdd(madePtr, siblings, RCX, RAX),
		processLists(madePtr, RAX, RCX),
		returns(0),

		LABEL("no_space"),
		MOVQ(mmPtr, RDI),
		CALL(mmPut),
		LABEL("failed"),
		MOVQ(madePtr, RDI),
		CALL(filesFree),
		MOVQ(madePtr, RDI),
		CALL(freePage),
		fail(ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI).Returns(RAX)
}

func processShare() Func {
	madePtr, threadPtr, parentPtr := RBX, RBP, R13
	made := process(madePtr)
	parent := process(parentPtr)
	var inherit Block
	for _, word := range [...][2]Mem{
		{parent.Group, made.Group},
		{parent.Session, made.Session},
		{parent.CwdLen, made.CwdLen},
		{parent.Exe, made.Exe},
		{parent.Umask, made.Umask},
		{parent.Dumpable, made.Dumpable},
	} {
		inherit = append(inherit, MOVQ(word[0], RAX), MOVQ(RAX, word[1]))
	}
	words := SizeOf[layout.Process[Mem]]() / 8
	actions := layout.NumSignals * actionSize / 8
	return FUNC("process_share",
		`process_share makes the page RBX a process with the thread RBP, which inherits from
the process R13. Its working directory is the root.`,
		MOVQ(madePtr, RDI),
		XORL(RAX, RAX),
		MOVL(words-actions, RCX), // the actions are the end
		REP(STOSQ()),
		LEAQ(parent.Actions[0].Handler, RSI),
		MOVL(actions, RCX),
		REP(MOVSQ()),
		MOVQ(thread(threadPtr).TID, RAX),
		MOVQ(RAX, made.PID),
		inherit,
		LEAQ(Sym(cwdRoot), RAX),
		MOVQ(RAX, made.Cwd),
		LEAQ(parent.RLimits[0][0], RSI),
		LEAQ(made.RLimits[0][0], RDI),
		MOVL(2*layout.NumRLimits, RCX),
		REP(MOVSQ()),
		actionsBase(madePtr, RAX),
		MOVQ(RAX, made.ActionsBase),
		MOVQ(madePtr, RDX),
		JMP(itimersInit),
	).Takes(RBX, RBP, R13)
}

func altStackShare() Func {
	threadPtr := RBP
	t := thread(threadPtr)
	self := thread(RCX)
	return FUNC("alt_stack_share", "alt_stack_share gives thread RBP the current thread's alternative signal stack.",
		MOVQ(gs.Current, RCX),
		MOVQ(self.AltSP, RAX),
		MOVQ(RAX, t.AltSP),
		MOVQ(self.AltSize, RAX),
		MOVQ(RAX, t.AltSize),
		MOVQ(self.AltFlags, RAX),
		MOVQ(RAX, t.AltFlags),
		RETURN(),
	).Takes(RBP)
}

func filesCopy() Func {
	madePtr, parentPtr := RBX, R13
	table, index, from := RBP, R12, R14
	made := process(madePtr)
	parent := process(parentPtr)
	fd := Fields[layout.FD[Mem]](RSI)
	return FUNC("files_copy",
		`files_copy gives the process RBX a copy of the descriptors and of the working directory
of the process R13. Returns 0, or -ENOMEM; files_free undoes what was done.`,
		CALL(getKernelPage),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		MOVQ(RAX, made.Files),
		MOVQ(RAX, table),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(SizeOf[layout.FDTable[Mem]]()/8, RCX),
		REP(STOSQ()),
		MOVQ(parent.Files, from),
		MOVQ(fdTable(from).NextFD, RAX),
		MOVQ(RAX, fdTable(table).NextFD),
		MOVQ(fdTable(from).Size, RAX),
		MOVQ(RAX, fdTable(table).Size),
		XORL(index, index),
		LOOP(
			MOVQ(index, RAX),
			SHLQ(8, RAX), // layout.FDsPerPage
			CMPQ(RAX, fdTable(from).Size),
			BREAK(AE),
			CMPQ(from.Index(index, 8), 0),
			IF(NE,
				CALL(getKernelPage),
				TESTQ(RAX, RAX),
				IF(E, fail(ENOMEM)),
				MOVQ(RAX, table.Index(index, 8)),
				MOVQ(RAX, RDI),
				MOVQ(from.Index(index, 8), RSI),
				MOVL(layout.PageSize/8, RCX),
				REP(MOVSQ()),
				MOVQ(table.Index(index, 8), RSI),
				fdsInUse(from, RCX, RAX),
				DO(
					MOVQ(fd.File, RAX),
					TESTQ(RAX, RAX),
					IF(NE, INCQ(openFile(RAX).Refs)),
					ADDQ(SizeOf[layout.FD[Mem]](), RSI),
					DECL(RCX),
				).WHILE(NE),
			),
			INCL(index),
		),
		LEAQ(Sym(cwdRoot), RCX),
		CMPQ(RCX, parent.Cwd),
		IF(NE,
			CALL(getKernelPage),
			TESTQ(RAX, RAX),
			IF(E, fail(ENOMEM)),
			MOVQ(RAX, made.Cwd),
			MOVQ(RAX, RDI),
			MOVQ(parent.Cwd, RSI),
			MOVQ(parent.CwdLen, RCX),
			ADDQ(2, RCX),
			REP(MOVSB()),
		),
		returns(0),
	).Saving(RBP, R12, R14).Takes(RBX, R13).Returns(RAX)
}
