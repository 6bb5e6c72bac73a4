package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// sched is the scheduler's state.
var sched = Fields[layout.Sched[Mem]](Sym(schedData))

// enqueue puts the thread t at the end of the run queue. Clobbers tmp.
func enqueue(t, tmp Reg) Block {
	return Block{
		MOVQ(0, thread(t).Next),
		MOVQ(sched.RunTail, tmp),
		TESTQ(tmp, tmp),
		IF(E, MOVQ(t, sched.RunHead)).ELSE(MOVQ(t, thread(tmp).Next)),
		MOVQ(t, sched.RunTail),
	}
}

// timer gives the fields of the Timer that r points to.
func timer(r Reg) *layout.Timer[Mem] { return Fields[layout.Timer[Mem]](r) }

// returns ends a function that returns a constant.
func returns(v int) Block { return Block{MOVQ(v, RAX), RETURN()} }

// scheduler decides which thread runs: round robin, with one timer for the slices and
// for all sleepers. Everything here runs with interrupts off.
func scheduler() Program {
	return Program{
		Funcs: Funcs(
			schedInit, schedule, preemptSchedule, sliceArm, cpuAccount, timerNext, sysTimeSlice, wakeUp,
			sleepUntil, timerAdd, timerDel, sleepTimeout, timerInterrupt, cpuIdle,
		),
		Data: []Data{
			schedData, mxcsrMask,
		},
	}
}

var schedData = BSS("sched", SizeOf[layout.Sched[Mem]](), 64)

var mxcsrMask = BSS("mxcsr_mask", 8, 8)

func schedInit() Func {
	idle := RBX
	return FUNC("sched_init", "sched_init completes the idle thread, which runs on the boot stack, sets the time slice, and finds out which bits MXCSR has.",
		MOVQ(layout.TimeSlice, sched.Slice),
		MOVQ(gs.Idle, idle),
		FXSAVE64(thread(idle).FX[0]),
		MOVL(thread(idle).FX[3].Add(4), RAX), // MXCSR_MASK; 0 means 0xffbf (SDM volume 1, 11.6.6)
		TESTL(RAX, RAX),
		IF(E, MOVL(0xffbf, RAX)),
		MOVL(RAX, Sym(mxcsrMask)),
		RETURN(),
	).Saving(RBX).Takes()
}

func schedule() Func {
	prev := thread(RDI)
	next := thread(RSI)
	// account charges the time up to now to the current thread, prev.
	account := Block{PUSHQ(RDI), PUSHQ(RSI), CALL(cpuAccount), POPQ(RSI), POPQ(RDI)}
	return FUNC("schedule",
		`schedule lets the next runnable thread run and returns when it is the current
thread's turn again, at once if no other can run. A thread that is not runnable
does not come back until wake_up. IF is 0.`,
		MOVQ(gs.Current, RDI),
		ANDL(^layout.TIFNeedResched, prev.Flags),
		MOVQ(sched.RunHead, RSI),
		CMPQ(RDI, gs.Idle),
		IF(E,
			TESTQ(RSI, RSI),
			IF(E, RETURN()),
			account,
			CMPQ(sched.CPUTimers, 0),
			IF(NE, PUSHQ(RDI), PUSHQ(RSI), CALL(cpuTickStart), POPQ(RSI), POPQ(RDI)),
		).ELSE(
			CMPQ(prev.State, layout.ThreadRunnable),
			IF(E,
				TESTQ(RSI, RSI),
				IF(E, RETURN()),
				enqueue(RDI, RAX),
			).ELSE(
				TESTQ(RSI, RSI),
				IF(E,
					account,
					MOVQ(gs.Idle, RSI),
					JMP("switch"),
				),
			),
		),
		MOVQ(next.Next, RAX),
		MOVQ(RAX, sched.RunHead),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(RAX, sched.RunTail)).ELSE(
			CMPQ(sched.SliceArmed, 0),
			IF(E,
				PUSHQ(RDI),
				PUSHQ(RSI),
				CALL(sliceArm),
				POPQ(RSI),
				POPQ(RDI),
			),
		),
		LABEL("switch"),
		INCQ(sched.Switches),
		CMPQ(sched.Counting, 0),
		IF(NE, account),
		JMP(gs.ThreadSwitch),
	).Takes()
}

