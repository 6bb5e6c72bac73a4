package trace

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/internal/align"
	"github.com/entrylab/entrylab/stubs"
)

// Pair is a step of two paths. The side that has no such step is nil.
type Pair struct {
	Left, Right *Step
	// Part is the function, with those inlined in it that the step belongs to (Step.Within),
	// or, in the assembly, the stage.
	Part string
	// Same is set if both run the same instruction in the same part. Where code and data
	// lie may differ, and which registers are used; Renamed is set if these do.
	Same, Renamed bool
}

// maxCells bounds the table by which two paths are compared.
const maxCells = 64 << 20

// Diff sets two executed paths side by side: as many steps as possible are paired, in
// their order (the longest common subsequence).
func Diff(left, right Path) ([]Pair, error) {
	a, b := keys(left), keys(right)
	if (len(a)+1)*(len(b)+1) > maxCells {
		return nil, fmt.Errorf("trace: paths of %d and %d instructions are too long to compare", len(a), len(b))
	}
	parts := [2][]string{left.parts(Step.Within), right.parts(Step.Within)}
	var out []Pair
	align.Sequences(len(a), len(b), func(i, j int) bool { return a[i] == b[j] },
		func(i, j int) {
			l, r := &left.Steps[i], &right.Steps[j]
			out = append(out, Pair{l, r, parts[1][j], true, registers(l.Code) != registers(r.Code)})
		},
		func(i int) { out = append(out, Pair{Left: &left.Steps[i], Part: parts[0][i]}) },
		func(j int) { out = append(out, Pair{Right: &right.Steps[j], Part: parts[1][j]}) })
	return out, nil
}

// key is what two steps have in common that are the same. What is inlined is not a part of
// it: only one of two kernels may have DWARF.
type key struct{ part, instruction string }

func keys(p Path) []key {
	list := make([]key, len(p.Steps))
	for i, part := range p.parts(Step.Function) {
		list[i] = key{part, shape(p.Steps[i].Code)}
	}
	return list
}

// parts returns the part of the path that each step belongs to: its function, as a method
// names it, but in the assembly, whose labels differ from release to release, its stage.
func (p Path) parts(function func(Step) string) []string {
	stages, err := p.Stages()
	list := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		list[i] = function(s)
		if err == nil && (stages[i] == AssemblyEntry || stages[i] == AssemblyExit) {
			list[i] = stages[i].String()
		}
	}
	return list
}

// Function returns the function's name without the variant's, and without what a compiler
// adds to the name of a part or a copy of one (.cold, .constprop.0).
func (s Step) Function() string {
	name, _, _ := stubs.CutFuncName(s.Func)
	return name
}

// shape describes an instruction without what moves when code, data and registers do:
// general registers, targets of branches, and addresses that no register is a part of.
func shape(code []byte) string { return described(code, width) }

// width returns a general register's width in place of its name, and any other's name.
func width(r x86asm.Reg) string {
	switch {
	case r >= x86asm.AL && r <= x86asm.R15B:
		return "r8"
	case r >= x86asm.AX && r <= x86asm.R15W:
		return "r16"
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return "r32"
	case r >= x86asm.RAX && r <= x86asm.R15 && r != x86asm.RSP:
		return "r64"
	}
	return r.String()
}

// registers describes an instruction as shape does, with the registers' names.
func registers(code []byte) string { return described(code, x86asm.Reg.String) }

func described(code []byte, name func(x86asm.Reg) string) string {
	in, err := x86asm.Decode(code, 64)
	if err != nil {
		return fmt.Sprintf("%x", code)
	}
	if in.Op == x86asm.NOP {
		return in.Op.String() // of any length
	}
	words := []string{in.Op.String()}
	for _, a := range in.Args {
		switch a := a.(type) {
		case x86asm.Reg:
			words = append(words, name(a))
		case x86asm.Mem:
			m := fmt.Sprintf("%v:", a.Segment)
			switch {
			case a.Base == 0 || a.Base == x86asm.RIP: // an address
			default:
				m += fmt.Sprintf("%s+%#x", name(a.Base), int64(int32(a.Disp)))
			}
			if a.Index != 0 {
				m += fmt.Sprintf("+%s*%d", name(a.Index), a.Scale)
			}
			words = append(words, m)
		case x86asm.Rel:
			words = append(words, "target")
		case x86asm.Imm:
			const kernel = -1 << 31 // what is above is in the kernel's image
			if a >= kernel && a < -1<<20 {
				words = append(words, "address")
				break
			}
			words = append(words, a.String())
		}
	}
	return strings.Join(words, " ")
}

// Changes are what the right path has more, or less, than the left one, in a part.
type Changes struct {
	Part string
	Work
	// Only are the instructions that one of the paths has alone, Renamed those of
	// both that use other registers.
	Only, Renamed int
}

// ByPart returns the changes of each part that has some, in the order in which they are
// met, and those of all.
func ByPart(pairs []Pair) (list []Changes, all Changes) {
	at := map[string]int{}
	add := func(f string, s *Step, sign int, renamed bool) {
		i, ok := at[f]
		if !ok {
			i = len(list)
			at[f] = i
			list = append(list, Changes{Part: f})
		}
		var w Work
		w.add(*s)
		w.Bytes = len(s.Code)
		for _, c := range []*Changes{&list[i], &all} {
			if renamed {
				c.Renamed++
				continue
			}
			c.Only++
			c.Instructions += sign * w.Instructions
			c.Loads += sign * w.Loads
			c.Stores += sign * w.Stores
			c.GS += sign * w.GS
			c.Indirect += sign * w.Indirect
			c.Bytes += sign * w.Bytes
		}
	}
	for _, p := range pairs {
		switch {
		case p.Same && p.Renamed:
			add(p.Part, p.Right, 0, true)
		case p.Same:
		case p.Left != nil:
			add(p.Part, p.Left, -1, false)
		default:
			add(p.Part, p.Right, 1, false)
		}
	}
	return list, all
}

// String says it in a line: "+3 instructions, +1 load".
func (c Changes) String() string {
	var words []string
	for _, n := range []struct {
		n     int
		thing string
	}{{c.Instructions, "instruction"}, {c.Loads, "load"}, {c.Stores, "store"}, {c.GS, "access by GS"}, {c.Indirect, "indirect branch"}} {
		if n.n == 0 {
			continue
		}
		thing := n.thing
		if n.n != 1 && n.n != -1 {
			thing = plural(thing)
		}
		words = append(words, fmt.Sprintf("%+d %s", n.n, thing))
	}
	if len(words) == 0 && c.Only > 0 {
		words = append(words, fmt.Sprintf("as many of everything, %d of them other ones", c.Only/2))
	}
	if c.Renamed > 0 {
		words = append(words, fmt.Sprintf("other registers in %d", c.Renamed))
	}
	return strings.Join(words, ", ")
}

func plural(thing string) string {
	switch thing {
	case "access by GS":
		return "accesses by GS"
	case "indirect branch":
		return "indirect branches"
	}
	return thing + "s"
}
