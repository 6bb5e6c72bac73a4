package replay

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// childEnv, set to 1, makes a process of any program that contains this package the child.
const childEnv = "ENTRYLAB_REPLAY_CHILD"

func init() {
	if os.Getenv(childEnv) != "1" {
		return
	}
	out := json.NewEncoder(os.Stdout)
	if err := child(os.Stdin, out); err != nil {
		if out.Encode(message{Error: err.Error()}) != nil {
			os.Exit(2)
		}
		os.Exit(1)
	}
	os.Exit(0)
}

// child samples until the budget is spent, as the job on its input says.
func child(in io.Reader, out *json.Encoder) error {
	r := bufio.NewReader(in)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	go func() { // the input ends with the parent
		_, _ = r.ReadByte()
		os.Exit(1)
	}()
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // the child is short-lived, and a collection would disturb
	s, err := newSampler(&j)
	if err != nil {
		return err
	}
	for first := true; first || cpuTime() < j.Budget; first = false {
		p, err := s.arena.place(s.rng, &j)
		if err != nil {
			return err
		}
		if err := s.begin(p); err != nil {
			return err
		}
		if first {
			if err := s.trips(out); err != nil {
				return err
			}
		}
		m, err := s.sample()
		if err != nil {
			return err
		}
		if err := out.Encode(message{Placement: m}); err != nil {
			return err
		}
	}
	return nil
}

// clockThreadCPUTime is CLOCK_THREAD_CPUTIME_ID (clock_gettime(2)).
const clockThreadCPUTime = 3

// cpuTime returns the CPU time of this thread. On a busy machine a run takes longer, but
// samples as much.
func cpuTime() time.Duration {
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		panic(fmt.Sprintf("replay: clock_gettime: %v", errno)) // every Linux has this clock
	}
	return time.Duration(now.Nano())
}

// sampler is the child's state.
type sampler struct {
	job   *job
	arena *arena
	rng   *rand.Rand
	setGS gsBase
	at    *placed
	// order is the order of the samples of a placement, without and with the ladders.
	order   [2][]int32
	sampled int // placements
	// seen are the values of TSC_AUX so far, models what CPUID said with each.
	seen   map[uint64]bool
	models []string
}

func newSampler(j *job) (*sampler, error) {
	s := &sampler{job: j, rng: rand.New(rand.NewPCG(j.Seed, uint64(j.Process))), seen: map[uint64]bool{}}
	var err error
	if s.arena, err = newArena(len(j.Streams)+len(j.Rungs)+4, j.Probe); err != nil {
		return nil, err
	}
	if err := pin(); err != nil {
		return nil, err
	}
	if err := catchFaults(); err != nil {
		return nil, err
	}
	if err := startTicks(); err != nil {
		return nil, err
	}
	s.setGS, err = thisGSBase()
	return s, err
}

// ownSP returns a user stack for code that makes no calls.
func (s *sampler) ownSP() uint64 { return addrOf(s.arena.data) + perCPUSpan + userStack }

// begin makes a placement the current one.
func (s *sampler) begin(p *placed) error {
	s.at = p
	a := s.arena
	a.set(p.perCPU+uint64(perCPU.Number.Off), 0) // other placements had something else here
	a.set(p.perCPU+uint64(perCPU.Self.Off), p.perCPU)
	a.set(p.perCPU+uint64(perCPU.PreemptCount.Off), layout.PreemptNoResched)
	a.set(p.perCPU+uint64(perCPU.Ring.Off), p.perCPU+ringAt)
	a.set(p.perCPU+uint64(perCPU.CallTable.Off), addrOf(a.table))
	a.set(p.perCPU+uint64(perCPU.TSS.SP1.Off), p.perCPU+trampoline)
	if err := s.setGS(p.perCPU); err != nil {
		return fmt.Errorf("setting the GS base: %w", err)
	}
	return nil
}

// call prepares a sample of a cell and stream.
func (s *sampler) call(c *cell, stream int) userCall {
	p, j := s.at, s.job
	user, defs := p.user, j.User.Defs
	if c.User > 0 {
		user, defs = p.rungs[c.User-1], j.Rungs[c.User-1].Defs
	}
	ctx := userCall{
		sp:     p.userSP,
		loop:   user + uint64(defs[c.Loop]),
		back:   user + uint64(defs[labelIn(c.Loop, loopBack)]),
		number: p.numbers[c.Handler][stream],
		entry:  p.stubs[stream] + uint64(j.Streams[stream].Defs[stubs.Entry]),
		warm:   c.Warm,
		trips:  c.Trips,
	}
	if c.Switch {
		s.startThreads(c, stream, &ctx)
		return ctx
	}
	s.arena.set(p.perCPU+uint64(perCPU.Current.Off), p.stack)
	s.clear(p.stack)
	s.topOfStack(p.stack + layout.ThreadSize)
	s.words(&j.Streams[stream].Words)
	return ctx
}

