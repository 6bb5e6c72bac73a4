package table

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

// Config is the whole configuration that a document's figures or facts hold for: this
// program, the host, and the engine with its emulator, if there is one.
type Config struct {
	Entrylab build.Info `json:"entrylab"`
	record.Config
}

// ConfigOf returns the configuration of what this program itself finds or, given the
// configuration of records, of these.
func ConfigOf(c record.Config) Config { return Config{build.Read(), c} }

// Data is what one engine found, for programs.
type Data struct {
	Proofs      map[string]record.Proof `json:"proofs,omitempty"`
	Config      Config                  `json:"config"`
	Engine      string                  `json:"engine"`
	Unit        string                  `json:"unit"`
	Machine     string                  `json:"machine,omitempty"`
	CPU         string                  `json:"cpu"`
	QEMU        string                  `json:"qemu,omitempty"`
	Bochs       string                  `json:"bochs,omitempty"`
	Host        string                  `json:"host,omitempty"`
	Microcode   string                  `json:"microcode,omitempty"`
	Conditions  string                  `json:"conditions,omitempty"`
	Code        string                  `json:"code"`
	Meaningless string                  `json:"meaningless,omitempty"`
	// Variants are the variants that are compared, the first the base.
	Variants []string `json:"variants"`
	// Samples is how many units of resampling there are, Sampled what they are.
	Samples       int                    `json:"samples,omitempty"`
	Sampled       string                 `json:"sampled,omitempty"`
	Counted       bool                   `json:"counted,omitempty"`
	CyclesPerTick float64                `json:"cycles_per_tick,omitempty"`
	Keys          map[string]string      `json:"keys,omitempty"`
	Checks        []wire.Check           `json:"checks"`
	Measures      []Measure              `json:"measures"`
	Controls      []analysis.Control     `json:"controls,omitempty"`
	Calibration   []analysis.Calibration `json:"calibration,omitempty"`
	Ladder        []analysis.Rung        `json:"ladder,omitempty"`
	Notes         []string               `json:"notes,omitempty"`
	// Vulnerabilities are what each real kernel says about the CPU.
	Vulnerabilities map[string][]wire.Vulnerability `json:"vulnerabilities,omitempty"`
	// Question is what a study asks, and Answers what the engine's figures say to it, for
	// each CPU that was measured.
	Question string   `json:"question,omitempty"`
	Answers  []Answer `json:"answers,omitempty"`

	engine engine.Engine
	ops    map[string]engine.Op
}

// Answer is a study's verdict.
type Answer struct {
	// Worth is Yes, No, It depends or Undecided; On is what it depends on.
	Worth string `json:"worth"`
	On    string `json:"on,omitempty"`
	// By is what decides it, CPU the one whose cycles were measured.
	By      string   `json:"by,omitempty"`
	CPU     string   `json:"cpu,omitempty"`
	Figures []string `json:"figures,omitempty"`
}

// Measure is one operation of one variant.
type Measure struct {
	wire.Measure
	Form string `json:"form,omitempty"`
	Unit string `json:"unit"`
	// Samples has one for each unit of resampling; Mean is their mean.
	Samples []float64 `json:"samples,omitempty"`
	Mean    *float64  `json:"mean,omitempty"`
	// Retired, if counted, is how many instructions retired.
	Retired *float64 `json:"instructions,omitempty"`
	// Events, if counted, are those that explain the cycles, by name.
	Events map[string]float64 `json:"events,omitempty"`
	// Tail is what the slowest of single operations took above the median one.
	Tail       *record.Tail `json:"tail,omitempty"`
	Difference *Difference  `json:"difference,omitempty"`
	// Noisy says why the difference cannot be trusted, Why says why there is none.
	Noisy  string            `json:"noisy,omitempty"`
	Why    string            `json:"why,omitempty"`
	ReadAs []analysis.ReadAs `json:"read_as,omitempty"`
}

// Difference is the difference from the base.
type Difference struct {
	// Kind is exact, interval (95 %) or spread, the ranges of one run.
	Kind string  `json:"kind"`
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	SD   float64 `json:"sd,omitempty"`
	// N is the number of units of resampling that have both.
	N    int  `json:"n,omitempty"`
	Seen bool `json:"seen"`
}

var kinds = map[analysis.Kind]string{analysis.Exact: "exact", analysis.Interval: "interval", analysis.Spread: "spread"}

