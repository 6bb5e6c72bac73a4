package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

func runStudy(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	out := fs.String("o", "results.jsonl", "results `file`: figures are appended as they come")
	names := fs.String("engines", "all", "`list` of icount, bochs, static, kvm and replay, separated by commas; all: those that this host has")
	resume := fs.Bool("resume", true, "go on with what the results file holds already; false measures all again")
	mixed := fs.Bool("mixed", false, "use results of several machines in one comparison")
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, fmt.Errorf("takes no argument but flags, got %q", fs.Arg(0))
	}
	p := newProgress(e.stderr)
	defer p.done()
	engines, err := enginesOf(*names, p.step)
	if err != nil {
		return 0, err
	}
	list, err := study.Variants()
	if err != nil {
		return 0, err
	}
	k, err := e.openKeeper(ctx, *out)
	if err != nil {
		return 0, err
	}
	note := func(text string) {
		p.done()
		fmt.Fprintln(e.stderr, "entrylab:", text)
	}
	if !*resume {
		k.old = nil
	}
	records, skipped, err := study.Run(ctx, list, engines, k.store, k.old, study.Progress{Step: p.step, Note: note})
	p.done()
	k.close(&err)
	if err != nil {
		if n := len(records); n > 0 {
			note(fmt.Sprintf("%d figures are in %s; the same command goes on from there", n, *out))
		}
		return 0, err
	}
	if *names != "all" && len(skipped) > 0 { // asked for by name
		return 0, fmt.Errorf("engine %s: %s", skipped[0].Engine, skipped[0].Reason)
	}
	if len(records) == 0 {
		return 0, fmt.Errorf("no engine measures here: %s", skipped)
	}
	if err := record.OneMachine(records); err != nil && !*mixed {
		return 0, fmt.Errorf("%s: %w (-mixed compares them all the same, another -o starts anew)", *out, err)
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
