// Package measure counts what system calls cost under each variant, in ticks
// of the time-stamp counter. Under QEMU's instruction counting one tick is one
// instruction, and the figures are exact; on a real CPU a tick is a cycle of
// the counter.
//
// A figure is for one operation. It includes SYSCALL and SYSRET; the loop's own
// instructions are measured by the same loop without its SYSCALLs and subtracted.
// All variants are measured alternately in one boot, in random order, so that none
// gains from a machine that becomes faster or slower.
package measure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

const (
	batches = 15
	// emptyBatches is how often the bare loop is measured; the least counts,
	// for whatever disturbs it only adds.
	emptyBatches = 5
	// warmUp is the number of rounds before a batch.
	warmUp     = 8
	memorySize = 64 << 10
)

// series is one line of the result: the batches of one operation under one
// variant.
type series struct {
	op      *op
	own     uint64 // ticks of the loop itself
	variant control.Variant
	samples [batches]uint64 // ticks, loop subtracted
	count   int             // of samples
	lost    int             // batches out of step
	err     error           // why there is no figure
}

// Run counts the operations under the given variants and prints one line for each
// pair; those that are flushed are left out. The order of batches follows from
// seed. The calling goroutine is locked to its thread.
func Run(p *lines.Printer, k *control.Kernel, variants []control.Variant, seed uint64, operations []Operation) {
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		p.Result("measure: set-up", lines.Harness(err.Error()))
		return
	}
	defer m.Close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGUSR2)()
	restore, alone := claimCPU()
	defer restore()

	variants = runnable(p, k, variants, "measure")
	all := slices.DeleteFunc(prepared(operations, m, k), func(o *op) bool { return o.Flushed })
	own := make([]uint64, len(all))
	for i := range all {
		if own[i], err = least(all[i]); err != nil {
			p.Result("measure: the loop of "+all[i].Name, lines.Harness(err.Error()))
			return
		}
	}
	var inTurn, floors []*series
	for _, v := range variants {
		for i := range all {
			s := &series{op: all[i], own: own[i], variant: v, err: all[i].applies(k, alone)}
			switch {
			case v.Info.Bare == 0:
				inTurn = append(inTurn, s)
			case all[i].Floor:
				floors = append(floors, s)
			}
		}
	}
	quieten()
	rng := rand.New(rand.NewPCG(seed, 0))
	order := slices.Clone(inTurn)
	for range batches {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, s := range order {
			s.batch(k)
		}
	}
	// Under the floor no thread can make a call that works. The Go runtime's
	// monitor wakes every 10 ms: all of the floor's batches go in one such gap.
	if len(floors) > 0 {
		settle(k)
	}
	for range batches {
		for _, s := range floors {
			s.batch(k)
		}
	}
	for _, s := range append(inTurn, floors...) {
		s.print(p)
	}
}

// runnable returns the variants that this CPU can run, and prints why it cannot
// run the others.
func runnable(p *lines.Printer, k *control.Kernel, variants []control.Variant, word string) []control.Variant {
	return slices.DeleteFunc(slices.Clone(variants), func(v control.Variant) bool {
		err := k.Refused(v)
		if err != nil {
			p.Result(v.Name+": "+word, err)
		}
		return err != nil
	})
}

// least is the ticks of the loop itself.
func least(o *op) (uint64, error) {
	var samples [emptyBatches]uint64
	for i := range samples {
		var err error
		if samples[i], err = o.empty(o.Rounds, -1); err != nil {
			return 0, err
		}
	}
	return slices.Min(samples[:]), nil
}

// batch adds a sample. A batch in which the two threads were not in step is
// not one, and is left out.
func (s *series) batch(k *control.Kernel) {
	if s.err != nil {
		return
	}
	if s.err = k.Select(s.variant.Index); s.err != nil {
		return
	}
	ticks, err := s.ticks()
	if s.err = k.Select(k.Home); s.err != nil {
		return
	}
	switch {
	case errors.Is(err, regs.ErrLockstep):
		s.lost++
	case err != nil:
		s.err = err
	default:
		s.samples[s.count] = max(ticks, s.own) - s.own
		s.count++
	}
}

func (s *series) ticks() (uint64, error) {
	if s.op.Needs&TwoThreads == 0 {
		if _, err := s.op.loop(warmUp, s.variant.Index); err != nil {
			return 0, err
		}
	}
	return s.op.loop(s.op.Rounds, s.variant.Index)
}

// print prints the series' line, or why there is none.
func (s *series) print(p *lines.Printer) {
	name := s.variant.Name + ": measure: " + s.op.Name
	var skip lines.Skip
	switch {
	case errors.As(s.err, &skip):
		p.Result(name, skip)
		return
	case s.err != nil:
		p.Result(name, lines.Harness(s.err.Error()))
		return
	case s.count == 0:
		p.Result(name, lines.Skip(fmt.Sprintf("%v in any of %d batches", regs.ErrLockstep, s.lost)))
		return
	}
	p.Figure(s.figure())
}

// figure makes the samples one figure.
func (s *series) figure() wire.Measure {
	samples := s.samples[:s.count]
	slices.Sort(samples)
	median := samples[(len(samples)-1)/2]
	equal := 0
	for _, x := range samples {
		if x == median {
			equal++
		}
	}
	per := func(ticks uint64) float64 { return float64(ticks) / float64(s.op.total()) }
	return wire.Measure{
		Variant: s.variant.Name, Op: s.op.Name, N: s.op.total(), Batches: len(samples),
		Min: per(samples[0]), Median: per(median), Max: per(samples[len(samples)-1]),
		Agree: float64(equal) / float64(len(samples)),
	}
}

// quieten waits until the Go runtime's monitor has slowed down: a young one
// wakes every 20 us, one that finds nothing to do every 10 ms. The sleep is a
// raw one, since a sleeping goroutine would be something to do.
func quieten() {
	pause := syscall.Timespec{Nsec: 60_000_000}
	syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
}

// settleCalls is how often settle asks at most: longer than the monitor's
// sleep takes.
const settleCalls = 200_000

// settle returns just after another thread has run, if one does.
func settle(k *control.Kernel) {
	first, err := k.Stats()
	for n := 0; n < settleCalls && err == nil; n++ {
		var now layout.Stats[layout.Word]
		if now, err = k.Stats(); now.Switches != first.Switches {
			return
		}
	}
}
