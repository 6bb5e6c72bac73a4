// Package dashboard writes a night and its past as a folder of HTML pages that need
// nothing else: the matrix at a glance, and for each series its history, its changes
// and what changed in the code.
//
// Package judge judges, and package nightly gives the cells and their outcomes; the
// command nightly calls Write at its end.
package dashboard

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/entrylab/entrylab/internal/wholefile"
	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/nightly"
	"github.com/entrylab/entrylab/measure/stats"
)

//go:embed pages.html
var text string

var pages = template.Must(template.New("pages").Funcs(template.FuncMap{
	"minus": chart.Minus,
	"theme": func() template.CSS { return chart.Theme },
}).Parse(text))

// thing is what files are called in messages.
const thing = "dashboard"

// Write writes the pages of a night into the folder dir, which it makes if it does not
// exist: index.html, and a page for each series. cells are all cells of the matrix,
// whoever does them. A page is written as a whole or not at all, the index last.
func Write(ctx context.Context, dir string, store history.Store, cells []nightly.Cell, r *nightly.Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the folder of the %s: %w", thing, err)
	}
	outcomes := map[string]history.Entry{}
	for e, err := range store.Entries(ctx, history.Query{Night: r.Night, Kind: history.Cell}) {
		if err != nil {
			return err
		}
		outcomes[e.Series] = e
	}
	code := map[string]string{}
	for e, err := range store.Entries(ctx, history.Query{Kind: history.Code}) {
		if err != nil {
			return err
		}
		code[e.Series] = e.Detail
	}
	lines, err := writeSeries(ctx, dir, store, code, r)
	if err != nil {
		return err
	}
	return execute(filepath.Join(dir, "index.html"), "index", indexOf(cells, outcomes, lines, r))
}

// line is what the index shows about a series.
type line struct {
	Name, Kind string
	Cell       string
	// File is the series' page; empty if there is nothing to show.
	File string
	// Last is its last value.
	Last string
	// Changes is how many changes it had.
	Changes int
	Finding *judge.Finding
}

// writeSeries writes the pages of all series that the night has points of.
func writeSeries(ctx context.Context, dir string, store history.Store, code map[string]string, r *nightly.Result) ([]line, error) {
	findings := map[string]*judge.Finding{}
	for i := range r.Findings {
		findings[r.Findings[i].Series] = &r.Findings[i]
	}
	var all []*line
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for entries, err := range store.Histories(ctx, history.Past{Night: r.Night}) {
		if err != nil {
			return nil, errors.Join(group.Wait(), err)
		}
		p, ok := pageOf(entries)
		if !ok {
			continue
		}
		p.Night = r.Night
		p.line.Finding = findings[p.Name]
		l := new(line) // separate from the page, so that the page's points can be freed
		all = append(all, l)
		group.Go(func() error {
			defer func() { *l = p.line }()
			p.changes(entries, code)
			p.line.Changes = len(p.Changes)
			if p.Kind == string(history.Check) && p.line.Changes == 0 && p.Finding == nil {
				return nil // one of thousands that always pass
			}
			p.draw()
			p.File = fileOf(p.Name)
			return execute(filepath.Join(dir, p.File), "series", p)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	lines := make([]line, len(all))
	for i, l := range all {
		lines[i] = *l
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.Name, b.Name) })
	return lines, nil
}

// fileOf returns the name of a series' page.
func fileOf(series string) string {
	return fmt.Sprintf("series-%x.html", sha256.Sum256([]byte(series)))[:len("series-")+16] + ".html"
}

// execute writes a page.
func execute(path, name string, data any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("%s: %w", thing, err)
	}
	return wholefile.Write(thing, path, b.Bytes())
}

// figures prints the values of an entry, or its outcome.
func figures(e history.Entry) string {
	if e.Outcome != "" {
		return e.Outcome
	}
	if len(e.Values) == 1 {
		return strconv.FormatFloat(e.Values[0], 'g', 6, 64) + " " + e.Unit
	}
	low, high := slices.Min(e.Values), slices.Max(e.Values)
	return fmt.Sprintf("%.4g (%.4g to %.4g) %s", stats.Quantile(e.Values, 0.5), low, high, e.Unit)
}
