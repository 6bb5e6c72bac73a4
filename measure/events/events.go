// Package events lets NMIs, machine checks, breakpoints and interrupts arrive at
// every instruction of a system call, one after another, and holds that after each
// of them the call goes on as if it had not come.
//
// QEMU is stopped at each instruction of a variant's path through its gdb stub.
// There the event is made to arrive, exactly there: inside the kernel's handler
// GS, CR3, the stack and every register of the frame are looked at, and behind it
// the interrupted registers, the stack above RSP, the user's red zone and the
// per-CPU words that entry paths use. A place that an event did not reach is a
// failure; what QEMU cannot deliver is named (NotDelivered).
package events

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// NotDelivered are kinds of events that cannot be had here, and why.
var NotDelivered = []struct{ Name, Why string }{
	{"#DB held back by MOV SS", "QEMU 7.2 delivers the #DB of a data breakpoint behind MOV SS at once, where a CPU waits for one instruction"},
	{"#PF", "the paths touch no memory but the kernel's own, which is always mapped"},
	{"#GP", "only SYSRETQ and IRETQ can raise it: verify's checks of frames that they refuse raise it there"},
}

// Swept is what one call's path of a variant went through.
type Swept struct {
	// Call is the name of the wire.EventCall.
	Call string
	// Instructions are those of the path from the entry to ring 3.
	Instructions int
	// Events counts what arrived where it should and left nothing behind, by kind
	// in the order of Kinds.
	Events []int
}

// Result is what a variant went through.
type Result struct {
	Variant string
	Swept   []Swept
	// Lost says what did not arrive, or what it left behind: place, kind and the
	// values that differ. Empty: nothing was lost.
	Lost []string
}

// Places is the number of instructions of all paths.
func (r *Result) Places() int {
	n := 0
	for _, s := range r.Swept {
		n += s.Instructions
	}
	return n
}

// Total is the number of events that arrived.
func (r *Result) Total() int {
	n := 0
	for _, s := range r.Swept {
		for _, e := range s.Events {
			n += e
		}
	}
	return n
}

// maxLost ends the sweep of a variant: what is broken at one place is so at many.
const maxLost = 20

// Prepare makes the machine that Sweep sweeps. It is QEMU counting instructions,
// so that no clock of its own comes in between.
func Prepare(ctx context.Context, n stubs.Variant, machine vm.Config) (vm.Config, error) {
	machine.Engine = vm.ICount
	return boot.Prepare(ctx, boot.Config{Variants: []stubs.Variant{n}, Args: wire.Command{Events: true, Variants: []string{n.Name}}.Words(), VM: machine})
}

// Sweep boots the prepared machine of a variant and lets every kind of event arrive
// at every instruction. An error means that there is no verdict.
func Sweep(ctx context.Context, n stubs.Variant, m vm.Config) (*Result, error) {
	symbols, err := readSymbols(m.Kernel, n)
	if err != nil {
		return nil, err
	}
	s := &sweep{symbols: symbols, result: &Result{Variant: n.Name}}
	for _, c := range wire.EventCalls {
		s.jobs = append(s.jobs, &job{call: c, swept: Swept{Call: c.Name, Events: make([]int, len(Kinds))}})
	}
	m.Debug = func(conn *os.File) error {
		s.stub = gdb.New(conn)
		return s.run()
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
			return nil, fmt.Errorf("events: %s: %s: the guest made too few calls: %d passes were left", n.Name, j.call.Name, len(j.passes))
		}
	}
	return s.result, nil
}

// Skipped means that the variant cannot run on this machine.
type Skipped struct{ Why string }

func (s *Skipped) Error() string { return s.Why }

// Summary is the result in a line.
func Summary(results []*Result) string {
	var places, total, lost int
	for _, r := range results {
		places, total, lost = places+r.Places(), total+r.Total(), lost+len(r.Lost)
	}
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = k.Name
	}
	return fmt.Sprintf("%d variants, %d places, %d kinds of events (%s): %d arrived, %d lost",
		len(results), places, len(Kinds), strings.Join(names, ", "), total, lost)
}
