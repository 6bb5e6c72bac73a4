package measure

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// threadShare divides the number of samples of an operation with two threads: each
// of its samples has to start a thread.
const threadShare = 4

// floorChunk is the number of the floor's samples that fit between two wake-ups of
// the Go runtime's monitor.
const floorChunk = 25

const (
	// singles is how many single null calls each variant makes, of which two have to be
	// slower than the 99.9 % quantile, and singleTurn how many of them in a row.
	singles    = 2000
	singleTurn = 100
)

// counters are the clocks that are read with every sample, and the events.
var counters = [...]string{
	wire.CounterTSC, wire.CounterCycles, wire.CounterInstructions,
	wire.Explaining[0], wire.Explaining[1], wire.Explaining[2],
}

// firstEvent is where the events begin among counters.
const firstEvent = len(counters) - layout.CountedEvents

// stream is one operation under one label, and its samples.
type stream struct {
	label   string
	variant int // index to select; -1: none
	op      string
	rounds  int
	per     int
	loop    regs.Loop
	warm    bool
	// samples are the ticks of each, by each of the counters.
	samples [len(counters)][]uint64
	lost    int
	err     error
}

// sampling is a run of Sample.
type sampling struct {
	p        *lines.Printer
	k        *control.Kernel
	counters bool
	// events says which of the events the CPU counts.
	events [layout.CountedEvents]bool
	rng    *rand.Rand
	lines  int
	// stolen returns for how many ns the hypervisor has had the CPU run others, always 0 if
	// it does not tell; dropped is the number of samples that it took time from.
	stolen  func() (uint64, error)
	dropped int
}

// Sample takes the given number of samples of every operation under every variant,
// in random order, and prints the quantiles by each counter. It also samples the
// first variant that is not the floor a second time, the empty loops, and a
// calibration. Package measure/cycles turns the lines into figures. The order
// follows from seed and from the time-stamp counter.
func Sample(p *lines.Printer, k *control.Kernel, variants []control.Variant, samples int, seed uint64, operations []Operation) {
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		p.Result("sample: set-up", lines.Harness(err.Error()))
		return
	}
	defer m.Close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGUSR2)()
	restore, alone := claimCPU()
	defer restore()
	variants = runnable(p, k, variants, "sample")
	first := slices.IndexFunc(variants, func(v control.Variant) bool { return v.Info.Bare == 0 })
	if first < 0 {
		p.Result("sample", lines.Harness("no variant that answers every call"))
		return
	}
	var stats layout.Stats[layout.Word]
	code := wire.Linux
	if !k.Linux {
		if stats, err = k.Stats(); err != nil {
			p.Result("sample: set-up", lines.Harness(err.Error()))
			return
		}
		code = fmt.Sprintf("%016x", uint64(stats.Build))
		if stats.Copies > 1 {
			code += fmt.Sprintf("%s%d", wire.PlacesMark, uint64(stats.Copies))
		}
	}
	boot := regs.Now()
	s := &sampling{p: p, k: k, rng: rand.New(rand.NewPCG(seed, boot))}
	s.counters, s.events = setCounters(&stats)
	s.stolen = func() (uint64, error) {
		if stats.StolenOn == 0 {
			return 0, nil
		}
		now, err := k.Stats()
		return uint64(now.Stolen), err
	}
	defer regs.SetCounters(regs.Counters{})
	p.Figure(wire.Sampling{Boot: boot, Seed: seed, Samples: samples, Counters: s.counters, Code: code, Machine: Machine()})
	quieten()
	for _, o := range prepared(operations, m, k) {
		p.Step()
		if err := o.applies(k, variants[first], alone); err != nil {
			p.Result("sample: "+o.Name, err)
			continue
		}
		n := samples
		if o.Needs&TwoThreads != 0 {
			n = max(n/threadShare, 1)
		}
		s.interleaved(s.streams(o, variants, first), n)
		if o.Name == wire.OpNullCall {
			s.singles(s.streams(o, variants, first))
		}
		if o.Floor {
			s.floors(o, variants, n)
		}
	}
	p.Step()
	s.interleaved(s.calibration(variants[first].Index), samples)
	p.Figure(wire.SamplingEnd{Boot: boot, Lines: s.lines, StealTold: stats.StolenOn != 0, Stolen: s.dropped})
}

