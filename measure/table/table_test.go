package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/stubs"
)

// finished returns a comparison whose guest has said what text holds.
func finished(t *testing.T, engineName vm.Engine, text string, names ...string) *analysis.Comparison {
	t.Helper()
	results, err := wire.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	config := record.Config{Build: "x", Code: "c0de", Engine: string(engineName), Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU"}
	var records []record.Record
	for _, m := range results.Measures {
		records = append(records, record.New(config, m, "axes", record.Instructions, 0, recordtest.Day))
	}
	c, err := analysis.NewSet(records).Compare(string(engineName), engine.Outcome{Checks: results.Checks}, names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// counted is what a guest said that was run with exact counts: a figure that
// falls, one that rises, one that stays, one that is missing, and one that is
// not exact.
const counted = `PASS: linux-3.19: registers: null call
PASS: linux-3.19: registers: unknown call
SKIP: linux-3.19: memory: mmap (no reason)
PASS: heukelum-v2: registers: null call
FAIL: heukelum-v2: registers: unknown call (R10 is 0x1, want 0x2)
ERROR: heukelum-v2: threads: two threads yield (no thread)
MEASURE: variant=linux-3.19 op=null-call unit=ticks n=100 batches=9 min=56 median=56 max=56 agree=1
MEASURE: variant=heukelum-v2 op=null-call unit=ticks n=100 batches=9 min=54 median=54 max=54 agree=1
MEASURE: variant=bare op=null-call unit=ticks n=100 batches=9 min=6 median=6 max=6 agree=1
MEASURE: variant=linux-3.19 op=unknown-call unit=ticks n=100 batches=9 min=40 median=40 max=40 agree=1
MEASURE: variant=heukelum-v2 op=unknown-call unit=ticks n=100 batches=9 min=47 median=47 max=47 agree=1
MEASURE: variant=linux-3.19 op=full-frame-call unit=ticks n=100 batches=9 min=90 median=90 max=90 agree=1
MEASURE: variant=heukelum-v2 op=full-frame-call unit=ticks n=100 batches=9 min=90 median=90 max=90 agree=1
MEASURE: variant=linux-3.19 op=signal-round-trip unit=ticks n=100 batches=9 min=900 median=900 max=900 agree=1
MEASURE: variant=linux-3.19 op=thread-switch-yield unit=ticks n=100 batches=9 min=200 median=210.5 max=220 agree=0.1
MEASURE: variant=heukelum-v2 op=thread-switch-yield unit=ticks n=100 batches=9 min=205 median=207.5 max=215 agree=0.1
MEASURE: variant=linux-3.19 op=futex-round-trip unit=ticks n=100 batches=9 min=1000 median=1010.5 max=1020 agree=0.1
MEASURE: variant=heukelum-v2 op=futex-round-trip unit=ticks n=100 batches=9 min=980 median=990.5 max=999 agree=0.1
SUMMARY: 6 tests, 2 unexpected failures, 1 skipped
`

func TestCompareText(t *testing.T) {
	for _, tt := range []struct {
		name  string
		names []string
	}{
		{"pair", []string{"linux-3.19", "heukelum-v2"}},
		{"many", []string{"linux-3.19", "heukelum-v2", "linux-4.1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Compared(finished(t, vm.ICount, counted, tt.names...), nil, false).Write(&b, "text"); err != nil {
				t.Fatal(err)
			}
			golden.Same(t, "testdata/compare-"+tt.name+".golden", b.String())
		})
	}
}

// TestJSON reads back what was printed.
func TestJSON(t *testing.T) {
	c := finished(t, vm.ICount, counted, "linux-3.19", "heukelum-v2")
	var b bytes.Buffer
	if err := Compared(c, nil, false).Write(&b, "json"); err != nil {
		t.Fatal(err)
	}
	var got Data
	decoder := json.NewDecoder(&b)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Engine != "icount" || got.Unit != "instructions" || got.Machine != "microvm" || got.CPU != "max" || got.QEMU != "7.2.22" || got.Code != "c0de" {
		t.Errorf("configuration is %+v", got)
	}
	if diff := cmp.Diff([]string{"linux-3.19", "heukelum-v2"}, got.Variants); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Checks, got.Checks); diff != "" {
		t.Error(diff)
	}
	results, err := wire.Parse(counted)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range results.Measures {
		for _, g := range got.Measures {
			if g.Measure == m {
				seen++
			}
		}
	}
	if seen != len(results.Measures) || seen != len(got.Measures) {
		t.Errorf("%d measures of %d, %d are printed", seen, len(results.Measures), len(got.Measures))
	}
	if d := got.Measures[1].Difference; d == nil || d.Kind != "exact" || d.Mean != -2 || !d.Seen {
		t.Errorf("the difference is %+v", d)
	}
}

// TestCSV: every figure is a line with all columns.
func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := Compared(finished(t, vm.ICount, counted, "linux-3.19", "heukelum-v2"), map[string]record.Proof{"heukelum-v2": "refuted: why, so"}, false).Write(&b, "csv"); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"icount", "heukelum-v2", "null-call", "", "instructions", "54", "54", "54", "-2", "-2", "-2", "exact", "", "refuted: why, so"}; !slices.Equal(lines[2], want) || len(lines) != 13 {
		t.Errorf("%d lines, the third is %q, want %q", len(lines), lines[2], want)
	}
}

