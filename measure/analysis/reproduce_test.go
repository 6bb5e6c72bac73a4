package analysis_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// BenchmarkReproduce makes six runs of one comparison and tells how many of their
// differences agree, two by two, within their intervals, and how many intervals
// of the controls hold the truth: 95 % is right. Less than 90 % means that the
// intervals are too small, not that the machine is bad: a run that is too noisy is
// refused and does not count. It is no test, since what it measures is the
// machine too.
func BenchmarkReproduce(b *testing.B) {
	const runs = 6
	replay, _ := engine.Find("replay")
	var list []stubs.Variant
	for _, name := range []string{"linux-3.19", "linux-3.19+a", "linux-3.19+c"} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, n)
	}
	var pairs, controls share
	truths := map[string]string{} // what each control was
	refused := 0
	for b.Loop() {
		figures := map[string][]stats.Estimate{}
		for range runs {
			out, err := engine.Runner{Job: engine.Job{Subjects: list}, Judge: analysis.Judge, Note: func(string) {}}.Run(b.Context(), replay)
			if _, is := errors.AsType[*stats.RefusedError](err); is {
				refused++
				b.Log(err)
				continue
			}
			if err != nil {
				b.Fatal(err)
			}
			c, err := analysis.NewSet(out.Asked).Compare(replay.Name, out, nil)
			if err != nil {
				b.Fatal(err)
			}
			for _, k := range c.Controls {
				controls.add(k.Estimate.Holds(k.Truth))
				truths[fmt.Sprintf("%s, %s %s", k.Name, k.Op, k.Form)] += " " + k.Estimate.String()
			}
			for _, r := range c.Rows {
				for _, v := range r.Values[1:] {
					if d := v.Difference; v.Noisy == "" && d.Kind == analysis.Interval {
						name := fmt.Sprintf("%s %s of %s", r.Op.Op, r.Form, v.Variant)
						figures[name] = append(figures[name], stats.Estimate{Mean: d.Value, Low: d.Low, High: d.High})
					}
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(figures)) {
			estimates := figures[name]
			var agree share
			text := ""
			for i, e := range estimates {
				text += " " + e.String()
				for _, other := range estimates[:i] {
					agree.add(math.Abs(e.Mean-other.Mean) <= math.Hypot(e.Half(), other.Half()))
				}
			}
			b.Logf("%s: %v of pairs agree:%s", name, agree, text)
			pairs = share{pairs.of + agree.of, pairs.yes + agree.yes}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(truths)) {
		b.Logf("%s:%s", name, truths[name])
	}
	b.Logf("%v of pairs agree, %v of the controls' intervals hold the truth, %d runs refused", pairs, controls, refused)
	b.ReportMetric(pairs.percent(), "pairs-agree-%")
	b.ReportMetric(controls.percent(), "controls-hold-%")
	b.ReportMetric(float64(refused), "refused")
}

// share counts how often something is so.
type share struct{ of, yes int }

func (s *share) add(yes bool) {
	s.of++
	if yes {
		s.yes++
	}
}

func (s share) percent() float64 { return 100 * float64(s.yes) / float64(s.of) }

func (s share) String() string { return fmt.Sprintf("%.0f %% (%d of %d)", s.percent(), s.yes, s.of) }
