// Package metrictest adds a metric to those of package count from outside. It is a
// separate package because a registered metric is visible to all tests of the process.
package metrictest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// pushes counts the instructions that push.
var pushes = count.Metric{
	Title: "of these pushes", Bench: "pushes", Unit: record.Instructions,
	Of: func(c count.Counts) (n int) {
		for _, s := range c.Steps {
			if strings.HasPrefix(s.Ins.Mnemonic(), "PUSH") {
				n++
			}
		}
		return n
	},
}

func init() { count.Register(pushes) }

// TestMetric: a registered metric is counted by engine static in each phase, kept in
// records and printed in the tables.
func TestMetric(t *testing.T) {
	static, ok := engine.Find("static")
	if !ok {
		t.Fatal("there is no engine static")
	}
	names := []string{"linux-3.19", "linux-4.1"} // which moves, and which pushes
	var job engine.Job
	for _, name := range names {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		job.Subjects = append(job.Subjects, n)
	}
	out, err := engine.Runner{Job: job, Note: func(string) {}}.Run(t.Context(), static)
	if err != nil {
		t.Fatal(err)
	}
	figure := func(variant, op string) float64 {
		i := slices.IndexFunc(out.Records, func(r record.Record) bool { return r.Variant == variant && r.Op == op && r.Unit == pushes.Unit })
		if i < 0 {
			t.Fatalf("%s has no %s", variant, op)
		}
		return out.Records[i].Median
	}
	for _, tt := range []struct {
		variant, op string
		want        float64
	}{
		{"linux-3.19", "pushes", 0},
		{"linux-4.1", "pushes", 15}, // the frame from SS to R11
		{"linux-4.1", "pushes/entry", 15},
		{"linux-4.1", "pushes/exit", 0},
	} {
		if got := figure(tt.variant, tt.op); got != tt.want {
			t.Errorf("%s: %g %s, want %g", tt.variant, got, tt.op, tt.want)
		}
	}
	c, err := analysis.NewSet(out.Records).Compare(static.Name, out, names)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := table.Compared(c, nil, false).Write(&text, "text"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), pushes.Title) {
		t.Errorf("the table does not have %q:\n%s", pushes.Title, text.String())
	}
}

// TestUnsound: a declaration that lacks something, or is one too many, panics.
func TestUnsound(t *testing.T) {
	of := func(count.Counts) int { return 0 }
	for _, m := range []count.Metric{
		pushes,
		{Title: "a title", Bench: "key", Unit: record.Bytes},
		{Title: "a title", Bench: "key", Of: of},
		{Title: "a title", Unit: record.Bytes, Of: of},
		{Bench: "key", Unit: record.Bytes, Of: of},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("metric %+v is registered", m)
				}
			}()
			count.Register(m)
		}()
	}
}
