package broken

import (
	"slices"
	"strings"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// TestVariants: each edit finds its instruction, and no variant is named as a
// preset or twice.
func TestVariants(t *testing.T) {
	var list []stubs.Variant
	for _, v := range Variants() {
		if _, err := stubs.ParseVariant(v.Name); err == nil {
			t.Errorf("%s is the name of a sound variant", v.Name)
		}
		list = append(list, v.Variant)
	}
	if _, err := stubs.ProgramOf(list); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	if v, err := Find("rsp-off"); err != nil || v.Base != "linux-3.19" {
		t.Errorf("got %v, %v", v.Base, err)
	}
	if _, err := Find("linux-3.19"); err == nil || !strings.Contains(err.Error(), "want one of ") || !strings.Contains(err.Error(), " r10-not-passed,") {
		t.Errorf("error is %v", err)
	}
}

func TestEdit(t *testing.T) {
	program := func() *Program {
		return &Program{Funcs: []Func{
			FUNC("f.x", "", NOP(), Block{CLI(), Block{NOP()}}, UD2()),
			FUNC("g.x", "", CLI()),
		}}
	}
	for _, tt := range []struct {
		name, function string
		was            Ins
		with           []Item
		want           []Ins // what f then is
		err            string
	}{
		{name: "leave out", function: "f", was: CLI(), want: []Ins{NOP(), NOP(), UD2()}},
		{name: "replace", function: "f", was: UD2(), with: []Item{STI(), HLT()}, want: []Ins{NOP(), CLI(), NOP(), STI(), HLT()}},
		{name: "twice", function: "f", was: NOP(), err: `f has 2 times "NOP"`},
		{name: "not there", function: "f", was: STI(), err: `f has 0 times "STI"`},
		{name: "no such function", function: "h", was: CLI(), err: `h has 0 times "CLI"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := program()
			err := Edit(tt.function, tt.was, tt.with...)(p)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %s", err, tt.err)
				}
				return
			}
			if got := flat(p.Funcs[0].Body); err != nil || !slices.EqualFunc(got, tt.want, Ins.Equal) {
				t.Errorf("f is %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func flat(b Block) (list []Ins) {
	for _, item := range b {
		switch item := item.(type) {
		case Block:
			list = append(list, flat(item)...)
		case Ins:
			list = append(list, item)
		}
	}
	return list
}
