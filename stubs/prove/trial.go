package prove

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// Machine is a CPU with memory that runs one instruction at a time. What the kernel
// does on a path is done to it from outside.
type Machine interface {
	// Places says where the memory is that paths use.
	Places() Places
	Registers() (Registers, error)
	SetRegisters(Registers) error
	// MSR returns one that no field of Registers has, or false if the machine cannot tell.
	MSR(number uint32) (uint64, bool)
	// Read returns words of memory, Write writes them.
	Read(addrs []uint64) ([]uint64, error)
	Write(addrs, words []uint64) error
	// Step runs the instruction at RIP.
	Step() error
	// RunTo runs until the one at an address, or until it is lost, in as few stops as
	// it can. CanRun reports whether that is quicker than to step.
	RunTo(addr uint64) error
	CanRun() bool
	// Exits reports whether the machine has a ring 3: Step can run SYSRETQ and IRETQ,
	// and Call can run SYSCALL.
	Exits() bool
	// Call runs SYSCALL in ring 3 with these registers, but for RIP and CR3.
	Call(Registers) error
}

// Places are addresses in a machine's memory, as its code has them.
type Places struct {
	PerCPU     uint64 // the per-CPU area
	Stack      uint64 // the top of the running thread's stack, a multiple of layout.ThreadSize
	Next       uint64 // the thread to be switched to, as far from its stack's top
	Trampoline uint64 // the top of the trampoline stack
	CR3        uint64 // of the kernel's page table
	EFER       uint64
	// Elsewhere is where a path goes when it leaves the variant: nothing there is run.
	Elsewhere uint64
}

// Registers are those of a machine.
type Registers struct {
	General                     [16]uint64 // RAX to R15, in the order of their encoding
	RIP, RFLAGS                 uint64
	CS, SS                      uint16
	DS, ES, FS, GS              uint16 // only read
	FSBase, GSBase, OtherGSBase uint64 // the last is MSR_KERNEL_GS_BASE
	CR3                         uint64
	SpecCtrl                    uint64                // MSR_IA32_SPEC_CTRL, if the variant promises it
	UserCET, PL3SSP             uint64                // MSR_IA32_U_CET and MSR_IA32_PL3_SSP, if it promises them
	XMM                         [numXMM / 2][2]uint64 // the lower half of each first
	MXCSR                       uint32
	X87                         X87
}

// Trials are the paths of a variant that end, to be run on machines with random
// models: words for all that is unknown.
type Trials struct {
	m     *machine
	at    places
	paths [][]*traced
	// Proof is the proof whose paths these are.
	Proof *Proof
}

// NewTrials proves a variant in a linked program, as [Object] does, and keeps its paths.
func NewTrials(obj *asm.Object, n stubs.Variant) (*Trials, error) {
	s, err := newSubject(obj, n)
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", n.Name, err)
	}
	m := s.proveWith(&machine{subject: s, traces: true, snapshots: true})
	t := &Trials{m: m, at: s.places(obj), Proof: s.report(m, obj)}
	for _, root := range m.roots {
		t.collect(nil, root)
	}
	return t, nil
}

// LinkAt links a variant with stand-ins for the kernel's functions, to run at an
// address below 2 GiB or in the uppermost 2 GiB.
func LinkAt(n stubs.Variant, addr uint64) (*asm.Object, error) { return linkAt(n, addr) }

// collect adds the paths that go on from a place.
func (t *Trials) collect(before []*traced, at *traced) {
	path := append(slices.Clip(before), at)
	for len(at.next) == 1 {
		at = at.next[0]
		path = append(path, at)
	}
	if len(at.next) == 0 && !slices.ContainsFunc(at.claims, func(c obligation) bool { return c.outcome != Proved }) {
		t.paths = append(t.paths, path)
	}
	for _, next := range at.next {
		t.collect(path, next)
	}
}

// Len returns the number of paths.
func (t *Trials) Len() int { return len(t.paths) }

// Trial is how a machine has run one path.
type Trial struct {
	// Steps is how many instructions it ran, Compared how many registers, flags and
	// words were compared with the proof's.
	Steps, Compared int
	// Exit is set if it returned to ring 3 and that was compared too.
	Exit bool
	// NotRun, if not empty, says why there was nothing to run.
	NotRun string
	// Differs says what was otherwise than the proof has it, and where; empty:
	// nothing.
	Differs string
}

