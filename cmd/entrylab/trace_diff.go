package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/measure/trace"
)

// contextSteps is how many steps that are the same are printed around those that are not.
const contextSteps = 3

// runDiffExecuted compares what two subjects run in a call.
func (e *env) runDiffExecuted(ctx context.Context, o *traceOptions, args []string) (int, error) {
	if len(args) < 2 {
		return 0, errors.New("want two subjects: variants or files of Linux kernels")
	}
	what, err := parseFollowed(args[2:])
	if err != nil {
		return 0, err
	}
	machine, err := o.config(ctx, e)
	if err != nil {
		return 0, err
	}
	two, err := readTwo(ctx, args[0], args[1], o.words)
	if err != nil {
		return 0, err
	}
	var both [2]*traced
	err = e.onNextMachine(&machine.Machine, func() error {
		for i, subject := range two {
			if both[i], err = e.traced(ctx, o, machine, subject, what); err != nil {
				return fmt.Errorf("%s: %w", subject.names[0], err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	pairs, err := trace.Diff(both[0].path, both[1].path)
	if err != nil {
		return 0, err
	}
	d := diffDocument(both, pairs)
	if what.call != nil && two[0].kernels == nil && two[1].kernels != nil {
		agreed, err := trace.Agree(both[1].path, both[0].path)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", both[1].name, err)
		}
		d.Blocks = slices.Insert(d.Blocks, headLines, table.Line("%s, as executed by %s: %s", both[0].name, both[1].name, joined(agreed)))
	}
	return 0, e.print(d, o.format)
}

// headLines are the lines of diffDocument that say what was run.
const headLines = 3

// joined lists how much of each stage a preset has.
func joined(list []trace.Agreement) string {
	var words []string
	for _, a := range list {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}

// readTwo reads two subjects, which may be the same.
func readTwo(ctx context.Context, a, b, words string) (two [2]subjects, err error) {
	both, err := readSubjects(ctx, []string{a, b}, words)
	if a == b {
		both, err = readSubjects(ctx, []string{a}, words)
		return [2]subjects{both, both}, err
	}
	if err != nil {
		return two, err
	}
	variants, kernels := both.variants, both.kernels
	for i, arg := range []string{a, b} {
		two[i].names = both.names[i : i+1]
		if _, _, kernel := kernelFile(arg); kernel {
			two[i].kernels, kernels = kernels[:1], kernels[1:]
		} else {
			two[i].variants, variants = variants[:1], variants[1:]
		}
	}
	return two, nil
}

// diffDocument returns what changed, function by function, and then the steps.
func diffDocument(both [2]*traced, pairs []trace.Pair) *table.Document {
	c := table.ConfigOf(both[0].config)
	d := &table.Document{Title: "entrylab diff -executed", Config: &c}
	d.Add(table.Line("engine %s, machine %s, CPU %s, %s", both[0].config.Engine, both[0].config.Machine, both[0].config.CPU, both[0].config.Emulator))
	for _, t := range both {
		d.Add(t.head())
	}
	d.Add(table.Space)
	funcs, all := trace.ByPart(pairs)
	if all.Only+all.Renamed == 0 {
		d.Add(table.Line("They run the same instructions."))
		return d
	}
	for _, f := range funcs {
		d.Add(table.Line("%s: %v", f.Part, f))
	}
	d.Add(table.Line("in all: %v", all), table.Space)
	t := &table.Table{Name: "steps", Words: true, Key: table.NoKey, Head: []string{"", "function", both[0].name, both[1].name}}
	skipped := 0
	for i, p := range pairs {
		if p.Same && !beside(pairs, i) {
			skipped++
			continue
		}
		if skipped > 0 {
			t.Add("", fmt.Sprintf("%d the same", skipped), "", "")
			skipped = 0
		}
		switch {
		case p.Same && !p.Renamed:
			t.Add("", p.Left.Within(), p.Left.Text(), p.Right.Text())
		case p.Same:
			t.Add("~", p.Left.Within(), p.Left.Text(), p.Right.Text())
		case p.Left != nil:
			t.Add("<", p.Left.Within(), p.Left.Text(), "")
		default:
			t.Add(">", p.Right.Within(), "", p.Right.Text())
		}
	}
	if skipped > 0 {
		t.Add("", fmt.Sprintf("%d the same", skipped), "", "")
	}
	d.Add(table.Block{Table: t})
	return d
}

// beside reports whether a pair is close to one that is not the same.
func beside(pairs []trace.Pair, i int) bool {
	for _, p := range pairs[max(0, i-contextSteps):min(len(pairs), i+contextSteps+1)] {
		if !p.Same || p.Renamed {
			return true
		}
	}
	return false
}
