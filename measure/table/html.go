package table

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/entrylab/entrylab/measure/chart"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed table.html
	tableHTML string

	tableTemplate = template.Must(template.New("table").Funcs(template.FuncMap{"minus": chart.Minus}).Parse(tableHTML))
	page          = template.Must(template.New("page").Parse(pageHTML))
)

// html prints the blocks as a page that needs nothing else.
func (d *Document) html(w io.Writer) error { return page.Execute(w, d) }

// HTML returns the table as an element of a page.
func (t *Table) HTML() (template.HTML, error) {
	var b strings.Builder
	err := tableTemplate.Execute(&b, t)
	return template.HTML(b.String()), err
}