// streams returns an operation's streams that alternate: one for each variant but
// the floor, and the controls.
func (s *sampling) streams(o *op, variants []control.Variant, first int) []*stream {
	var list []*stream
	add := func(label string, index int, loop regs.Loop) {
		list = append(list, &stream{label: label, variant: index, op: o.Name, rounds: o.Rounds, per: o.Per, loop: loop, warm: o.Needs&TwoThreads == 0 && index >= 0})
	}
	for _, v := range variants {
		if v.Info.Bare != 0 {
			continue
		}
		if err := o.applies(s.k, v, true); err != nil {
			s.p.Result(v.Name+": sample: "+o.Name, err)
			continue
		}
		add(v.Name, v.Index, o.loop)
	}
	add(wire.LabelAgain, variants[first].Index, o.loop)
	add(wire.LabelLoop, -1, o.empty)
	return list
}

// calibration returns the streams from which the machine's own figures are made.
// The variant with the given index makes the calls in them.
func (s *sampling) calibration(index int) []*stream {
	none, one := regs.PositiveControl(nullCall)
	const rounds = 500
	return []*stream{
		{label: wire.LabelCalibration, variant: -1, op: wire.OpChain, rounds: rounds, per: 1, loop: regs.Chain()},
		{label: wire.LabelCalibration, variant: index, op: wire.OpDoseNone, rounds: rounds, per: 1, loop: none, warm: true},
		{label: wire.LabelCalibration, variant: index, op: wire.OpDoseOne, rounds: rounds, per: 1, loop: one, warm: true},
		{label: wire.LabelCalibration, variant: -1, op: wire.OpClock, rounds: 1, per: 1, loop: regs.Clock()},
		{label: wire.LabelCalibration, variant: -1, op: wire.OpStep, rounds: 1, per: 1, loop: regs.Step()},
	}
}

// mostRounds returns how many samples are taken at most for n that the hypervisor took no time
// from: of a few, all may be disturbed on a busy machine.
func mostRounds(n int) int { return 2*n + 8 }

// lacks reports whether the stream has fewer than n samples and may get more.
func (st *stream) lacks(n int) bool { return st.err == nil && len(st.samples[0])+st.lost < n }

// interleaved takes n samples of each stream, each round in another order, and
// prints the streams. For what the hypervisor took time from all take another.
func (s *sampling) interleaved(list []*stream, n int) {
	order := slices.Clone(list)
	lacks := func(st *stream) bool { return st.lacks(n) }
	for round := 0; round < mostRounds(n) && slices.ContainsFunc(list, lacks); round++ {
		s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, st := range order {
			s.undisturbed(st, s.sample)
		}
	}
	for _, st := range list {
		s.print(st)
	}
}

// singles times single operations of the variants, which take turns, and prints how long
// the slowest take.
func (s *sampling) singles(list []*stream) {
	list = slices.DeleteFunc(list, func(st *stream) bool { return wire.IsControl(st.label) })
	for range singles / singleTurn {
		s.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, st := range list {
			s.undisturbed(st, s.turn)
		}
	}
	slices.SortFunc(list, func(a, b *stream) int { return cmp.Compare(a.variant, b.variant) })
	for _, st := range list {
		if st.err != nil {
			s.p.Result(st.label+": single "+st.op, lines.Harness(st.err.Error()))
			continue
		}
		ticks := st.samples[0]
		if len(ticks) == 0 {
			s.p.Result(st.label+": single "+st.op, lines.Skip(allStolen))
			continue
		}
		slices.Sort(ticks)
		at := func(perMille int) uint64 { return ticks[perMille*(len(ticks)-1)/1000] }
		s.lines++
		s.p.Figure(wire.Singles{Label: st.label, Op: st.op, Samples: len(ticks), Median: at(500), P99: at(990), P999: at(999), Most: at(1000)})
	}
}

