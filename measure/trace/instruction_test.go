package trace

import (
	"debug/elf"
	"encoding/hex"
	"testing"
)

// TestInstruction: the text of an instruction, and what it does with memory.
func TestInstruction(t *testing.T) {
	for _, row := range []struct {
		code, text                string
		loads, stores, gs, target int
	}{
		{"f30f1efa", "endbr64", 0, 0, 0, 0},
		{"0f01f8", "swapgs", 0, 0, 0, 0},
		{"0f01ca", "clac", 0, 0, 0, 0},
		{"480f07", "sysretq", 0, 0, 0, 0},
		{"48cf", "iretq", 1, 0, 0, 0},
		{"4889e5", "mov %rsp,%rbp", 0, 0, 0, 0},
		{"654889242500000000", "mov %rsp,%gs:0x0", 0, 1, 1, 0},
		{"65488b242540000000", "mov %gs:0x40,%rsp", 1, 0, 1, 0},
		{"f7842478c0ffff00010000", "testl $0x100,-0x3f88(%rsp)", 1, 0, 0, 0},
		{"48890424", "mov %rax,(%rsp)", 0, 1, 0, 0},
		{"ff14c580221280", "callq *-0x7feddd80(,%rax,8)", 1, 1, 0, 1},
		{"ffd0", "call *%rax", 0, 1, 0, 1},
		{"e800000000", "callq 0x1005", 0, 1, 0, 0},
		{"c3", "retq", 1, 0, 0, 0},
		{"6a2b", "pushq $0x2b", 0, 1, 0, 0},
		{"65ff342514600000", "pushq %gs:0x6014", 1, 1, 1, 0},
		{"830701", "addl $0x1,(%rdi)", 1, 1, 0, 0},
		{"488d4c240f", "lea 0xf(%rsp),%rcx", 0, 0, 0, 0},
		{"0f1f4000", "nopl (%rax)", 0, 0, 0, 0},
		{"ffffff", "(unknown) ff ff ff", 0, 0, 0, 0},
	} {
		code, err := hex.DecodeString(row.code)
		if err != nil {
			t.Fatal(err)
		}
		s := Step{Addr: 0x1000, Code: code}
		if got := s.Text(); got != row.text {
			t.Errorf("%s is %q, want %q", row.code, got, row.text)
		}
		if n := length(append(code, 0x90, 0x90)); row.loads >= 0 && row.text[0] != '(' && n != len(code) {
			t.Errorf("%s has %d bytes, want %d", row.text, n, len(code))
		}
		var w Work
		w.add(s)
		if want := (Work{Instructions: 1, Loads: row.loads, Stores: row.stores, GS: row.gs, Indirect: row.target}); w != want {
			t.Errorf("%s: %+v, want %+v", row.text, w, want)
		}
	}
}

// TestByFunc: a loop's bytes count once, its instructions each time.
func TestByFunc(t *testing.T) {
	nop, ret := []byte{0x90}, []byte{0xc3}
	p := Path{Steps: []Step{{Addr: 0, Code: nop, Func: "f"}, {Addr: 1, Code: nop, Func: "f"}, {Addr: 0, Code: nop, Func: "f"}, {Addr: 64, Code: ret, Func: "g", Start: 64}}}
	list, all := p.ByFunc()
	if len(list) != 2 || list[0].Func != "f" || list[0].Work != (Work{Instructions: 3, Bytes: 2, Lines: 1}) || list[1].Work != (Work{Instructions: 1, Loads: 1, Bytes: 1, Lines: 1}) {
		t.Errorf("functions are %+v", list)
	}
	if all != (Work{Instructions: 4, Loads: 1, Bytes: 3, Lines: 2}) {
		t.Errorf("all is %+v", all)
	}
}

// TestPlace: an address is in the function that begins last before it, behind its last
// label.
func TestPlace(t *testing.T) {
	im := newImage([]elf.Symbol{
		{Name: "g", Value: 32, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)},
		{Name: "out", Value: 24},
		{Name: "f", Value: 16, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)},
	})
	for at, want := range map[uint64][2]string{15: {}, 16: {"f", ""}, 24: {"f", "out"}, 31: {"f", "out"}, 40: {"g", ""}} {
		if fn, _, label := im.place(at); fn != want[0] || label != want[1] {
			t.Errorf("%d is in %s behind %q, want %q", at, fn, label, want)
		}
	}
}
