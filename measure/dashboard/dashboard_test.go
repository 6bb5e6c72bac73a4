package dashboard

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/browser"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/nightly"
)

// day returns the name of a night.
func day(n int) string {
	return time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// entry returns an entry of the n-th night.
func entry(kind history.Kind, n int, series, cell string) history.Entry {
	return history.Entry{
		Format: history.Format, Kind: kind, Time: time.Date(2026, 1, 1+n, 3, 0, 0, 0, time.UTC), Night: day(n),
		Series: series, Cell: cell, Machine: "m1", MachineID: "00", Build: fmt.Sprint("b", n),
	}
}

// written returns the folder of the last of three nights. In it the count of linux-4.1
// changes with its code, a check of linux-6.12 fails, and linux-4.2 is not done.
func written(t *testing.T) string {
	t.Helper()
	e, ok := engine.Find("static")
	if !ok {
		t.Fatal("no engine static")
	}
	var cells []nightly.Cell
	for _, subject := range []string{"linux-3.19", "linux-4.1", "linux-4.2", "linux-6.12"} {
		cells = append(cells, nightly.Cell{Name: "static " + subject, Subject: subject, Engine: e})
	}
	code := entry(history.Code, 0, history.CodeSeries("old"), "")
	code.Detail = "entry:\n\tPUSHQ RAX\n\tSTI\n"
	changed := entry(history.Code, 2, history.CodeSeries("new"), "")
	changed.Detail = "entry:\n\tSTI\n\tPUSHQ RAX\n\tNOPL <0>\n"
	all := []history.Entry{code, changed}
	for n := range 3 {
		for _, c := range cells {
			if c.Subject == "linux-4.2" && n == 2 {
				continue
			}
			done := entry(history.Cell, n, c.Name, c.Name)
			done.Outcome, done.Values = nightly.Pass, []float64{1}
			count := entry(history.Count, n, c.Name+": insns", c.Name)
			count.Values, count.Unit, count.Stub = []float64{42}, "instructions", "old"
			check := entry(history.Check, n, c.Name+": frame: flags", c.Name)
			check.Outcome = nightly.Pass
			if n == 2 && c.Subject == "linux-4.1" {
				count.Values[0], count.Stub = 43, "new"
			}
			if n == 2 && c.Subject == "linux-6.12" {
				check.Outcome, check.Detail = nightly.Fail, "flags are 0x<2>"
			}
			all = append(all, done, count, check)
		}
	}
	store, err := history.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Append(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	r := &nightly.Result{Night: day(2), Store: store.Name(), Machine: "m1", Build: "b2"}
	for entries, err := range store.Histories(t.Context(), history.Past{Night: r.Night}) {
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := judge.Series(entries); ok {
			r.Findings = append(r.Findings, f)
		}
	}
	dir := filepath.Join(t.TempDir(), "pages")
	if err := Write(t.Context(), dir, store, cells, r); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var tags = regexp.MustCompile(`<[^>]*>`)

func TestIndex(t *testing.T) {
	text := read(t, written(t), "index.html")
	for _, tt := range []struct{ name, row string }{
		{"quiet", "linux-3.19 ok"},
		{"a count that changed", "linux-4.1 changed"},
		{"not done", "linux-4.2 not yet"},
		{"a check that fails", "linux-6.12 failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			matrix := strings.Fields(tags.ReplaceAllString(text[strings.Index(text, "The matrix"):], " "))
			if !strings.Contains(strings.Join(matrix, " "), tt.row) {
				t.Errorf("no row %q in %q", tt.row, matrix)
			}
		})
	}
}

// namespace is the name of a kind of XML, which is written as an address.
var namespace = regexp.MustCompile(`xmlns[:a-z]*="[^"]*"`)

// TestLinks: every link leads to a page or to a part of the page, and a page loads
// nothing from anywhere.
func TestLinks(t *testing.T) {
	dir := written(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.html"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	links := 0
	for _, file := range files {
		text := read(t, file)
		if loads := regexp.MustCompile(`src=|url\(|@import|<link rel="[^i]|https?:`).FindAllString(namespace.ReplaceAllString(text, ""), -1); len(loads) > 0 {
			t.Errorf("%s loads %q", file, loads)
		}
		for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if m[1] == "data:," {
				continue
			}
			links++
			if id, ok := strings.CutPrefix(m[1], "#"); ok {
				if !strings.Contains(text, `id="`+id+`"`) {
					t.Errorf("%s: nothing is at %s", file, m[1])
				}
			} else if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if links < 8 {
		t.Errorf("%d links", links)
	}
}

func TestSeriesPage(t *testing.T) {
	dir := written(t)
	text := read(t, dir, fileOf("static linux-4.1: insns"))
	for _, want := range []string{
		"42 to 43 instructions", "entrylab b1 to b2", `class="gone">-	PUSHQ RAX`, `class="come">&#43;	NOPL &lt;0&gt;`, "<svg role",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := read(t, dir, fileOf("static linux-6.12: frame: flags")); !strings.Contains(text, "flags are 0x&lt;2&gt;") {
		t.Errorf("a check's words are not there:\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, fileOf("static linux-3.19: frame: flags"))); err == nil {
		t.Error("a check that always passed has a page")
	}
}

// TestBrowser looks at the pages, with all that can be opened.
func TestBrowser(t *testing.T) {
	dir := written(t)
	pages := map[string]string{}
	for _, file := range []string{"index.html", fileOf("static linux-4.1: insns")} {
		pages[file] = strings.ReplaceAll(read(t, dir, file), "<details", "<details open")
	}
	if problems := browser.Problems(t, pages); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
}
