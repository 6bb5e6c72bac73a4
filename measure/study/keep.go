package study

import (
	"context"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// Counted are the records of a comparison that one boot made on a machine under
// icount or in Bochs: phases are those of the boot that traced them.
func Counted(ctx context.Context, list []stubs.Named, machine vm.Config, words []string, measures []wire.Measure) ([]record.Record, error) {
	m, err := boot.Prepare(ctx, boot.Config{Variants: list, Args: words, VM: machine})
	if err != nil {
		return nil, err
	}
	c, err := MachineConfig(ctx, m)
	if err != nil {
		return nil, err
	}
	traced := c
	if machine.Engine == vm.ICount {
		if m, err = trace.Prepare(ctx, list, machine); err != nil {
			return nil, err
		}
		if traced, err = MachineConfig(ctx, m); err != nil {
			return nil, err
		}
	}
	axes := axesOf(list)
	var records []record.Record
	for _, f := range measures {
		with := c
		if record.IsPart(f.Op) {
			with = traced
		}
		records = append(records, record.New(with, f, axes[f.Variant], units[machine.Engine], 0, time.Now()))
	}
	return records, nil
}

// Replayed are the records of a replay by itself, a run after those that old
// holds of the same code.
func Replayed(ctx context.Context, res *replay.Result, list []stubs.Named, old []record.Record) ([]record.Record, error) {
	c, err := replayConfig(ctx, list)
	if err != nil {
		return nil, err
	}
	run := 0
	for _, r := range old {
		if r.Same(c) {
			run = max(run, r.Run+1)
		}
	}
	return replayed(res, list, c, run, time.Now()), nil
}
