package analysis_test

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
)

// A set finds differences between variants, each with how sure it is.
func ExampleSet_Difference() {
	set := analysis.NewSet([]record.Record{
		recordtest.Counted("linux-3.19", "null-call", 42),
		recordtest.Counted("heukelum-v2", "null-call", 48),
		recordtest.Timed("linux-3.19", "null-call", "SR1", 0, recordtest.Around(50, 0.1)...),
		recordtest.Timed("heukelum-v2", "null-call", "SR1", 0, recordtest.Around(50.9, 0.2)...),
	})
	for _, e := range set.Engines() {
		d := set.Difference(set.Headline(e, "null-call"), "linux-3.19", "heukelum-v2", "null-call")
		fmt.Printf("%s: %s\n", e, d.Words())
	}
	// Output:
	// icount: 6 instructions dearer
	// replay: 0.9 cycles dearer, no more than alignment alone makes
}
