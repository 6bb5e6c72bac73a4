package asm

import "testing"

type gsT[T any] struct{ KernelStack, RSP T }
type fr[T any] struct{ IP, CS, Flags, SP, SS T }

func TestSmoke(t *testing.T) {
	gs := Fields[gsT[Mem]](GS)
	iret := Slots[fr[Slot]]()
	f := FUNC("entry_SYSCALL_64", "state on entry: RCX holds the user RIP",
		SWAPGS(),
		MOVQ(RSP, gs.RSP),
		MOVQ(gs.KernelStack, RSP),
		FRAME(SizeOf[fr[Mem]]()),
		PUSHQ(0x2b).Is(iret.SS),
		PUSHQ(gs.RSP).Is(iret.SP),
		PUSHQ(R11).Is(iret.Flags).C("SYSCALL left RFLAGS here"),
		PUSHQ(0x33).Is(iret.CS),
		PUSHQ(RCX).Is(iret.IP),
		CMPQ(RAX, 322),
		JA("bad"),
		CALL(Sym("table").Index(RAX, 8)),
		LABEL("bad"),
		LOOP(
			INCQ(RAX),
			CMPQ(RAX, 10),
			BREAK(AE),
			IF(E, LEAQ(Str("hello"), RSI)).ELSE(XORL(RSI, RSI)),
		),
		MOVQ(RAX, RDI.At(8)).Fault("bad"),
		REP(STOSQ()),
		JE("other"),
		SWAPGS(),
		IRETQ(),
	)
	o, err := Link(Program{Funcs: []Func{f, FUNC("other", "", MOVQ(GS.At(0), RAX), RETURN()).Saving(RBX)}, Data: []Data{DATA("table", PTR("other"), uint64(1)), BSS("x", 100, 4096)}}, 0xffffffff80100000, 0xffffffff80000000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range o.Listings {
		t.Logf("\n%v", l)
	}
	for _, s := range o.Symbols {
		t.Logf("%x %s", s.Addr, s.Name)
	}
	_, err = Link(Program{Funcs: []Func{FUNC("e", "", FRAME(40), PUSHQ(1).Is(iret.SP), ADDQ(0x80000000, RAX), POPQ(5), MOVQ(RAX, 5), LABEL("a"), LABEL("a"), JMP("nowhere"))}}, 0xffffffff80100000, 0xffffffff80000000)
	t.Log(err)
}
