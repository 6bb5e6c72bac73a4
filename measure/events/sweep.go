package events

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// sweep is a machine that is swept.
type sweep struct {
	*symbols
	stub   *gdb.Stub
	entry  uint64   // of SYSCALL
	rest   []uint64 // where the machine stops between passes
	jobs   []*job
	seen   map[state]bool
	shared *Shared // nil: with nobody
	alike  string  // who shares
	asked  uint64  // the Thread.Flags that askForWork wrote to
	idle   int     // stops since the last one at which something should arrive
	result *Result
}

// state is the state in which an instruction is reached. The effect of an event depends
// on no more, so a place is an instruction in a state, and is swept on the path that
// meets it first.
type state struct {
	rip                 uint64
	userGS, userCR3, ie bool
	interruptStack      bool
}

// job is one path.
type job struct {
	*path
	entry   uint64
	kinds   []int         // indices of Kinds
	entered gdb.Registers // at its entry
	steps   []place       // in ring 0, and the first instruction of ring 3; nil: not seen yet
	places  []int         // of steps that no path met before
	left    gdb.Registers // in ring 3, undisturbed
	passes  []pass
	arrived bool // an event has come since the beginning of the last round
	strays  int  // rounds that differed from the first
	swept   Swept
}

// done reports whether every event came.
func (j *job) done() bool { return j.steps != nil && len(j.passes) == 0 }

// last returns the index of the first instruction of ring 3.
func (j *job) last() int { return len(j.steps) - 1 }

// pass is what arrives in one round: events of a kind at all places, or at one.
type pass struct {
	kind int
	at   int // -1: at all places
}

// plan makes the jobs.
func (s *sweep) plan(n stubs.Variant, want func(path, kind string) bool) error {
	var err error
	if s.entry, err = s.address(n.FuncName(stubs.Entry)); err != nil {
		return err
	}
	for i := range paths {
		j := &job{path: &paths[i], entry: s.entry, swept: Swept{Path: paths[i].name, Due: make([]int, len(Kinds)), Events: make([]int, len(Kinds))}}
		for k, kind := range Kinds {
			if kind.inject != nil && (!kind.asks || j.alone) && want(j.name, kind.Name) && !slices.Contains(j.without, kind.Name) {
				j.kinds = append(j.kinds, k)
			}
		}
		if j.kinds == nil {
			continue
		}
		if j.path.entry != "" {
			if j.entry, err = s.address(j.path.entry); err != nil {
				return err
			}
		}
		s.jobs = append(s.jobs, j)
	}
	return nil
}

// run sweeps the machine and lets it go.
func (s *sweep) run() error {
	s.rest = []uint64{s.entry}
	if err := errors.Join(s.stub.Describe(), s.stub.Break(s.entry, s.die)); err != nil {
		return err
	}
	for begun := false; slices.ContainsFunc(s.jobs, func(j *job) bool { return !j.done() }); {
		if err := s.stub.Continue(); err != nil {
			return err
		}
		r, err := s.stub.Registers()
		if err != nil {
			return err
		}
		if !slices.Contains(s.rest, r.RIP) {
			return fmt.Errorf("events: the machine stopped at %s, want a way into the kernel", s.name(r.RIP))
		}
		if s.idle++; begun && s.idle > maxIdle {
			return errors.New("events: the guest reaches none of the ways that are left")
		}
		if way := r.R14 - wire.EventMark; way > 0 && way <= uint64(wire.EventInt) {
			if !begun {
				begun = true
				if err := s.begin(); err != nil {
					return err
				}
			}
			if err := s.round(wire.EventWay(way), r); err != nil {
				return err
			}
		} else if err := s.stub.Step(); err != nil { // over the breakpoint
			return err
		}
		if len(s.result.Lost) >= maxLost {
			return errLost
		}
	}
	return errors.Join(s.stub.Unbreak(append(s.rest, s.die)...), s.stub.SetCR8(0), s.stub.Detach())
}

// errLost ends a machine that can show nothing more.
var errLost = errors.New("events were lost")

// errStray means that a round went another way than the first.
var errStray = errors.New("the round went another way than the first")

// maxIdle is how many stops there may be at which nothing should arrive.
const maxIdle = 5000

// maxStrays is how many stray rounds are tolerated.
const maxStrays = 200

