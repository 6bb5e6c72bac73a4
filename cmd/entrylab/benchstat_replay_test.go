package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/perf/benchmath"

	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
)

// TestBenchstatReplay gives benchstat's packages what a replay prints: a
// placement is a line, and benchstat's center is the median of the result. The
// figures are made up, so that no machine's noise decides.
func TestBenchstatReplay(t *testing.T) {
	names := []string{"linux-3.19", "linux-6.12"}
	rng := rand.New(rand.NewPCG(1, 2))
	res := &replay.Result{Variants: names, Placements: 30}
	for _, c := range []replay.Cell{
		{Op: replay.OpNull, Form: "SR1"},
		{Op: replay.OpNull, Form: "N0"},
		{Op: replay.OpFull, Form: "SR1"},
		{Op: replay.OpSwitchSP, Form: "SR0", Noisy: "A/A was +9.00 ±1.00"},
	} {
		for i, name := range names {
			f := replay.Figure{Variant: name}
			for range res.Placements {
				f.Cycles = append(f.Cycles, 95+3*float64(i)+rng.NormFloat64())
			}
			c.Figures = append(c.Figures, f)
		}
		res.Cells = append(res.Cells, c)
	}
	var b bytes.Buffer
	if err := benchReplayed(&b, res); err != nil {
		t.Fatal(err)
	}
	values := columns(t, &b, "cycles/op", ".name,/form")
	thresholds := &benchmath.DefaultThresholds
	for _, c := range res.Cells {
		row := values[fmt.Sprintf(".name:%s /form:%s", benchName(c.Op), c.Form)]
		if c.Noisy != "" {
			if row != nil {
				t.Errorf("%s %s is too noisy and is printed", c.Op, c.Form)
			}
			continue
		}
		for i, name := range names {
			got := row["/variant:"+name]
			if len(got) != res.Placements {
				t.Errorf("%s %s of %s: %d lines, want %d placements", c.Op, c.Form, name, len(got), res.Placements)
				continue
			}
			center := benchmath.AssumeNothing.Summary(benchmath.NewSample(got, thresholds), 0.95).Center
			if want := stats.Quantile(c.Figures[i].Cycles, 0.5); math.Abs(center-want) > 0.02 {
				t.Errorf("%s %s of %s: benchstat says %v, the median is %v", c.Op, c.Form, name, center, want)
			}
		}
	}
}
