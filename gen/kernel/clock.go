package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// clk is the clock's state.
var clk = Fields[layout.Clock[Mem]](Sym("clock"))

const (
	nsPerSec = 1_000_000_000
	// pitHz is the rate of the 8254's input (Intel 8254 data sheet, with the
	// PC's 14.31818 MHz crystal divided by twelve).
	pitHz      = 1_193_182
	pitChannel = 0x42 // channel 2, whose output drives nothing but the speaker
	pitControl = 0x43
	speaker    = 0x61 // bit 0 gates channel 2, bit 1 lets it be heard
	// pitWindow is the least number of PIT ticks to calibrate over: 1.7 ms.
	pitWindow = 2000
	// pitSpin is how many rounds of a loop to let pass between two readings:
	// each is slow in an emulator.
	pitSpin = 1 << 15
	// pitMax is where the window ends whatever disturbed it, before the 16-bit
	// counter wraps: 42 ms.
	pitMax = 50000

	// TSC rates outside of these in Hz are not believed.
	tscMin = 10_000_000
	tscMax = 100_000_000_000
)

// tsc reads the time-stamp counter into RAX. Clobbers RDX.
func tsc() Block { return Block{RDTSC(), SHLQ(32, RDX), ORQ(RDX, RAX)} }

// clocks is the time: the time-stamp counter, calibrated at boot together with
// the local APIC's timer, and the CMOS clock's date.
func clocks() Program {
	return Program{
		Funcs: []Func{
			FUNC("ktime_get", "ktime_get returns the monotonic time in ns, always above 0. Clobbers RDX only.",
				tsc(),
				SUBQ(clk.TSCBase, RAX),
				MULQ(clk.Mult), // 128 bits: no run of the machine is too long
				SHRQ(32, RAX),
				SHLQ(32, RDX),
				ORQ(RDX, RAX),
				RETURN(),
			),
			FUNC("ktime_real", "ktime_real returns the time since 1970-01-01 UTC in ns. Clobbers RDX only.",
				CALL("ktime_get"),
				ADDQ(clk.Real, RAX),
				RETURN(),
			),
			FUNC("time_init",
				`time_init starts the clocks. The local APIC's timer is calibrated against the
TSC, and the TSC against the PIT unless CPUID tells its rate. Fails by
boot_fail.`,
				tsc(),
				MOVQ(RAX, clk.TSCBase),
				CALL("apic_init"),
				CALL("cpuid_tsc_hz"),
				MOVQ(RAX, clk.TSCHz),
				TESTQ(RAX, RAX),
				IF(E, CALL("pit_window")).ELSE(CALL("tsc_window")),
				// Of the window RAX is the number of TSC ticks, R8 of APIC ticks.
				MOVQ(RAX, R9),

				// Mult = 10^9 * 2^32 / Hz
				XORL(RDX, RDX),
				MOVQ(uint64(nsPerSec<<32), RAX),
				DIVQ(clk.TSCHz),
				MOVQ(RAX, clk.Mult),

				// TimerMult = APIC ticks * 2^32 / ns of the window
				MULQ(R9),
				SHRQ(32, RAX),
				SHLQ(32, RDX),
				ORQ(RDX, RAX),
				MOVQ(RAX, RCX),
				MOVQ(R8, RAX),
				SHLQ(32, RAX),
				XORL(RDX, RDX),
				DIVQ(RCX),
				TESTQ(RAX, RAX),
				IF(E,
					LEAQ(Str("the local APIC's timer does not count"), RDI),
					CALL("boot_fail"),
				),
				MOVQ(RAX, clk.TimerMult),
				MOVQ(RAX, RCX),
				MOVQ(uint64(0xffff_0000<<32), RAX),
				XORL(RDX, RDX),
				DIVQ(RCX),
				MOVQ(RAX, clk.TimerMax),

				CALL("apic_timer_off"),
				JMP("rtc_init"),
			),
			FUNC("cpuid_tsc_hz", "cpuid_tsc_hz returns the TSC's rate in Hz as CPUID tells it, or 0 if it does not.",
				XORL(RAX, RAX),
				CPUID(),
				MOVL(RAX, R8), // highest leaf
				CMPL(R8, 0x15),
				IF(AE,
					// Leaf 0x15: TSC/crystal = EBX/EAX, ECX = the crystal in Hz
					// (SDM volume 2, CPUID).
					MOVL(0x15, RAX),
					XORL(RCX, RCX),
					CPUID(),
					TESTL(RAX, RAX),
					JE("hypervisor"),
					TESTL(RBX, RBX),
					JE("hypervisor"),
					MOVL(RCX, R9),
					TESTL(RCX, RCX),
					IF(NE,
						MOVL(RAX, RCX),
						MOVL(RBX, RAX),
						MULQ(R9),
						DIVQ(RCX),
						JMP("sane"),
					),
					// No crystal: the TSC then runs at leaf 0x16's base rate in MHz.
					CMPL(R8, 0x16),
					JB("hypervisor"),
					MOVL(0x16, RAX),
					XORL(RCX, RCX),
					CPUID(),
					MOVZWL(RAX, RAX),
					MOVL(1_000_000, RCX),
					MULQ(RCX),
					JMP("sane"),
				),
				LABEL("hypervisor"),
				MOVL(1, RAX),
				CPUID(),
				BTL(31, RCX),
				IF(B,
					MOVL(0x4000_0000, RAX),
					CPUID(),
					CMPL(RAX, 0x4000_0010),
					IF(AE,
						MOVL(0x4000_0010, RAX), // EAX: kHz (VMware's timing leaf, which KVM has too)
						CPUID(),
						MOVL(RAX, RAX),
						MOVL(1000, RCX),
						MULQ(RCX),
						JMP("sane"),
					),
				),
				LABEL("unknown"),
				XORL(RAX, RAX),
				RETURN(),
				LABEL("sane"),
				CMPQ(RAX, tscMin),
				JB("unknown"),
				MOVQ(uint64(tscMax), RCX),
				CMPQ(RAX, RCX),
				JA("unknown"),
				RETURN(),
			).Saving(RBX),
			FUNC("tsc_window", "tsc_window lets a millisecond pass by the TSC's known rate. Returns TSC ticks in RAX, APIC timer ticks in R8.",
				MOVQ(clk.TSCHz, RAX),
				XORL(RDX, RDX),
				MOVL(1000, RCX),
				DIVQ(RCX),
				MOVQ(RAX, R10),
				CALL("apic_count"),
				MOVL(RAX, R8),
				tsc(),
				MOVQ(RAX, R9),
				DO(
					PAUSE(),
					tsc(),
					SUBQ(R9, RAX),
					CMPQ(RAX, R10),
				).WHILE(B),
				MOVQ(RAX, R9),
				CALL("apic_count"),
				SUBL(RAX, R8), // it counts down
				MOVQ(R9, RAX),
				RETURN(),
			),
			FUNC("pit_window",
				`pit_window measures the TSC by the PIT and sets TSCHz. Returns TSC ticks in
RAX, APIC timer ticks in R8. An end of the window is a change of the count, and
the window grows until it is long against the time that reading took at its
ends: a guest can be stopped at any instruction.`,
				MOVL(speaker, RDX),
				INB(),
				ANDL(^3, RAX),
				ORL(1, RAX),
				OUTB(),
				MOVL(0xb0, RAX), // channel 2, both bytes, mode 0: counts down from 65535 and on
				MOVL(pitControl, RDX),
				OUTB(),
				MOVL(0xff, RAX),
				MOVL(pitChannel, RDX),
				OUTB(),
				OUTB(),

				CALL("pit_edge"),
				MOVQ(RSI, R12), // TSC at the start
				MOVQ(RAX, R13), // ticks that reading took
				MOVL(RDI, R14), // PIT count
				CALL("apic_count"),
				MOVL(RAX, R15),
				LOOP(
					MOVL(pitSpin, RCX),
					DO(DECL(RCX)).WHILE(NE),
					CALL("pit_edge"),
					SUBL(R14, RDI),
					NEGL(RDI),
					MOVZWL(RDI, RDI), // PIT ticks
					CMPL(RDI, pitWindow),
					CONTINUE(B),
					CMPL(RDI, pitMax),
					BREAK(AE),
					ADDQ(R13, RAX),
					SHLQ(7, RAX),
					MOVQ(RSI, RDX),
					SUBQ(R12, RDX),
					CMPQ(RAX, RDX),
					BREAK(BE),
				),
				CALL("apic_count"),
				SUBL(RAX, R15),
				MOVL(R15, R8),
				SUBQ(R12, RSI), // TSC ticks
				MOVL(pitHz, RAX),
				MULQ(RSI),
				DIVQ(RDI),
				MOVQ(RAX, clk.TSCHz),
				MOVQ(RSI, RAX),
				RETURN(),
			).Saving(R12, R13, R14, R15),
			FUNC("pit_edge",
				`pit_edge waits for the next PIT tick. Returns the count in EDI, the TSC before it
was read in RSI, and how long reading took in RAX. Fails by boot_fail if there
is no tick.`,
				CALL("pit_count"),
				MOVL(RAX, RDI),
				MOVL(1<<20, R9), // readings, each longer than a few ns
				LOOP(
					tsc(),
					MOVQ(RAX, RSI),
					CALL("pit_count"),
					CMPL(RAX, RDI),
					BREAK(NE),
					DECL(R9),
					IF(E,
						LEAQ(Str("no PIT, and CPUID does not tell the TSC's rate: there is nothing to tell the time by"), RDI),
						CALL("boot_fail"),
					),
				),
				MOVL(RAX, RDI),
				tsc(),
				SUBQ(RSI, RAX),
				RETURN(),
			),
			FUNC("pit_count", "pit_count returns the count of the PIT's channel 2 in EAX. Clobbers RCX, RDX.",
				MOVL(0x80, RAX), // latch channel 2
				MOVL(pitControl, RDX),
				OUTB(),
				MOVL(pitChannel, RDX),
				XORL(RAX, RAX),
				INB(),
				MOVL(RAX, RCX),
				INB(),
				SHLL(8, RAX),
				ORL(RCX, RAX),
				RETURN(),
			),
		},
		Data: []Data{BSS("clock", SizeOf[layout.Clock[Mem]](), 64)},
	}
}
