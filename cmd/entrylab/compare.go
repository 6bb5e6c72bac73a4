package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// compareOptions are the flags of compare.
type compareOptions struct {
	machineFlags
	format, out string
	words       string
	from        []string
	unproved    bool
}

func (e *env) compareCommand() *cli.Command {
	var o compareOptions
	return e.command(&cli.Command{
		Name:      "compare",
		Usage:     "measure variants and Linux kernels against the first of them",
		ArgsUsage: "SUBJECT SUBJECT...",
		Description: `All variants are in one kernel and are measured in turn. Engine replay boots no
machine: it runs the code of the paths in ring 3 of this CPU; static runs
nothing, and counts what the code has. -from measures nothing: it reads what
machines that booted an image by themselves have left. With -v, engine replay
also prints how the differences spread over the placements in memory, and what
1, 2, 3 and 6 additional instructions read as.

` + kernelSubjects + `
Each boots by itself, so engine icount compares it, instruction by instruction.
Engine replay then runs the assembly of each subject, as it was in memory when a
machine ran it, around what stands for its C part.

Engine host samples the kernel that runs here, and appends its cycles to a file.
Boot this machine with two kernels in turn, at least A B B A, sample each boot,
and compare -from puts the files together: what boots of one kernel differ by is
the noise floor, and a difference below it is no figure.

Examples:

    entrylab compare linux-3.19 heukelum-v2
    entrylab compare -engine static linux-3.19 linux-3.19+a linux-4.1
    entrylab compare -format bench linux-4.1 ./mine.S > bench.txt
    entrylab compare ./vmlinuz-base ./vmlinuz-patched
    entrylab compare linux-6.12 './vmlinuz mitigations=off'
    entrylab compare -from serial.log -o results.jsonl
    entrylab compare -engine host -o base.jsonl
    entrylab compare -from base.jsonl -from patched.jsonl`,
		Metadata:                  completes(variants),
		DisableSliceFlagSeparator: true, // a comma in the name of a file
		Flags: append(o.flags(append(engine.Measuring(), engine.Runs()...)),
			formatFlag(&o.format, table.Formats...),
			wordsFlag(&o.words),
			&cli.StringSliceFlag{
				Name: "from", Destination: &o.from, HideDefault: true,
				Usage: "measure nothing, and read `FILE`, the console output or the results.jsonl of one or more boots of a machine whose init got the word sample, photos (PNG, JPEG) of the QR codes that it showed, or what -engine host has kept; may be repeated",
			},
			&cli.StringFlag{
				Name: "o", Destination: &o.out,
				Usage: "results `FILE`: each figure is appended as soon as it is measured, and boots that the file holds already are not measured again; -: figures go to standard output, the table to standard error; without it nothing is kept",
			},
			unprovedFlag(&o.unproved),
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runCompare(ctx, &o, args) })
}

func (e *env) runCompare(ctx context.Context, o *compareOptions, args []string) (status int, failed error) {
	if en, ok := engine.Find(o.engine); ok && en.Running != nil {
		return e.sampleRunning(ctx, en, o, args)
	}
	if len(o.from) > 0 {
		results, err := resultsFiles(ctx, o.from)
		if err == nil && results {
			return e.compareRunning(ctx, o, args)
		}
		if err != nil {
			return 0, err
		}
		return e.compareConsoles(ctx, o, args)
	}
	if len(args) < 2 {
		return 0, errors.New("want at least two subjects: the first is what the others are compared with")
	}
	if err := measuring(o.engine); err != nil {
		return 0, err
	}
	all, err := readSubjects(ctx, args, o.words)
	if err != nil {
		return 0, err
	}
	if err := all.counting(&o.machineFlags); err != nil {
		return 0, err
	}
	list := all.variants
	said, err := refuseUnproved(list, o.unproved)
	if err != nil {
		return 0, err
	}
	en, job, err := e.job(ctx, &o.machineFlags, len(all.kernels) > 0)
	if err != nil {
		return 0, err
	}
	if en.VM != "" && len(list) > 0 && !slices.Contains(all.names, wire.Floor) {
		bare, err := stubs.ParseVariant(wire.Floor)
		if err != nil {
			return 0, err
		}
		list = append(list, bare)
	}
	job.Subjects, job.Kernels, job.Base, job.Verify = list, all.kernels, all.names[0], true
	return e.compare(ctx, o, en, job, all.names, said)
}

// compare measures what the job is and prints it. names are the variants that are
// compared: the others are measured beside them.
func (e *env) compare(ctx context.Context, o *compareOptions, en engine.Engine, job engine.Job, names []string, said proofs) (status int, failed error) {
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	defer k.close(&failed)
	k.say(said)
	p := e.progress()
	defer p.done()
	job.Progress = p.step
	var out engine.Outcome
	err = e.onNextMachine(&job.Machine.Machine, func() (err error) {
		out, err = k.runner(job, func(string) {}).Run(ctx, en)
		return err
	})
	p.done()
	if err == nil && len(out.Skipped) > 0 {
		err = fmt.Errorf("engine %s: %s", en.Name, out.Skipped[0].Reason)
	}
	if err != nil {
		if len(out.Refused) > 0 {
			return e.printRefused(analysis.NewSet(out.Refused), en, out, names, o.format, err)
		}
		return 0, e.lost(k, en, out, err)
	}
	if o.verbose && out.Account.CommandLine != "" {
		fmt.Fprintln(e.stderr, out.Account.CommandLine)
	}
	set := analysis.NewSet(out.Asked)
	c, err := set.Compare(en.Name, out, names)
	if err != nil {
		if k.path != "" {
			fmt.Fprintf(e.stderr, "entrylab: the %ss stay in %s; another -o takes new ones\n", en.Sample, k.path)
		}
		return e.printRefused(set, en, out, names, o.format, err)
	}
	if err := e.print(table.Compared(c, said, o.verbose), o.format); err != nil {
		return 0, err
	}
	status = checksStatus(c.Checks)
	if err := c.Compared(job.Subjects); err != nil {
		return max(status, exitError), err
	}
	return status, nil
}

// lost says what has become of what was measured before the work ended with an error.
func (e *env) lost(k *keeper, en engine.Engine, out engine.Outcome, err error) error {
	switch boots := len(engine.Boots(out.Asked)); {
	case en.Sample != "boot", k.path == "" && k.store != nil: // the others went to standard output
	case k.path != "":
		fmt.Fprintf(e.stderr, "entrylab: %d boots are in %s; the same command goes on from there\n", boots, k.path)
	default:
		fmt.Fprintf(e.stderr, "entrylab: %d boots are lost; with -o FILE they are kept, and gone on from\n", boots)
	}
	return err
}

// printRefused prints what refuses samples: their controls, and no figure.
func (e *env) printRefused(set *analysis.Set, en engine.Engine, out engine.Outcome, names []string, format string, err error) (int, error) {
	if _, refused := errors.AsType[*stats.RefusedError](err); !refused || format != "text" {
		return exitError, err
	}
	c, _ := set.Compare(en.Name, out, names) // it is refused
	if len(c.Controls) == 0 {
		return exitError, err
	}
	if err := e.print(table.Refused(c), format); err != nil {
		return 0, err
	}
	return exitError, err
}

// compareConsoles prints what the consoles of machines say that booted an image
// by themselves, and keeps it in the results file at o.out, if there is one.
func (e *env) compareConsoles(ctx context.Context, o *compareOptions, names []string) (status int, failed error) {
	boots, damaged, err := engine.Consoles(ctx, o.from)
	for _, d := range damaged {
		fmt.Fprintf(e.stderr, "entrylab: a boot is left out: %s\n", d)
	}
	if err != nil {
		return 0, err
	}
	said := proofs{}
	for _, b := range boots {
		maps.Copy(said, b.Proofs)
	}
	records, err := analysis.Console(boots, names)
	if err != nil {
		return 0, err
	}
	en := engine.Of(boots[0].Config.Engine)
	set := analysis.NewSet(records)
	out := engine.Outcome{Account: engine.Account{Disturbed: engine.Stolen(boots)}}
	c, err := set.Compare(en.Name, out, names)
	if err != nil {
		return e.printRefused(set, en, out, names, o.format, err)
	}
	if o.out != "" {
		if why := en.MeaninglessOn(boots[0].Config.Host); why != "" {
			return 0, fmt.Errorf("-o %s: nothing is kept: %s", o.out, why)
		}
		k, err := e.openKeeper(ctx, o.out)
		if err != nil {
			return 0, err
		}
		defer k.close(&failed)
		if err := k.keep(engine.ConsoleRecords(boots, k.old)); err != nil {
			return 0, err
		}
	}
	return 0, e.print(table.Compared(c, said, o.verbose), o.format)
}

// job resolves the engine that the flags name, and what they ask of its machine. kernels is
// set if there are real kernels, which an engine without a machine boots to cut their code
// out.
func (e *env) job(ctx context.Context, m *machineFlags, kernels bool) (engine.Engine, engine.Job, error) {
	if en, ok := engine.Find(m.engine); ok && en.VM == "" && en.Choose == nil {
		if !kernels {
			return en, engine.Job{}, m.needless()
		}
		cutting := *m
		cutting.engine = string(vm.ICount)
		machine, err := cutting.config(ctx, e)
		return en, engine.Job{Machine: machine}, err
	}
	machine, err := m.config(ctx, e)
	if err != nil {
		return engine.Engine{}, engine.Job{}, err
	}
	return engine.Of(string(machine.Engine)), engine.Job{Machine: machine}, nil
}

// measuring refuses an engine by which costs cannot be measured.
func measuring(name string) error {
	known := append(engine.Names(engine.Choices()), engine.Names(engine.Measuring())...)
	if slices.Contains(known, name) {
		return nil
	}
	if en, ok := engine.Find(name); ok && en.Costless != "" {
		return fmt.Errorf("-engine %s: %s", name, en.Costless)
	}
	return fmt.Errorf("-engine %q: %swant %s", name, near.Hint(name, known), orList(known))
}

// engineList returns the list of engines for a help text: those that run entry paths, the
// choices between them, and those that only make checks.
func engineList(list []engine.Engine) string {
	running := slices.DeleteFunc(slices.Clone(list), func(e engine.Engine) bool { return e.Verify != nil })
	text := strings.Join(engine.Names(running), ", ")
	for _, c := range engine.Choices() {
		text += fmt.Sprintf(", or %s (%s)", c.Name, c.About)
	}
	for _, e := range list {
		if e.Verify != nil {
			text += "; or " + e.Name
		}
	}
	return text
}

func namesOf(list []stubs.Variant) []string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.Name
	}
	return names
}
