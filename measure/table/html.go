package table

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

// html prints the blocks as a page that needs nothing else.
func (d *Document) html(w io.Writer) error { return page.Execute(w, d) }
