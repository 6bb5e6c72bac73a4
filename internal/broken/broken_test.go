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
	var list []stubs.Named
	for _, v := range Variants() {
		if _, err := stubs.ParseVariant(v.Name); err == nil {
			t.Errorf("%s is the name of a sound variant", v.Name)
		}
		list = append(list, v.Named)
	}
	if _, err := stubs.ProgramOf(list); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	if v, err := Find("rsp-off"); err != nil || v.Base != "linux-3.19" {
		t.Errorf("got %v, %v", v.Base, err)
	}
	if _, err := Find("linux-3.19"); err == nil || !strings.Contains(err.Error(), "want one of r10-not-passed,") {
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
		name, function, text string
		with                 []Item
		want                 []string // what f prints as
		err                  string
	}{
		{name: "leave out", function: "f", text: "CLI", want: []string{"NOP", "NOP", "UD2"}},
		{name: "replace", function: "f", text: "UD2", with: []Item{STI(), HLT()}, want: []string{"NOP", "CLI", "NOP", "STI", "HLT"}},
		{name: "twice", function: "f", text: "NOP", err: `f has 2 times "NOP"`},
		{name: "not there", function: "f", text: "STI", err: `f has 0 times "STI"`},
		{name: "no such function", function: "h", text: "CLI", err: `h has 0 times "CLI"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := program()
			err := Edit(tt.function, tt.text, tt.with...)(p)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %s", err, tt.err)
				}
				return
			}
			if got := flat(p.Funcs[0].Body); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("f is %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func flat(b Block) (texts []string) {
	for _, item := range b {
		switch item := item.(type) {
		case Block:
			texts = append(texts, flat(item)...)
		case Ins:
			texts = append(texts, strings.TrimSpace(item.String()))
		}
	}
	return texts
}
