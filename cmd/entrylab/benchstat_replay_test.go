package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/perf/benchmath"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/table"
)

// TestBenchstatReplay gives benchstat's packages what a replay prints: a
// placement is a line, and benchstat's center is the median of the result. The
// figures are made up, so that no machine's noise decides.
func TestBenchstatReplay(t *testing.T) {
	const placements = 30
	names := []string{"linux-3.19", "linux-6.12"}
	rng := rand.New(rand.NewPCG(1, 2))
	around := func(mean float64) (samples []float64) {
		for range placements {
			samples = append(samples, mean+rng.NormFloat64())
		}
		return samples
	}
	var records []record.Record
	for _, c := range []struct {
		op, form string
		again    float64
	}{
		{wire.OpNullCall, "SR1", 0},
		{wire.OpNullCall, "N0", 0},
		{wire.OpFullFrameCall, "SR1", 0},
		{record.Switches[1].Op, "SR0", 9},
	} {
		for i, name := range names {
			records = append(records, recordtest.Timed(name, c.op, c.form, 0, around(95+3*float64(i))...))
		}
		records = append(records, recordtest.Timed(engine.Control, engine.ControlOp(engine.Again, c.op, 0), c.form, 0, around(c.again)...))
	}
	c, err := analysis.NewSet(records).Compare("replay", engine.Outcome{}, names)
	if c == nil {
		t.Fatal(err) // noise is none of this test
	}
	var b bytes.Buffer
	if err := table.Compared(c, nil, false).Write(&b, "bench"); err != nil {
		t.Fatal(err)
	}
	values := columns(t, &b, "cycles/op", ".name,/form")
	thresholds := &benchmath.DefaultThresholds
	for _, r := range c.Rows {
		row := values[fmt.Sprintf(".name:%s /form:%s", r.Bench, r.Form)]
		if r.Values[0].Noisy != "" {
			if row != nil {
				t.Errorf("%s %s is too noisy and is printed", r.Op.Op, r.Form)
			}
			continue
		}
		for i, name := range names {
			got := row["/variant:"+name]
			if len(got) != placements {
				t.Errorf("%s %s of %s: %d lines, want %d placements", r.Op.Op, r.Form, name, len(got), placements)
				continue
			}
			center := benchmath.AssumeNothing.Summary(benchmath.NewSample(got, thresholds), 0.95).Center
			if want := stats.Quantile(r.Values[i].Samples, 0.5); math.Abs(center-want) > 0.02 {
				t.Errorf("%s %s of %s: benchstat says %v, the median is %v", r.Op.Op, r.Form, name, center, want)
			}
		}
	}
	if len(c.Rows) != 4 || c.Rows[3].Values[0].Noisy == "" {
		t.Errorf("%d rows, want 4, the last too noisy", len(c.Rows))
	}
}
