package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// sigInfoSize is the size of siginfo_t.
var sigInfoSize = SizeOf[layout.SigInfo[Mem]]()

// putSigInfo fills the zeroed info for the signal signo with si_code code, which
// thread t has just taken. Clobbers RAX.
func putSigInfo(info *layout.SigInfo[Mem], t *layout.Thread[Mem], signo, code Reg) Block {
	rest := Block{MOVQ(0, t.SigFull), MOVL(t.SigErrno, RAX), MOVL(RAX, info.SignoErrno.Add(4))}
	for i, word := range t.SigRest {
		rest = append(rest, MOVQ(word, RAX), MOVQ(RAX, info.Rest[i]))
	}
	return Block{
		MOVL(signo, info.SignoErrno),
		MOVL(code, info.Code),
		MOVQ(t.SigAddr, RAX),
		MOVQ(RAX, info.Addr),
		CMPQ(t.SigFull, 0),
		IF(NE, rest),
	}
}

// mayPretend leaves with -EPERM if the siginfo in the buffer claims to come from
// the kernel, kill or tkill, unless it goes to the calling thread's own number,
// pid (Linux kernel/signal.c, do_rt_sigqueueinfo).
func mayPretend(pid Reg) Block {
	buffer := Fields[layout.SigInfo[Mem]](Sym(siginfoBuffer))

	return Block{
		MOVQ(gs.Current, RAX),
		CMPL(pid, thread(RAX).TID),
		IF(NE,
			MOVL(buffer.Code, RAX),
			TESTL(RAX, RAX),
			IF(NS, fail(EPERM)),
			CMPL(RAX, siTkill),
			IF(E, fail(EPERM)),
		),
	}
}

// signalQueues returns the part that keeps the pending signals with a siginfo: real-time
// signals, which are delivered as often as they are sent, in order; those that carry a
// value; and timers'.
func signalQueues() Program {
	return Program{
		Funcs: Funcs(
			sigqueueAlloc, sigqueueFree, sigqueueSender, sigqueueAdd, sigqueueUnlink, sigqueueTake,
			flushPending, dropPending, copySiginfo, sendSiginfo, sysRtSigqueueinfo,
			sysRtTgsigqueueinfo,
		),
		Data: []Data{
			sigqueueCache(), siginfoBuffer,
		},
	}
}

func sigqueueCache() Data {
	size := SizeOf[layout.SigQueue[Mem]]()
	return slabCache("sigqueue_cache", size)
}

var siginfoBuffer = BSS("siginfo_buffer", sigInfoSize, 16)