// Run runs a path on a machine with a random model.
func (t *Trials) Run(path int, on Machine, rng *rand.Rand) (Trial, error) {
	r := &runner{machine: t.m, at: t.at, on: on, rng: rng, places: on.Places(), path: t.paths[path]}
	if why := r.model(nil); why != "" {
		return Trial{NotRun: why}, nil
	}
	err := r.run()
	return r.trial, err
}

// Confirmation is what became of the witness of a claim that is refuted.
type Confirmation struct {
	Trial
	// Shows is what ring 3 finds, if the claim is about that.
	Shows string
}

// Confirmed reports whether the machine came to the claim's instruction as the proof
// says.
func (c Confirmation) Confirmed() bool { return c.NotRun == "" && c.Differs == "" }

// Confirm runs the witness of each claim that is refuted. What the machine does not
// confirm is undecided from then on.
func (t *Trials) Confirm(on Machine, rng *rand.Rand) ([]Confirmation, error) {
	var list []Confirmation
	for i, key := range t.m.order {
		v := t.m.claims[key]
		if v == nil || v.outcome != Refuted {
			continue
		}
		c, err := t.confirm(on, rng, key, v)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", t.Proof.Claims[i].Where, err)
		}
		if !c.Confirmed() {
			t.Proof.Claims[i].Outcome, t.Proof.Claims[i].Unconfirmed = Undecided, c.NotRun+c.Differs
		}
		list = append(list, c)
	}
	return list, nil
}

// confirm runs one witness.
func (t *Trials) confirm(on Machine, rng *rand.Rand, key claimKey, v *verdict) (Confirmation, error) {
	r := &runner{machine: t.m, at: t.at, on: on, rng: rng, places: on.Places(), fails: v, allFlags: key.kind == claimFlag}
	for at := v.traced; at != nil; at = at.prev {
		r.path = append(r.path, at)
	}
	slices.Reverse(r.path)
	if why := r.model(v); why != "" {
		return Confirmation{Trial: Trial{NotRun: why}}, nil
	}
	if err := r.run(); err != nil {
		return Confirmation{}, err
	}
	c := Confirmation{Trial: r.trial}
	if key.kind == claimX87 && c.Differs == "" {
		got, err := on.Registers()
		if err != nil {
			return c, err
		}
		if got.X87 == r.x87 {
			c.Differs = "the x87 state is what it should be, as far as the machine tells"
		}
	}
	if holds, known := v.goal.holds(r.words); c.Differs == "" && v.goal.kind != never && known && holds {
		c.Differs = "the word is what it should be"
	}
	if key.kind == claimFlag && key.of != flagLoad && c.Differs == "" {
		got, err := on.Registers()
		if err != nil {
			return c, err
		}
		if got.RFLAGS&flagBits[key.n] == 0 {
			c.Differs = flagNames[key.n] + " is clear"
		}
	}
	last := r.path[len(r.path)-1]
	if c.Differs != "" || last.kind != ran || !returns(last.in) || !on.Exits() {
		return c, nil
	}
	switch key.kind {
	case claimReg, claimIP, claimUserGS:
		if r := reg(key.n); key.kind == claimReg && (r == rCX || r == r11) {
			break // of them exit knows only that they are not changed
		}
		if err := r.exit(last); err != nil {
			return c, err
		}
		if c.Shows = r.trial.Differs; c.Shows == "" && r.trial.Exit {
			c.Differs = "ring 3 finds everything right"
		}
	}
	return c, nil
}

// runner runs one path.
type runner struct {
	*machine
	at     places
	on     Machine
	rng    *rand.Rand
	places Places
	path   []*traced
	fails  *verdict // what is refuted at its end; nil: nothing
	// allFlags is set if ring 3 is to have all flags set: one of them is left so.
	allFlags bool
	words    assignment
	x87      X87             // of ring 3
	chosen   *state          // with the facts by which words are chosen
	before   *state          // the machine at the last stop, as the proof has it; nil: the kernel ran
	waits    int             // instructions from there that are to be run
	pauses   bool            // the one that was run last is PAUSE: QEMU's single step goes on over the next one
	behind   map[uint64]bool // their addresses
	lost     map[uint64]bool
	// elsewhere is set if the machine is at another instruction than the path.
	elsewhere bool
	trial     Trial
}

