package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
	"golang.org/x/text/width"
)

// progress shows the running step on a terminal and nothing elsewhere. It prints no
// colour, and no other command does, so that NO_COLOR has nothing to ask for.
type progress struct {
	w     io.Writer
	width func() int // of the terminal, in columns
	shown bool
}

// progress returns the command's progress; a command that was asked to be quiet shows none.
func (e *env) progress() *progress {
	terminal := e.stderr
	if o, ok := e.stderr.(*output); ok {
		terminal = o.w
	}
	f, ok := terminal.(*os.File)
	if term := os.Getenv("TERM"); !ok || e.quiet || term == "" || term == "dumb" {
		return &progress{} // a dumb one cannot take a step away again
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{w: e.stderr, width: func() int { return widthOf(f) }}
}

// widthOf returns the width of a terminal; one that does not tell has 80.
func widthOf(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80
	}
	return int(size.Col)
}

// step replaces the shown step. It fits in a line, whose last column stays free: a text
// that wraps could not be taken away again.
func (p *progress) step(text string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s", fitted(text, p.width()-1))
		p.shown = true
	}
}

// done takes the step away.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// fitted returns the text in so many columns, cut with dots if it is longer. What would
// move the cursor is shown as a question mark.
func fitted(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if cut := upTo(text, most); cut == text {
		return text
	}
	const dots = "..."
	return upTo(text, most-len(dots)) + dots[:max(0, min(len(dots), most))]
}

// upTo returns as much of the beginning of a text as takes so many columns.
func upTo(text string, most int) string {
	for i, r := range text {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			most--
		}
		if most--; most < 0 {
			return text[:i]
		}
	}
	return text
}
