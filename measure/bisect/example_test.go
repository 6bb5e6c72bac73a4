package bisect_test

import (
	"fmt"
	"os"

	"github.com/entrylab/entrylab/measure/bisect"
)

// The result of a search for the commit at which a count changed, as text.
func ExampleResult_Write() {
	before := bisect.Step{Verdict: bisect.Good, Commit: bisect.Commit{ID: "3a51c0", Subject: "stubs: an axis for the canary"}, Value: &bisect.Value{Figure: 42, Unit: "instructions"}}
	first := bisect.Step{Verdict: bisect.Bad, Commit: bisect.Commit{
		ID: "9e04d7", Author: "A. Developer <a@example.org>", Date: "2026-01-02", Subject: "stubs: push the frame",
	}, Value: &bisect.Value{Figure: 45, Unit: "instructions"}}
	r := bisect.Result{Series: "icount linux-3.19: null-call", Steps: []bisect.Step{before, first}, First: &first, Before: &before, Files: []string{"stubs/entry.go"}}
	for _, s := range r.Steps {
		fmt.Println(s)
	}
	if err := r.Write(os.Stdout, "text"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// good     3a51c0  42 instructions     stubs: an axis for the canary
	// bad      9e04d7  45 instructions     stubs: push the frame
	//
	// icount linux-3.19: null-call: 42 instructions before and 45 instructions since
	//
	// commit 9e04d7
	// Author: A. Developer <a@example.org>
	// Date:   2026-01-02
	//
	//     stubs: push the frame
	//
	// stubs/entry.go
}