// clear makes a thread that asks for no work and whose stack was never erased: another
// thread's stack may have been where it lies.
func (s *sampler) clear(t uint64) {
	for off := 0; off < asm.SizeOf[task[asm.Mem]](); off += 8 {
		s.arena.set(t+uint64(off), 0)
	}
}

// topOfStack sets both words from which an entry may take the kernel stack.
func (s *sampler) topOfStack(top uint64) {
	s.arena.set(s.at.perCPU+uint64(perCPU.TopOfStack.Off), top)
	s.arena.set(s.at.perCPU+uint64(perCPU.TSS.SP0.Off), top)
}

// words sets the per-CPU words of a path that a machine has run.
func (s *sampler) words(w *words) {
	for _, off := range w.Stack {
		s.arena.set(s.at.perCPU+uint64(off), s.at.stack+layout.ThreadSize)
	}
	for _, off := range w.Trampoline {
		s.arena.set(s.at.perCPU+uint64(off), s.at.perCPU+trampoline)
	}
}

// apart shifts Thread.UserSP to the start of a line.
var apart = uint64(lineSize - thread.UserSP.Off%lineSize)

// startThreads makes a ring of threads. The first one runs, the others have not begun.
func (s *sampler) startThreads(c *cell, stream int, ctx *userCall) {
	a, p := s.arena, s.at
	at := p.perCPU + ringAt
	shift := uint64(0)
	if c.Apart {
		shift = apart
	}
	for i, base := range p.ring {
		t := base + shift
		s.clear(t)
		for _, field := range []struct {
			slot  asm.Slot
			value uint64
		}{
			{thread.SP, t + layout.ThreadSize/2},
			{thread.StartSP, p.userSP - uint64(lineSize*i)},
			{thread.Back, ctx.back},
			{thread.Number, ctx.number},
			{thread.Entry, ctx.entry},
			{thread.UserFlags, userFlags},
			{thread.Loop, ctx.loop},
		} {
			a.set(t+uint64(field.slot.Off), field.value)
		}
		a.set(t+layout.ThreadSize/2+uint64(switched.Return.Off), p.kernel+uint64(s.job.Kernel.Defs["thread_start"]))
		a.set(at+uint64(ringSlot.Threads[i].Off), t)
		a.set(at+uint64(ringSlot.Before[(i+1)%threads].Off), t)
	}
	first := p.ring[0] + shift
	a.set(p.perCPU+uint64(perCPU.Current.Off), first)
	s.topOfStack(first + layout.ThreadSize)
	a.set(p.perCPU+uint64(perCPU.Turn.Off), 0)
	entry := s.job.Streams[stream].Defs[stubs.SwitchTo]
	a.set(p.perCPU+uint64(perCPU.SwitchTo.Off), p.stubs[stream]+uint64(entry))
}

// run enters the loop for a stream, and checks that the calls keep what they must keep.
func (s *sampler) run(ctx *userCall, c *cell, stream int) error {
	fault[faultBase/8] = s.at.stubs[stream]
	fault[faultSteps/8] = (ctx.warm + ctx.trips) * c.calls() * callSteps
	fault[faultBound/8] = fault[faultSteps/8]
	fault[faultEntered/8]++
	fault[faultRunning/8] = uint64(stream) + 1
	s.enter(ctx)
	want := wantRegs(ctx)
	for r, v := range ctx.out {
		if v != want[r] && r != outRAX {
			return fmt.Errorf("variant %s: %s is %#x after a call, want %#x", s.job.Streams[stream].Name, outNames[r], v, want[r])
		}
	}
	return nil
}

// enter enters the loop, and notes on which CPUs it ran.
func (s *sampler) enter(ctx *userCall) {
	enter(ctx)
	if s.job.Host != nil {
		s.job.Host.disturb(ctx)
	}
	for _, aux := range []uint64{ctx.startAux, ctx.endAux} {
		if s.seen[aux] {
			continue
		}
		s.seen[aux] = true
		model := modelHere()
		if h := s.job.Host; h != nil && h.Model != "" && len(s.seen) > 1 {
			model = h.Model
		}
		if !slices.Contains(s.models, model) {
			s.models = append(s.models, model)
		}
	}
}

// wantRegs returns what a call leaves in the registers except RAX.
func wantRegs(ctx *userCall) [outRegs]uint64 {
	return [outRegs]uint64{
		outRCX: ctx.back, outRDX: patternDX, outRBX: 0, outRSP: ctx.sp - 8, outRBP: patternBP, outRSI: patternSI, outRDI: 1,
		outR8: patternR8, outR9: patternR9, outR10: patternR10, outR11: userFlags,
		outR12: ctx.back, outR13: ctx.number, outR14: ctx.entry, outR15: userFlags,
	}
}

