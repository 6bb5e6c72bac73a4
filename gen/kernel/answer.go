package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// answer is what boot/proto and the kernel know of an answer.
var answer = Fields[layout.Answer[Mem]](Sym(answerData))

// answers keeps what console and log say, where firmware can write it to a file, and
// gives the machine back to the firmware.
func answers() Program {
	return Program{
		Funcs: Funcs(
			answerAdd, resultsAdd, answerReason, answerLeave, sysBootSeries, biosNextBoot,
		),
		Data: []Data{
			answerData, bootSeries, biosBoots,
		},
	}
}

var answerData = BSS("answer", SizeOf[layout.Answer[Mem]](), 8)

var bootSeries = BSS("boot_series", SizeOf[layout.BootSeries[Mem]](), 8)

func answerAdd() Func {
	return FUNC("answer_add", "answer_add adds the RSI bytes at RDI to what console and log say, if that is kept.",
		addTo(answer.Console),
	).Takes(RDI, RSI)
}

func resultsAdd() Func {
	return FUNC("results_add", "results_add adds the RSI bytes at RDI to the results, if they are kept.",
		addTo(answer.Results),
	).Takes(RDI, RSI)
}

// addTo adds the RSI bytes at RDI to a file of the answer, and returns.
func addTo(f layout.AnswerFile[Mem]) Block {
	return Block{
		MOVQ(f.Text, RAX),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(f.Len, RDX),
		MOVQ(f.Room, RCX),
		SUBQ(RDX, RCX),
		CMPQ(RCX, RSI),
		IF(A, MOVQ(RSI, RCX)),
		SUBQ(RCX, RSI),
		ADDQ(RSI, f.Lost),
		ADDQ(RCX, f.Len),
		ADDQ(RDX, RAX),
		MOVQ(RDI, RSI),
		MOVQ(uint64(layout.PhysMap), RDI),
		ADDQ(RAX, RDI),
		CLD(),
		REP(MOVSB()),
		RETURN(),
	}
}

func answerReason() Func {
	return FUNC("answer_reason", "answer_reason writes to the log why there will be no file with the answer, if there is a reason.",
		CMPQ(answer.Why, 0),
		IF(E, RETURN()),
		say("entrylab: the answer will not be in a file: "),
		MOVQ(answer.Why, RDI),
		CALL(printk),
		say("\n"),
		RETURN(),
	).Takes()
}

func answerLeave() Func {
	status := R12
	return FUNC("answer_leave",
		`answer_leave gives the machine back to the firmware, with EDI for machine_exit: it
ends at answer.Return. No interrupt of the kernel may come to the firmware, so that one
which is pending is taken here.`,
		MOVL(RDI, status),
		CALL(stealEnd),
		apicWrite(x86.APIC_LVTT, apicMasked|x86.LOCAL_TIMER_VECTOR),
		apicWrite(x86.APIC_TMICT, 0),
		CMPL(status, layout.ExitPanic),
		IF(B, // the kernel can still take an interrupt
			STI(),
			NOP(),
			NOP(),
			CLI(),
		),
		MOVQ(uint64(layout.KernelBase), RCX),
		MOVQ(answer.Identity, RAX),
		ORQ(x86.PAGE_PRESENT|x86.PAGE_RW, RAX),
		MOVQ(RAX, Sym(initPgDir)),
		LEAQ(Sym(initPgDir), RAX),
		SUBQ(RCX, RAX),
		MOVQ(RAX, CR3),
		LEAQ(Sym(answerData), RSI),
		SUBQ(RCX, RSI),
		MOVL(status, RDI),
		JMP(answer.Return),
	).Takes(RDI).NoReturn()
}

func sysBootSeries() Func {
	buf, room := RBX, R12
	series := Fields[layout.BootSeries[Mem]](Sym(bootSeries))
	return FUNC("sys_boot_series", "sys_boot_series(series, buf, size) is layout.SysBootSeries.",
		MOVQ(RSI, buf),
		MOVQ(RDX, room),
		MOVQ(1, series.Boot),
		MOVQ(1, series.Boots),
		CMPQ(answer.Console.Text, 0),
		IF(NE,
			MOVQ(1, series.Kept),
			copyField(answer.Boot, series.Boot),
			copyField(Sym(answerBoots), series.Boots),
			copyField(answer.EarlierLen, series.EarlierLen),
		).ELSE(
			CMPQ(Sym(biosBoots), 0),
			IF(NE,
				copyField(answer.Boot, series.Boot),
				copyField(Sym(biosBoots), series.Boots),
			),
		),
		LEAQ(Sym(bootSeries), RSI),
		MOVL(SizeOf[layout.BootSeries[Mem]](), RDX),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(answer.EarlierLen, RDX),
		CMPQ(RDX, room),
		CMOVQA(room, RDX),
		MOVQ(uint64(layout.PhysMap), RSI),
		ADDQ(answer.Earlier, RSI),
		MOVQ(buf, RDI),
		CALL(copyToUser),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}
