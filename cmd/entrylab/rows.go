package main

import (
	"encoding/csv"
	"html/template"
	"io"
)

// page is a table in HTML.
var page = template.Must(template.New("").Parse(`<table>
{{range .}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>
`))

// writeRows prints a table as csv or html.
func writeRows(w io.Writer, format string, rows [][]string) error {
	if format == "html" {
		return page.Execute(w, rows)
	}
	return csv.NewWriter(w).WriteAll(rows)
}