// dataOf returns what a comparison holds, for programs.
func dataOf(c *analysis.Comparison, proofs map[string]record.Proof) Data {
	e := c.Engine
	d := Data{
		Config: ConfigOf(c.Config), Proofs: proofs, Engine: e.Name, Unit: c.Unit(), CPU: c.Config.CPU, Code: c.Config.Code, Meaningless: e.MeaninglessOn(c.Config.Host),
		Variants: c.Variants, Checks: c.Checks, Controls: c.Controls, Ladder: c.Ladder, Notes: c.Notes,
		CyclesPerTick: c.Account.CyclesPerTick, Vulnerabilities: c.Vulnerabilities, Keys: map[string]string{}, engine: e, ops: map[string]engine.Op{},
	}
	if e.VM != "" {
		d.Machine = c.Config.Machine
	}
	d.QEMU, _ = strings.CutPrefix(c.Config.Emulator, "QEMU ")
	if version, ok := strings.CutPrefix(c.Config.Emulator, "Bochs "); ok {
		d.Bochs, d.QEMU = version, ""
	}
	if e.Kind == engine.Exact {
		d.Meaningless = ""
	} else {
		d.Host, d.Microcode, d.Conditions = c.Config.Host, c.Config.Microcode, c.Config.Conditions
		d.Samples, d.Sampled = c.Units, e.Sample
	}
	if b := c.Booted; b != nil {
		d.Counted, d.CyclesPerTick, d.Calibration = b.Counted, b.CyclesPerTick, b.Calibration
	}
	for _, k := range c.Account.Keys {
		d.Keys[k.Name] = k.Value
	}
	for _, r := range c.Rows {
		d.ops[r.Op.Op] = r.Op
		for _, v := range r.Values {
			if len(v.Records) > 0 {
				d.Measures = append(d.Measures, measureOf(c, r, v))
			}
		}
	}
	return d
}

func measureOf(c *analysis.Comparison, r analysis.Row, v analysis.Value) Measure {
	last := v.Records[len(v.Records)-1]
	m := Measure{
		Measure: wire.Measure{
			Variant: v.Variant, Op: r.Op.Op, N: last.N, Batches: last.Batches,
			Min: last.Min, Median: last.Median, Max: last.Max, Agree: last.Agree,
		},
		Form: r.Form, Unit: last.Unit, Retired: v.Retired(), Tail: v.Tail(), Noisy: v.Noisy, Why: c.Account.Apart[v.Variant], ReadAs: v.ReadAs,
	}
	for _, event := range wire.Explaining {
		if n, ok := v.Event(event); ok {
			if m.Events == nil {
				m.Events = map[string]float64{}
			}
			m.Events[event] = n.Median
		}
	}
	if c.Engine.Kind == engine.Sampled {
		m.Samples, m.Mean = v.Samples, &v.Mean
	}
	if d := v.Difference; d.Kind != analysis.None {
		m.Difference = &Difference{kinds[d.Kind], d.Value, d.Low, d.High, d.SD, d.N, d.Seen()}
	}
	return m
}

// json prints the data as one object or, for several engines, as a list. A document
// without data is an object of its title, its tables and its lines.
func (d *Document) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	switch {
	case d.List:
		return enc.Encode(d.Data)
	case len(d.Data) > 0:
		return enc.Encode(d.Data[0])
	}
	config := d.Config
	if config == nil {
		config = new(ConfigOf(engine.HostConfig()))
	}
	object := map[string]any{"title": d.Title, "config": config}
	lines := []string{}
	for _, b := range d.Blocks {
		switch {
		case b.Table != nil:
			rows, _ := object[b.Table.Name].([]map[string]any)
			object[b.Table.Name] = append(rows, b.Table.objects()...)
		case b.Line != "":
			lines = append(lines, b.Line)
		}
	}
	object["lines"] = lines
	return enc.Encode(object)
}

// objects returns the rows as JSON has them, each cell by its column's head; what stands in
// the column without one is the row's name.
func (t *Table) objects() []map[string]any {
	list := []map[string]any{}
	for _, r := range t.Rows {
		o := map[string]any{}
		for i, c := range r.Cells {
			head := cmp.Or(t.Head[i], "name")
			switch {
			case c.Value != nil:
				o[head] = c.Value
			case c.Text != "":
				o[head] = c.Text
			}
		}
		list = append(list, o)
	}
	return list
}

