package wire

import (
	"errors"
	"fmt"
	"strings"
)

// ProofsFile is the path, from the root, of the file in an image's initramfs that
// holds the proof's verdicts on variants that are run whatever the verdict: one
// [Proof] a line. An image without such a variant has no such file.
const ProofsFile = "proofs"

// Proof is the proof's verdict on a variant that is run whatever the verdict. The
// variant's figures must be read with it.
type Proof struct {
	Variant string // its name, which contains no ": "
	Verdict string // "refuted: " or "undecided: " and what is wrong, or "proved"
}

func (p Proof) text() string { return oneLine(p.Variant + ": " + p.Verdict) }

func (p Proof) String() string { return summed(KindProof, p.text()) }

func parseProof(text string) (Proof, error) {
	variant, verdict, _ := strings.Cut(text, ": ")
	if variant == "" || verdict == "" {
		return Proof{}, errors.New(`want "variant: verdict"`)
	}
	return Proof{variant, verdict}, nil
}

func parseProofLine(text string) (Line, error) {
	text, err := withoutSum(text)
	if err != nil {
		return nil, err
	}
	p, err := parseProof(text)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// PrintProofs returns the content of ProofsFile.
func PrintProofs(list []Proof) []byte {
	var b []byte
	for _, p := range list {
		b = append(b, p.text()...)
		b = append(b, '\n')
	}
	return b
}

// ParseProofs reads the content of ProofsFile.
func ParseProofs(data []byte) ([]Proof, error) {
	var list []Proof
	for line := range strings.Lines(string(data)) {
		p, err := parseProof(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", ProofsFile, len(list)+1, err)
		}
		list = append(list, p)
	}
	return list, nil
}
