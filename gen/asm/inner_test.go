package asm

import (
	"strings"
	"testing"
)

// TestInner: a name in the middle of an instruction is where it says, other code may go
// there, and the listing has no line for it.
func TestInner(t *testing.T) {
	p := Program{Funcs: []Func{
		FUNC("test", "", TESTB(0xcc, RBX).Inner(1, "inner").C("inner is its second byte"), JMP("inner")),
		FUNC("user", "", CALL("inner"), RET()),
	}}
	obj, err := Link(p, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	test, _ := obj.Addr("test")
	if inner, ok := obj.Addr("inner"); !ok || inner != test+1 {
		t.Errorf("inner is at %#x, %v, want %#x", inner, ok, test+1)
	}
	l, _ := obj.Listing("test")
	if want := "f6c3cc"; !strings.Contains(l.String(), want) || strings.Contains(l.String(), "inner:") {
		t.Errorf("the listing is\n%vwant %s, and no line for the name", l, want)
	}
	for _, off := range []int{-1, 0, 3} {
		_, err := Link(Program{Funcs: []Func{FUNC("test", "", TESTB(0xcc, RBX).Inner(off, "inner"), RET())}}, 1<<20, 0)
		if err == nil || !strings.Contains(err.Error(), "bytes into an instruction of 3") {
			t.Errorf("at %d: error is %v", off, err)
		}
	}
}

// TestAt: a function is where its alignment says, whatever is before it.
func TestAt(t *testing.T) {
	for _, tt := range []struct {
		align, skew int
		err         string
	}{
		{0, 0, ""},
		{32, 0, ""},
		{64, 0, ""},
		{64, 63, ""},
		{64, 27, ""},
		{64, 64, "want a power of two"},
		{48, 0, "want a power of two"},
		{64, -1, "want a power of two"},
		{0, 1, "want a power of two"},
	} {
		for before := range 3 {
			p := Program{Funcs: []Func{FUNC("before", "", RET())}}
			for range before {
				p.Funcs[0].Body = append(Block{NOP()}, p.Funcs[0].Body...)
			}
			p.Funcs = append(p.Funcs, FUNC("f", "", RET()).At(tt.align, tt.skew))
			obj, err := Link(p, 1<<20, 0)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("At(%d, %d): error is %v", tt.align, tt.skew, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if at, _ := obj.Addr("f"); at%uint64(max(tt.align, funcAlign)) != uint64(tt.skew) {
				t.Errorf("At(%d, %d) is at %#x", tt.align, tt.skew, at)
			}
		}
	}
}
