package study

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs/count"
)

// withFigures returns the operations of which a figure can have been published.
func withFigures() []string {
	names := operations()
	for _, f := range count.Figures {
		if !record.IsPart(f.Bench) {
			names = append(names, f.Bench)
		}
	}
	return names
}

// percent is the unit of a published figure that is a share of the call's cost.
const percent = "percent"

// Published is a figure that somebody published for a change.
type Published struct {
	Change string `toml:"change"`
	Op     string `toml:"operation"`
	// Unit is record.Cycles, record.Instructions, record.Lines or percent; empty if the figure cannot
	// be compared with one from another machine.
	Unit string `toml:"unit"`
	// Low and High are the range that the figure's own precision gives.
	Low  float64 `toml:"low"`
	High float64 `toml:"high"`
	// Text is the figure in words, Source says where it was published.
	Text   string `toml:"text"`
	Source string `toml:"source"`
}

// check says what is wrong with the figure.
func (p Published) check(where func(string) string) error {
	units := []string{record.Cycles, record.Instructions, record.Lines, percent}
	switch {
	case p.Text == "" || p.Source == "":
		return fmt.Errorf("%s: a [[published]] figure wants a text and a source", where("[[published]]"))
	case p.Unit != "" && !slices.Contains(units, p.Unit):
		return fmt.Errorf("%s: no unit %q: %swant %s, or none for a figure that cannot be compared", where(p.Unit), p.Unit, near.Hint(p.Unit, units), strings.Join(units, ", "))
	case p.Unit != "" && !slices.Contains(withFigures(), p.Op):
		return fmt.Errorf("%s: no operation %q: %swant one of %s", where(p.Op), p.Op, near.Hint(p.Op, withFigures()), strings.Join(withFigures(), ", "))
	case p.Low > p.High:
		return errors.New(where(p.Text) + fmt.Sprintf(": low is %g, above high, %g", p.Low, p.High))
	}
	return nil
}
