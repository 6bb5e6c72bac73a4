// Package table prints every table of the command: a document of paragraphs and tables
// for people, or the figures behind it for programs, in the format that the user
// chooses.
package table

import (
	"fmt"
	"html/template"
	"io"
)

// Formats are the formats in which a document with data can be printed, and Plain those
// of a document with tables alone, which has no benchmark to print.
var (
	Formats = []string{"text", "json", "bench", "csv", "html"}
	Plain   = []string{"text", "json", "csv", "html"}
)

// Document is what is printed. People read its blocks; programs read its data or,
// if it has none, the rows of its tables.
type Document struct {
	Title  string
	Blocks []Block
	// Config is the configuration of a document without data; nil: this program on this
	// host.
	Config *Config
	// Data has an element for each engine. List is set if there may be several; JSON is
	// then an array.
	Data []Data
	List bool
}

// Block is a part of a document: one of its fields is set.
type Block struct {
	// Line is printed as it is; empty: an empty line.
	Line string
	// Prose is a paragraph that is wrapped at the page's width, after Indent.
	Prose, Indent string
	Table         *Table
	// Notes are a list.
	Notes []string
	// Figure is a picture, which HTML and SVG alone have.
	Figure Figure
}

// Figure is a picture with its title.
type Figure struct {
	Title string
	SVG   template.HTML
}

// Add adds blocks.
func (d *Document) Add(blocks ...Block) { d.Blocks = append(d.Blocks, blocks...) }

// Line returns a line of text.
func Line(format string, args ...any) Block { return Block{Line: fmt.Sprintf(format, args...)} }

// Space is an empty line.
var Space = Block{}

// Table is rows of cells below a head.
type Table struct {
	// Name is the name by which programs know the rows. Tables of one name are one list.
	Name string
	// Caption and Class, a style, are for HTML.
	Caption, Class string
	Head           []string
	Rows           []Row
	// Key is the column that names its row; HTML makes it a header. NoKey: none.
	Key int
	// Words makes text align all columns to the left, as suits words; otherwise those
	// after the first are aligned to the right, as suits figures.
	Words bool
	// Tall makes text print a row as a block of lines, one for each line of each cell
	// that is not empty, below its first cell.
	Tall bool
}

// NoKey is the Key of a table whose rows have no names.
const NoKey = -1

// Row is a row of a table; Class is its style in HTML.
type Row struct {
	Class string
	Cells []Cell
}

// Cell is a field of a table.
type Cell struct {
	Text string
	// Class is the style, and HTML, if it is set, the contents in HTML.
	Class string
	HTML  template.HTML
	// Value is what JSON has; nil: the text.
	Value any
}

// Add adds a row. A value is a cell, a text, or something else that is printed as
// fmt does, and that JSON has unchanged.
func (t *Table) Add(values ...any) {
	var r Row
	for _, v := range values {
		switch v := v.(type) {
		case Cell:
			r.Cells = append(r.Cells, v)
		case string:
			r.Cells = append(r.Cells, Cell{Text: v})
		default:
			r.Cells = append(r.Cells, Cell{Text: fmt.Sprint(v), Value: v})
		}
	}
	t.Rows = append(t.Rows, r)
}

// Of returns a table of texts, whose first row is its head and gives it its name.
func Of(rows [][]string) Block {
	t := &Table{Name: rows[0][0], Head: rows[0]}
	for _, texts := range rows[1:] {
		var r Row
		for _, text := range texts {
			r.Cells = append(r.Cells, Cell{Text: text})
		}
		t.Rows = append(t.Rows, r)
	}
	return Block{Table: t}
}

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
	case "svg":
		return d.svg(w)
	}
	return d.text(w)
}
