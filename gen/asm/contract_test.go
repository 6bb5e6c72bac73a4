package asm

import (
	"strings"
	"testing"
)

// callees are the functions that the tests call.
var callees = []Func{
	FUNC("plain", "", XORL(RAX, RAX), RETURN()).Takes(RDI).Returns(RAX),
	FUNC("keeps", "", XORL(RAX, RAX), RETURN()).Takes().Returns(RAX).Keeps(RDX),
	FUNC("flags", "", TESTL(RDI, RDI), RETURN()).Takes(RDI).Returns(FLAGS),
	FUNC("never", "", UD2()).Takes().NoReturn(),
	FUNC("old", "", RETURN()), // has no contract: the convention's
}

func TestContracts(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   Func
		want string // of the error; "" if there is none
	}{
		{"arguments", FUNC("f", "", LEAQ(RDI.Index(RSI, 1), RAX), RETURN()).Takes(RDI, RSI).Returns(RAX), ""},
		{"read of what is not taken", FUNC("f", "", MOVQ(RSI, RAX), RETURN()).Takes(RDI).Returns(RAX), "MOVQ RSI, RAX: reads RSI, which is neither taken nor written before"},
		{"address of what is not taken", FUNC("f", "", MOVQ(RDI.Index(RCX, 8), RAX), RETURN()).Takes(RDI).Returns(RAX), "reads RCX"},
		{"zeroed", FUNC("f", "", XORL(RAX, RAX), RETURN()).Takes().Returns(RAX), ""},
		{"implicit operand", FUNC("f", "", MOVQ(RDI, RAX), DIVQ(RDI), RETURN()).Takes(RDI).Returns(RAX), "DIVQ RDI: reads RDX"},
		{"count of REP", FUNC("f", "", XORL(RAX, RAX), REP(STOSB()), RETURN()).Takes(RDI), "REP STOSB: reads RCX"},
		{"written on one way only", FUNC("f", "", TESTL(RDI, RDI), IF(E, MOVL(1, RDX)), MOVL(RDX, RAX), RETURN()).Takes(RDI).Returns(RAX), "reads RDX, which is neither taken nor written before"},

		{"clobbered by a call", FUNC("f", "", MOVQ(RDI, RDX), CALL("plain"), MOVQ(RDX, RAX), RETURN()).Takes(RDI).Returns(RAX), "MOVQ RDX, RAX: reads RDX, which is lost at"},
		{"clobbered by a call without contract", FUNC("f", "", MOVQ(RDI, RDX), CALL("old"), MOVQ(RDX, RAX), RETURN()).Takes(RDI).Returns(RAX), "(CALL old)"},
		{"clobbered by a call through a pointer", FUNC("f", "", MOVQ(RDI, RDX), CALL(RDI), MOVQ(RDX, RAX), RETURN()).Takes(RDI).Returns(RAX), "(CALL *RDI)"},
		{"kept by a call through a pointer", FUNC("f", "", MOVQ(RDI, RDX), CALL(RDI).Keeps(RDX), MOVQ(RDX, RAX), RETURN()).Takes(RDI).Returns(RAX), ""},
		{"kept by a call", FUNC("f", "", MOVQ(RDI, RDX), CALL("keeps"), MOVQ(RDX, RAX), RETURN()).Takes(RDI).Returns(RAX), ""},
		{"pushed over a call", FUNC("f", "", PUSHQ(RDI), CALL("plain"), POPQ(RDI), MOVQ(RDI, RAX), RETURN()).Takes(RDI).Returns(RAX), ""},
		{"pushed when it held nothing", FUNC("f", "", PUSHQ(RSI), CALL("plain"), POPQ(RSI), MOVQ(RSI, RAX), RETURN()).Takes(RDI).Returns(RAX), "reads RSI"},
		{"flags of a call", FUNC("f", "", CALL("flags"), IF(E, MOVL(1, RDI)), RETURN()).Takes(RDI), ""},
		{"flags that a call does not return", FUNC("f", "", CALL("plain"), IF(E, MOVL(1, RDI)), RETURN()).Takes(RDI), "JNE: reads FLAGS, which is lost at"},
		{"argument of a call", FUNC("f", "", CALL("plain"), RETURN()).Takes(), "CALL plain: calls a function that takes RDI"},
		{"behind a call that never returns", FUNC("f", "", CALL("never"), MOVQ(RSI, RAX), RETURN()).Takes(), ""},

		{"saved", FUNC("f", "", MOVQ(RDI, RBX), RETURN()).Takes(RDI).Saving(RBX), ""},
		{"saved by hand", FUNC("f", "", PUSHQ(RBX), MOVQ(RDI, RBX), POPQ(RBX), RETURN()).Takes(RDI), ""},
		{"not saved", FUNC("f", "", MOVQ(RDI, RBX), RETURN()).Takes(RDI), "the function keeps RBX, which was written at"},
		{"not saved, but declared", FUNC("f", "", MOVQ(RDI, RBX), RETURN()).Takes(RDI).Spoils(RBX), ""},
		{"not restored on one way", FUNC("f", "", PUSHQ(RBX), MOVQ(RDI, RBX), TESTL(RDI, RDI), IF(E, ADDQ(8, RSP), RETURN()), POPQ(RBX), RETURN()).Takes(RDI), "the function keeps RBX"},
		{"restored from another place", FUNC("f", "", PUSHQ(RBX), PUSHQ(RBP), POPQ(RBX), POPQ(RBP), RETURN()).Takes(), "the function keeps RBX"},
		{"not kept", FUNC("f", "", XORL(RDX, RDX), RETURN()).Takes().Keeps(RDX), "the function keeps RDX"},
		{"not kept by what it calls", FUNC("f", "", CALL("plain"), RETURN()).Takes(RDI).Keeps(RDX), "the function keeps RDX"},
		{"not kept by what it goes on as", FUNC("f", "", JMP("plain")).Takes(RDI).Keeps(RDX), "JMP plain: the function keeps RDX"},
		{"no result", FUNC("f", "", RETURN()).Takes().Returns(RAX), "the function returns RAX, which is neither taken nor written before"},
		{"a result that a call has clobbered", FUNC("f", "", MOVL(1, RAX), CALL("flags"), RETURN()).Takes(RDI).Returns(RAX), "the function returns RAX, which is lost at"},
		{"bytes left on the stack", FUNC("f", "", PUSHQ(1), RETURN()).Takes(), "RET: 8 bytes are still pushed"},
		{"goes on as another with bytes on the stack", FUNC("f", "", JMP("plain")).Takes(RDI).Saving(RBX), "JMP plain: 8 bytes are still pushed"},
		{"returns although it never does", FUNC("f", "", RETURN()).Takes().NoReturn(), "the function is said never to return"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Link(Program{Funcs: append([]Func{c.fn}, callees...)}, 0x1000, 0)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "contract_test.go:")):
				t.Errorf("got %v, want ... %s ...", err, c.want)
			}
		})
	}
}
