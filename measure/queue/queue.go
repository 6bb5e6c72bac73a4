package queue

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
	"github.com/pressly/goose/v3"

	"github.com/entrylab/entrylab/measure/history"
)

//go:embed migrations
var migrations embed.FS

// versions is the table that has the version of the queue's tables.
const versions = "queue_version"

// mostFailures is how often a cell may crash, or be lost with the worker that held it,
// before nobody takes it again in that night.
const mostFailures = 3

// Lease is the usual lease: how long a worker holds its cells without being heard of.
const Lease = time.Minute

// leastLease is the shortest lease that a busy host is sure to renew in time.
const leastLease = time.Second

// ErrLost means that the lease ended before the cell was done, so that another worker has
// taken the cell, or could have.
var ErrLost = errors.New("the lease ended before the cell was done")

// Queue is a worker's connection to the queue of a night.
type Queue struct {
	name  string // its URL without a password
	db    *sql.DB
	store history.Store
	lease time.Duration
	// id is the id of the worker, which works for the night on machine.
	id, night, machine string

	mu   sync.Mutex
	held map[string]*Held // the cells that this worker is doing, by name
}

// Cell is a cell of the matrix, with what the queue knows about it.
type Cell struct {
	// Needs is what a worker must have to do the cell.
	Name, Needs string
}

// Worker describes a worker that joins a night.
type Worker struct {
	// Machine is the name of its machine. MachineID distinguishes machines of one name.
	Machine, MachineID string
	// Has are the needs of the cells that fit it.
	Has []string
}

// Night is what all workers of a night must agree on.
type Night struct {
	Name string
	// Matrix is the text of the night's matrix, Cells are its cells in order.
	Matrix string
	Cells  []Cell
}

// Open opens the queue, and the history, in the database at the URL.
func Open(ctx context.Context, address string, lease time.Duration) (*Queue, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("queue: want the URL of a PostgreSQL database: postgres://USER@HOST/DATABASE") // it may have a password
	}
	if lease < leastLease {
		return nil, fmt.Errorf("queue: a lease of %v is too short to be renewed in time: want at least %v", lease, leastLease)
	}
	store, err := history.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	db, err := history.ConnectPostgres(address, patience)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	q := &Queue{
		name: u.Redacted(), db: db, store: store, lease: lease,
		id: rand.Text(), held: map[string]*Held{},
	}
	if err := history.Migrate(ctx, db, goose.DialectPostgres, versions, migrations); err != nil {
		return nil, errors.Join(q.error(ctx, err), q.Close())
	}
	return q, nil
}

// Close closes the queue and its history. A server that is gone by now has all that was
// committed.
func (q *Queue) Close() error {
	_ = q.db.Close()
	return q.store.Close()
}

// Store returns the history in the same database.
func (q *Queue) Store() history.Store { return q.store }

// error adds the name of the queue to an error. If the context is done, the cause of that
// takes the error's place.
func (q *Queue) error(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("queue: %s: %w", q.name, err)
}

// within runs statements in a transaction. The server ends a transaction that is idle for
// as long as a lease lasts: a worker that is stopped in the middle of one locks rows no
// longer than it holds cells.
func (q *Queue) within(ctx context.Context, f func(context.Context, *sql.Tx) error) (failed error) {
	ctx, stop := limited(ctx)
	defer stop()
	tx, err := q.db.BeginTx(ctx, nil)
	if err != nil {
		return q.error(ctx, err)
	}
	defer func() {
		if err := tx.Rollback(); failed == nil && !errors.Is(err, sql.ErrTxDone) {
			failed = q.error(ctx, err)
		}
	}()
	if _, err := tx.ExecContext(ctx, `SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, fmt.Sprint(q.lease.Milliseconds())); err != nil {
		return q.error(ctx, err)
	}
	if err := f(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return q.error(ctx, err)
	}
	return nil
}

// patience is how long a server may take to answer before it counts as lost.
const patience = time.Minute

// limited returns a context for statements that belong together.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, fmt.Errorf("the database has not answered for %v", patience))
}

// Join makes this process a worker of the night. The first worker fills the queue. A later
// one with a different matrix is refused, and so is a machine that has another's name.
func (q *Queue) Join(ctx context.Context, n Night, w Worker) error {
	q.night, q.machine = n.Name, w.Machine
	return q.within(ctx, func(ctx context.Context, tx *sql.Tx) error {
		inserted, err := tx.ExecContext(ctx, `INSERT INTO queue_nights (night, matrix) VALUES ($1, $2) ON CONFLICT DO NOTHING`, n.Name, n.Matrix)
		if err != nil {
			return q.error(ctx, err)
		}
		var matrix string
		if err := tx.QueryRowContext(ctx, `SELECT matrix FROM queue_nights WHERE night = $1 FOR UPDATE`, n.Name).Scan(&matrix); err != nil {
			return q.error(ctx, err)
		}
		if matrix != n.Matrix {
			return q.error(ctx, fmt.Errorf("the night %s has a different matrix from this worker's, %s: give all workers of a night the same matrix and the same entrylab, or give this worker another -night",
				n.Name, difference(matrix, n.Matrix)))
		}
		if first, err := inserted.RowsAffected(); err != nil {
			return q.error(ctx, err)
		} else if first > 0 {
			if err := q.fill(ctx, tx, n); err != nil {
				return q.error(ctx, err)
			}
		}
		var alike bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM queue_workers WHERE night = $1 AND machine = $2 AND machine_id <> $3)`,
			n.Name, w.Machine, w.MachineID).Scan(&alike); err != nil {
			return q.error(ctx, err)
		}
		if alike {
			return q.error(ctx, fmt.Errorf("another machine that calls itself %s works for the night %s: give this one another name by -machine-name", w.Machine, n.Name))
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO queue_workers (id, night, machine, machine_id, has, lease_ends)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))`,
			q.id, n.Name, w.Machine, w.MachineID, pq.Array(append([]string{}, w.Has...)), q.lease.Seconds()); err != nil {
			return q.error(ctx, err)
		}
		return nil
	})
}

// fill puts the cells of the night into the queue.
func (q *Queue) fill(ctx context.Context, tx *sql.Tx, n Night) error {
	names, needs := make([]string, len(n.Cells)), make([]string, len(n.Cells))
	for i, c := range n.Cells {
		names[i], needs[i] = c.Name, c.Needs
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO queue_cells (night, cell, needs, position)
SELECT $1, cell, needs, position FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS c (cell, needs, position)`, n.Name, pq.Array(names), pq.Array(needs))
	return err
}

// difference returns the first line in which two texts differ.
func difference(there, here string) string {
	a, b := strings.Split(there, "\n"), strings.Split(here, "\n")
	i := 0
	for i < min(len(a), len(b))-1 && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%.60q there and %.60q here", a[i], b[i])
}
