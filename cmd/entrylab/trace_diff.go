package main

import (
	"context"
	"errors"
	"fmt"

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
	words := callWords(args[2:])
	call, err := parseCall(words)
	if err != nil {
		return 0, err
	}
	machine, err := o.machineFor(ctx, e, args[:2]...)
	if err != nil {
		return 0, err
	}
	var both [2]*traced
	for i, subject := range args[:2] {
		if both[i], err = e.traced(ctx, o, machine, subject, call); err != nil {
			return 0, fmt.Errorf("%s: %w", subject, err)
		}
	}
	pairs, err := trace.Diff(both[0].path, both[1].path)
	if err != nil {
		return 0, err
	}
	return 0, e.print(diffDocument(both, words, pairs), o.format)
}

// diffDocument is what changed, function by function, and then the steps.
func diffDocument(both [2]*traced, call []string, pairs []trace.Pair) *table.Document {
	c := table.ConfigOf(both[0].config)
	d := &table.Document{Title: "entrylab diff -executed", Config: &c}
	d.Add(table.Line("engine %s, machine %s, CPU %s, %s", both[0].config.Engine, both[0].config.Machine, both[0].config.CPU, both[0].config.Emulator))
	for _, t := range both {
		d.Add(t.head(call))
	}
	d.Add(table.Space)
	funcs, all := trace.ByFunc(pairs)
	if all.Only+all.Renamed == 0 {
		d.Add(table.Line("They run the same instructions."))
		return d
	}
	for _, f := range funcs {
		d.Add(table.Line("%s: %v", f.Func, f))
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
			t.Add("", p.Left.Function(), p.Left.Text(), p.Right.Text())
		case p.Same:
			t.Add("~", p.Left.Function(), p.Left.Text(), p.Right.Text())
		case p.Left != nil:
			t.Add("<", p.Left.Function(), p.Left.Text(), "")
		default:
			t.Add(">", p.Right.Function(), "", p.Right.Text())
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
