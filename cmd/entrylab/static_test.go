package main

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/stubs/count"
)

// static runs compare with the engine static; it needs no machine.
func static(t *testing.T, format string) string {
	t.Helper()
	status, stdout, stderr := played(t, "compare", "-engine", "static", "-format", format, "linux-3.19", "linux-3.19+a", "heukelum-v2")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	return stdout
}

func TestStaticText(t *testing.T) {
	golden.Same(t, "testdata/compare-static.golden", static(t, "text"))
}

// TestStaticFormats: the other formats have every count of every phase, and the figures of the
// switch.
func TestStaticFormats(t *testing.T) {
	const variants = 3
	want := variants * (len(count.Phases)*len(count.Metrics()) + len(count.Figures))

	reader := benchfmt.NewReader(strings.NewReader(static(t, "bench")), "static")
	lines, entry := 0, 0.0
	for reader.Scan() {
		r, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			if e, bad := reader.Result().(*benchfmt.SyntaxError); bad {
				t.Error(e)
			}
			continue
		}
		lines += len(r.Values)
		if r.GetConfig("engine") != "static" {
			t.Errorf("%s: engine %q", r.Name, r.GetConfig("engine"))
		}
		if string(r.Name) == "Entry/variant=heukelum-v2" {
			entry, _ = r.Value("insns")
		}
	}
	if lines != want || entry != 28 {
		t.Errorf("bench: %d values, the entry of heukelum-v2 %v; want %d, 28", lines, entry, want)
	}

	var out struct {
		Engine   string
		Measures []struct {
			Variant, Op, Unit string
			Median            float64
		}
		Notes []string
	}
	if err := json.Unmarshal([]byte(static(t, "json")), &out); err != nil {
		t.Fatal(err)
	}
	if out.Engine != "static" || len(out.Measures) != want || len(out.Notes) == 0 {
		t.Errorf("json: engine %q, %d counts, %d notes; want %d counts", out.Engine, len(out.Measures), len(out.Notes), want)
	}
	if m := out.Measures[0]; m.Op != "insns/entry" || m.Unit != "instructions" || m.Median != 22 {
		t.Errorf("json: the first count is %+v", m)
	}
	if lines := strings.Count(static(t, "csv"), "\n"); lines != 1+len(out.Measures) {
		t.Errorf("csv: %d lines, want %d", lines, 1+len(out.Measures))
	}
}
