package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/history/historytest"
)

// long is a lease that does not end while a test runs, but by expire.
const long = time.Hour

const night = "2026-01-01"

// cells are those of the night: some count, one needs what not every machine has.
var cells = []Cell{{"count a", "count"}, {"count b", "count"}, {"kvm", "kvm"}}

func open(t *testing.T, url string, lease time.Duration) *Queue {
	t.Helper()
	q, err := Open(t.Context(), url, lease)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// join makes a worker on a machine that has this.
func join(t *testing.T, url string, lease time.Duration, machine string, has ...string) *Queue {
	t.Helper()
	q := open(t, url, lease)
	n := Night{Name: night, Matrix: "boots = 8\n", Cells: cells}
	if err := q.Join(t.Context(), n, Worker{Machine: machine, MachineID: "id of " + machine, Has: has}); err != nil {
		t.Fatal(err)
	}
	return q
}

// expire ends the lease of a worker, by the clock of the database.
func expire(t *testing.T, q *Queue) {
	t.Helper()
	if _, err := q.db.ExecContext(t.Context(), `UPDATE queue_workers SET lease_ends = clock_timestamp() WHERE id = $1`, q.id); err != nil {
		t.Fatal(err)
	}
}

// take takes a cell and wants that it is this one.
func take(t *testing.T, q *Queue, needs, want string) *Held {
	t.Helper()
	h, err := q.Take(t.Context(), []string{needs})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if h != nil {
		got = h.Cell
	}
	if got != want {
		t.Fatalf("%s takes %q, want %q", q.machine, got, want)
	}
	return h
}

// found returns what a machine finds in a cell.
func found(q *Queue, h *Held) history.Entry {
	return history.Entry{
		Format: history.Format, Kind: history.Cell, Time: time.Now().UTC(), Night: night, Series: h.Cell,
		Machine: q.machine, MachineID: "id of " + q.machine, Values: []float64{1}, Outcome: "PASS",
	}
}

func finish(t *testing.T, q *Queue, h *Held) {
	t.Helper()
	if err := q.Finish(h, false, found(q, h)); err != nil {
		t.Fatal(err)
	}
}

// kept returns the machines that found each cell.
func kept(t *testing.T, q *Queue) map[string]string {
	t.Helper()
	by := map[string]string{}
	for e, err := range q.Store().Entries(t.Context(), history.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		by[e.Series] += e.Machine
	}
	return by
}

func state(t *testing.T, q *Queue, want State) {
	t.Helper()
	got, err := q.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestQueue has one server for tests that need a database each.
func TestQueue(t *testing.T) {
	server := historytest.Start(t)
	for name, test := range map[string]func(*testing.T, string){
		"a whole night":                      wholeNight,
		"a lease that is not renewed":        notRenewed,
		"a lease that is renewed":            renewed,
		"lost while it works":                lostAtWork,
		"its own cells":                      ownCells,
		"given back":                         givenBack,
		"crashes":                            crashes,
		"lost too often":                     lostTooOften,
		"stopped in a transaction":           stoppedInTransaction,
		"several join at once":               joinAtOnce,
		"many take at once":                  takenAtOnce,
		"another matrix, and a machine's ID": refused,
		"tables of a newer version":          newer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server.Database(t))
		})
	}
}

// wholeNight: each cell is taken once, by whom it fits, and what was found is kept.
func wholeNight(t *testing.T, url string) {
	a, b := join(t, url, long, "a", "count"), join(t, url, long, "b", "count", "kvm")
	ha, hb := take(t, a, "count", "count a"), take(t, b, "count", "count b")
	take(t, a, "count", "")
	take(t, a, "kvm", "kvm") // Take believes what it is asked for
	state(t, a, State{Cells: 3, Done: 0, Coming: 3})
	finish(t, a, ha)
	finish(t, b, hb)
	state(t, b, State{Cells: 3, Done: 2, Coming: 1})
	take(t, b, "kvm", "")
	expire(t, a)
	finish(t, b, take(t, b, "kvm", "kvm"))
	state(t, b, State{Cells: 3, Done: 3})
	if d := cmp.Diff(map[string]string{"count a": "a", "count b": "b", "kvm": "b"}, kept(t, b)); d != "" {
		t.Error(d)
	}
	// Another night has cells of its own.
	other := open(t, url, long)
	if err := other.Join(t.Context(), Night{Name: "2026-01-02", Cells: cells}, Worker{Machine: "a", MachineID: "another", Has: []string{"count"}}); err != nil {
		t.Fatal(err)
	}
	take(t, other, "count", "count a")
}

