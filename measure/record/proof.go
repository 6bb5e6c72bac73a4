package record

import (
	"fmt"
	"strings"
)

// Proof is the outcome of the proof of a variant that was run in any case: "proved", or
// "refuted: " or "undecided: " followed by what is wrong. It is empty where only proved
// variants run.
type Proof string

// Proved is the Proof of a variant that is right.
const Proved Proof = "proved"

// Of returns the line that precedes the figures of the variant.
func (p Proof) Of(variant string) string {
	if p == Proved {
		return fmt.Sprintf("PROVED: %s", variant)
	}
	return fmt.Sprintf("NOT PROVED: %s: %s", variant, p)
}

// check says what is wrong with a proof.
func (p Proof) check() error {
	if p == "" || p == Proved || strings.HasPrefix(string(p), "refuted: ") || strings.HasPrefix(string(p), "undecided: ") {
		return nil
	}
	return fmt.Errorf(`"proof" is %q: want "proved", "refuted: ..." or "undecided: ..."`, string(p))
}