// undisturbed has samples of a stream taken, and drops them if the hypervisor had the CPU
// run others meanwhile.
func (s *sampling) undisturbed(st *stream, take func(*stream)) {
	had := len(st.samples[0])
	before, err := s.stolen()
	take(st)
	after, err2 := s.stolen()
	st.err = cmp.Or(st.err, err, err2)
	if before == after {
		return
	}
	s.dropped += len(st.samples[0]) - had
	for c := range st.samples {
		st.samples[c] = st.samples[c][:min(had, len(st.samples[c]))]
	}
}

// allStolen is why a stream has no samples although all were taken.
const allStolen = "the hypervisor took time from every sample"

// turn takes one turn of single operations.
func (s *sampling) turn(st *stream) {
	if st.err != nil {
		return
	}
	if st.variant >= 0 {
		if st.err = s.k.Select(st.variant); st.err != nil {
			return
		}
		defer func() { st.err = cmp.Or(st.err, s.k.Select(s.k.Home)) }()
	}
	if _, st.err = st.loop(warmUp, st.variant); st.err != nil {
		return
	}
	for range singleTurn {
		ticks, err := st.loop(1, st.variant)
		if err != nil {
			st.err = err
			return
		}
		st.samples[0] = append(st.samples[0], ticks)
	}
}

// floors samples the floor by itself: under it no other thread can make a call.
func (s *sampling) floors(o *op, variants []control.Variant, n int) {
	for _, v := range variants {
		if v.Info.Bare == 0 {
			continue
		}
		st := &stream{label: v.Name, variant: v.Index, op: o.Name, rounds: o.Rounds, per: o.Per, loop: o.loop, warm: true}
		for i := 0; i < mostRounds(n) && st.lacks(n); i++ {
			if i%floorChunk == 0 {
				settle(s.k)
			}
			s.undisturbed(st, s.sample)
		}
		s.print(st)
	}
}

// sample takes one sample.
func (s *sampling) sample(st *stream) {
	if st.err != nil {
		return
	}
	if st.variant >= 0 {
		if st.err = s.k.Select(st.variant); st.err != nil {
			return
		}
	}
	ticks, err := st.ticks()
	counted := regs.Counted()
	if st.variant >= 0 {
		if st.err = s.k.Select(s.k.Home); st.err != nil {
			return
		}
	}
	switch {
	case errors.Is(err, regs.ErrLockstep):
		st.lost++
		return
	case err != nil:
		st.err = err
		return
	}
	for c, value := range append([]uint64{ticks, counted.Cycles, counted.Instructions}, counted.Events[:]...) {
		st.samples[c] = append(st.samples[c], value)
	}
}

func (st *stream) ticks() (uint64, error) {
	if st.warm {
		if _, err := st.loop(warmUp, st.variant); err != nil {
			return 0, err
		}
	}
	return st.loop(st.rounds, st.variant)
}

// print prints the stream's lines, one for each counter, or why there are none.
func (s *sampling) print(st *stream) {
	if st.err != nil {
		s.p.Result(st.label+": sample: "+st.op, lines.Harness(st.err.Error()))
		return
	}
	if len(st.samples[0]) == 0 && st.lost == 0 {
		s.p.Result(st.label+": sample: "+st.op, lines.Skip(allStolen))
		return
	}
	if len(st.samples[0]) == 0 {
		s.p.Result(st.label+": sample: "+st.op, lines.Skip(fmt.Sprintf("%v in any of %d samples", regs.ErrLockstep, st.lost)))
		return
	}
	for c, counter := range counters {
		if counter != wire.CounterTSC && (!s.counters || st.op == wire.OpStep) || c >= firstEvent && !s.events[c-firstEvent] {
			continue
		}
		slices.Sort(st.samples[c])
		s.lines++
		s.p.Figure(wire.Series{
			Label: st.label, Op: st.op, Counter: counter, N: st.rounds * st.per, Samples: len(st.samples[c]), Lost: st.lost,
			Quantiles: quantiles(st.samples[c]),
		})
	}
}

// quantiles returns the quantiles of sorted samples.
func quantiles(sorted []uint64) (q wire.Quantiles) {
	for i := range q {
		q[i] = sorted[i*(len(sorted)-1)/wire.Parts]
	}
	return q
}