// round does what there is to do on one of the guest's ways; r is its beginning.
func (s *sweep) round(way wire.EventWay, r gdb.Registers) error {
	i := slices.IndexFunc(s.jobs, func(j *job) bool { return j.way == way && !j.done() })
	if i < 0 {
		if !slices.ContainsFunc(s.jobs, func(j *job) bool { return j.way == together[way] && !j.done() }) {
			if err := s.stub.Write(r.R15, 1); err != nil { // the last round
				return err
			}
		}
		return s.stub.Step()
	}
	s.idle = 0
	j := s.jobs[i]
	if err := errors.Join(s.stub.Unbreak(s.rest...), s.mayResched(j.switches), s.noTimers(), s.sameStack()); err != nil {
		return err
	}
	at, err := s.strike(j, r)
	if err == nil {
		switch {
		case j.steps == nil:
			err = j.see(s, at)
		default:
			p := j.passes[0]
			if err = s.pass(j, p, at); err == nil {
				j.passes = j.passes[1:]
			}
		}
	}
	if errors.Is(err, errStray) {
		if j.strays++; j.strays < maxStrays {
			err = nil
		} else {
			err = fmt.Errorf("events: %s: %d of %d passes left: %w", j.name, len(j.passes), len(j.places)*len(Kinds), err)
		}
	}
	if err != nil {
		if j.steps != nil && (errors.Is(err, io.EOF) || errors.Is(err, gdb.ErrEnded)) {
			s.lost("%s: %s: the machine ended", j.name, Kinds[j.passes[0].kind].Name)
		}
		return err
	}
	return errors.Join(s.mayResched(false), s.stub.Break(s.rest...))
}

// strike brings the machine from the beginning of a way to the beginning of the path, and
// returns the registers there.
func (s *sweep) strike(j *job, r gdb.Registers) (gdb.Registers, error) {
	if j.strike == "" {
		return r, nil
	}
	kind := &Kinds[slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == j.strike })]
	var err error
	if j.ring3 {
		if r, err = s.runTo(r.RCX); err != nil {
			return r, err
		}
	}
	if err := kind.inject(s, &place{state: state{rip: r.RIP}}, r); err != nil {
		return r, err
	}
	if r, err = s.runTo(j.entry); err != nil || kind.calm == nil {
		return r, err
	}
	if err := kind.calm(s, r); err != nil {
		return r, err
	}
	// QEMU's APIC has work now, and the CPU would run some
	// instructions before it does anything else: let it do the work where it stands.
	return s.runTo(j.entry)
}

// runTo lets the machine run to an instruction.
func (s *sweep) runTo(rip uint64) (gdb.Registers, error) {
	err := errors.Join(s.stub.Break(rip), s.stub.Continue())
	if err != nil {
		return gdb.Registers{}, err
	}
	r, err := s.stub.Registers()
	if err == nil && r.RIP != rip {
		err = fmt.Errorf("events: the machine went to %s, want %s", s.name(r.RIP), s.name(rip))
	}
	return r, errors.Join(err, s.stub.Unbreak(rip))
}

// lost notes a failure.
func (s *sweep) lost(format string, args ...any) {
	s.result.Lost = append(s.result.Lost, fmt.Sprintf(format, args...))
}

// limit is how many instructions a path may take: a longer one has gone astray.
const limit = 50_000

// warmUp is the number of rounds before the one that is seen: a call that
// allocates memory for the first time takes another path.
const warmUp = 3

// see follows one undisturbed round, and plans the passes.
func (j *job) see(s *sweep, r gdb.Registers) error {
	if j.strays++; j.strays <= warmUp {
		return nil
	}
	j.strays = 0
	j.entered = r
	var steps []place
	for {
		p := s.place(r)
		if n := len(steps); n > 0 {
			p.shadow = steps[n-1].sti && !steps[n-1].ie
			if steps[n-1].rip == p.rip {
				steps[n-1].debug = true
			}
		}
		steps = append(steps, p)
		if r.RIP < layout.KernelBase {
			break
		}
		if len(steps) == limit {
			return fmt.Errorf("events: %s: it has no end after %d instructions", j.name, limit)
		}
		if err := s.stub.Step(); err != nil {
			return err
		}
		var err error
		if r, err = s.stub.Registers(); err != nil {
			return err
		}
	}
	j.steps, j.left = steps, r
	if err := j.meets(s); err != nil {
		return err
	}
	for i, at := range steps[:j.last()] {
		glued := slices.ContainsFunc(s.glue, func(f [2]uint64) bool { return f[0] <= at.rip && at.rip < f[1] })
		if !s.seen[at.state] && (j.whole || glued) {
			s.seen[at.state] = true
			if s.mine(at.state) {
				j.places = append(j.places, i)
			}
		}
	}
	j.swept.Places = len(j.places)
	if len(j.places) == 0 {
		return nil
	}
	for _, k := range j.kinds {
		kind := Kinds[k]
		if !kind.asks {
			j.passes = append(j.passes, pass{k, -1})
		}
		for _, i := range j.places {
			if !j.has(s, &kind, i) {
				continue
			}
			j.swept.Due[k]++
			if kind.asks || kind.waits(j, i) {
				j.passes = append(j.passes, pass{k, i})
			}
		}
	}
	return nil
}

// has reports whether there can be an event of the kind at step i. A trap cannot be
// told from its handler's beginning where that comes next.
func (j *job) has(s *sweep, k *Kind, i int) bool {
	return (k.applies == nil || k.applies(&j.steps[i])) && !(k.trap && j.steps[i+1].rip == s.trapKernel)
}

