package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// execs returns the part that implements execve: the process goes on with another program
// from the initramfs.
func execs() Program {
	return Program{
		Funcs: Funcs(
			sysExecve, sysExecveat, doExecve, execFile, userStrings, execOthers, execSpace, execReset, filesCloseOnExec,
		),
	}
}

func sysExecve() Func {
	return FUNC("sys_execve", "sys_execve(path RDI, argv RSI, envp RDX). It replaces the frame.",
		MOVQ(RDX, RCX),
		MOVQ(RSI, RDX),
		MOVQ(RDI, RSI),
		MOVL(AT_FDCWD, RDI),
		XORL(R8, R8),
		JMP(doExecve),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysExecveat() Func {
	return FUNC("sys_execveat", "sys_execveat(dirfd EDI, path RSI, argv RDX, envp RCX, flags R8D). It replaces the frame.",
		TESTL(^(AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW), R8),
		IF(NE, fail(EINVAL)),
		JMP(doExecve),
	).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func doExecve() Func {
	dirfd, path, argv, envp, flags, header := RBX, RBP, R12, R13, R14, R15
	selfPtr := RBX
	return FUNC("do_execve",
		`do_execve(dirfd EDI, path RSI, argv RDX, envp RCX, flags R8D) makes the process go on
with the program at path, and returns 0 with its first registers in the frame. It
returns -errno only while the old program can still go on.`,
		MOVL(RDI, dirfd),
		MOVQ(RSI, path),
		MOVQ(RDX, argv),
		MOVQ(RCX, envp),
		MOVL(R8, flags),
		// The strings first: to find the file is to use its buffers.
		MOVQ(0, execState.StringsLen),
		MOVQ(argv, RDI),
		CALL(userStrings),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVQ(RAX, execState.Argc),
		MOVQ(envp, RDI),
		CALL(userStrings),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVQ(RAX, execState.Envc),
		MOVL(layout.ExecArgsMax, RDX),
		SUBQ(execState.StringsLen, RDX),
		LEAQ(Sym(execStrings), RDI),
		ADDQ(execState.StringsLen, RDI),
		MOVQ(RDI, execState.ExecName), // until the stack is built
		MOVQ(path, RSI),
		CALL(strncpyFromUser),
		CMPQ(RAX, -ENAMETOOLONG),
		IF(E, fail(E2BIG)),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		INCQ(RAX),
		ADDQ(RAX, execState.StringsLen),

		MOVL(dirfd, RDI),
		MOVQ(path, RSI),
		MOVL(flags, RDX),
		CALL(execFile),
		CMPQ(RAX, -4095),
		IF(AE, RETURN()),
		MOVQ(RAX, header),
		CALL(elfCheck),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(RCX, RAX), RETURN()),
		CALL(execOthers),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		CALL(execSpace),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),

		// The old program is gone.
		MOVQ(gs.Process, RDI),
		MOVQ(header, process(RDI).Exe),
		MOVQ(1, process(RDI).HasExeced),
		CLI(),
		CALL(vforkDone),
		CALL(execReset),
		MOVQ(gs.Current, selfPtr),
		MOVQ(selfPtr, RDI),
		MOVQ(execState.ExecName, RSI),
		CALL(setComm),
		CALL(elfLoad),
		roomForAreas(1, "full"),
		CALL(stackMap),
		CALL(stackBuild),
		MOVQ(gs.TopOfStack, RDI),
		SUBQ(regsSize, RDI),
		CALL(startThread),
		forceIRET(),
		MOVQ(gs.Process, R8),
		CMPQ(process(R8).Trace.Tracer, 0),
		IF(NE, // it stops before its first instruction
			MOVL(sigTRAP, RDI),
			MOVQ(gs.Current, RSI),
			XORL(RDX, RDX),
			CALL(sendSignal),
		),
		returns(0),
		LABEL("full"),
		LEAQ(Str("there is no memory for its stack"), RDI),
		JMP(elfFail),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

// forceIRET has the current call end by the slow exit, where the selected variant asks for
// that (Linux 4.1, force_iret). Clobbers RAX and RCX.
func forceIRET() Block {
	return Block{
		current(RAX),
		MOVQ(gs.ForceIRET, RCX),
		ORL(RCX, thread(RAX).Flags),
	}
}

func execFile() Func {
	file := openFile(RDX)
	return FUNC("exec_file",
		`exec_file finds the file that the user's path at RSI leads to from the directory EDI,
with the flags EDX of execveat, and makes it execState's. Returns the header of its
entry or -errno.`,
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(NE, // the descriptor itself
			LEAQ(Sym(regularOps), RCX),
			CMPQ(RCX, file.Ops),
			IF(NE, fail(EACCES)),
			MOVQ(file.Data, RAX),
			MOVQ(RAX, execState.File),
			MOVQ(file.Size, RAX),
			MOVQ(RAX, execState.Size),
			MOVQ(file.Node, RDI),
			CALL(cpioDecode),
			MOVQ(cpioEntry.Header, RAX),
			TESTL(0o111, cpioEntry.Mode),
			IF(E, fail(EACCES)),
			RETURN(),
		),
		nodeType(),
		CMPL(RAX, S_IFLNK),
		IF(E, fail(ELOOP)),
		CMPL(RAX, S_IFREG),
		IF(NE, fail(EACCES)),
		TESTL(0o111, node.Mode),
		IF(E, fail(EACCES)),
		MOVQ(node.Data, RAX),
		MOVQ(RAX, execState.File),
		MOVQ(node.Size, RAX),
		MOVQ(RAX, execState.Size),
		MOVQ(node.Header, RAX),
		RETURN(),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func userStrings() Func {
	array, count := RBX, R12
	return FUNC("user_strings",
		`user_strings adds the strings of the user's array at RDI, which a null ends, to
exec_strings. An array at address 0 is empty. Returns their number, -EFAULT, or -E2BIG
if there is no room.`,
		MOVQ(RDI, array),
		XORL(count, count),
		TESTQ(array, array),
		IF(NE,
			LOOP(
				MOVQ(array, RDI),
				CALL(getUserLong),
				TESTQ(RDX, RDX),
				IF(NE, fail(EFAULT)),
				TESTQ(RAX, RAX),
				BREAK(E),
				MOVQ(RAX, RSI),
				LEAQ(Sym(execStrings), RDI),
				ADDQ(execState.StringsLen, RDI),
				MOVL(layout.ExecArgsMax, RDX),
				SUBQ(execState.StringsLen, RDX),
				CALL(strncpyFromUser),
				CMPQ(RAX, -ENAMETOOLONG),
				IF(E, fail(E2BIG)),
				TESTQ(RAX, RAX),
				IF(S, RETURN()),
				INCQ(RAX),
				ADDQ(RAX, execState.StringsLen),
				ADDQ(8, array),
				INCQ(count),
			),
		),
		MOVQ(count, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI).Returns(RAX)
}

func execOthers() Func {
	selfPtr, group := RBX, R12
	self := thread(selfPtr)
	p := process(group)
	return FUNC("exec_others",
		`exec_others ends the other threads of the current process; the caller then has its PID
as TID. Returns 0, or -EAGAIN if another thread has begun to end it. Turns interrupts
off.`,
		CLI(),
		MOVQ(gs.Process, group),
		MOVQ(gs.Current, selfPtr),
		MOVQ(p.ExecThread, RAX),
		ORQ(p.Exiting, RAX),
		IF(NE, fail(EAGAIN)), // it dies before it returns
		CMPQ(p.Threads, 1),
		IF(NE,
			MOVQ(selfPtr, p.ExecThread),
			CALL(killOthers),
			LOOP(
				CMPQ(p.Threads, 1),
				BREAK(E),
				MOVQ(layout.ThreadBlocked, self.State),
				CALL(schedule),
			),
			MOVQ(0, p.ExecThread),
		),
		MOVQ(p.PID, RAX),
		CMPQ(RAX, self.TID),
		IF(NE,
			hlistDel(selfPtr, threadHashed, RCX, RDX),
			MOVQ(RAX, self.TID),
			threadHashAdd(selfPtr, RAX, RCX),
		),
		returns(0),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func execSpace() Func {
	made, old, mmPtr := RBX, R12, R13
	return FUNC("exec_space",
		`exec_space leaves the current process nothing mapped: it empties its Space or, if that
is its parent's too, gives it another. Returns 0 or -ENOMEM. IF is 0.`,
		CALL(exitRobustList),
		CALL(exitPI),
		MOVQ(memory.Space, old),
		CMPQ(space(old).Threads, 1),
		IF(E,
			CALL(unmapAll),
			JMP("empty"),
		),
		LEAQ(Sym(spaceCache), RDI),
		MOVL(1, RAX),
		CALL(slabReserve),
		IF(B, fail(ENOMEM)),
		CALL(slabAlloc),
		MOVQ(RAX, made),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(SizeOf[layout.Space[Mem]]()/8, RCX),
		REP(STOSQ()),
		MOVQ(made, RAX),
		CALL(areasInit),
		CALL(futexTag),
		MOVQ(RAX, space(made).Loaded.FutexTag),
		MOVQ(1, space(made).Threads),
		MOVQ(1, space(made).MMs),
		DECQ(space(old).Threads),
		DECQ(space(old).MMs),
		MOVQ(gs.Current, RAX),
		MOVQ(thread(RAX).MM, mmPtr),
		MOVQ(made, mm(mmPtr).Space),
		MOVQ(mmPtr, RDI),
		CALL(clearTables),
		flushTLB(),
		MOVQ(made, RAX),
		CALL(spaceLoad),
		LABEL("empty"),
		MOVQ(0, memory.Own.LockFuture),
		returns(0),
	).Saving(RBX, R12, R13).Takes().Returns(RAX)
}

func execReset() Func {
	selfPtr, group, left := RBX, R12, R13
	self := thread(selfPtr)
	act := sigAction(RDX)
	return FUNC("exec_reset",
		`exec_reset makes the current thread and its process what a new program expects:
handlers become the default, and what belongs to the old program's memory is forgotten.
IF is 0.`,
		MOVQ(gs.Current, selfPtr),
		MOVQ(gs.Process, group),
		XORL(RDI, RDI),
		CALL(timersEnd),
		CALL(filesCloseOnExec),
		LEAQ(process(group).Actions[0].Handler, RDX),
		MOVL(layout.NumSignals, left),
		DO(
			CMPQ(act.Handler, sigIGN),
			IF(NE, MOVQ(sigDFL, act.Handler)),
			MOVQ(0, act.Flags),
			MOVQ(0, act.Mask),
			MOVQ(0, act.Restorer),
			ADDQ(actionSize, RDX),
			DECL(left),
		).WHILE(NE),
		XORL(RAX, RAX),
		MOVQ(RAX, self.AltSP),
		MOVQ(RAX, self.AltSize),
		MOVQ(ssDisable, self.AltFlags),
		MOVQ(RAX, self.ClearTID),
		MOVQ(RAX, self.RobustList),
		MOVQ(RAX, self.RestoreMask),
		MOVQ(RAX, self.FSBase),
		MOVQ(RAX, self.GSBase),
		setBase(x86.MSR_FS_BASE),
		XORL(RAX, RAX),
		setBase(x86.MSR_KERNEL_GS_BASE),
		// The FPU as after reset.
		LEAQ(self.FX[0], RDI),
		XORL(RAX, RAX),
		MOVL(fxSize/8, RCX),
		REP(STOSQ()),
		MOVL(0x37f, self.FX[0]),
		MOVL(0x1f80, self.FX[3]),
		FXRSTOR64(self.FX[0]),
		RETURN(),
	).Saving(RBX, R12, R13).Takes()
}

func filesCloseOnExec() Func {
	n, table := RBX, R12
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("files_close_on_exec", "files_close_on_exec closes the current process's descriptors with the close-on-exec flag.",
		MOVQ(gs.Files, table),
		XORL(n, n),
		LOOP(
			CMPQ(n, fdTable(table).Size),
			BREAK(AE),
			MOVL(n, RDI),
			CALL(fdFile),
			TESTQ(RAX, RAX),
			IF(NE,
				CMPQ(fd.CloExec, 0),
				IF(NE,
					MOVL(n, RDI),
					CALL(fdRemove),
				),
			),
			INCQ(n),
		),
		RETURN(),
	).Saving(RBX, R12).Takes()
}
