package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const (
	// calibrationWindows is the most windows that are tried, and
	// calibrationAgree how many of them must agree.
	calibrationWindows = 384
	calibrationAgree   = 3
	// calibrationError is the shift from a window to the greatest error in
	// it that is asked for: one part in 1024. Windows that agree differ by no
	// more; their mean is far closer.
	calibrationError = 10
	// calibrationWorst is the shift for the greatest error that is accepted, where
	// reading the counter is slow: one part in 16. Windows must agree all the same.
	calibrationWorst = 4
	// calibrationLevel is the shift from the number of windows so far to the
	// number of bits by which agreement is relaxed, for hosts that are never quiet: one
	// more with every 32, and calibrationRelaxed at most.
	calibrationLevel   = 5
	calibrationRelaxed = 3
	// calibrationSpin is how many rounds of a loop pass between two readings,
	// as each is slow in an emulator.
	calibrationSpin = 1 << 15
	// calibrationTries is how many readings in a row may show no tick, each of
	// them longer than a few ns, and calibrationReadings how many readings a window may
	// have.
	calibrationTries    = 1 << 14
	calibrationReadings = 1 << 11
)

// counter gives the fields of the Counter that r points to.
func counter(r Reg) *layout.Counter[Mem] { return Fields[layout.Counter[Mem]](r) }

// counterData returns a Counter in memory.
func counterData(name string, c layout.Counter[any]) Data {
	return DATA(name, c.Init, c.Read, c.Hz, c.Mask, c.Least, c.Most, c.Source)
}

// calibration compares the time-stamp counter with another.
//
// A guest can be stopped at any instruction for any time, and a counter wraps
// meanwhile: the PIT's within 55 ms. So no single window is trusted. There
// are several, as short as their error allows, and those that agree count: a
// stall spoils each window that it falls in by a different amount.
func calibration() Program {
	return Program{
		Funcs: Funcs(
			calibrate, calibrationWindow, counterTick,
		),
		Data: []Data{
			calibrationWindowsData,
		},
	}
}

var calibrationWindowsData = BSS("calibration_windows", 8*calibrationWindows, 8)

func calibrate() Func {
	ctr, window := RBX, RBP
	return FUNC("calibrate",
		`calibrate compares the TSC with the layout.Counter RDI. It returns in RAX how many
ticks the TSC makes for one of the counter, times 2^32; 0 if the counter does not
count, or too few windows agree. IF is 0.`,
		MOVQ(RDI, ctr),
		XORL(window, window), // windows so far
		LOOP(
			CALL(calibrationWindow),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
			LEAQ(Sym(calibrationWindowsData), R8),
			MOVQ(RAX, R8.Index(window, 8)),
			MOVL(window, RDX),
			SHRL(calibrationLevel, RDX),
			CMPL(RDX, calibrationRelaxed),
			IF(A, MOVL(calibrationRelaxed, RDX)),
			MOVL(calibrationError, RCX),
			SUBL(RDX, RCX),
			MOVQ(RAX, RSI),
			SHRQ(RCX, RSI), // how far two may be apart

			// The sum and number of the windows that agree with the last.
			XORL(RDI, RDI),
			XORL(R9, R9),
			XORL(RCX, RCX),
			DO(
				MOVQ(R8.Index(RCX, 8), R10),
				MOVQ(R10, RDX),
				SUBQ(RAX, RDX),
				IF(B, NEGQ(RDX)),
				CMPQ(RDX, RSI),
				IF(BE,
					ADDQ(R10, RDI),
					INCL(R9),
				),
				INCL(RCX),
				CMPL(RCX, window),
			).WHILE(BE),
			CMPL(R9, calibrationAgree),
			IF(E,
				MOVQ(RDI, RAX),
				XORL(RDX, RDX),
				DIVQ(R9),
				RETURN(),
			),
			INCL(window),
			CMPL(window, calibrationWindows),
			BREAK(E),
		),
		returns(0),
	).Saving(RBX, RBP).Takes(RDI).Returns(RAX)
}

func calibrationWindow() Func {
	ctr, window, count, tsc, looked, readings := RBX, RBP, R12, R13, R14, R15
	c := counter(ctr)
	return FUNC("calibration_window",
		`calibration_window measures one window of calibrate, and returns its result; RBX is
the Counter. The window begins and ends with a tick of that. If the readings at its
ends took so long that the result says nothing, the result is RBP+1, a different
number each time, with which no other agrees.`,
		CALL(counterTick),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVL(RDI, count),  // count
		MOVQ(RSI, tsc),    // TSC
		MOVQ(RAX, looked), // how long the search for the tick took
		MOVL(calibrationReadings, readings),
		LOOP(
			DECL(readings),
			IF(E, JMP("nothing")),
			MOVL(calibrationSpin, RCX),
			DO(DECL(RCX)).WHILE(NE),
			CALL(counterTick),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
			SUBL(count, RDI),
			ANDL(c.Mask, RDI), // ticks of the counter
			CMPQ(RDI, c.Least),
			CONTINUE(B),
			MOVQ(RSI, RDX),
			SUBQ(tsc, RDX), // of the TSC
			ADDQ(looked, RAX),
			SHLQ(calibrationError, RAX),
			CMPQ(RAX, RDX),
			BREAK(BE),
			CMPQ(RDI, c.Most),
			IF(AE,
				SHRQ(calibrationError-calibrationWorst, RAX),
				CMPQ(RAX, RDX),
				JA("nothing"),
				BREAK(),
			),
		),
		MOVQ(RDX, RAX),
		SHLQ(32, RAX),
		SHRQ(32, RDX),
		CMPQ(RDX, RDI),
		JAE("nothing"), // the quotient would be too large
		DIVQ(RDI),
		RETURN(),
		LABEL("nothing"),
		LEAQ(window.At(1), RAX),
		RETURN(),
	).Saving(R12, R13, R14, R15).Takes(RBX, RBP).Returns(RAX)
}

func counterTick() Func {
	ctr := RBX
	c := counter(ctr)
	return FUNC("counter_tick",
		`counter_tick waits for the next tick of the Counter RBX. It returns the count in
EDI, the TSC at the reading that showed the tick in RSI, and in RAX the TSC's ticks
since the reading before began; 0 if there is no tick.`,
		tsc(),
		MOVQ(RAX, RSI),
		CALL(c.Read).Keeps(RSI, RDI, R8, R9),
		MOVL(RAX, RDI),
		MOVL(calibrationTries, R9),
		LOOP(
			DECL(R9),
			IF(E, returns(0)),
			MOVQ(RSI, R8),
			tsc(),
			MOVQ(RAX, RSI),
			CALL(c.Read).Keeps(RSI, RDI, R8, R9),
			CMPL(RAX, RDI),
			BREAK(NE),
		),
		MOVL(RAX, RDI),
		tsc(),
		SUBQ(R8, RAX),
		RETURN(),
	).Takes(RBX).Returns(RAX, RDI, RSI)
}
