package asm

import (
	"encoding/hex"
	"testing"
)

// TestDisassemble reads the golden bytes back: all of 64-bit code except instructions
// with a prefix or a symbol.
func TestDisassemble(t *testing.T) {
	rows := readGolden(t)
	for _, c := range encCases() {
		switch c.in.p.name {
		case "RDRANDQ", // the decoder finds no operand in R8 to R15's
			"LKGS": // nor knows anything of FRED
			continue
		}
		if c.bits != 64 || c.label != "" || rows[c.key()].relocs != "" || c.in.p.prefix != noPrefix {
			continue
		}
		code, err := hex.DecodeString(rows[c.key()].hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Ins{disassemble(code)}); !got.Equal(c.in) && !sameBytes(t, got, c.in) {
			t.Errorf("%x: got %v, want %v", code, got, c.in)
		}
	}
}

// sameBytes reports whether two instructions are the same to the CPU: MOVQ of an
// unsigned 32-bit constant is MOVL, -1 in 32 bits is 0xffffffff, and TEST and
// XCHG take their operands in either order.
func sameBytes(t *testing.T, a, b Ins) bool {
	t.Helper()
	return encCase{bits: 64, in: a}.encode(t) == encCase{bits: 64, in: b}.encode(t)
}

func TestDisassembleUnknown(t *testing.T) {
	for _, tt := range []struct {
		name string
		code []byte
		want string
	}{
		{"no instruction", []byte{0x06}, ""},
		{"two instructions", []byte{0x90, 0x90}, ""},
		{"vector", []byte{0x0f, 0x58, 0xc1}, "ADDPS"},
		{"three operands", []byte{0x6b, 0xc3, 0x10}, "IMULL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Ins{disassemble(tt.code)}); got.Mnemonic() != tt.want || len(got.Operands()) > 0 {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

// TestCPL: which instructions ring 3 may not execute, by the table and by the operands.
func TestCPL(t *testing.T) {
	for _, tt := range []struct {
		in   Ins
		want int
	}{
		{SYSRETQ(), 0},
		{SWAPGS(), 0},
		{STAC(), 0},
		{OUTSB(), 0},
		{MOVQ(CR3, RAX), 0},
		{MOVQ(RAX, DR7), 0},
		{MOVQ(RAX, RBX), 3},
		{MOVW(RAX, DS), 3},
		{POPFQ(), 3}, // it leaves IF alone
		{IRETQ(), 3},
		{VERW(RSP.At(0)), 3},
	} {
		t.Run(tt.in.String(), func(t *testing.T) {
			if got := tt.in.CPL(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func endless() Func { return FUNC("endless", "", LOOP(PAUSE())) }

func TestEqual(t *testing.T) {
	th := Fields[struct{ A, B Mem }](RBX)
	for _, tt := range []struct {
		name string
		a, b Ins
		want bool
	}{
		{"the same", MOVQ(RAX, RBX), MOVQ(RAX, RBX), true},
		{"another operand", MOVQ(RAX, RBX), MOVQ(RAX, RCX), false},
		{"another order", MOVQ(RAX, RBX), MOVQ(RBX, RAX), false},
		{"another mnemonic", MOVQ(RAX, RBX), MOVL(RAX, RBX), false},
		{"another prefix", REP(MOVSB()), MOVSB(), false},
		{"another number of operands", NOP(), INT3(), false},
		{"another type of constant", MOVL(uint16(5), RAX), MOVL(5, RAX), true},
		{"another constant", MOVL(5, RAX), MOVL(6, RAX), false},
		{"constant and register", MOVQ(1, RAX), MOVQ(RAX, RAX), false},
		{"field and address", MOVQ(th.B, RAX), MOVQ(RBX.At(8), RAX), true},
		{"another address", MOVQ(th.B, RAX), MOVQ(th.A, RAX), false},
		{"a comment", NOP().C("why"), NOP(), true},
		{"a function and its name", CALL(endless), CALL("endless"), true},
		{"the address of a function", LEAQ(Sym(endless), RAX), LEAQ(Sym(endless), RAX), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Equal(tt.b); got != tt.want {
				t.Errorf("%v and %v: %v, want %v", tt.a, tt.b, got, tt.want)
			}
		})
	}
}
