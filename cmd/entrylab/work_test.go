package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/history/historytest"
	"github.com/entrylab/entrylab/measure/nightly"
	"github.com/entrylab/entrylab/measure/record"
)

// gate is the variable that adds an engine to a command which a test plays. The engine
// writes a file into that folder for each cell that it does. With the variable shut it
// begins cells and does none, and with the variable broken each of them crashes.
const (
	gate   = "PLAY_GATE"
	shut   = "PLAY_GATE_SHUT"
	broken = "PLAY_GATE_BROKEN"
)

func addGate() {
	dir := os.Getenv(gate)
	name := record.Operation{Op: wire.OpNullCall, Title: "name", Short: "name", Bench: "Name"}
	run := func(ctx context.Context, j engine.Job, out engine.Out) error {
		subject := j.Subjects[0].Name
		if who := os.Getenv(shut); who != "" {
			if err := os.WriteFile(filepath.Join(dir, "begun "+who), nil, 0o644); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		if os.Getenv(broken) != "" {
			return errors.New("the gate is broken")
		}
		f, err := os.OpenFile(filepath.Join(dir, "done "+subject), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("the cell is done a second time: %w", err)
		}
		c := engine.HostConfig()
		c.Engine, c.Machine, c.CPU, c.Code = "gate", "none", "any", "names"
		x := float64(len(subject))
		m := wire.Measure{Variant: subject, Op: name.Op, N: 1, Batches: 1, Min: x, Median: x, Max: x, Agree: 1}
		return errors.Join(f.Close(), out.Records(record.New(c, m, j.Subjects[0].Axes.String(), record.Bytes, 0, time.Now())))
	}
	engine.Register(engine.Engine{
		Name: "gate", Kind: engine.Exact, Unit: record.Bytes, Rank: 25, Ops: []engine.Op{{Operation: name}}, Emulated: true,
		Plan: func(_ context.Context, j engine.Job) ([]engine.Step, error) {
			return []engine.Step{{
				Title: "the gate",
				Done:  func([]record.Record) bool { return false },
				Run:   func(ctx context.Context, out engine.Out) error { return run(ctx, j, out) },
			}}, nil
		},
	})
}

// workplace is a database, and the folder in which workers are started.
type workplace struct {
	t        *testing.T
	server   *historytest.Server
	url, dir string
}

func newLab(t *testing.T, server *historytest.Server) *workplace {
	l := &workplace{t: t, server: server, url: server.Database(t), dir: t.TempDir()}
	const matrix = `subjects = ["linux-3.19", "linux-4.0", "linux-4.1", "linux-6.12"]
engines = ["gate", "static", "replay"]
hosts = ["no such CPU"]
`
	if err := os.WriteFile(filepath.Join(l.dir, "lab.toml"), []byte(matrix), 0o644); err != nil {
		t.Fatal(err)
	}
	return l
}

// started is a command that runs.
type started struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan error
}

// start starts a command on a machine of that name, whose gate is shut or broken by the
// variable how.
func (l *workplace) start(machine, how string, args ...string) *started {
	l.t.Helper()
	p := &started{Cmd: exec.CommandContext(l.t.Context(), os.Args[0], append(args, "-matrix", "lab.toml", "-night", "2026-01-31", "-machine-name", machine)...), ended: make(chan error, 1)}
	p.Dir, p.Stdout, p.Stderr = l.dir, &p.stdout, &p.stderr
	p.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", gate+"="+l.dir)
	if how != "" {
		p.Env = append(p.Env, how+"="+machine, "GOMAXPROCS=1") // it takes one cell at a time on any host
	}
	if err := p.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	return p
}

