// Package measure counts what system calls cost under each variant, in ticks of the
// time-stamp counter. Under QEMU's instruction counting one tick is one
// instruction, and the figures are exact; on a real CPU a tick is a period of the
// counter, not a core cycle.
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
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

const (
	// sampleCount is odd, so that one sample is the median, and large enough that the
	// few that the Go runtime's other threads disturb are outvoted.
	sampleCount = 7
	// emptyBatches is how often the empty loop is measured. The least counts, since
	// a disturbance only adds ticks.
	emptyBatches = 5
	// warmUp is the number of rounds before a sample.
	warmUp     = 8
	memorySize = 64 << 10
)

// series is the samples of one operation under one variant: one line.
type series struct {
	op      *op
	own     uint64 // ticks of the loop itself
	variant control.Variant
	samples [sampleCount]uint64 // ticks, loop subtracted
	count   int                 // of samples
	lost    int                 // samples out of step
	err     error               // why there is no figure
}

// Run measures each operation under each variant and prints one line for each pair.
// It leaves out the operations that are marked Flushed. The order of samples
// follows from seed. The calling goroutine must be locked to its thread.
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
			s := &series{op: all[i], own: own[i], variant: v, err: all[i].applies(k, v, alone)}
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
	for range sampleCount {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, s := range order {
			s.sample(k)
		}
	}
	// Under the floor no other thread can make a call. The Go runtime's monitor
	// wakes every 10 ms, and all of the floor's samples fit between two wake-ups.
	if len(floors) > 0 {
		settle(k)
	}
	for range sampleCount {
		for _, s := range floors {
			s.sample(k)
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

// least measures the empty loop and returns its least ticks.
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

// sample adds a sample. A sample in which the two threads did not take turns is left
// out.
func (s *series) sample(k *control.Kernel) {
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
		p.Result(name, lines.Skip(fmt.Sprintf("%v in any of %d samples", regs.ErrLockstep, s.lost)))
		return
	}
	p.Figure(s.figure())
}

// figure returns the series' line. It sorts the samples.
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

// quieten waits until the Go runtime's monitor has slowed down: at first it wakes
// every 20 us, and once it has found nothing to do for a while every 10 ms. The
// sleep is a raw system call, because a sleeping goroutine would give the monitor
// something to do.
func quieten() { pause(60 * time.Millisecond) }

func pause(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
}

// settleCalls bounds the calls of settle. They take longer than the monitor sleeps.
const settleCalls = 200_000

// settle waits until another thread has run, and so until the monitor has just gone
// back to sleep. It gives up after settleCalls.
func settle(k *control.Kernel) {
	first, err := k.Stats()
	for n := 0; n < settleCalls && err == nil; n++ {
		var now layout.Stats[layout.Word]
		if now, err = k.Stats(); now.Switches != first.Switches {
			return
		}
	}
}
