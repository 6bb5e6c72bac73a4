package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/measure/nightly"
	"github.com/entrylab/entrylab/measure/queue"
	"github.com/entrylab/entrylab/measure/table"
)

// workOptions are the flags of work.
type workOptions struct {
	queue, format string
	lease         *time.Duration // nil: queue.Lease
	nightOptions
}

func (e *env) workCommand() *cli.Command {
	var o workOptions
	return e.command(&cli.Command{
		Name:  "work",
		Usage: "do cells of a night that several machines share by a queue",
		Description: `Each worker takes cells that fit its machine from a queue in a PostgreSQL
database, and keeps what it finds in the history there. The first one fills the
queue. A worker renews a lease: if it dies, or is stopped, others take its cells
when that ends. It ends when no worker has anything left to do; then nightly
judges the night, and does what no worker could.

The status is 0 if all is well, 1 if a check failed in a cell that was done
here, and 2 if a cell crashed, or was lost with its worker, and no other worker
could do it.

Examples:

    entrylab work -queue postgres://lab@db/nights -matrix lab.toml
    entrylab nightly -store postgres://lab@db/nights -matrix lab.toml`,
		Flags: append(o.flags(), formatFlag(&o.format, textFormats...),
			&cli.StringFlag{Name: "queue", Usage: "the queue and the history at `URL`: postgres://USER@HOST/DATABASE", Destination: &o.queue, Required: true},
			&cli.GenericFlag{
				Name: "lease", HideDefault: true, Value: timeValue{&o.lease},
				Usage: fmt.Sprintf("others take this worker's cells when it has not been heard of for this `TIME`, as 90s or 2m; without it, for %s", strings.TrimSuffix(queue.Lease.String(), "0s")),
			},
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runWork(ctx, o, args) })
}

func (e *env) runWork(ctx context.Context, o workOptions, args []string) (status int, failed error) {
	if err := noArgument(args); err != nil {
		return 0, err
	}
	m, err := o.read(ctx)
	if err != nil {
		return 0, err
	}
	lease := queue.Lease
	if o.lease != nil {
		lease = *o.lease
	}
	q, err := queue.Open(ctx, o.queue, lease)
	if err != nil {
		return 0, err
	}
	defer func() { failed = errors.Join(failed, q.Close()) }()
	p := e.progress()
	defer p.done()
	night, err := e.here(o.nightOptions, q.Store(), p)
	if err != nil {
		return 0, err
	}
	did, state, err := night.Work(ctx, q, m)
	if err != nil {
		return 0, fmt.Errorf("%w; what was done is kept, and the same command goes on with the rest", err)
	}
	p.done()
	if err := e.printWork(night, did, state, o.format); err != nil {
		return 0, err
	}
	if slices.ContainsFunc(did, func(d nightly.Done) bool { return d.Outcome == nightly.Fail }) {
		status = exitFail
	}
	if len(state.Failed) > 0 {
		return exitError, fmt.Errorf("%d of %d cells crashed, or were lost with their workers, and no worker takes them again, the first %s; nightly -store tries them", len(state.Failed), state.Cells, state.Failed[0])
	}
	return status, nil
}

// printWork prints what a worker did, and what of the night is left.
func (e *env) printWork(night *nightly.Night, did []nightly.Done, state queue.State, format string) error {
	if format == "text" {
		var b strings.Builder
		fmt.Fprintf(&b, "Night %s on %s: did %d cells; of all %d, %d are done\n", night.Name, night.Machine, len(did), state.Cells, state.Done)
		for _, d := range did {
			if d.Outcome == nightly.Crash || d.Outcome == nightly.Fail {
				fmt.Fprintf(&b, "  %s: %s: %s\n", strings.ToLower(d.Outcome), d.Cell, d.Detail)
			}
		}
		for _, cell := range state.Unfit {
			fmt.Fprintf(&b, "  left: %s: it fits no worker\n", cell)
		}
		_, err := fmt.Fprint(e.stdout, b.String())
		return err
	}
	cells := &table.Table{Name: "cells", Head: []string{"cell", "outcome", "seconds", "detail"}}
	for _, d := range did {
		cells.Add(d.Cell, d.Outcome, d.Seconds, d.Detail)
	}
	for _, cell := range state.Unfit {
		cells.Add(cell, "LEFT", "", "it fits no worker")
	}
	for _, cell := range state.Failed {
		cells.Add(cell, "LEFT", "", "it crashed, or was lost with its workers")
	}
	all := &table.Table{Name: "night", Head: []string{"night", "machine", "cells", "done", "done here"}}
	all.Add(night.Name, night.Machine, state.Cells, state.Done, len(did))
	return e.print(&table.Document{Title: "entrylab work", Blocks: []table.Block{{Table: cells}, {Table: all}}}, format)
}