func sigqueueAlloc() Func {
	size := SizeOf[layout.SigQueue[Mem]]()
	return FUNC("sigqueue_alloc", "sigqueue_alloc returns a SigQueue that is zero except for Release, or 0 if too many are in use or there is no memory.",
		CMPQ(Sym(sigqueuesUsed), layout.MaxSigPending),
		IF(AE, returns(0)),
		LEAQ(Sym(sigqueueCache), RDI),
		CALL(slabAlloc),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		INCQ(Sym(sigqueuesUsed)),
		MOVQ(RAX, RDX),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		LEAQ(Sym(sigqueueFree), RCX),
		MOVQ(RCX, sigQueue(RDX).Release),
		MOVQ(RDX, RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func sigqueueFree() Func {
	return FUNC("sigqueue_free", "sigqueue_free is the Release of a SigQueue that sigqueue_alloc returned.",
		DECQ(Sym(sigqueuesUsed)),
		MOVQ(RDI, RSI),
		LEAQ(Sym(sigqueueCache), RDI),
		JMP(slabFree),
	).Takes(RDI)
}

func sigqueueSender() Func {
	sig, code := RBX, R12
	return FUNC("sigqueue_sender", "sigqueue_sender returns a SigQueue for signal EDI that this process sends with si_code ESI, or 0.",
		MOVL(RDI, sig),
		MOVL(RSI, code),
		CALL(sigqueueAlloc),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVL(sig, sigQueue(RAX).Info.SignoErrno),
			MOVL(code, sigQueue(RAX).Info.Code),
			MOVQ(gs.PID, RCX),
			MOVQ(RCX, sigQueue(RAX).Info.Fields[0]),
		),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func sigqueueAdd() Func {
	queue := R12
	return FUNC("sigqueue_add",
		`sigqueue_add puts the SigQueue R12 at the end of the SigPending RDX. One that is
not real-time and is already pending is released instead, except a timer's, which
continues only when it is taken. The mask stays as it is. Keeps RDX. IF is 0.`,
		MOVL(sigQueue(queue).Info.SignoErrno, RAX),
		DECL(RAX),
		CMPL(sigQueue(queue).Info.Code, siTimer),
		IF(E, MOVL(layout.MinRTSignal, RAX)),
		CMPL(RAX, layout.MinRTSignal-1),
		IF(B,
			MOVQ(sigPending(RDX).Mask, RCX),
			BTQ(RAX, RCX),
			IF(B,
				PUSHQ(RDX),
				MOVQ(queue, RDI),
				XORL(RSI, RSI),
				CALL(sigQueue(RDI).Release),
				POPQ(RDX),
				RETURN(),
			),
		),
		MOVQ(0, sigQueue(queue).Next),
		CMPQ(sigPending(RDX).Head, 0),
		IF(E, MOVQ(queue, sigPending(RDX).Head)).ELSE(
			MOVQ(sigPending(RDX).Tail, RAX),
			MOVQ(queue, sigQueue(RAX).Next),
		),
		MOVQ(queue, sigPending(RDX).Tail),
		RETURN(),
	).Takes(RDX, R12).Keeps(RDX)
}

func sigqueueUnlink() Func {
	entry := sigQueue(RCX)
	// signoOf compares the signal of entry q with signo.
	signoOf := func(q Reg, signo Reg) Ins { return CMPL(signo, sigQueue(q).Info.SignoErrno) }
	return FUNC("sigqueue_unlink",
		`sigqueue_unlink takes the first SigQueue of signal EDI off the SigPending RSI and
returns it, or 0. EDX is 1 if there are others of that signal, else 0. Clobbers RCX,
R8. IF is 0.`,
		XORL(RDX, RDX),
		XORL(R8, R8), // the previous one
		MOVQ(sigPending(RSI).Head, RAX),
		LOOP(
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
			signoOf(RAX, RDI),
			BREAK(E),
			MOVQ(RAX, R8),
			MOVQ(sigQueue(RAX).Next, RAX),
		),
		MOVQ(sigQueue(RAX).Next, RCX),
		TESTQ(RCX, RCX),
		IF(E, MOVQ(R8, sigPending(RSI).Tail)),
		TESTQ(R8, R8),
		IF(E, MOVQ(RCX, sigPending(RSI).Head)).ELSE(MOVQ(RCX, sigQueue(R8).Next)),
		LOOP(
			TESTQ(RCX, RCX),
			BREAK(E),
			CMPL(RDI, entry.Info.SignoErrno),
			IF(E,
				INCL(RDX),
				BREAK(),
			),
			MOVQ(entry.Next, RCX),
		),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX, RDX)
}

func sigqueueTake() Func {
	threadPtr, pendingPtr, sig, code := RBX, RBP, R12, R13
	t := thread(threadPtr)
	pending := sigPending(pendingPtr)
	return FUNC("sigqueue_take",
		`sigqueue_take is dequeue_signal for the signal RAX+1 of the SigPending RSI, which
has SigQueues; RDI is the current thread. IF is 0.`,
		MOVQ(RDI, threadPtr),
		LEAL(RAX.At(1), sig),
		MOVQ(RSI, pendingPtr),
		MOVL(sig, RDI),
		CALL(sigqueueUnlink),
		TESTL(RDX, RDX),
		IF(E,
			LEAL(sig.At(-1), RCX),
			MOVQ(pending.Mask, RDX),
			BTRQ(RCX, RDX),
			MOVQ(RDX, pending.Mask),
		),
		TESTQ(RAX, RAX),
		IF(E,
			MOVQ(gs.Process, RCX),
			LEAQ(process(RCX).Pending.Mask, RCX),
			MOVQ(siUser, code),
			CMPQ(pendingPtr, RCX),
			IF(NE, MOVQ(siTkill, code)),
		).ELSE(
			MOVQ(sigQueue(RAX).Info.Code, code),
			MOVL(sigQueue(RAX).Info.SignoErrno.Add(4), RCX),
			MOVQ(RCX, t.SigErrno),
			MOVQ(sigQueue(RAX).Info.Fields[0], RCX),
			MOVQ(RCX, t.SigAddr),
			MOVQ(sigQueue(RAX).Info.Fields[1], RCX),
			MOVQ(RCX, t.SigRest[0]),
			MOVQ(sigQueue(RAX).Info.Fields[2], RCX),
			MOVQ(RCX, t.SigRest[1]),
			MOVQ(sigQueue(RAX).Info.Fields[3], RCX),
			MOVQ(RCX, t.SigRest[2]),
			MOVQ(1, t.SigFull),
			MOVQ(RAX, RDI),
			MOVL(1, RSI),
			CALL(sigQueue(RDI).Release),
		),
		MOVL(sig, RAX),
		MOVQ(code, RDX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI, RAX).Returns(RAX, RDX)
}

func flushPending() Func {
	pendingPtr, sig := RBP, R12
	pending := sigPending(pendingPtr)
	return FUNC("flush_pending", "flush_pending forgets signal EDI of the SigPending RSI. IF is 0.",
		MOVL(RDI, sig),
		MOVQ(RSI, pendingPtr),
		LOOP(
			MOVL(sig, RDI),
			MOVQ(pendingPtr, RSI),
			CALL(sigqueueUnlink),
			TESTQ(RAX, RAX),
			BREAK(E),
			MOVQ(RAX, RDI),
			XORL(RSI, RSI),
			CALL(sigQueue(RDI).Release),
		),
		LEAL(sig.At(-1), RCX),
		MOVQ(pending.Mask, RDX),
		BTRQ(RCX, RDX),
		MOVQ(RDX, pending.Mask),
		RETURN(),
	).Saving(RBP, R12).Takes(RDI, RSI)
}

func dropPending() Func {
	pendingPtr := RBX
	pending := sigPending(pendingPtr)
	return FUNC("drop_pending", "drop_pending gives back the SigQueues of the SigPending RDI, whose thread or process is ending. Turns interrupts off.",
		CLI(),
		MOVQ(RDI, pendingPtr),
		LOOP(
			MOVQ(pending.Head, RDI),
			TESTQ(RDI, RDI),
			BREAK(E),
			MOVQ(sigQueue(RDI).Next, RAX),
			MOVQ(RAX, pending.Head),
			XORL(RSI, RSI),
			CALL(sigQueue(RDI).Release),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func copySiginfo() Func {
	buffer := Fields[layout.SigInfo[Mem]](Sym(siginfoBuffer))
	return FUNC("copy_siginfo",
		`copy_siginfo reads the siginfo at the user's RDI into siginfo_buffer. Returns 0,
-EFAULT or, if its kind is unknown and it is longer than the kernel keeps, -E2BIG.`,
		MOVQ(RDI, RSI),
		LEAQ(Sym(siginfoBuffer), RDI),
		MOVL(sigInfoSize, RDX),
		CALL(copyFromUser),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVL(buffer.Code, RCX),
		CMPL(RCX, siDethread),
		IF(GE, RETURN()),
		CMPL(RCX, siAsyncNL),
		IF(E, RETURN()),
		LEAQ(buffer.Rest[3], RSI),
		MOVL((sigInfoSize-SizeOf[layout.KernelSigInfo[Mem]]())/8, RCX),
		DO(
			CMPQ(RSI.At(0), 0),
			IF(NE, fail(E2BIG)),
			ADDQ(8, RSI),
			DECL(RCX),
		).WHILE(NE),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func sendSiginfo() Func {
	target, sig, group := RBX, R12, R13
	buffer := Fields[layout.SigInfo[Mem]](Sym(siginfoBuffer))
	return FUNC("send_siginfo",
		`send_siginfo sends signal EDI with the siginfo in siginfo_buffer to thread RSI of the
process RDX, or to that process if RSI is 0. Returns 0 or, if it cannot be queued, -EAGAIN; an ordinary
signal then comes without its siginfo. Turns interrupts off.`,
		MOVL(RDI, sig),
		MOVQ(RSI, target),
		MOVQ(RDX, group),
		CALL(sigqueueAlloc),
		TESTQ(RAX, RAX),
		IF(E,
			CMPL(sig, layout.MinRTSignal),
			IF(AE,
				CMPL(buffer.Code, siUser),
				IF(NE, fail(EAGAIN)),
			),
		).ELSE(
			LEAQ(sigQueue(RAX).Info.SignoErrno, RDI),
			LEAQ(buffer.SignoErrno, RSI),
			MOVL(SizeOf[layout.KernelSigInfo[Mem]]()/8, RCX),
			REP(MOVSQ()),
			MOVL(sig, sigQueue(RAX).Info.SignoErrno),
		),
		MOVL(sig, RDI),
		MOVQ(target, RSI),
		MOVQ(RAX, RDX),
		MOVQ(group, R8),
		CALL(sendSignal),
		returns(0),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysRtSigqueueinfo() Func {
	pid, sig := RBX, R12
	return FUNC("sys_rt_sigqueueinfo", "sys_rt_sigqueueinfo(pid EDI, signal ESI, siginfo RDX) is kill with a siginfo.",
		MOVL(RDI, pid),
		MOVL(RSI, sig),
		MOVQ(RDX, RDI),
		CALL(copySiginfo),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		mayPretend(pid),
		MOVL(pid, RDI),
		CALL(findOwner),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
		CMPL(sig, layout.NumSignals),
		IF(A, fail(EINVAL)),
		TESTL(sig, sig),
		IF(E, returns(0)),
		MOVL(sig, RDI),
		XORL(RSI, RSI),
		MOVQ(RAX, RDX),
		CALL(sendSiginfo),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysRtTgsigqueueinfo() Func {
	tid, sig, pid := RBX, R12, R13
	target := RBX
	return FUNC("sys_rt_tgsigqueueinfo", "sys_rt_tgsigqueueinfo(pid EDI, tid ESI, signal EDX, siginfo RCX) is tgkill with a siginfo.",
		MOVL(RDI, pid),
		MOVL(RSI, tid),
		MOVL(RDX, sig),
		MOVQ(RCX, RDI),
		CALL(copySiginfo),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		TESTL(pid, pid),
		IF(LE, fail(EINVAL)),
		TESTL(tid, tid),
		IF(LE, fail(EINVAL)),
		mayPretend(tid),
		MOVL(pid, RDI),
		MOVL(tid, RSI),
		CALL(findMember),
		TESTQ(RDX, RDX),
		IF(E, fail(ESRCH)),
		MOVQ(RAX, target),
		CMPL(sig, layout.NumSignals),
		IF(A, fail(EINVAL)),
		TESTL(sig, sig),
		IF(E, returns(0)),
		TESTQ(target, target),
		IF(E, returns(0)),
		MOVL(sig, RDI),
		MOVQ(target, RSI),
		MOVQ(thread(target).Process, RDX),
		CALL(sendSiginfo),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}
