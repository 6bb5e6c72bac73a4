// Package screen shows a person in front of the machine how far the guest is, and in the
// end what it has found: a verdict and a table, in 80 columns of the screen.
//
// Differences are taken within a boot, and their interval is over the boots of a series,
// which the machine starts one after the other (layout.SysBootSeries). It comes from the order
// of the boots' differences alone. `entrylab compare -from` makes more of the same lines: it
// resamples boots and checks all controls.
package screen

import (
	"fmt"
	"io"
	"strings"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
)

// The screen's size in characters; the kernel's last line takes one row.
const (
	columns = 80
	rows    = 24
)

// Screen collects what the guest prints, and shows it.
type Screen struct {
	w      io.Writer
	series layout.BootSeries[layout.Word]
	// steps is how many there are to be, done how many have been made.
	steps, done int

	sum      wire.Summary
	bad      []wire.Check // the first that failed
	measures []wire.Measure
	boots    boots
}

// New returns the screen that w writes to, in a boot of a series. earlier is what the boots
// before it have said.
func New(w io.Writer, series layout.BootSeries[layout.Word], earlier []byte) *Screen {
	s := &Screen{w: w, series: series}
	in := wire.NewReader("earlier boots", strings.NewReader(string(earlier)))
	for {
		line, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			s.boots.add(line)
		} else {
			s.boots.damaged()
		}
	}
	s.boots.keep(int(series.Boot) - 1)
	return s
}

// Plan says how many steps there are to be, and shows that none is made yet.
func (s *Screen) Plan(steps int) {
	s.steps = max(steps, 1)
	s.show()
}

// Step shows that a step has been made.
func (s *Screen) Step() {
	s.done++
	s.show()
}

func (s *Screen) show() {
	fmt.Fprintf(s.w, "\rentrylab: boot %d of %d, %d %%", s.series.Boot, s.series.Boots, 100*s.done/s.steps)
}

// Line takes in a line that the guest has printed.
func (s *Screen) Line(line wire.Line) {
	switch l := line.(type) {
	case wire.Check:
		if l.Outcome == wire.Fail || l.Outcome == wire.Error {
			s.bad = append(s.bad, l)
		}
	case wire.Measure:
		s.measures = append(s.measures, l)
	case wire.Summary:
		s.sum = l
	default:
		s.boots.add(line)
	}
}

// Answer shows the verdict and the table.
func (s *Screen) Answer() {
	b := s.boots.whole
	text := s.verdict()
	switch {
	case len(b) > 0:
		text = append(text, s.boots.notes()...)
		text = append(text, s.fit(len(text), sampled(b))...)
	case len(s.measures) > 0:
		text = append(text, s.fit(len(text), counted(s.measures))...)
	}
	io.WriteString(s.w, "\r"+strings.Repeat(" ", columns-1)+"\r")
	for _, line := range text {
		io.WriteString(s.w, cut(line)+"\n")
	}
}

// verdict returns the lines about the checks.
func (s *Screen) verdict() []string {
	end := "entrylab: "
	if s.series.Boots > 1 {
		end += fmt.Sprintf("boot %d of %d: ", s.series.Boot, s.series.Boots)
	}
	switch {
	case s.sum.Bad > 0:
		lines := []string{fmt.Sprintf("%sFAIL: %d of %d checks", end, s.sum.Bad, s.sum.Tests)}
		for i, c := range s.bad {
			if i == rows/4 {
				lines = append(lines, "...")
				break
			}
			lines = append(lines, c.String())
		}
		return lines
	case s.sum.Tests > s.sum.Skipped:
		return []string{fmt.Sprintf("%sPASS: %d checks, %d skipped", end, s.sum.Tests-s.sum.Skipped, s.sum.Skipped)}
	}
	return []string{end + "done, without checks"}
}

// fit cuts a table to the rows that are left below the first ones.
func (s *Screen) fit(above int, table []string) []string {
	left := rows - 1 - above
	if len(table) <= left {
		return table
	}
	hidden := len(table) - left + 1
	return append(table[:left-1:left-1], fmt.Sprintf("... and %d more rows", hidden))
}

// cut makes a line as short as a row, and characters that the screen does not have marks.
func cut(line string) string {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, line)
	if len(line) > columns {
		return line[:columns-3] + "..."
	}
	return line
}
