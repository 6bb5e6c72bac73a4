package prove

import (
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

func kernelOf(t *testing.T) *asm.Object {
	t.Helper()
	n, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	return kernel.Object
}

func TestHeads(t *testing.T) {
	p, err := Heads(kernelOf(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p)
	for _, c := range p.Failed() {
		t.Error(c)
	}
	for _, w := range p.Unreached {
		t.Errorf("not reached: %v", w)
	}
}

// keptByBody: RBX, R12 and R14 are what it has changed.
const keptByBody = "paranoid_body keeps it, and what is popped instead is popped again"

// headSurvivors are the reviewed changes of the heads that the proof does not reject.
var headSurvivors = []survivor{
	survivesBefore("error_entry|paranoid_entry", one("PUSHQ", asm.R15), one("CLD"), "a push does not look at DF"),
	survivesBefore("error_entry|paranoid_entry", one("CLD"), one("MOVL"), "MOV does not look at DF"),
	survives("error_entry", one("TESTB"), "bit [01] of the constant", "of the CS of both rings these two bits are the same: a RPL of 1 or 2 has none"),
	survives("error_entry", one("TESTB"), "bit [23567] of the constant", "no CS of ring 0 has that bit: it is the selector KERNEL_CS"),
	survives("error_entry", one("JE"), "condition is (BE|LE)", "TEST clears CF and OF, and SF is 0 if all that is tested is"),
	survivesBefore("paranoid_entry", one("RDMSR"), one("XORL"), "RDMSR does not look at RBX"),
	survives("paranoid_entry", one("RDMSR"), runTwice, "it reads the same twice"),
	survives("paranoid_entry", one("TESTL", asm.RDX, asm.RDX), "register is RCX", "MSR_GS_BASE, 0xc0000101, has the sign bit too, and SF is all that is looked at"),
	survives("paranoid_entry", one("JS"), "condition is L", "TEST clears OF"),
	survivesBefore("paranoid_entry", one("SWAPGS"), one("INCL"), "SWAPGS does not look at RBX"),
	survives("paranoid_entry", one("INCL"), "the width is a byte|"+runTwice, "0 becomes another number than 0"),
	survives("paranoid_entry", one("TESTL", asm.RBX, asm.RBX), "the width is a byte", "RBX is 0 or 1"),
	survives("paranoid_entry", one("JE"), "condition is (BE|LE|P)", "RBX is 0 or 1, of which 0 has even parity, and TEST clears CF and OF"),
	survives("paranoid_entry", one("JE"), "bit [01] of the displacement", "it lands within SWAPGS, at CLC or at ADDL RDI, RAX: RAX is popped later"),
	survives("paranoid_entry", one("POPQ", asm.R15), register, keptByBody),
	survives("paranoid_entry", one("POPQ", asm.R13), "register is R([A-DS].|8|9|1[0-2]|BP)", keptByBody),
	survives("paranoid_entry", one("POPQ", asm.RBP), "register is R([A-DS].)", keptByBody),
}

// TestHeadMutants changes each instruction of the heads in every way: the proof rejects
// all but those that make no difference.
func TestHeadMutants(t *testing.T) {
	obj := kernelOf(t)
	s, err := newHeads(obj)
	if err != nil {
		t.Fatal(err)
	}
	list := mutantsIn(t, s, s.places(obj))
	reviewed, rejected := make([]int, len(headSurvivors)), 0
	for i, survives := range surviving(list) {
		n := slices.IndexFunc(headSurvivors, func(s survivor) bool { return s.has(list[i]) })
		switch {
		case !survives:
			rejected++
		case n >= 0:
			reviewed[n]++
		default:
			t.Error(list[i].unseen())
		}
	}
	for i, n := range reviewed {
		if n == 0 {
			t.Errorf("no mutant survives for the reason %q", headSurvivors[i].why)
		}
	}
	t.Logf("%d mutants: %d rejected", len(list), rejected)
}

// TestNoHeads: a program without the kernel's entries says so.
func TestNoHeads(t *testing.T) {
	n, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	obj, err := link(n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Heads(obj); err == nil || !strings.Contains(err.Error(), "error_entry") {
		t.Errorf("it says %v", err)
	}
}