// begun waits until a machine that is shut has begun a cell.
func (l *workplace) begun(p *started, machine string) {
	l.t.Helper()
	for {
		if _, err := os.Stat(filepath.Join(l.dir, "begun "+machine)); err == nil {
			return
		}
		select {
		case err := <-p.ended:
			l.t.Fatalf("%s ended before it began a cell: %v\n%s", machine, err, p.stderr.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// end waits for the end of a command, and wants that status and that text.
func (p *started) end(t *testing.T, status int, stdout, stderr string) {
	t.Helper()
	<-p.ended
	if got := p.ProcessState.ExitCode(); got != status || !strings.Contains(p.stdout.String(), stdout) || !strings.Contains(p.stderr.String(), stderr) {
		t.Errorf("%q: status %d, want %d; want %q in %q and %q in %q", p.Args[1:], got, status, stdout, p.stdout.String(), stderr, p.stderr.String())
	}
}

// figures returns what a history has, without what each measurement has of its own.
func (l *workplace) figures(url string) map[string]string {
	l.t.Helper()
	s, err := history.Open(l.t.Context(), url)
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close()
	all := map[string]string{}
	for e, err := range s.Entries(l.t.Context(), history.Query{}) {
		if err != nil {
			l.t.Fatal(err)
		}
		if e.Kind == history.Cell {
			e.Values = nil // seconds
		}
		all[string(e.Kind)+" "+e.Series] += fmt.Sprint(e.Try, e.Values, e.Unit, e.Outcome, e.Detail, e.Stub)
	}
	return all
}

// whole wants that the night is judged as one that a single machine does, with the same
// figures, and that no gate was passed twice.
func (l *workplace) whole() {
	l.t.Helper()
	l.start("judge", "", "nightly", "-store", l.url).end(l.t, 0, "Nothing new in 9 cells (1 skipped).", "")
	for _, name := range []string{"linux-3.19", "linux-4.0", "linux-4.1", "linux-6.12"} {
		if err := os.Remove(filepath.Join(l.dir, "done "+name)); err != nil {
			l.t.Error(err)
		}
	}
	l.same("Nothing new in 9 cells (1 skipped).")
}

// same wants the verdict, and the figures, of a night that one machine does.
func (l *workplace) same(verdict string) {
	l.t.Helper()
	for _, store := range []string{l.url, "alone"} {
		l.start("judge", "", "nightly", "-store", store).end(l.t, 0, verdict, "")
	}
	if d := cmp.Diff(l.figures(filepath.Join(l.dir, "alone")), l.figures(l.url)); d != "" {
		l.t.Errorf("the figures differ (-one machine +workers):\n%s", d)
	}
}

// disturbedNights is how many nights are disturbed; `make disturb` asks for more.
var disturbedNights = flag.Int("disturbed", 1, "disturb the workers of so many nights")

// TestWorkers has one server for nights that go on.
func TestWorkers(t *testing.T) {
	t.Parallel()
	server := historytest.Start(t)
	for name, test := range map[string]func(*workplace){
		"killed and stopped": killedAndStopped, "interrupted": workerInterrupted, "another matrix": anotherMatrix,
		"crashed": crashedElsewhere, "crashed everywhere": crashedEverywhere, "begun by nightly": begunByNightly,
		"example": exampleWork, "disturbed": disturbed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newLab(t, server))
		})
	}
}

// killedAndStopped lets three machines share a night, of which one is killed and one is
// stopped in the middle of a cell. The third one does their cells, each once.
func killedAndStopped(l *workplace) {
	work := []string{"work", "-queue", l.url}
	short := append(work, "-lease", "3s")
	a, b := l.start("a", shut, short...), l.start("b", shut, short...)
	l.begun(a, "a")
	l.begun(b, "b")
	c := l.start("c", "", work...)
	if err := errors.Join(a.Process.Kill(), b.Process.Signal(syscall.SIGSTOP)); err != nil {
		l.t.Fatal(err)
	}
	c.end(l.t, 0, "did 8 cells; of all 9, 8 are done\n  left: replay on no such CPU against linux-3.19: it fits no worker\n", "")
	if err := b.Process.Signal(syscall.SIGCONT); err != nil {
		l.t.Fatal(err)
	}
	b.end(l.t, 0, "did 0 cells; of all 9, 8 are done\n", "")
	l.whole()
}

// disturbed keeps three workers at work, and kills, stops or interrupts one of them at
// any moment, again and again. In the end the night has what a single machine finds.
func disturbed(l *workplace) {
	for range *disturbedNights {
		disturb(newLab(l.t, l.server))
	}
}

func disturb(l *workplace) {
	if err := os.WriteFile(filepath.Join(l.dir, "lab.toml"), []byte("engines = [\"static\"]\n"), 0o644); err != nil {
		l.t.Fatal(err)
	}
	work := []string{"work", "-queue", l.url}
	var all []*started
	for i := range 5 {
		all = append(all, l.start(fmt.Sprint("m", i), "", append(work, "-lease", "1s")...))
		if i < 2 {
			continue
		}
		time.Sleep(rand.N(2 * time.Second))
		p := all[i-rand.IntN(3)]
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSTOP}[rand.IntN(3)]
		l.t.Logf("%s: %v", p.Args[len(p.Args)-1], signal)
		if err := p.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			l.t.Fatal(err)
		}
	}
	last := l.start("last", "", work...)
	<-last.ended // the judge does a cell that was lost too often
	for _, p := range all {
		if err := p.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			l.t.Fatal(err)
		}
		<-p.ended
	}
	if text := last.stdout.String(); !strings.Contains(text, "are done\n") {
		l.t.Errorf("the last worker says %q and %q", text, last.stderr.String())
	}
	l.same(fmt.Sprintf("Nothing new in %d cells.", len(nightly.Default().Subjects)))
}

