package analysis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/stats"
)

// simulated are the records of five processes whose second variant takes difference
// cycles more than the first, and whose controls and rungs take what they are said to.
type simulated struct {
	difference, aa, dose, noise float64
	rungs                       []float64 // what 1, 2, 3 and 6 instructions more read as
}

func (m simulated) records() []record.Record {
	rng := rand.New(rand.NewPCG(5, 6))
	var records []record.Record
	for process := range 5 {
		add := func(variant, op, form string, cycles float64) {
			samples := make([]float64, 40)
			for i := range samples {
				samples[i] = cycles + m.noise*rng.NormFloat64()
			}
			records = append(records, recordtest.Timed(variant, op, form, process, samples...))
		}
		for _, form := range []string{"SR1", "N0"} {
			add(base, nullCall, form, 100)
			add(whole, nullCall, form, 100+m.difference)
			add(engine.Control, engine.ControlOp(engine.Again, nullCall, 0), form, m.aa)
			for i, reads := range m.rungs {
				add(engine.Control, fmt.Sprintf("ladder: %d more, instruction", []int{1, 2, 3, 6}[i]), form, reads)
			}
		}
		add(engine.Control, engine.ControlOp(engine.PositiveControl, nullCall, 1), "SR1", m.dose)
	}
	return records
}

func (m simulated) compared(apart map[string]string) (*Comparison, error) {
	out := engine.Outcome{Account: engine.Account{Apart: apart}}
	return NewSet(m.records()).Compare("replay", out, []string{base, whole})
}

// TestJudge: a run is refused if, and only if, a control fails. The refusal blames noise,
// and asks for less, if that can be the reason.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name string
		simulated
		want  string // "" accepted
		noise bool   // is blamed
	}{
		{"good", simulated{difference: 2, dose: 1, noise: 0.5}, "", false},
		{"A/A biased", simulated{difference: 2, aa: 1, dose: 1, noise: 0.1}, "these placements are refused: A/A reads +", true},
		{"A/A biased the other way", simulated{aa: -0.6, dose: 1, noise: 0.5}, "A/A reads -0.", true},
		{"dose not seen", simulated{noise: 0.5}, "+1 cycle reads", false},
		{"dose doubled", simulated{dose: 2, noise: 0.05}, "+1 cycle reads +2.00 ±0.01 cycles over 200 placements, want 1 ±0.3; A/A reads -0.00 ±0.01, so noise is not the reason", false},
		{"dose doubled, A/A biased", simulated{dose: 2, aa: 1, noise: 0.05}, "+1 cycle reads +2.0", true},
		{"noise", simulated{dose: 1, noise: 8}, " reads ", true},
	} {
		c, err := tt.compared(nil)
		refused, is := errors.AsType[*stats.RefusedError](err)
		if tt.want == "" && err != nil || tt.want != "" && (!is || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
		if blamed := is && !strings.Contains(refused.Reason, "noise is not the reason"); is && (blamed != tt.noise || (refused.Advice != "") != tt.noise) {
			t.Errorf("%s: noise is blamed: %v, want %v: %v", tt.name, blamed, tt.noise, err)
		}
		if judged := Judge(tt.records()); (judged == nil) != (err == nil) {
			t.Errorf("%s: refused as %v, and judged as %v", tt.name, err, judged)
		}
		if v, _ := c.Find(whole, nullCall); tt.want == "" && !estimate(v).Holds(tt.difference) {
			t.Errorf("%s: the difference is %+v, want %g", tt.name, v.Difference, tt.difference)
		}
	}
}

