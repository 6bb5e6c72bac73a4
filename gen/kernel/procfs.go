package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// procFiles returns the part that shows each thread and process in /proc: /proc/PID/stat
// and /proc/PID/syscall, as Linux 3.19 has them (fs/proc/array.c, do_task_stat;
// fs/proc/base.c, proc_pid_syscall). Later releases hide kstkesp and kstkeip of a task that
// lives. What the kernel does not keep is 0. PID may be any thread's TID.
func procFiles() Program {
	return Program{
		Funcs: Funcs(procFind, procOps, procRead, procStat, procSyscall, messageHex),
		Data:  []Data{procTask, procStatOps(), procSyscallOps()},
	}
}

// Names that node_find gives to the files of every thread.
const (
	procSelf        = "proc/self"
	procSelfStat    = "proc/self/stat"
	procSelfSyscall = "proc/self/syscall"
)

// procTask is the TID of the path that proc_find has found last, 0 for /proc/self.
var procTask = BSS("proc_task", 8, 8)

func procStatOps() Data {
	return fileOps("proc_stat_ops", layout.FileOps[any]{Read: procStat, LSeek: layout.FileSeekData})
}

func procSyscallOps() Data {
	return fileOps("proc_syscall_ops", layout.FileOps[any]{Read: procSyscall, LSeek: layout.FileSeekData})
}

func procFind() Func {
	path, left, number := RBX, R12, R13
	is := func(rest, node string) Block {
		return Block{
			CMPQ(left, len(rest)),
			IF(E,
				MOVQ(path, RSI),
				LEAQ(Str(rest), RDI),
				MOVL(len(rest), RCX),
				REPE(CMPSB()),
				IF(E,
					LEAQ(Str(node), RAX),
					MOVL(len(node), RDX),
					RETURN(),
				),
			),
		}
	}
	return FUNC("proc_find",
		`proc_find tells whether the RSI bytes at RDI are the path of a thread or a process in
/proc, or of a file there, and that exists. If so it returns the path of the same file of
/proc/self in RAX, its length in RDX, and sets proc_task; else 0.`,
		MOVQ(0, Sym(procTask)),
		MOVQ(RDI, path),
		MOVQ(RSI, left),
		CMPQ(left, len("proc/1")),
		JB("none"),
		CMPL(path.At(0), word("proc")),
		JNE("none"),
		CMPB(path.At(4), '/'),
		JNE("none"),
		ADDQ(5, path),
		SUBQ(5, left),
		XORL(number, number),
		DO(
			MOVZBL(path.At(0), RAX),
			SUBL('0', RAX),
			CMPL(RAX, 9),
			BREAK(A),
			IMULQ(10, number),
			ADDQ(RAX, number),
			CMPQ(number, 1<<30), // above every TID
			JA("none"),
			INCQ(path),
			DECQ(left),
		).WHILE(NE),
		TESTL(number, number),
		JE("none"),
		MOVL(number, RDI),
		CALL(findOwner),
		TESTQ(RAX, RAX),
		JE("none"),
		MOVQ(number, Sym(procTask)),
		TESTQ(left, left),
		IF(E,
			LEAQ(Str(procSelf), RAX),
			MOVL(len(procSelf), RDX),
			RETURN(),
		),
		is("/stat", procSelfStat),
		is("/syscall", procSelfSyscall),
		MOVQ(0, Sym(procTask)),
		LABEL("none"),
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI).Returns(RAX, RDX)
}

func procOps() Func {
	_, at := builtinCpio()
	return FUNC("proc_ops", "proc_ops returns in RAX the FileOps of a file of /proc by node's header, or 0; of such a file node.Data is the TID.",
		MOVQ(node.Header, RCX),
		LEAQ(Sym(procStatOps), RAX),
		LEAQ(Sym(builtinCpioData).Add(at[procSelfStat]), RDX),
		CMPQ(RCX, RDX),
		IF(NE,
			LEAQ(Sym(procSyscallOps), RAX),
			LEAQ(Sym(builtinCpioData).Add(at[procSelfSyscall]), RDX),
			CMPQ(RCX, RDX),
			IF(NE, XORL(RAX, RAX), RETURN()),
		),
		MOVQ(Sym(procTask), RCX),
		TESTQ(RCX, RCX),
		IF(E, MOVQ(gs.PID, RCX)),
		MOVQ(RCX, node.Data),
		RETURN(),
	).Takes().Returns(RAX)
}

