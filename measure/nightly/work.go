package nightly

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sync/errgroup"

	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/queue"
)

// poll is how long an idle worker waits before it asks the queue again.
const poll = time.Second

// worker does cells that a queue hands out.
type worker struct {
	*Night
	queue *queue.Queue
	cells map[string]Cell
	did   []Done // with mu
}

// Work does the cells that the queue hands out and that fit this machine, until no living
// worker is doing a cell or has one left to do. It returns the cells that were done here,
// and the state of the night. n.Store must be the queue's.
func (n *Night) Work(ctx context.Context, q *queue.Queue, m Matrix) ([]Done, queue.State, error) {
	w := worker{Night: n, queue: q, cells: map[string]Cell{}}
	counting, sampling, err := w.join(ctx, m)
	if err != nil {
		return nil, queue.State{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	kept := make(chan error, 1)
	go func() {
		err := q.Keep(ctx)
		stop(err)
		kept <- err
	}()
	state, err := w.work(ctx, counting, sampling)
	stop(err)
	left := <-kept
	if err != nil {
		return nil, state, context.Cause(ctx) // the first
	}
	return w.did, state, left
}

// join joins the night, and fills the queue if this is the first worker. It returns what
// the cells that fit this machine need: the cells that count, and those that sample.
func (w *worker) join(ctx context.Context, m Matrix) (counting, sampling []string, err error) {
	if _, _, err := w.earlier(ctx); err != nil {
		return nil, nil, err
	}
	var text bytes.Buffer
	if err := toml.NewEncoder(&text).Encode(m); err != nil {
		return nil, nil, err
	}
	cells, err := m.Cells()
	if err != nil {
		return nil, nil, err
	}
	night := queue.Night{Name: w.Name, Matrix: text.String()}
	seen := map[string]bool{}
	for _, c := range cells {
		w.cells[c.Name] = c
		needs := c.needs()
		night.Cells = append(night.Cells, queue.Cell{Name: c.Name, Needs: needs})
		if seen[needs] {
			continue
		}
		seen[needs] = true
		switch {
		case c.elsewhere(w.CPU) != "":
		case c.Engine.Available != nil && c.Engine.Available(ctx) != nil:
		case c.Engine.Kind == engine.Sampled:
			sampling = append(sampling, needs)
		default:
			counting = append(counting, needs)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	return counting, sampling, w.queue.Join(ctx, night, queue.Worker{Machine: w.Machine, MachineID: w.MachineID, Has: append(counting, sampling...)})
}

// work does cells as Run does: those that count in parallel, those that sample alone.
func (w *worker) work(ctx context.Context, counting, sampling []string) (queue.State, error) {
	for {
		took, err := w.beside(ctx, counting)
		if err != nil {
			return queue.State{}, err
		}
		cell, err := w.queue.Take(ctx, sampling)
		if err == nil && cell != nil {
			err = w.do(ctx, cell)
		}
		if err != nil {
			return queue.State{}, err
		}
		if took || cell != nil {
			continue
		}
		state, err := w.queue.State(ctx)
		if err != nil || state.Coming == 0 {
			return state, err
		}
		w.Progress(fmt.Sprintf("waiting for %d cells, which other workers do", state.Coming))
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// beside does cells in parallel, one for each CPU, until there are no more. It reports
// whether there was any.
func (w *worker) beside(ctx context.Context, needs []string) (took bool, err error) {
	group, ctx := errgroup.WithContext(ctx)
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return took, cmp.Or(group.Wait(), ctx.Err())
		}
		cell, err := w.queue.Take(ctx, needs)
		if err != nil || cell == nil {
			return took, cmp.Or(group.Wait(), err)
		}
		took = true
		group.Go(func() error {
			defer func() { <-free }()
			return w.do(ctx, cell)
		})
	}
}

// do does a cell that was taken, unless the night already has it.
func (w *worker) do(ctx context.Context, held *queue.Held) error {
	c, known := w.cells[held.Cell]
	if !known {
		return fmt.Errorf("the queue of the night %s has a cell %q, which this entrylab does not know: give all workers of a night one entrylab", w.Name, held.Cell)
	}
	done, crashed, err := w.tried(held.Context, c)
	var d Done
	var entries []history.Entry
	if err == nil && !done.Earlier {
		d, entries, err = w.cell(held.Context, c, crashed)
	}
	if err == nil {
		err = w.queue.Finish(held, d.Outcome == Crash, entries...)
	}
	if err == nil {
		err = w.tell(ctx, entries)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(err, queue.ErrLost) || errors.Is(context.Cause(held.Context), queue.ErrLost):
		w.Progress(fmt.Sprintf("%s: %v; what was found is not kept", c.Name, queue.ErrLost))
		return nil
	case err != nil:
		return err
	}
	if done.Earlier {
		return nil
	}
	w.did = append(w.did, d)
	w.Progress(fmt.Sprintf("%s: %s in %.1f s", d.Cell, d.Outcome, d.Seconds))
	return nil
}

// tried returns what the night has of a cell: that it is done, or how often it crashed.
func (n *Night) tried(ctx context.Context, c Cell) (done Done, crashed int, err error) {
	for e, err := range n.Store.Entries(ctx, history.Query{Series: c.Name, Night: n.Name, Kind: history.Cell}) {
		switch {
		case err != nil:
			return done, 0, err
		case e.Outcome == Crash:
			crashed++
		default:
			done = earlierDone(e)
		}
	}
	return done, crashed, nil
}
