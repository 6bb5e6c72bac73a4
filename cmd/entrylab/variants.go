package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/certified"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

func (e *env) variantsCommand() *cli.Command {
	var format string
	return e.command(&cli.Command{
		Name:  "variants",
		Usage: "list the presets with their axes, release and source, and what each value of an axis means",

		ArgsUsage: "[PRESET...]",
		Metadata:  completes(variants),
		Description: `With PRESETs, only these. "executed" says how much of what a real kernel runs in
a null call is in the preset's path, too: in the assembly with the same
registers and slots, in C the same operations on the same kinds of operands.

Examples:

    entrylab variants
    entrylab variants linux-6.12`,
		Flags: []cli.Flag{formatFlag(&format, "text", "json", "html")},
	}, func(_ context.Context, args []string) (int, error) {
		if len(args) == 0 {
			return 0, e.print(allVariants(), format)
		}
		d := &table.Document{Title: "entrylab variants"}
		list, err := presetsOf(args)
		d.Add(table.Block{Table: list})
		if err != nil {
			return 0, err
		}
		return 0, e.print(d, format)
	})
}

// allVariants returns the presets and the axes.
func allVariants() *table.Document {
	d := &table.Document{Title: "entrylab variants"}
	d.Add(table.Block{Table: presetTable(stubs.Presets())}, table.Space, table.Line("The axes, the value of Linux 3.19 first:"))
	for _, a := range stubs.AllAxes() {
		values := &table.Table{Name: "axes", Tall: true, Head: []string{"axis"}}
		meanings := []any{fmt.Sprintf("%s: %s", a.Name, a.Doc)}
		for _, c := range a.Values {
			values.Head = append(values.Head, c.Name())
			meanings = append(meanings, c.Text())
		}
		values.Add(meanings...)
		d.Add(table.Block{Table: values})
	}
	return d
}

// presetsOf returns the presets of those names.
func presetsOf(names []string) (*table.Table, error) {
	all := stubs.Presets()
	var list []stubs.Preset
	for _, name := range names {
		i := slices.IndexFunc(all, func(p stubs.Preset) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no preset %q; %s`entrylab variants` lists them", name, near.Hint(name, namesOf(presets())))
		}
		list = append(list, all[i])
	}
	return presetTable(list), nil
}

func presetTable(list []stubs.Preset) *table.Table {
	t := &table.Table{
		Name: "presets", Tall: true, // the texts are long
		Head: []string{"preset", "release", "adds", "axes", "needs", "source", "follows", "config", "executed", "not here"},
	}
	for _, p := range list {
		needs := ""
		if f := p.Features(); f != 0 {
			needs = f.String()
		}
		var executed []string
		for _, c := range certified.Of(p.Name) {
			executed = append(executed, c.String())
		}
		t.Add(p.Name, p.Release, p.Adds, p.Axes.String(), needs, p.Source, p.Follows, p.Config,
			table.Cell{Text: strings.Join(executed, "\n"), Value: executed}, table.Cell{Text: strings.Join(p.Left, "\n"), Value: p.Left})
	}
	return t
}
