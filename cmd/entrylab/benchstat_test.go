package main

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"

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
