package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/events"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

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
	if machine.Engine != vm.ICount {
		return 0, fmt.Errorf("-events -engine %s: events are brought by QEMU's debugger while its emulator counts instructions: want icount", machine.Engine)
	}
	p := newProgress(e.stderr)
	defer p.done()
	results := make([]*events.Result, len(list))
	skipped := make([]*events.Skipped, len(list))
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, n := range list {
		if !runsInit(n) {
			skipped[i] = &events.Skipped{Why: "init cannot run with it"}
			continue
		}
		if needs := n.Features(); needs != 0 { // the emulator has none of those
			skipped[i] = &events.Skipped{Why: fmt.Sprintf("the emulated CPU has no %v", needs)}
			continue
		}
		g.Go(func() error {
			m, err := events.Prepare(group, n, machine)
			if err != nil {
				return err
			}
			if o.verbose {
				if err := printCommandLine(e.stderr, m); err != nil {
					return err
				}
			}
			results[i], err = events.Sweep(group, n, m)
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
	d := o.document()
	d.Add(table.Line("%s", describe(ctx, machine)))
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
	for i, s := range skipped {
		if s != nil {
			d.Add(table.Line("SKIP: %s: %s", list[i].Name, s.Why))
		}
	}
	for _, k := range events.NotDelivered {
		d.Add(table.Line("not delivered: %s: %s", k.Name, k.Why))
	}
	d.Add(table.Line("%s", events.Summary(ran)))
	if err := d.Write(e.stdout, o.format); err != nil {
		return 0, err
	}
	if len(ran) == 0 {
		return 0, errNotRunnable
	}
	return status, nil
}
