package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/events"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// bring lets the events arrive: by QEMU's debugger where the emulator counts
// instructions, else by the guest.
func bring(ctx context.Context, n stubs.Variant, m vm.Config, shared *events.Shared, tell func(vm.Config) error) (*events.Result, error) {
	if m.Engine != vm.ICount {
		return events.Breakpoints(ctx, n, m, func(m *vm.Config) error { return tell(*m) })
	}
	m, err := events.Prepare(ctx, n, m)
	if err != nil {
		return nil, err
	}
	if err := tell(m); err != nil {
		return nil, err
	}
	return events.Sweep(ctx, n, m, shared)
}

// verifyEvents lets every kind of event arrive at every instruction of every
// variant, as many machines at a time as there are CPUs.
func (e *env) verifyEvents(ctx context.Context, o *verifyOptions, list []stubs.Variant) (int, error) {
	if en, ok := engine.Find(o.engine); ok && en.Choose != nil {
		o.engine = string(vm.ICount)
	}
	machine, err := o.config(ctx, e)
	if err != nil {
		return 0, err
	}
	p := e.progress()
	defer p.done()
	results := make([]*events.Result, len(list))
	skipped := make([]*events.Skipped, len(list))
	var inBochs []string
	var shared events.Shared
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, n := range list {
		if !runsInit(n) {
			skipped[i] = &events.Skipped{Why: "init cannot run with it"}
			continue
		}
		m := machine
		if needs := n.Features() &^ layout.FeatureFSGSBASE; needs != 0 && m.Engine == vm.ICount { // the emulator has none of those
			if lacks := needs & vm.BochsLacks; lacks != 0 {
				skipped[i] = &events.Skipped{Why: fmt.Sprintf("no emulated CPU has %v", lacks)}
				continue
			}
			if err := vm.Bochs.Available(ctx, nil); err != nil {
				skipped[i] = &events.Skipped{Why: fmt.Sprintf("the emulated CPU has no %v, and there is no Bochs: %v", needs, err)}
				continue
			}
			m.Engine, m.Machine = vm.Bochs, vm.PC
			if needs&layout.FeatureFRED != 0 {
				if err := vm.BochsFRED(ctx); err != nil {
					skipped[i] = &events.Skipped{Why: err.Error()}
					continue
				}
			}
			inBochs = append(inBochs, n.Name)
			if m.CPU == vm.DefaultCPU {
				m.CPU = vm.BochsFeaturesCPU
				if needs&layout.FeatureFRED != 0 {
					m.CPU = vm.BochsFREDCPU
				}
			}
		}
		g.Go(func() error {
			var err error
			results[i], err = bring(group, n, m, &shared, func(m vm.Config) error {
				if !o.verbose {
					return nil
				}
				return printCommandLine(e.stderr, m)
			})
			if errors.As(err, &skipped[i]) {
				return nil
			}
			return err
		})
	}
	p.step(fmt.Sprintf("events at every instruction of %d variants", len(list)))
	if err := g.Wait(); err != nil {
		return 0, err
	}
	p.done()
	d := o.document(ctx, machine)
	counts := &table.Table{Name: "variants", Head: []string{"variant", "places"}}
	for _, k := range events.Kinds {
		counts.Head = append(counts.Head, k.Name)
	}
	counts.Head = append(counts.Head, "lost")
	var ran []*events.Result
	for _, r := range results {
		if r == nil {
			continue
		}
		ran = append(ran, r)
		row := []any{r.Variant, r.Places()}
		for k := range events.Kinds {
			n := 0
			for _, s := range r.Swept {
				n += s.Events[k]
			}
			row = append(row, n)
		}
		counts.Add(append(row, len(r.Lost))...)
	}
	d.Add(table.Block{Table: counts})
	status := 0
	for _, r := range ran {
		for _, what := range r.Lost {
			d.Add(table.Line("FAIL: %s: %s", r.Variant, what))
			status = exitFail
		}
	}
	if len(inBochs) > 0 {
		d.Add(table.Line("in Bochs, as QEMU's CPU lacks what they need: %s", strings.Join(inBochs, ", ")))
	}
	for i, s := range skipped {
		if s != nil {
			d.Add(table.Line("SKIP: %s: %s", list[i].Name, s.Why))
		}
	}
	for _, k := range events.NotDelivered(ran) {
		d.Add(table.Line("not delivered: %s: %s", k.Name, k.Why))
	}
	d.Add(table.Line("%s", events.Summary(ran)))
	if err := e.print(d, o.format); err != nil {
		return 0, err
	}
	if len(ran) == 0 {
		return 0, errors.New("no variant ran: each SKIP says why")
	}
	return status, nil
}
