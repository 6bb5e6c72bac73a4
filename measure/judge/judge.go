package judge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/record"
)

// What is the kind of a finding.
type What string

// The kinds of findings. Each is reported in one night; in later nights Still is set.
const (
	// Changed: an exact count differs from the value that was accepted last.
	Changed What = "changed"
	// Slower and Faster: a sampled figure has moved by a step.
	Slower What = "slower"
	Faster What = "faster"
	// Environment: a figure moved by a step although its code is the same, or the
	// comparison of a variant with itself did.
	Environment What = "environment"
	// Failed: a check that passed now fails. Flaky: it fails in some nights only.
	Failed What = "failed"
	Flaky  What = "flaky"
	// Fixed: a check that failed now passes.
	Fixed What = "fixed"
)

// Finding is a change that a night shows in one series.
type Finding struct {
	What   What   `json:"what"`
	Series string `json:"series"`
	// Still is set if an earlier night reported it and nobody accepted it.
	Still bool `json:"still,omitempty"`
	// Since is the first night that has it.
	Since string `json:"since"`
	// Before and After are the values of a figure; a check has none.
	Before float64 `json:"before,omitempty"`
	After  float64 `json:"after,omitempty"`
	Unit   string  `json:"unit,omitempty"`
	// P is the probability that a step is chance.
	P float64 `json:"p,omitempty"`
	// Detail says more about it: a check's own words, or why it is the environment.
	Detail string `json:"detail,omitempty"`
	// Cell is the cell of the matrix. Control is set for a comparison whose true
	// difference is known.
	Cell    string `json:"cell,omitempty"`
	Control bool   `json:"control,omitempty"`
	// Build is the entrylab that saw it first, BuildBefore the one of the night before.
	Build       string `json:"build,omitempty"`
	BuildBefore string `json:"build_before,omitempty"`
	// Stub and StubBefore name the code that was measured, as history.Entry does. Only
	// Changes sets them.
	Stub       string `json:"stub,omitempty"`
	StubBefore string `json:"stub_before,omitempty"`
}

// Bad reports whether the finding makes the night a bad one.
func (f Finding) Bad() bool { return f.What != Fixed && f.What != Faster && f.What != Environment }

// Title returns the kind of the finding in words.
func (f Finding) Title() string {
	text := string(f.What)
	if f.What == Environment {
		text = "the environment changed"
	}
	if f.Still {
		text = "still " + text
	}
	return text
}

// String returns the finding in one line.
func (f Finding) String() string {
	text := f.Title() + ": " + f.Series
	if words := f.Words(); words != "" {
		text += ": " + words
	}
	return text + ", since " + f.Since
}

// Words returns what was found, without the series and the night.
func (f Finding) Words() string {
	var words []string
	if f.Unit != "" {
		format := "%+.2f to %+.2f %s"
		if f.What == Changed {
			format = "%v to %v %s"
		}
		words = append(words, fmt.Sprintf(format, f.Before, f.After, f.Unit))
	}
	if f.Detail != "" {
		words = append(words, f.Detail)
	}
	return strings.Join(words, ": ")
}

const (
	// leastCycles is the smallest step of figures in cycles: the alignment of the next
	// build's code alone can make a smaller one.
	leastCycles = 0.25
	// leastShare is the smallest step of other figures, as a share: counts of code that
	// does not always take the same path vary by a few parts in a thousand.
	leastShare = 0.002
	// remembered is for how many nights an unaccepted step is reported again.
	remembered = 60
)

// Series judges the last night of a series. entries are the whole series in the order of
// time, and end with that night. ok is false if there is nothing to report.
func Series(entries []history.Entry) (f Finding, ok bool) {
	accepted := "" // the night
	last := len(entries) - 1
	for i, e := range entries {
		switch {
		case e.Kind == history.Accept:
			accepted = e.Night
		case e.Outcome != skip:
			last = i
		}
	}
	if last < 0 || entries[last].Kind == history.Accept || entries[last].Outcome == skip {
		return Finding{}, false
	}
	switch entries[last].Kind {
	case history.Count:
		f, ok = count(pointsOf(entries), accepted)
	case history.Sample:
		// What was accepted is no point, so more entries are taken than points.
		f, ok = sampled(pointsOf(entries[max(last+1-2*remembered, 0):]), accepted)
	case history.Check:
		f, ok = check(pointsOf(entries))
	}
	f.Series, f.Cell, f.Control = entries[0].Series, entries[last].Cell, entries[last].Control
	if ok && f.Control {
		f.What, f.Detail = Environment, "its truth is known and has not changed"
	}
	return f, ok
}

// Enough is how many of a series' last entries Last almost always needs.
const Enough = 2 * remembered

// Last judges the last night of a series as Series does, but from its last Enough entries
// (history.Past.Last). sure is false if these are too few: then Series must judge all
// entries.
func Last(entries []history.Entry) (f Finding, ok, sure bool) {
	f, ok = Series(entries)
	if len(entries) < Enough {
		return f, ok, true // there was no more
	}
	tail := pointsOf(entries[len(entries)-Enough:])
	return f, ok, len(tail) > 0 && (!ok || f.Since > tail[0].Night)
}

