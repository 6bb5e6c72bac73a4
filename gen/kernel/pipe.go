package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// pipe gives the fields of the Pipe that r points to.
func pipe(r Reg) *layout.Pipe[Mem] { return Fields[layout.Pipe[Mem]](r) }

const sigPIPE = 13

// pipePage returns the word of a pipe's ring that points to the page with an index.
func pipePage(pipePtr, index Reg) Mem {
	return pipePtr.Index(index, 8).Add(pipe(pipePtr).Pages[0].Disp())
}

// pipeWait sleeps for events of a File; it continues at interrupted if a
// signal comes.
func pipeWait(file Reg, events int, interrupted string) Block {
	return Block{
		MOVQ(file, RDI),
		MOVL(events, RSI),
		MOVQ(-1, RDX),
		CALL(fileSleep),
		CMPQ(RAX, -EINTR),
		JE(interrupted),
	}
}

// pipeNotify notifies those who wait at the other end.
func pipeNotify(end Mem, events int) Block {
	return Block{
		MOVQ(end, RDI),
		TESTQ(RDI, RDI),
		IF(NE,
			MOVL(events, RSI),
			CALL(fileNotify),
		),
	}
}

// pipeUsed puts in r how much of the pipe is taken: a page takes new bytes only
// when everything that it held has been read.
func pipeUsed(p *layout.Pipe[Mem], r Reg) Block {
	return Block{
		MOVQ(p.Start, r),
		ANDL(layout.PageSize-1, r),
		ADDQ(p.Len, r),
	}
}

// pipes returns the part that implements pipes: a ring of bytes between two files (Linux
// fs/pipe.c).
func pipes() Program {
	return Program{
		Funcs: Funcs(
			sysPipe, sysPipe2, readPipe, pipeTaken, pipeEnd, writePipe, pollPipeRead, pollPipeWrite,
			releasePipe, pipeResize,
		),
		Data: []Data{
			pipeReadOps(), pipeWriteOps(), pipePagesData,
		},
	}
}

func pipeReadOps() Data {
	return fileOps("pipe_read_ops", layout.FileOps[any]{
		Read: readPipe, Poll: pollPipeRead, Release: releasePipe, Anon: 1, Mode: S_IFIFO | 0o600,
	})
}

func pipeWriteOps() Data {
	return fileOps("pipe_write_ops", layout.FileOps[any]{
		Write: writePipe, Poll: pollPipeWrite, Release: releasePipe, Anon: 1, Mode: S_IFIFO | 0o600,
	})
}

var pipePagesData = BSS("pipe_pages", 8*pipePages, 64) // for pipe_resize

func sysPipe() Func {
	return FUNC("sys_pipe", "sys_pipe(fds).",
		XORL(RSI, RSI),
		JMP(sysPipe2),
	).Takes(RDI).Returns(RAX)
}

func sysPipe2() Func {
	pipePtr, fds, flags, readFD, writeFD := RBP, R12, R13, R14, R15
	result := R12
	p := pipe(pipePtr)
	return FUNC("sys_pipe2", "sys_pipe2(fds, flags): the descriptor to read from, then the one to write to.",
		MOVQ(RDI, fds),
		MOVL(RSI, flags),
		TESTL(^(O_NONBLOCK|O_CLOEXEC), RSI),
		IF(NE, fail(EINVAL)),
		CALL(getKernelPage),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		MOVQ(RAX, pipePtr),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(layout.PageSize/8, RCX),
		REP(STOSQ()),
		MOVQ(layout.PipeSize, p.Size),

		LEAQ(Sym(pipeReadOps), RDI),
		MOVL(flags, RSI),
		ANDL(O_NONBLOCK, RSI),
		MOVL(flags, RDX),
		ANDL(O_CLOEXEC, RDX),
		CALL(fileOpen),
		TESTQ(RAX, RAX),
		JS("free"),
		MOVL(RAX, readFD),
		MOVQ(pipePtr, openFile(RDX).Pipe),
		MOVQ(RDX, p.Reader),
		LEAQ(Sym(pipeWriteOps), RDI),
		MOVL(flags, RSI),
		ANDL(O_NONBLOCK, RSI),
		ORL(O_WRONLY, RSI),
		MOVL(flags, RDX),
		ANDL(O_CLOEXEC, RDX),
		CALL(fileOpen),
		TESTQ(RAX, RAX),
		JS("close"),
		MOVL(RAX, writeFD),
		MOVQ(pipePtr, openFile(RDX).Pipe),
		MOVQ(RDX, p.Writer),

		MOVQ(fds, RDI),
		MOVQ(writeFD, RSI),
		SHLQ(32, RSI),
		ORQ(readFD, RSI),
		CALL(putUserLong),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVL(writeFD, RDI),
		CALL(sysClose),
		MOVQ(-EFAULT, RAX),
		LABEL("close"),
		MOVQ(RAX, result),
		MOVL(readFD, RDI),
		CALL(sysClose),
		MOVQ(result, RAX),
		RETURN(),
		LABEL("free"),
		MOVQ(RAX, result),
		MOVQ(pipePtr, RDI),
		CALL(freePage),
		MOVQ(result, RAX),
		RETURN(),
	).Saving(RBP, R12, R13, R14, R15).Takes(RDI, RSI).Returns(RAX)
}

