package main

import (
	"fmt"
	"html"
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

// proofOf is the outcome of a proof with the first thing that is wrong.
func proofOf(p *prove.Proof) record.Proof {
	failed := p.Failed()
	if len(failed) == 0 {
		return record.Proved
	}
	outcome := failed[0].Outcome.String()
	claim, _, _ := strings.Cut(failed[0].String(), "\n")
	return record.Proof(outcome + ": " + strings.Replace(claim, ": "+outcome+": ", ": ", 1))
}

// files are what tells of them in an image, whose guest prints it.
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

// head prints what stands above all else in the format. In JSON that is a field
// of the one object.
func (p proofs) head(w io.Writer, format string) {
	for _, variant := range slices.Sorted(maps.Keys(p)) {
		line := p[variant].Of(variant)
		switch format {
		case "text":
			fmt.Fprintln(w, line)
		case "csv":
			fmt.Fprintln(w, "#", line)
		case "html":
			fmt.Fprintf(w, "<p>%s</p>\n", html.EscapeString(line))
		case "bench":
			fmt.Fprintf(w, "proof-%s: %s\n", benchKey(variant), line)
		}
	}
}
