package judge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/record"
)

// night is one of a series: the figure, the stub, or a person's word.
type night struct {
	value  float64
	stub   string
	accept bool
	// outcome of a check
	outcome string
}

func series(kind history.Kind, nights ...night) []history.Entry {
	var all []history.Entry
	day := 0
	for _, n := range nights {
		if !n.accept {
			day++
		}
		when := time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
		e := history.Entry{Kind: kind, Time: when, Night: when.Format(time.DateOnly), Series: "s", Stub: n.stub, Unit: record.Instructions, Build: fmt.Sprint("b", day)}
		switch {
		case n.accept:
			e.Kind, e.Time, e.Detail = history.Accept, when.Add(time.Hour), "it is right"
		case kind == history.Count:
			e.Values = []float64{n.value}
		case kind == history.Sample:
			e.Unit = record.Cycles
			for b := range 8 {
				e.Values = append(e.Values, n.value+0.1*float64(b%3-1))
			}
		case kind == history.Check:
			e.Outcome, e.Detail = n.outcome, "words"
		}
		all = append(all, e)
	}
	return all
}

// times repeats a night.
func times(n int, one night) []night {
	var all []night
	for i := range n {
		one := one
		one.value += 0.02 * float64(i%4) * boolean(one.value != float64(int(one.value)))
		all = append(all, one)
	}
	return all
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestSeries(t *testing.T) {
	pass, fail, skip := night{outcome: "PASS"}, night{outcome: "FAIL"}, night{outcome: "SKIP"}
	accept := night{accept: true}
	cat := func(parts ...[]night) []night {
		var all []night
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	one := func(n night) []night { return []night{n} }
	quiet, up := times(10, night{value: 2.01, stub: "x"}), times(2, night{value: 3.01, stub: "y"})
	for _, tt := range []struct {
		name   string
		kind   history.Kind
		nights []night
		want   string // the beginning; empty: nothing
	}{
		{"the first night", history.Count, one(night{value: 42}), ""},
		{"the same count", history.Count, times(3, night{value: 42}), ""},
		{"another count", history.Count, cat(times(3, night{value: 42}), one(night{value: 43})), "changed: s: 42 to 43 instructions, since 2026-01-04"},
		{"a count that is less", history.Count, cat(times(3, night{value: 42}), one(night{value: 41})), "changed: s: 42 to 41 instructions"},
		{"still another count", history.Count, cat(times(3, night{value: 42}), times(2, night{value: 43})), "still changed: s: 42 to 43 instructions, since 2026-01-04"},
		{"accepted", history.Count, cat(times(3, night{value: 42}), one(night{value: 43}), one(accept), one(night{value: 43})), ""},
		{"back to what was before the accepted one", history.Count, cat(times(3, night{value: 42}), one(night{value: 43}), one(accept), one(night{value: 42})), "changed: s: 43 to 42"},
		{"back without a word", history.Count, cat(times(3, night{value: 42}), one(night{value: 43}), one(night{value: 42})), ""},

		{"quiet", history.Sample, quiet, ""},
		{"one odd night", history.Sample, cat(quiet, one(night{value: 5.01, stub: "y"})), ""},
		{"two nights higher", history.Sample, cat(quiet, up), "slower: s: +2.0"},
		{"two nights lower", history.Sample, cat(quiet, times(2, night{value: 1.01, stub: "y"})), "faster: s: +2.0"},
		{"still higher", history.Sample, cat(quiet, up, up, up), "still slower: s: +2.0"},
		{"higher and accepted", history.Sample, cat(quiet, up, one(accept), up), ""},
		{"went back", history.Sample, cat(quiet, up, up, up, quiet), ""},
		{"the same code", history.Sample, cat(quiet, times(2, night{value: 3.01, stub: "x"})), "the environment changed: s: +2.0"},

		{"passes", history.Check, []night{pass, pass}, ""},
		{"a new failure", history.Check, []night{pass, pass, fail}, "failed: s: words, since 2026-01-03"},
		{"fails from the first night", history.Check, []night{fail}, "failed: s: words, since 2026-01-01"},
		{"still failing", history.Check, []night{pass, fail, fail}, "still failed: s: words, since 2026-01-02"},
		{"fixed", history.Check, []night{pass, fail, pass}, "fixed: s"},
		{"fixed is told once", history.Check, []night{pass, fail, pass, pass}, ""},
		{"flaky", history.Check, []night{pass, fail, pass, fail}, "flaky: s"},
		{"a crash", history.Check, []night{pass, {outcome: "CRASH"}}, "failed: s"},
		{"a skip tells nothing", history.Check, []night{pass, fail, skip}, "failed: s: words, since 2026-01-02"},
		{"only skipped", history.Check, []night{skip, skip}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, ok := Series(series(tt.kind, tt.nights...))
			got := ""
			if ok {
				got = f.String()
			}
			if (tt.want == "") != (got == "") || !strings.HasPrefix(got, tt.want) {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTogether: where a control of a cell makes a step the environment changed, and no
// figure of that cell is slower. Of other cells, and of other nights, it says nothing.
func TestTogether(t *testing.T) {
	slower := Finding{What: Slower, Series: "s", Cell: "kvm"}
	control := Finding{What: Environment, Series: "A/A", Cell: "kvm", Control: true}
	with := func(f Finding, change func(*Finding)) Finding { change(&f); return f }
	for _, tt := range []struct {
		name string
		all  []Finding
		want string
	}{
		{"the control is silent", []Finding{slower}, "slower: s"},
		{"the control made a step", []Finding{slower, control}, "the environment changed: s: a control of the same cell changed, too"},
		{"the control of another cell", []Finding{slower, with(control, func(f *Finding) { f.Cell = "replay" })}, "slower: s"},
		{"the control's step was before", []Finding{slower, with(control, func(f *Finding) { f.Still = true })}, "slower: s"},
		{"a failed check", []Finding{with(slower, func(f *Finding) { f.What = Failed }), control}, "failed: s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, f := range Together(tt.all) {
				if !f.Control && !strings.HasPrefix(f.String(), tt.want+", since") {
					t.Errorf("it is %q, want %q", f, tt.want)
				}
			}
		})
	}
}

// TestControl: a step of a control is the environment's, whatever its code.
func TestControl(t *testing.T) {
	entries := series(history.Sample, append(times(10, night{value: 0.01, stub: "x"}), times(2, night{value: 2.01, stub: "y"})...)...)
	if f, ok := Series(entries); !ok || f.What != Slower {
		t.Errorf("it is %v", f)
	}
	for i := range entries {
		entries[i].Control = true
	}
	if f, ok := Series(entries); !ok || f.What != Environment || !f.Control {
		t.Errorf("a control's is %v", f)
	}
}

// TestLast judges histories with gaps: what is sure is what the whole history tells.
func TestLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	unsure := 0
	for range 300 {
		kind := []history.Kind{history.Count, history.Sample, history.Check}[rng.IntN(3)]
		one := night{value: 42.01, stub: "x", outcome: "PASS"}
		var nights []night
		for range 100 + rng.IntN(200) {
			if rng.IntN(100) == 0 {
				one.value, one.stub = 40+float64(rng.IntN(4)), fmt.Sprint(rng.IntN(4))
				one.outcome = []string{"PASS", "FAIL", "SKIP"}[rng.IntN(3)]
			}
			nights = append(nights, one)
			if rng.IntN(200) == 0 && kind != history.Check {
				nights = append(nights, night{accept: true})
			}
		}
		all := series(kind, nights...)
		accepted := map[string]bool{}
		for _, e := range all {
			if e.Kind == history.Accept {
				accepted[e.Night] = true
			}
		}
		var some []history.Entry
		for i, e := range all {
			if i == 0 || i >= len(all)-Enough || accepted[e.Night] {
				some = append(some, e)
			}
		}
		f, ok, sure := Last(some)
		if !sure {
			unsure++
			continue
		}
		want, wantOK := Series(all)
		if f != want || ok != wantOK {
			t.Errorf("%s of %d entries: %v is sure, want %v", kind, len(all), f, want)
		}
	}
	if unsure == 0 || unsure > 150 {
		t.Errorf("%d of 300 are not sure", unsure)
	}
}

// TestAgain measures an odd night again.
func TestAgain(t *testing.T) {
	quiet := times(10, night{value: 2.01})
	for _, tt := range []struct {
		name string
		last float64
		want bool
	}{
		{"as before", 2.02, false},
		{"another level", 3.01, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Again(series(history.Sample, append(quiet[:10:10], night{value: tt.last})...)); got != tt.want {
				t.Errorf("it is %v", got)
			}
		})
	}
}

// BenchmarkSeries judges 1,000 series of 1,000 nights with 8 boots each.
func BenchmarkSeries(b *testing.B) {
	one := series(history.Sample, times(1000, night{value: 2.01, stub: "x"})...)
	for b.Loop() {
		for range 1000 {
			Series(one)
		}
	}
}

// TestChanges: all changes of a history are found, the last first.
func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries []history.Entry
		want    []What
		since   []int // nights
	}{
		{"a count, twice", series(history.Count, append(append(times(3, night{value: 42}), times(2, night{value: 43})...), night{value: 42})...), []What{Changed, Changed}, []int{5, 3}},
		{"a quiet count", series(history.Count, times(9, night{value: 42})...), nil, nil},
		{"a check", series(history.Check, night{outcome: "PASS"}, night{outcome: "FAIL"}, night{outcome: "PASS"}), []What{Fixed, Failed}, []int{2, 1}},
		{"a step up and back", series(history.Sample, append(append(times(15, night{value: 2, stub: "x"}), times(15, night{value: 4, stub: "y"})...), times(15, night{value: 2, stub: "x"})...)...), []What{Faster, Slower}, []int{30, 15}},
		{"a step of the same code", series(history.Sample, append(times(15, night{value: 2, stub: "x"}), times(15, night{value: 4, stub: "x"})...)...), []What{Environment}, []int{15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Changes(tt.entries)
			if len(got) != len(tt.want) {
				t.Fatalf("%d changes, want %d: %v", len(got), len(tt.want), got)
			}
			for i, f := range got {
				if f.What != tt.want[i] || f.Since != tt.entries[tt.since[i]].Night {
					t.Errorf("%v, want %s since %s", f, tt.want[i], tt.entries[tt.since[i]].Night)
				}
			}
		})
	}
}
