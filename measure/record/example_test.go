package record_test

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/record"
)

// A record is a line of a results file.
func ExampleParseLine() {
	r, err := record.ParseLine([]byte(`{"format":"entrylab/1","time":"2026-01-02T03:04:05Z","engine":"icount","machine":"microvm","cpu":"max",` +
		`"host":"a CPU","build":"v1","code":"c0de","variant":"linux-3.19","op":"null-call","unit":"instructions","n":500,"batches":15,` +
		`"min":42,"median":42,"max":42,"agree":1,"run":0}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Variant, r.Op, r.Median, r.Unit, r.Exact())
	// Output:
	// linux-3.19 null-call 42 instructions true
}
