package table

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Compared returns the document of a comparison. verbose adds how sampled differences are
// distributed, and the ladders.
func Compared(c *analysis.Comparison, proofs map[string]record.Proof, verbose bool) *Document {
	d := &Document{Title: "entrylab compare, engine " + c.Engine.Name, Data: []Data{dataOf(c, proofs)}}
	for _, variant := range slices.Sorted(maps.Keys(proofs)) {
		d.Add(Line("%s", proofs[variant].Of(variant)))
	}
	if c.Checks != nil {
		d.Add(Line("%s", describe(c)))
	}
	switch {
	case c.Engine.Kind == engine.Sampled:
		d.sampled(c, verbose)
	case c.Engine.Unit == "":
		d.Add(Line("engine %s: %s", c.Engine.Name, c.Engine.About), Space, Of(counts(c)), Space, Block{Notes: c.Notes})
	default:
		d.exact(c)
	}
	d.failures(c.Checks)
	return d
}

// fewSkips are named one by one; more that are skipped for one reason have a line
// together.
const fewSkips = 3

// failures adds the checks that did not pass.
func (d *Document) failures(all []wire.Check) {
	type reason struct{ variant, detail string }
	skipped := map[reason]int{}
	for _, c := range all {
		if c.Outcome == wire.Skip {
			skipped[reason{c.Variant(), c.Detail}]++
		}
	}
	for _, c := range all {
		r := reason{c.Variant(), c.Detail}
		switch n := skipped[r]; {
		case c.Outcome == wire.Pass || c.Outcome == wire.Skip && n == 0: // which has its line
		case c.Outcome == wire.Skip && n > fewSkips:
			d.Add(Line("%s: %s: %d checks (%s)", c.Outcome, r.variant, n, r.detail))
			skipped[r] = 0
		default:
			d.Add(Line("%s: %s (%s)", c.Outcome, c.Name, c.Detail))
		}
	}
}

// Refused returns the document of a refused comparison: only its controls.
func Refused(c *analysis.Comparison) *Document {
	d := &Document{Title: "entrylab compare, engine " + c.Engine.Name}
	d.controls(c)
	return d
}

// Costs returns the document of several kernels: what each operation costs.
func Costs(c *analysis.Comparison) *Document {
	d := &Document{Title: "entrylab baseline, engine " + c.Engine.Name, Data: []Data{dataOf(c, nil)}}
	d.Add(Line("%s", describe(c)), Line("%s per operation, %s", c.Unit(), c.Engine.Includes), Space)
	rows := [][]string{append([]string{""}, c.Variants...)}
	for _, r := range c.Rows {
		row := []string{r.Title}
		for i := range c.Variants {
			cell := "-"
			if v := r.Values[i]; len(v.Records) > 0 {
				cell = analysis.Cost(v.Records)
			}
			row = append(row, cell)
		}
		if !record.IsPart(r.Op.Op) && slices.ContainsFunc(row[1:], func(cell string) bool { return cell != "-" }) {
			rows = append(rows, row)
		}
	}
	d.Add(Of(rows), Space, Line("Linux does more in a call than the two others: accounting, tracing, limits. Its entry and exit are a small part of it."))
	d.vulnerabilities(c)
	return d
}

// describe names the engine, the machine and the emulator: they go with every figure.
func describe(c *analysis.Comparison) string {
	text := fmt.Sprintf("engine %s, machine %s, CPU %s", c.Engine.Name, c.Config.Machine, c.Config.CPU)
	if c.Config.Emulator != "" {
		text += ", " + c.Config.Emulator
	}
	if !c.Engine.Emulated {
		text += ", on " + c.Config.Host
	}
	return text
}

