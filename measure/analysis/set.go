// Package analysis turns records into answers: the differences between variants on
// each engine, with their intervals, and whether they can be trusted. All figures go
// through a Set, whichever engine measured them and whatever prints them.
package analysis

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Column is an engine, and where it measures in several ways the form: figures
// of two columns are never compared.
type Column struct{ Engine, Form string }

func (c Column) String() string {
	if c.Form == "" {
		return c.Engine
	}
	return c.Engine + " " + c.Form
}

// Set is a collection of records, found by what they describe.
type Set struct {
	Columns []Column
	// Left is the number of records that are not used because the engine has
	// newer ones of other code; Again is the number of figures that were measured
	// again, in a run of the same number on the same machine.
	Left, Again int
	// Refused are the figures that are not used, because their controls failed or
	// because there are too few.
	Refused []engine.Skipped
	// Proofs holds the proof's verdicts on variants that were measured whatever the
	// verdict, a line each.
	Proofs []string
	// Booted is what the boots say about themselves, for engines whose unit of
	// resampling is a boot; RefusedBoots are those that are not used.
	Booted, RefusedBoots []*Booted

	series   map[key][]record.Record
	runs     map[seriesRun]bool // the runs of which a series has records, on any machine
	order    []string           // of variants, as they appear
	controls map[Column][]Control
	noisy    map[noisy]string // why
	refusals map[string]error // by engine
	// Resampling takes time: the differences that are already known, and the draws
	// for each number of pairs.
	known map[pair]Difference
	draws map[int]*stats.Draws
	rungs map[Column][]Rung
	ops   map[Column]map[string]bool // the operations that the column has
	ranks map[string]map[string]int  // of operations, by engine
}

type key struct {
	Column
	variant, op string
}

type seriesRun struct {
	key
	run int
}

// noisy is an operation whose differences cannot be trusted.
type noisy struct {
	Column
	op string
}

// NewSet sorts records. If an engine has records of several builds of the code under
// test, only the newest build's count; of a figure that was measured twice in the same
// run, only the newer counts. Boots count only if their controls are right.
func NewSet(records []record.Record) *Set {
	s := &Set{
		series: map[key][]record.Record{}, runs: map[seriesRun]bool{}, controls: map[Column][]Control{}, noisy: map[noisy]string{}, refusals: map[string]error{},
		known: map[pair]Difference{}, draws: map[int]*stats.Draws{}, rungs: map[Column][]Rung{},
		ops: map[Column]map[string]bool{}, ranks: map[string]map[string]int{},
	}
	for _, r := range s.boots(s.newest(records)) {
		s.add(r)
	}
	slices.SortStableFunc(s.Columns, func(a, b Column) int {
		return cmp.Compare(engine.Of(a.Engine).Rank, engine.Of(b.Engine).Rank)
	})
	s.told()
	s.hear()
	return s
}

// newest returns the records of the newest code of each engine, the oldest first.
func (s *Set) newest(records []record.Record) []record.Record {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b record.Record) int { return a.Time.Compare(b.Time) })
	// Kernels that are not generated have other code.
	type product struct {
		engine, kernel string
		part           bool
	}
	of := func(r *record.Record) product {
		p := product{engine: r.Engine, part: record.IsPart(r.Op)}
		if r.Axes == "" && r.Variant != engine.Control {
			p.kernel = r.Variant
		}
		return p
	}
	newest, codes := map[product]string{}, map[string]bool{}
	for i := range records {
		if r := &records[i]; !wire.IsControl(r.Variant) {
			newest[of(r)] = r.Code
		}
	}
	for _, code := range newest {
		codes[code] = true
	}
	return slices.DeleteFunc(records, func(r record.Record) bool {
		if wire.IsControl(r.Variant) && codes[r.Code] || newest[of(&r)] == r.Code {
			if r.Proof != "" && !slices.Contains(s.Proofs, r.Proof.Of(r.Variant)) {
				s.Proofs = append(s.Proofs, r.Proof.Of(r.Variant))
			}
			return false
		}
		s.Left++
		return true
	})
}