// run runs the path.
func (r *runner) run() error {
	r.lost, r.behind = map[uint64]bool{}, map[uint64]bool{}
	either := false // the proof does not know which way it goes
	for i, t := range r.path {
		if t.kind == parted {
			either = either || t.flag
		}
		if t.kind != kernel && t.kind != ran {
			continue
		}
		next := after(r.path[i+1:])
		open := i+1 < len(r.path) && r.path[i+1].flag
		if t.kind == ran && !either && !open && !r.mustStop(t, next) {
			r.waits++
			r.behind[t.at] = true
			continue
		}
		if t.before != nil {
			if err := r.arrive(t); err != nil {
				return err
			}
			if r.trial.Differs != "" {
				if either && r.elsewhere {
					r.trial = Trial{NotRun: "it goes the other way of a condition that the proof does not follow"}
				}
				return nil
			}
			either = false
		}
		switch {
		case t.kind == kernel:
			if err := r.set(t.after); err != nil {
				return err
			}
			r.before = nil
		case returns(t.in) && r.fails == nil:
			if err := r.exit(t); err != nil || r.trial.Differs != "" {
				return err
			}
		case !ends(t.in):
			if err := r.others(t.before, next, t.others); err != nil {
				return err
			}
			r.waits, r.before, r.pauses = 1, t.before, t.in.op == opPAUSE
			r.behind[t.at] = true
		}
	}
	if !r.taken(r.last().given) {
		r.trial.Differs = "it has gone the path's way, but not for the path's reasons"
	}
	return nil
}

// ends reports whether an instruction is the last of a path, returns whether it goes
// to ring 3.
func ends(in *inst) bool { return returns(in) || in.op == opUD2 || in.op == opINT3 }

func returns(in *inst) bool { return in.op == opSYSRET || in.op == opIRET }

// mustStop reports whether the machine must stop before an instruction: others write
// then what it is about to read, or it is the last, or the machine would stop there
// before.
func (r *runner) mustStop(t *traced, next *state) bool {
	if r.waits == 0 || len(t.others) > 0 || !r.on.CanRun() || r.fails != nil || ends(t.in) || r.behind[t.at] || next == nil || next.phase != t.before.phase {
		return true
	}
	if r.before == nil || t.before.lowered != r.before.lowered || next.lowered != t.before.lowered {
		return true
	}
	was, now, then := r.memory(r.before), r.memory(t.before), r.memory(next)
	for i, w := range now {
		switch {
		case i >= len(was) || i >= len(then):
			return true
		case w.shared && w.known && (w.v != was[i].v || !was[i].known):
			return true
		case then[i].shared && then[i].known && (then[i].v != w.v || !w.known):
			return true
		}
	}
	return false
}

// arrive brings the machine to where something happens next, and compares it.
func (r *runner) arrive(t *traced) error {
	to, known := t.at, true
	if t.kind == kernel {
		to, known = evaluate(t.before.to, r.words)
	}
	var err error
	switch {
	case r.waits == 1 && r.pauses && known && r.on.CanRun():
		err = r.on.RunTo(to)
	case r.waits == 1 || r.waits > 1 && (!known || r.behind[to]):
		for range r.waits {
			if err = r.on.Step(); err != nil {
				break
			}
		}
	case r.waits > 1:
		err = r.on.RunTo(to)
	}
	r.trial.Steps += r.waits
	r.waits = 0
	clear(r.behind)
	var cannot *StepError
	if errors.As(err, &cannot) {
		r.trial.Differs, err = fmt.Sprintf("on the way to %v: %s", r.at.at(t.at), cannot.Why), nil
	}
	if err != nil || r.trial.Differs != "" {
		return err
	}
	got, err := r.on.Registers()
	if err != nil {
		return err
	}
	if known && got.RIP != to {
		r.elsewhere = true
		r.trial.Differs = fmt.Sprintf("it goes to %s, want %v", r.nameOf(got.RIP), r.nameOf(to))
		return nil
	}
	return r.compare(t.before, t)
}

// nameOf names an address.
func (r *runner) nameOf(addr uint64) string {
	if r.partOf(addr) != nil {
		return r.at.at(addr).String()
	}
	return r.name(addr)
}

// after returns the machine before the first instruction or function of the kernel on a
// path, nil if there is none.
func after(path []*traced) *state {
	for _, t := range path {
		if t.kind == ran || t.kind == kernel {
			return t.before
		}
	}
	return nil
}

// StepError means that a machine cannot run an instruction.
type StepError struct{ Why string }

func (e *StepError) Error() string { return e.Why }
