package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// benchMailOptions are the flags of bench-mail.
type benchMailOptions struct {
	engines, format, out string
	unproved             bool
}

func (e *env) benchMailCommand() *cli.Command {
	var o benchMailOptions
	return e.command(&cli.Command{
		Name:      "bench-mail",
		Usage:     "compare two variants or Linux kernels on every engine, as plain text for a mail with a patch",
		ArgsUsage: "A B",
		Description: `It prints the machine, the method, a table for each engine and the command that
makes it again, in 72 columns. Counts are exact, cycles come with intervals of
95 %. The figures are those of compare.

` + kernelSubjects + `
Engine icount alone compares it.

Examples:

    entrylab bench-mail linux-3.19 heukelum-v2
    entrylab bench-mail ./vmlinuz-base ./vmlinuz-patched
    entrylab bench-mail -engines icount,static linux-4.1 ./mine.S`,
		Metadata: completes(variants),
		Flags: []cli.Flag{
			enginesFlag(&o.engines),
			&cli.StringFlag{Name: "o", Usage: "results `FILE`: each figure is appended as soon as it is measured; -: standard output, and the mail goes to standard error; without it nothing is kept", Destination: &o.out},
			formatFlag(&o.format, table.Formats...),
			unprovedFlag(&o.unproved),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runBenchMail(ctx, o, args) })
}

func (e *env) runBenchMail(ctx context.Context, o benchMailOptions, args []string) (status int, failed error) {
	if len(args) != 2 {
		return 0, fmt.Errorf("want two subjects, before and after, got %d", len(args))
	}
	some, err := enginesOf(o.engines)
	if err != nil {
		return 0, err
	}
	all, err := readSubjects(ctx, args, "")
	if err != nil {
		return 0, err
	}
	list := all.variants
	said, err := refuseUnproved(list, o.unproved)
	if err != nil {
		return 0, err
	}
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	defer k.close(&failed)
	k.say(said)
	p := e.progress()
	defer p.done()
	var found []*analysis.Comparison
	var skipped []engine.Skipped
	for _, en := range some {
		job := engine.Job{Subjects: list, Kernels: all.kernels, Base: all.names[0], Progress: p.step}
		if why := all.apart(en); why != "" {
			skipped = append(skipped, engine.Skipped{Engine: en.Name, Reason: why})
			continue
		}
		if en.VM != "" {
			job.Verify = true
			if job.Subjects, err = withFloor(list); err != nil {
				return 0, err
			}
		}
		var out engine.Outcome
		err := e.onNextMachine(&job.Machine.Machine, func() (err error) {
			out, err = k.runner(job, func(string) {}).Run(ctx, en)
			return err
		})
		skipped = append(skipped, out.Skipped...)
		switch why := refused(err); {
		case why != "":
			skipped = append(skipped, engine.Skipped{Engine: en.Name, Reason: why})
			continue
		case err != nil:
			return 0, err
		case len(out.Skipped) > 0:
			continue
		}
		c, err := analysis.NewSet(out.Asked).Compare(en.Name, out, all.names)
		if why := refused(err); why != "" {
			skipped = append(skipped, engine.Skipped{Engine: en.Name, Reason: why})
			continue
		}
		if err == nil {
			err = c.Compared(list)
		}
		if err != nil {
			return 0, err
		}
		found, status = append(found, c), max(status, checksStatus(c.Checks))
	}
	p.done()
	if len(found) == 0 {
		return 0, fmt.Errorf("no engine measures here: %s", skipped)
	}
	command := []string{"entrylab", "bench-mail"}
	if o.engines != allEngines {
		command = append(command, "-engines", o.engines)
	}
	for _, arg := range args {
		command = append(command, vm.Quote([]string{arg}))
	}
	return status, e.print(table.Mail(found, skipped, said, command), o.format)
}

// refused says why samples were refused; empty: err is something else.
func refused(err error) string {
	if refused, ok := errors.AsType[*stats.RefusedError](err); ok {
		return refused.Error()
	}
	return ""
}

// withFloor returns the variants and the floor, which boots that are sampled need as a
// control. No variants need none.
func withFloor(list []stubs.Variant) ([]stubs.Variant, error) {
	if len(list) == 0 || slices.Contains(namesOf(list), wire.Floor) {
		return list, nil
	}
	bare, err := stubs.ParseVariant(wire.Floor)
	return append(slices.Clone(list), bare), err
}
