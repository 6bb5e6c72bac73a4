package table

import (
	"bytes"
	"html/template"
	"testing"

	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/measure/record"
)

// plain returns a document of tables alone.
func plain() *Document {
	counts := &Table{Name: "variants", Head: []string{"variant", "pass"}}
	counts.Add("a", 10)
	counts.Add("bare", Cell{Text: "-5 s", Value: -5.5})
	words := &Table{Name: "axes", Head: []string{"axis", "first"}, Words: true}
	words.Add("sp", "where")
	tall := &Table{Name: "axes", Head: []string{"axis", "one", "other"}, Tall: true}
	tall.Add("irq", "when", Cell{Text: "x\ny", Value: []string{"x", "y"}})
	tall.Add("top", "", "z")
	d := &Document{Title: "title", Config: &Config{build.Info{Version: "1.2.3", Revision: "abc", Go: "go1", Platform: "linux/amd64"}, record.Config{Host: "a CPU"}}}
	d.Add(Block{Table: counts}, Line("a line"), Block{Table: words}, Block{Table: tall})
	return d
}

// TestPlain: a document of tables alone is printed for people, and has its rows for
// programs.
func TestPlain(t *testing.T) {
	for format, want := range map[string]string{
		"text": `variant   pass
a           10
bare      -5 s
a line
axis   first
sp     where
irq
  one    when
  other  x
  other  y

top
  other  z
`,
		"csv": "variant,pass\na,10\nbare,-5 s\n",
		"json": `{
  "axes": [
    {
      "axis": "sp",
      "first": "where"
    },
    {
      "axis": "irq",
      "one": "when",
      "other": [
        "x",
        "y"
      ]
    },
    {
      "axis": "top",
      "other": "z"
    }
  ],
  "config": {
    "entrylab": {
      "version": "1.2.3",
      "revision": "abc",
      "go": "go1",
      "platform": "linux/amd64"
    },
    "host": "a CPU"
  },
  "lines": [
    "a line"
  ],
  "title": "title",
  "variants": [
    {
      "pass": 10,
      "variant": "a"
    },
    {
      "pass": -5.5,
      "variant": "bare"
    }
  ]
}
`,
	} {
		var b bytes.Buffer
		if err := plain().Write(&b, format); err != nil || b.String() != want {
			t.Errorf("%s: %v\n%s", format, err, b.String())
		}
	}
}

// TestTableHTML: the column Key heads the rows, classes are kept, text is escaped and
// what is HTML already is not.
func TestTableHTML(t *testing.T) {
	table := &Table{Class: "c", Caption: "<x>", Head: []string{"", "slot"}, Key: 1}
	table.Rows = []Row{{Class: "r", Cells: []Cell{{Text: "-1"}, {Text: "<sp>"}}}}
	const want = `<table class="c"><caption>&lt;x&gt;</caption>
<thead><tr><td></td><th scope="col">slot</th></tr></thead>
<tbody>
<tr class="r"><td>−1</td><th scope="row">&lt;sp&gt;</th></tr>
</tbody></table>`
	if got, err := table.HTML(); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	table.Key, table.Rows[0].Cells[1].HTML = NoKey, template.HTML("<b>sp</b>")
	if got, err := table.HTML(); err != nil || !bytes.Contains([]byte(got), []byte("<td><b>sp</b></td>")) {
		t.Errorf("%v\n%s", err, got)
	}
}
