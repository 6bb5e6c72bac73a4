package report_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/report"
	"github.com/entrylab/entrylab/measure/study"
)

// A report is a page that needs nothing but a browser.
func ExampleReport_Write() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	records := []record.Record{recordtest.Counted("linux-3.19", "null-call", 42), recordtest.Counted("heukelum-v2", "null-call", 48)}
	r := report.Report{Page: study.NewPage(study.Mail(), records, nil), Records: records, Files: []string{"results.jsonl"}}
	fmt.Println(r.Write(f))
	// Output:
	// <nil>
}
