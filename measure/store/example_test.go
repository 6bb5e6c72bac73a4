package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/store"
)

// A results file is appended to, and read by whoever compares or reports.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "results.jsonl")
	s, _, _, err := store.Open(context.Background(), path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Append(recordtest.Counted("linux-3.19", "null-call", 42)); err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
		return
	}
	records, _, err := store.ReadFile(context.Background(), path, nil)
	fmt.Println(len(records), records[0].Variant, records[0].Median, err)
	// Output:
	// 1 linux-3.19 42 <nil>
}
