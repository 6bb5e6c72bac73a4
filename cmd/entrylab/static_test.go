package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

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

func TestStaticText(t *testing.T) { golden(t, "compare-static.golden", static(t, "text")) }

// TestStaticFormats: the other formats have every count of every phase.
func TestStaticFormats(t *testing.T) {
	want := 3 * len(count.Phases)

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
		lines++
		if len(r.Values) != len(count.Metrics) || r.GetConfig("engine") != engineStatic {
			t.Errorf("%s has %d values, engine %q", r.Name, len(r.Values), r.GetConfig("engine"))
		}
		if string(r.Name) == "Entry/variant=heukelum-v2" {
			entry, _ = r.Value("insns")
		}
	}
	if lines != want || entry != 27 {
		t.Errorf("bench: %d results, the entry of heukelum-v2 %v; want %d, 27", lines, entry, want)
	}

	var out struct {
		Engine string
		Counts []struct {
			Variant, Phase string
			count.Counts
		}
		Notes []string
	}
	for _, key := range []string{"variant", "phase", "instructions", "bytes", "loads", "stores", "gs", "forwards", "lines", "lines_beyond"} {
		if n := strings.Count(static(t, "json"), fmt.Sprintf("%q: ", key)); n != want {
			t.Errorf("json: %d times %q, want %d", n, key, want)
		}
	}
	decoder := json.NewDecoder(strings.NewReader(static(t, "json")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&out); err != nil {
		t.Fatal(err)
	}
	if out.Engine != engineStatic || len(out.Counts) != want || len(out.Notes) == 0 {
		t.Errorf("json: engine %q, %d counts, %d notes; want %d counts", out.Engine, len(out.Counts), len(out.Notes), want)
	}
	if c := out.Counts[0]; c.Phase != "entry" || c.Instructions != 21 || c.Bytes != 114 {
		t.Errorf("json: the first counts are %+v", c)
	}
}
