package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/report"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
)

// studyOptions are the flags of study.
type studyOptions struct {
	out, engines, format, question string
	resume, mixed                  bool
}

func (e *env) studyCommand() *cli.Command {
	var o studyOptions
	return e.command(&cli.Command{
		Name:      "study",
		Usage:     "measure what a question asks on every engine, and print the answer as one page",
		ArgsUsage: "[KERNEL...]",
		Description: questionList() + `
A file in TOML has a question of your own: docs/questions.md says how. The page
begins with the answer. An interrupted study goes on from its results file.

A KERNEL is the file of a Linux kernel, with a slash in its path, and in the
same argument the words to boot it with. It differs in more than one axis, so it
answers no question: engine icount counts it, and its counts stand beside the
variants'.

Examples:

    entrylab study
    entrylab study -question exitwork
    entrylab study -question ./mine.toml
    entrylab study -engines icount,static -o results.jsonl
    entrylab study -engines icount ./vmlinuz`,
		Flags: []cli.Flag{
			questionFlag(&o.question),
			&cli.StringFlag{Name: "o", Usage: "results `FILE`: each figure is appended as soon as it is measured; -: standard output, and the page goes to standard error", Value: "results.jsonl", Destination: &o.out},
			enginesFlag(&o.engines),
			bochsFlag(),
			formatFlag(&o.format, table.Formats...),
			&cli.BoolFlag{Name: "resume", Usage: "go on from the figures in the results file; -resume=false measures everything again", Value: true, Destination: &o.resume},
			mixedFlag(&o.mixed),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runStudy(ctx, o, args) })
}

// allEngines stands for the engines that the host can run.
const allEngines = "all"

// enginesFlag chooses engines.
func enginesFlag(list *string) cli.Flag {
	const all = "those that this host can run"
	return &chosen{&cli.StringFlag{
		Name: "engines", Value: allEngines, Destination: list,
		Usage: "`LIST` of " + strings.Join(engine.Names(engine.Measuring()), ", ") + ", separated by commas; " + allEngines + ": " + all,
	}, listOf(engines(engine.Measuring()...), completion{allEngines, all})}
}

// questionFlag chooses the question.
func questionFlag(name *string) cli.Flag {
	return &chosen{&cli.StringFlag{
		Name: "question", Value: study.Mail().Name, Destination: name,
		Usage: "the question `NAME`: " + strings.Join(study.Names(), ", ") + "; or a file of your own, NAME.toml",
	}, func(string) (list []completion) {
		for _, q := range study.Questions() {
			list = append(list, completion{q.Name, q.Ask})
		}
		return list
	}}
}

// questionList lists the questions for a help text.
func questionList() string {
	var b strings.Builder
	b.WriteString("The questions are\n\n")
	width := 0
	for _, name := range study.Names() {
		width = max(width, len(name))
	}
	for _, q := range study.Questions() {
		name := q.Name
		for _, line := range folded(q.Ask, helpWidth-width-6) {
			fmt.Fprintf(&b, "    %-*s  %s\n", width, name, line)
			name = ""
		}
	}
	return b.String()
}

func (e *env) runStudy(ctx context.Context, o studyOptions, args []string) (int, error) {
	engines, err := enginesOf(o.engines)
	if err != nil {
		return 0, err
	}
	kernels, counting, err := besideVariants(ctx, args, engines)
	if err != nil {
		return 0, err
	}
	p := e.progress()
	defer p.done()
	q, err := study.Find(ctx, o.question)
	if err != nil {
		return 0, err
	}
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	note := func(text string) {
		p.done()
		e.remark("%s", text)
	}
	if !o.resume {
		k.old = nil
	}
	out, err := k.runner(engine.Job{Subjects: q.Variants(), Study: true, Progress: p.step}, note).Run(ctx, engines...)
	if err == nil && len(kernels) > 0 {
		out, err = e.studyKernels(ctx, k, out, engine.Job{Kernels: kernels, Study: true, Progress: p.step}, counting, note)
	}
	p.done()
	k.close(&err)
	if err != nil {
		if n := len(out.Records); n > 0 && k.path != "" {
			note(fmt.Sprintf("%d figures are in %s; the same command goes on from there", n, o.out))
		}
		return 0, err
	}
	if o.engines != allEngines && len(out.Skipped) > 0 { // asked for by name
		return 0, fmt.Errorf("engine %s: %s", out.Skipped[0].Engine, out.Skipped[0].Reason)
	}
	if len(out.Records) == 0 {
		return 0, fmt.Errorf("no engine measures here: %s", out.Skipped)
	}
	page := study.NewPage(q, out.Records, out.Skipped)
	if err := engine.OneMachine(page.Own()); err != nil && !o.mixed {
		return 0, fmt.Errorf("%s: %w (-mixed compares them all the same, another -o starts anew)", o.out, err)
	}
	if o.format != "html" {
		return 0, e.print(page.Document(), o.format)
	}
	r := report.Report{Page: page, Records: out.Records, Files: []string{o.out}}
	if o.out == toStdout {
		r.Files = []string{"this run"}
	}
	return 0, r.Write(e.stdout)
}

// besideVariants reads the kernels that are counted beside the variants, and returns the engine
// that counts them.
func besideVariants(ctx context.Context, args []string, engines []engine.Engine) (kernels []*engine.Linux, counting engine.Engine, err error) {
	if len(args) == 0 {
		return nil, counting, nil
	}
	all, err := readSubjects(ctx, args, "")
	switch {
	case err != nil:
		return nil, counting, err
	case len(all.variants) > 0:
		return nil, counting, fmt.Errorf("%s: the question names the variants; only Linux kernels stand beside them", all.variants[0].Name)
	}
	i := slices.IndexFunc(engines, func(en engine.Engine) bool { return en.VM == vm.ICount })
	if i < 0 {
		return nil, counting, fmt.Errorf("engine %s counts Linux kernels, and -engines leaves it out", vm.ICount)
	}
	return all.kernels, engines[i], nil
}

// studyKernels counts kernels, after what the question asks, which is in out.
func (e *env) studyKernels(ctx context.Context, k *keeper, out engine.Outcome, job engine.Job, counting engine.Engine, note func(string)) (engine.Outcome, error) {
	k.old = out.Records
	var counted engine.Outcome
	err := e.onNextMachine(&job.Machine.Machine, func() (err error) {
		counted, err = k.runner(job, note).Run(ctx, counting)
		return err
	})
	out.Records, out.Skipped = counted.Records, append(out.Skipped, counted.Skipped...)
	return out, err
}

// enginesOf reads the list of engines.
func enginesOf(text string) ([]engine.Engine, error) {
	known := engine.Measuring()
	if text == allEngines {
		return known, nil
	}
	var engines []engine.Engine
	for n := range strings.SplitSeq(text, ",") {
		at := slices.Index(engine.Names(known), n)
		if at < 0 {
			return nil, fmt.Errorf("-engines: no engine %q: %swant all, or some of %s", n, near.Hint(n, engine.Names(known)), strings.Join(engine.Names(known), ", "))
		}
		if slices.Contains(engine.Names(engines), n) {
			return nil, errors.New("-engines: " + n + " is named twice")
		}
		engines = append(engines, known[at])
	}
	return engines, nil
}
