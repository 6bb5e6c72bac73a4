package study

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
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

// Set is the records of a study, found by what they are of.
type Set struct {
	Columns []Column
	// Left is the number of records that are not used, because the engine has
	// newer ones of other code; Again is that of figures that were measured
	// again, in a run of the same number on the same machine.
	Left, Again int
	// Refused are what is not used because its controls failed, or because it
	// is too little.
	Refused []Skipped
	// Proofs tell of the variants that were measured whatever the proof said of
	// them, a line each.
	Proofs []string
	// Booted are the analyses of engines whose unit of resampling is a boot.
	Booted []*cycles.Result
	series map[key][]record.Record
	// Resampling takes its time: the differences that are known, and the draws
	// for each number of pairs.
	known map[pair]Difference
	draws map[int]*stats.Draws
	ops   map[Column]map[string]bool // that the column has
}

type key struct {
	Column
	variant, op string
}

// NewSet sorts records. Where an engine has records of several builds of the
// code under test only those of the newest count; of one figure that was
// measured twice in the same run, the newer. Boots count only if package cycles
// does not refuse them.
func NewSet(records []record.Record) *Set {
	s := &Set{
		series: map[key][]record.Record{}, known: map[pair]Difference{},
		draws: map[int]*stats.Draws{}, ops: map[Column]map[string]bool{},
	}
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b record.Record) int { return a.Time.Compare(b.Time) })
	// Kernels that are not generated have code of their own, and so has the init
	// that phases are counted with.
	type product struct {
		engine, kernel string
		part           bool
	}
	of := func(r *record.Record) product {
		p := product{engine: r.Engine, part: record.IsPart(r.Op)}
		if r.Axes == "" && r.Variant != Control {
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
	all := records
	records = nil
	for _, r := range all {
		if wire.IsControl(r.Variant) && codes[r.Code] || newest[of(&r)] == r.Code {
			records = append(records, r)
			if line := r.Proof.Of(r.Variant); r.Proof != "" && !slices.Contains(s.Proofs, line) {
				s.Proofs = append(s.Proofs, line)
			}
		} else {
			s.Left++
		}
	}
	for _, r := range s.boots(records) {
		k := key{Column{r.Engine, r.Form}, r.Variant, r.Op}
		if !slices.Contains(s.Columns, k.Column) {
			s.Columns = append(s.Columns, k.Column)
			s.ops[k.Column] = map[string]bool{}
		}
		s.ops[k.Column][k.op] = true
		before := len(s.series[k])
		s.series[k] = slices.DeleteFunc(s.series[k], func(old record.Record) bool { return sameRun(&old, &r) })
		s.Again += before - len(s.series[k])
		s.series[k] = append(s.series[k], r)
	}
	slices.SortStableFunc(s.Columns, func(a, b Column) int { return cmp.Compare(rank(a.Engine), rank(b.Engine)) })
	return s
}

// sameRun reports whether two records are of the same boot or process.
func sameRun(a, b *record.Record) bool { return a.Run == b.Run && a.MachineID() == b.MachineID() }

// boots analyses the boots among the records, and returns the records without
// those that it refuses and without what is not of a variant.
func (s *Set) boots(records []record.Record) []record.Record {
	type group struct{ engine, code string }
	of := func(r *record.Record) group { return group{r.Engine, r.Code} }
	var groups []group
	byGroup := map[group][]record.Record{}
	for i := range records {
		r := &records[i]
		if wire.IsControl(r.Variant) && !slices.Contains(groups, of(r)) {
			groups = append(groups, of(r))
		}
		byGroup[of(r)] = append(byGroup[of(r)], *r)
	}
	refused := map[group]bool{}
	whole := map[group][]int{}           // runs
	noisy := map[group]map[string]bool{} // operations
	for _, g := range groups {
		boots := cycles.FromRecords(byGroup[g])
		res, err := cycles.Analyse(boots, nil)
		if err != nil {
			reason := err.Error()
			if noisy := (*cycles.NoiseError)(nil); errors.As(err, &noisy) {
				reason += again(res)
			}
			s.Refused = append(s.Refused, Skipped{g.engine, reason})
			refused[g] = true
			continue
		}
		s.Booted = append(s.Booted, res)
		for i := range boots {
			whole[g] = append(whole[g], int(boots[i].ID))
		}
		noisy[g] = map[string]bool{}
		for _, c := range res.Cells {
			if c.Noisy != "" && !noisy[g][c.Op] {
				noisy[g][c.Op] = true
				s.Refused = append(s.Refused, Skipped{g.engine, record.OperationOf(c.Op).Title + ": too noisy: " + c.Noisy + again(res)})
			}
		}
	}
	var kept []record.Record
	for i := range records {
		r := &records[i]
		g := of(r)
		if slices.Contains(groups, g) && (refused[g] || wire.IsControl(r.Variant) || !slices.Contains(whole[g], r.Run) || noisy[g][r.Op]) {
			continue
		}
		kept = append(kept, *r)
	}
	return kept
}

// again tells what to do about boots that are too noisy: they stay in the results
// file, and a study that goes on does not take them again.
func again(res *cycles.Result) string {
	if !res.Placed {
		return ". Boot the machine anew, into another file: these boots stay in theirs"
	}
	return ". These boots stay in the results file: entrylab study -resume=false takes new ones, or another -o does"
}

// rank is the order of the columns; engines that it does not know are last.
func rank(engine string) int {
	engines := []string{"icount", "bochs", engineStatic, "kvm", "metal", "replay"}
	if i := slices.Index(engines, engine); i >= 0 {
		return i
	}
	return len(engines)
}

// Unit is what the engine's figures are in: "counts" if they have several
// units.
func (s *Set) Unit(engine string) string {
	unit := ""
	for k, records := range s.series {
		switch {
		case k.Engine != engine || record.IsPart(k.op):
		case unit == "" || unit == records[0].Unit:
			unit = records[0].Unit
		default:
			return "counts"
		}
	}
	return unit
}

// Variants are those that the column has figures of, the study's first.
func (s *Set) Variants() []string {
	var names []string
	if list, err := Variants(); err == nil {
		for _, n := range list {
			names = append(names, n.Name)
		}
	}
	var have, other []string
	for k := range s.series {
		if k.variant != Control && !slices.Contains(names, k.variant) && !slices.Contains(other, k.variant) {
			other = append(other, k.variant)
		}
	}
	slices.Sort(other)
	for _, n := range append(names, other...) {
		for k := range s.series {
			if k.variant == n {
				have = append(have, n)
				break
			}
		}
	}
	return have
}

// Axes are those that a variant was measured with, by the newest record; a
// kernel that was not generated has none.
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

// Engines are those that have records, in the order of the tables.
func (s *Set) Engines() []string {
	var engines []string
	for _, c := range s.Columns {
		if !slices.Contains(engines, c.Engine) {
			engines = append(engines, c.Engine)
		}
	}
	return engines
}

// Headline is the engine's column whose figure of an operation is the one to
// print; the other forms are its band.
func (s *Set) Headline(engine, op string) Column {
	var first Column
	for _, c := range s.Columns {
		if c.Engine != engine || !s.has(c, op) {
			continue
		}
		if c.Form == replay.HeadlineForm {
			return c
		}
		if first.Engine == "" {
			first = c
		}
	}
	return first
}

func (s *Set) has(c Column, op string) bool { return s.ops[c][op] }

// Band is the least and the greatest difference that the other forms of the
// engine give for an operation; ok is unset if there is no other form.
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

// Controls are the records of pairs whose truth is known.
func (s *Set) Controls(engine string) []record.Record {
	var list []record.Record
	for k, records := range s.series {
		if k.Engine == engine && k.variant == Control {
			list = append(list, records...)
		}
	}
	slices.SortFunc(list, func(a, b record.Record) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Form, b.Form), cmp.Compare(a.Run, b.Run))
	})
	return list
}

