package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

func sysKill() Func {
	sig, pid, next, sent := RBX, R12, R13, R14
	p := process(next)
	return FUNC("sys_kill",
		`sys_kill(pid EDI, signal ESI): the process pid, where the TID of a thread means its
process, as in Linux; 0: all processes of the caller's group; -1: all but init and the
caller; below: all of the group -pid.`,
		MOVL(RSI, sig),
		TESTL(RDI, RDI),
		IF(G,
			CALL(findOwner),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
			validSignal(sig),
			MOVQ(RAX, RDI),
			MOVL(sig, RSI),
			CALL(killProcess),
			returns(0),
		),
		MOVL(RDI, pid),
		XORL(sent, sent),
		MOVQ(sched.Processes, next),
		LOOP(
			TESTQ(next, next),
			BREAK(E),
			CMPL(pid, -1),
			IF(E,
				CMPQ(p.PID, initPID),
				JE("next"),
				CMPQ(next, gs.Process),
				JE("next"),
			).ELSE(
				MOVL(pid, RAX),
				NEGL(RAX),
				IF(E,
					MOVQ(gs.Process, RCX),
					MOVQ(process(RCX).Group, RAX),
				),
				CMPL(RAX, p.Group),
				JNE("next"),
			),
			validSignal(sig),
			MOVQ(next, RDI),
			MOVL(sig, RSI),
			CALL(killProcess),
			INCL(sent),
			LABEL("next"),
			MOVQ(p.All.Next, next),
		),
		TESTL(sent, sent),
		IF(E, fail(ESRCH)),
		returns(0),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI).Returns(RAX)
}

func killProcess() Func {
	sig, target := RBX, R12
	return FUNC("kill_process",
		`kill_process sends signal ESI, or nothing if that is 0, to the process RDI as kill
does. Only a signal from the process itself needs no SigQueue to name the sender.`,
		TESTL(RSI, RSI),
		IF(E, RETURN()),
		CMPQ(process(RDI).Threads, 0),
		IF(E, RETURN()), // a zombie
		MOVL(RSI, sig),
		MOVQ(RDI, target),
		XORL(RDX, RDX),
		CMPQ(RDI, gs.Process),
		IF(E, CMPL(sig, layout.MinRTSignal), JB("send")),
		MOVL(sig, RDI),
		MOVL(siUser, RSI),
		CALL(sigqueueSender), // without a SigQueue it comes without its sender
		MOVQ(RAX, RDX),
		LABEL("send"),
		MOVL(sig, RDI),
		XORL(RSI, RSI),
		MOVQ(target, R8),
		CALL(sendSignal),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI)
}

func sysTgkill() Func {
	return FUNC("sys_tgkill", "sys_tgkill(pid EDI, tid ESI, signal EDX).",
		TESTL(RDI, RDI),
		IF(LE, fail(EINVAL)),
		JMP(killThread),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysTkill() Func {
	return FUNC("sys_tkill", "sys_tkill(tid EDI, signal ESI).",
		MOVL(RSI, RDX),
		MOVL(RDI, RSI),
		XORL(RDI, RDI),
		JMP(killThread),
	).Takes(RDI, RSI).Returns(RAX)
}

func killThread() Func {
	sig := RBX
	return FUNC("kill_thread",
		`kill_thread sends signal EDX to the thread with TID ESI, which is one of the process
EDI, or of any if that is 0. Returns 0 or -errno.`,
		TESTL(RSI, RSI),
		IF(LE, fail(EINVAL)),
		MOVL(RDX, sig),
		CALL(findMember),
		TESTQ(RDX, RDX),
		IF(E, fail(ESRCH)),
		validSignal(sig),
		TESTL(sig, sig),
		IF(E, returns(0)),
		TESTQ(RAX, RAX),
		IF(E, returns(0)), // a zombie accepts every signal
		MOVQ(RAX, RSI),
		MOVQ(RDX, R8),
		XORL(RDX, RDX),
		CMPQ(R8, gs.Process),
		IF(E, CMPL(sig, layout.MinRTSignal), JB("send")),
		PUSHQ(RSI),
		PUSHQ(R8),
		MOVL(sig, RDI),
		MOVL(siTkill, RSI),
		CALL(sigqueueSender),
		MOVQ(RAX, RDX),
		POPQ(R8),
		POPQ(RSI),
		TESTQ(RDX, RDX),
		IF(E,
			CMPL(sig, layout.MinRTSignal),
			IF(AE, fail(EAGAIN)),
		),
		LABEL("send"),
		MOVL(sig, RDI),
		CALL(sendSignal),
		returns(0),
	).Saving(RBX).Takes(RDI, RSI, RDX).Returns(RAX)
}
