package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
)

// baselineOptions are the flags of baseline.
type baselineOptions struct {
	machineFlags
	kernel, words, out, format string
}

func (e *env) baselineCommand() *cli.Command {
	var o baselineOptions
	return e.command(&cli.Command{
		Name:  "baseline",
		Usage: "measure a Linux kernel with the same init, beside the generated ones",
		Description: `Examples:

    entrylab baseline -kernel /boot/vmlinuz
    entrylab baseline -kernel vmlinuz -append "" -o results.jsonl`,
		Flags: append(o.flags(booting(engine.Measuring())),
			&cli.StringFlag{Name: "kernel", Usage: "`FILE` of the Linux kernel, a vmlinuz or bzImage", Destination: &o.kernel},
			&cli.StringFlag{Name: "append", Usage: "boot the kernel a second time with these `WORDS` on its command line; empty: only once", Value: "mitigations=off", Destination: &o.words},
			&cli.StringFlag{Name: "o", Usage: "results `FILE` to append the figures to; -: standard output, and the table goes to standard error", Destination: &o.out},
			formatFlag(&o.format, table.Formats...),
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runBaseline(ctx, &o, args) })
}

func (e *env) runBaseline(ctx context.Context, o *baselineOptions, args []string) (status int, failed error) {
	if o.kernel == "" || len(args) > 0 {
		return 0, errors.New("want -kernel VMLINUZ and no further argument; make baseline fetches Debian's")
	}
	if err := measuring(o.engine); err != nil {
		return 0, err
	}
	kernels := []string{o.kernel}
	if words := strings.TrimSpace(o.words); words != "" {
		kernels = append(kernels, o.kernel+" "+words)
	}
	all, err := readSubjects(ctx, kernels, "")
	if err != nil {
		return 0, err
	}
	// The kernel is that of a study, so that the figures are of the same code.
	list := study.Mail().Variants()
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	defer k.close(&failed)
	en, job, err := e.job(ctx, &o.machineFlags, true)
	if err != nil {
		return 0, err
	}
	if en.VM == "" {
		return 0, fmt.Errorf("-engine %s: it boots no machine, and so no Linux", en.Name)
	}
	p := e.progress()
	defer p.done()
	job.Subjects, job.Kernels, job.Progress = list, all.kernels, p.step
	var out engine.Outcome
	err = e.onNextMachine(&job.Machine.Machine, func() (err error) {
		out, err = k.runner(job, func(string) {}).Run(ctx, en)
		return err
	})
	p.done()
	if err != nil {
		return 0, err
	}
	if len(out.Skipped) > 0 {
		return 0, fmt.Errorf("engine %s: %s", en.Name, out.Skipped[0].Reason)
	}
	set := analysis.NewSet(out.Asked)
	for _, s := range set.Refused {
		fmt.Fprintf(e.stderr, "entrylab: %s: %s\n", s.Engine, s.Reason)
	}
	names := append([]string{"linux-3.19", "heukelum-v2"}, all.names...)
	c, err := set.Compare(en.Name, out, names)
	if err != nil {
		return 0, err
	}
	return 0, e.print(table.Costs(c), o.format)
}

// booting returns the engines that boot a machine.
func booting(engines []engine.Engine) []engine.Engine {
	return slices.DeleteFunc(engines, func(e engine.Engine) bool { return e.VM == "" })
}
