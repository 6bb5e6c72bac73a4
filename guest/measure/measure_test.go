package measure

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/regs"
	"github.com/entrylab/entrylab/guest/report"
)

// TestHost measures on the kernel under the test, and prints what comes of it,
// which is that host's: each operation must come to a figure or to a reason.
func TestHost(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	r := report.New(&lines)
	Run(r, k, k.Variants, 1)
	r.Summary()
	t.Log("\n" + lines.String())
	for _, o := range ops(testMemory(t), k) {
		if !o.flushed && !strings.Contains(lines.String(), o.name) { // of cycles only
			t.Errorf("nothing is said of %s", o.name)
		}
	}
}

func TestQuotient(t *testing.T) {
	for _, row := range []struct {
		name string
		a, b uint64
		want string
	}{
		{"exact", 30_000, 500, "60"},
		{"half", 125, 50, "2.5"},
		{"smallest part", 500_001, 500, "1000.002"},
		{"less than one", 1, 200, "0.005"},
		{"nothing", 0, 500, "0"},
	} {
		if got := quotient(row.a, row.b); got != row.want {
			t.Errorf("%s: %d/%d is %s, want %s", row.name, row.a, row.b, got, row.want)
		}
	}
	for _, o := range ops(testMemory(t), &control.Kernel{}) {
		if per := o.n * o.per; 1000%per != 0 {
			t.Errorf("%s: figures are of %d operations, which does not divide 1000", o.name, per)
		}
	}
}

func TestSeries(t *testing.T) {
	k := &control.Kernel{Linux: true}
	fake := func(ticks uint64, err error) regs.Loop {
		return func(int, int) (uint64, error) { return ticks, err }
	}
	for _, row := range []struct {
		name   string
		series series
		ticks  []uint64
		err    error
		want   string
	}{
		{
			"all agree",
			series{own: 200},
			[]uint64{6200, 6200, 6200, 6200},
			nil,
			"MEASURE: variant=v op=o unit=ticks n=100 batches=4 min=60 median=60 max=60 agree=1.00\n",
		},
		{
			"one disturbed",
			series{own: 200},
			[]uint64{6200, 9150, 6200, 6200},
			nil,
			"MEASURE: variant=v op=o unit=ticks n=100 batches=4 min=60 median=60 max=89.5 agree=0.75\n",
		},
		{
			"the lower of two in the middle", // what disturbs only adds
			series{own: 200},
			[]uint64{6200, 6400, 6600, 6300},
			nil,
			"MEASURE: variant=v op=o unit=ticks n=100 batches=4 min=60 median=61 max=64 agree=0.25\n",
		},
		{
			"less than the loop",
			series{own: 200},
			[]uint64{100},
			nil,
			"MEASURE: variant=v op=o unit=ticks n=100 batches=1 min=0 median=0 max=0 agree=1.00\n",
		},
		{
			"out of step",
			series{},
			[]uint64{1, 1},
			regs.ErrLockstep,
			"SKIP: v: measure: o (the two threads did not take turns in any of 2 batches)\n",
		},
		{"broken", series{}, []uint64{1, 1}, errors.New("no thread"), "ERROR: v: measure: o (no thread)\n"},
		{"not here", series{err: report.Skip("why")}, []uint64{1}, nil, "SKIP: v: measure: o (why)\n"},
	} {
		s := row.series
		s.variant.Name = "v"
		for _, ticks := range row.ticks {
			s.op = &op{name: "o", n: 50, per: 2, loop: fake(ticks, row.err)}
			s.batch(k)
		}
		var b strings.Builder
		s.report(report.New(&b))
		if b.String() != row.want {
			t.Errorf("%s: got %q, want %q", row.name, b.String(), row.want)
		}
	}
}

func TestLeast(t *testing.T) {
	ticks := []uint64{9, 7, 8, 7, 100}
	o := op{empty: func(int, int) (uint64, error) {
		x := ticks[0]
		ticks = ticks[1:]
		return x, nil
	}}
	if got, err := least(&o); got != 7 || err != nil {
		t.Errorf("got %d and %v, want 7", got, err)
	}
}

func testMemory(t *testing.T) *regs.Memory {
	t.Helper()
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
