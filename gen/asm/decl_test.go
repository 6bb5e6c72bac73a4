package asm

import (
	"strings"
	"testing"
)

// Two functions that name each other, and data that point to both.
func ping() Func {
	return FUNC("ping", "", LEAQ(Sym(pong), RAX), CALL(pong), LEAQ(Sym(counter), RDX), LEAQ(Sym(pair), RCX), RET())
}
func pong() Func { return FUNC("pong", "", JMP(ping)) }
func pair() Data { return DATA("pair", PTR(ping), PTR(pong)) }

var counter = BSS("counter", 8, 8)

// numbered are functions of one declaration.
type numbered string

func (n numbered) fn() Func { return FUNC(string(n), "", JMP(numbered("two").fn)) }

func TestDeclarations(t *testing.T) {
	obj, err := Link(Program{Funcs: Funcs(ping, pong, numbered("one").fn, numbered("two").fn), Data: []Data{counter, pair()}}, 0x1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ function, want string }{
		{"ping", "LEAQ    pong, RAX"},
		{"ping", "CALL    pong"},
		{"ping", "LEAQ    counter, RDX"},
		{"pong", "JMP     ping"},
		{"one", "JMP     two"},
	} {
		l, ok := obj.Listing(c.function)
		if !ok || !strings.Contains(l.String(), c.want) {
			t.Errorf("%s has no %q:\n%v", c.function, c.want, l)
		}
	}
	if got := CALL(pong).String(); got != "CALL    pong" {
		t.Errorf("unlinked: %q", got)
	}
}

func TestUndeclared(t *testing.T) {
	_, err := Link(Program{Funcs: Funcs(ping)}, 0x1000, 0)
	for _, want := range []string{
		"CALL pong: pong is not a label of this function, nor a function",
		"LEAQ pong, RAX: pong is not a function or data of the program",
		"LEAQ counter, RDX: counter is not a function or data of the program",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}
