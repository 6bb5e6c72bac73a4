package measure

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
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
	var text strings.Builder
	p := lines.New(&text)
	Run(p, k, k.Variants, 1, Operations)
	p.Summary()
	t.Log("\n" + text.String())
	for _, o := range Operations {
		if !o.Flushed && !strings.Contains(text.String(), o.Name) { // of cycles only
			t.Errorf("nothing is said of %s", o.Name)
		}
	}
	if r, err := wire.Parse(text.String()); err != nil || !r.Complete {
		t.Errorf("the host reads %+v and %v", r, err)
	}
}

// TestOperations: figures are exact in three decimals, and each operation has its
// names in package wire, in the same order.
func TestOperations(t *testing.T) {
	var counted, flushed []string
	for _, o := range Operations {
		if per := o.Rounds * o.Per; 1000%per != 0 {
			t.Errorf("%s: figures are of %d operations, which does not divide 1000", o.Name, per)
		}
		if o.Flushed {
			flushed = append(flushed, o.Name)
		} else {
			counted = append(counted, o.Name)
		}
	}
	for _, row := range []struct {
		name      string
		got       []string
		operation []wire.Operation
	}{{"counted", counted, wire.Operations}, {"flushed", flushed, wire.Flushed}} {
		var want []string
		for _, o := range row.operation {
			want = append(want, o.Op)
		}
		if !slices.Equal(row.got, want) {
			t.Errorf("%s: the operations are %q, their names %q", row.name, row.got, want)
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
			"SKIP: v: measure: o (the two threads did not take turns in any of 2 samples)\n",
		},
		{"broken", series{}, []uint64{1, 1}, errors.New("no thread"), "ERROR: v: measure: o (no thread)\n"},
		{"not here", series{err: lines.Skip("why")}, []uint64{1}, nil, "SKIP: v: measure: o (why)\n"},
	} {
		s := row.series
		s.variant.Name = "v"
		for _, ticks := range row.ticks {
			s.op = &op{Operation: Operation{Name: "o", Rounds: 50, Per: 2}, loop: fake(ticks, row.err)}
			s.sample(k)
		}
		var b strings.Builder
		s.print(lines.New(&b))
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