// TestReadAs: a difference is one of steps if, and only if, the ladders say so, and
// never where there is no fence.
func TestReadAs(t *testing.T) {
	const wide = 2.5 // of noise: no interval is narrow enough
	for _, tt := range []struct {
		name       string
		difference float64
		noise      float64
		rungs      []float64
		want       string
	}{
		{"one step for all", 1, 0.1, []float64{1, 1, 1, 1}, "1, 2, 3 or 6 instructions more"},
		{"one step for some", 1, 0.1, []float64{1, 1, 1, 2}, "1, 2 or 3 instructions more"},
		{"the second step", 2, 0.1, []float64{1, 1, 2, 2}, "3 or 6 instructions more"},
		{"up and down", 1, 0.1, []float64{1, 0.2, 0.2, 1.1}, "1 or 6 instructions more"},
		{"down again", 0, 0.1, []float64{1, 0, 0, 1}, "2 or 3 instructions more"},
		{"none of them is seen", 0, 0.1, []float64{0, 0, 0, 0}, "1, 2, 3 or 6 instructions more"},
		{"each is seen", 1, 0.1, []float64{1, 2, 3, 6}, ""},
		{"each is half a cycle", 1, 0.1, []float64{0.5, 1, 1.5, 3}, ""},
		{"beside the step", 2, 0.1, []float64{1, 1, 1, 1}, ""},
		{"below the step", 0.5, 0.1, []float64{1, 1, 1, 1}, ""},
		{"the other way", -1, 0.1, []float64{1, 1, 1, 1}, ""},
		{"one alone is not seen", 0, 0.1, []float64{0, 1, 2, 4}, ""},
		{"noise hides what is no step", 1, wide, []float64{1, 2, 3, 6}, ""},
		{"noise hides the step", 1, wide, []float64{1, 1, 1, 1}, ""},
		{"no ladder", 1, 0.1, nil, ""},
	} {
		c, err := simulated{difference: tt.difference, dose: 1, noise: tt.noise, rungs: tt.rungs}.compared(nil)
		if err != nil && tt.noise != wide {
			t.Fatal(err)
		}
		v, _ := c.Find(whole, nullCall)
		if got := ladderWords(v.ReadAs); got != tt.want {
			t.Errorf("%s: %+v reads as %q, want %q; the ladder is %+v", tt.name, v.Difference, got, tt.want, c.Ladder)
		}
		for _, r := range c.Rows {
			if r.Form == "N0" && r.Values[1].ReadAs != nil {
				t.Errorf("%s: reads as %v where there is no fence", tt.name, r.Values[1].ReadAs)
			}
		}
	}
}

// TestVerdict checks what a difference is called, by itself and beside other forms.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name      string
		low, high float64
		step      string
		apart     string
		want      string
	}{
		{name: "none", low: -0.15, high: 0.25, want: "no difference seen (±0.2 cycles)"},
		{name: "next to none", low: -0.01, high: 0.02, want: "no difference seen (±0.1 cycles)"},
		{name: "none, of a step", low: -0.01, high: 0.02, step: "1 or 6 stores more", want: "no difference seen (±0.1 cycles), but 1 or 6 stores more read the same in this form; other forms -0.3 to +2.9"},
		{name: "a step", low: 0.99, high: 0.99, step: "1 or 6 stores more", want: "a step of the fence, +1.0 cycles: 1 or 6 stores more read the same here; other forms -0.3 to +2.9"},
		{name: "alignment", low: 0.5, high: 0.9, want: "+0.70 ±0.20 cycles on average, less than what alignment does (±1)"},
		{name: "more", low: -3.34, high: -2.94, want: "-3.14 ±0.20 cycles"},
		{name: "another exit", low: 1, high: 2, apart: "IRETQ", want: "not compared (IRETQ)"},
	} {
		e := engine.Of("replay")
		row := func(form string, low, high float64, step, noisy string) Row {
			d := Difference{Kind: Interval, Value: (low + high) / 2, Low: low, High: high, Step: step}
			return Row{Op: e.Ops[0], Form: form, Values: []Value{{Variant: base}, {Variant: whole, Records: make([]record.Record, 1), Difference: d, Noisy: noisy}}}
		}
		c := Comparison{Engine: e, Variants: []string{base, whole}, Rows: []Row{
			row("SR1", tt.low, tt.high, tt.step, ""), row("SR0", -0.3, -0.3, "", ""), row("N0", 2.9, 2.9, "", ""), row("D0", -9, -9, "", "A/A"),
		}}
		if tt.apart != "" {
			c.Account.Apart = map[string]string{whole: tt.apart}
		}
		if got := c.Verdict(whole); got != tt.want {
			t.Errorf("%s: verdict is %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestNoisyForm: an operation whose A/A fails in one form is left out in that alone.
func TestNoisyForm(t *testing.T) {
	records := simulated{difference: 2, dose: 1, noise: 0.1}.records()
	for i, r := range records {
		if r.Form == "N0" && r.Op == engine.ControlOp(engine.Again, nullCall, 0) {
			for j := range r.Samples {
				x := *r.Samples[j] + 5
				records[i].Samples[j] = &x
			}
		}
	}
	s := NewSet(records)
	if s.Has(Column{"replay", "N0"}, nullCall) || !s.Has(Column{"replay", "SR1"}, nullCall) {
		t.Error("the form is believed, or the other is not")
	}
	if len(s.Refused) != 1 || !strings.Contains(s.Refused[0].Reason, "null call (getppid), N0: too noisy: A/A reads +5.0") {
		t.Errorf("refused are %q", s.Refused)
	}
	if got := slices.Collect(func(yield func(string) bool) { yield(s.Headline("replay", wire.OpNullCall).Form) }); got[0] != "SR1" {
		t.Errorf("the headline is %q", got)
	}
}
