package measure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/regs"
	"github.com/entrylab/entrylab/guest/report"
)

// Labels of what is sampled beside the variants, so that a run can prove
// itself. No variant's name begins with a dash.
const (
	// labelAgain is the first variant a second time: the difference is none.
	labelAgain = "-again"
	// labelLoop is the measuring loop alone.
	labelLoop = "-loop"
	// labelCalibration goes with the operations that are of the machine.
	labelCalibration = "-calibration"
)

// Operations of the calibration.
const (
	opChain    = "chain"     // regs.Chain: the unit, a round is regs.ChainLength cycles
	opDoseNone = "dose-none" // null calls with a chain behind each, under the first variant
	opDoseOne  = "dose-one"  // the same with a cycle more
	opClock    = "clock"     // reading the clock, nothing between
	opStep     = "step"      // the clock's resolution
)

// quantiles is how many parts the sorted samples are divided in.
const quantiles = 20

// threadShare is the part of the samples that operations with two threads get:
// a batch of theirs starts a thread.
const threadShare = 4

// floorChunk is how many batches of the floor fit between two rounds of the
// runtime's monitor.
const floorChunk = 25

// counter is one of the clocks that are read with every batch.
type counter int

const (
	counterTSC counter = iota
	counterCycles
	counterInstructions
	numCounters
)

var counterNames = [numCounters]string{"tsc", "cycles", "instructions"}

// stream is what is sampled under one label.
type stream struct {
	label   string
	variant int // index to select; -1: none
	op      string
	rounds  int
	per     int
	loop    regs.Loop
	warm    bool
	// samples are of each counter, as the loop took them.
	samples [numCounters][]uint64
	lost    int
	err     error
}

// sampling is a run of Sample.
type sampling struct {
	r        *report.Report
	k        *control.Kernel
	counters bool
	rng      *rand.Rand
	lines    int
}

// Sample times every operation under the given variants samples times each, in
// random order, and reports the quantiles of what each counter counted. The
// first variant that is not the floor is sampled a second time, and so are the
// loops alone and what a calibration needs: see package measure/cycles, which makes
// figures of the lines. The order follows from seed and from the time.
func Sample(r *report.Report, k *control.Kernel, variants []control.Variant, samples int, seed uint64) {
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		r.Result("sample: set-up", report.Harness(err.Error()))
		return
	}
	defer m.Close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGUSR2)()
	restore, alone := claimCPU()
	defer restore()
	variants = runnable(r, k, variants, "sample")
	first := slices.IndexFunc(variants, func(v control.Variant) bool { return v.Info.Bare == 0 })
	if first < 0 {
		r.Result("sample", report.Harness("no variant that answers every call"))
		return
	}
	var stats layout.Stats[layout.Word]
	code := "linux"
	if !k.Linux {
		if stats, err = k.Stats(); err != nil {
			r.Result("sample: set-up", report.Harness(err.Error()))
			return
		}
		code = fmt.Sprintf("%016x", uint64(stats.Build))
	}
	boot := regs.Now()
	s := &sampling{r: r, k: k, rng: rand.New(rand.NewPCG(seed, boot)), counters: setCounters(&stats)}
	defer regs.SetCounters(regs.Counters{})
	r.Sampling("boot=%x seed=%d samples=%d counters=%t code=%s %s", boot, seed, samples, s.counters, code, Machine())
	quieten()
	for _, o := range ops(m, k) {
		if err := applies(&o, k, alone); err != nil {
			r.Result("sample: "+o.name, err)
			continue
		}
		n := samples
		if o.threads {
			n = max(n/threadShare, 1)
		}
		s.interleaved(s.streams(&o, variants, first), n)
		if o.bare {
			s.floors(&o, variants, n)
		}
	}
	s.interleaved(s.calibration(variants[first].Index), samples)
	r.Sampling("end=%x lines=%d", boot, s.lines)
}

// streams are those of one operation: all variants but the floor, and its
// controls.
func (s *sampling) streams(o *op, variants []control.Variant, first int) []*stream {
	var list []*stream
	add := func(label string, index int, loop regs.Loop) {
		list = append(list, &stream{label: label, variant: index, op: o.name, rounds: o.n, per: o.per, loop: loop, warm: !o.threads && index >= 0})
	}
	for _, v := range variants {
		if v.Info.Bare == 0 {
			add(v.Name, v.Index, o.loop)
		}
	}
	add(labelAgain, variants[first].Index, o.loop)
	add(labelLoop, -1, o.empty)
	return list
}

