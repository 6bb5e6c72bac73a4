package sweep

import (
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// Placement is where the code of a real kernel's call lies.
type Placement struct {
	Kernel string
	// Parts are the functions and labels, in the order in which they are first run. The
	// handler, which is another in each call, is left out.
	Parts []Part
}

// Part is a function or a label of the assembler.
type Part struct {
	Func  string
	Stage trace.Stage
	// Offset is how many bytes behind the beginning of a line it begins. Where KASLR puts a
	// kernel is a multiple of a line.
	Offset int
}

// Placed returns where the functions of a path lie.
func Placed(p trace.Path) (Placement, error) {
	all, err := p.Stages()
	if err != nil {
		return Placement{}, fmt.Errorf("%s: %w", p.Subject, err)
	}
	out := Placement{Kernel: p.Subject}
	for i, s := range p.Steps {
		seen := slices.ContainsFunc(out.Parts, func(o Part) bool { return o.Func == s.Func })
		if all[i] == trace.Handler || s.Func == trace.Ring3 || s.Func == "" || seen {
			continue
		}
		out.Parts = append(out.Parts, Part{s.Func, all[i], int(s.Start % stubs.LineSize)})
	}
	return out, nil
}

// offset returns where a function lies.
func (p Placement) offset(function string) (int, bool) {
	i := slices.IndexFunc(p.Parts, func(o Part) bool { return o.Func == function })
	if i < 0 {
		return 0, false
	}
	return p.Parts[i].Offset, true
}

// Placements returns the document of kernels side by side.
func Placements(list []Placement) *table.Document {
	d := &table.Document{Title: "entrylab sweep"}
	d.Add(table.Line("Where in a line of %d bytes the functions of a null call begin, in the order in which they run:", stubs.LineSize), table.Space)
	t := &table.Table{Name: "placement", Words: true, Head: []string{"function", "stage"}}
	var parts []Part
	for _, p := range list {
		t.Head = append(t.Head, p.Kernel)
		for _, part := range p.Parts {
			if !slices.ContainsFunc(parts, func(o Part) bool { return o.Func == part.Func }) {
				parts = append(parts, part)
			}
		}
	}
	moved, alone := 0, 0
	for _, part := range parts {
		row := []any{part.Func, part.Stage.String()}
		same, everywhere := true, true
		for _, p := range list {
			cell := table.Cell{Text: "-"}
			if at, ok := p.offset(part.Func); ok {
				cell = table.Cell{Text: fmt.Sprintf("+%d", at), Value: at}
				same = same && at == part.Offset
			} else {
				everywhere = false
			}
			row = append(row, cell)
		}
		switch {
		case !everywhere:
			alone++
		case !same:
			moved++
		}
		t.Add(row...)
	}
	d.Add(table.Block{Table: t}, table.Space)
	switch {
	case len(list) == 1:
	case moved+alone == 0:
		d.Add(table.Line("All of them lie at the same places in a line."))
	default:
		d.Add(table.Line("%d lie at other places in a line, and %d are not run by all kernels.", moved, alone))
	}
	d.Add(table.Line("Real kernels' code moves only with another build, so no cycles are swept here. `entrylab sweep linux-6.12` sweeps the"),
		table.Line("preset's entry, and `entrylab compare linux-6.12@0 linux-6.12@16` holds two places against each other."))
	return d
}
