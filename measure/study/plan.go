// Package study asks the question that entrylab was made for: what does each part of a
// change to the entry path cost, on each engine? It holds the plan (which variants and
// which differences) and words the answer of package analysis as a page.
package study

import (
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// Names of variants that the study mentions.
const (
	base  = "linux-3.19"
	whole = "heukelum-v2"
	floor = wire.Floor

	// heukelum-v2 with other exits and with the other build, as axes.
	wholeAxes = "sp=frame,flags=flags,top=eager,irq=frame"
	push      = wholeAxes + ",build=push"
	iret      = wholeAxes + ",exit=iret"
	pushIRET  = push + ",exit=iret"
	chosen    = wholeAxes + ",exit=opportunistic"
)

// Change is a step from one entry path to another. The study asks what it costs.
type Change struct {
	// Key is a short name, Title says what the change does.
	Key, Title string
	// Pairs name the variants without and with the change. The first pair is the
	// headline; in the others, the same change is made to other variants.
	Pairs [][2]string
	// Exit is set if the two variants end a call by different instructions: only an engine
	// that runs these can tell them apart.
	Exit bool
}

// Changes are the changes that the mail wants benchmarked one by one, and those that
// Linux made.
var Changes = []Change{
	{Key: "(a)", Title: "the user's RSP in the frame, not in a per-CPU slot and thread.usersp", Pairs: [][2]string{
		{base, base + "+a"}, {base + "+b", base + "+a+b"}, {base + "+c", base + "+a+c"}, {base + "+b+c", whole},
	}},
	{Key: "(b)", Title: "the user's flags in their own slot, too", Pairs: [][2]string{
		{base, base + "+b"}, {base + "+a", base + "+a+b"}, {base + "+c", base + "+b+c"}, {base + "+a+c", whole},
	}},
	{Key: "(b) Linux", Title: "the user's flags in their own slot instead of r11's, as Linux's commit has it", Pairs: [][2]string{
		{base, base + "+b-linux"}, {base + "+a", base + "+a+b-linux"},
	}},
	{Key: "(c)", Title: "CS, SS and RCX filled at every entry", Pairs: [][2]string{
		{base, base + "+c"}, {base + "+a", base + "+a+c"}, {base + "+b", base + "+b+c"}, {base + "+a+b", whole},
	}},
	{Key: "(a)+(b)", Title: "nothing is left to restore", Pairs: [][2]string{{base, base + "+a+b"}}},
	{Key: "(a)+(b)+(c)", Title: "a frame as IRETQ wants it, at every call", Pairs: [][2]string{{base, whole}}},
	{Key: "push", Title: "that frame built by PUSH, not by MOV", Pairs: [][2]string{{whole, push}, {iret, pushIRET}}},
	{Key: "Linux 4.1", Title: "the frame pushed, with room for all registers", Pairs: [][2]string{{base, "linux-4.1"}}},
	{Key: "IRETQ", Title: "that frame left by IRETQ, not by SYSRETQ", Exit: true, Pairs: [][2]string{{whole, iret}, {push, pushIRET}}},
	{Key: "opportunistic", Title: "SYSRETQ only if IRETQ would do the same", Pairs: [][2]string{{whole, chosen}}},
}

// Ends returns the variants of the headline, by the names that results use.
func (c Change) Ends() (from, to string) { return name(c.Pairs[0][0]), name(c.Pairs[0][1]) }

// Trade asks for a break-even rate: from which share of full-frame calls on is the path
// cheaper that fills the frame at every entry?
type Trade struct{ Lazy, Eager string }

// Trades are the break-even rates of the study.
var Trades = []Trade{{base, base + "+c"}, {base + "+a+b", whole}, {base, whole}, {base, "linux-4.1"}}

// Variants returns the variants that the study measures, the base first and the floor last.
func Variants() ([]stubs.Variant, error) {
	var list []stubs.Variant
	for _, v := range planned {
		n, err := stubs.ParseVariant(v)
		if err != nil {
			return nil, fmt.Errorf("study: %w", err)
		}
		list = append(list, n)
	}
	return list, nil
}

// name returns the name that results use for a variant of the plan.
func name(s string) string {
	if n, err := stubs.ParseVariant(s); err == nil {
		return n.Name
	}
	return s
}

// titles are names for readers. They replace names that list axes.
var titles = map[string]string{
	name(push):     whole + ", push",
	name(iret):     whole + ", IRETQ",
	name(pushIRET): whole + ", push, IRETQ",
	name(chosen):   whole + ", opportunistic",

	name(base + "+a+b-linux"): base + "+a+b-linux",
}

// Operations that the study mentions.
const (
	nullCall  = wire.OpNullCall
	fullFrame = wire.OpFullFrameCall
)

// planned returns the names of the study's variants.
var planned = func() []string {
	var names []string
	for _, c := range Changes {
		for _, p := range c.Pairs {
			for _, n := range p {
				if !slices.Contains(names, name(n)) {
					names = append(names, name(n))
				}
			}
		}
	}
	return append(names, floor)
}()

// Title returns a variant's name for readers.
func Title(variant string) string {
	if t, ok := titles[variant]; ok {
		return t
	}
	return variant
}
