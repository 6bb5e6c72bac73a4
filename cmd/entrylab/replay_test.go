package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/replay"
	"github.com/entrylab/entrylab/boot/stats"
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
	if err := printReplayed(&b, replayed()); err != nil {
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
