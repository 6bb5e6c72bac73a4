package nightly

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
)

// TestInterrupted ends a night in its second cell: nothing of that is kept, the first
// one is, and the night goes on with the others.
func TestInterrupted(t *testing.T) {
	n := newNights(t, "said")
	n.m.Subjects = []string{"linux-3.19", "linux-4.1", "linux-6.12"}
	cells, err := n.m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.night().Run(t.Context(), cells[:1]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	said.during = cancel
	if _, err := n.night().Run(ctx, cells); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	for e, err := range n.store.Entries(t.Context(), history.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != history.Code && e.Cell != cells[0].Name {
			t.Errorf("kept: %+v", e)
		}
	}
	said.runs, said.during = 0, nil
	r := n.again()
	for i, c := range r.Cells {
		if c.Outcome != Pass || c.Earlier != (i == 0) {
			t.Errorf("the cells are %+v", r.Cells)
		}
	}
	if said.runs != 2 {
		t.Errorf("it ran %d times, want twice", said.runs)
	}
}

// TestSkipped: what does not run on this host is skipped with the reason, is no finding,
// and is not tried again in the same night.
func TestSkipped(t *testing.T) {
	for _, tt := range []struct {
		name, engine, subject string
		unavailable           error
		outcome, why          string
	}{
		{"it runs", "said", "linux-4.1", nil, Pass, ""},
		{"no engine", "said", "linux-4.1", errors.New("no /dev/said"), Skip, "not available here: no /dev/said"},
		{"no such CPU", "icount", "linux-6.12+ibrs=entry", nil, Skip, "the CPU of engine icount lacks: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNights(t, tt.engine)
			n.m.Subjects = []string{tt.subject}
			said.unavailable = tt.unavailable
			for _, earlier := range []bool{false, true} {
				r := n.again()
				c := r.Cells[0]
				if c.Outcome != tt.outcome || !strings.HasPrefix(c.Detail, tt.why) || c.Earlier != earlier {
					t.Errorf("it is %+v", c)
				}
				if len(r.Findings) > 0 || r.Bad() || len(r.Crashed()) > 0 {
					t.Errorf("it is a finding: %v", r.Findings)
				}
			}
		})
	}
}

// TestExact: whether a figure is an exact count is what the runs show. Of one that is
// not, some parts of a thousand are no event.
func TestExact(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second float64
		kind          history.Kind
		what          judge.What // empty: nothing
	}{
		{"exact", 1000, 1001, history.Count, judge.Changed},
		{"not exact", 1000.25, 1001.25, history.Sample, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNights(t, "said")
			said.count = tt.first
			for range 8 {
				n.next()
			}
			said.count = tt.second
			n.day++
			r := n.again()
			var what judge.What
			if len(r.Findings) > 0 {
				what = r.Findings[0].What
			}
			if what != tt.what {
				t.Errorf("found %v, want %q", r.Findings, tt.what)
			}
			kinds := 0
			for e := range n.store.Entries(t.Context(), history.Query{Kind: tt.kind}) {
				kinds += len(e.Values)
			}
			if kinds != n.day {
				t.Errorf("%d of %d nights have a %s", kinds, n.day, tt.kind)
			}
		})
	}
}
