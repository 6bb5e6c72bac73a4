package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The CMOS clock (Motorola MC146818A data sheet; the century of PCs at 0x32
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
	// rtcNever is 2024-01-01, the date where there is no CMOS clock, in s.
	rtcNever = 1_704_067_200
)

// rtc is the date at boot.
func rtc() Program {
	return Program{
		Funcs: Funcs(
			rtcInit, rtcRead, rtcField,
		),
	}
}

func rtcInit() Func {
	field := func(reg int, to Reg) Block {
		return Block{MOVL(reg, RDI), CALL(rtcField), MOVL(RAX, to)}
	}
	inRange := func(r Reg, min, max int) Block {
		return Block{CMPL(r, min), JB("no_clock"), CMPL(r, max), JA("no_clock")}
	}
	return FUNC("rtc_init",
		`rtc_init sets the date from the CMOS clock, taken as UTC, or to 2024-01-01 if
there is none.`,
		MOVL(1<<16, RBX), // readings: an update takes 2 ms at most
		DO(
			MOVL(rtcA, RDI),
			CALL(rtcRead),
			CMPL(RAX, 0xff), // no device on the port
			JE("no_clock"),
			TESTL(rtcAUIP, RAX),
			BREAK(E),
			DECL(RBX),
		).WHILE(NE),
		field(rtcSeconds, RBX),
		field(rtcMinutes, RBP),
		field(rtcHours, R12),
		field(rtcDay, R13),
		field(rtcMonth, R14),
		field(rtcYear, R15),
		inRange(RBX, 0, 59),
		inRange(RBP, 0, 59),
		inRange(R12, 0, 23),
		inRange(R13, 1, 31),
		inRange(R14, 1, 12),
		inRange(R15, 0, 99),
		ADDL(2000, R15),

		// Days since 1970 with the year from March on, so that the leap day is
		// its last (Gauss).
		SUBL(2, R14),
		IF(LE,
			ADDL(12, R14),
			DECL(R15),
		),
		IMULL(367, R14),
		MOVL(R14, RAX),
		XORL(RDX, RDX),
		MOVL(12, RCX),
		DIVL(RCX),
		ADDL(RAX, R13),
		MOVL(R15, RAX),
		SHRL(2, RAX),
		ADDL(RAX, R13),
		MOVL(R15, RAX),
		XORL(RDX, RDX),
		MOVL(100, RCX),
		DIVL(RCX),
		SUBL(RAX, R13),
		SHRL(2, RAX),
		ADDL(RAX, R13),
		IMULL(365, R15),
		LEAQ(R13.Index(R15, 1).Add(-719499), RAX),

		IMULQ(24, RAX),
		ADDQ(R12, RAX),
		IMULQ(60, RAX),
		ADDQ(RBP, RAX),
		IMULQ(60, RAX),
		ADDQ(RBX, RAX),
		JMP("set"),
		LABEL("no_clock"),
		MOVL(rtcNever, RAX),
		LABEL("set"),
		MOVL(nsPerSec, RCX),
		IMULQ(RCX, RAX),
		MOVQ(RAX, clk.Real),
		CALL(ktimeGet), // that was now, not at boot
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
format register B says; an afternoon's hour of a 12-hour clock as from 12 on.`,
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