// meets checks that the path goes through the functions for which it exists.
func (j *job) meets(s *sweep) error {
	names := slices.Clone(j.through)
	for _, f := range j.variant {
		names = append(names, stubs.FuncName(f, s.result.Variant))
	}
	for _, name := range names {
		at, err := s.address(name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(j.steps, func(p place) bool { return p.rip == at }) {
			return fmt.Errorf("events: %s: the path does not go through %s", j.name, name)
		}
	}
	return nil
}

// arrival returns the step at which an event of the kind comes that is pending at step i.
func (k *Kind) arrival(j *job, i int) int {
	switch {
	case k.maskable:
		// At the first one with interrupts on that does not follow an STI.
		for ; i < j.last(); i++ {
			if j.steps[i].ie && !j.steps[i].shadow {
				break
			}
		}
	case k.Name == kindNMI && j.strike == kindNMI && !slices.ContainsFunc(j.steps[:i], isIRET):
		// NMIs are blocked up to the IRETQ.
		i += slices.IndexFunc(j.steps[i:], isIRET) + 1
	}
	return i
}

func isIRET(p place) bool { return p.iret }

// waits reports whether an event of the kind that is pending at step i comes later.
func (k *Kind) waits(j *job, i int) bool { return k.arrival(j, i) != i }

// pass walks through one round and makes the events of the pass arrive.
func (s *sweep) pass(j *job, p pass, r gdb.Registers) error {
	kind := &Kinds[p.kind]
	if what := differences(j.entered, withCR2(r, j.entered.CR2)); what != "" {
		if j.arrived {
			s.lost("%s: the round after an event begins differently: %s", j.name, what)
			return errLost
		}
		return fmt.Errorf("%w: at its beginning %s", errStray, what)
	}
	j.arrived = false
	targets := j.places
	if p.at >= 0 {
		targets = []int{p.at}
	}
	i := 0
	for _, n := range targets {
		if n < i || p.at < 0 && kind.waits(j, n) || !j.has(s, kind, n) {
			continue
		}
		r, err := s.goTo(j, i, n)
		if err != nil {
			return err
		}
		at, to := &j.steps[n], kind.arrival(j, n)
		if kind.trap {
			to = n + 1
		}
		back := to
		if kind.resumes {
			for back++; j.steps[back].rip == at.rip; back++ { // rounds of a REP
			}
		}
		found := len(s.result.Lost)
		own := 0
		for _, p := range j.steps[n:to] {
			if p.rip == s.trapKernel || p.rip == s.trapUser {
				own++
			}
		}
		e := event{s, kind, at, &j.steps[to], &j.steps[back], own, fmt.Sprintf("%s: %s at %s", j.name, kind.Name, s.name(r.RIP))}
		if err := e.deliver(r); err != nil {
			return err
		}
		if len(s.result.Lost) == found {
			j.swept.Events[p.kind]++
		}
		i = back
		j.arrived = true
	}
	if i == 0 {
		return nil // none at all
	}
	left, err := s.goTo(j, i, j.last())
	if err != nil {
		return err
	}
	if kind.asks {
		done, err := s.workDone(left)
		if err != nil {
			return err
		}
		if !done {
			s.lost("%s: %s at %s: what it asked for is not done in ring 3", j.name, kind.Name, s.name(j.steps[targets[0]].rip))
			j.swept.Events[p.kind]--
			return nil
		}
	}
	if j.numbers {
		left.RAX = j.left.RAX
	}
	if what := differences(j.left, withCR2(left, j.left.CR2)); what != "" {
		s.lost("%s: %s: back in ring 3 %s", j.name, kind.Name, what)
	}
	return nil
}

// withCR2 returns r with another CR2, which other threads change.
func withCR2(r gdb.Registers, cr2 uint64) gdb.Registers {
	r.CR2 = cr2
	return r
}

// goTo lets the machine continue from step i, where it stands, to step n.
func (s *sweep) goTo(j *job, i, n int) (gdb.Registers, error) {
	var r gdb.Registers
	var err error
	for i < n && err == nil {
		if err = s.stub.Step(); err != nil {
			break
		}
		i++
		rip := j.steps[n].rip
		if i == n {
			break
		}
		if err = s.stub.Break(rip); err != nil {
			break
		}
		// A breakpoint stops at each of the instruction's turns.
		for ; i < n && err == nil; i++ {
			if j.steps[i].rip != rip {
				continue
			}
			if err = s.stub.Continue(); err == nil {
				err = s.stub.Step()
			}
		}
		if err == nil {
			err = s.stub.Continue()
		}
		err = errors.Join(err, s.stub.Unbreak(rip))
	}
	if err != nil {
		return r, err
	}
	if r, err = s.stub.Registers(); err == nil && r.RIP != j.steps[n].rip {
		err = fmt.Errorf("%w: it is at %s, and was at %s", errStray, s.name(r.RIP), s.name(j.steps[n].rip))
		if r.RIP == s.die {
			s.lost("%s: the kernel gave up on the way to %s", j.name, s.name(j.steps[n].rip))
			err = errLost
		}
	}
	return r, err
}
