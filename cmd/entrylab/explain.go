package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/explain"
	"github.com/entrylab/entrylab/stubs/prove"
)

// textFormats are the formats of what has a text of its own.
var textFormats = []string{"text", "json", "csv"}

func (e *env) listCommand() *cli.Command {
	var format string
	return e.command(&cli.Command{
		Name:      "list",
		Usage:     "print the listing of a variant's entry, exit, fix-up and switch",
		ArgsUsage: "VARIANT",
		Metadata:  completes(variants),
		Description: `Each instruction is printed with the slot that it fills and the values of the
registers that it changes, as the proof knows them.

Examples:

    entrylab list linux-3.19
    entrylab list sp=frame,irq=frame
    entrylab list ./mine.S`,
		Flags: []cli.Flag{formatFlag(&format, textFormats...)},
	}, func(ctx context.Context, args []string) (int, error) { return e.runList(ctx, format, args) })
}

// runList prints the listings of a variant, with what the proof knows of each
// instruction.
func (e *env) runList(ctx context.Context, format string, args []string) (int, error) {
	if len(args) != 1 {
		return 0, errors.New("want one variant; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(ctx, args)
	if err != nil {
		return 0, err
	}
	explained, err := explainAll(ctx, list)
	if err != nil {
		return 0, err
	}
	if format == "text" {
		_, err = fmt.Fprintf(e.stdout, "// %s: %v\n%v%s", list[0].Name, list[0].Axes, explained[0], notes(list[0]))
		return refuted(explained), err
	}
	t := &table.Table{Name: "instructions", Head: []string{"function", "offset", "bytes", "instruction", "then holds", "reached"}}
	for _, f := range explained[0].Funcs {
		for _, r := range f.Rows {
			if r.Label == "" {
				t.Add(f.Name, r.Off, fmt.Sprintf("%x", r.Bytes), r.Ins.String(), r.Mark(), !r.Unreached)
			}
		}
	}
	d := &table.Document{Title: "entrylab list " + list[0].Name}
	d.Add(table.Block{Table: t}, table.Line("%s: %v", list[0].Name, list[0].Axes), table.Line("%v", explained[0].Proof))
	return refuted(explained), e.print(d, format)
}

// notes returns what a listing ends with if it is a preset's: what that follows, and what
// it has not.
func notes(n stubs.Variant) string {
	var b strings.Builder
	for _, p := range stubs.Presets() {
		if p.Name != n.Name || p.Follows == "" {
			continue
		}
		fmt.Fprintf(&b, "// follows: %s\n// config: %s\n", p.Follows, p.Config)
		for _, left := range p.Left {
			fmt.Fprintf(&b, "// not here: %s\n", left)
		}
	}
	return b.String()
}

func (e *env) diffCommand() *cli.Command {
	var o traceOptions
	var executed bool
	return e.command(&cli.Command{
		Name:      "diff",
		Usage:     "print two variants, or what two kernels run in a call, side by side",
		ArgsUsage: "A B | -executed A B [CALL [ARG...] | OPERATION]",
		Metadata:  completes(variants),
		Description: `Without -executed, the listings of the variants A and B are compared. With it,
the subjects A and B run a call or an operation, as trace has it, and what they
ran is compared: where code and data lie and which registers are used may
differ. Subjects, calls and operations are those of trace, and so are the flags
but -format. Up to some 8000 instructions are compared.

Examples:

    entrylab diff linux-3.19 linux-3.19+a
    entrylab diff -executed ./vmlinuz-base ./vmlinuz-patched
    entrylab diff -executed linux-6.12 ./vmlinuz
    entrylab diff -executed linux-3.19 linux-3.19+a thread-switch-yield`,
		Flags: append(
			[]cli.Flag{&cli.BoolFlag{Name: "executed", Usage: "compare what is run in a call", Destination: &executed}},
			append(o.traceFlags(), formatFlag(&o.format, textFormats...))...,
		),
	}, func(ctx context.Context, args []string) (int, error) {
		if executed {
			return e.runDiffExecuted(ctx, &o, args)
		}
		return e.runDiff(ctx, o.format, args)
	})
}

// runDiff prints two variants side by side.
func (e *env) runDiff(ctx context.Context, format string, args []string) (int, error) {
	if len(args) != 2 {
		return 0, errors.New("want two variants; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(ctx, args)
	if err != nil {
		return 0, err
	}
	explained, err := explainAll(ctx, list)
	if err != nil {
		return 0, err
	}
	if format == "text" {
		_, err = fmt.Fprint(e.stdout, explain.Text(explained[0], explained[1]))
		return refuted(explained), err
	}
	t := &table.Table{Name: "lines", Head: []string{"function", "same", list[0].Name, list[1].Name}}
	for _, d := range explain.Diff(explained[0], explained[1]) {
		for _, p := range d.Pairs {
			t.Add(d.Name, p.Same, plain(p.Left), plain(p.Right))
		}
	}
	d := &table.Document{Title: fmt.Sprintf("entrylab diff %s %s", list[0].Name, list[1].Name)}
	d.Add(table.Block{Table: t}, table.Line("%v", explained[0].Proof), table.Line("%v", explained[1].Proof))
	return refuted(explained), e.print(d, format)
}

// plain returns one side of two lines, nothing if it is not there.
func plain(r *explain.Row) string {
	if r == nil {
		return ""
	}
	return r.Plain
}

// explainAll builds a kernel of the variants and explains each.
func explainAll(ctx context.Context, list []stubs.Variant) ([]*explain.Variant, error) {
	return computed(ctx, func() (out []*explain.Variant, err error) {
		image, err := image.Build(image.Config{Variants: list})
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			v, err := explain.Object(image.Object, n)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	})
}

// refuted returns the exit status of a command that has shown variants: a listing says
// itself what the proof cannot decide.
func refuted(list []*explain.Variant) int {
	if slices.ContainsFunc(list, func(v *explain.Variant) bool { return v.Proof.Outcome() == prove.Refuted }) {
		return exitFail
	}
	return 0
}
