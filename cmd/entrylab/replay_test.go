package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"golang.org/x/perf/benchfmt"
)

// replayed is a made-up result of three variants.
func replayed() *replay.Result {
	none := stats.Estimate{Mean: 0.05, Low: -0.1, High: 0.2, SD: 1, N: 3}
	more := stats.Estimate{Mean: 3.1, Low: 3, High: 3.2, SD: 1, N: 3}
	figure := func(name string, d *stats.Estimate) replay.Figure {
		return replay.Figure{Variant: name, Cycles: []float64{100, 101, 102}, Mean: 101, Difference: d}
	}
	return &replay.Result{
		CPU:      replay.CPU{Model: "Some CPU", Family: "25/1/1", Microcode: "0x1"},
		Variants: []string{"linux-3.19", "linux-3.19+a", "linux-4.1"}, Seed: 1, CyclesPerTick: 1.4, Placements: 3, Dropped: 1,
		Controls: []replay.Control{{Name: "A/A", Op: replay.OpNull, Form: "SR1", Estimate: none}},
		Cells: []replay.Cell{
			{Op: replay.OpNull, Form: "SR1", Figures: []replay.Figure{figure("linux-3.19", nil), figure("linux-3.19+a", &none), figure("linux-4.1", &more)}},
			{Op: replay.OpSwitchSP, Form: "SR0", Noisy: "A/A was +9.00 ±1.00", Figures: []replay.Figure{figure("linux-3.19", nil), figure("linux-3.19+a", &more), figure("linux-4.1", &more)}},
		},
	}
}

func TestPrintReplayed(t *testing.T) {
	var b bytes.Buffer
	if err := printReplayed(&b, replayed(), false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"engine replay, on Some CPU (family/model/stepping 25/1/1, microcode 0x1), 3 placements",
		"linux-3.19+a against linux-3.19, null call: no difference seen (±0.2 cycles)",
		"linux-4.1 against linux-3.19, null call: +3.10 ±0.10 cycles",
		"none seen (±0.2)",
		"too noisy (A/A was +9.00 ±1.00)",
		"A/A, null call",
		"* replayed in ring 3 on Some CPU",
		"no figure is the cost of a system call",
		"1 more dropped because the core was shared (25 %)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("does not say %q:\n%s", want, b.String())
		}
	}
}

// TestPrintSteps: a difference of steps is printed as one, and -v prints what it
// is made of.
func TestPrintSteps(t *testing.T) {
	step := stats.Estimate{Mean: 0.99, Low: 0.99, High: 1, SD: 0.06, N: 4}
	figures := []replay.Figure{
		{Variant: "linux-3.19", Cycles: []float64{95, 95, 96, 95}, Mean: 95.2},
		{Variant: "linux-3.19+a", Cycles: []float64{96, 96, 97, 95.5}, Mean: 96.1, Difference: &step, ReadAs: []replay.ReadAs{{Kind: "instruction", More: []int{1, 2, 3, 6}}}},
	}
	res := &replay.Result{
		Variants: []string{"linux-3.19", "linux-3.19+a"},
		Cells:    []replay.Cell{{Op: replay.OpNull, Form: "SR1", Figures: figures}},
	}
	for _, n := range []int{1, 2, 3, 6} {
		for _, form := range []string{"SR1", "N0"} {
			res.Ladder = append(res.Ladder, replay.Rung{Form: form, Kind: "instruction", More: n, Estimate: stats.Estimate{Mean: 1, Low: 0.9, High: 1.1}})
		}
	}
	slices.SortStableFunc(res.Ladder, func(a, b replay.Rung) int { return -strings.Compare(a.Form, b.Form) })
	for _, tt := range []struct {
		verbose  bool
		ladder   []replay.Rung
		want, no []string
	}{
		{false, res.Ladder, []string{
			"linux-3.19+a against linux-3.19, null call: a step of the fence, +1.0 cycles: 1, 2, 3 or 6 instructions more read the same here\n",
			"null call SR1 95.2 step +1.0\n",
			"step: several numbers of instructions more read the same in this form",
		}, []string{"+0.99", "ladder:", "placements at so many cycles"}},
		{true, res.Ladder, []string{
			"null call SR1 linux-3.19+a 3 at +1, 1 between\n",
			"ladder: the base's null call with so many more form 1 2 3 6\n",
			"instruction SR1 +1.00 ±0.10 +1.00 ±0.10 +1.00 ±0.10 +1.00 ±0.10\n",
			"instruction N0 +1.00",
		}, []string{"+0.99"}},
		{true, nil, []string{"ladder: too few placements\n"}, nil},
	} {
		var b bytes.Buffer
		res.Ladder = tt.ladder
		if err := printReplayed(&b, res, tt.verbose); err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile(` +`).ReplaceAllString(b.String(), " ")
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("verbose %v: does not say %q:\n%s", tt.verbose, want, b.String())
			}
		}
		for _, no := range tt.no {
			if strings.Contains(b.String(), no) {
				t.Errorf("verbose %v: says %q:\n%s", tt.verbose, no, b.String())
			}
		}
	}
}

// TestBenchReplayed: benchfmt reads a line for every placement, and none of
// figures that must not be believed.
func TestBenchReplayed(t *testing.T) {
	var b bytes.Buffer
	if err := benchReplayed(&b, replayed()); err != nil {
		t.Fatal(err)
	}
	results := 0
	for r := benchfmt.NewReader(&b, "replayed"); r.Scan(); {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			results++
			if _, ok := rec.Value("cycles/op"); !ok || rec.GetConfig("engine") != "replay" || rec.GetConfig("cpu") != "Some CPU" {
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
