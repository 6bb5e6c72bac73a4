package bisect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/nightly"
)

// Value is the value of a series at a revision: a figure in a unit, or an outcome. Values
// are compared exactly.
type Value struct {
	Figure  float64 `json:"figure"`
	Unit    string  `json:"unit,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
}

func (v Value) String() string {
	if v.Outcome != "" {
		return v.Outcome
	}
	return strconv.FormatFloat(v.Figure, 'g', -1, 64) + " " + v.Unit
}

// series is what is measured at each revision.
type series struct {
	cell nightly.Cell
	// point is the operation or the check; empty: the outcome of the cell itself.
	point string
}

// name returns the series' name in a history.
func (s series) name() string {
	if s.point == "" {
		return s.cell.Name
	}
	return s.cell.Name + ": " + s.point
}

// verify reports whether the guest's checks are needed: the point is not an operation.
func (s series) verify() bool {
	return s.cell.Engine.VM != "" && !slices.ContainsFunc(s.cell.Engine.Ops, func(o engine.Op) bool { return o.Op == s.point })
}

// wanted says how a series is named.
const wanted = `want a series as a night names it, such as "static linux-6.12: insns"; a machine and a CPU may be left out`

// parse reads the name of a series. If it leaves out the machine and the CPU, they
// are the engine's defaults.
func parse(name string) (series, error) {
	where, point, _ := strings.Cut(name, ": ")
	words := strings.Fields(where)
	if len(words) < 2 {
		return series{}, fmt.Errorf("series %q: %s", name, wanted)
	}
	e, ok := engine.Find(words[0])
	switch {
	case !ok || !slices.Contains(engine.Names(engine.Measuring()), e.Name):
		return series{}, fmt.Errorf("series %q: no engine %q: want some of %s", name, words[0], strings.Join(engine.Names(engine.Measuring()), ", "))
	case e.Kind == engine.Sampled:
		return series{}, fmt.Errorf("series %q: figures of engine %s are sampled, and only many runs in parallel, on one machine, can tell two of them apart: "+
			"bisect what engine static, icount or bochs counts of the same path", name, e.Name)
	}
	s := series{cell: nightly.Cell{Engine: e, Subject: words[len(words)-1]}, point: point}
	between := words[1 : len(words)-1]
	if e.VM == "" && len(between) > 0 || len(between) > 2 {
		return series{}, fmt.Errorf("series %q: %s", name, wanted)
	}
	if e.VM != "" {
		machine := append(between, "", "")
		s.cell.Machine, s.cell.CPU = cmp.Or(machine[0], string(e.Defaults.Machine)), cmp.Or(machine[1], e.Defaults.CPU)
	}
	s.cell.Name = s.cell.Where() + " " + s.cell.Subject
	return s, nil
}

// check refuses a subject that does not suit the repository: build is the command
// that builds a Linux kernel, if it is a kernel's repository.
func (s series) check(build string) error {
	switch linux := s.cell.Subject == wire.Linux; {
	case linux && build == "":
		return fmt.Errorf("series %q is of a Linux kernel: give the command that builds one (-build)", s.name())
	case !linux && build != "":
		return fmt.Errorf("series %q is of %s: with a command that builds a Linux kernel the subject is %q, as in %q",
			s.name(), s.cell.Subject, wire.Linux, s.cell.Where()+" "+wire.Linux+": "+wire.OpNullCall)
	case linux && s.cell.Engine.VM == "":
		return errors.New("engine " + s.cell.Engine.Name + " boots no machine, and so no Linux")
	}
	return nil
}