// Together judges all findings of a night together, and sorts them. Where a control of a
// cell moved, the environment changed, and a sampled figure of that cell proves nothing.
func Together(all []Finding) []Finding {
	changed := map[string]bool{}
	for _, f := range all {
		if f.Control && !f.Still {
			changed[f.Cell] = true
		}
	}
	for i := range all {
		if f := &all[i]; changed[f.Cell] && !f.Still && (f.What == Slower || f.What == Faster) {
			f.What, f.Detail = Environment, "a control of the same cell changed, too"
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// rank returns the place of a finding: what is new and bad comes first.
func rank(f Finding) int {
	rank := 0
	if f.Still {
		rank++
	}
	if !f.Bad() {
		rank += 2
	}
	return rank
}

// pointsOf returns the entries that are points of the series.
func pointsOf(entries []history.Entry) []*history.Entry {
	points := make([]*history.Entry, 0, len(entries))
	for i := range entries {
		if e := &entries[i]; e.Kind != history.Accept && e.Outcome != skip {
			points = append(points, e)
		}
	}
	return points
}

// count compares the last value with the one that was accepted last, or with the first
// one.
func count(points []*history.Entry, accepted string) (Finding, bool) {
	want := points[0]
	for _, e := range points {
		if e.Night == accepted {
			want = e
		}
	}
	last := points[len(points)-1]
	if last.Values[0] == want.Values[0] {
		return Finding{}, false
	}
	first := len(points) - 1
	for first > 0 && points[first-1].Values[0] == last.Values[0] && points[first-1].Night > accepted {
		first--
	}
	f := Finding{
		What: Changed, Since: points[first].Night, Still: points[first].Night != last.Night,
		Before: want.Values[0], After: last.Values[0], Unit: last.Unit, Build: points[first].Build,
	}
	if first > 0 {
		f.BuildBefore = points[first-1].Build
	}
	return f, true
}

// sampled looks for a step in the last nights, and for an earlier one that nobody
// accepted.
func sampled(points []*history.Entry, accepted string) (f Finding, ok bool) {
	from := max(len(points)-remembered, 0)
	for from < len(points) && points[from].Night < accepted {
		from++
	}
	points = points[from:]
	least, nights := least(points), nightsOf(points)
	base := 0
	for end := 1; end <= len(points); end++ {
		s, found := FindStep(nights[base:end], least)
		if !found {
			continue
		}
		at := end - s.Nights
		before, after := points[at-1], points[at]
		again := ok && math.Abs(f.Before-s.After) < least // it went back to what it was
		f = Finding{
			What: Faster, Since: after.Night, Before: s.Before, After: s.After, Unit: after.Unit, P: s.P,
			Build: after.Build, BuildBefore: before.Build, Still: points[end-1].Night != points[len(points)-1].Night,
		}
		if s.After > s.Before {
			f.What = Slower
		}
		if after.Stub != "" && after.Stub == before.Stub {
			f.What, f.Detail = Environment, "the code is the same"
		}
		ok, base = !again || !f.Still, at
	}
	return f, ok
}

// least returns the smallest step that counts in a series.
func least(points []*history.Entry) float64 {
	first := points[0]
	if first.Unit == record.Cycles || first.Unit == record.Ticks {
		return leastCycles
	}
	return leastShare * math.Abs(first.Values[0])
}

func nightsOf(points []*history.Entry) []Night {
	nights := make([]Night, len(points))
	for i, e := range points {
		nights[i] = NewNight(e.Values)
	}
	return nights
}

// Again reports whether the last night of a sampled series should be measured again.
func Again(entries []history.Entry) bool {
	points := pointsOf(entries[max(len(entries)-remembered, 0):])
	return len(points) > 0 && points[len(points)-1].Kind == history.Sample && Suspect(nightsOf(points), least(points))
}

// Outcomes of checks.
const (
	pass = "PASS"
	skip = "SKIP"
)

// flakyNights is the number of nights in which a check that failed more than once is flaky.
const flakyNights = 14

// check judges the outcome of a check. The points hold no night that skipped it.
func check(points []*history.Entry) (Finding, bool) {
	last := points[len(points)-1]
	failing := last.Outcome != pass
	first := len(points) - 1
	for first > 0 && (points[first-1].Outcome != pass) == failing {
		first--
	}
	f := Finding{Since: points[first].Night, Detail: last.Detail, Build: last.Build}
	if first > 0 {
		f.BuildBefore = points[first-1].Build
	}
	changes := 0
	recent := points[max(len(points)-flakyNights, 0):]
	for i := 1; i < len(recent); i++ {
		if (recent[i].Outcome == pass) != (recent[i-1].Outcome == pass) {
			changes++
		}
	}
	switch {
	case failing && changes > 1:
		f.What = Flaky
	case failing:
		f.What = Failed
	case first > 0 && points[first].Night == last.Night:
		f.What = Fixed
		return f, true
	default:
		return f, false
	}
	f.Still = points[first].Night != last.Night
	return f, true
}
