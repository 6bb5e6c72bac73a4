package nightly

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// Cell is a part of the matrix that one machine does as a whole.
type Cell struct {
	// Name is the same every night: Where and Subject.
	Name string
	// Subject is what is run: a variant, or those that are compared with the base.
	Subject  string
	Engine   engine.Engine
	Machine  string
	CPU      string
	Subjects []stubs.Variant
	Verify   bool
	Boots    int
}

// Cells are those of the matrix, in an order that does not depend on the host. An
// engine that counts has a cell for each subject, one that samples a cell for the
// comparison of all of them with the base.
func (m Matrix) Cells() ([]Cell, error) {
	subjects, err := m.variants(func(word string) string { return fmt.Sprintf("%q", word) })
	if err != nil {
		return nil, err
	}
	var cells []Cell
	for _, name := range m.Engines {
		e, ok := engine.Find(name)
		if !ok {
			return nil, fmt.Errorf("no engine %q", name)
		}
		for _, machine := range machinesOf(e, m.Machines) {
			for _, cpu := range machinesOf(e, m.CPUs) {
				c := Cell{Engine: e, Machine: machine, CPU: cpu, Verify: m.Verify && e.VM != "", Boots: m.Boots}
				if e.Kind == engine.Sampled {
					c.Subjects = baseFirst(subjects, m.Base)
					c.Subject = "against " + m.Base
					c.Name = c.Where() + " " + c.Subject
					cells = append(cells, c)
					continue
				}
				c.Boots = 0
				for _, s := range subjects {
					if !slices.Contains(m.Subjects, s.Name) {
						continue // only the base of sampled engines
					}
					c.Subjects = []stubs.Variant{s}
					c.Subject = s.Name
					c.Name = c.Where() + " " + c.Subject
					cells = append(cells, c)
				}
			}
		}
	}
	return cells, nil
}

// machinesOf are the words for an engine: none has a meaning for one that boots
// nothing.
func machinesOf(e engine.Engine, words []string) []string {
	if e.VM == "" || len(words) == 0 {
		return []string{""}
	}
	return words
}

// Where says what the cell runs on: the engine, and the machine and the CPU of one that
// boots.
func (c Cell) Where() string {
	words := []string{c.Engine.Name}
	if c.Engine.VM != "" {
		words = append(words, cmp.Or(c.Machine, string(c.Engine.Defaults.Machine)), cmp.Or(c.CPU, c.Engine.Defaults.CPU))
	}
	return strings.Join(words, " ")
}

func baseFirst(subjects []stubs.Variant, base string) []stubs.Variant {
	at := slices.IndexFunc(subjects, func(v stubs.Variant) bool { return v.Name == base })
	return append([]stubs.Variant{subjects[at]}, slices.Delete(slices.Clone(subjects), at, at+1)...)
}

// job is what the engine is asked for.
func (c Cell) job() engine.Job {
	return engine.Job{
		Subjects: c.Subjects, Verify: c.Verify, Boots: c.Boots,
		Machine: vm.Config{Machine: vm.Machine(c.Machine), CPU: c.CPU},
	}
}

// lacks is what the CPU of an emulator has not, and the subject needs. What a host's
// CPU lacks the machine says itself.
func (c Cell) lacks() layout.Features {
	if c.Engine.VM == "" || !c.Engine.Emulated || c.Engine.Kind == engine.Sampled {
		return 0
	}
	return c.Subjects[0].Features() &^ c.Engine.Features
}

// Shard is the part i of n of the cells, counted from 1: each cell is in one of them.
func Shard(cells []Cell, i, n int) []Cell {
	var part []Cell
	for at, c := range cells {
		if at%n == i-1 {
			part = append(part, c)
		}
	}
	return part
}
