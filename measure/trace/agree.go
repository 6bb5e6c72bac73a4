package trace

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/internal/align"
)

// Agreement is how much of a stage of a real kernel's path a preset's path has.
type Agreement struct {
	Stage Stage `json:"name"`
	// Of is how many instructions the stage has. Same is how many of these the preset runs
	// in the same stage and order, in the same role. In the assembly that is the same
	// instruction with the same registers and slots; where per-CPU words, code and data
	// lie is left out. In C, where the compiler chooses, it is the same operation on
	// operands of the same kinds: registers and memory of a width, a per-CPU word, the
	// stack, a constant.
	Of   int `json:"of"`
	Same int `json:"same"`
	// Here is how many instructions the preset has in the stage, and Other are the functions
	// of C of which it runs another number; these explain the difference of Here and Of.
	Here  int     `json:"here"`
	Other []Other `json:"other,omitempty"`
}

// Other is a function of which a preset runs More instructions in a stage than a real kernel;
// less than 0: fewer.
type Other struct {
	Func string `json:"func"`
	More int    `json:"more"`
}

func (a Agreement) String() string {
	text := fmt.Sprintf("%v %d of %d", a.Stage, a.Same, a.Of)
	var words []string
	if a.Here != a.Of {
		words = append(words, fmt.Sprintf("%d here", a.Here))
	}
	for _, o := range a.Other {
		words = append(words, fmt.Sprintf("%s %+d", o.Func, o.More))
	}
	if len(words) == 0 {
		return text
	}
	return text + " (" + strings.Join(words, ", ") + ")"
}

// Agree holds a preset's path against a real kernel's, stage by stage; the handler, which
// is the kernel's own, is left out.
func Agree(real, preset Path) ([]Agreement, error) {
	inReal, err := real.inStages()
	if err != nil {
		return nil, err
	}
	inPreset, err := preset.inStages()
	if err != nil {
		return nil, err
	}
	a, b := real.roles(inReal), preset.roles(inPreset)
	var list []Agreement
	for s := range stages {
		if s == Handler || len(a[s]) == 0 {
			continue
		}
		g := Agreement{Stage: s, Of: len(a[s]), Here: len(b[s])}
		none := func(int) {}
		align.Sequences(len(a[s]), len(b[s]), func(i, j int) bool { return a[s][i] == b[s][j] }, func(int, int) { g.Same++ }, none, none)
		if s != AssemblyEntry && s != AssemblyExit { // whose functions are labels
			g.Other = others(counted(real, inReal, s), counted(preset, inPreset, s))
		}
		list = append(list, g)
	}
	return list, nil
}

// counted returns how many instructions of each function a path has in a stage.
func counted(p Path, stages []Stage, s Stage) map[string]int {
	n := map[string]int{}
	for i, step := range p.Steps {
		if stages[i] == s {
			n[step.Function()]++
		}
	}
	return n
}

// others returns the functions of which a preset runs another number of instructions than a
// real kernel, by their names.
func others(real, preset map[string]int) (list []Other) {
	both := maps.Clone(real)
	maps.Copy(both, preset)
	for _, f := range slices.Sorted(maps.Keys(both)) {
		if more := preset[f] - real[f]; more != 0 {
			list = append(list, Other{f, more})
		}
	}
	return list
}

// inStages is Stages, with an error that names the path.
func (p Path) inStages() ([]Stage, error) {
	all, err := p.Stages()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Subject, err)
	}
	return all, nil
}

// roles returns the roles of a path's instructions by stage.
func (p Path) roles(all []Stage) (roles [stages][]string) {
	for i, stage := range all {
		role := operation
		if stage == AssemblyEntry || stage == AssemblyExit {
			role = registers
		}
		roles[stage] = append(roles[stage], role(p.Steps[i].Code))
	}
	return roles
}

// operation returns what an instruction of C does, and on what kinds of operands. Which of
// two ways a branch is laid out is the compiler's choice.
func operation(code []byte) string {
	in, err := x86asm.Decode(code, 64)
	if err != nil || in.Op == x86asm.NOP {
		return registers(code)
	}
	words := []string{in.Op.String()}
	if _, branch := in.Args[0].(x86asm.Rel); branch && in.Op != x86asm.JMP && in.Op != x86asm.CALL {
		words[0] = "Jcc"
	}
	for _, a := range in.Args {
		switch a := a.(type) {
		case x86asm.Reg:
			words = append(words, width(a))
		case x86asm.Mem:
			kind := "memory"
			switch {
			case a.Segment == x86asm.GS:
				kind = "per-CPU"
			case a.Base == x86asm.RSP:
				kind = "stack"
			}
			words = append(words, kind)
		case x86asm.Rel:
			words = append(words, "target")
		case x86asm.Imm:
			words = append(words, "constant")
		}
	}
	return strings.Join(words, " ")
}