// trips makes one call for each stream and each kind of frame, and reports what each did.
func (s *sampler) trips(out *json.Encoder) error {
	for i := range s.job.Cells {
		c := s.job.Cells[i]
		if c.Switch || c.Single || c.Form != formSR1 {
			continue
		}
		c.Warm, c.Trips = 0, 1
		for _, stream := range c.Streams {
			ctx := s.call(&c, stream)
			frame := s.at.stack + layout.ThreadSize - 8*uint64(layout.NumSlots)
			for slot := range uint64(layout.NumSlots) {
				s.arena.set(frame+8*slot, layout.Poison+8*slot)
			}
			s.arena.set(s.at.perCPU+uint64(perCPU.RSPScratch.Off), 0)
			s.arena.set(s.at.perCPU+uint64(perCPU.TSS.SP2.Off), 0)
			ctx.step = 1
			if err := s.run(&ctx, &c, stream); err != nil {
				return err
			}
			t := trip{Stream: stream, Full: c.Handler == fullFrame, Result: 1, Want: wantRegs(&ctx), Regs: ctx.out}
			if c.Op == wire.OpDoseOne {
				t.Result++
			}
			for slot := range t.Frame {
				t.Frame[slot] = s.arena.get(frame + 8*uint64(slot))
			}
			t.Scratch = [2]uint64{s.arena.get(s.at.perCPU + uint64(perCPU.RSPScratch.Off)), s.arena.get(s.at.perCPU + uint64(perCPU.TSS.SP2.Off))}
			if err := out.Encode(message{Trip: &t}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Samples of the probe and the chain in a placement, and their rounds. The chain has so many
// rounds that the two reads of the counter add at most 0.2 %.
const (
	probeSamples = 40
	probeTrips   = 300
	chainSamples = 20
	chainTrips   = 500
)

// ladderEvery is how many placements there are for one with ladders, which take as long as
// two variants.
const ladderEvery = 4

// What the order of samples holds in addition to cells and streams.
const (
	orderProbe = -1
	orderChain = -2
)

// sample takes all samples of a placement in random order.
func (s *sampler) sample() (*placement, error) {
	j := s.job
	n := len(j.Streams)
	if s.order[0] == nil {
		s.order[0] = append(s.order[0], slices.Repeat([]int32{orderProbe}, probeSamples)...)
		s.order[0] = append(s.order[0], slices.Repeat([]int32{orderChain}, chainSamples)...)
		var rungs []int32
		for i, c := range j.Cells {
			to := &s.order[0]
			if c.Op == opLadder {
				to = &rungs
			}
			for _, stream := range c.Streams {
				*to = append(*to, slices.Repeat([]int32{int32(i*n + stream)}, c.Samples)...)
			}
		}
		s.order[1] = slices.Concat(s.order[0], rungs)
	}
	order := s.order[0]
	if s.sampled%ladderEvery == 0 {
		order = s.order[1]
	}
	s.sampled++
	s.rng.Shuffle(len(order), func(i, k int) { order[i], order[k] = order[k], order[i] })
	all := make([]series, len(j.Cells)*n)
	var probe, chain series
	probeCtx := userCall{sp: s.ownSP(), loop: addrOf(s.arena.probe) + uint64(j.Probe.Defs["probe"]), warm: 4, trips: probeTrips}
	chainCtx := userCall{sp: s.ownSP(), loop: addrOf(s.arena.probe) + uint64(j.Probe.Defs["chain"]), warm: 4, trips: chainTrips}
	for _, o := range order {
		switch o {
		case orderProbe:
			s.enter(&probeCtx)
			probe.add(&probeCtx, probeTrips)
		case orderChain:
			s.enter(&chainCtx)
			chain.add(&chainCtx, chainTrips)
		default:
			c, stream := &j.Cells[int(o)/n], int(o)%n
			ctx := s.call(c, stream)
			if err := s.run(&ctx, c, stream); err != nil {
				return nil, err
			}
			all[o].add(&ctx, ctx.trips*c.calls())
		}
	}
	m := &placement{Samples: len(order), Models: s.models}
	for _, x := range append(slices.Clone(all), probe, chain) {
		if taken := len(x.ticks) + x.moved; taken > 0 {
			m.Moved += x.moved
			m.Lost = max(m.Lost, float64(x.moved)/float64(taken))
		}
	}
	if m.Lost == 1 {
		return m, nil // a series has nothing left to make a figure of
	}
	m.Probe, m.Chain = stats.Quantile(probe.ticks, 0.1), stats.LowBand(chain.ticks)
	for i := range j.Cells {
		row := make([]float64, n)
		for stream := range row {
			if j.Cells[i].Single {
				m.Single = append(m.Single, all[i*n+stream].ticks)
				continue
			}
			if t := all[i*n+stream].ticks; t != nil {
				row[stream] = stats.LowBand(t)
			}
		}
		m.Ticks = append(m.Ticks, row)
	}
	return m, nil
}

// series holds the samples of one cell and stream in a placement, in ticks for an operation,
// and how many samples were dropped because the CPU changed.
type series struct {
	ticks []float64
	moved int
}

// add adds a sample of several operations.
func (x *series) add(ctx *userCall, ops uint64) {
	if ctx.moved() {
		x.moved++
		return
	}
	x.ticks = append(x.ticks, float64(ctx.end-ctx.start)/float64(ops))
}
