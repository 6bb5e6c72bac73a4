package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

func init() {
	d := Defaults{Machine: vm.MicroVM, CPU: vm.DefaultCPU, Boots: 1}
	Register(Engine{
		Name: string(vm.ICount), Kind: Exact, Unit: record.Instructions, Rank: 10, Ops: ops(record.Operations[:1], record.Phases, record.Operations[1:]),
		About: "QEMU counts instructions exactly",
		VM:    vm.ICount, Defaults: d, Emulated: true,
		Includes:  wholeCall,
		Available: func(ctx context.Context) error { return vm.ICount.Available(ctx, nil) },
		Plan: func(ctx context.Context, j Job) ([]Step, error) {
			generated, real := j.targets(vm.ICount, d)
			steps, err := followed(ctx, real)
			if err != nil || generated == nil {
				return steps, err
			}
			counts, err := generated.counts(ctx)
			if err != nil {
				return nil, err
			}
			phases, err := generated.phases(ctx, &counts)
			return append([]Step{counts, phases}, steps...), err
		},
	})
}

// phases returns the step that counts the phases of each subject's null call, following it
// one instruction at a time. Its machine runs at the same time as the step of counts if it
// is known beforehand which subjects can run.
func (t *target) phases(ctx context.Context, counts *Step) (Step, error) {
	m, err := t.machine(ctx, 0, wire.Command{Trace: true})
	if err != nil {
		return Step{}, err
	}
	c, err := t.config(ctx, m)
	if err != nil {
		return Step{}, err
	}
	done := func(have []record.Record) bool {
		// The floor has all phases, too.
		return !slices.ContainsFunc(record.Phases, func(o record.Operation) bool {
			return !complete(t.job.Subjects, have, c, "", 0, []record.Operation{o})
		})
	}
	follow := func(ctx context.Context, list []stubs.Variant) ([]trace.Call, error) {
		do := wire.Command{Trace: true}
		for _, n := range list {
			do.Variants = append(do.Variants, n.Name)
		}
		m, err := t.machine(ctx, 0, do)
		if err != nil {
			return nil, err
		}
		return trace.Phases(ctx, list, m)
	}
	var wait func() ([]trace.Call, error)
	run := counts.Run
	counts.Run = func(ctx context.Context, out Out) error {
		if done(t.job.old) || slices.ContainsFunc(t.job.Subjects, func(n stubs.Variant) bool { return n.Features() != 0 }) {
			return run(ctx, out)
		}
		following, stop := context.WithCancel(ctx)
		wait = begin(func() ([]trace.Call, error) {
			defer stop()
			return follow(following, t.job.Subjects)
		})
		err := run(ctx, out)
		if err != nil {
			stop()
			wait() // its machine must be gone, too; its error is only that it was stopped
		}
		return err
	}
	return Step{
		Title:  "the phases of a null call",
		Config: c,
		Done:   done,
		Run: func(ctx context.Context, out Out) error {
			if wait == nil {
				list := slices.DeleteFunc(slices.Clone(t.job.Subjects), func(n stubs.Variant) bool { return len(t.ran) > 0 && !t.ran[n.Name] })
				wait = func() ([]trace.Call, error) { return follow(ctx, list) }
			}
			calls, err := wait()
			if err != nil {
				return err
			}
			var records []record.Record
			for _, call := range calls {
				for i, n := range []int{call.Entry, call.Handler, call.Exit} {
					records = append(records, record.New(c, counted(call.Variant, record.Phases[i].Op, n), t.axes[call.Variant], record.Instructions, 0, time.Now()))
				}
			}
			return out.Records(records...)
		},
	}, nil
}

// begin begins to compute f; the function that it returns waits for the result.
func begin[T any](f func() (T, error)) (wait func() (T, error)) {
	wait = sync.OnceValues(f)
	go wait()
	return wait
}

// counted returns a count that is made only once.
func counted(variant, op string, n int) wire.Measure {
	x := float64(n)
	return wire.Measure{Variant: variant, Op: op, N: 1, Batches: 1, Min: x, Median: x, Max: x, Agree: 1}
}
