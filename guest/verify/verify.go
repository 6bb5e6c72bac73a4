// Package verify checks that a kernel's SYSCALL entry and exit keep what they
// must: every register, the stack, the bases; and, through the control
// interface, that the frame holds what the variant promises.
//
// It takes a variant, drives instructions through package regs, compares one
// struct with another, and hands each outcome to package lines. What a check
// expects is what Linux does; the checks that need no control interface pass
// there as well.
package verify

import (
	"fmt"
	"runtime"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// check is one thing to find out about a variant. run returns nil if it is as
// it must be, a lines.Skip or lines.Harness if there is no verdict, else what
// is wrong.
type check struct {
	name string
	run  func(*fixture) error
}

// groups are all checks, by what they look at. A group is for the variants that
// need what it does of the CPU.
var groups = []struct {
	name   string
	checks []check
	needs  layout.Features
}{
	{"registers", registerChecks, 0},
	{"frame", frameChecks, 0},
	{"threads", threadChecks, 0},
	{"signals", signalChecks, 0},
	{"traps", trapChecks, 0},
	{"memory", memoryChecks, 0},
	{"speculation", specCtrlChecks, layout.FeatureIBRS},
	{"page tables", tableChecks, 0},
}

// Run makes all checks of variant v and reports each as
// "variant: group: check". Random patterns follow from seed. The calling
// goroutine is locked to its thread.
func Run(p *lines.Printer, k *control.Kernel, v control.Variant, seed uint64) {
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
	p.Info("%s: verify (%s)", v.Name, v.Axes)
	for _, g := range groups {
		if v.Info.Bare != 0 && g.name != "registers" || g.needs&^layout.Features(v.Info.Needs) != 0 {
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

// attempt runs one check so that its end is not that of the others.
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
