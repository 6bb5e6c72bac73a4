// Package table prints what was found: a document of paragraphs and tables for
// people, and the figures behind it for programs, each in the format that the user
// chooses.
package table

import (
	"fmt"
	"io"
	"strings"
)

// Formats are those that a document can be printed in.
var Formats = []string{"text", "json", "bench", "csv", "html"}

// CheckFormat refuses a format that there is none of.
func CheckFormat(format string) error {
	for _, f := range Formats {
		if f == format {
			return nil
		}
	}
	last := len(Formats) - 1
	return fmt.Errorf("-format %q: want %s or %s", format, strings.Join(Formats[:last], ", "), Formats[last])
}

// Document is what is printed. People read its blocks, programs its data.
type Document struct {
	Title  string
	Blocks []Block
	// Data is of one engine each. A list says that there may be several: JSON then is
	// an array.
	Data []Data
	List bool
}

// Block is a part of a document: one of its fields is set.
type Block struct {
	// Line is a line as it is; empty: space.
	Line string
	// Prose is a paragraph that is broken where the page ends, set in by Indent.
	Prose, Indent string
	// Rows are a table, the first its head.
	Rows [][]string
	// Notes are a list.
	Notes []string
}

// Add adds blocks.
func (d *Document) Add(blocks ...Block) { d.Blocks = append(d.Blocks, blocks...) }

// Line is a line of text.
func Line(format string, args ...any) Block { return Block{Line: fmt.Sprintf(format, args...)} }

// Space is an empty line.
var Space = Block{}

// Write prints the document in a format of Formats.
func (d *Document) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return d.json(w)
	case "bench":
		return d.bench(w)
	case "csv":
		return d.csv(w)
	case "html":
		return d.html(w)
	}
	return d.text(w)
}