func preemptSchedule() Func {
	current := thread(RAX)
	return FUNC("preempt_schedule",
		`preempt_schedule lets another thread run because PerCPU.PreemptCount has become 0: one
waited for that. It leaves interrupts on.`,
		CLI(),
		ORL(uint32(layout.PreemptNoResched), gs.PreemptCount),
		INCQ(sched.KernelPreemptions),
		MOVQ(gs.Current, RAX),
		INCQ(current.Preempted),
		CALL(schedule),
		STI(),
		RETURN(),
	).Takes()
}

func sliceArm() Func {
	return FUNC("slice_arm",
		`slice_arm makes the timer fire within a time slice from now. The time of the current
thread, which has run without a slice, is charged to it: the next thread may read it
before the next tick. IF is 0.`,
		MOVQ(1, sched.SliceArmed),
		CALL(cpuAccount),
		MOVQ(sched.Slice, RDI),
		ADDQ(RAX, RDI),
		JMP(timerArm),
	).Takes()
}

func cpuAccount() Func {
	current := thread(RDI)
	return FUNC("cpu_account", "cpu_account charges the time since the last call to the current thread. Returns the time in RAX. Clobbers RCX, RDX, RDI. IF is 0.",
		CALL(ktimeGet),
		MOVQ(RAX, RCX),
		SUBQ(sched.Accounted, RCX),
		MOVQ(RAX, sched.Accounted),
		MOVQ(gs.Current, RDI),
		MOVQ(sched.RingTime, RDX),
		ADDQ(RCX, current.UTime.Index(RDX, 1)),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RSI)
}

func timerNext() Func {
	return FUNC("timer_next",
		`timer_next makes the timer fire when the first sleeper's time comes or a time
slice from RDI, now, ends, whichever is first; nothing else is armed. It takes as
many instructions in either case. IF is 0.`,
		MOVQ(uint64(layout.TimerNever), RDX),
		MOVQ(1, sched.SliceArmed),
		MOVQ(sched.TimerHead, RAX),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(timer(RAX).Expires, RDX)),
		ADDQ(sched.Slice, RDI),
		CMPQ(RDX, RDI),
		CMOVQL(RDX, RDI),
		JMP(timerProgram),
	).Takes(RDI)
}

