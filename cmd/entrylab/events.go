package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/events"
	"github.com/entrylab/entrylab/stubs"
)

// verifyEvents lets every kind of event arrive at every instruction of every
// variant, as many machines at a time as there are CPUs.
func (e *env) verifyEvents(ctx context.Context, o *verifyOptions, list []stubs.Variant) (int, error) {
	if o.engine == "auto" {
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
	fmt.Fprintln(e.stdout, describe(ctx, machine))

	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "variant\tplaces")
	for _, k := range events.Kinds {
		fmt.Fprintf(w, "\t%s", k.Name)
	}
	fmt.Fprintln(w, "\tlost")
	var ran []*events.Result
	for _, r := range results {
		if r == nil {
			continue
		}
		ran = append(ran, r)
		fmt.Fprintf(w, "%s\t%d", r.Variant, r.Places())
		for k := range events.Kinds {
			n := 0
			for _, s := range r.Swept {
				n += s.Events[k]
			}
			fmt.Fprintf(w, "\t%d", n)
		}
		fmt.Fprintf(w, "\t%d\n", len(r.Lost))
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	status := 0
	for _, r := range ran {
		for _, what := range r.Lost {
			fmt.Fprintf(e.stdout, "FAIL: %s: %s\n", r.Variant, what)
			status = exitFail
		}
	}
	for i, s := range skipped {
		if s != nil {
			fmt.Fprintf(e.stdout, "SKIP: %s: %s\n", list[i].Name, s.Why)
		}
	}
	for _, k := range events.NotDelivered {
		fmt.Fprintf(e.stdout, "not delivered: %s: %s\n", k.Name, k.Why)
	}
	fmt.Fprintln(e.stdout, events.Summary(ran))
	if len(ran) == 0 {
		return 0, errNotRunnable
	}
	return status, nil
}