// workerInterrupted gives the cell back at SIGTERM: with a lease of an hour the next
// worker takes it at once.
func workerInterrupted(l *workplace) {
	work := []string{"work", "-queue", l.url, "-lease", "1h"}
	a := l.start("a", shut, work...)
	l.begun(a, "a")
	if err := a.Process.Signal(syscall.SIGTERM); err != nil {
		l.t.Fatal(err)
	}
	a.end(l.t, exitError, "", "entrylab work: interrupted\n")
	db, err := sql.Open("postgres", l.url)
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	var cells, held, failed int
	if err := db.QueryRowContext(l.t.Context(), `SELECT count(*), count(worker), sum(lost + cardinality(crashed_on)) FROM queue_cells`).Scan(&cells, &held, &failed); err != nil || cells != 9 || held != 0 || failed != 0 {
		l.t.Fatalf("of %d cells %d are held and %d failed (%v)", cells, held, failed, err)
	}
	b := l.start("b", "", append(work, "-format", "json")...)
	b.end(l.t, 0, "", "")
	var said map[string]any
	if err := json.Unmarshal(b.stdout.Bytes(), &said); err != nil {
		l.t.Fatalf("%v\n%s", err, b.stdout.String())
	}
	for _, problem := range unconfigured(said) {
		l.t.Error(problem)
	}
	if done := strings.Count(b.stdout.String(), `"outcome": "PASS"`); done != 8 || !strings.Contains(b.stdout.String(), `"done here": 8`) ||
		strings.Count(b.stdout.String(), `"outcome": "LEFT"`) != 1 {
		l.t.Errorf("in JSON %d cells are done:\n%s", done, b.stdout.String())
	}
	l.whole()
}

// anotherMatrix: a worker that would measure something else does nothing.
func anotherMatrix(l *workplace) {
	work := []string{"work", "-queue", l.url}
	l.start("a", "", append(work, "-format", "csv")...).end(l.t, 0, "cell,outcome,seconds,detail\ngate linux-", "")
	if err := os.WriteFile(filepath.Join(l.dir, "lab.toml"), []byte("engines = [\"static\"]\n"), 0o644); err != nil {
		l.t.Fatal(err)
	}
	l.start("b", "", work...).end(l.t, exitError, "", "has a different matrix from this worker")
}

