package history

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations
var migrations embed.FS

// database is a store in a database, whose statements both kinds understand.
type database struct {
	name string
	db   *sql.DB
	file *opened // nil: a server's database
}

// openSQLite opens a database in a file. Each transaction that writes waits for the
// others from its beginning, so that none meets a lock in its middle. The cache, in
// KiB, has the pages of a long series, which those of its neighbours are on, too.
func openSQLite(ctx context.Context, path string) (Store, error) {
	if path == "" || path == ":memory:" {
		return nil, errors.New("history: sqlite: want sqlite:FILE")
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), "cache_size(-32768)", "journal_mode(WAL)", "synchronous(FULL)"},
	}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("history: sqlite:%s: %w", path, err)
	}
	if err := connect(ctx, db); err != nil {
		return nil, errors.Join((&database{name: "sqlite:" + path}).error(err), db.Close())
	}
	s, err := newDatabase(ctx, db, "sqlite:"+path, goose.DialectSQLite3)
	if err != nil {
		return nil, err
	}
	file, err := openedAt(path)
	if err != nil {
		return nil, errors.Join(s.error(err), s.Close())
	}
	s.file = &file
	return s, nil
}

// busy is how long SQLite waits for another process's lock.
const busy = time.Minute

// connect makes the first connection. The first to a new file gives it its write-ahead
// log; of several at once all but one may fail then, as SQLite does not have them wait
// for each other ("PRAGMA journal_mode").
func connect(ctx context.Context, db *sql.DB) error {
	for end := time.Now().Add(busy); ; {
		err := db.PingContext(ctx)
		e, ok := errors.AsType[*sqlite.Error](err)
		if !ok || e.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// patience is how long a server may take over a statement: much longer than over any that a
// history asks.
const patience = 10 * time.Minute

func openPostgres(ctx context.Context, address string) (Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("history: the URL of the database cannot be read: want postgres://USER@HOST/DATABASE") // it may have a password
	}
	db, err := ConnectPostgres(address, patience)
	if err != nil {
		return nil, fmt.Errorf("history: %s: %w", u.Redacted(), err)
	}
	return newDatabase(ctx, db, u.Redacted(), goose.DialectPostgres)
}

func newDatabase(ctx context.Context, db *sql.DB, name string, dialect goose.Dialect) (*database, error) {
	s := &database{name: name, db: db}
	if err := Migrate(ctx, db, dialect, goose.DefaultTablename, migrations); err != nil {
		return nil, errors.Join(s.error(err), db.Close())
	}
	return s, nil
}

func (s *database) error(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_CORRUPT {
		err = fmt.Errorf("%w: a part of the file is damaged; `sqlite3 FILE .recover` prints what can be read of it", err)
	}
	return fmt.Errorf("history: %s: %w", s.name, err)
}

func (s *database) Name() string { return s.name }

func (s *database) Close() error {
	// A server that is gone by now has all that was committed.
	if err := s.db.Close(); err != nil && s.file != nil {
		return s.error(err)
	}
	return nil
}

func (s *database) Append(ctx context.Context, entries ...Entry) (failed error) {
	if len(entries) == 0 {
		return nil
	}
	if s.file != nil {
		if err := s.file.there(); err != nil {
			return s.error(err)
		}
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.error(err)
	}
	defer func() {
		if err := tx.Rollback(); failed == nil && !errors.Is(err, sql.ErrTxDone) {
			failed = err
		}
	}()
	if err := AppendTx(ctx, tx, entries...); err != nil {
		return s.error(err)
	}
	if err := tx.Commit(); err != nil {
		return s.error(err)
	}
	return nil
}

// AppendTx works like Append, but in a transaction of a database that Open has opened
// before. It is for programs that keep entries together with tables of their own, and
// commit both.
func AppendTx(ctx context.Context, tx *sql.Tx, entries ...Entry) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO entries (key, series_id, kind, night, time, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key) DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close()
	counts := map[string]*Series{}
	// All writers use the same order, or two could wait for each other.
	for _, e := range inOrder(entries) {
		line, err := e.line()
		if err != nil {
			return err
		}
		key := e.Key()
		done, err := insert.ExecContext(ctx, key[:], seriesID(e.Series), string(e.Kind), e.Night, e.Time.UnixNano(), strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if counts[e.Series] == nil {
			counts[e.Series] = &Series{}
		}
		counts[e.Series].Entries++
		counts[e.Series].Last = max(counts[e.Series].Last, e.Night)
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO series (id, name, entries, last) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET entries = series.entries + excluded.entries, last = CASE WHEN series.last > excluded.last THEN series.last ELSE excluded.last END`,
			seriesID(name), name, counts[name].Entries, counts[name].Last); err != nil {
			return err
		}
	}
	return nil
}

// inOrder returns the entries by series and key: so those of neighbours lie together in the
// file, and are read together.
func inOrder(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		ka, kb := a.Key(), b.Key()
		return cmp.Or(strings.Compare(a.Series, b.Series), bytes.Compare(ka[:], kb[:]))
	})
}

// seriesID returns the beginning of the hash of a series' name.
func seriesID(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

func (s *database) Entries(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	text, args := q.statement()
	return s.rows(ctx, text, args...)
}

// statement selects what the query asks for.
func (q Query) statement() (text string, args []any) {
	text = `SELECT body FROM entries`
	for _, f := range []struct {
		column string
		value  any
		asked  bool
	}{
		{"series_id", seriesID(q.Series), q.Series != ""},
		{"night", q.Night, q.Night != ""},
		{"kind", string(q.Kind), q.Kind != ""},
	} {
		if f.asked {
			word := " AND "
			if len(args) == 0 {
				word = " WHERE "
			}
			args = append(args, f.value)
			text += fmt.Sprintf("%s%s = $%d", word, f.column, len(args))
		}
	}
	return text + " ORDER BY night, time, key", args
}

// rows yields the entries that a statement selects.
func (s *database) rows(ctx context.Context, text string, args ...any) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		rows, err := s.db.QueryContext(ctx, text, args...)
		if err != nil {
			yield(Entry{}, s.error(err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				yield(Entry{}, s.error(err))
				return
			}
			e, err := parse(body)
			if err != nil {
				yield(Entry{}, s.error(fmt.Errorf("a damaged entry: %w", err)))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Entry{}, s.error(err))
		}
	}
}

// part returns at once what rows yields.
func (s *database) part(ctx context.Context, text string, args ...any) ([]Entry, error) {
	var all []Entry
	for e, err := range s.rows(ctx, text, args...) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (s *database) Histories(ctx context.Context, past Past) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		ids, err := s.ids(ctx, past)
		if err != nil {
			yield(nil, err)
			return
		}
		accepted := map[int64][]string{}
		if past.Last > 0 {
			if accepted, err = s.accepted(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		ahead(len(ids), func(i int) ([]Entry, error) { return s.history(ctx, ids[i], past.Last, accepted[ids[i]]) }, yield)
	}
}

// The statements of Histories.
const (
	wholeText = `SELECT body FROM entries WHERE series_id = $1 ORDER BY night, time, key`
	lastText  = `SELECT body FROM entries WHERE series_id = $1 ORDER BY night DESC, time DESC, key DESC LIMIT $2`
	firstText = wholeText + ` LIMIT 1`
	idsText   = `SELECT id FROM series WHERE id IN (SELECT series_id FROM entries WHERE night = $1) ORDER BY name`
	nightText = `SELECT body FROM entries WHERE series_id = $1 AND night = $2 ORDER BY night, time, key`

	acceptedText = `SELECT DISTINCT series_id, night FROM entries WHERE kind = 'accept' ORDER BY night`
)

// history returns the history of a series of which something was accepted in these nights.
func (s *database) history(ctx context.Context, id int64, last int, accepted []string) ([]Entry, error) {
	if last == 0 {
		return s.part(ctx, wholeText, id)
	}
	tail, err := s.part(ctx, lastText, id, last)
	slices.Reverse(tail)
	if err != nil || len(tail) < last {
		return tail, err
	}
	older, err := s.part(ctx, firstText, id)
	if err != nil {
		return nil, err
	}
	for _, night := range accepted {
		some, err := s.part(ctx, nightText, id, night)
		if err != nil {
			return nil, err
		}
		older = append(older, some...)
	}
	// The parts are in order, but entries that they share occur twice.
	var all []Entry
	for _, e := range older {
		if e.compare(tail[0]) < 0 && (len(all) == 0 || e.compare(all[len(all)-1]) > 0) {
			all = append(all, e)
		}
	}
	return append(all, tail...), nil
}

// ids returns the IDs of the series, by name.
func (s *database) ids(ctx context.Context, past Past) (ids []int64, err error) {
	if past.Night == "" {
		for _, name := range slices.Sorted(slices.Values(past.Series)) {
			ids = append(ids, seriesID(name))
		}
		return ids, nil
	}
	rows, err := s.db.QueryContext(ctx, idsText, past.Night)
	if err != nil {
		return nil, s.error(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, s.error(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, s.error(err)
	}
	return ids, nil
}

// accepted returns the nights of each series in which something was accepted, in order.
func (s *database) accepted(ctx context.Context) (map[int64][]string, error) {
	rows, err := s.db.QueryContext(ctx, acceptedText)
	if err != nil {
		return nil, s.error(err)
	}
	defer rows.Close()
	nights := map[int64][]string{}
	for rows.Next() {
		var id int64
		var night string
		if err := rows.Scan(&id, &night); err != nil {
			return nil, s.error(err)
		}
		nights[id] = append(nights[id], night)
	}
	if err := rows.Err(); err != nil {
		return nil, s.error(err)
	}
	return nights, nil
}

func (s *database) Series(ctx context.Context) ([]Series, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT name, entries, last FROM series ORDER BY name`)
	if err != nil {
		return nil, s.error(err)
	}
	defer rows.Close()
	var all []Series
	for rows.Next() {
		var one Series
		if err := rows.Scan(&one.Name, &one.Entries, &one.Last); err != nil {
			return nil, s.error(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		return nil, s.error(err)
	}
	return all, nil
}
