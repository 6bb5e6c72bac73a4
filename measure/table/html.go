package table

import (
	_ "embed"
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

// HTML returns the table as an element of a page.
func (t *Table) HTML() (template.HTML, error) {
	var b strings.Builder
	err := tableTemplate.Execute(&b, t)
	return template.HTML(b.String()), err
}
