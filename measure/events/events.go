// Package events raises NMIs, machine checks, breakpoints and interrupts, one at a
// time, at every instruction of the paths through the kernel, and checks that each
// path continues as if the event had not come.
//
// QEMU's gdb stub stops the machine at each instruction of a variant's path, and the
// event is raised exactly there. Inside the kernel's handler, GS, CR3, the stack and
// every register of the frame are checked; after it, the interrupted registers, the
// stack above RSP, the user's red zone and the per-CPU words that entry paths use. A
// place that an event did not reach is a failure. NotDelivered names the events that
// an engine cannot deliver.
//
// Other engines, and a CPU, have no such debugger: Breakpoints makes the guest do the
// same with the debug registers.
package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// Undelivered is an event that cannot be delivered, and why.
type Undelivered struct{ Name, Why string }

// notByDebugger are the events that Sweep lacks, notByGuest those that Breakpoints lacks,
// notByBochs those that it lacks in Bochs besides, and notByFRED those that it lacks of a
// variant with entry=fred.
var (
	notByDebugger = []Undelivered{
		{kindHeld, "QEMU 7.2 delivers the #DB of a data breakpoint behind MOV SS at once, where a CPU waits for one instruction"},
		{"#DB of code or data in #DB's own handler", "it would come again and again, on the same interrupt stack"},
		{"#DB of code at a string instruction or at a RET that is returned to, of data in a string instruction", "QEMU ends RF with the first turn, and stops between turns"},
		{"#MC in #MC", "a CPU shuts down (SDM volume 3, 16.3.2.2, MCIP)"},
		{"#PF elsewhere than at a copy to ring 3", "the kernel's own memory is always mapped; where it comes is a path of its own"},
		{"#GP elsewhere than at IRETQ", "no other instruction can raise it but SYSRETQ, which no preset lets come to one; where it comes is a path of its own"},
	}
	notByBochs = []Undelivered{
		{kindHeld + " at INT n and INT3", "Bochs 2.7 forgets it there: interrupt(), which carries them out, clears debug_trap; at SYSCALL it delivers it"},
	}
	notByFRED = []Undelivered{
		{kindHeld + " with FRED", "Bochs drops it when it delivers the event of the instruction behind MOV SS"},
		{kindMC + ", " + kindWork + " with FRED", "QEMU could make them, and its CPU has no FRED"},
		{"events in asm_fred_entrypoint_kernel", "each begins with a #DB in ring 0, which arrives there itself"},
	}
	notByGuest = []Undelivered{
		{kindMC, "the guest cannot make one; QEMU's monitor can (-engine icount)"},
		{kindWork, "QEMU's debugger asks for it (-engine icount)"},
		{"events behind the entry", "the guest puts breakpoints on SYSCALL's paths and on the ways in and out of exceptions alone"},
		{"#DB of data elsewhere than in the per-CPU area", "QEMU 7.2 ends at a breakpoint on what the CPU pushes"},
		{"#DB of code or data in #DB's own handler", "it would come again and again, on the same interrupt stack"},
	}
)

// NotDelivered returns the events that some of the results lack: the name says
// on which engine.
func NotDelivered(results []*Result) []Undelivered {
	var list []Undelivered
	for _, e := range vm.Engines {
		if !slices.ContainsFunc(results, func(r *Result) bool { return r.Engine == e }) {
			continue
		}
		of := notByGuest
		if e == vm.ICount {
			of = notByDebugger
		} else if !heldBack(e) {
			of = append(slices.Clone(of), notByDebugger[0])
		}
		if e == vm.Bochs {
			of = append(slices.Clone(of), notByBochs...)
		}
		if slices.ContainsFunc(results, func(r *Result) bool { return r.Engine == e && r.FRED }) {
			of = append(slices.Clone(of), notByFRED...)
		}
		for _, u := range of {
			list = append(list, Undelivered{fmt.Sprintf("%s on %s", u.Name, e), u.Why})
		}
	}
	return list
}

// Swept is the result of one path of a variant.
type Swept struct {
	// Path is its name.
	Path string
	// Places are the instructions that it meets in a state in which no earlier path
	// met them, and which were not swept with another variant.
	Places int
	// Due counts the events that were to arrive, and Events those that arrived where
	// they should and left nothing behind, by kind in the order of Kinds.
	Due, Events []int
}

// Result is the result of a variant.
type Result struct {
	Variant string
	Engine  vm.Engine
	FRED    bool // it enters by FRED
	Swept   []Swept
	// Lost says what did not arrive, or what it left behind: place, kind and the
	// values that differ. Empty: nothing was lost.
	Lost []string
}

