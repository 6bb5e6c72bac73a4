package study_test

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/study"
)

// A study asks its question of records, of whatever engine.
func ExampleAnswer() {
	question := study.Mail()
	page := study.NewPage(question, []record.Record{
		recordtest.Counted("linux-3.19", "null-call", 42), recordtest.Counted("heukelum-v2", "null-call", 48),
		recordtest.Counted("linux-3.19", "full-frame-call", 66), recordtest.Counted("heukelum-v2", "full-frame-call", 61),
	}, nil)
	fmt.Println(question.Ask)
	fmt.Println(study.Answer(page.Verdicts()))
	// Output:
	// Is it worth keeping the user's RSP (a), flags (b) and CS, SS, RCX (c) in the frame at every system call?
	// It depends on how many calls need full pt_regs: an ordinary call: 6 instructions dearer, exactly; by instructions alone, as no cycles were measured
}