// Ops are the operations of an engine, in the order of the tables, without the
// parts of others.
func (s *Set) Ops(engine string) []string {
	var ops []string
	for k := range s.series {
		if k.Engine == engine && k.variant != Control && !record.IsPart(k.op) && !slices.Contains(ops, k.op) {
			ops = append(ops, k.op)
		}
	}
	slices.SortFunc(ops, func(a, b string) int { return cmp.Or(cmp.Compare(opRank(a), opRank(b)), cmp.Compare(a, b)) })
	return ops
}

func opRank(op string) int {
	var known []string
	for _, o := range slices.Concat(record.Sampled, record.Switches) {
		known = append(known, o.Op)
	}
	known = append(known, countOps()...)
	if i := slices.Index(known, op); i >= 0 {
		return i
	}
	return len(known)
}

// Records are those of one figure, one for each run.
func (s *Set) Records(c Column, variant, op string) []record.Record {
	return s.series[key{c, variant, op}]
}

// Kind is how sure a difference is.
type Kind int

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

// Difference is what a change costs: negative is cheaper.
type Difference struct {
	Kind             Kind
	Value, Low, High float64
	Unit             string
	// N is the number of pairs that the interval is made of, SD how much one
	// differs from the next.
	N  int
	SD float64
	// Step, if not empty, is what reads the same behind a fence: the difference is
	// no cost of instructions.
	Step string
}

// Seen reports whether there is a difference at all, of more than the digit
// that is printed.
func (d Difference) Seen() bool {
	switch d.Kind {
	case None:
		return false
	case Exact:
		return d.Value != 0
	}
	return stats.Estimate{Low: d.Low, High: d.High}.Seen()
}

// Difference compares two variants.
func (s *Set) Difference(c Column, from, to, op string) Difference {
	k := pair{c, from, to, op}
	d, ok := s.known[k]
	if !ok {
		d = s.difference(c, from, to, op)
		s.known[k] = d
	}
	return d
}

