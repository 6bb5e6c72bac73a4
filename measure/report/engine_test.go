package report

import (
	"bytes"
	"html"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/engine/enginetest"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
)

// TestEngineFromOutside: an engine that a package of its own registers is compared,
// studied and reported as all others.
func TestEngineFromOutside(t *testing.T) {
	letters, ok := engine.Find(enginetest.Name)
	if !ok {
		t.Fatal("it is not registered")
	}
	list := study.Mail().Variants()
	out, err := engine.Runner{Job: engine.Job{Subjects: list}, Note: func(string) {}}.Run(t.Context(), letters)
	if err != nil {
		t.Fatal(err)
	}
	c, err := analysis.NewSet(out.Asked).Compare(letters.Name, out, []string{"linux-3.19", "heukelum-v2"})
	if err != nil {
		t.Fatal(err)
	}
	page := study.NewPage(study.Mail(), out.Records, nil)
	print := func(d *table.Document, format string) string {
		var b bytes.Buffer
		if err := d.Write(&b, format); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var reported bytes.Buffer
	if err := (Report{Page: page, Records: out.Records}).Write(&reported); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"compare", print(table.Compared(c, nil, false), "text"), "bytes per operation, vowels included\n\n       linux-3.19   heukelum-v2   difference\nname           10            11           +1\n"},
		{"compare, bench", print(table.Compared(c, nil, false), "bench"), "BenchmarkName/variant=heukelum-v2 1 11 bytes/op\n"},
		{"study", print(page.Document(), "text"), "letters: difference in bytes"},
		{"study's answer", print(page.Document(), "text"), "letters: null call +1 byte, exactly"},
		{"study's notes", print(page.Document(), "text"), "* letters: a letter is no instruction."},
		{"report", html.UnescapeString(reported.String()), "letters: difference in bytes. Exact counts: the same in every sample."},
	} {
		if !strings.Contains(tt.text, tt.want) {
			t.Errorf("%s: no %q in\n%.3000s", tt.name, tt.want, tt.text)
		}
	}
}
