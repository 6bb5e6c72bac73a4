// Package verify checks that a kernel's SYSCALL entry and exit preserve every
// register, the stack and the segment bases, and, by the control calls, that the
// frame holds what the variant promises.
//
// A check runs instructions by package regs and compares the state that they leave,
// as one struct, with the state that it expects; package lines prints the outcome.
// A check expects what Linux does, and the checks that need no control calls pass
// on Linux.
package verify

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// check is one property of a variant. run returns nil if the variant has it, a
// lines.Skip or lines.Harness if there is no verdict, and otherwise what is wrong.
type check struct {
	name string
	run  func(*fixture) error
}

// groups are all checks, by subject. A group with of is run for the variants of which that
// is true.
var groups = []struct {
	name   string
	checks []check
	of     func(control.Variant) bool
}{
	{"set-up", setUpChecks, nil},
	{"registers", registerChecks, nil},
	{"frame", frameChecks, nil},
	{"stack", stackChecks, func(v control.Variant) bool { return v.Info.Erases != 0 }},
	{"threads", threadChecks, nil},
	{"signals", signalChecks, nil},
	{"traps", trapChecks, nil},
	{"memory", memoryChecks, nil},
	{"speculation", specCtrlChecks, func(v control.Variant) bool { return layout.Features(v.Info.Needs)&layout.FeatureIBRS != 0 }},
	{"page tables", tableChecks, nil},
	{"shadow stack", shadowChecks, func(v control.Variant) bool { return layout.Features(v.Info.Needs)&layout.FeatureCETSS != 0 }},
}

// Known returns an error for a group of checks that does not exist. Empty means all.
func Known(group string) error {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	if group == "" || slices.Contains(names, group) {
		return nil
	}
	return fmt.Errorf("no such group of checks: %q; there are %s", group, strings.Join(names, ", "))
}

// Run makes the checks of variant v, of one group if that is not empty, and prints
// the outcome of each, named "variant: group: check". Random patterns follow from
// seed. The calling goroutine must be locked to its thread.
func Run(p *lines.Printer, k *control.Kernel, v control.Variant, group string, seed uint64) {
	if err := k.Refused(v); err != nil {
		p.Result(v.Name+": CPU", err)
		return
	}
	fx, err := newFixture(k, v, seed)
	if err != nil {
		p.Result(v.Name+": set-up", lines.Harness(err.Error()))
		return
	}
	defer fx.close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGTRAP, syscall.SIGUSR2)()
	if k.Linux {
		fx.learn()
	}
	p.Info("%s: verify (%s)", v.Name, v.Axes)
	for _, g := range groups {
		if v.Info.Bare != 0 && g.name != "registers" || g.of != nil && !g.of(v) {
			continue
		}
		if group != "" && g.name != group {
			continue
		}
		for _, c := range g.checks {
			if v.Info.Bare != 0 && c.name != bareCheck {
				continue
			}
			p.Result(v.Name+": "+g.name+": "+c.name, attempt(fx, c))
		}
	}
}

// attempt runs one check. If the check panics, the others continue.
func attempt(fx *fixture, c check) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(runtime.Error); !ok {
				panic(p)
			}
			err = lines.Harness(fmt.Sprintf("the check panicked: %v", p))
		}
	}()
	fx.reset()
	return c.run(fx)
}