func readPipe() Func {
	filePtr, pipePtr, buf, left, n, done := RBX, RBP, R12, R13, R14, R15
	file := openFile(filePtr)
	p := pipe(pipePtr)
	return FUNC("read_pipe", "read_pipe is the Read of a pipe: the bytes that are there, or the end if nobody can write any more.",
		MOVQ(RDI, filePtr),
		MOVQ(RSI, buf),
		MOVQ(RDX, left),
		MOVQ(file.Pipe, pipePtr),
		XORL(done, done), // done
		TESTQ(left, left),
		JE("done"),
		LOOP(
			CLI(),
			CMPQ(p.Len, 0),
			BREAK(NE),
			CMPQ(p.Writer, 0),
			JE("done"),
			TESTL(O_NONBLOCK, file.Flags),
			IF(NE, fail(EAGAIN)),
			pipeWait(filePtr, EPOLLIN|EPOLLHUP, "interrupted"),
		),
		LOOP(
			MOVQ(p.Start, RAX),
			toPageEnd(RAX, left, n),
			CMPQ(n, p.Len),
			CMOVQA(p.Len, n),
			TESTQ(n, n),
			BREAK(E),
			MOVL(RAX, RSI),
			ANDL(layout.PageSize-1, RSI),
			SHRQ(12, RAX),
			ADDQ(pipePage(pipePtr, RAX), RSI),
			MOVQ(buf, RDI),
			MOVQ(n, RDX),
			CALL(copyOut),
			TESTQ(RAX, RAX),
			IF(S,
				TESTQ(done, done),
				BREAK(NE),
				RETURN(),
			),
			ADDQ(RAX, buf),
			SUBQ(RAX, left),
			ADDQ(RAX, done),
			SUBQ(RAX, n),
			CALL(pipeTaken),
			TESTQ(n, n),
			BREAK(NE), // the rest of the buffer is bad
		),
		pipeNotify(p.Writer, EPOLLOUT),
		LABEL("done"),
		MOVQ(done, RAX),
		RETURN(),
		LABEL("interrupted"),
		fail(ERESTARTSYS),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX)
}

func pipeTaken() Func {
	pipePtr := RBP
	p := pipe(pipePtr)
	return FUNC("pipe_taken",
		`pipe_taken takes the first RAX bytes, which are in one page, out of the pipe RBP,
and frees the page with its last byte.`,
		MOVQ(p.Start, RDX),
		SUBQ(RAX, p.Len),
		IF(E, // the ring begins again
			MOVQ(0, p.Start),
		).ELSE(
			ADDQ(RDX, RAX),
			MOVQ(p.Size, RCX),
			DECQ(RCX),
			ANDQ(RCX, RAX),
			MOVQ(RAX, p.Start),
			TESTL(layout.PageSize-1, RAX),
			IF(NE, RETURN()),
		),
		SHRQ(12, RDX),
		MOVQ(pipePage(pipePtr, RDX), RDI),
		MOVQ(0, pipePage(pipePtr, RDX)),
		JMP(freePage),
	).Takes(RAX, RBP)
}