func procRead() Func {
	return FUNC("proc_read",
		`proc_read copies what the message says, from the offset RCX on and RDX bytes at most, to
the user's RSI, and forgets the message. Returns how many bytes, or -EFAULT.`,
		MOVQ(Sym(messageLen), RAX),
		MOVQ(0, Sym(messageLen)),
		SUBQ(RCX, RAX),
		IF(BE, XORL(RAX, RAX), RETURN()),
		CMPQ(RDX, RAX),
		CMOVQA(RAX, RDX),
		MOVQ(RSI, RDI),
		LEAQ(Sym(messageText), RSI),
		ADDQ(RCX, RSI),
		PUSHQ(RDX),
		CALL(copyToUser),
		POPQ(RDX),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(RDX, RAX)),
		RETURN(),
	).Takes(RSI, RDX, RCX).Returns(RAX)
}

// procCalled begins a Read of a file of /proc: it keeps where the text is to go in three
// registers and puts the thread in task and its process in owner, or leaves. The thread is
// 0 for a zombie.
func procCalled(buf, count, pos, task, owner Reg) Block {
	return Block{
		CLI(),
		MOVQ(RSI, buf),
		MOVQ(RDX, count),
		MOVQ(RCX, pos),
		MOVQ(0, Sym(messageLen)),
		MOVL(openFile(RDI).Data, RSI),
		XORL(RDI, RDI),
		CALL(findMember),
		MOVQ(RAX, task),
		MOVQ(RDX, owner),
		TESTQ(RDX, RDX),
		IF(E, fail(ESRCH)),
	}
}

// procAnswers ends a Read that procCalled has begun: it hands the text to procRead.
func procAnswers(buf, count, pos Reg) Block {
	return Block{
		tell("\n"),
		MOVQ(buf, RSI),
		MOVQ(count, RDX),
		MOVQ(pos, RCX),
		CALL(procRead),
		RETURN(),
	}
}

