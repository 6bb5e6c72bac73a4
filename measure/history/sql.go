package history

import (
	"bytes"
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

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
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
}

// openSQLite opens a database in a file. Each transaction that writes waits for the
// others from its beginning, so that none meets a lock in its middle.
func openSQLite(ctx context.Context, path string) (Store, error) {
	if path == "" || path == ":memory:" {
		return nil, errors.New("history: sqlite: want sqlite:FILE")
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(60000)", "journal_mode(WAL)", "synchronous(FULL)"},
	}.Encode()}
	return openDatabase(ctx, "sqlite", u.String(), "sqlite:"+path, goose.DialectSQLite3)
}

func openPostgres(ctx context.Context, address string) (Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("history: the URL of the database cannot be read: want postgres://USER@HOST/DATABASE") // it may have a password
	}
	return openDatabase(ctx, "pgx", address, u.Redacted(), goose.DialectPostgres)
}

func openDatabase(ctx context.Context, driver, source, name string, dialect goose.Dialect) (Store, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, fmt.Errorf("history: %s: %w", name, err)
	}
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
	if err := s.db.Close(); err != nil {
		return s.error(err)
	}
	return nil
}

func (s *database) Append(ctx context.Context, entries ...Entry) (failed error) {
	if len(entries) == 0 {
		return nil
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

// AppendTx is Append in a transaction of a database that Open has opened before. It is
// for programs that keep entries together with tables of their own, and commit both.
func AppendTx(ctx context.Context, tx *sql.Tx, entries ...Entry) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO entries (key, series_id, kind, night, time, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key) DO NOTHING`)
	if err != nil {
		return err
	}
	defer insert.Close()
	counts := map[string]*Series{}
	// All writers go in one order, or two would wait for each other.
	for _, e := range byKey(entries) {
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

// byKey are the entries in the order of their keys.
func byKey(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		ka, kb := a.Key(), b.Key()
		return bytes.Compare(ka[:], kb[:])
	})
}

// seriesID is the beginning of the hash of a series' name.
func seriesID(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

func (s *database) Entries(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	text, args := `SELECT body FROM entries`, []any(nil)
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
	text += " ORDER BY night, time, key"
	return s.rows(ctx, text, args...)
}

// rows are the entries that a statement selects.
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

// Histories needs no more memory than one series.
func (s *database) Histories(ctx context.Context, night string) iter.Seq2[[]Entry, error] {
	const text = `SELECT body FROM entries WHERE series_id IN (SELECT series_id FROM entries WHERE night = $1) ORDER BY series_id, night, time, key`
	return func(yield func([]Entry, error) bool) {
		var one []Entry
		for e, err := range s.rows(ctx, text, night) {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(one) > 0 && one[0].Series != e.Series {
				if !yield(one, nil) {
					return
				}
				one = nil
			}
			one = append(one, e)
		}
		if len(one) > 0 {
			yield(one, nil)
		}
	}
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
