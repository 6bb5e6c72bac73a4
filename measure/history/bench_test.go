package history

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/entrylab/entrylab/measure/history/historytest"
	"github.com/entrylab/entrylab/measure/record"
)

var benchRecords = flag.Int("records", 100_000, "how many entries BenchmarkList fills a database with")

// benchNights is how many nights each series of BenchmarkList has.
const benchNights = 1000

// fill appends entries night by night, each of all series, and returns the name of one
// series.
func fill(b *testing.B, s Store, n int) string {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	series := max(n/benchNights, 1)
	name := func(i int) string {
		return fmt.Sprintf("kvm q35 host against linux-3.19: operation-%d of linux-6.12", i)
	}
	some := make([]Entry, 0, series)
	for night := range n / series {
		some = some[:0]
		for i := range series {
			e := count(night, name(i), 0)
			e.Kind, e.Unit, e.Values = Sample, record.Cycles, nil
			for range 8 {
				e.Values = append(e.Values, 10+rng.NormFloat64()/2)
			}
			some = append(some, e)
		}
		if err := s.Append(b.Context(), some...); err != nil {
			b.Fatal(err)
		}
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
			name := fill(b, s, *benchRecords)
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
