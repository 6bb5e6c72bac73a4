package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

func (e *env) proveCommand() *cli.Command {
	var all, verbose, smt, confirmed bool
	var format string
	return e.command(&cli.Command{
		Name:      "prove",
		Usage:     "prove from the machine code that entry, exits and switch are right",
		ArgsUsage: "[VARIANT...]",
		Metadata:  completes(variants),
		Description: `The proof follows every path through the code of a variant with symbols in the
registers. Without arguments it proves the presets, and the kernel's own
entries of interrupts and exceptions, which they share.

-all proves the presets and, in addition, enough variants that every two values
of two axes that can be combined occur together in one of them. make prove-all
proves every combination of the axes that affect each other, and each preset
with one of the other axes changed.

-smt prints each claim on each path as SMT-LIB 2.6, logic QF_ABV, made by a
second model of the instructions, and asks z3 or cvc5 to agree: no input may
fail a claim that is proved, and some input must fail one that is refuted. The
solver's answers are comments, so that the output is a script for any solver.

-confirm runs what the proof says in QEMU, or in Bochs if QEMU's CPU lacks
something, and on this CPU in ring 3: the
witness of each claim that is refuted, and each path of what is proved with
random words for all that is unknown. It compares registers, XMM registers and
MSRs among them, flags and memory with the proof's. What is refuted and not
confirmed is undecided.

Examples:

    entrylab prove
    entrylab prove -v linux-3.19+a ./mine.S
    entrylab prove -all
    entrylab prove -confirm linux-6.12
    entrylab prove -smt linux-6.12 > linux-6.12.smt2`,
		Flags: []cli.Flag{
			formatFlag(&format, textFormats...),
			&cli.BoolFlag{Name: "all", Usage: "prove variants in which every two values of two axes that can be combined occur together", Destination: &all},
			&cli.BoolFlag{Name: "smt", Usage: "print every claim as SMT-LIB and have z3 or cvc5 agree", Destination: &smt},
			&cli.BoolFlag{Name: "confirm", Usage: "run witnesses and random models of all paths in QEMU and on this CPU", Destination: &confirmed},
			&cli.BoolFlag{
				Name: "v", Destination: &verbose,
				Usage: "print every claim, the instructions that no path reaches, and the kernel functions that read the words for the user's RSP",
			},
		},
	}, func(ctx context.Context, args []string) (int, error) {
		switch {
		case smt && confirmed:
			return 0, errors.New("want -smt or -confirm, not both")
		case smt && format != "text":
			return 0, fmt.Errorf("-smt -format %s: SMT-LIB has one format", format)
		case smt:
			return e.runSMT(ctx, all, args)
		case confirmed:
			return e.runConfirm(ctx, all, verbose, format, args)
		}
		return e.runProve(ctx, all, verbose, format, args)
	})
}

// runProve proves variants as they lie in the kernel that carries them: one
// line each, and what is not proved in full.
func (e *env) runProve(ctx context.Context, all, verbose bool, format string, args []string) (int, error) {
	list, err := toProve(ctx, all, args)
	if err != nil {
		return 0, err
	}
	proofOf := prove.Prove // of all there are too many for one kernel
	var readers []prove.Reader
	var heads func() (*prove.Proof, error)
	if !all {
		image, err := image.Build(image.Config{Variants: list})
		if err != nil {
			return 0, err
		}
		if verbose { // else nothing shows them
			if readers, err = prove.Readers(image.Object); err != nil {
				return 0, err
			}
		}
		if len(args) == 0 {
			heads = sync.OnceValues(func() (*prove.Proof, error) { return prove.Heads(image.Object) })
			go heads() // beside the variants
		}
		proofOf = func(n stubs.Variant) (*prove.Proof, error) { return prove.Object(image.Object, n) }
	}
	status := 0
	t := &table.Table{Name: "proofs", Head: []string{"variant", "outcome", "base", "claims", "paths", "instructions", "unreached", "found"}}
	add := func(proof *prove.Proof) {
		if proof.Outcome() != prove.Proved {
			status = exitFail
		}
		found := claimsOf(proof, verbose)
		t.Add(proof.Variant, proof.Outcome().String(), proof.Base, len(proof.Claims), proof.Paths, proof.Instructions, len(proof.Unreached),
			table.Cell{Text: strings.Join(found, "\n"), Value: found})
		if format != "text" {
			return
		}
		fmt.Fprintln(e.stdout, proof) // as soon as it is there
		if proof.Base != proof.Variant {
			fmt.Fprintf(e.stdout, "  held to what its base promises: %s\n", proof.Base)
		}
		for _, f := range found {
			fmt.Fprintf(e.stdout, "  %s\n", f)
		}
	}
	for _, wait := range prove.Start(list, proofOf) {
		proof, err := computed(ctx, wait)
		if err != nil {
			return 0, err
		}
		add(proof)
	}
	if heads != nil {
		proof, err := heads()
		if err != nil {
			return 0, err
		}
		add(proof)
	}
	d := &table.Document{Title: "entrylab prove", Blocks: []table.Block{{Table: t}}}
	for _, r := range readers {
		d.Add(table.Line("kernel: %v", r))
	}
	if format == "text" {
		d.Blocks = d.Blocks[1:] // what is printed already
	}
	return status, e.print(d, format)
}

// claimsOf returns every claim of a proof and the instructions that no path reaches or, if
// not all are asked for, what is not proved.
func claimsOf(proof *prove.Proof, all bool) []string {
	found := []string{}
	if !all {
		for _, f := range proof.Faults() {
			found = append(found, f.String())
		}
		return found
	}
	for _, c := range proof.Claims {
		found = append(found, c.String())
	}
	for _, w := range proof.Unreached {
		found = append(found, fmt.Sprintf("%v: not reached", w))
	}
	return found
}

// toProve returns the variants of the names, the presets if there are none.
func toProve(ctx context.Context, all bool, names []string) ([]stubs.Variant, error) {
	switch {
	case all && len(names) > 0:
		return nil, errors.New("want -all or variants, not both")
	case all:
		return stubs.Pairwise(), nil
	}
	if len(names) == 0 {
		return presets(), nil
	}
	return eachVariant(ctx, names)
}
