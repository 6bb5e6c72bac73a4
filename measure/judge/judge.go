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

// What is what a night tells of a series.
type What string

// What a night can tell. Each is told once; afterwards it is Still.
const (
	// Changed: an exact count differs from the value that was accepted last.
	Changed What = "changed"
	// Slower and Faster: a sampled figure has made a step.
	Slower What = "slower"
	Faster What = "faster"
	// Environment: a figure made a step whose code is the same, or the comparison of a
	// variant with itself did.
	Environment What = "environment"
	// Failed: a check fails that passed. Flaky: it did so before, and not always.
	Failed What = "failed"
	Flaky  What = "flaky"
	// Fixed: a check passes that failed.
	Fixed What = "fixed"
)

// Finding is what a night tells of one series.
type Finding struct {
	What   What   `json:"what"`
	Series string `json:"series"`
	// Still is set if an earlier night told it and nobody accepted it.
	Still bool `json:"still,omitempty"`
	// Since is the first night of it.
	Since string `json:"since"`
	// Before and After are the values, if it is of a figure.
	Before float64 `json:"before,omitempty"`
	After  float64 `json:"after,omitempty"`
	Unit   string  `json:"unit,omitempty"`
	// P is the probability of a step by chance.
	P float64 `json:"p,omitempty"`
	// Detail says more of it: a check's own words, or why it is the environment.
	Detail string `json:"detail,omitempty"`
	// Cell is the cell of the matrix, and Control is set for a comparison whose truth
	// is known.
	Cell    string `json:"cell,omitempty"`
	Control bool   `json:"control,omitempty"`
	// Build is the entrylab that saw it first, and BuildBefore the one before.
	Build       string `json:"build,omitempty"`
	BuildBefore string `json:"build_before,omitempty"`
	// Stub and StubBefore are the code that was measured, as history.Entry has it. Only
	// Changes sets them.
	Stub       string `json:"stub,omitempty"`
	StubBefore string `json:"stub_before,omitempty"`
}

// Bad reports whether a night with the finding is not all well.
func (f Finding) Bad() bool { return f.What != Fixed && f.What != Faster && f.What != Environment }

// Title says what it is, without the series.
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

// String says it in one line.
func (f Finding) String() string {
	text := f.Title() + ": " + f.Series
	if words := f.Words(); words != "" {
		text += ": " + words
	}
	return text + ", since " + f.Since
}

// Words say what was found, without its series.
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
	// leastCycles is the smallest step of figures in cycles: less than that is what
	// the next build's alignment makes of nothing.
	leastCycles = 0.25
	// leastShare is the smallest step of other figures, as a share: counts of code that
	// does not always go the same way vary by some parts of a thousand.
	leastShare = 0.002
	// remembered is how many nights back an unaccepted step is still told.
	remembered = 60
)

// Series judges the last night of one series. entries are all of it by time, of which
// the last is that night's. ok is false if there is nothing to tell.
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

// Enough is how many of the last entries of a series tell almost always what all do.
const Enough = 2 * remembered

// Last judges the last night of a series as Series does, of whose past only so much is
// given as history.Past says with its Last as Enough. sure is false if that is too
// little, and all entries are needed.
func Last(entries []history.Entry) (f Finding, ok, sure bool) {
	f, ok = Series(entries)
	if len(entries) < Enough {
		return f, ok, true // there was no more
	}
	tail := pointsOf(entries[len(entries)-Enough:])
	return f, ok, len(tail) > 0 && (!ok || f.Since > tail[0].Night)
}

// Together looks at all findings of a night together: where a control of a cell made a
// step in it, the environment changed, and a sampled figure of that cell proves
// nothing.
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

// rank orders findings: what is new and bad first.
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

// pointsOf are the entries that are points of the series.
func pointsOf(entries []history.Entry) []*history.Entry {
	points := make([]*history.Entry, 0, len(entries))
	for i := range entries {
		if e := &entries[i]; e.Kind != history.Accept && e.Outcome != skip {
			points = append(points, e)
		}
	}
	return points
}

// count compares the last value with the accepted one: that of the night accepted, or
// the first one.
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

// sampled looks for a step in the last nights, and for one that nobody accepted before
// them.
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

// least is the smallest step of a series.
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

// flakyNights is how many nights a check that failed now and then is called flaky for.
const flakyNights = 14

// check judges the outcome of a check. What is skipped is not among the points.
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