// notRenewed: what nobody renews is another's when the lease has ended, not before, and
// what the first one finds then is not kept.
func notRenewed(t *testing.T, url string) {
	a, b := join(t, url, time.Second, "a", "count"), join(t, url, long, "b", "count")
	first := take(t, a, "count", "count a")
	finish(t, b, take(t, b, "count", "count b"))
	var again *Held
	for again == nil {
		var err error
		if again, err = b.Take(t.Context(), []string{"count"}); err != nil {
			t.Fatal(err)
		}
		var early bool
		if err := b.db.QueryRowContext(t.Context(), `SELECT lease_ends > clock_timestamp() FROM queue_workers WHERE id = $1`, a.id).Scan(&early); err != nil {
			t.Fatal(err)
		}
		if early && again != nil {
			t.Fatal("it is taken before the lease has ended")
		}
	}
	if err := a.Finish(first, false, found(a, first)); !errors.Is(err, ErrLost) {
		t.Errorf("error is %v, want that it is lost", err)
	}
	if by := kept(t, a); by["count a"] != "" {
		t.Errorf("kept is what %s found", by["count a"])
	}
	finish(t, b, again)
	if by := kept(t, b); by["count a"] != "b" {
		t.Errorf("kept is what %q found", by["count a"])
	}
}

