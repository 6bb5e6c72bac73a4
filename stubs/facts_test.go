package stubs

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/google/go-cmp/cmp"
)

// acts says what each instruction does, in the form of Fact.Acts: pushes fill
// the frame from pushed on down, and pops empty it from popped on up.
func acts(rows []Row, pushed, popped layout.Slot) []string {
	var list []string
	for _, r := range rows {
		if r.Label != "" {
			continue
		}
		name := r.Ins.Mnemonic()
		var args []string
		for _, arg := range r.Ins.Operands() {
			args = append(args, operand(arg))
		}
		act := strings.ToLower(name)
		switch {
		case name == "PUSHQ" && pushed > 0:
			pushed--
			act = fmt.Sprintf("%v=%s", pushed, args[0])
		case name == "POPQ" && popped < layout.NumSlots:
			act = fmt.Sprintf("%s=%v", args[0], popped)
			popped++
		case name == "MOVQ":
			act = args[1] + "=" + args[0]
			if args[1] == "RSP" { // to another stack, where there is no frame
				popped = layout.NumSlots
			}
		case len(args) > 0:
			act += ":" + strings.Join(args, ",")
		}
		list = append(list, act)
	}
	return list
}

// operand names an operand as facts do: a slot by its name, a function without its
// variant.
func operand(arg any) string {
	switch a := arg.(type) {
	case Mem:
		switch field := a.Field(); field.Frame {
		case "PtRegs":
			return layout.Slot(field.Off / 8).String()
		case "PerCPU", "Thread":
			return field.Name
		}
	case Place:
		return "over"
	case string:
		name, _, _ := CutFuncName(a)
		return name
	}
	if v := reflect.ValueOf(arg); v.CanInt() && v.Int() >= 10 || v.CanUint() && reflect.TypeOf(arg) != reflect.TypeFor[Reg]() {
		return fmt.Sprintf("%#x", arg)
	}
	return fmt.Sprint(arg)
}

// partOf returns the rows of the part of a listing that a fact describes.
func partOf(t *testing.T, obj *Object, f Fact) []Row {
	t.Helper()
	l, ok := obj.Listing(FuncName(f.Func, f.Preset))
	if !ok {
		t.Fatalf("%s has no %s", f.Preset, f.Func)
	}
	at := func(label string) int {
		i := slices.IndexFunc(l.Rows, func(r Row) bool { return r.Label == label || r.Label == FuncName(label, f.Preset) })
		if i < 0 {
			t.Fatalf("%s of %s has no %s", f.Func, f.Preset, label)
		}
		return i
	}
	from, to := 0, len(l.Rows)
	if f.From != "" {
		from = at(f.From)
	}
	if f.To != "" {
		to = at(f.To)
	}
	return l.Rows[from:to]
}

// firstSlot returns where the pushes and pops of a part begin, if they are on the frame.
func firstSlot(f Fact) (pushed, popped layout.Slot) {
	switch {
	case f.From != "":
	case f.Func == Entry:
		return layout.NumSlots, layout.NumSlots
	case f.Func == FREDEntry, f.Func == FREDKernelEntry: // below what the CPU has pushed
		return layout.SlotOrigAX, 0
	}
	if f.Pops {
		return 0, 0
	}
	return 0, layout.NumSlots
}

// TestFacts checks the presets against what their sources say, instruction by
// instruction.
func TestFacts(t *testing.T) {
	for _, f := range Facts {
		t.Run(strings.Join([]string{f.Preset, f.Func, f.From}, "/"), func(t *testing.T) {
			rows := partOf(t, linkPreset(t, f.Preset), f)
			if diff := cmp.Diff(strings.Fields(f.Acts), actsOf(f, rows)); diff != "" {
				t.Errorf("%s, %s (-source +preset):\n%s", f.Source, f.Where, diff)
			}
		})
	}
}

func linkPreset(t *testing.T, name string) *Object {
	t.Helper()
	n, err := ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	return link(t, n)
}

func actsOf(f Fact, rows []Row) []string {
	pushed, popped := firstSlot(f)
	return acts(rows, pushed, popped)
}

// TestFactsSeeDrift: in every part, an instruction that is left out, that changes
// places with the one before it, or that is replaced, is found.
func TestFactsSeeDrift(t *testing.T) {
	for _, f := range Facts {
		rows := slices.DeleteFunc(slices.Clone(partOf(t, linkPreset(t, f.Preset), f)), func(r Row) bool { return r.Label != "" })
		seen := func(what string, rows []Row) {
			if slices.Equal(actsOf(f, rows), strings.Fields(f.Acts)) {
				t.Errorf("%s, %s %s: not seen: %s", f.Preset, f.Func, f.From, what)
			}
		}
		for i, r := range rows {
			seen(r.Ins.Short()+" is left out", slices.Delete(slices.Clone(rows), i, i+1))
			another := slices.Clone(rows)
			another[i].Ins = HLT()
			seen(r.Ins.Short()+" is another", another)
			if i > 0 && !r.Ins.Equal(rows[i-1].Ins) {
				turned := slices.Clone(rows)
				turned[i-1], turned[i] = rows[i], rows[i-1]
				seen(r.Ins.Short()+" comes one earlier", turned)
			}
		}
	}
}

// TestPresetsTell: a preset of a release has facts about its entry, and each says
// what it follows, with which configuration, and what is left out.
func TestPresetsTell(t *testing.T) {
	for _, p := range Presets() {
		in := slices.ContainsFunc(Facts, func(f Fact) bool { return f.Preset == p.Name && f.From == "" && f.Func == p.Axes.EntryName() })
		if release := regexp.MustCompile(`^linux-[0-9.]+(\+fred)?$`); release.MatchString(p.Name) && !in {
			t.Errorf("no facts of the entry of %s", p.Name)
		}
		if !p.Axes.Bare && (p.Follows == "" || p.Config == "" || len(p.Left) == 0) {
			t.Errorf("%s does not say what it follows (%q), on which configuration (%q), or what is left out (%q)", p.Name, p.Follows, p.Config, p.Left)
		}
	}
}
