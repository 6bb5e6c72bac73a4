// Package confirm runs what a proof says on machines that are not the proof's: the
// witness of each claim that is refuted, and each path of what is proved with a random
// model, which gives every unknown a word.
//
// One machine is QEMU's. It boots the kernel with the variant and stands at the entry
// when the first call comes; from there on, registers and memory are set for each path
// through QEMU's gdb stub. A path begins with SYSCALL, which finds the MSRs as the
// variant's own syscall_init has left them, and includes the return to ring 3. What QEMU's
// CPU lacks and Bochs's has, as PCIDs and SPEC_CTRL, is run in Bochs in the same way,
// through its debugger. The other is this CPU: a process has the variant's code at the
// addresses for which it was linked, and is stepped. Ring 3 may not run SWAPGS, CLI, STI,
// MOV to and from control registers, RDMSR, WRMSR, STAC and CLAC, and PUSHFQ and POPFQ do
// less there: what they do is done in their place, and the path ends before SYSRETQ or
// IRETQ.
//
// What the kernel does on a path, and what other threads and interrupts write, is put
// into the machine where the proof has it. At each stop the registers, with the XMM
// registers, MXCSR, the x87 state, the selectors and the MSRs of the path, RFLAGS, the
// bases of FS and GS, and the words of the stack, the per-CPU area and the thread are
// compared with the proof's. The process stops at each instruction, an emulator where the kernel or others do
// something, at each return to ring 3, and for a witness at each instruction. QEMU does not
// tell the MSRs that syscall_init writes, but EFER: there SYSCALL and the returns to ring 3
// show what they are. Nor does it tell which x87 registers are empty.
//
// No machine has FRED: of a variant with entry=fred nothing is run or confirmed.
package confirm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Report is what a variant's proof and the machines say.
type Report struct {
	// Proof has, as undecided, what was refuted and is not confirmed.
	Proof *prove.Proof
	// Witnesses is how many there are, Confirmed how many of them the machine
	// On has confirmed, and Shown what ring 3 found then.
	Witnesses, Confirmed int
	On                   string
	Shown                []string
	// Runs are the machines on which the paths were run.
	Runs []Run
}

// Run is what a machine has run of a variant's paths.
type Run struct {
	Machine string
	// Without says why it ran none.
	Without string
	// Paths is how many were to be run, Ran how many were, and Exits how many of
	// these to their return to ring 3. Instructions were run, and so many words and
	// flags were Compared.
	Paths, Ran, Exits      int
	Instructions, Compared int
	// NotRun counts paths by the reason for which they were not run.
	NotRun map[string]int
	// Differs says what was otherwise than in the proof.
	Differs []string
}

// Agrees reports whether no machine says otherwise than the proof.
func (r *Report) Agrees() bool {
	return !slices.ContainsFunc(r.Runs, func(run Run) bool { return len(run.Differs) > 0 })
}

// The machines' names.
const (
	inQEMU  = "in QEMU"
	inBochs = "in Bochs"
	onThis  = "on this CPU in ring 3"
)

// notInQEMU are the features that QEMU's TCG has not, and a variant's path needs.
const notInQEMU = layout.FeaturePCID | layout.FeatureIBRS | layout.FeatureBHICtrl | layout.FeatureCETSS

// Variant proves a variant and confirms the proof. Of more than so many paths it runs as many,
// evenly spread, and more until one has come back to ring 3; 0 is all of them.
func Variant(ctx context.Context, n stubs.Variant, paths int) (*Report, error) {
	list := []stubs.Variant{n}
	notQEMU := missing(n, notInQEMU)
	var other string
	switch {
	case n.Axes.Bare: // a kernel needs one that is not
		other = "linux-3.19"
	case notQEMU != "": // onBochs needs the place of one that does not run
		other = "linux-6.12"
	}
	if other != "" {
		v, err := stubs.ParseVariant(other)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	kernel, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return nil, err
	}
	if n.Axes.Is(stubs.EntryFRED) {
		proof, err := prove.Object(kernel.Object, n)
		if err != nil {
			return nil, err
		}
		return &Report{Proof: proof, Runs: []Run{{Machine: inQEMU, Without: "its CPU has no FRED"}, {Machine: onThis, Without: "no event is delivered by FRED there"}}}, nil
	}
	trials, err := prove.NewTrials(kernel.Object, n)
	if err != nil {
		return nil, err
	}
	r := &Report{Proof: trials.Proof}
	obj, err := prove.LinkAt(n, codeAddr)
	if err != nil {
		return nil, err
	}
	ring3, err := prove.NewTrials(obj, n)
	if err != nil {
		return nil, err
	}
	emulator, on, without := inQEMU, onQEMU, notQEMU
	if without != "" {
		r.Runs = append(r.Runs, Run{Machine: inQEMU, Without: without})
		emulator, on, without = inBochs, onBochs, cmp.Or(missing(n, vm.BochsLacks), noBochs(ctx))
	}
	if without != "" {
		r.Runs = append(r.Runs, Run{Machine: emulator, Without: without})
	} else {
		r.On = emulator
		err := on(ctx, n, list, kernel, func(m prove.Machine) error { return r.use(ctx, emulator, trials, m, paths) })
		if errors.Is(err, errNoCall) && r.Proof.Outcome() == prove.Refuted && ctx.Err() == nil {
			err = r.besides(ctx, n, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", n.Name, emulator, err)
		}
	}
	if r.On == "" && r.Proof.Outcome() == prove.Refuted {
		r.On, r.Proof = onThis, ring3.Proof
	}
	if err := onCPU(obj, func(m prove.Machine) error { return r.use(ctx, onThis, ring3, m, paths) }); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", n.Name, onThis, err)
	}
	return r, nil
}

