package gdb

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
)

// scripted returns a stub that says what the text holds, whatever it is asked.
func scripted(text string) *Stub { return &Stub{io.Discard, bufio.NewReader(strings.NewReader(text))} }

func packet(data string) string { return fmt.Sprintf("+$%s#%02x", data, sum(data)) }

func TestStubTrouble(t *testing.T) {
	regs := func(s *Stub) error { _, err := s.Registers(); return err }
	step := func(s *Stub) error { return s.Step() }
	for _, row := range []struct {
		name, said string
		do         func(*Stub) error
		want       string
	}{
		{"gone", "", step, "no answer"},
		{"gone after the +", "+", step, "EOF"},
		{"refused", "-", step, "not received whole"},
		{"damaged", "+$T05#00", step, "sum is 00, want b9"},
		{"cut in the sum", "+$T05#b", step, "EOF"},
		{"ended", packet("W00"), step, ErrEnded.Error()},
		{"another signal", packet("T0b"), step, "want a stop"},
		{"few registers", packet("0011"), regs, "registers are"},
		{"no registers", packet(strings.Repeat("x", 272)), regs, "registers are"},
		{"no breakpoint", packet("E22"), func(s *Stub) error { return s.Break(1) }, `"E22"`},
		{"the second of two breakpoints", packet("OK") + packet("E22"), func(s *Stub) error { return s.Break(1, 2) }, `"Z0,2,1" was answered by "E22"`},
		{"no detach", packet(""), (*Stub).Detach, `"D"`},
		{"no monitor", packet(""), func(s *Stub) error { return s.Monitor("x") }, `"x" was answered by ""`},
		{
			"a command that the monitor does not know", packet("O"+hex.EncodeToString([]byte("unknown "))) + packet("O" + hex.EncodeToString([]byte("command\r\n")))[1:] + packet("OK")[1:],
			func(s *Stub) error { return s.Monitor("x") }, `"x": unknown command`,
		},
	} {
		if err := row.do(scripted(row.said)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q in it", row.name, err, row.want)
		}
	}
	if err := step(scripted("+$T0" + packet("T05")[1:])); err != nil {
		t.Errorf("a packet that begins anew: %v", err)
	}
	s := scripted(packet("0100000000000000" + strings.Repeat("00", 8*15) + "000010f8ffffffff" + "02000000" + strings.Repeat("00", 6*4+9*8+8*10+8*4) + "0200000000000000" + strings.Repeat("00", 31*8) + "801f0000"))
	if r, err := s.Registers(); err != nil || r != (Registers{RAX: 1, RIP: 0xfffffffff8100000, Flags: 2, XMM: [16][2]uint64{{2}}, MXCSR: 0x1f80}) {
		t.Errorf("registers are %+v and %v", r, err)
	}
}

// TestSent: what goes to the stub is what its protocol asks for.
func TestSent(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(*Stub) error
		want []string // packets' data
	}{
		{"a breakpoint", func(s *Stub) error { return s.Break(0xfff) }, []string{"Z0,fff,1"}},
		{"a physical word", func(s *Stub) error { return s.WritePhysical(0xfee00000, 0x400) }, []string{"Qqemu.PhyMemMode:1", "Mfee00000,4:00040000", "Qqemu.PhyMemMode:0"}},
		{"breakpoints", func(s *Stub) error { return s.Break(1, 0xff) }, []string{"Z0,1,1", "Z0,ff,1"}},
		{"words", func(s *Stub) error { return s.WriteWords([]uint64{0x10, 0x18, 0x30}, []uint64{1, 2, 3}) }, []string{
			"M10,10:01000000000000000200000000000000", "M30,8:0300000000000000",
		}},
		{"registers that change", func(s *Stub) error {
			return s.SetAll(Registers{RAX: 1, CR3: 1}, Registers{RAX: 1, RIP: 2, SS: 0x18, GSBase: 3, CR3: 1, XMM: [16][2]uint64{15: {4, 5}}, MXCSR: 6, X87Control: [8]uint32{FCTRL: 7}, X87: [8][10]byte{7: {9: 8}}})
		}, []string{"P10=0200000000000000", "P13=18000000", "P19=0300000000000000", "P40=04000000000000000500000000000000", "P41=06000000", "P29=07000000", "P28=00000000000000000008"}},
		{"a word", func(s *Stub) error { return s.Write(0x10, 1) }, []string{"M10,8:0100000000000000"}},
		{"the monitor", func(s *Stub) error { return s.Monitor("nmi") }, []string{"qRcmd,6e6d69"}},
		{
			"registers", func(s *Stub) error { return s.SetRegisters(Registers{RAX: 1, RSI: 2, RDI: 3, RIP: 4, Flags: 5}) },
			[]string{"P0=0100000000000000", "P4=0200000000000000", "P5=0300000000000000", "P10=0400000000000000", "P11=05000000"},
		},
	} {
		var sent, want strings.Builder
		s := &Stub{&sent, bufio.NewReader(strings.NewReader(strings.Repeat(packet("OK"), len(row.want))))}
		for _, data := range row.want {
			fmt.Fprintf(&want, "$%s#%02x", data, sum(data))
		}
		want.WriteByte('+')
		if err := row.do(s); err != nil || sent.String() != want.String() {
			t.Errorf("%s: sent %q and %v, want %q", row.name, sent.String(), err, want.String())
		}
	}
}

// TestDetach: what the machine answers is not acknowledged, as it may have ended.
func TestDetach(t *testing.T) {
	var sent strings.Builder
	s := &Stub{&sent, bufio.NewReader(strings.NewReader(packet("OK")))}
	if err := s.Detach(); err != nil || sent.String() != "$D#44" {
		t.Errorf("sent %q and %v", sent.String(), err)
	}
}

// TestTogether: words that follow each other are read and written at once, with the
// registers, and before a step.
func TestTogether(t *testing.T) {
	s := scripted(packet("0100000000000000"+strings.Repeat("00", 600)) + packet("0200000000000000"+"0300000000000000") + packet("0400000000000000"))
	if r, words, err := s.RegistersWords([]uint64{0x10, 0x18, 0x30}); err != nil || r.RAX != 1 || fmt.Sprint(words) != "[2 3 4]" {
		t.Errorf("registers and words are %+v, %v and %v", r, words, err)
	}
	if _, err := scripted(packet("E14")).Words([]uint64{0x10}); err == nil || !strings.Contains(err.Error(), `"m10,8" was answered by "E14"`) {
		t.Errorf("an address without memory: %v", err)
	}
	if err := scripted(packet("E14")+packet("T05")).WriteStep([]uint64{0x10}, []uint64{1}); err == nil || !strings.Contains(err.Error(), `"M10,8:0100000000000000" was answered by "E14"`) {
		t.Errorf("a write that fails before a step: %v", err)
	}
}
