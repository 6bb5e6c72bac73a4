package queue

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"time"

	"github.com/lib/pq"

	"github.com/entrylab/entrylab/measure/history"
)

// beats is how many times a worker renews its lease in the time that one lasts.
const beats = 3

// leaving is how long a worker that ends tries to give back its cells.
const leaving = 2 * time.Second

// Keep renews the worker's lease until the context is done, and then gives back the
// cells that it holds. If the lease ended in between, because the process was stopped, and
// another worker took a cell, that cell is lost, and its context is canceled. An error is
// one of the database.
func (q *Queue) Keep(ctx context.Context) error {
	beat := time.NewTicker(q.lease / beats)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return q.leave(ctx)
		case <-beat.C:
			if err := q.renew(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// renew renews the lease, and ends the work on cells that another worker holds.
func (q *Queue) renew(ctx context.Context) (failed error) {
	ctx, stop := limited(ctx)
	defer stop()
	defer func() {
		if failed != nil {
			failed = q.error(ctx, failed)
		}
	}()
	q.mu.Lock()
	before := maps.Clone(q.held)
	q.mu.Unlock()
	rows, err := q.db.QueryContext(ctx, `WITH alive AS (
	UPDATE queue_workers SET lease_ends = clock_timestamp() + make_interval(secs => $3) WHERE id = $2)
SELECT cell FROM queue_cells WHERE night = $1 AND worker = $2 AND NOT done`, q.night, q.id, q.lease.Seconds())
	if err != nil {
		return err
	}
	defer rows.Close()
	has := map[string]bool{}
	for rows.Next() {
		var cell string
		if err := rows.Scan(&cell); err != nil {
			return err
		}
		has[cell] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for cell, h := range before {
		if q.held[cell] == h && !has[cell] {
			h.end(ErrLost)
			delete(q.held, cell)
		}
	}
	return nil
}

// leave gives back the cells that the worker holds, and ends its lease, even if the context
// is done.
func (q *Queue) leave(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer stop()
	return q.within(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, text := range []string{
			`UPDATE queue_cells SET worker = NULL WHERE worker = $1 AND NOT done`,
			`UPDATE queue_workers SET lease_ends = clock_timestamp() WHERE id = $1`,
		} {
			if _, err := tx.ExecContext(ctx, text, q.id); err != nil {
				return q.error(ctx, err)
			}
		}
		return nil
	})
}

// takeText takes the first cell that needs one of $3 and that is free: nobody holds it, or
// the lease of the worker that holds it has ended. It leaves out cells that failed too
// often, or on this machine.
const takeText = `WITH alive AS (
	UPDATE queue_workers SET lease_ends = clock_timestamp() + make_interval(secs => $6) WHERE id = $2),
next AS (
	SELECT c.cell, (c.worker IS NOT NULL)::int AS lost
	FROM queue_cells c LEFT JOIN queue_workers w ON w.id = c.worker
	WHERE c.night = $1 AND NOT c.done AND c.needs = ANY ($3)
	AND (c.worker IS NULL OR c.worker <> $2 AND w.lease_ends < clock_timestamp())
	AND $4 <> ALL (c.crashed_on)
	AND cardinality(c.crashed_on) + c.lost + (c.worker IS NOT NULL)::int < $5
	ORDER BY c.position LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
UPDATE queue_cells c SET worker = $2, lost = c.lost + next.lost FROM next
WHERE c.night = $1 AND c.cell = next.cell
RETURNING c.cell`

// Held is a cell that this worker holds.
type Held struct {
	// Cell is its name.
	Cell string
	// Context is for the work on the cell. It is canceled with the cause ErrLost once
	// another worker has taken the cell.
	Context context.Context

	end context.CancelCauseFunc
}

// Take takes a cell whose needs are among those given; nil if there is none now.
func (q *Queue) Take(ctx context.Context, needs []string) (*Held, error) {
	if len(needs) == 0 {
		return nil, nil
	}
	var h Held
	asking, stop := limited(ctx)
	defer stop()
	switch err := q.db.QueryRowContext(asking, takeText, q.night, q.id, pq.Array(needs), q.machine, mostFailures, q.lease.Seconds()).Scan(&h.Cell); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, q.error(asking, err)
	}
	h.Context, h.end = context.WithCancelCause(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held[h.Cell] = &h
	return &h, nil
}

// Finish keeps what was found in a cell, and marks the cell as done or, if it crashed on
// this machine, leaves it to another. If this worker no longer holds the cell, Finish keeps
// nothing and returns ErrLost.
func (q *Queue) Finish(h *Held, crashed bool, entries ...history.Entry) error {
	q.mu.Lock()
	holds := q.held[h.Cell] == h
	if holds {
		delete(q.held, h.Cell)
	}
	q.mu.Unlock()
	if !holds {
		return ErrLost
	}
	defer h.end(nil)
	return q.within(h.Context, func(ctx context.Context, tx *sql.Tx) error {
		var cell string
		switch err := tx.QueryRowContext(ctx, `SELECT cell FROM queue_cells WHERE night = $1 AND cell = $2 AND worker = $3 AND NOT done FOR UPDATE`,
			q.night, h.Cell, q.id).Scan(&cell); {
		case errors.Is(err, sql.ErrNoRows):
			return ErrLost
		case err != nil:
			return q.error(ctx, err)
		}
		if err := history.AppendTx(ctx, tx, entries...); err != nil {
			return q.error(ctx, err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE queue_cells SET worker = NULL, done = NOT $3,
crashed_on = CASE WHEN $3 THEN array_append(crashed_on, $4) ELSE crashed_on END
WHERE night = $1 AND cell = $2`, q.night, h.Cell, crashed, q.machine); err != nil {
			return q.error(ctx, err)
		}
		return nil
	})
}

// State is the progress of a night.
type State struct {
	// Cells is the number of cells, Done how many of them are done.
	Cells, Done int
	// Coming is how many a living worker is doing, or can take.
	Coming int
	// Failed are the cells that crashed or were lost with their workers, Unfit those that
	// fit no living worker. Nobody will take either.
	Failed, Unfit []string
}

// stateText returns a row for each cell that is not done: whether a living worker is doing
// it or can take it, and whether it has failed before.
const stateText = `SELECT c.cell,
	c.live OR c.failures < $2 AND EXISTS (
		SELECT FROM queue_workers w WHERE w.night = $1 AND w.lease_ends > clock_timestamp()
		AND c.needs = ANY (w.has) AND w.machine <> ALL (c.crashed_on)),
	c.failures > 0
FROM (SELECT c.cell, c.position, c.needs, c.crashed_on,
		coalesce(h.lease_ends > clock_timestamp(), false) AS live,
		cardinality(c.crashed_on) + c.lost + (c.worker IS NOT NULL)::int AS failures
	FROM queue_cells c LEFT JOIN queue_workers h ON h.id = c.worker
	WHERE c.night = $1 AND NOT c.done) c
ORDER BY c.position`

// State returns the progress of the night.
func (q *Queue) State(ctx context.Context) (s State, err error) {
	ctx, stop := limited(ctx)
	defer stop()
	defer func() {
		if err != nil {
			err = q.error(ctx, err)
		}
	}()
	if err := q.db.QueryRowContext(ctx, `SELECT count(*) FROM queue_cells WHERE night = $1`, q.night).Scan(&s.Cells); err != nil {
		return s, err
	}
	rows, err := q.db.QueryContext(ctx, stateText, q.night, mostFailures)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	s.Done = s.Cells
	for rows.Next() {
		var cell string
		var coming, failed bool
		if err := rows.Scan(&cell, &coming, &failed); err != nil {
			return s, err
		}
		s.Done--
		switch {
		case coming:
			s.Coming++
		case failed:
			s.Failed = append(s.Failed, cell)
		default:
			s.Unfit = append(s.Unfit, cell)
		}
	}
	return s, rows.Err()
}
