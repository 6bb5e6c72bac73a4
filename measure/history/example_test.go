package history_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/entrylab/entrylab/measure/history"
)

// A history is opened by its URL: here a folder. Keeping an entry twice does no harm.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := history.Open(ctx, dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	e := history.Entry{
		Format: history.Format, Kind: history.Count, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Night: "2026-01-02",
		Series: "icount linux-6.12: registers: null call", Machine: "a", MachineID: "1", Values: []float64{64}, Unit: "instructions",
	}
	if err := s.Append(ctx, e, e); err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range s.Entries(ctx, history.Query{Night: "2026-01-02"}) {
		fmt.Println(e.Series, e.Values, err)
	}
	// Output:
	// icount linux-6.12: registers: null call [64] <nil>
}
