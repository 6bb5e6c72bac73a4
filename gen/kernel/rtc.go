package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The CMOS clock (Motorola MC146818A data sheet; PCs keep the century at 0x32, which
// is not relied on).
const (
	rtcIndex   = 0x70
	rtcData    = 0x71
	rtcSeconds = 0
	rtcMinutes = 2
	rtcHours   = 4
	rtcDay     = 7
	rtcMonth   = 8
	rtcYear    = 9
	rtcA       = 0x0a
	rtcB       = 0x0b
	rtcAUIP    = 0x80 // an update is in progress
	rtcB24h    = 0x02
	rtcBBinary = 0x04
	// rtcNever is 2024-01-01 in s, the date if there is no CMOS clock.
	rtcNever = 1_704_067_200
)

// rtc returns the part that reads the date at boot.
func rtc() Program {
	return Program{
		Funcs: Funcs(
			rtcInit, rtcRead, rtcField,
		),
	}
}

func rtcInit() Func {
	tries, minute, hour, day, month, year := RBX, RBP, R12, R13, R14, R15
	second := RBX
	field := func(reg int, to Reg) Block {
		return Block{MOVL(reg, RDI), CALL(rtcField), MOVL(RAX, to)}
	}
	inRange := func(r Reg, min, max int) Block {
		return Block{CMPL(r, min), JB("no_clock"), CMPL(r, max), JA("no_clock")}
	}
	return FUNC("rtc_init",
		`rtc_init sets the date from the CMOS clock, taken as UTC, or to 2024-01-01 if
there is none.`,
		MOVL(1<<16, tries), // readings: an update takes at most 2 ms
		DO(
			MOVL(rtcA, RDI),
			CALL(rtcRead),
			CMPL(RAX, 0xff), // no device on the port
			JE("no_clock"),
			TESTL(rtcAUIP, RAX),
			BREAK(E),
			DECL(tries),
		).WHILE(NE),
		field(rtcSeconds, second),
		field(rtcMinutes, minute),
		field(rtcHours, hour),
		field(rtcDay, day),
		field(rtcMonth, month),
		field(rtcYear, year),
		inRange(second, 0, 59),
		inRange(minute, 0, 59),
		inRange(hour, 0, 23),
		inRange(day, 1, 31),
		inRange(month, 1, 12),
		inRange(year, 0, 99),
		ADDL(2000, year),

		// Days since 1970 with the year from March on, so that the leap day is
		// its last (Gauss).
		SUBL(2, month),
		IF(LE,
			ADDL(12, month),
			DECL(year),
		),
		IMULL(367, month),
		MOVL(month, RAX),
		XORL(RDX, RDX),
		MOVL(12, RCX),
		DIVL(RCX),
		ADDL(RAX, day),
		MOVL(year, RAX),
		SHRL(2, RAX),
		ADDL(RAX, day),
		MOVL(year, RAX),
		XORL(RDX, RDX),
		MOVL(100, RCX),
		DIVL(RCX),
		SUBL(RAX, day),
		SHRL(2, RAX),
		ADDL(RAX, day),
		IMULL(365, year),
		LEAQ(day.Index(year, 1).Add(-719499), RAX),

		IMULQ(24, RAX),
		ADDQ(hour, RAX),
		IMULQ(60, RAX),
		ADDQ(minute, RAX),
		IMULQ(60, RAX),
		ADDQ(second, RAX),
		JMP("set"),
		LABEL("no_clock"),
		MOVL(rtcNever, RAX),
		LABEL("set"),
		MOVL(nsPerSec, RCX),
		IMULQ(RCX, RAX),
		MOVQ(RAX, clk.Real),
		CALL(ktimeGet), // the date is of now, not of the boot
		SUBQ(RAX, clk.Real),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes()
}

func rtcRead() Func {
	return FUNC("rtc_read", "rtc_read returns the CMOS register EDI in EAX.",
		MOVL(RDI, RAX),
		MOVL(rtcIndex, RDX),
		OUTB(),
		MOVL(rtcData, RDX),
		XORL(RAX, RAX),
		INB(),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RSI, R8)
}

func rtcField() Func {
	return FUNC("rtc_field",
		`rtc_field returns the date or time register EDI in EAX as a number, whatever
format register B says; it returns an afternoon hour of a 12-hour clock as 12 to 23.`,
		MOVL(RDI, R8),
		CALL(rtcRead),
		MOVL(RAX, RSI),
		MOVL(rtcB, RDI),
		CALL(rtcRead),
		MOVL(RSI, RCX),
		ANDL(0x80, RCX), // PM
		CMPL(R8, rtcHours),
		IF(E, ANDL(0x7f, RSI)),
		TESTL(rtcBBinary, RAX),
		IF(E,
			MOVL(RSI, RDX),
			SHRL(4, RDX),
			IMULL(6, RDX), // 16*tens+ones less 6*tens
			SUBL(RDX, RSI),
		),
		CMPL(R8, rtcHours),
		IF(E,
			TESTL(rtcB24h, RAX),
			IF(E,
				CMPL(RSI, 12),
				IF(E, XORL(RSI, RSI)), // 12 o'clock is 0
				TESTL(RCX, RCX),
				IF(NE, ADDL(12, RSI)),
			),
		),
		MOVL(RSI, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}