func sysTimeSlice() Func {
	before := RBX
	return FUNC("sys_time_slice", "sys_time_slice(ns RDI) is layout.SysTimeSlice.",
		CMPQ(RDI, layout.MinTimeSlice),
		IF(B, fail(EINVAL)),
		CMPQ(RDI, layout.MaxTimeSlice),
		IF(A, fail(EINVAL)),
		CLI(),
		MOVQ(sched.Slice, before),
		MOVQ(RDI, sched.Slice),
		CALL(ktimeGet),
		MOVQ(RAX, RDI),
		CALL(timerNext),
		MOVQ(before, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func wakeUp() Func {
	woken := thread(RDI)
	return FUNC("wake_up",
		`wake_up makes thread RDI runnable if it is blocked; its sleep returns RSI. A
slice begins for the current thread, if it has none. Returns 1, or 0 if the
thread was not blocked. IF is 0.`,
		XORL(RAX, RAX),
		CMPQ(woken.State, layout.ThreadBlocked),
		IF(NE, RETURN()),
		MOVQ(RAX, woken.State), // ThreadRunnable
		MOVQ(RSI, woken.WakeResult),
		CMPQ(woken.Sleep.Expires, 0),
		IF(NE,
			PUSHQ(RDI),
			LEAQ(woken.Sleep.Expires, RDI),
			CALL(timerDel),
			POPQ(RDI),
		),
		enqueue(RDI, RAX),
		CMPQ(sched.SliceArmed, 0),
		IF(E,
			MOVQ(gs.Current, RAX),
			CMPQ(RAX, gs.Idle),
			IF(NE, CALL(sliceArm)),
		),
		MOVL(1, RAX),
		RETURN(),
	).Takes(RDI, RSI)
}

func sleepUntil() Func {
	self, until := RBX, R12
	return FUNC("sleep_until",
		`sleep_until blocks the current thread until wake_up, a signal, or monotonic
time RDI in ns; -1 is for ever. IF is 0. Returns wake_up's result, -ETIMEDOUT or
-EINTR. It can return 0 without a cause, so the caller must test again what it waits
for.`,
		MOVQ(gs.Current, self),
		MOVQ(RDI, until),
		TESTL(layout.TIFSigPending, thread(self).Flags),
		IF(NE,
			MOVQ(self, RDI),
			CALL(recalcSigpending),
			IF(NE, fail(EINTR)),
		),
		CMPQ(until, -1),
		IF(NE,
			CALL(ktimeGet),
			CMPQ(until, RAX),
			IF(LE, fail(ETIMEDOUT)),
			LEAQ(thread(self).Sleep.Expires, RDI),
			MOVQ(until, RSI),
			CALL(timerAdd),
		),
		MOVQ(layout.ThreadBlocked, thread(self).State),
		CALL(schedule),
		MOVQ(thread(self).WakeResult, RAX),
		CMPQ(RAX, -EINTR),
		IF(E,
			// Another thread may have taken the signal meanwhile.
			MOVQ(self, RDI),
			CALL(recalcSigpending),
			MOVQ(-EINTR, RAX),
			IF(E, XORL(RAX, RAX)),
		),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI).Returns(RAX)
}

func timerAdd() Func {
	node := timer(RDI)
	return FUNC("timer_add",
		`timer_add puts the Timer RDI on the list for monotonic time RSI, above 0, after
timers with the same time, and arms the timer. IF is 0.`,
		MOVQ(RSI, node.Expires),
		XORL(RDX, RDX),             // the previous one
		MOVQ(sched.TimerHead, RCX), // the next one
		LOOP(
			TESTQ(RCX, RCX),
			BREAK(E),
			CMPQ(RSI, timer(RCX).Expires),
			BREAK(L),
			MOVQ(RCX, RDX),
			MOVQ(timer(RCX).Next, RCX),
		),
		MOVQ(RCX, node.Next),
		MOVQ(RDX, node.Prev),
		TESTQ(RCX, RCX),
		IF(NE, MOVQ(RDI, timer(RCX).Prev)),
		TESTQ(RDX, RDX),
		IF(NE,
			MOVQ(RDI, timer(RDX).Next),
			RETURN(),
		),
		MOVQ(RDI, sched.TimerHead),
		MOVQ(RSI, RDI),
		JMP(timerArm),
	).Takes(RDI, RSI)
}

func timerDel() Func {
	node := timer(RDI)
	return FUNC("timer_del", "timer_del takes the Timer RDI off the list, if it is there. Clobbers RCX, RDX. IF is 0.",
		CMPQ(node.Expires, 0),
		IF(E, RETURN()),
		MOVQ(node.Next, RCX),
		MOVQ(node.Prev, RDX),
		TESTQ(RCX, RCX),
		IF(NE, MOVQ(RDX, timer(RCX).Prev)),
		TESTQ(RDX, RDX),
		IF(E, MOVQ(RCX, sched.TimerHead)).ELSE(MOVQ(RCX, timer(RDX).Next)),
		MOVQ(0, node.Expires),
		RETURN(),
	).Takes(RDI).Keeps(RDI, RSI)
}

func sleepTimeout() Func {
	sleeper := thread(RDI)
	return FUNC("sleep_timeout", "sleep_timeout is the Func of Thread.Sleep.",
		SUBQ(sleeper.Sleep.Expires.Disp(), RDI),
		MOVQ(-ETIMEDOUT, RSI),
		JMP(wakeUp),
	).Takes(RDI)
}

func timerInterrupt() Func {
	frame, now := RBX, R12
	current := thread(RAX)
	node := timer(RDI)
	eoi, find := apicAt(x86.APIC_EOI)
	return FUNC("timer_interrupt",
		`timer_interrupt handles the timer's vector; RDI is the PtRegs. It does what is due
and, if another thread waits for the CPU, makes sure of a switch: at the exit to ring
3, or at once if the interrupt struck in the group "entry" and PerCPU.PreemptCount is
0. The time up to now
is charged to the ring in which it struck. IF is 0.`,
		MOVQ(RDI, frame),
		find,
		JE("x2apic"),
		MOVL(0, eoi),
		LABEL("acknowledged"),
		INCQ(sched.Ticks),
		CALL(ktimeGet),
		MOVQ(RAX, now),
		MOVQ(gs.Current, RAX),
		XORL(RDX, RDX),
		TESTB(3, ptRegs(frame).CS),
		IF(E, MOVL(8, RDX)),
		MOVQ(RDX, sched.RingTime),
		MOVQ(now, RCX),
		SUBQ(sched.Accounted, RCX),
		MOVQ(now, sched.Accounted),
		ADDQ(RCX, current.UTime.Index(RDX, 1)),
		LOOP(
			MOVQ(sched.TimerHead, RDI),
			TESTQ(RDI, RDI),
			BREAK(E),
			CMPQ(now, node.Expires),
			BREAK(L), // too early for this one and all after it
			CALL(timerDel),
			CALL(node.Func),
		),
		MOVQ(gs.Current, RAX),
		CMPQ(sched.RunHead, 0),
		IF(NE, CMPQ(RAX, gs.Idle)), // the idle thread tests the queue itself
		IF(E, // no slice
			MOVQ(0, sched.SliceArmed),
			MOVQ(uint64(layout.TimerNever), RAX),
			MOVQ(RAX, sched.TimerArmed),
			MOVQ(sched.TimerHead, RDI),
			TESTQ(RDI, RDI),
			IF(E, RETURN()),
			MOVQ(node.Expires, RDI),
			CALL(timerArm),
			RETURN(),
		),
		MOVQ(now, RDI),
		CALL(timerNext),
		CMPQ(gs.NoResched, 0),
		IF(NE, RETURN()),
		MOVQ(gs.Current, RAX),
		ORL(layout.TIFNeedResched, current.Flags),
		TESTB(3, ptRegs(frame).CS),
		IF(NE,
			INCQ(current.Preempted),
			RETURN(),
		),
		MOVQ(ptRegs(frame).IP, RAX),
		LEAQ(Sym(entryStart), RCX),
		CMPQ(RAX, RCX),
		IF(B, RETURN()),
		LEAQ(Sym(entryEnd), RCX),
		CMPQ(RAX, RCX),
		IF(AE, RETURN()),
		returnsToKernel(ptRegs(frame).SP),
		TESTL(layout.PreemptNoResched-1, gs.PreemptCount),
		IF(NE,
			ANDL(layout.PreemptNoResched-1, gs.PreemptCount), // whoever lowers it to 0 calls preempt_schedule
			RETURN(),
		),
		INCQ(sched.KernelPreemptions),
		MOVQ(gs.Current, RAX),
		INCQ(current.Preempted),
		CALL(schedule),
		RETURN(),
		LABEL("x2apic"),
		XORL(RAX, RAX),
		apicMSR(x86.APIC_EOI),
		JMP("acknowledged"),
	).Saving(RBX, R12).Takes(RDI)
}

func cpuIdle() Func {
	idle := thread(RAX)
	return FUNC("cpu_idle",
		`cpu_idle is the idle thread: it halts until something can run. If nothing ever
can, that is a panic.`,
		MOVQ(gs.Idle, RAX),
		MOVQ(gs.SwitchTo, RCX),
		MOVQ(RCX, idle.SwitchTo),
		LOOP(
			CLI(),
			CALL(schedule),
			CMPQ(sched.RunHead, 0),
			CONTINUE(NE),
			CMPQ(sched.TimerHead, 0),
			IF(E,
				LEAQ(Str("deadlock: every thread is blocked for ever"), RDI),
				CALL(kernelPanic),
			),
			STI(), // takes effect once HLT has begun: no interrupt is missed
			HLT(),
		),
		UD2(),
	).Takes().NoReturn()
}
