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

// Cell is the part of a matrix that one machine does as a whole.
type Cell struct {
	// Name is the same every night: Where, then Subject.
	Name string
	// Subject is what is run: a variant, or the variants that are compared with the base.
	Subject string
	Engine  engine.Engine
	Machine string
	CPU     string
	// Host is a text that the name of the host's CPU must contain; empty: any host will do.
	Host     string
	Subjects []stubs.Variant
	Verify   bool
	Boots    int
}

// Cells returns the cells of the matrix, in an order that does not depend on the host. An
// engine that counts has a cell for each subject; one that samples has a cell for the
// comparison of all subjects with the base.
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
		for _, c := range m.places(e) {
			if e.Kind == engine.Sampled {
				c.Boots = m.Boots
				c.Subjects = baseFirst(subjects, m.Base)
				c.Subject = "against " + m.Base
				c.Name = c.Where() + " " + c.Subject
				cells = append(cells, c)
				continue
			}
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
	return cells, nil
}

// places returns an engine's cells, still without subjects: one for each machine, CPU and
// host that means something to it.
func (m Matrix) places(e engine.Engine) []Cell {
	orAny := func(words []string, meant bool) []string {
		if !meant || len(words) == 0 {
			return []string{""}
		}
		return words
	}
	boots := e.VM != ""
	var places []Cell
	for _, machine := range orAny(m.Machines, boots) {
		for _, cpu := range orAny(m.CPUs, boots) {
			for _, host := range orAny(m.Hosts, !e.Emulated) {
				places = append(places, Cell{Engine: e, Machine: machine, CPU: cpu, Host: host, Verify: m.Verify && boots})
			}
		}
	}
	return places
}

// Where says what the cell runs on: the engine; the machine and its CPU, if the engine
// boots one; and the host's CPU, if it must be a certain one.
func (c Cell) Where() string {
	words := []string{c.Engine.Name}
	if c.Engine.VM != "" {
		words = append(words, cmp.Or(c.Machine, string(c.Engine.Defaults.Machine)), cmp.Or(c.CPU, c.Engine.Defaults.CPU))
	}
	if c.Host != "" {
		words = append(words, "on", c.Host)
	}
	return strings.Join(words, " ")
}

// needs says what a machine must have for the cell. Cells with equal needs fit the same
// machines.
func (c Cell) needs() string {
	if c.Host == "" {
		return c.Engine.Name
	}
	return c.Engine.Name + " on " + c.Host
}

func baseFirst(subjects []stubs.Variant, base string) []stubs.Variant {
	at := slices.IndexFunc(subjects, func(v stubs.Variant) bool { return v.Name == base })
	return append([]stubs.Variant{subjects[at]}, slices.Delete(slices.Clone(subjects), at, at+1)...)
}

// job returns what the engine is asked to measure.
func (c Cell) job() engine.Job {
	return engine.Job{
		Subjects: c.Subjects, Verify: c.Verify, Boots: c.Boots,
		Machine: vm.Config{Machine: vm.Machine(c.Machine), CPU: c.CPU},
	}
}

// elsewhere says why the cell is not for a host with that CPU; empty: it is.
func (c Cell) elsewhere(cpu string) string {
	if strings.Contains(cpu, c.Host) {
		return ""
	}
	return fmt.Sprintf("it is for a host with the CPU %q, and this one has %q", c.Host, cpu)
}

// lacks returns the features that the subject needs and the emulator's CPU does not have.
// If the host's own CPU lacks one, the machine reports it.
func (c Cell) lacks() layout.Features {
	if c.Engine.VM == "" || !c.Engine.Emulated || c.Engine.Kind == engine.Sampled {
		return 0
	}
	return c.Subjects[0].Features() &^ c.Engine.Features
}

// Shard returns part i of n of the cells, counted from 1. Each cell is in one part.
func Shard(cells []Cell, i, n int) []Cell {
	var part []Cell
	for at, c := range cells {
		if at%n == i-1 {
			part = append(part, c)
		}
	}
	return part
}
