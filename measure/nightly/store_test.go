package nightly

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/history/historytest"
)

// TestStores has what a night refuses of a store of any kind, and a database that is
// lost while a night runs.
func TestStores(t *testing.T) {
	server := historytest.Start(t)
	for _, kind := range server.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Run("two machines alike", func(t *testing.T) { alike(t, kind.New(t)) })
			t.Run("a clock that went back", func(t *testing.T) { backwards(t, kind.New(t)) })
		})
	}
	t.Run("lost database", func(t *testing.T) { lost(t, server) })
}

// alike refuses two machines of one name, whether the other one has written before or
// writes while this one measures.
func alike(t *testing.T, url string) {
	n := nightsIn(t, "said", url)
	cells, err := n.m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	other := n.night()
	other.MachineID = "11"
	said.during = func() {
		e := other.entry(history.Check, cells[0], "another cell: frame: flags")
		e.Outcome = Pass
		if err := n.store.Append(t.Context(), e); err != nil {
			t.Error(err)
		}
	}
	want := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "another machine that calls itself m1") || !strings.Contains(err.Error(), "-machine-name") {
			t.Errorf("error is %v", err)
		}
	}
	night := n.night()
	if _, err := night.Run(t.Context(), cells); err != nil {
		t.Fatal(err)
	}
	_, err = night.Judge(t.Context())
	want(err)
	_, err = night.Run(t.Context(), cells)
	want(err)
	if said.runs != 1 {
		t.Errorf("it ran %d times, want once", said.runs)
	}
	// By another name, or in another night, both may write.
	other.Machine = "m2"
	said.during = nil
	if _, err := other.Run(t.Context(), cells); err != nil {
		t.Error(err)
	}
	n.next()
}

// backwards refuses a night before the last one, and loses nothing of that.
func backwards(t *testing.T, url string) {
	n := nightsIn(t, "said", url)
	n.day = 5
	n.again()
	cells, err := n.m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	n.day = 4
	if _, err := n.night().Run(t.Context(), cells); err == nil || !strings.Contains(err.Error(), "a clock is wrong") || said.runs != 1 {
		t.Errorf("error is %v", err)
	}
	n.day = 5
	if r := n.again(); !r.Cells[0].Earlier {
		t.Errorf("the night that was is gone: %+v", r.Cells)
	}
}

// lost stops the database while a cell is measured: the night ends with that, and once
// the database is back it goes on with the cells that are not done.
func lost(t *testing.T, server *historytest.Server) {
	url := server.Database(t)
	n := nightsIn(t, "said", url)
	n.m.Subjects = []string{"linux-3.19", "linux-4.1", "linux-6.12"}
	cells, err := n.m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.night().Run(t.Context(), cells[:1]); err != nil {
		t.Fatal(err)
	}
	said.during = func() { server.Stop(); said.during = nil }
	if _, err := n.night().Run(t.Context(), cells); err == nil || !strings.HasPrefix(err.Error(), "history: "+n.store.Name()+": ") {
		t.Errorf("error is %v", err)
	}
	server.Restart(t)
	n.store = nightsIn(t, "said", url).store // as the same command opens it
	r := n.again()
	for i, c := range r.Cells {
		if c.Outcome != Pass || c.Earlier != (i == 0) {
			t.Errorf("after that the cells are %+v", r.Cells)
		}
	}
	found := map[string]bool{}
	for e, err := range n.store.Entries(t.Context(), history.Query{Kind: history.Count}) {
		if err != nil {
			t.Fatal(err)
		}
		found[e.Series] = true
	}
	if len(found) != len(cells) {
		t.Errorf("found are %v", found)
	}
}
