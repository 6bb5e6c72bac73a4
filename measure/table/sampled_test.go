package table

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// value returns what a variant took in placements.
func value(name string, d analysis.Difference, cycles ...float64) analysis.Value {
	return analysis.Value{
		Variant: name, Records: []record.Record{{Unit: record.Cycles, N: 1, Batches: len(cycles)}}, Samples: cycles, Mean: stats.Mean(cycles), Difference: d,
	}
}

// interval returns a difference with an interval.
func interval(mean, half float64) analysis.Difference {
	return analysis.Difference{Kind: analysis.Interval, Unit: record.Cycles, Value: mean, Low: mean - half, High: mean + half, SD: 1, N: 3}
}

// replayed returns a made-up comparison of three variants in placements.
func replayed() *analysis.Comparison {
	e, _ := engine.Find("replay")
	var none analysis.Difference
	row := func(op int, form, noisy string, second, third analysis.Difference) analysis.Row {
		r := analysis.Row{Op: e.Ops[op], Form: form, Values: []analysis.Value{
			value("linux-3.19", none, 100, 101, 102), value("linux-3.19+a", second, 100, 101, 102), value("linux-4.1", third, 100, 101, 102),
		}}
		for i := range r.Values {
			r.Values[i].Noisy = noisy
		}
		return r
	}
	c := &analysis.Comparison{
		Engine: e, Config: record.Config{Engine: "replay", Host: "Some CPU", Microcode: "0x1"}, Units: 3,
		Variants: []string{"linux-3.19", "linux-3.19+a", "linux-4.1"},
		Account:  engine.Account{On: "Some CPU (family/model/stepping 25/1/1, microcode 0x1)", Disturbed: "1 more dropped because the core was shared (25 %)", CyclesPerTick: 1.4},
		Controls: []analysis.Control{{Name: engine.Again, Op: wire.OpNullCall, Form: "SR1", Estimate: stats.Estimate{Mean: 0.05, Low: -0.1, High: 0.2, SD: 1, N: 3}}},
		Rows: []analysis.Row{
			row(0, "SR1", "", interval(0.05, 0.15), interval(3.1, 0.1)),
			row(3, "SR0", "A/A reads +9.00 ±1.00", interval(3.1, 0.1), interval(3.1, 0.1)),
		},
	}
	c.Notes = e.Notes(&c.Account)
	return c
}

func text(t *testing.T, d *Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSampled(t *testing.T) {
	got := text(t, Compared(replayed(), nil, false))
	for _, want := range []string{
		"engine replay, on Some CPU (family/model/stepping 25/1/1, microcode 0x1), 3 placements",
		"linux-3.19+a against linux-3.19, null call: no difference seen (±0.2 cycles)",
		"linux-4.1 against linux-3.19, null call: +3.10 ±0.10 cycles",
		"none seen (±0.2)",
		"too noisy (A/A reads +9.00 ±1.00)",
		"A/A, null call",
		"* replayed in ring 3 on Some CPU",
		"no figure is the cost of a system call",
		"1 more dropped because the core was shared (25 %)",
		"(1.4000 for a tick of the time-stamp counter)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
}

// TestRefusal: what refuses samples is printed, and no figure.
func TestRefusal(t *testing.T) {
	got := text(t, Refused(replayed()))
	if !strings.Contains(got, "A/A, null call") || strings.Contains(got, "101") || strings.Contains(got, "3.10") {
		t.Errorf("printed is\n%s", got)
	}
}

// TestSteps: a difference of steps is printed as one, and -v prints what it
// is made of.
func TestSteps(t *testing.T) {
	c := replayed()
	step := analysis.Difference{Kind: analysis.Interval, Unit: record.Cycles, Value: 0.99, Low: 0.99, High: 1, N: 4, Step: "1, 2, 3 or 6 instructions more"}
	second := value("linux-3.19+a", step, 96, 96, 97, 95.5)
	second.ReadAs = []analysis.ReadAs{{Kind: "instruction", More: []int{1, 2, 3, 6}}}
	c.Variants = c.Variants[:2]
	c.Rows = []analysis.Row{{Op: c.Engine.Ops[0], Form: "SR1", Values: []analysis.Value{value("linux-3.19", analysis.Difference{}, 95, 95, 96, 95), second}}}
	var ladder []analysis.Rung
	for _, form := range []string{"SR1", "N0"} {
		for _, n := range []int{1, 2, 3, 6} {
			ladder = append(ladder, analysis.Rung{Form: form, Kind: "instruction", More: n, Estimate: stats.Estimate{Mean: 1, Low: 0.9, High: 1.1}})
		}
	}
	for _, tt := range []struct {
		verbose  bool
		ladder   []analysis.Rung
		want, no []string
	}{
		{false, ladder, []string{
			"linux-3.19+a against linux-3.19, null call: a step of the fence, +1.0 cycles: 1, 2, 3 or 6 instructions more read the same here\n",
			"null call SR1 95.2 step +1.0\n",
			"step: several numbers of instructions more read the same in this form",
		}, []string{"+0.99", "ladder:", "placements at so many cycles"}},
		{true, ladder, []string{
			"null call SR1 linux-3.19+a 3 at +1, 1 between\n",
			"ladder: the base's null call with so many more form 1 2 3 6\n",
			"instruction SR1 +1.00 ±0.10 +1.00 ±0.10 +1.00 ±0.10 +1.00 ±0.10\n",
			"instruction N0 +1.00",
		}, []string{"+0.99"}},
		{true, nil, []string{"ladder: too few placements\n"}, nil},
	} {
		c.Ladder = tt.ladder
		got := regexp.MustCompile(` +`).ReplaceAllString(text(t, Compared(c, nil, tt.verbose)), " ")
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("verbose %v: does not say %q:\n%s", tt.verbose, want, got)
			}
		}
		for _, no := range tt.no {
			if strings.Contains(got, no) {
				t.Errorf("verbose %v: says %q:\n%s", tt.verbose, no, got)
			}
		}
	}
}

// TestBenchSampled: benchfmt reads a line for every placement, and none of
// figures that must not be believed.
func TestBenchSampled(t *testing.T) {
	var b bytes.Buffer
	if err := Compared(replayed(), nil, false).Write(&b, "bench"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Split(b.String(), "\n"), "control-aa-null-call-sr1: +0.05±0.15") {
		t.Errorf("the control is not there:\n%s", b.String())
	}
	results := 0
	for r := benchfmt.NewReader(&b, "replayed"); r.Scan(); {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			results++
			if _, ok := rec.Value("cycles/op"); !ok || rec.GetConfig("engine") != "replay" || rec.GetConfig("cpu") != "Some CPU" || rec.GetConfig("placements") != "3" {
				t.Errorf("%s has no cycles, engine or CPU", rec.Name)
			}
			if !strings.HasPrefix(string(rec.Name), "NullCall/variant=linux-") || !strings.HasSuffix(string(rec.Name), "/form=SR1") {
				t.Errorf("name is %s", rec.Name)
			}
		}
	}
	if results != 9 {
		t.Errorf("%d results, want 3 placements of 3 variants", results)
	}
}
