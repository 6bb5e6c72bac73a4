package screen

import (
	"fmt"
	"strings"

	"rsc.io/qr/coding"

	"github.com/entrylab/entrylab/gen/wire"
)

const (
	// codeVersion is that of the QR codes: 117 modules a side, which a telephone's camera
	// reads from a screen of 800 by 600. codeMost is how many characters it holds at level L
	// (ISO/IEC 18004, table 7).
	codeVersion = 25
	codeMost    = 1853
)

// Code is a QR code: a byte for each module, row after row, 1 for black.
type Code struct {
	Modules []byte
	Size    int
}

// Codes returns this boot's samples as QR codes, where they do not come into a file; none if
// there are none, or if they do.
func (s *Screen) Codes() ([]Code, error) {
	if s.series.Kept != 0 || len(s.boots.whole) == 0 {
		return nil, nil
	}
	b := s.boots.whole[len(s.boots.whole)-1]
	var text strings.Builder
	fmt.Fprintln(&text, b.Sampling)
	for _, line := range b.lines {
		fmt.Fprintln(&text, line)
	}
	fmt.Fprintln(&text, b.end)
	frames, err := wire.Frames([]byte(text.String()), codeMost)
	if err != nil {
		return nil, err
	}
	plan, err := coding.NewPlan(codeVersion, coding.L, 0)
	if err != nil {
		return nil, err
	}
	var codes []Code
	for _, f := range frames {
		bits, err := plan.Encode(coding.Alpha(f))
		if err != nil {
			return nil, err
		}
		c := Code{make([]byte, bits.Size*bits.Size), bits.Size}
		for i := range c.Modules {
			if bits.Black(i%bits.Size, i/bits.Size) {
				c.Modules[i] = 1
			}
		}
		codes = append(codes, c)
	}
	return codes, nil
}
