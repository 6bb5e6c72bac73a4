package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/table"
)

// TestBenchstat gives what one comparison prints to benchstat: counts are exact,
// so that it neither asks for more runs nor doubts a difference, and there are
// columns for the variants that were asked for, no more.
func TestBenchstat(t *testing.T) {
	var records []record.Record
	for i, v := range []string{"linux-3.19", "heukelum-v2", "bare"} {
		inexact := recordtest.Counted(v, wire.OpThreadSwitchYield, 207.5+float64(i))
		inexact.Agree = 0.1
		records = append(records, recordtest.Counted(v, wire.OpNullCall, float64(56-2*i)), recordtest.Counted(v, wire.OpUnknownCall, float64(40+7*i)), inexact)
	}
	names := []string{"linux-3.19", "heukelum-v2"}
	c, err := analysis.NewSet(records).Compare("icount", engine.Outcome{}, names)
	if err != nil {
		t.Fatal(err)
	}
	var guest bytes.Buffer
	if err := table.Compared(c, nil, false).Write(&guest, "bench"); err != nil {
		t.Fatal(err)
	}
	status, static, stderr := played(t, "compare", "-engine", "static", "-format", "bench", "linux-3.19", "heukelum-v2")
	if status != 0 {
		t.Fatal(stderr)
	}
	for _, tt := range []struct {
		name, text string
		filter     string
		want       []string // regular expressions
	}{
		{"icount", guest.String(), ".unit:insns/op", []string{`NullCall +56\.00 ± 0% +54\.00 ± 0% +-3\.57% \(n=1\)\n`, `UnknownCall +40\.00 ± 0% +47\.00 ± 0% +\+17\.50% \(n=1\)\n`}},
		{"static", static, ".unit:insns", []string{`Entry +\d+\.00 ± 0% +\d+\.00 ± 0% +\+[0-9.]+% \(n=1\)\n`}},
	} {
		out := benchstat(t, tt.text, "-filter", tt.filter, "-col", "/variant")
		for _, want := range tt.want {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("%s: benchstat does not say %s", tt.name, want)
			}
		}
		if regexp.MustCompile(`need|samples|∞|~|bare|warning`).MatchString(out) {
			t.Errorf("%s: benchstat wants more, or has more than was asked for", tt.name)
		}
		if t.Failed() {
			t.Log(out)
		}
	}
	// What is not exact is not called so.
	if out := benchstat(t, guest.String(), "-filter", ".unit:insns-median/op", "-col", "/variant"); !strings.Contains(out, "need >= 6 samples") {
		t.Errorf("one run of a figure that is not exact is enough for benchstat:\n%s", out)
	}
}

// benchstat returns what benchstat says, its warnings included.
func benchstat(t *testing.T, text string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bench.txt")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"tool", "benchstat"}, args, []string{file})...).CombinedOutput()
	if err != nil {
		t.Fatalf("benchstat: %v\n%s", err, out)
	}
	return string(out)
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
