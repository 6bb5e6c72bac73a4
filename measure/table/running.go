package table

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Ran returns the document of one kernel's figures in one boot.
func Ran(e engine.Engine, ran *engine.Ran) *Document {
	d := &Document{Title: "entrylab compare, engine " + e.Name}
	c := ConfigOf(ran.Records[0].Config)
	d.Config = &c
	d.Add(Line("engine %s, %s, on %s", e.Name, analysis.ShortKernel(ran.Kernel), ran.Records[0].Host), Line("%s", ran.Disturbed))
	d.meaningless(e, ran.Records[0].Host)
	d.Add(Space, Line("%s per operation, %s; the mean and the range of %d processes", record.Cycles, e.Includes, engine.HostProcesses), Space)
	t := &Table{Name: "costs", Head: []string{"", record.Cycles, "range"}}
	for _, op := range e.Ops {
		var values []float64
		for i := range ran.Records {
			if r := &ran.Records[i]; r.Variant == ran.Kernel && r.Op == op.Op {
				values = append(values, *r.Samples[0])
			}
		}
		if len(values) > 0 {
			mean := stats.Mean(values)
			t.Add(op.Title, Cell{Text: fmt.Sprintf("%.1f", mean), Value: mean}, fmt.Sprintf("%.1f to %.1f", stats.Quantile(values, 0), stats.Quantile(values, 1)))
		}
	}
	d.Add(Block{Table: t}, Space, Line("A difference between kernels needs at least two boots of each, in turn: compare -from puts their files together."))
	return d
}

// Running returns the document of kernels that ran on the machine itself.
func Running(r *analysis.Running) *Document {
	d := &Document{Title: "entrylab compare, engine " + r.Engine.Name}
	c := ConfigOf(r.Booted.Config)
	d.Config = &c
	for k := range r.Kernels[1:] {
		d.Add(Line("%s", r.Headline(k+1)))
	}
	d.Add(Line("engine %s, on %s, %s", r.Engine.Name, r.Booted.Config.Host, r.Sequence()))
	d.meaningless(r.Engine, r.Booted.Config.Host)
	for k, name := range r.Kernels {
		d.Add(Line("    %s: %s", analysis.Letter(k), name))
	}
	d.Add(Space, Line("%s per operation, %s", record.Cycles, r.Engine.Includes), Space)
	t := &Table{Name: "running", Head: []string{""}}
	for k := range r.Kernels {
		t.Head = append(t.Head, analysis.Letter(k))
	}
	for k := range r.Kernels[1:] {
		t.Head = append(t.Head, analysis.Letter(k+1)+" - A", "noise floor")
	}
	t.Head = append(t.Head, "one kernel's boots apart")
	number := func(format string, x float64) Cell { return Cell{Text: fmt.Sprintf(format, x), Value: x} }
	var notes []string
	for _, row := range r.Rows {
		cells := []any{row.Title}
		for k := range r.Kernels {
			cells = append(cells, number("%.1f", row.Mean(k)))
		}
		for k := range r.Kernels[1:] {
			d := Cell{Text: "none seen"}
			switch {
			case row.Noisy != "":
				d.Text = "too noisy"
			case row.Above(k + 1):
				d = number("%+.1f", row.Difference(k+1))
			}
			cells = append(cells, d, number("%.1f", row.Floor(k+1)))
		}
		t.Add(append(cells, number("%.1f", row.Again()))...)
		if row.Noisy != "" {
			notes = append(notes, row.Title+": "+row.Noisy)
		}
	}
	d.Add(Block{Table: t}, Space)
	d.controls(&analysis.Comparison{Engine: r.Engine, Controls: r.Booted.Controls, Booted: r.Booted})
	notes = append(notes,
		"two kernels cannot alternate in one boot: a boot is worth one figure, the mean of its processes, and the noise floor is what the means of boots of one kernel differ by in 95 % of all cases (Student's t, the variance within kernels), or the controls' resolution; a difference below it is no figure",
		"at most apart were two boots of one kernel by what the last column says: A against A",
	)
	notes = append(notes, r.Booted.Notes()[:1]...)
	d.Add(Space, Block{Notes: notes})
	return d
}