// exact adds counts. Two variants have a row for each operation; more than two have a
// row each, with the difference from the first in brackets.
func (d *Document) exact(c *analysis.Comparison) {
	for _, v := range c.Variants[1:] {
		d.Add(Line("%s against %s, %s", v, c.Base(), c.Sentence(v)))
	}
	d.Add(Space, Line("%s per operation, %s", c.Unit(), c.Engine.Includes), Space)
	rows := many
	if len(c.Variants) == 2 {
		rows = pair
	}
	d.Add(Of(rows(c)))
	if v, ok := c.Find(wire.Floor, wire.OpNullCall); ok {
		d.Add(Space, Line("The floor, an entry that keeps nothing and answers at once: %s", count(v)))
	}
	if kernel := slices.IndexFunc(c.Variants, engine.IsLinux); kernel >= 0 {
		if variant := slices.IndexFunc(c.Variants, func(name string) bool { return !engine.IsLinux(name) }); variant >= 0 {
			d.Add(Space, Line("%s runs on entrylab's own small kernel: beside Linux the rows entry and exit compare like with like, the others do not; diff -executed shows the instructions.", c.Variants[variant]))
		}
	}
	d.vulnerabilities(c)
}

func pair(c *analysis.Comparison) [][]string {
	a, b := c.Variants[0], c.Variants[1]
	rows := [][]string{{"", a, b, "difference"}}
	if len(c.Checks) > 0 {
		rows = append(rows, []string{"checks", checks(c, a), checks(c, b), ""})
	}
	for _, r := range c.Rows {
		if measured(c, r) {
			rows = append(rows, []string{r.Title, count(r.Values[0]), count(r.Values[1]), difference(r.Values[1])})
		}
	}
	return rows
}

