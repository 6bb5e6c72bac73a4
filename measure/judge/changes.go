package judge

import (
	"cmp"
	"math"
	"slices"

	"github.com/entrylab/entrylab/measure/history"
)

// surestPast is the greatest P of a change in the past of a sampled series.
const surestPast = 1e-3

// Changes returns all changes in the history of a series, the last one first. The entries
// are in the order of time. Unlike Series it also knows the nights after a change, and so
// looks for change points instead of a step at the end: the two can disagree about the
// last nights. Still is not set in any of them.
func Changes(entries []history.Entry) []Finding {
	points := pointsOf(entries)
	if len(points) == 0 {
		return nil
	}
	var all []Finding
	switch points[0].Kind {
	case history.Count:
		for i := 1; i < len(points); i++ {
			before, after := points[i-1], points[i]
			if before.Values[0] != after.Values[0] {
				all = append(all, between(before, after, Changed, before.Values[0], after.Values[0]))
			}
		}
	case history.Sample:
		all = sampledChanges(points)
	case history.Check:
		for i := 1; i < len(points); i++ {
			before, after := points[i-1], points[i]
			switch {
			case (before.Outcome == pass) == (after.Outcome == pass):
			case after.Outcome == pass:
				all = append(all, between(before, after, Fixed, 0, 0))
			default:
				all = append(all, between(before, after, Failed, 0, 0))
			}
		}
	}
	slices.Reverse(all)
	return all
}

// sampledChanges returns the change points of the nights' medians.
func sampledChanges(points []*history.Entry) []Finding {
	medians := make([]float64, len(points))
	for i, e := range points {
		medians[i] = median(e.Values)
	}
	var all []Finding
	least := least(points)
	for _, c := range ChangePoints(medians, surestPast, 0) {
		before, after := points[c.Index-1], points[c.Index]
		if math.Abs(c.After-c.Before) < least {
			continue
		}
		what := Faster
		if c.After > c.Before {
			what = Slower
		}
		f := between(before, after, what, c.Before, c.After)
		f.P = c.P
		if after.Stub != "" && after.Stub == before.Stub {
			f.What, f.Detail = Environment, "the code is the same"
		}
		all = append(all, f)
	}
	return all
}

// between returns the change from one point to the next.
func between(before, after *history.Entry, what What, from, to float64) Finding {
	return Finding{
		What: what, Series: after.Series, Since: after.Night, Before: from, After: to, Unit: after.Unit,
		Detail: after.Detail, Cell: after.Cell, Control: after.Control,
		Build: after.Build, BuildBefore: before.Build,
		Stub: after.Stub, StubBefore: cmp.Or(before.Stub, after.Stub),
	}
}
