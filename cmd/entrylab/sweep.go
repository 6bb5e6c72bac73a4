package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/sweep"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// sweepOptions are the flags of sweep.
type sweepOptions struct {
	engine, format string
	step           int
	unproved       bool
}

func (e *env) sweepCommand() *cli.Command {
	var o sweepOptions
	sampled := sampling()
	return e.command(&cli.Command{
		Name:      "sweep",
		Usage:     "measure an entry at each place in a cache line, and say where its cost makes a step",
		ArgsUsage: "VARIANT, or KERNEL...",
		Description: `The entry begins at each multiple of -step bytes in a line of 64, in turn with
the others, while all other addresses change at random. The sweep is made twice,
and a step is one only if both runs have it. The format html has a plot, and svg
is the plot alone. In other commands linux-4.1@16 is a variant whose entry lies
at such a place.

The code of a Linux kernel moves only with another build. Of kernels, each a
file with a slash in its path and the words to boot it with, sweep says where in
a line each function of a null call lies, side by side.

Examples:

    entrylab sweep linux-6.12
    entrylab sweep -step 4 -format html linux-4.1 > sweep.html
    entrylab sweep ./vmlinuz-base ./vmlinuz-patched`,
		Metadata: completes(variants),
		Flags: []cli.Flag{
			&chosen{&cli.StringFlag{
				Name: "engine", Value: engine.Auto, Destination: &o.engine,
				Usage: "engine `E` that samples cycles: " + orList(engine.Names(sampled)) + "; " + engine.Auto + ": the first of them that this host can run",
			}, engines(sampled...)},
			&cli.IntFlag{Name: "step", Usage: "so many `BYTES` from place to place: 1, 2, 4, 8, 16 or 32", Value: defaultStep, Destination: &o.step},
			formatFlag(&o.format, append(slices.Clone(table.Plain), "svg")...),
			unprovedFlag(&o.unproved),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runSweep(ctx, o, args) })
}

// defaultStep is how far a place is from the next one, in bytes.
const defaultStep = 16

// sweepKernels says where the code of real kernels lies.
func (e *env) sweepKernels(ctx context.Context, o sweepOptions, args []string) (int, error) {
	if o.engine != engine.Auto || o.step != defaultStep {
		return 0, errors.New("-engine and -step are for a variant: the code of a Linux kernel does not move")
	}
	all, err := readSubjects(ctx, args, "")
	if err != nil {
		return 0, err
	}
	call, err := parseFollowed(nil)
	if err != nil {
		return 0, err
	}
	var list []sweep.Placement
	for i, l := range all.kernels {
		machine := vm.Config{Engine: vm.ICount, Machine: vm.MicroVM, CPU: vm.DefaultCPU}
		var t *traced
		err := e.onNextMachine(&machine.Machine, func() (err error) {
			t, err = e.traced(ctx, &traceOptions{}, machine, subjects{kernels: []*engine.Linux{l}, names: all.names[i : i+1]}, call)
			return err
		})
		if err != nil {
			return 0, err
		}
		p, err := sweep.Placed(t.path)
		if err != nil {
			return 0, err
		}
		list = append(list, p)
	}
	return 0, e.print(sweep.Placements(list), o.format)
}

// sampling returns the engines that sample cycles.
func sampling() []engine.Engine {
	return slices.DeleteFunc(engine.Measuring(), func(e engine.Engine) bool { return e.Kind != engine.Sampled })
}

// sweeping returns the engine of a sweep.
func sweeping(ctx context.Context, name string) (engine.Engine, error) {
	list := sampling()
	if name != engine.Auto {
		en, ok := engine.Find(name)
		switch {
		case ok && en.Kind == engine.Exact && en.Choose == nil && en.Verify == nil:
			return en, fmt.Errorf("-engine %s: it counts, and a count is the same wherever the code lies: want %s", name, orList(engine.Names(list)))
		case !slices.Contains(engine.Names(list), name):
			return en, fmt.Errorf("-engine %q: %swant %s", name, near.Hint(name, engine.Names(list)), orList(engine.Names(list)))
		}
		return en, nil
	}
	var why error
	for _, en := range list {
		if en.Available == nil {
			return en, nil
		}
		err := en.Available(ctx)
		if err == nil {
			return en, nil
		}
		why = errors.Join(why, fmt.Errorf("engine %s: %w", en.Name, err))
	}
	return engine.Engine{}, why
}

func (e *env) runSweep(ctx context.Context, o sweepOptions, args []string) (int, error) {
	kernels := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { _, _, ok := kernelFile(arg); return !ok })
	if n := len(kernels); n > 0 && n == len(args) {
		return e.sweepKernels(ctx, o, args)
	}
	if len(args) != 1 {
		return 0, fmt.Errorf("want one variant, or Linux kernels alone; got %d subjects", len(args))
	}
	en, err := sweeping(ctx, o.engine)
	if err != nil {
		return 0, err
	}
	v, err := variantOf(ctx, args[0])
	if err != nil {
		return 0, err
	}
	if _, err := refuseUnproved([]stubs.Variant{v}, o.unproved); err != nil {
		return 0, err
	}
	list, err := sweep.Subjects(v, o.step)
	if err != nil {
		return 0, err
	}
	subjects := list
	if en.VM != "" {
		if subjects, err = withFloor(list); err != nil {
			return 0, err
		}
	}
	p := e.progress()
	defer p.done()
	var runs []engine.Outcome
	for i := range sweep.Runs {
		job := engine.Job{Subjects: subjects, Progress: func(text string) { p.step(fmt.Sprintf("run %d of %d: %s", i+1, sweep.Runs, text)) }}
		out, err := engine.Runner{Job: job, Judge: analysis.Judge, Note: func(string) {}}.Run(ctx, en)
		if err != nil {
			return 0, err
		}
		if len(out.Skipped) > 0 {
			return 0, fmt.Errorf("engine %s: %s", en.Name, out.Skipped[0].Reason)
		}
		runs = append(runs, out)
	}
	p.done()
	s, err := sweep.New(v.Name, en, list, runs)
	if err != nil {
		return 0, err
	}
	return 0, e.print(s.Document(), o.format)
}
