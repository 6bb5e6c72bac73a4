package table_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/table"
)

// TestTails: a comparison has the tails of single operations beside the centre, over all
// runs, and none where none were timed.
func TestTails(t *testing.T) {
	const plain, tailed = "linux-3.19", "linux-4.1"
	var records []record.Record
	for run := range 3 {
		for _, v := range []string{plain, tailed} {
			r := recordtest.Timed(v, "null-call", "SR1", run, recordtest.Around(100, 0.1)...)
			if v == tailed {
				r.Tail = &record.Tail{P99: 10 + float64(run), P999: 100, Most: 1000 * float64(run+1), N: 2000}
			}
			records = append(records, r)
		}
	}
	c, err := analysis.NewSet(records).Compare("replay", engine.Outcome{}, []string{plain, tailed})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ format, want string }{
		{"text", "single operations     variant   p99   p99.9   largest     of\nnull call           linux-4.1   +11    +100     +3000   6000\n"},
		{"json", `"p99": 11,`},
	} {
		var b bytes.Buffer
		if err := table.Compared(c, nil, false).Write(&b, tt.format); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) || strings.Contains(b.String(), "null call           linux-3.19") {
			t.Errorf("%s: no %q in\n%s", tt.format, tt.want, b.String())
		}
	}
}
