package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

var samples = Fields[layout.Samples[Mem]](Sym(samplesData))

var samplesData = BSS("samples", SizeOf[layout.Samples[Mem]](), 64)

var samplesTimer = BSS("samples_timer", SizeOf[layout.Timer[Mem]](), 64)

// sampler takes samples of ring 3's registers and stack wherever it strikes: by the
// timer, as perf_event's cpu-clock does, and by event_make in #DB's handler, which stands
// for perf_event's NMI.
func sampler() Program {
	return Program{
		Funcs: Funcs(perfSample, perfUserWord, perfSweventTimer, sysSamples),
		Data:  []Data{samplesData, samplesTimer},
	}
}

func perfSample() Func {
	frame, sampled, n := RBX, R12, R13
	regs := ptRegs(frame)
	sample := Fields[layout.Sample[Mem]](sampled)
	size := SizeOf[layout.Sample[Mem]]()
	return FUNC("perf_sample",
		`perf_sample takes a sample where an interrupt, or #DB, has struck: RDI is its PtRegs.
It reads the user's stack where that is mapped, without a fault. IF is 0.`,
		MOVQ(RDI, frame),
		MOVQ(samples.Taken, RAX),
		INCQ(samples.Taken),
		CMPQ(RAX, layout.MaxSamples),
		IF(AE, RETURN()),
		IMULQ(size, RAX),
		LEAQ(samples.List[0].TID, sampled),
		ADDQ(RAX, sampled),
		MOVQ(sampled, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		MOVQ(gs.Current, RCX),
		copyField(thread(RCX).TID, sample.TID),
		copyField(regs.IP, sample.IP),
		copyField(regs.CS, sample.CS),
		TESTB(3, regs.CS),
		IF(NE,
			MOVQ(layout.SampleABI64, sample.ABI),
			copyField(regs.IP, sample.UserIP),
			copyField(regs.SP, sample.UserSP),
		).ELSE(
			CMPQ(RCX, gs.Idle),
			IF(NE,
				MOVQ(frame, RDI),
				MOVQ(sampled, RSI),
				CALL(perfGetRegsUser),
				MOVQ(regs.IP, RDI),
				CALL(showRegs),
				MOVQ(RAX, sample.ShowRegs),
			),
		),
		CMPQ(sample.ABI, layout.SampleABINone),
		IF(E, RETURN()),
		XORL(n, n),
		LOOP(
			MOVQ(sample.UserSP, RDI),
			LEAQ(RDI.Index(n, 8), RDI),
			CALL(perfUserWord),
			BREAK(E),
			MOVQ(RAX, sample.Stack[0].Index(n, 8)),
			INCL(n),
			CMPL(n, layout.SampleWords),
			BREAK(E),
		),
		MOVQ(n, sample.Words),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI)
}

func perfUserWord() Func {
	level := func(shift int) Block {
		return Block{
			slot(RDI, shift, RCX),
			MOVQ(RAX.Index(RCX, 1), RAX),
			TESTL(x86.PAGE_PRESENT, RAX),
			IF(E, XORL(RDX, RDX), RETURN()),
			notNX(RAX),
			tableOf(),
		}
	}
	return FUNC("perf_user_word",
		`perf_user_word returns in RAX the word at the user's address RDI. ZF is set if it is
not a user's address, not mapped, or on two pages.`,
		taskSize(RAX),
		CMPQ(RDI, RAX),
		IF(AE, XORL(RDX, RDX), RETURN()),
		MOVL(RDI, RAX),
		ANDL(layout.PageSize-1, RAX),
		CMPL(RAX, layout.PageSize-8),
		IF(A, XORL(RDX, RDX), RETURN()),
		MOVQ(uint64(layout.PhysMap), R8),
		topLevel(),
		level(pml4Shift), level(pdptShift), level(pdShift), level(ptShift),
		ANDL(layout.PageSize-1, RDI),
		MOVQ(RAX.Index(RDI, 1), RAX),
		MOVL(1, RDX),
		TESTL(RDX, RDX),
		RETURN(),
	).Takes(RDI).Returns(RAX, FLAGS)
}

func perfSweventTimer() Func {
	frame := RBX
	return FUNC("perf_swevent_timer", "perf_swevent_timer is the Func of samples_timer; RBX is the PtRegs of the timer's interrupt.",
		MOVQ(frame, RDI),
		CALL(perfSample),
		CALL(ktimeGet),
		MOVQ(RAX, RSI),
		ADDQ(samples.Period, RSI),
		LEAQ(Sym(samplesTimer), RDI),
		JMP(timerAdd),
	).Takes(RDI, RBX)
}

func sysSamples() Func {
	period := RBX
	sampleTimer := Fields[layout.Timer[Mem]](Sym(samplesTimer))
	return FUNC("sys_samples", "sys_samples(period, samples) is layout.SysSamples.",
		CLI(),
		MOVQ(RDI, period),
		TESTQ(period, period),
		IF(NE,
			CMPQ(period, layout.MinTimeSlice),
			IF(B, fail(EINVAL)),
			CMPQ(period, layout.MaxTimeSlice),
			IF(A, fail(EINVAL)),
		),
		TESTQ(RSI, RSI),
		IF(NE,
			MOVQ(RSI, RDI),
			LEAQ(Sym(samplesData), RSI),
			MOVL(SizeOf[layout.Samples[Mem]](), RDX),
			CALL(copyToUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVQ(0, samples.Taken),
		MOVQ(period, samples.Period),
		LEAQ(Sym(samplesTimer), RDI),
		CALL(timerDel),
		TESTQ(period, period),
		IF(NE,
			LEAQ(Sym(perfSweventTimer), RAX),
			MOVQ(RAX, sampleTimer.Func),
			CALL(ktimeGet),
			LEAQ(Sym(samplesTimer), RDI),
			LEAQ(RAX.Index(period, 1), RSI),
			CALL(timerAdd),
		),
		returns(0),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}