func pipeEnd() Func {
	at, pipePtr, off, n := RBX, RBP, R12, R14
	page := RBX
	p := pipe(pipePtr)
	return FUNC("pipe_end",
		`pipe_end returns where the next byte goes in the pipe RBP, which is not full, or
0 if there is no memory for it. R14 is lowered to the number of bytes from there to the
page's end, if it is more.`,
		MOVQ(p.Start, at),
		ADDQ(p.Len, at),
		toPageEnd(at, n, RAX),
		MOVQ(RAX, n),
		MOVQ(p.Size, RAX),
		DECQ(RAX),
		ANDQ(RAX, at),
		MOVL(at, off),
		ANDL(layout.PageSize-1, off),
		SHRQ(12, page),
		MOVQ(pipePage(pipePtr, page), RAX),
		TESTQ(RAX, RAX),
		IF(E,
			CALL(getKernelPage),
			MOVQ(RAX, pipePage(pipePtr, page)),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
		),
		ADDQ(off, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RBP, R14).Returns(RAX, R14)
}

func writePipe() Func {
	filePtr, pipePtr, buf, left, n, done := RBX, RBP, R12, R13, R14, R15
	file := openFile(filePtr)
	p := pipe(pipePtr)
	return FUNC("write_pipe",
		`write_pipe is the Write of a pipe: it writes everything, and PipeAtomic bytes or
fewer in one piece. If nobody can read them the result is EPIPE, with SIGPIPE.`,
		MOVQ(RDI, filePtr),
		MOVQ(RSI, buf),
		MOVQ(RDX, left),
		MOVQ(file.Pipe, pipePtr),
		XORL(done, done), // done
		TESTQ(left, left),
		JE("done"),
		LOOP(
			CLI(),
			CMPQ(p.Reader, 0),
			JE("broken"),
			pipeUsed(p, RDX),
			MOVQ(p.Size, RAX),
			SUBQ(RDX, RAX),
			MOVL(1, RCX), // a part is enough
			CMPQ(left, layout.PipeAtomic),
			IF(BE,
				TESTQ(done, done),
				CMOVQE(left, RCX),
			),
			CMPQ(RAX, RCX),
			IF(B,
				TESTL(O_NONBLOCK, file.Flags),
				IF(NE, MOVQ(-EAGAIN, RAX), JMP("failed")),
				pipeWait(filePtr, EPOLLOUT|EPOLLERR, "interrupted"),
				CONTINUE(),
			),
			CMPQ(RAX, left),
			CMOVQA(left, RAX),
			toPageEnd(buf, RAX, n),
			CALL(pipeEnd),
			MOVQ(RAX, RDI),
			TESTQ(RAX, RAX),
			MOVQ(-ENOMEM, RAX),
			JE("failed"),
			MOVQ(buf, RSI),
			MOVQ(n, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("failed"),
			ADDQ(n, p.Len),
			ADDQ(n, buf),
			ADDQ(n, done),
			SUBQ(n, left),
			pipeNotify(p.Reader, EPOLLIN),
			TESTQ(left, left),
			BREAK(E),
		),
		LABEL("done"),
		MOVQ(done, RAX),
		RETURN(),
		LABEL("broken"),
		MOVL(sigPIPE, RDI),
		MOVQ(gs.Current, RSI),
		XORL(RDX, RDX),
		MOVQ(gs.Process, R8),
		CALL(sendSignal),
		MOVQ(-EPIPE, RAX),
		JMP("failed"),
		LABEL("interrupted"),
		MOVQ(-ERESTARTSYS, RAX),
		LABEL("failed"), // RAX is the error, unless a part has been written
		TESTQ(done, done),
		CMOVQNE(done, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX)
}

func pollPipeRead() Func {
	return FUNC("poll_pipe_read", "poll_pipe_read is the Poll of a pipe's reading end.",
		MOVQ(openFile(RDI).Pipe, RCX),
		XORL(RAX, RAX),
		CMPQ(pipe(RCX).Len, 0),
		IF(NE, ORL(EPOLLIN|EPOLLRDNORM, RAX)),
		CMPQ(pipe(RCX).Writer, 0),
		IF(E, ORL(EPOLLHUP, RAX)),
		RETURN(),
	).Takes(RDI)
}

func pollPipeWrite() Func {
	return FUNC("poll_pipe_write", "poll_pipe_write is the Poll of a pipe's writing end: ready if an atomic write fits.",
		MOVQ(openFile(RDI).Pipe, RCX),
		XORL(RAX, RAX),
		pipeUsed(pipe(RCX), RDX),
		ADDQ(layout.PipeAtomic, RDX),
		CMPQ(RDX, pipe(RCX).Size),
		IF(BE, ORL(EPOLLOUT|EPOLLWRNORM, RAX)),
		CMPQ(pipe(RCX).Reader, 0),
		IF(E, ORL(EPOLLERR, RAX)),
		RETURN(),
	).Takes(RDI)
}

func releasePipe() Func {
	page, pipePtr := RBX, RBP
	p := pipe(pipePtr)
	return FUNC("release_pipe", "release_pipe is the Release of both ends of a pipe; the second one frees the pipe.",
		MOVQ(openFile(RDI).Pipe, pipePtr),
		CMPQ(RDI, p.Reader),
		IF(E,
			MOVQ(0, p.Reader),
			pipeNotify(p.Writer, EPOLLERR|EPOLLOUT),
		).ELSE(
			MOVQ(0, p.Writer),
			pipeNotify(p.Reader, EPOLLHUP|EPOLLIN),
		),
		MOVQ(p.Reader, RAX),
		ORQ(p.Writer, RAX),
		IF(E,
			XORL(page, page),
			DO(
				MOVQ(pipePage(pipePtr, page), RDI),
				TESTQ(RDI, RDI),
				IF(NE, CALL(freePage)),
				INCL(page),
				CMPL(page, pipePages),
			).WHILE(B),
			MOVQ(pipePtr, RDI),
			CALL(freePage),
		),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI)
}

func pipeResize() Func {
	size, pipePtr := RBX, RBP
	p := pipe(pipePtr)
	return FUNC("pipe_resize",
		`pipe_resize is F_SETPIPE_SZ: the pipe of the File RDI holds ESI bytes from now
on, rounded up to a page times a power of two. Returns the new size, or -errno.`,
		MOVQ(openFile(RDI).Pipe, pipePtr),
		TESTQ(pipePtr, pipePtr),
		IF(E, fail(EBADF)),
		CMPL(RSI, uint32(1<<31)),
		IF(A, fail(EINVAL)),
		CMPL(RSI, layout.MaxPipeSize),
		IF(A, fail(EPERM)),
		MOVL(layout.PageSize, size),
		LOOP(
			CMPL(size, RSI),
			BREAK(AE),
			SHLL(1, size),
		),
		pipeUsed(p, RDX),
		CMPQ(RDX, size),
		IF(A, fail(EBUSY)),
		// From now on the ring begins at the page with its first byte, so that
		// no page that holds something lies beyond the new end.
		MOVQ(p.Start, R8),
		SHRQ(12, R8),
		LEAQ(Sym(pipePagesData), RDI),
		MOVQ(p.Size, R9),
		SHRQ(12, R9),
		DECQ(R9),
		XORL(RCX, RCX),
		DO(
			LEAQ(R8.Index(RCX, 1), RAX),
			ANDQ(R9, RAX),
			MOVQ(pipePage(pipePtr, RAX), RAX),
			MOVQ(RAX, RDI.Index(RCX, 8)),
			INCQ(RCX),
			CMPQ(RCX, R9),
		).WHILE(BE),
		MOVQ(RDI, RSI),
		LEAQ(p.Pages[0], RDI),
		REP(MOVSQ()),
		ANDQ(layout.PageSize-1, p.Start),
		MOVQ(size, p.Size),
		pipeNotify(p.Writer, EPOLLOUT), // there may be more room now
		MOVQ(size, RAX),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI, RSI).Returns(RAX)
}

// pipePages is the number of pages that the largest pipe has.
const pipePages = layout.MaxPipeSize / layout.PageSize