// add adds a record to the series of its figure.
func (s *Set) add(r record.Record) {
	k := key{Column{r.Engine, r.Form}, r.Variant, r.Op}
	if s.ops[k.Column] == nil {
		s.Columns = append(s.Columns, k.Column)
		s.ops[k.Column] = map[string]bool{}
	}
	s.ops[k.Column][k.op] = true
	if r.Variant != engine.Control && !slices.Contains(s.order, r.Variant) {
		s.order = append(s.order, r.Variant)
	}
	list := s.series[k]
	one := seriesRun{k, r.Run}
	if s.runs[one] {
		if i := indexOfRun(list, 0, &r); i >= 0 {
			list = slices.Delete(list, i, i+1)
			s.Again++
		}
	}
	s.runs[one] = true
	s.series[k] = append(list, r)
}

// hear finds the operations that are too noisy, by their A/A controls.
func (s *Set) hear() {
	for _, c := range s.Columns {
		for _, control := range s.controls[c] {
			if control.Name != engine.Again {
				continue
			}
			for _, v := range s.order {
				records := s.series[key{c, v, control.Op}]
				if len(records) == 0 {
					continue
				}
				why := control.noisy(stats.Mean(samplesOf(records)))
				if why == "" {
					continue
				}
				n := noisy{c, control.Op}
				s.noisy[n] = why
				reason := engine.OperationOf(n.op).Title
				if n.Form != "" {
					reason += ", " + n.Form
				}
				reason += ": too noisy: " + why
				if i := slices.IndexFunc(s.Booted, func(b *Booted) bool { return b.Config.Engine == c.Engine }); i >= 0 {
					reason += again(s.Booted[i])
				}
				s.Refused = append(s.Refused, engine.Skipped{Engine: c.Engine, Reason: reason})
				break
			}
		}
	}
}

// refuse leaves out everything that an engine measured.
func (s *Set) refuse(name, reason string, err error) {
	s.Refused = append(s.Refused, engine.Skipped{Engine: name, Reason: reason})
	s.refusals[name] = err
}

// samplesOf returns the samples of the records of one figure; of records that kept none,
// their medians.
func samplesOf(records []record.Record) (samples []float64) {
	for i := range records {
		r := &records[i]
		if len(r.Samples) == 0 {
			samples = append(samples, r.Median)
		}
		for _, x := range r.Samples {
			if x != nil {
				samples = append(samples, *x)
			}
		}
	}
	return samples
}

// sameRun reports whether two records are of the same boot or process.
func sameRun(a, b *record.Record) bool {
	return a.Run == b.Run && (a.Config == b.Config || engine.MachineID(a.Config) == engine.MachineID(b.Config))
}

// indexOfRun returns the index of the record of the same run, -1 if there is none.
// It searches from the index at first, where the record almost always is,
// and then from the beginning.
func indexOfRun(list []record.Record, first int, r *record.Record) int {
	for n := range list {
		if i := (first + n) % len(list); sameRun(&list[i], r) {
			return i
		}
	}
	return -1
}

// counts is the unit of engines whose operations have several.
const counts = "counts"

// Unit returns the unit of the engine's figures: "counts" if they have several.
func (s *Set) Unit(engine string) string {
	unit := ""
	for k, records := range s.series {
		switch {
		case k.Engine != engine || record.IsPart(k.op):
		case unit == "" || unit == records[0].Unit:
			unit = records[0].Unit
		default:
			return counts
		}
	}
	return unit
}

// Variants returns the variants that have figures: first those of first, in its order,
// then the others by name.
func (s *Set) Variants(first ...string) []string {
	have := slices.DeleteFunc(slices.Clone(first), func(v string) bool { return !slices.Contains(s.order, v) })
	return append(have, slices.DeleteFunc(slices.Sorted(slices.Values(s.order)), func(v string) bool { return slices.Contains(have, v) })...)
}

// Axes returns the axes that a variant was measured with, according to the newest record;
// a kernel that was not generated has none.
func (s *Set) Axes(variant string) string {
	var newest record.Record
	for k, records := range s.series {
		if k.variant != variant {
			continue
		}
		for _, r := range records {
			if cmp.Or(r.Time.Compare(newest.Time), cmp.Compare(r.Axes, newest.Axes)) > 0 {
				newest = r
			}
		}
	}
	return newest.Axes
}

