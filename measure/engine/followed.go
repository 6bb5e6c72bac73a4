package engine

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/trace"
)

// followed returns a step for each real kernel: in one boot it is checked, counted, and a
// null call of it is followed for the phases. As many boots as this host has CPUs run at
// the same time, from the first step on. In a study, one whose counts exist already is
// not booted.
func followed(ctx context.Context, list []*target) ([]Step, error) {
	type result struct {
		path trace.Path
		run  *boot.Run
	}
	turns := make(chan struct{}, runtime.NumCPU())
	machines, done := make([]vm.Config, len(list)), make([]bool, len(list))
	var waits []func() (result, error)
	start := func(ctx context.Context) {
		for i := range list {
			if done[i] {
				waits = append(waits, nil)
				continue
			}
			waits = append(waits, begin(func() (result, error) {
				turns <- struct{}{}
				defer func() { <-turns }()
				path, run, err := trace.Linux(ctx, machines[i], nil)
				return result{path, run}, err
			}))
		}
	}
	var stop context.CancelFunc
	var steps []Step
	for i, t := range list {
		var err error
		if machines[i], err = t.machine(ctx, 0, wire.Command{Verify: t.job.Verify, Measure: true, Trace: true}); err != nil {
			return nil, err
		}
		c, err := t.config(ctx, machines[i])
		if err != nil {
			return nil, err
		}
		done[i] = t.job.Study && slices.ContainsFunc(t.job.old, func(r record.Record) bool { return r.Variant == t.linux.name && Same(r.Config, c) })
		steps = append(steps, Step{
			Title:  t.linux.name,
			Config: c,
			Done:   func([]record.Record) bool { return done[i] },
			Run: func(ctx context.Context, out Out) (failed error) {
				if waits == nil {
					var running context.Context
					running, stop = context.WithCancel(ctx)
					start(running)
				}
				defer func() { // the other machines must be gone, too
					if last := !slices.Contains(done[i+1:], false); last || failed != nil {
						stop()
						for _, wait := range slices.DeleteFunc(slices.Clone(waits), func(wait func() (result, error)) bool { return wait == nil }) {
							wait() // its error is reported by its step, or is that it was stopped
						}
					}
				}()
				got, err := waits[i]()
				if err == nil {
					err = t.judge(got.run, nil, out)
				}
				if err != nil {
					return t.linux.Why(ctx, t.vm, got.run, err)
				}
				return out.Records(t.linux.records(c, got.run, got.path)...)
			},
		})
	}
	return steps, nil
}

// records returns the kernel's counts and, if its call has them, its phases.
func (l *Linux) records(c record.Config, run *boot.Run, path trace.Path) []record.Record {
	now := time.Now()
	var records []record.Record
	for _, m := range run.Measures {
		records = append(records, record.New(c, m, "", record.Instructions, 0, now))
	}
	entry, handler, exit, err := path.Phases()
	if err != nil || handler == 0 {
		return records // it does not tell its symbols
	}
	for i, n := range []int{entry, handler, exit} {
		records = append(records, record.New(c, counted(l.name, record.Phases[i].Op, n), "", record.Instructions, 0, now))
	}
	return records
}
