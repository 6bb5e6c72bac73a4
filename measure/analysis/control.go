package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Control is a difference whose truth is known.
type Control struct {
	Name     string         `json:"name"`
	Op       string         `json:"op"`
	Form     string         `json:"form,omitempty"`
	Truth    float64        `json:"truth"`
	Estimate stats.Estimate `json:"estimate"`
}

// wrong reports whether the control reads something else than its true value, or too
// uncertain a value to tell.
func (c Control) wrong() bool {
	return math.Abs(c.Estimate.Mean-c.Truth) > stats.Resolution || c.uncertain()
}

// uncertain reports whether the interval is too wide to tell what the control reads.
func (c Control) uncertain() bool { return c.Estimate.Half() > stats.Resolution }

// refusal refuses an engine's samples if the controls of the null call are wrong, or if
// something else is (failed); nil: they are not refused. Noise is to blame if an interval
// is too wide, or if two copies of one path differ; if neither is so, the refusal says
// that less noise would change nothing.
func refusal(e engine.Engine, controls []Control, failed ...string) error {
	refused := &stats.RefusedError{Unit: e.Sample}
	wrong, noisy, calm := slices.Clone(failed), false, ""
	for _, c := range controls {
		switch {
		case c.Op != nullCall:
		case c.wrong():
			wrong = append(wrong, fmt.Sprintf("%s reads %v cycles over %d %s, want %g ±%g", c.Name, c.Estimate, c.Estimate.N, stats.Several(e.Sample), c.Truth, stats.Resolution))
			noisy = noisy || c.Truth == 0 || c.uncertain()
		case c.Name == engine.Again:
			calm = fmt.Sprintf("; %s reads %v, so noise is not the reason", c.Name, c.Estimate)
		}
	}
	switch {
	case len(wrong) == 0:
		return nil
	case noisy:
		refused.Advice = e.Quieter
	case len(wrong) > len(failed):
		refused.Reason = calm
	}
	refused.Reason = strings.Join(wrong, "; ") + refused.Reason
	return refused
}

// noisy says why the differences of an operation whose base costs that many cycles cannot
// be trusted, judged by its A/A control; empty: they can.
func (c Control) noisy(cost float64) string {
	if e := c.Estimate; !e.Holds(0) && math.Abs(e.Mean) > max(stats.Resolution, 0.01*cost) {
		return fmt.Sprintf("%s reads %v", c.Name, e)
	}
	return ""
}

// Judge refuses records of one run whose controls are wrong.
func Judge(records []record.Record) error {
	s := NewSet(records)
	for _, e := range s.Engines() {
		if err := s.Judge(e); err != nil {
			return err
		}
	}
	return nil
}

// Judge refuses the samples of an engine that gives its controls as differences,
// if the controls of its headline are wrong.
func (s *Set) Judge(name string) error {
	e := engine.Of(name)
	if len(e.Forms) == 0 {
		return nil
	}
	return refusal(e, s.controls[Column{name, e.Forms[0]}])
}

// told adds the controls among the records, each over all runs.
func (s *Set) told() {
	type key struct {
		Column
		name, op string
		truth    float64
	}
	records := map[key][]record.Record{}
	for k, list := range s.series {
		if name, op, truth, ok := engine.ControlOf(&list[0]); ok {
			records[key{k.Column, name, op, truth}] = list
		}
	}
	for k, list := range records {
		s.controls[k.Column] = append(s.controls[k.Column], Control{k.name, k.op, k.Form, k.truth, s.differencesOf(list)})
	}
	for c, list := range s.controls {
		slices.SortStableFunc(list, func(a, b Control) int {
			return cmp.Or(cmp.Compare(s.rankOf(c.Engine, a.Op), s.rankOf(c.Engine, b.Op)), strings.Compare(a.Name, b.Name))
		})
	}
}

// RunControl is a control as one run measured it.
type RunControl struct {
	Control
	Run int
}

// RunControls returns the controls among the records of an engine, in its headline's
// form.
func (s *Set) RunControls(name string) []RunControl {
	forms := engine.Of(name).Forms
	if len(forms) == 0 {
		return nil
	}
	var list []RunControl
	for k, records := range s.series {
		if k.Column != (Column{name, forms[0]}) {
			continue
		}
		control, op, truth, ok := engine.ControlOf(&records[0])
		for i := range records {
			if ok {
				list = append(list, RunControl{Control{control, op, k.Form, truth, s.differencesOf(records[i : i+1])}, records[i].Run})
			}
		}
	}
	slices.SortFunc(list, func(a, b RunControl) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Run, b.Run))
	})
	return list
}

// differencesOf estimates a difference from its records, one for each run: from their
// samples or, where none were kept, from their intervals.
func (s *Set) differencesOf(list []record.Record) (e stats.Estimate) {
	var values []float64
	var run []int
	for n, r := range list {
		for _, x := range r.Samples {
			if x != nil {
				values, run = append(values, *x), append(run, n)
			}
		}
	}
	if e, err := s.estimate(values, run); err == nil {
		return e
	}
	n := float64(len(list))
	for _, r := range list {
		low, high := r.Min, r.Max
		if r.Interval != nil {
			low, high = r.Interval.Low, r.Interval.High
		}
		e.Mean += r.Median / n
		e.Low += low / n
		e.High += high / n
		e.N += r.Batches
	}
	return e
}

// ladder returns the rungs of a column, each over all runs.
func (s *Set) ladder(c Column) []Rung {
	if rungs, known := s.rungs[c]; known {
		return rungs
	}
	var rungs []Rung
	for k, records := range s.series {
		if k.Column != c {
			continue
		}
		if more, kind, ok := engine.RungOf(&records[0]); ok {
			rungs = append(rungs, Rung{c.Form, kind, more, s.differencesOf(records)})
		}
	}
	slices.SortFunc(rungs, func(a, b Rung) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.More, b.More)) })
	s.rungs[c] = rungs
	return rungs
}