// Configs returns the configurations of an engine's figures.
func (s *Set) Configs(name string) []record.Config {
	var list []record.Config
	for k, records := range s.series {
		for i := range records {
			if c := records[i].Config; k.Engine == name && k.variant != engine.Control && !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
	}
	return list
}

// Engines returns the engines that have records, in the order of the tables.
func (s *Set) Engines() []string {
	var engines []string
	for _, c := range s.Columns {
		if !slices.Contains(engines, c.Engine) {
			engines = append(engines, c.Engine)
		}
	}
	return engines
}

// Headline returns the engine's column whose figure of an operation is the one to
// print; the other forms are its band.
func (s *Set) Headline(name, op string) Column {
	forms := engine.Of(name).Forms
	var first Column
	for _, c := range s.Columns {
		if c.Engine != name || !s.Has(c, op) {
			continue
		}
		if len(forms) > 0 && c.Form == forms[0] {
			return c
		}
		if first.Engine == "" {
			first = c
		}
	}
	return first
}

// Has reports whether the column has trustworthy figures of an operation.
func (s *Set) Has(c Column, op string) bool { return s.ops[c][op] && s.noisy[noisy{c, op}] == "" }

// Band returns the least and the greatest difference that the other forms of the
// engine give for an operation; ok is false if there is no other form.
func (s *Set) Band(engine, from, to, op string) (low, high float64, ok bool) {
	head := s.Headline(engine, op)
	for _, c := range s.Columns {
		if c.Engine != engine || c == head {
			continue
		}
		values := s.Pairs(c, from, to, op)
		if len(values) == 0 {
			continue
		}
		mean := stats.Mean(values)
		if !ok {
			low, high, ok = mean, mean, true
		}
		low, high = min(low, mean), max(high, mean)
	}
	return low, high, ok
}

// Ops returns the operations of an engine, in the order of the tables, without the
// operations that are parts of others.
func (s *Set) Ops(name string) []string {
	var list []string
	for _, c := range s.Columns {
		if c.Engine != name {
			continue
		}
		for op := range s.ops[c] {
			if s.Has(c, op) && !record.IsPart(op) && !isControl(op) && !slices.Contains(list, op) {
				list = append(list, op)
			}
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.rankOf(name, a), s.rankOf(name, b)), cmp.Compare(a, b))
	})
	return list
}

// isControl reports whether an operation's name is that of a control record.
func isControl(op string) bool {
	r := record.Record{Variant: engine.Control, Op: op}
	_, _, _, control := engine.ControlOf(&r)
	_, _, rung := engine.RungOf(&r)
	return control || rung
}

// rankOf returns the place of an operation in an engine's tables.
func (s *Set) rankOf(name, op string) int {
	if s.ranks[name] == nil {
		s.ranks[name] = map[string]int{}
		for i, o := range engine.Of(name).Ops {
			s.ranks[name][o.Op] = i + 1
		}
	}
	if i := s.ranks[name][op]; i > 0 {
		return i
	}
	return 1 << 16
}

// Records returns the records of one figure, one for each run.
func (s *Set) Records(c Column, variant, op string) []record.Record {
	return s.series[key{c, variant, op}]
}

// The kinds of a difference.
const (
	// None means that there is no figure for one of the two.
	None Kind = iota
	// Exact is a difference of two exact counts.
	Exact
	// Interval has a confidence interval from paired units of resampling.
	Interval
	// Spread has only the range of the samples of a single run: no difference
	// is claimed unless the ranges are apart.
	Spread
)

// String returns the kind in words.
func (b BreakEven) String() string {
	percent := func(p float64) string { return fmt.Sprintf("%.0f %%", 100*p) }
	switch {
	case !b.OK:
		return "not measured"
	case b.Loss.Kind == Exact && b.Gain.Kind == Exact:
		switch {
		case b.Share < 0:
			return "at any share"
		case b.Share >= 1:
			return fmt.Sprintf("never: an ordinary call pays %g, a full-frame call saves %g", b.Loss.Value, b.Gain.Value-b.Loss.Value)
		}
		return fmt.Sprintf("from %s of the calls on (an ordinary call pays %g, a full-frame call saves %g)",
			percent(b.Share), b.Loss.Value, b.Gain.Value-b.Loss.Value)
	case b.High < 0:
		return "at any share"
	case b.Low >= 1:
		return "never"
	case b.Low <= 0 && b.High >= 1:
		return "cannot be told: anything from at any share to never"
	case b.Low <= 0:
		return "at any share, or from at most " + percent(b.High) + " on"
	case b.High >= 1:
		return "from at least " + percent(b.Low) + " on, or never"
	}
	return fmt.Sprintf("from %s of the calls on [%s, %s]", percent(b.Share), percent(b.Low), percent(b.High))
}

// Operations that the analysis itself uses.
const (
	nullCall  = wire.OpNullCall
	fullFrame = wire.OpFullFrameCall
)