// crashedElsewhere: what crashes on one machine is done by another, and the first one
// does not take it again.
func crashedElsewhere(l *workplace) {
	work := []string{"work", "-queue", l.url}
	b := l.start("b", shut, append(work, "-lease", "3s")...)
	l.begun(b, "b")
	a := l.start("a", broken, work...)
	for strings.Count(fmt.Sprint(l.figures(l.url)), "the gate is broken") < 3 {
		time.Sleep(10 * time.Millisecond) // `go test -timeout` ends one that waits in vain
	}
	c := l.start("c", "", work...)
	if err := b.Process.Kill(); err != nil {
		l.t.Fatal(err)
	}
	c.end(l.t, 0, "of all 9, 8 are done", "")
	a.end(l.t, 0, "of all 9, 8 are done", "")
	if text := a.stdout.String(); strings.Count(text, "  crash: gate linux-4.1: ") != 1 {
		l.t.Errorf("it says %q", text)
	}
	l.start("judge", "", "nightly", "-store", l.url).end(l.t, 0, "Nothing new in 9 cells (1 skipped).", "")
}

// crashedEverywhere: what crashes on every machine is told, and left to nightly.
func crashedEverywhere(l *workplace) {
	l.start("a", broken, "work", "-queue", l.url).end(l.t, exitError,
		"  crash: gate linux-4.1: engine gate: the gate: the gate is broken\n", "4 of 9 cells crashed, or were lost with their workers, and no worker takes them again, the first gate linux-3.19")
	l.start("judge", "", "nightly", "-store", l.url).end(l.t, 0, "Nothing new in 9 cells (1 skipped).", "")
}

// begunByNightly: a worker does not do what the night has already.
func begunByNightly(l *workplace) {
	l.start("a", "", "nightly", "-store", l.url, "-shard", "1/2").end(l.t, 0, "Nothing new in 5 cells (1 skipped).", "")
	l.start("b", "", "work", "-queue", l.url).end(l.t, 0, "did 4 cells; of all 9, 8 are done", "")
	l.whole()
}

// exampleWork runs the script of examples/lab on two machines.
func exampleWork(l *workplace) {
	script, err := filepath.Abs(filepath.Join(lab, "work.sh"))
	if err != nil {
		l.t.Fatal(err)
	}
	bin := filepath.Join(playground(l.t), "bin")
	begin := func(args ...string) *started {
		p := &started{Cmd: exec.CommandContext(l.t.Context(), "sh", append([]string{script}, args...)...), ended: make(chan error, 1)}
		p.Dir, p.Stdout, p.Stderr = l.dir, &p.stdout, &p.stderr
		p.Env = append(os.Environ(), gate+"="+l.dir, "QUEUE="+l.url, "NIGHT=2026-01-31", "PATH="+bin+":"+os.Getenv("PATH"))
		if err := p.Start(); err != nil {
			l.t.Fatal(err)
		}
		go func() { p.ended <- p.Wait() }()
		return p
	}
	one, other := begin(), begin("judge")
	one.end(l.t, 0, "of all 9, 8 are done", "")
	other.end(l.t, 0, "Nothing new in 9 cells (1 skipped).", "")
	l.whole()
}

// TestWorkerLosesDatabase: a worker whose database goes says so, and the night goes on
// when that is back.
func TestWorkerLosesDatabase(t *testing.T) {
	t.Parallel()
	server := historytest.Start(t)
	l := newLab(t, server)
	work := []string{"work", "-queue", l.url}
	a := l.start("a", shut, append(work, "-lease", "1s")...)
	l.begun(a, "a")
	server.Stop()
	a.end(t, exitError, "", "; what was done is kept, and the same command goes on with the rest\n")
	if text := a.stderr.String(); !strings.HasPrefix(text, "entrylab work: queue: postgres://") {
		t.Errorf("it says %q", text)
	}
	server.Restart(t)
	l.start("b", "", work...).end(t, 0, "did 8 cells", "")
	l.whole()
}
