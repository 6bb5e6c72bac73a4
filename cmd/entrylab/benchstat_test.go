package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"

	"github.com/entrylab/entrylab/boot/replay"
	"github.com/entrylab/entrylab/boot/stats"
	"github.com/entrylab/entrylab/boot/vm"
)

// TestBenchstat does with the benchmark format what `benchstat -col /variant`
// does: a row for each operation, a column for each variant, and the difference
// of their medians.
func TestBenchstat(t *testing.T) {
	c := finished(t, vm.ICount, counted, "linux-3.19", "heukelum-v2")
	var b bytes.Buffer
	for range 6 { // as many runs as a difference takes to be significant
		if err := c.bench(&b); err != nil {
			t.Fatal(err)
		}
	}
	values := columns(t, &b, "insns/op", ".name")
	thresholds := &benchmath.DefaultThresholds
	calls := values[".name:NullCall"]
	from := benchmath.NewSample(calls["/variant:linux-3.19"], thresholds)
	to := benchmath.NewSample(calls["/variant:heukelum-v2"], thresholds)
	a, z := benchmath.AssumeNothing.Summary(from, 0.95), benchmath.AssumeNothing.Summary(to, 0.95)
	difference := benchmath.AssumeNothing.Compare(from, to)
	got := fmt.Sprintf("%g %g %s", a.Center, z.Center, difference.FormatDelta(a.Center, z.Center))
	if want := "56 54 -3.57%"; got != want {
		t.Errorf("benchstat makes %q of the null call, want %q; it has %v", got, want, values)
	}
}

// columns does with the benchmark format what benchstat does with -row row and
// -col /variant: the values of each row and column.
func columns(t *testing.T, bench io.Reader, unit, row string) map[string]map[string][]float64 {
	t.Helper()
	var parser benchproc.ProjectionParser
	filter, err := benchproc.NewFilter("*")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parser.Parse(row, filter)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := parser.Parse("/variant", filter)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]map[string][]float64{}
	reader := benchfmt.NewReader(bench, "compare")
	for reader.Scan() {
		r, ok := reader.Result().(*benchfmt.Result)
		if err, bad := reader.Result().(*benchfmt.SyntaxError); bad {
			t.Fatal(err)
		}
		if !ok {
			continue
		}
		value, ok := r.Value(unit)
		if !ok {
			t.Fatalf("%s has no %s", r.Name, unit)
		}
		in, column := rows.Project(r).String(), columns.Project(r).String()
		if values[in] == nil {
			values[in] = map[string][]float64{}
		}
		values[in][column] = append(values[in][column], value)
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestBenchstatReplay gives benchstat's packages what a real replay prints: a
// placement is a line, and benchstat's difference is that of the result.
func TestBenchstatReplay(t *testing.T) {
	names := []string{"linux-3.19", "linux-6.12"}
	list, err := eachVariant(names)
	if err != nil {
		t.Fatal(err)
	}
	res, err := replay.Run(t.Context(), replay.Config{Variants: list, Budget: 4 * time.Second})
	if noisy := (*replay.NoiseError)(nil); err != nil && !errors.As(err, &noisy) {
		t.Fatal(err)
	}
	if len(res.Cells) == 0 {
		t.Skip(err) // not a placement was undisturbed
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
