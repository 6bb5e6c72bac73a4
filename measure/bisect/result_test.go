package bisect

import (
	"bytes"
	"testing"
)

// TestCSV: the steps are rows, a skipped one without a value.
func TestCSV(t *testing.T) {
	r := Result{Steps: []Step{
		{Verdict: Good, Commit: Commit{ID: "aa", Subject: "one, two"}, Value: &Value{Figure: 7, Unit: "instructions"}},
		{Verdict: Skipped, Commit: Commit{ID: "bb", Subject: "three"}, Detail: "does not build"},
	}}
	var b bytes.Buffer
	if err := r.Write(&b, "csv"); err != nil {
		t.Fatal(err)
	}
	const want = `commit,verdict,value,subject,detail
aa,good,7 instructions,"one, two",
bb,skipped,,three,does not build
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
