package queue_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/queue"
)

// A worker that does all cells of a night that fit its machine.
func Example() {
	ctx := context.Background()
	night := queue.Night{Name: "2026-01-01", Matrix: "boots = 8\n", Cells: []queue.Cell{{Name: "icount linux-4.1", Needs: "count"}, {Name: "kvm", Needs: "kvm"}}}
	work := func(address string) error {
		q, err := queue.Open(ctx, address, queue.Lease)
		if err != nil {
			return err
		}
		defer q.Close()
		if err := q.Join(ctx, night, queue.Worker{Machine: "lab1", MachineID: "3f2a", Has: []string{"count"}}); err != nil {
			return err
		}
		kept := make(chan error)
		working, stop := context.WithCancel(ctx)
		go func() { kept <- q.Keep(working) }() // renews the lease, and gives back what is not done
		defer func() { stop(); <-kept }()
		for {
			held, err := q.Take(ctx, []string{"count"})
			if held == nil || err != nil {
				return err
			}
			found := history.Entry{
				Format: history.Format, Kind: history.Cell, Time: time.Now().UTC(), Night: night.Name,
				Series: held.Cell, Machine: "lab1", MachineID: "3f2a", Values: []float64{1}, Outcome: "PASS",
			}
			if err := q.Finish(held, false, found); err != nil && !errors.Is(err, queue.ErrLost) {
				return err
			}
		}
	}
	fmt.Println(work("nights")) // a folder has no queue
	// Output:
	// queue: want the URL of a PostgreSQL database: postgres://USER@HOST/DATABASE
}
