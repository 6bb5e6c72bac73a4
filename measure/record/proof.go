package record

import (
	"fmt"
	"strings"
)

// Proof is what the proof said of a variant that was run whatever it said:
// "proved", or "refuted: " or "undecided: " and what is wrong. It is empty where
// nothing else than what is proved is run.
type Proof string

// Proved is the Proof of a variant that is right.
const Proved Proof = "proved"

// Of says it of the variant, in the line that stands above its figures.
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
