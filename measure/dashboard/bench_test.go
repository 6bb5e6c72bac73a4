package dashboard

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/nightly"
)

// benchSeries and benchNights are what a large lab has after three years.
const benchSeries, benchNights = 1000, 1000

// BenchmarkThousand judges the last night of 1,000 series of 1,000 nights, at most 2 s
// and 300 MB on 2 cores, and writes their dashboard, at most 10 s. Both open the store
// first.
func BenchmarkThousand(b *testing.B) {
	for _, tt := range []struct{ name, url string }{
		{"folder", filepath.Join(b.TempDir(), "nights")},
		{"sqlite", "sqlite:" + filepath.Join(b.TempDir(), "lab.db")},
	} {
		b.Run(tt.name, func(b *testing.B) {
			fill(b, tt.url)
			for _, work := range []struct {
				name string
				do   func(history.Store, *nightly.Night) error
			}{
				{"judge", func(_ history.Store, n *nightly.Night) error {
					found, err := n.Judge(b.Context())
					if err == nil && (len(found) == 0 || found[0].What != judge.Slower) {
						err = fmt.Errorf("found %v, want the step first", found)
					}
					return err
				}},
				{"dashboard", func(s history.Store, n *nightly.Night) error {
					dir := filepath.Join(b.TempDir(), "pages")
					if err := Write(b.Context(), dir, s, nil, &nightly.Result{Night: n.Name}); err != nil {
						return err
					}
					return os.RemoveAll(dir)
				}},
			} {
				b.Run(work.name, func(b *testing.B) {
					lowPeak(b)
					start := cpu(b)
					for b.Loop() {
						s, err := history.Open(b.Context(), tt.url)
						if err != nil {
							b.Fatal(err)
						}
						if err := work.do(s, &nightly.Night{Name: day(benchNights - 1), Store: s, Machine: "m1", MachineID: "00"}); err != nil {
							b.Fatal(err)
						}
						if err := s.Close(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric((cpu(b)-start).Seconds()/float64(b.N), "cpu-s/op")
					b.ReportMetric(peak(b), "peak-MB")
				})
			}
		})
	}
}

// fill fills the store at url with quiet series, of which one makes a step in the end.
func fill(b *testing.B, url string) {
	b.Helper()
	s, err := history.Open(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	some := make([]history.Entry, benchSeries)
	for n := range benchNights {
		for i := range some {
			e := entry(history.Sample, n, fmt.Sprintf("kvm q35 host against linux-3.19: operation-%d of linux-6.12", i), "kvm q35 host against linux-3.19")
			e.Unit, e.Stub = "cycles", "7d8f1f0c2b3a4958 "+fmt.Sprint("7d8f1f0c2b3a495", n/300)
			level := 10 + float64(n/300)
			if i == 0 && n >= benchNights-2 {
				level, e.Stub = level+3, e.Stub+"0"
			}
			for range 8 {
				e.Values = append(e.Values, level+rng.NormFloat64()/2)
			}
			some[i] = e
		}
		if err := s.Append(b.Context(), some...); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// cpu returns the time that the program has had a core, whatever else the host does.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// lowPeak forgets what memory the program took so far.
func lowPeak(b *testing.B) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// peak returns the most memory that the program has taken since, in MB.
func peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	kib, err := strconv.ParseFloat(string(regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib * 1024 / 1e6
}
