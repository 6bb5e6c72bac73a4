package stubs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/golden"
)

// TestVariantsPage: docs/variants.md says about every axis, value, exclusion and
// preset what its declaration says. -update writes it.
func TestVariantsPage(t *testing.T) {
	const file = "../docs/variants.md"
	want := variantsPage()
	golden.Same(t, file, want)
}

func variantsPage() string {
	var b strings.Builder
	b.WriteString(`# Variants

A variant is a SYSCALL entry and exit path as a point on the axes below. It is written as a preset
(` + "`linux-4.1`" + `), a preset with changes (` + "`linux-6.12+buffers=verw`" + `), or its axes
(` + "`sp=frame,irq=frame`" + `); axes that are left out are at their first value, that of Linux 3.19.

This page is made from the declarations in package stubs.

## Axes

`)
	for _, a := range AllAxes() {
		fmt.Fprintf(&b, "### %s\n\n%s.\n\n| value | meaning | first in |\n|---|---|---|\n", a.Name, sentence(a.Doc))
		for _, c := range a.Values {
			doc := sentence(c.Doc)
			if c.Needs != 0 {
				doc += ". The CPU must have " + c.Needs.String()
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name(), doc, c.Since)
		}
		b.WriteByte('\n')
		for i, x := range a.Excludes {
			if i == 0 {
				b.WriteString("Impossible are:\n\n")
			}
			fmt.Fprintf(&b, "* %s: %s.\n", x.What, x.Why)
		}
		if len(a.Excludes) > 0 {
			b.WriteByte('\n')
		}
	}
	b.WriteString("## Presets\n")
	for _, p := range Presets() {
		fmt.Fprintf(&b, "\n### %s\n\n%s. ", p.Name, p.Release)
		if p.Adds != "" {
			b.WriteString(sentence(p.Adds) + ". ")
		}
		fmt.Fprintf(&b, "\n\n    %v\n\nSource: %s.\n", p.Axes, strings.TrimSuffix(p.Source, "."))
		if p.Follows != "" {
			fmt.Fprintf(&b, "Follows: %s. Configuration: %s.\n", p.Follows, p.Config)
		}
		for i, left := range p.Left {
			if i == 0 {
				b.WriteString("\nNot here, or otherwise:\n\n")
			}
			fmt.Fprintf(&b, "* %s.\n", sentence(left))
		}
	}
	return strings.ReplaceAll(b.String(), ". \n", ".\n")
}

// sentence makes a text begin like a sentence.
func sentence(s string) string {
	if s == "" || strings.HasPrefix(s, "(") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