func procStat() Func {
	buf, count, pos, task, owner := RBX, R12, R13, R14, R15
	t, p := thread(task), process(owner)
	// field adds a number, with a space before it.
	field := func(get ...Item) Block {
		return Block{tell(" "), Block(get), CALL(messageDec)}
	}
	of := func(m Mem) Block { return field(MOVQ(m, RDI)) }
	// ofThread is a field that a zombie has no more.
	ofThread := func(get ...Item) Block {
		return field(XORL(RDI, RDI), TESTQ(task, task), IF(NE, Block(get)))
	}
	ticks := func(ns Mem) Block {
		return field(
			MOVQ(ns, RAX),
			XORL(RDX, RDX),
			MOVL(nsPerSec/clockTicks, RCX),
			DIVQ(RCX),
			MOVQ(RAX, RDI),
		)
	}
	return FUNC("proc_stat", "proc_stat is the Read of /proc/PID/stat.",
		procCalled(buf, count, pos, task, owner),
		SUBQ(16, RSP),
		CALL(cpuAccount),
		MOVQ(owner, R8),
		CALL(processTimes),
		MOVQ(RAX, RSP.At(0)),
		MOVQ(RDX, RSP.At(8)),
		TESTQ(task, task),
		IF(NE, MOVQ(t.TID, RDI)).ELSE(MOVQ(p.PID, RDI)),
		CALL(messageDec),
		tell(" ("),
		TESTQ(task, task),
		IF(NE, LEAQ(t.Comm[0], RDI), CALL(message)),
		tell(") "),
		LEAQ(Str("Z"), RDI),
		TESTQ(task, task),
		IF(NE,
			LEAQ(Str("R"), RDI),
			CMPQ(t.State, layout.ThreadRunnable),
			IF(NE, LEAQ(Str("S"), RDI)),
		),
		CALL(message),
		field(
			XORL(RDI, RDI),
			MOVQ(p.Parent, RAX),
			TESTQ(RAX, RAX),
			IF(NE, MOVQ(process(RAX).PID, RDI)),
		),
		of(p.Group),
		of(p.Session),
		tell(" 0 -1 0"), // tty_nr, tty_pgrp, flags
		ofThread(MOVQ(t.MinFaults, RDI)),
		tell(" 0 0 0"), // cmin_flt, maj_flt, cmaj_flt
		ticks(RSP.At(0)),
		ticks(RSP.At(8)),
		ticks(p.ChildUTime),
		ticks(p.ChildSTime),
		tell(" 20 0"), // priority, nice
		of(p.Threads),
		tell(" 0 0 0 0 18446744073709551615 0 0 0"), // it_real_value to start_stack
		ofThread(
			MOVQ(task, RDI),
			CALL(kstkESP),
			MOVQ(RAX, RDI),
		),
		ofThread(
			taskPtRegs(t, RAX),
			MOVQ(ptRegs(RAX).IP, RDI),
		),
		tell(" 0 0 0 0 0 0 0"), // the signals as decimal numbers, which are obsolete; wchan, nswap, cnswap
		of(p.ExitSignal),
		tell(" 0 0 0 0 0 0 0 0 0 0 0 0 0"), // task_cpu to env_end
		field(XORL(RDI, RDI), TESTQ(task, task), IF(E, MOVQ(p.Status, RDI))),
		ADDQ(16, RSP),
		procAnswers(buf, count, pos),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func procSyscall() Func {
	buf, count, pos, task, frame := RBX, R12, R13, R14, R15
	t := thread(task)
	regs := ptRegs(frame)
	hex := func(m Mem) Block { return Block{tell(" "), MOVQ(m, RDI), CALL(messageHex)} }
	return FUNC("proc_syscall",
		`proc_syscall is the Read of /proc/PID/syscall: the number and the arguments of the call in
which a thread is, with its RSP and RIP. A thread that could run is "running", unless it
reads its own.`,
		procCalled(buf, count, pos, task, frame),
		TESTQ(task, task),
		IF(E, fail(ESRCH)),
		CMPQ(task, gs.Current),
		IF(NE, CMPQ(t.State, layout.ThreadBlocked)),
		IF(NE,
			tell("running"),
			JMP("out"),
		),
		taskPtRegs(t, frame),
		CMPQ(regs.OrigAX, 0),
		IF(L,
			tell("-"),
			MOVQ(regs.OrigAX, RDI),
			NEGQ(RDI),
			CALL(messageDec),
		).ELSE(
			MOVQ(regs.OrigAX, RDI),
			CALL(messageDec),
			hex(regs.DI), hex(regs.SI), hex(regs.DX), hex(regs.R10), hex(regs.R8), hex(regs.R9),
		),
		tell(" "),
		MOVQ(task, RDI),
		CALL(collectSyscall),
		MOVQ(RAX, RDI),
		CALL(messageHex),
		hex(regs.IP),
		LABEL("out"),
		procAnswers(buf, count, pos),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func messageHex() Func {
	return FUNC("message_hex", "message_hex adds the number RDI to the message, as 0x and hexadecimal digits.",
		SUBQ(24, RSP), // 0x, 16 digits and a NUL
		LEAQ(RSP.At(23), RSI),
		MOVB(0, RSI.At(0)),
		DO(
			MOVL(RDI, RAX),
			ANDL(0xf, RAX),
			CMPL(RAX, 10),
			IF(AE, ADDL('a'-10-'0', RAX)),
			ADDL('0', RAX),
			DECQ(RSI),
			MOVB(RAX, RSI.At(0)),
			SHRQ(4, RDI),
		).WHILE(NE),
		SUBQ(2, RSI),
		MOVW(word("0x"), RSI.At(0)),
		MOVQ(RSI, RDI),
		CALL(message),
		ADDQ(24, RSP),
		RETURN(),
	).Takes(RDI)
}
