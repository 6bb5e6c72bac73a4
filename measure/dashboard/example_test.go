package dashboard_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/entrylab/entrylab/measure/dashboard"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/nightly"
)

// The pages of the first night of a history, which counted one series.
func ExampleWrite() {
	if err := write(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// index.html
	// series-5f592dab96f0ce6b.html
}

func write(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := history.Open(ctx, filepath.Join(dir, "nights"))
	if err != nil {
		return err
	}
	defer store.Close()

	cell := nightly.Cell{Name: "static linux-4.1", Subject: "linux-4.1", Engine: engine.Of("static")}
	done := history.Entry{
		Format: history.Format, Kind: history.Cell, Time: time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC), Night: "2026-01-01",
		Series: cell.Name, Cell: cell.Name, Machine: "lab1", MachineID: "00", Build: "v1.0.0", Outcome: nightly.Pass, Values: []float64{1},
	}
	count := done
	count.Kind, count.Series, count.Outcome = history.Count, cell.Name+": insns", ""
	count.Values, count.Unit = []float64{45}, "instructions"
	if err := store.Append(ctx, done, count); err != nil {
		return err
	}

	pages := filepath.Join(dir, "pages")
	night := &nightly.Result{Night: done.Night, Store: store.Name(), Machine: done.Machine, Build: done.Build}
	if err := dashboard.Write(ctx, pages, store, []nightly.Cell{cell}, night); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(pages, "*.html"))
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Println(filepath.Base(f))
	}
	return nil
}
