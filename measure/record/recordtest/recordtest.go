// Package recordtest makes records for tests.
package recordtest

import (
	"math"
	"slices"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// Day is when all test records are taken.
var Day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Counted returns a record of an exact count.
func Counted(variant, op string, count float64) record.Record {
	c := record.Config{Build: "devel", Code: "c0de", Engine: "icount", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU"}
	return record.New(c, wire.Measure{
		Variant: variant, Op: op, N: 500, Batches: 15, Min: count, Median: count, Max: count, Agree: 1,
	}, "axes", record.Instructions, 0, Day)
}

// Timed returns a record of cycles, with a sample for each placement.
func Timed(variant, op, form string, run int, samples ...float64) record.Record {
	c := record.Config{Build: "devel", Code: "c0de", Engine: "replay", Machine: "host", CPU: "a CPU", Host: "a CPU", Microcode: "0x1"}
	sorted := slices.Sorted(slices.Values(samples))
	r := record.New(c, wire.Measure{
		Variant: variant, Op: op, N: 1, Batches: len(samples),
		Min: sorted[0], Median: sorted[len(sorted)/2], Max: sorted[len(sorted)-1],
	}, "axes", record.Cycles, run, Day)
	r.Form = form
	for _, x := range samples {
		r.Samples = append(r.Samples, &x)
	}
	return r
}

// Around returns placements whose mean is v, and which all share the luck of each placement
// with other variants of the same noise.
func Around(v float64, noise float64) []float64 {
	var s []float64
	for i := range 40 {
		s = append(s, v+noise*math.Sin(float64(i))+5*math.Cos(3*float64(i)))
	}
	return s
}