// besides confirms the witnesses of a variant with which the kernel does not come to its first
// call: it runs another, and only what begins elsewhere than at a call can be confirmed.
func (r *Report) besides(ctx context.Context, n stubs.Variant, why error) error {
	other, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		return err
	}
	list := []stubs.Variant{other, n}
	kernel, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return err
	}
	trials, err := prove.NewTrials(kernel.Object, n)
	if err != nil {
		return err
	}
	r.Proof = trials.Proof
	r.Runs = append(r.Runs, Run{Machine: inQEMU, Without: why.Error()})
	return onQEMU(ctx, other, list, kernel, func(m prove.Machine) error { return r.witnesses(trials, m) })
}

// missing says what an emulator that has not all features lacks for a variant.
func missing(n stubs.Variant, not layout.Features) string {
	if f := n.Features() & not; f != 0 {
		return fmt.Sprintf("its CPU has no %v", f)
	}
	return ""
}

// noBochs says why there is no Bochs.
func noBochs(ctx context.Context) string {
	if err := vm.Bochs.Available(ctx, nil); err != nil {
		return err.Error()
	}
	return ""
}

// fewPaths is what only the floor has fewer paths than: each is run so often then.
const fewPaths = 10

// witnesses runs the witnesses on one machine.
func (r *Report) witnesses(t *prove.Trials, m prove.Machine) error {
	list, err := t.Confirm(m, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		return err
	}
	r.Witnesses = len(list)
	for _, c := range list {
		if c.Confirmed() {
			r.Confirmed++
		}
		if c.Shows != "" {
			r.Shown = append(r.Shown, c.Shows)
		}
	}
	return nil
}

// use confirms the witnesses and runs the paths on one machine.
func (r *Report) use(ctx context.Context, machine string, t *prove.Trials, m prove.Machine, paths int) error {
	rng := rand.New(rand.NewPCG(1, 2)) // what differs once differs again
	if r.On == machine {
		if err := r.witnesses(t, m); err != nil {
			return err
		}
	}
	run := Run{Machine: machine, NotRun: map[string]int{}}
	every := 1
	if paths > 0 {
		every = max(1, t.Len()/paths)
	}
	// The one model of the only path to ring 3 may be one with which nothing comes back.
	runs := t.Len()
	if runs < fewPaths {
		runs *= fewPaths
	}
	least := (runs + every - 1) / every
	for i := range spread(runs, every) {
		returned := run.Exits > 0 || machine == onThis // which runs paths in ring 3, and returns from none
		if ctx.Err() != nil || returned && run.Paths >= least {
			break
		}
		trial, err := t.Run(i%t.Len(), m, rng)
		if err != nil {
			return err
		}
		run.Paths++
		run.Instructions += trial.Steps
		run.Compared += trial.Compared
		switch {
		case trial.NotRun != "":
			run.NotRun[trial.NotRun]++
			continue
		case trial.Differs != "":
			run.Differs = append(run.Differs, trial.Differs)
		case trial.Exit:
			run.Exits++
		}
		run.Ran++
	}
	r.Runs = append(r.Runs, run)
	return ctx.Err()
}

// spread yields the numbers below n: each every-th, those behind them, and so on.
func spread(n, every int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for first := range every {
			for i := first; i < n; i += every {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// Lines tells of it, a line for each thing.
func (r *Report) Lines() []string {
	var list []string
	if r.Witnesses > 0 {
		list = append(list, fmt.Sprintf("%s: %d of %d witnesses confirmed", r.On, r.Confirmed, r.Witnesses))
	}
	for _, run := range r.Runs {
		if run.Without != "" {
			list = append(list, fmt.Sprintf("%s: not run: %s", run.Machine, run.Without))
			continue
		}
		list = append(list, fmt.Sprintf("%s: %d of %d paths, each with a random model: %d instructions, %d returns to ring 3; %d words and flags compared, %d paths differ",
			run.Machine, run.Ran, run.Paths, run.Instructions, run.Exits, run.Compared, len(run.Differs)))
		for _, why := range slices.Sorted(maps.Keys(run.NotRun)) {
			list = append(list, fmt.Sprintf("  not run: %d: %s", run.NotRun[why], why))
		}
		for _, d := range run.Differs {
			list = append(list, "  differs: "+d)
		}
	}
	return list
}