type pair struct {
	Column
	from, to, op string
}

func (s *Set) difference(c Column, from, to, op string) Difference {
	a, b := s.Records(c, from, op), s.Records(c, to, op)
	if len(a) == 0 || len(b) == 0 {
		return Difference{}
	}
	d := Difference{Unit: a[0].Unit}
	if exact(a) && exact(b) {
		d.Kind, d.Value = Exact, b[0].Median-a[0].Median
		d.Low, d.High = d.Value, d.Value
		return d
	}
	if e, err := s.estimate(paired(a, b)); err == nil { // not too few pairs
		d.Kind, d.Value, d.Low, d.High, d.N, d.SD = Interval, e.Mean, e.Low, e.High, e.N, e.SD
		if op == nullCall && c.Engine == engineReplay {
			d.Step = replay.Words(replay.ReadsAs(c.Form, e, s.ladder(c)))
		}
		return d
	}
	first, second := a[len(a)-1], b[len(b)-1]
	d.Kind, d.Value = Spread, second.Median-first.Median
	d.Low, d.High = second.Min-first.Max, second.Max-first.Min
	return d
}

// estimate resamples the differences of pairs, each of the run of the same index.
// The seed is fixed: the same results give the same page.
func (s *Set) estimate(values []float64, run []int) (stats.Estimate, error) {
	d := s.draws[len(values)]
	if d == nil {
		var err error
		if d, err = stats.NewDraws(rand.New(rand.NewPCG(1, 1)), len(values)); err != nil {
			return stats.Estimate{}, err
		}
		s.draws[len(values)] = d
	}
	return d.EstimateOf(values, run), nil
}

// Pairs are the differences of each unit of resampling.
func (s *Set) Pairs(c Column, from, to, op string) []float64 {
	values, _ := paired(s.Records(c, from, op), s.Records(c, to, op))
	return values
}

// exact reports whether all runs gave the same exact count.
func exact(records []record.Record) bool {
	for i := range records {
		if !records[i].Exact() || records[i].Median != records[0].Median {
			return false
		}
	}
	return true
}

// paired are the differences of the samples that belong together: those of the
// same run and index, or, of runs that kept none, their medians. run tells which
// of the records in a each is of.
func paired(a, b []record.Record) (values []float64, run []int) {
	var from, to []float64
	for n, x := range a {
		i := slices.IndexFunc(b, func(y record.Record) bool { return sameRun(&x, &y) })
		if i < 0 {
			continue
		}
		y := b[i]
		if len(x.Samples) == 0 || len(y.Samples) == 0 {
			from, to, run = append(from, x.Median), append(to, y.Median), append(run, n)
			continue
		}
		for i := range min(len(x.Samples), len(y.Samples)) {
			if x.Samples[i] != nil && y.Samples[i] != nil {
				from, to, run = append(from, *x.Samples[i]), append(to, *y.Samples[i]), append(run, n)
			}
		}
	}
	return stats.Paired(from, to), run
}

// BreakEven is the share of full-frame calls from which on the eager path is
// the cheaper one.
type BreakEven struct {
	// OK is unset if a figure is missing.
	OK bool
	// Loss is what an ordinary call pays, Gain what a call that needs the full
	// frame saves beyond that: at the share Loss/Gain they are even.
	Loss, Gain Difference
	// Share, Low and High are of all calls; beyond 1 means never, below 0
	// always.
	Share, Low, High float64
}

// BreakEven computes the break-even rate of a trade on an engine.
func (s *Set) BreakEven(engine string, t Trade) BreakEven {
	lazy, eager := name(t.Lazy), name(t.Eager)
	c := s.Headline(engine, fullFrame)
	loss := s.Difference(c, lazy, eager, nullCall)
	full := s.Difference(c, lazy, eager, fullFrame)
	b := BreakEven{OK: loss.Kind != None && full.Kind != None, Loss: loss}
	b.Gain = Difference{
		Kind: full.Kind, Unit: full.Unit, Value: loss.Value - full.Value, Low: loss.Low - full.High, High: loss.High - full.Low,
	}
	if loss.Kind != Exact {
		b.Gain.Kind = loss.Kind
	}
	b.Share = share(loss.Value, b.Gain.Value)
	b.Low, b.High = share(loss.Low, b.Gain.High), share(loss.High, b.Gain.Low)
	return b
}

// share is loss/gain, where a gain that is none makes it never, or always.
func share(loss, gain float64) float64 {
	switch {
	case loss <= 0 && gain >= 0:
		return math.Inf(-1)
	case gain <= 0:
		return math.Inf(1)
	}
	return loss / gain
}

// String says it in words.
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

// Operations that the study computes with.
const (
	nullCall  = wire.OpNullCall
	fullFrame = wire.OpFullFrameCall
)
