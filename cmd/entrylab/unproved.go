package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs/prove"
)

// proofs are those of the variants that are run whatever they say.
type proofs map[string]record.Proof

// proofOf returns the outcome of a proof with the first thing that is wrong.
func proofOf(p *prove.Proof) record.Proof {
	failed := p.Failed()
	if len(failed) == 0 {
		return record.Proved
	}
	outcome := failed[0].Outcome.String()
	claim, _, _ := strings.Cut(failed[0].String(), "\n")
	return record.Proof(outcome + ": " + strings.Replace(claim, ": "+outcome+": ", ": ", 1))
}

// files returns what tells of the proofs in an image, whose guest prints it.
func (p proofs) files() []initramfs.File {
	if len(p) == 0 {
		return nil
	}
	var list []wire.Proof
	for _, variant := range slices.Sorted(maps.Keys(p)) {
		list = append(list, wire.Proof{Variant: variant, Verdict: string(p[variant])})
	}
	return []initramfs.File{{Name: wire.ProofsFile, Mode: 0o444, Data: wire.PrintProofs(list)}}
}

// lines returns what stands above all else: the proofs' outcomes, a line for each variant.
func (p proofs) lines() (all []string) {
	for _, variant := range slices.Sorted(maps.Keys(p)) {
		all = append(all, p[variant].Of(variant))
	}
	return all
}

// head prints the lines.
func (p proofs) head(w io.Writer) {
	for _, line := range p.lines() {
		fmt.Fprintln(w, line)
	}
}
