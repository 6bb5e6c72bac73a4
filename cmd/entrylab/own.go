package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
	"github.com/entrylab/entrylab/stubs/prove"
)

// unprovedFlag returns the flag of a command that boots what it is given.
func unprovedFlag(unproved *bool) cli.Flag {
	return &cli.BoolFlag{
		Name: "unproved", Destination: unproved,
		Usage: "boot a file's variant even if its proof fails; the outcome of the proof then heads the output, and does not count for the exit status",
	}
}

// variantOf reads a variant: a preset, axes, or a file for the GNU assembler.
func variantOf(ctx context.Context, name string) (stubs.Variant, error) {
	if gnuas.IsFile(name) {
		return gnuas.Load(ctx, name)
	}
	return stubs.ParseVariant(name)
}

// refuseUnproved proves the variants that come from files, as they lie in the
// kernel that carries the list, and refuses them with what is wrong. If
// unproved is set none is refused, and it returns what must be said of them.
func refuseUnproved(list []stubs.Variant, unproved bool) (proofs, error) {
	if !slices.ContainsFunc(list, func(n stubs.Variant) bool { return n.Edit != nil }) {
		return nil, nil
	}
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return nil, err
	}
	said := proofs{}
	for _, n := range list {
		if n.Edit == nil {
			continue
		}
		proof, err := prove.Object(image.Object, n)
		switch {
		case err != nil && unproved:
			said[n.Name] = record.Proof("undecided: it cannot be made: " + err.Error())
			continue
		case err != nil:
			return nil, err
		case unproved:
			said[n.Name] = proofOf(proof)
			continue
		}
		if err := proof.Err(); err != nil {
			return nil, refusal{fmt.Errorf("not proved right, so not booted (-unproved boots it all the same):\n%w", err)}
		}
	}
	return said, nil
}

func (e *env) layoutCommand() *cli.Command {
	var gas bool
	var format string
	return e.command(&cli.Command{
		Name:  "layout",
		Usage: "print the offsets of the structures that a stub shares with the kernel",
		Description: `Examples:

    entrylab layout
    entrylab layout -gas > entrylab.inc`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "gas", Usage: "print the include file for a stub in a .S file", Destination: &gas},
			formatFlag(&format, table.Plain...),
		},
	}, func(_ context.Context, args []string) (int, error) {
		if err := noArgument(args); err != nil {
			return 0, err
		}
		if gas {
			_, err := fmt.Fprint(e.stdout, gnuas.Include())
			return 0, err
		}
		return 0, e.print(offsets(), format)
	})
}

// offsets returns the offsets of the slots that package layout declares.
func offsets() *table.Document {
	t := &table.Table{Name: "slots", Head: []string{"slot", "offset", "hex"}}
	for _, slots := range [][]asm.Slot{
		gnuas.Words(asm.Slots[layout.PtRegs[asm.Slot]]()), gnuas.Words(asm.Slots[layout.PerCPU[asm.Slot]]()), gnuas.Words(asm.Slots[layout.Thread[asm.Slot]]()),
	} {
		for _, s := range slots {
			t.Add(strings.TrimSuffix(s.String(), "[0]"), s.Off, fmt.Sprintf("%#x", s.Off))
		}
	}
	return &table.Document{Title: "entrylab layout", Blocks: []table.Block{{Table: t}}}
}
