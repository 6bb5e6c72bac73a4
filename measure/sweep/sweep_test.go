package sweep

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
)

// planted are an engine's costs by offset and run, in cycles.
type planted func(offset, run int) float64

// sampled makes an engine whose samples cost what was planted, with noise.
func sampled(cost planted) engine.Engine {
	run := 0
	return engine.Engine{
		Name: "planted", About: "made up", Kind: engine.Sampled, Unit: record.Cycles, Sample: "sample",
		Ops: []engine.Op{{Operation: record.Operation{Op: wire.OpNullCall, Title: "null call", Short: "null call", Bench: "NullCall"}}},
		Plan: func(_ context.Context, j engine.Job) ([]engine.Step, error) {
			now := run
			run++
			return []engine.Step{{
				Title: "made up",
				Done:  func([]record.Record) bool { return false },
				Run: func(_ context.Context, out engine.Out) error {
					rng := rand.New(rand.NewPCG(1, uint64(now)))
					for _, v := range j.Subjects {
						c := record.Config{Build: "devel", Code: "c0de", Engine: "planted", Machine: "host", CPU: "a CPU", Host: "a CPU"}
						r := record.New(c, wire.Measure{Variant: v.Name, Op: wire.OpNullCall, N: 1, Batches: 40, Min: 1, Median: 100, Max: 999},
							v.Axes.String(), record.Cycles, 0, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
						for range 40 {
							r.Samples = append(r.Samples, new(100+cost(v.Place.Offset, now)+0.2*rng.NormFloat64()))
						}
						if err := out.Records(r); err != nil {
							return err
						}
					}
					return nil
				},
			}}, nil
		},
	}
}

// swept sweeps linux-4.1 by an engine.
func swept(t *testing.T, cost planted, step int) *Sweep {
	t.Helper()
	v, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Subjects(v, step)
	if err != nil {
		t.Fatal(err)
	}
	en := sampled(cost)
	var runs []engine.Outcome
	for range Runs {
		out, err := engine.Runner{Job: engine.Job{Subjects: list}, Note: func(string) {}}.Run(t.Context(), en)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, out)
	}
	s, err := New(v.Name, en, list, runs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSteps: a planted step is found where it is, in both runs; what one run has alone,
// and what noise makes, is none.
func TestSteps(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cost   planted
		step   int
		steps  []string // the places, without cycles
		once   int
		answer string
	}{
		{"none", func(int, int) float64 { return 0 }, 16, nil, 0, "No step: no place in a line costs 0."},
		{"at 32, and back", func(offset, _ int) float64 { return map[bool]float64{true: 2}[offset == 32] }, 16, []string{"+16 to +32", "+32 to +48"}, 0, "2 steps, the same in 2 runs"},
		{"the last half", func(offset, _ int) float64 { return map[bool]float64{true: 3}[offset >= 32] }, 16, []string{"+16 to +32", "+48 to +64"}, 0, "2 steps, the same in 2 runs"},
		{"of 4 bytes", func(offset, _ int) float64 { return map[bool]float64{true: 1}[offset < 60] }, 4, []string{"+56 to +60", "+60 to +64"}, 0, "2 steps"},
		{"one run alone", func(offset, run int) float64 { return map[bool]float64{true: 2}[offset == 32 && run == 1] }, 16, nil, 2, "No step"},
		{"another way in each run", func(offset, run int) float64 {
			return map[bool]float64{true: float64(2 - 4*run)}[offset >= 32]
		}, 16, nil, 2, "No step"},
		{"smaller than what can be told", func(offset, _ int) float64 { return map[bool]float64{true: 0.1}[offset == 32] }, 16, nil, 0, "No step"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := swept(t, tt.cost, tt.step)
			var got []string
			for _, step := range s.Steps {
				got = append(got, fmt.Sprintf("+%d to +%d", step.From, step.To))
			}
			if diff := cmp.Diff(tt.steps, got); diff != "" || len(s.Once) != tt.once {
				t.Errorf("steps (-want +got):\n%s%d of one run alone, want %d: %v", diff, len(s.Once), tt.once, s.Once)
			}
			if !strings.HasPrefix(s.Answer(), tt.answer) {
				t.Errorf("the answer is %q, want %q", s.Answer(), tt.answer)
			}
		})
	}
}

// TestDocument: people get the steps and the table, a page the plot, programs the rows.
func TestDocument(t *testing.T) {
	s := swept(t, func(offset, _ int) float64 { return map[bool]float64{true: 2}[offset == 32] }, 16)
	for _, tt := range []struct{ format, want string }{
		{"text", "2 steps, the same in 2 runs."},
		{"text", "from +16 to +32: +2.0 and +2.0 cycles"},
		{"text", "+32         +2.1 ±0.1       +2.0 ±0.1"},
		{"html", `aria-label="What the place of an entry costs"`},
		{"html", "--c1:"},
		{"svg", "<svg role="},
		{"svg", "--c1:"},
		{"json", `"place": "+48"`},
		{"csv", "+32,+2.1 ±0.1,+2.0 ±0.1"},
	} {
		var b bytes.Buffer
		if err := s.Document().Write(&b, tt.format); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("%s: no %q in\n%.2000s", tt.format, tt.want, b.String())
		}
		if tt.format != "svg" {
			continue
		}
		var picture struct {
			XMLName xml.Name `xml:"svg"`
			Style   string   `xml:"style"`
		}
		if err := xml.Unmarshal(b.Bytes(), &picture); err != nil || picture.Style == "" {
			t.Errorf("the picture is no SVG with a style: %v\n%.2000s", err, b.String())
		}
	}
	s.Points[2].Differences[0].Step = "1 instruction more"
	var b bytes.Buffer
	if err := s.Document().Write(&b, "text"); err != nil || !strings.Contains(b.String(), "+32      read as +2.1") || !strings.Contains(b.String(), "\nread as: additional instructions") {
		t.Errorf("what additional instructions read as is not told apart: %v\n%s", err, b.String())
	}
	if err := Placements(nil).Write(io.Discard, "svg"); err == nil || !strings.Contains(err.Error(), "nothing here has a picture") {
		t.Errorf("the picture of a document without one: error is %v", err)
	}
}

func TestSubjects(t *testing.T) {
	v, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{0, -16, 3, 64, 128} {
		if _, err := Subjects(v, step); err == nil || !strings.Contains(err.Error(), "want one of 1, 2, 4, 8, 16 or 32") {
			t.Errorf("a step of %d: error is %v", step, err)
		}
	}
	if _, err := Subjects(v.At(16), 16); err == nil || !strings.Contains(err.Error(), "linux-3.19@16 has a place already") {
		t.Errorf("of a variant with a place: error is %v", err)
	}
	if v, err = stubs.ParseVariant("linux-3.19+align=64"); err != nil {
		t.Fatal(err)
	}
	if _, err := Subjects(v, 16); err == nil || !strings.Contains(err.Error(), "has a place already") {
		t.Errorf("of a variant with align=64: error is %v", err)
	}
}