// Places returns the number of instructions of all paths.
func (r *Result) Places() int {
	n := 0
	for _, s := range r.Swept {
		n += s.Places
	}
	return n
}

// Total returns the number of events that arrived.
func (r *Result) Total() int {
	n := 0
	for _, s := range r.Swept {
		for _, e := range s.Events {
			n += e
		}
	}
	return n
}

// maxLost ends the sweep of a variant: what is broken at one place is broken at many.
const maxLost = 20

// Prepare makes the machine that Sweep sweeps. It is QEMU counting instructions,
// so that no clock of its own comes in between.
func Prepare(ctx context.Context, n stubs.Variant, machine vm.Config) (vm.Config, error) {
	machine.Engine = vm.ICount
	return boot.Prepare(ctx, boot.Config{Variants: []stubs.Variant{n}, Args: wire.Command{Events: true, Variants: []string{n.Name}}.Words(), VM: machine})
}

// Sweep boots the prepared machine of a variant and makes every kind of event arrive
// at every instruction, but for those of the kernel that are swept with another variant
// of those that share them; nil shares none. An error means that there is no verdict.
func Sweep(ctx context.Context, n stubs.Variant, m vm.Config, shared *Shared) (*Result, error) {
	return sweepSome(ctx, n, m, shared, func(string, string) bool { return true })
}

// sweepSome works like Sweep, but with the wanted kinds of events on the wanted paths
// alone.
func sweepSome(ctx context.Context, n stubs.Variant, m vm.Config, shared *Shared, want func(path, kind string) bool) (*Result, error) {
	symbols, err := readSymbols(m.Kernel)
	if err != nil {
		return nil, err
	}
	s := &sweep{symbols: symbols, seen: map[state]bool{}, result: &Result{Variant: n.Name, Engine: m.Engine}, shared: shared, alike: alike(n.Axes)}
	if err := s.plan(n, want); err != nil {
		return nil, err
	}
	m.Debug = func(conn *os.File) error {
		s.stub = gdb.New(gdb.Patient{File: conn})
		err := s.run()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errors.Join(err, s.stuck())
		}
		return err
	}
	run, err := boot.RunPrepared(ctx, m, nil)
	for _, j := range s.jobs {
		s.result.Swept = append(s.result.Swept, j.swept)
	}
	switch {
	case s.result.Lost != nil:
		return s.result, nil // whatever became of the machine after that
	case err != nil:
		return nil, fmt.Errorf("events: %s: %w", n.Name, err)
	}
	for _, c := range run.Checks {
		switch c.Outcome {
		case wire.Skip:
			return nil, &Skipped{c.Detail}
		case wire.Fail, wire.Error:
			return nil, fmt.Errorf("events: %s: %s: %s (%s)", n.Name, c.Outcome, c.Name, c.Detail)
		}
	}
	for _, j := range s.jobs {
		if !j.done() {
			return nil, fmt.Errorf("events: %s: %s: the guest made too few rounds: %d passes were left", n.Name, j.name, len(j.passes))
		}
		if !slices.Equal(j.swept.Due, j.swept.Events) {
			return nil, fmt.Errorf("events: %s: %s: %v events arrived at %v", n.Name, j.name, j.swept.Events, j.swept.Due)
		}
	}
	return s.result, nil
}

// stuck says where the machine is when it has not stopped again.
func (s *sweep) stuck() error {
	if err := s.stub.Interrupt(); err != nil {
		return err
	}
	r, err := s.stub.Registers()
	if err != nil {
		return err
	}
	return fmt.Errorf("events: the machine does not stop, it is at %s: %+v", s.name(r.RIP), r)
}

// Skipped means that the variant cannot run on this machine.
type Skipped struct{ Why string }

func (s *Skipped) Error() string { return s.Why }

// exceptions are events that the CPU itself raises where an instruction of the
// paths can: Sweep reaches them by separate paths.
var exceptions = []string{"#PF", "#GP"}

// Summary returns the result in a line.
func Summary(results []*Result) string {
	var places, total, lost int
	for _, r := range results {
		places, total, lost = places+r.Places(), total+r.Total(), lost+len(r.Lost)
	}
	var names []string
	for k, kind := range Kinds {
		if slices.ContainsFunc(results, func(r *Result) bool {
			return slices.ContainsFunc(r.Swept, func(s Swept) bool { return s.Events[k] > 0 })
		}) {
			names = append(names, kind.Name)
		}
	}
	names = append(names, exceptions...)
	return fmt.Sprintf("%s, %s places \u00d7 %d events (%s): %s arrived, %d lost",
		counted(len(results), "variant"), thousands(places), len(names), strings.Join(names, ", "), thousands(total), lost)
}

// counted returns a number of things in words.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// thousands returns a number as people write it.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
