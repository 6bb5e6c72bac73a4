package table

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/chart"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed table.html
	tableHTML string

	tableTemplate = template.Must(template.New("table").Funcs(template.FuncMap{"minus": chart.Minus}).Parse(tableHTML))
	page          = template.Must(template.New("page").Funcs(template.FuncMap{"theme": func() template.CSS { return chart.Theme }}).Parse(pageHTML))
)

// html prints the blocks as a page that needs nothing else.
func (d *Document) html(w io.Writer) error { return page.Execute(w, d) }

// Figured reports whether the document has a picture, which needs the colours of plots.
func (d *Document) Figured() bool {
	return slices.ContainsFunc(d.Blocks, func(b Block) bool { return b.Figure.SVG != "" })
}

// svg prints the document's picture alone, with the colours of plots and a background, so
// that it can stand in any page.
func (d *Document) svg(w io.Writer) error {
	i := slices.IndexFunc(d.Blocks, func(b Block) bool { return b.Figure.SVG != "" })
	if i < 0 {
		return errors.New("nothing here has a picture: -format svg is for what has one")
	}
	tag, rest, _ := strings.Cut(string(d.Blocks[i].Figure.SVG), ">")
	_, err := fmt.Fprintf(w, "%s><style>%s\nsvg { background: var(--card); font-family: sans-serif }</style>%s\n", tag, chart.Theme, rest)
	return err
}

// HTML returns the table as an element of a page.
func (t *Table) HTML() (template.HTML, error) {
	var b strings.Builder
	err := tableTemplate.Execute(&b, t)
	return template.HTML(b.String()), err
}
