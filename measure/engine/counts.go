package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// counts returns the step of an engine that counts instructions exactly, in one boot.
func (t *target) counts(ctx context.Context) (Step, error) {
	m, err := t.machine(ctx, 0, wire.Command{Verify: t.job.Verify, Measure: true})
	if err != nil {
		return Step{}, err
	}
	c, err := t.config(ctx, m)
	if err != nil {
		return Step{}, err
	}
	return Step{
		Title:  fmt.Sprintf("one boot, %d variants", len(t.job.Subjects)),
		Config: c,
		Done: func(have []record.Record) bool {
			return !t.job.Verify && complete(t.job.Subjects, have, c, "", 0, record.Operations)
		},
		Run: func(ctx context.Context, out Out) error {
			return t.count(ctx, m, out, func(f wire.Measure) error {
				t.ran[f.Variant] = true
				return out.Records(record.New(c, f, t.axes[f.Variant], record.Instructions, 0, time.Now()))
			})
		},
	}, nil
}

// count boots a machine and hands out each figure as it comes.
func (t *target) count(ctx context.Context, m vm.Config, out Out, emit func(wire.Measure) error) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := t.run(running, m, out, func(line string) {
		r, err := wire.Parse(line) // the whole is parsed again, and refused, at the end
		if err != nil || running.Err() != nil {
			return
		}
		for _, f := range r.Measures {
			if err := emit(f); err != nil {
				stop(err)
			}
		}
	})
	if cause := context.Cause(running); cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}
