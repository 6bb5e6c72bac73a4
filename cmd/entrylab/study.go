package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
)

// studyEngines are the engines that a study can run, in its order.
var studyEngines = []struct {
	name string
	make func(step func(string)) study.Engine
}{
	{"icount", func(step func(string)) study.Engine { return study.Machines(vm.ICount, step) }},
	{"bochs", func(step func(string)) study.Engine { return study.Machines(vm.Bochs, step) }},
	{"static", study.Static},
	{"kvm", study.KVM},
	{"replay", study.Replay},
}

// studyOptions are the flags of study.
type studyOptions struct {
	out, engines, format string
	resume, mixed        bool
}

func (e *env) studyCommand() *cli.Command {
	var o studyOptions
	return e.command(&cli.Command{
		Name:  "study",
		Usage: "answer the question: every change on every engine, one page",
		Description: `Each of (a), (b) and (c) is measured by itself and with the others, MOV against
PUSH, SYSRETQ against IRETQ, warm and cold. A study that was interrupted goes
on from its results file.

Examples:

    entrylab study
    entrylab study -engines icount,static -o results.jsonl`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "results `FILE`: figures are appended as they come", Value: "results.jsonl", Destination: &o.out},
			&cli.StringFlag{
				Name: "engines", Value: "all", Destination: &o.engines,
				Usage: "`LIST` of icount, bochs, static, kvm and replay, separated by commas; all: those that this host has",
			},
			formatFlag(&o.format, "text"),
			&cli.BoolFlag{Name: "resume", Usage: "go on with what the results file holds already; -resume=false measures all again", Value: true, Destination: &o.resume},
			mixedFlag(&o.mixed),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runStudy(ctx, o, args) })
}

func (e *env) runStudy(ctx context.Context, o studyOptions, args []string) (int, error) {
	if err := noArgument(args); err != nil {
		return 0, err
	}
	p := newProgress(e.stderr)
	defer p.done()
	engines, err := enginesOf(o.engines, p.step)
	if err != nil {
		return 0, err
	}
	list, err := study.Variants()
	if err != nil {
		return 0, err
	}
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	note := func(text string) {
		p.done()
		fmt.Fprintln(e.stderr, "entrylab:", text)
	}
	if !o.resume {
		k.old = nil
	}
	records, skipped, err := study.Run(ctx, list, engines, k.store, k.old, study.Progress{Step: p.step, Note: note})
	p.done()
	k.close(&err)
	if err != nil {
		if n := len(records); n > 0 {
			note(fmt.Sprintf("%d figures are in %s; the same command goes on from there", n, o.out))
		}
		return 0, err
	}
	if o.engines != "all" && len(skipped) > 0 { // asked for by name
		return 0, fmt.Errorf("engine %s: %s", skipped[0].Engine, skipped[0].Reason)
	}
	if len(records) == 0 {
		return 0, fmt.Errorf("no engine measures here: %s", skipped)
	}
	if err := record.OneMachine(records); err != nil && !o.mixed {
		return 0, fmt.Errorf("%s: %w (-mixed compares them all the same, another -o starts anew)", o.out, err)
	}
	return 0, study.Page{Set: study.NewSet(records), Skipped: skipped}.Write(e.stdout)
}

// enginesOf reads the list of engines.
func enginesOf(text string, step func(string)) ([]study.Engine, error) {
	var known []string
	for _, e := range studyEngines {
		known = append(known, e.name)
	}
	names := known
	if text != "all" {
		names = strings.Split(text, ",")
	}
	var engines []study.Engine
	for i, n := range names {
		at := slices.Index(known, n)
		if at < 0 {
			return nil, fmt.Errorf("-engines: no engine %q: want all, or some of %s", n, strings.Join(known, ", "))
		}
		if slices.Contains(names[:i], n) {
			return nil, errors.New("-engines: " + n + " is named twice")
		}
		engines = append(engines, studyEngines[at].make(step))
	}
	return engines, nil
}
