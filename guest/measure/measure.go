// Package measure counts what system calls cost under each variant, in ticks
// of the time-stamp counter. Under QEMU's instruction counting one tick is one
// instruction, and the figures are exact; on a real CPU a tick is a cycle of
// the counter.
//
// A figure is per operation, with SYSCALL and SYSRET included and the loop's
// own instructions subtracted: those are measured by the same loop without its
// SYSCALLs. All variants are measured alternately in one boot, in random order,
// so that none of them is favoured by a machine that becomes faster or slower.
package measure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/regs"
	"github.com/entrylab/entrylab/guest/report"
)

// op is one thing to measure.
type op struct {
	name string
	// n is the number of rounds of a batch, per that of the operations in a
	// round. n*per divides 1000, so that figures are exact in three decimals.
	n, per int
	// control marks what only the control interface can be asked for, bare
	// what the floor answers, threads what needs a second thread on this CPU.
	control, bare, threads bool
	// flushed marks what only differs where there are caches: it is sampled, not
	// counted.
	flushed     bool
	loop, empty regs.Loop
}

// nullCall is a call that does nothing; getppid as in perf bench syscall.
const nullCall = syscall.SYS_GETPPID

// unknownCall is a number beyond every table: the entry's own check answers it.
const unknownCall = 1 << 16

// ops returns all operations.
func ops(m *regs.Memory, k *control.Kernel) []op {
	spaces := regs.Own
	if k.Linux {
		spaces = regs.Process
	}
	all := []op{
		{name: "null-call", n: 500, per: 1, bare: true},
		{name: "unknown-call", n: 500, per: 1},
		{name: "full-frame-call", n: 500, per: 1, control: true},
		{name: "signal-round-trip", n: 100, per: 1},
		{name: "thread-switch-yield", n: 100, per: 2, threads: true},
		{name: "thread-switch-mm", n: 100, per: 2, threads: true},
		{name: "thread-switch-preempted", n: 5, per: 2, control: true, threads: true},
		{name: "futex-round-trip", n: 50, per: 1, threads: true},
		{name: "thread-switch-flushed", n: 100, per: 2, control: true, threads: true, flushed: true},
		{name: "thread-switch-mm-flushed", n: 100, per: 2, control: true, threads: true, flushed: true},
	}
	for i, f := range []func() (loop, empty regs.Loop){
		func() (regs.Loop, regs.Loop) { return regs.Calls(nullCall, 0) },
		func() (regs.Loop, regs.Loop) { return regs.Calls(unknownCall, 0) },
		func() (regs.Loop, regs.Loop) { return regs.Calls(layout.SysFullFrame, 0) },
		regs.Signals,
		func() (regs.Loop, regs.Loop) { return regs.Yields(m, syscall.SYS_SCHED_YIELD, regs.Same) },
		func() (regs.Loop, regs.Loop) { return regs.Yields(m, syscall.SYS_SCHED_YIELD, spaces) },
		func() (regs.Loop, regs.Loop) { return regs.Preempts(m) },
		func() (regs.Loop, regs.Loop) { return regs.Futexes(m) },
		func() (regs.Loop, regs.Loop) { return regs.Yields(m, layout.SysFlushYield, regs.Same) },
		func() (regs.Loop, regs.Loop) { return regs.Yields(m, layout.SysFlushYield, spaces) },
	} {
		all[i].loop, all[i].empty = f()
	}
	return all
}

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

// Run measures every operation under the given variants and reports one line
// for each pair. The order of batches follows from seed. The calling goroutine
// is locked to its thread.
func Run(r *report.Report, k *control.Kernel, variants []control.Variant, seed uint64) {
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		r.Result("measure: set-up", report.Harness(err.Error()))
		return
	}
	defer m.Close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGUSR2)()
	restore, alone := claimCPU()
	defer restore()

	variants = runnable(r, k, variants, "measure")
	all := slices.DeleteFunc(ops(m, k), func(o op) bool { return o.flushed })
	own := make([]uint64, len(all))
	for i := range all {
		if own[i], err = least(&all[i]); err != nil {
			r.Result("measure: the loop of "+all[i].name, report.Harness(err.Error()))
			return
		}
	}
	var inTurn, floors []*series
	for _, v := range variants {
		for i := range all {
			s := &series{op: &all[i], own: own[i], variant: v, err: applies(&all[i], k, alone)}
			switch {
			case v.Info.Bare == 0:
				inTurn = append(inTurn, s)
			case all[i].bare:
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
		s.report(r)
	}
}

// runnable returns the variants that this CPU can run, and reports the others.
func runnable(r *report.Report, k *control.Kernel, variants []control.Variant, word string) []control.Variant {
	return slices.DeleteFunc(slices.Clone(variants), func(v control.Variant) bool {
		err := k.Refused(v)
		if err != nil {
			r.Result(v.Name+": "+word, err)
		}
		return err != nil
	})
}

// applies returns why an operation cannot be measured here, or nil.
func applies(o *op, k *control.Kernel, alone bool) error {
	switch {
	case o.control && k.Linux:
		return report.Skip("Linux has no control interface")
	case o.threads && !alone:
		return report.Skip("two threads cannot be kept on one CPU")
	}
	return nil
}

// least is the ticks of the loop itself.
func least(o *op) (uint64, error) {
	var samples [emptyBatches]uint64
	for i := range samples {
		var err error
		if samples[i], err = o.empty(o.n, -1); err != nil {
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
	if !s.op.threads { // those with two threads warm up by themselves
		if _, err := s.op.loop(warmUp, s.variant.Index); err != nil {
			return 0, err
		}
	}
	return s.op.loop(s.op.n, s.variant.Index)
}

// report prints the series' line, or why there is none.
func (s *series) report(r *report.Report) {
	name := s.variant.Name + ": measure: " + s.op.name
	var skip report.Skip
	switch {
	case errors.As(s.err, &skip):
		r.Result(name, skip)
		return
	case s.err != nil:
		r.Result(name, report.Harness(s.err.Error()))
		return
	case s.count == 0:
		r.Result(name, report.Skip(fmt.Sprintf("%v in any of %d batches", regs.ErrLockstep, s.lost)))
		return
	}
	samples := s.samples[:s.count]
	slices.Sort(samples)
	median := samples[(len(samples)-1)/2]
	equal := 0
	for _, x := range samples {
		if x == median {
			equal++
		}
	}
	per := uint64(s.op.n * s.op.per)
	r.Measure("variant=%s op=%s unit=ticks n=%d batches=%d min=%s median=%s max=%s agree=%.2f",
		s.variant.Name, s.op.name, per, len(samples), quotient(samples[0], per), quotient(median, per),
		quotient(samples[len(samples)-1], per), float64(equal)/float64(len(samples)))
}

// quotient is a/b in decimal, exact: b divides 1000.
func quotient(a, b uint64) string {
	text := strconv.FormatUint(a/b, 10)
	if rest := a % b * 1000 / b; rest != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%03d", rest), "0")
	}
	return text
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