func many(c *analysis.Comparison) [][]string {
	head := []string{""}
	if len(c.Checks) > 0 {
		head = append(head, "checks")
	}
	for _, r := range c.Rows {
		if measured(c, r) {
			head = append(head, r.Short)
		}
	}
	rows := [][]string{head}
	for i, v := range c.Variants {
		row := []string{v}
		if len(c.Checks) > 0 {
			row = append(row, checks(c, v))
		}
		for _, r := range c.Rows {
			if !measured(c, r) {
				continue
			}
			cell := count(r.Values[i])
			if i > 0 {
				cell += " (" + difference(r.Values[i]) + ")"
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// measured reports whether any of the compared variants has a figure in a row: real
// kernels have none of some.
func measured(c *analysis.Comparison, r analysis.Row) bool {
	return slices.ContainsFunc(r.Values[:len(c.Variants)], func(v analysis.Value) bool { return len(v.Records) > 0 })
}

// counts returns the rows of an engine whose operations have several units: one for each
// operation, by groups, with the difference from the first variant in brackets.
func counts(c *analysis.Comparison) [][]string {
	rows := [][]string{append([]string{""}, c.Variants...)}
	group := ""
	for _, r := range c.Rows {
		title := r.Title
		if r.Group != "" {
			title = "  " + title
		}
		if r.Group != group {
			group = r.Group
			rows = append(rows, []string{group})
		}
		row := []string{title}
		for i := range c.Variants {
			cell := count(r.Values[i])
			if i > 0 {
				cell += " (" + difference(r.Values[i]) + ")"
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// checks sums up the outcomes of a variant's checks.
func checks(c *analysis.Comparison, name string) string {
	results := wire.Results{Checks: c.Checks}
	s := fmt.Sprintf("%d pass", results.Count(name, wire.Pass))
	for _, o := range []struct {
		outcome wire.Outcome
		word    string
	}{{wire.Fail, "FAIL"}, {wire.Error, "ERROR"}, {wire.Skip, "skip"}} {
		if n := results.Count(name, o.outcome); n > 0 {
			s += fmt.Sprintf(", %d %s", n, o.word)
		}
	}
	return s
}

// count prints a median, with its range if it is not exact.
func count(v analysis.Value) string {
	if len(v.Records) == 0 {
		return "-"
	}
	r := v.Records[len(v.Records)-1]
	if r.Exact() {
		return strconv.FormatFloat(r.Median, 'f', -1, 64)
	}
	return fmt.Sprintf("%g (%g to %g)", r.Median, r.Min, r.Max)
}

// difference prints the difference of two counts. Inexact figures whose ranges overlap
// count as equal.
func difference(v analysis.Value) string {
	switch d := v.Difference; {
	case d.Kind == analysis.None:
		return "-"
	case d.Kind == analysis.Exact && d.Value == 0:
		return "0"
	case d.Kind == analysis.Exact:
		return fmt.Sprintf("%+g", d.Value)
	case !d.Seen():
		return "none seen"
	default:
		return fmt.Sprintf("%+.1f", d.Value)
	}
}

// sampled adds figures with intervals: verdicts, differences and controls.
func (d *Document) sampled(c *analysis.Comparison, verbose bool) {
	e, base := c.Engine, c.Base()
	on := c.Account.On
	if on == "" {
		on = strings.TrimSuffix(c.Config.Host+", "+c.Config.Conditions, ", ")
	}
	d.Add(Line("engine %s, on %s, %d %ss", e.Name, on, c.Units, e.Sample))
	d.meaningless(e, c.Config.Host)
	d.Add(Space)
	// Boots have a line of their own for the floor, which has no difference.
	variants := slices.DeleteFunc(slices.Clone(c.Variants), func(v string) bool { return v == wire.Floor && c.Booted != nil })
	for _, v := range variants[1:] {
		d.Add(Line("%s against %s, null call: %s", v, base, c.Verdict(v)))
	}
	figures := "core " + c.Unit()
	if e.Includes != "" {
		figures += ", " + e.Includes
	}
	d.Add(Space, Line("%s: %s, then differences from it, 95 %% intervals", figures, base), Space)

	head, forms := []string{""}, len(e.Forms) > 0
	if forms {
		head = append(head, "form")
	}
	rows, retired, stepped := [][]string{append(head, variants...)}, [][]string{append([]string{""}, variants...)}, false
	for _, r := range c.Rows {
		row, instructions := []string{r.Title}, []string{r.Title}
		if forms {
			row = append(row, r.Form)
		}
		for _, v := range r.Values {
			if slices.Contains(variants, v.Variant) {
				row = append(row, sample(v, v.Variant == base))
				stepped = stepped || len(v.ReadAs) > 0 && v.Difference.Seen() && v.Noisy == ""
				instructions = append(instructions, figure(v.Retired()))
			}
		}
		rows, retired = append(rows, row), append(retired, instructions)
	}
	d.Add(Of(rows))
	d.tails(c)
	if stepped {
		d.Add(Space, Line("step: several numbers of instructions more read the same in this form, so it is no cost of theirs (-v shows the ladder)"))
	}
	if c.Booted != nil && c.Booted.Counted {
		d.Add(Space, Line("instructions that retired, as the CPU counted them"), Space, Of(retired))
	}
	d.events(c, variants)
	if v, ok := c.Find(wire.Floor, wire.OpNullCall); ok && c.Booted != nil {
		d.Add(Space, Line("The floor, an entry that keeps nothing and answers at once: %.1f %s", v.Mean, c.Unit()))
	}
	d.Add(Space)
	if verbose && forms {
		d.details(c)
	}
	d.controls(c)
	d.vulnerabilities(c)
	d.Add(Space, Block{Notes: c.Notes})
}

// meaningless says why the engine's cycles on a host are not those of a CPU, if so.
func (d *Document) meaningless(e engine.Engine, host string) {
	if why := e.MeaninglessOn(host); why != "" {
		d.Add(Space, Line("MEANINGLESS as cycles: %s", why))
	}
}

// tails adds what the slowest of single operations took, where the engine timed these.
func (d *Document) tails(c *analysis.Comparison) {
	rows := [][]string{{"single operations", "variant", "p99", "p99.9", "largest", "of"}}
	for _, r := range c.Rows {
		for _, v := range r.Values {
			if t := v.Tail(); t != nil {
				rows = append(rows, []string{r.Title, v.Variant, analysis.Above(t.P99), analysis.Above(t.P999), analysis.Above(t.Most), strconv.Itoa(t.N)})
			}
		}
	}
	if len(rows) > 1 {
		d.Add(Space, Line("what the slowest of single operations took above the median one, in %s", c.Unit()), Space, Of(rows))
	}
}

// events adds what explains the cycles, where the CPU counted it: the base's counts, and the
// differences of the others where the samples of both are apart.
func (d *Document) events(c *analysis.Comparison, variants []string) {
	rows := [][]string{append([]string{"operation", "counted"}, variants...)}
	for _, r := range c.Rows {
		for _, event := range wire.Explaining {
			row := []string{r.Title, event}
			base, counted := r.Values[0].Event(event)
			for _, v := range r.Values {
				n, ok := v.Event(event)
				switch {
				case !slices.Contains(variants, v.Variant):
				case !ok:
					row = append(row, "-")
				case v.Variant == c.Base() || !counted:
					row = append(row, figure(&n.Median))
				case n.Apart(base):
					row = append(row, fmt.Sprintf("%+.1f", n.Median-base.Median))
				default:
					row = append(row, "none seen")
				}
			}
			if counted {
				rows = append(rows, row)
			}
		}
	}
	if len(rows) > 1 {
		d.Add(Space, Line("what explains the cycles, as the CPU counted it: %s, then differences from it", c.Base()), Space, Of(rows))
	}
}

func figure(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", *x)
}

// sample returns the base's figure, or another variant's difference.
func sample(v analysis.Value, base bool) string {
	d := v.Difference
	e := stats.Estimate{Mean: d.Value, Low: d.Low, High: d.High}
	switch {
	case len(v.Records) == 0:
		return "-"
	case base:
		return figure(&v.Mean)
	case d.Kind != analysis.Interval:
		return "-"
	case v.Noisy != "":
		return "too noisy (" + v.Noisy + ")"
	case !d.Seen():
		return fmt.Sprintf("none seen (±%.1f)", e.AtMost())
	case len(v.ReadAs) > 0:
		return fmt.Sprintf("step %+.1f", d.Value)
	}
	return e.String()
}

// details adds how the differences are distributed over whole numbers of cycles, and
// the ladders.
func (d *Document) details(c *analysis.Comparison) {
	sample := c.Engine.Sample
	rows := [][]string{{"differences by " + sample, "form", "variant", sample + "s at so many cycles (to within a quarter)"}}
	for _, r := range c.Rows {
		for _, v := range r.Values {
			if v.Difference.Kind == analysis.Interval {
				rows = append(rows, []string{r.Title, r.Form, v.Variant, analysis.Steps(stats.Paired(r.Values[0].Samples, v.Samples))})
			}
		}
	}
	d.Add(Of(rows), Space)
	head := []string{"ladder: the base's null call with so many more", "form"}
	rows = nil
	for _, r := range c.Ladder {
		if n := len(rows); n == 0 || rows[n-1][0] != r.Kind || rows[n-1][1] != r.Form {
			rows = append(rows, []string{r.Kind, r.Form})
		}
		if len(rows) == 1 {
			head = append(head, fmt.Sprint(r.More))
		}
		last := &rows[len(rows)-1]
		*last = append(*last, r.Estimate.String())
	}
	if len(rows) == 0 {
		d.Add(Line("ladder: too few %ss", sample))
		return
	}
	d.Add(Of(append([][]string{head}, rows...)), Space)
}

// controls adds the controls, which confirm or refuse the samples, and the calibration
// of the machine.
func (d *Document) controls(c *analysis.Comparison) {
	forms := len(c.Engine.Forms) > 0
	head := []string{"controls"}
	if forms {
		head = append(head, "form")
	}
	rows := [][]string{append(head, "must be", "was", "over "+stats.Several(c.Engine.Sample))}
	for _, k := range c.Controls {
		row := []string{k.Name + ", " + c.Engine.Title(k.Op)}
		if forms {
			row = append(row, k.Form)
		}
		rows = append(rows, append(row, fmt.Sprintf("%+g", k.Truth), k.Estimate.String(), fmt.Sprintf("SD %.2f", k.Estimate.SD)))
	}
	d.Add(Of(rows))
	if c.Booted == nil {
		return
	}
	rows = [][]string{{"calibration", "least", "most of a boot", ""}}
	for _, k := range c.Booted.Calibration {
		rows = append(rows, []string{k.Name, strconv.FormatFloat(k.Low, 'g', 4, 64), strconv.FormatFloat(k.High, 'g', 4, 64), k.Unit})
	}
	d.Add(Space, Of(rows))
}