// calibration is what the machine's own figures are made of.
func (s *sampling) calibration(index int) []*stream {
	none, one := regs.Doses(nullCall)
	const rounds = 500
	return []*stream{
		{label: labelCalibration, variant: -1, op: opChain, rounds: rounds, per: 1, loop: regs.Chain()},
		{label: labelCalibration, variant: index, op: opDoseNone, rounds: rounds, per: 1, loop: none, warm: true},
		{label: labelCalibration, variant: index, op: opDoseOne, rounds: rounds, per: 1, loop: one, warm: true},
		{label: labelCalibration, variant: -1, op: opClock, rounds: 1, per: 1, loop: regs.Clock()},
		{label: labelCalibration, variant: -1, op: opStep, rounds: 1, per: 1, loop: regs.Step()},
	}
}

// interleaved takes n samples of each stream, every time in another order, and
// reports them.
func (s *sampling) interleaved(list []*stream, n int) {
	order := slices.Clone(list)
	for range n {
		s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, st := range order {
			s.sample(st)
		}
	}
	for _, st := range list {
		s.report(st)
	}
}

// floors samples the floor, under which no other thread can make a call.
func (s *sampling) floors(o *op, variants []control.Variant, n int) {
	for _, v := range variants {
		if v.Info.Bare == 0 {
			continue
		}
		st := &stream{label: v.Name, variant: v.Index, op: o.name, rounds: o.n, per: o.per, loop: o.loop, warm: true}
		for i := range n {
			if i%floorChunk == 0 {
				settle(s.k)
			}
			s.sample(st)
		}
		s.report(st)
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
	for c, value := range [numCounters]uint64{ticks, counted.Cycles, counted.Instructions} {
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

// report prints the stream's lines, one for each counter.
func (s *sampling) report(st *stream) {
	if st.err != nil {
		s.r.Result(st.label+": sample: "+st.op, report.Harness(st.err.Error()))
		return
	}
	if len(st.samples[0]) == 0 {
		s.r.Result(st.label+": sample: "+st.op, report.Skip(fmt.Sprintf("%v in any of %d batches", regs.ErrLockstep, st.lost)))
		return
	}
	for c := range numCounters {
		if c != counterTSC && (!s.counters || st.op == opStep) {
			continue
		}
		slices.Sort(st.samples[c])
		s.lines++
		s.r.Sample("label=%s op=%s counter=%s n=%d samples=%d lost=%d q=%s", st.label, st.op, counterNames[c],
			st.rounds*st.per, len(st.samples[c]), st.lost, quantileList(st.samples[c]))
	}
}

// quantileList is the samples' quantiles, the least and the greatest included,
// each as its distance from the one before.
func quantileList(sorted []uint64) string {
	var parts []string
	last := uint64(0)
	for i := range quantiles + 1 {
		at := sorted[i*(len(sorted)-1)/quantiles]
		parts = append(parts, strconv.FormatUint(at-last, 10))
		last = at
	}
	return strings.Join(parts, ",")
}

// setCounters makes the loops read the counters that the kernel has turned on.
func setCounters(stats *layout.Stats[layout.Word]) bool {
	if stats.CountersOn == 0 {
		return false
	}
	regs.SetCounters(regs.Counters{Present: true, Cycles: uint32(stats.CycleCounter), Instructions: uint32(stats.InstructionCounter)})
	chain := regs.Chain()
	if _, err := chain(warmUp, -1); err != nil || regs.Counted().Cycles == 0 || regs.Counted().Instructions == 0 {
		regs.SetCounters(regs.Counters{}) // a hypervisor may have them stand still
		return false
	}
	return true
}

// Machine names the CPU, by CPUID: its vendor, its signature (leaf 1, EAX), the
// hypervisor's signature (none: "-"), and the model's name.
func Machine() string {
	word := func(parts ...uint32) string {
		var b []byte
		for _, p := range parts {
			b = append(b, byte(p), byte(p>>8), byte(p>>16), byte(p>>24))
		}
		text := strings.Join(strings.Fields(strings.Trim(string(b), "\x00 ")), "_")
		if text == "" {
			return "-"
		}
		return text
	}
	_, b, c, d := regs.CPUID(0, 0)
	vendor := word(b, d, c)
	signature, _, features, _ := regs.CPUID(1, 0)
	hypervisor := "-"
	if features>>31 != 0 {
		_, b, c, d := regs.CPUID(0x40000000, 0)
		hypervisor = word(b, c, d)
	}
	if engine := os.Getenv("ENGINE"); engine != "" { // an emulator that does not show itself
		hypervisor = engine
	}
	name := "-"
	if top, _, _, _ := regs.CPUID(0x80000000, 0); top >= 0x80000004 {
		var parts []uint32
		for leaf := range uint32(3) {
			a, b, c, d := regs.CPUID(0x80000002+leaf, 0)
			parts = append(parts, a, b, c, d)
		}
		name = word(parts...)
	}
	return fmt.Sprintf("vendor=%s signature=%x hypervisor=%s cpu=%s", vendor, signature, hypervisor, name)
}