// csv prints a line for each operation of each variant or, for a document without
// data, its first table.
func (d *Document) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	if len(d.Data) == 0 {
		i := slices.IndexFunc(d.Blocks, func(b Block) bool { return b.Table != nil })
		return out.WriteAll(d.Blocks[i].Table.texts())
	}
	out.Write([]string{
		"engine", "variant", "operation", "form", "unit", "figure", "least", "most",
		"difference", "low", "high", "kind", "noisy", "proof",
	})
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	for _, data := range d.Data {
		for _, m := range data.Measures {
			figure := m.Median
			if m.Mean != nil {
				figure = *m.Mean
			}
			line := []string{data.Engine, m.Variant, m.Op, m.Form, m.Unit, number(figure), number(m.Min), number(m.Max)}
			if diff := m.Difference; diff != nil {
				line = append(line, number(diff.Mean), number(diff.Low), number(diff.High), diff.Kind)
			} else {
				line = append(line, "", "", "", "")
			}
			out.Write(append(line, m.Noisy, string(data.Proofs[m.Variant])))
		}
	}
	out.Flush()
	return out.Error()
}

// texts returns the cells as text, the head first.
func (t *Table) texts() [][]string {
	rows := [][]string{t.Head}
	for _, r := range t.Rows {
		var texts []string
		for _, c := range r.Cells {
			texts = append(texts, c.Text)
		}
		rows = append(rows, texts)
	}
	return rows
}

// bench prints Go's benchmark format with its configuration lines
// (golang.org/x/perf/benchfmt), so that benchstat can read it. An exact count has one
// line, as benchstat needs no second run of it; a sampled figure has a line for each
// unit of resampling, which is benchstat's unit as well.
func (d *Document) bench(w io.Writer) error {
	for _, data := range d.Data {
		if err := data.bench(w); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) bench(w io.Writer) error {
	var b strings.Builder
	key := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	for _, variant := range slices.Sorted(maps.Keys(d.Proofs)) {
		key("proof-"+benchKey(variant), d.Proofs[variant].Of(variant))
	}
	key("engine", d.Engine)
	key("machine", d.Machine)
	if d.Sampled != "" {
		key("cpu", d.Host)
		key("microcode", d.Microcode)
		key("conditions", d.Conditions)
		key(d.Sampled+"s", strconv.Itoa(d.Samples))
	} else if d.CPU != "any" {
		key("cpu", d.CPU)
	}
	key("qemu", d.QEMU)
	key("bochs", d.Bochs)
	key("meaningless", d.Meaningless)
	for _, name := range slices.Sorted(maps.Keys(d.Keys)) {
		key(name, d.Keys[name])
	}
	for _, c := range d.Controls {
		key("control-"+benchKey(strings.TrimSpace(c.Name+" "+c.Op+" "+c.Form)), strings.ReplaceAll(c.Estimate.String(), " ", ""))
	}
	d.benchUnits(&b)
	for i, m := range d.Measures {
		if m.Noisy != "" || !slices.Contains(d.Variants, m.Variant) {
			continue
		}
		o := d.ops[m.Op]
		name := "Benchmark" + o.Bench + "/variant=" + m.Variant
		if m.Form != "" {
			name += "/form=" + m.Form
		}
		if m.Mean != nil {
			for _, x := range m.Samples {
				fmt.Fprintf(&b, "%s 1 %.2f %s\n", name, x, d.benchUnit(m))
			}
			continue
		}
		// Counts of one name are of one benchmark.
		first := slices.IndexFunc(d.Measures, func(f Measure) bool { return f.Variant == m.Variant && d.ops[f.Op].Bench == o.Bench })
		if first < i {
			continue
		}
		fmt.Fprintf(&b, "%s %d", name, m.N*m.Batches)
		for _, f := range d.Measures[i:] {
			if f.Variant == m.Variant && d.ops[f.Op].Bench == o.Bench {
				fmt.Fprintf(&b, " %s %s", strconv.FormatFloat(f.Median, 'f', -1, 64), d.benchUnit(f))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// benchUnits declares the units that the figures have.
func (d *Data) benchUnits(b *strings.Builder) {
	var seen []string
	for _, m := range d.Measures {
		unit := d.benchUnit(m)
		if slices.Contains(seen, unit) {
			continue
		}
		seen = append(seen, unit)
		assume := ""
		if m.Mean == nil && m.Exact() {
			assume = " assume=exact"
		}
		fmt.Fprintf(b, "Unit %s better=lower%s\n", unit, assume)
	}
}

// benchUnit returns the unit of a figure in Go's benchmark format.
func (d *Data) benchUnit(m Measure) string {
	if unit := d.ops[m.Op].Unit; unit != "" {
		return unit
	}
	unit := strings.ReplaceAll(m.Unit, " ", "-")
	switch {
	case d.Meaningless != "":
		return "meaningless/op"
	case m.Unit == record.Instructions && m.Exact():
		return "insns/op"
	case m.Unit == record.Instructions:
		return "insns-median/op"
	}
	return unit + "/op"
}

// benchKey makes a configuration key: lower case, without space or punctuation.
func benchKey(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return -1
	}, strings.ToLower(s))
}