// renewed: a lease is renewed for its whole length, and Keep does so again and again.
func renewed(t *testing.T, url string) {
	b := join(t, url, long, "b", "count")
	expire(t, b)
	if err := b.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	var whole bool
	if err := b.db.QueryRowContext(t.Context(), `SELECT lease_ends > clock_timestamp() + interval '30 minutes' FROM queue_workers WHERE id = $1`, b.id).Scan(&whole); err != nil || !whole {
		t.Errorf("the lease is renewed for the whole of %v: %v (%v)", long, whole, err)
	}
	a := join(t, url, time.Second, "a", "count")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Keep(ctx) }()
	var first, last time.Time
	for last = first; first.IsZero() || !last.After(first.Add(2*time.Second)); {
		if err := a.db.QueryRowContext(t.Context(), `SELECT lease_ends FROM queue_workers WHERE id = $1`, a.id).Scan(&last); err != nil {
			t.Fatal(err)
		}
		if first.IsZero() {
			first = last
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lostAtWork: a worker that was stopped, and goes on, learns which cells it has lost.
func lostAtWork(t *testing.T, url string) {
	a, b := join(t, url, time.Second, "a", "count"), join(t, url, long, "b", "count")
	lost, still := take(t, a, "count", "count a"), take(t, a, "count", "count b")
	expire(t, a)
	finish(t, b, take(t, b, "count", "count a"))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Keep(ctx) }()
	<-lost.Context.Done()
	if cause := context.Cause(lost.Context); !errors.Is(cause, ErrLost) {
		t.Errorf("the cause is %v", cause)
	}
	if err := a.Finish(lost, false); !errors.Is(err, ErrLost) {
		t.Errorf("error is %v", err)
	}
	if err := still.Context.Err(); err != nil {
		t.Errorf("the cell that nobody took is lost: %v", err)
	}
	finish(t, a, still)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// ownCells: a worker does not take from itself, though its lease has ended.
func ownCells(t *testing.T, url string) {
	a := join(t, url, long, "a", "count")
	take(t, a, "count", "count a")
	take(t, a, "count", "count b")
	expire(t, a)
	take(t, a, "count", "")
}

// givenBack: a worker that ends gives its cells back at once, and they did not fail.
func givenBack(t *testing.T, url string) {
	a, b := join(t, url, long, "a", "count"), join(t, url, long, "b", "count", "kvm")
	for range 2 * mostFailures {
		take(t, a, "count", "count a")
		take(t, b, "count", "count b")
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := errors.Join(a.Keep(ctx), b.Keep(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	state(t, b, State{Cells: 3, Unfit: []string{"count a", "count b", "kvm"}})
	take(t, b, "count", "count a")
	state(t, b, State{Cells: 3, Coming: 3})
}

// crashes: a cell is tried once on each machine, and not on more than some.
func crashes(t *testing.T, url string) {
	crash := func(machine string) {
		q := join(t, url, long, machine, "kvm")
		if err := q.Finish(take(t, q, "kvm", "kvm"), true); err != nil {
			t.Fatal(err)
		}
		take(t, q, "kvm", "")
	}
	crash("m1")
	none := open(t, url, long) // it only looks on
	none.night = night
	state(t, none, State{Cells: 3, Failed: []string{"kvm"}, Unfit: []string{"count a", "count b"}})
	last := join(t, url, long, "last", "count", "kvm")
	for i := 2; i <= mostFailures; i++ {
		state(t, none, State{Cells: 3, Coming: 3})
		crash(fmt.Sprint("m", i))
	}
	take(t, last, "kvm", "")
	state(t, none, State{Cells: 3, Coming: 2, Failed: []string{"kvm"}})
}

// lostTooOften: a cell that takes its workers with it is not taken endlessly.
func lostTooOften(t *testing.T, url string) {
	last := join(t, url, long, "last", "kvm")
	for i := range mostFailures {
		q := join(t, url, long, fmt.Sprint("m", i), "kvm")
		take(t, q, "kvm", "kvm")
		expire(t, q)
	}
	take(t, last, "kvm", "")
	state(t, last, State{Cells: 3, Failed: []string{"kvm"}, Unfit: []string{"count a", "count b"}})
}

// stoppedInTransaction: a worker that is stopped while it locks a cell locks it no longer
// than its lease.
func stoppedInTransaction(t *testing.T, url string) {
	a, b := join(t, url, time.Second, "a", "kvm"), join(t, url, long, "b", "kvm")
	h := take(t, a, "kvm", "kvm")
	ctx, stop := context.WithCancel(t.Context())
	locked, ended := make(chan bool), make(chan error)
	go func() {
		ended <- a.within(context.WithoutCancel(t.Context()), func(_ context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `SELECT FROM queue_cells WHERE cell = $1 FOR UPDATE`, h.Cell)
			close(locked)
			<-ctx.Done()
			return err
		})
	}()
	<-locked
	expire(t, a)
	for {
		got, err := b.Take(t.Context(), []string{"kvm"})
		if err != nil {
			t.Fatal(err)
		}
		if got != nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // `go test -timeout` ends one that waits in vain
	}
	stop()
	if err := <-ended; err == nil {
		t.Error("the transaction was not ended")
	}
}

// joinAtOnce: of several that begin together one fills the queue.
func joinAtOnce(t *testing.T, url string) {
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			q, err := Open(t.Context(), url, long)
			if err == nil {
				err = q.Join(t.Context(), Night{Name: night, Matrix: "x", Cells: cells}, Worker{Machine: "a", MachineID: "a", Has: []string{"count"}})
				err = errors.Join(err, q.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	q := open(t, url, long)
	q.night = night
	state(t, q, State{Cells: 3, Coming: 2, Unfit: []string{"kvm"}})
}

// takenAtOnce: of many workers that take many cells at a time, no two get the same one.
func takenAtOnce(t *testing.T, url string) {
	const workers, each = 6, 50
	n := Night{Name: night}
	for i := range workers * each {
		n.Cells = append(n.Cells, Cell{fmt.Sprintf("cell %03d", i), "count"})
	}
	var mu sync.Mutex
	taken, errs := map[string]int{}, make([]error, workers)
	var wg sync.WaitGroup
	for i := range errs {
		q := open(t, url, long)
		if err := q.Join(t.Context(), n, Worker{Machine: fmt.Sprint("m", i), MachineID: "x", Has: []string{"count"}}); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for {
				h, err := q.Take(t.Context(), []string{"count"})
				if err != nil || h == nil {
					errs[i] = err
					return
				}
				mu.Lock()
				taken[h.Cell]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, c := range n.Cells {
		if taken[c.Name] != 1 {
			t.Errorf("%s is taken %d times", c.Name, taken[c.Name])
		}
	}
}

// refused: who measures something else, or under a name that is taken, does not join.
func refused(t *testing.T, url string) {
	join(t, url, long, "a", "count")
	for _, tt := range []struct {
		name  string
		night Night
		w     Worker
		want  string
	}{
		{"another matrix", Night{Name: night, Matrix: "boots = 4\n", Cells: cells}, Worker{Machine: "b", MachineID: "b"}, `"boots = 8" there and "boots = 4" here`},
		{"a longer one", Night{Name: night, Matrix: "boots = 8\nverify = true\n", Cells: cells}, Worker{Machine: "b", MachineID: "b"}, `"" there and "verify = true" here`},
		{"a machine's name", Night{Name: night, Matrix: "boots = 8\n", Cells: cells}, Worker{Machine: "a", MachineID: "another"}, "another machine that calls itself a"},
	} {
		q := open(t, url, long)
		if err := q.Join(t.Context(), tt.night, tt.w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want %q in it", tt.name, err, tt.want)
		}
	}
	var workers int
	if err := open(t, url, long).db.QueryRowContext(t.Context(), `SELECT count(*) FROM queue_workers`).Scan(&workers); err != nil || workers != 1 {
		t.Errorf("%d workers, want 1 (%v)", workers, err)
	}
}

// newer: tables of a newer entrylab are left alone.
func newer(t *testing.T, url string) {
	q := open(t, url, long)
	if _, err := q.db.ExecContext(t.Context(), `INSERT INTO queue_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
		t.Fatal(err)
	}
	if q, err := Open(t.Context(), url, long); err == nil || !strings.Contains(err.Error(), "use the newer entrylab") {
		t.Errorf("error is %v", err)
		if err == nil {
			q.Close()
		}
	}
	// The history is of the version that it was.
	s, err := history.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenErrors names what is wrong with a URL, without its password.
func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		lease     time.Duration
		want      string
	}{
		{"a folder", "nights", long, "want the URL of a PostgreSQL database"},
		{"another database", "sqlite:x.db", long, "want the URL of a PostgreSQL database"},
		{"no URL", "postgres://user:secret@host:port/x", long, "want the URL of a PostgreSQL database"},
		{"nobody listens", "postgres://user:secret@127.0.0.1:1/x", long, "127.0.0.1"},
		{"a short lease", "postgres://127.0.0.1:1/x", time.Millisecond, "want at least 1s"},
	} {
		q, err := Open(t.Context(), tt.url, tt.lease)
		if err == nil {
			q.Close()
			t.Fatalf("%s: no error", tt.name)
		}
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error is %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

// TestLostServer stops the database under a worker: Keep says so.
func TestLostServer(t *testing.T) {
	t.Parallel()
	server := historytest.Start(t)
	q := join(t, server.Database(t), time.Second, "a", "count")
	h := take(t, q, "count", "count a")
	ended := make(chan error)
	go func() { ended <- q.Keep(t.Context()) }()
	server.Stop()
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "queue: "+q.name+": ") {
		t.Errorf("error is %v", err)
	}
	if err := q.Finish(h, false, found(q, h)); err == nil || !strings.HasPrefix(err.Error(), "queue: "+q.name+": ") {
		t.Errorf("error is %v", err)
	}
	if _, err := q.State(t.Context()); err == nil {
		t.Error("a lost database has a state")
	}
}
