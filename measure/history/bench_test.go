package history

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/entrylab/entrylab/measure/history/historytest"
	"github.com/entrylab/entrylab/measure/record"
)

var benchRecords = flag.Int("records", 100_000, "how many entries BenchmarkList fills a database with")

// benchNights is how many nights each series of BenchmarkList has.
const benchNights = 1000

// fill fills a database with n entries and returns the name of one series. The rows are
// as those of Append but for their keys, which are numbers, and the database makes them
// from one, series by series: it takes a tenth of the time that nights would take.
func fill(b *testing.B, s *database, n int) string {
	b.Helper()
	c, err := s.db.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	do := func(text string, args ...any) {
		if _, err := c.ExecContext(b.Context(), text, args...); err != nil {
			b.Fatal(err)
		}
	}
	one := count(0, "SERIES", 0)
	one.Kind, one.Unit, one.Values = Sample, record.Cycles, []float64{9.71, 10.1, 10.35, 9.62, 10.02, 9.87, 9.9, 10.22}
	body, err := one.line()
	if err != nil {
		b.Fatal(err)
	}
	do(`CREATE TEMP TABLE nights (night TEXT, time BIGINT)`)
	for night := range benchNights {
		e := count(night, "", 0)
		do(`INSERT INTO nights VALUES ($1, $2)`, e.Night, e.Time.UnixNano())
	}
	key := `CAST(printf('%016d', $1 + row_number() OVER ()) AS BLOB)`
	if _, postgres := s.db.Driver().(*pq.Driver); postgres {
		key = `decode(lpad(to_hex($1::bigint + row_number() OVER ()), 32, '0'), 'hex')`
	}
	name := func(i int) string {
		return fmt.Sprintf("kvm q35 host against linux-3.19: operation-%d of linux-6.12", i)
	}
	series := max(n/benchNights, 1)
	for i := range series {
		do(`INSERT INTO series (id, name, entries, last) VALUES ($1, $2, $3, $4)`, seriesID(name(i)), name(i), benchNights, count(benchNights-1, "", 0).Night)
	}
	const some = 100
	for i := 0; i < series; i += some {
		do(`INSERT INTO entries (key, series_id, kind, night, time, body)
SELECT `+key+`, id, 'sample', night, time, replace(replace($2, $3, night), 'SERIES', name)
FROM (SELECT id, name FROM series ORDER BY id LIMIT $4 OFFSET $5) AS part CROSS JOIN nights ORDER BY id, night`,
			i*benchNights, string(body), one.Night, some, i)
	}
	return name(series / 2)
}

// BenchmarkList lists the series of a database and shows one of them, each as a command
// does that opens the database first. With -records 10000000 the limit is 0.2 s.
func BenchmarkList(b *testing.B) {
	for _, tt := range historytest.Databases(b) {
		b.Run(tt.Name, func(b *testing.B) {
			url := tt.New(b)
			s, err := Open(b.Context(), url)
			if err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			name := fill(b, s.(*database), *benchRecords)
			filled := time.Since(start).Seconds()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			for _, read := range []struct {
				name string
				read func(Store) (int, error)
			}{
				{"list", func(s Store) (int, error) {
					all, err := s.Series(b.Context())
					return len(all) * benchNights, err
				}},
				{"show", func(s Store) (n int, failed error) {
					for _, err := range s.Entries(b.Context(), Query{Series: name}) {
						if err != nil {
							return n, err
						}
						n++
					}
					return n, nil
				}},
			} {
				b.Run(read.name, func(b *testing.B) {
					for b.Loop() {
						s, err := Open(b.Context(), url)
						if err != nil {
							b.Fatal(err)
						}
						if n, err := read.read(s); n < benchNights || err != nil {
							b.Fatalf("%d entries, %v", n, err)
						}
						if err := s.Close(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(filled, "s-to-fill")
				})
			}
		})
	}
}