// TestHTML: the page has the table, and what is in it is escaped.
func TestHTML(t *testing.T) {
	d := &Document{Title: "<title>"}
	d.Add(Line("a & b"), Space, Block{Prose: "prose", Indent: "  "}, Of([][]string{{"", "head"}, {"row", "<cell>"}}), Block{Notes: []string{"note"}})
	var b bytes.Buffer
	if err := d.Write(&b, "html"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<title>&lt;title&gt;</title>", "<p>a &amp; b</p>", `<p class="in">prose</p>`, `<th scope="col">head</th>`,
		`<th scope="row">row</th><td>&lt;cell&gt;</td>`, "<li>note</li>", "</html>",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestFormats: a writer that fails is an error in each.
func TestFormats(t *testing.T) {
	d := Compared(finished(t, vm.ICount, counted, "linux-3.19", "heukelum-v2"), nil, false)
	for _, format := range Formats {
		if err := d.Write(failing{}, format); err == nil {
			t.Errorf("%s: a writer that fails is no error", format)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestCompareBench reads the benchmark format back as benchstat does.
func TestCompareBench(t *testing.T) {
	for _, tt := range []struct {
		engine vm.Engine
		unit   string
	}{
		{vm.ICount, "insns/op"},
	} {
		t.Run(string(tt.engine), func(t *testing.T) {
			c := finished(t, tt.engine, counted, "linux-3.19", "heukelum-v2")
			var b bytes.Buffer
			if err := Compared(c, nil, false).Write(&b, "bench"); err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			reader := benchfmt.NewReader(&b, "compare")
			for reader.Scan() {
				switch record := reader.Result().(type) {
				case *benchfmt.SyntaxError:
					t.Error(record)
				case *benchfmt.Result:
					if record.GetConfig("engine") != string(tt.engine) || record.GetConfig("qemu") != "7.2.22" || record.GetConfig("cpu") != "max" {
						t.Errorf("%s has configuration %v", record.Name, record.Config)
					}
					unit := tt.unit
					if regexp.MustCompile("^(ThreadSwitchYield|FutexRoundTrip)").Match(record.Name) { // no exact counts
						unit = "insns-median/op"
					}
					value, ok := record.Value(unit)
					if !ok {
						t.Errorf("%s has no %s", record.Name, unit)
					}
					got[string(record.Name)] = value
				}
			}
			if err := reader.Err(); err != nil {
				t.Fatal(err)
			}
			if better := reader.Units().GetBetter(tt.unit); better != -1 {
				t.Errorf("%s: better is %d, want -1: lower", tt.unit, better)
			}
			if assumption := reader.Units().GetAssumption(tt.unit); assumption != benchmath.AssumeExact {
				t.Errorf("%s: assumption is %v, want exact", tt.unit, assumption)
			}
			if want := 12 - 1; len(got) != want { // not that of the floor
				t.Errorf("%d results, want %d", len(got), want)
			}
			for name, want := range map[string]float64{
				"NullCall/variant=linux-3.19":           56,
				"ThreadSwitchYield/variant=heukelum-v2": 207.5,
			} {
				if got[name] != want {
					t.Errorf("%s is %v, want %v", name, got[name], want)
				}
			}
		})
	}
}

// TestCompared: a comparison of which no difference can be seen is an error that
// tells why, on each engine.
func TestCompared(t *testing.T) {
	const (
		linux, pcid, skylake = "linux-6.12", "linux-6.12+pti+pcid", "linux-6.12-skylake"
		figure               = "MEASURE: variant=%s op=null-call unit=ticks n=100 batches=9 min=56 median=56 max=56 agree=1\n"
		lacks                = "SKIP: %s: measure (the CPU has no %s)\n"
	)
	of := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	for _, row := range []struct {
		name   string
		engine vm.Engine
		names  []string
		lines  string
		want   string // "": a difference is seen
	}{
		{"both", vm.ICount, []string{linux, pcid}, of(figure, linux) + of(figure, pcid), ""},
		{
			"no second", vm.ICount,
			[]string{linux, pcid},
			of(figure, linux) + of(figure, "bare") + of(lacks, pcid, "PCID"),
			"nothing to compare: linux-6.12+pti+pcid was not measured: the CPU has no PCID (engine icount, CPU max); -engine bochs has PCIDs",
		},
		{
			"no first", vm.ICount,
			[]string{pcid, linux},
			of(figure, linux) + of(lacks, pcid, "PCID"),
			"nothing to compare: linux-6.12+pti+pcid was not measured: the CPU has no PCID (engine icount, CPU max); -engine bochs has PCIDs",
		},
		{
			"in Bochs", vm.Bochs,
			[]string{linux, skylake},
			of(figure, linux) + of(lacks, skylake, "IBRS"),
			"nothing to compare: linux-6.12-skylake was not measured: the CPU has no IBRS (engine bochs, CPU max)",
		},
		{
			"two that Bochs does not help both", vm.ICount,
			[]string{linux, pcid, skylake},
			of(figure, linux) + of(lacks, pcid, "PCID") + of(lacks, skylake, "PCID"),
			"nothing to compare: linux-6.12+pti+pcid was not measured: the CPU has no PCID; linux-6.12-skylake was not measured: the CPU has no PCID (engine icount, CPU max)",
		},
		{"no third", vm.ICount, []string{linux, "linux-3.19", pcid}, of(figure, linux) + of(figure, "linux-3.19") + of(lacks, pcid, "PCID"), ""},
	} {
		var list []stubs.Variant
		for _, name := range append(slices.Clone(row.names), "bare") {
			n, err := stubs.ParseVariant(name)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, n)
		}
		got := ""
		if err := finished(t, row.engine, row.lines, row.names...).Compared(list); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
