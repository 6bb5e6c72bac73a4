package trace

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/internal/align"
)

// Agreement is how much of a stage of a real kernel's path a preset's path has.
type Agreement struct {
	Stage
	// Of is how many instructions the stage has. Same is how many of these the preset runs
	// in the same stage and order, in the same role. In the assembly that is the same
	// instruction with the same registers and slots; where per-CPU words, code and data
	// lie is left out. In C, where the compiler chooses, it is the same operation on
	// operands of the same kinds: registers and memory of a width, a per-CPU word, the
	// stack, a constant.
	Of, Same int
}

func (a Agreement) String() string { return fmt.Sprintf("%v %d of %d", a.Stage, a.Same, a.Of) }

// Agree holds a preset's path against a real kernel's, stage by stage; the handler, which
// is the kernel's own, is left out.
func Agree(real, preset Path) ([]Agreement, error) {
	a, err := real.roles()
	if err != nil {
		return nil, err
	}
	b, err := preset.roles()
	if err != nil {
		return nil, err
	}
	var list []Agreement
	for s := range stages {
		if s == Handler || len(a[s]) == 0 {
			continue
		}
		g := Agreement{Stage: s, Of: len(a[s])}
		none := func(int) {}
		align.Sequences(len(a[s]), len(b[s]), func(i, j int) bool { return a[s][i] == b[s][j] }, func(int, int) { g.Same++ }, none, none)
		list = append(list, g)
	}
	return list, nil
}

// roles returns the roles of a path's instructions by stage.
func (p Path) roles() (roles [stages][]string, err error) {
	all, err := p.Stages()
	if err != nil {
		return roles, fmt.Errorf("%s: %w", p.Subject, err)
	}
	for i, stage := range all {
		role := operation
		if stage == AssemblyEntry || stage == AssemblyExit {
			role = registers
		}
		roles[stage] = append(roles[stage], role(p.Steps[i].Code))
	}
	return roles, nil
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
