// Package record declares the form in which measurements are kept: one figure of one
// operation under one variant, with everything that it was measured with. Every engine
// hands out records, package store keeps them, and every table is made from them.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
)

// Format marks every record of a results file, and its version.
const Format = "entrylab/1"

// Config is what a figure was measured with. Two figures are of the same thing only if
// their configurations are equal.
type Config struct {
	// Build is the entrylab that measured: a version, or a revision of its
	// source.
	Build string `json:"build,omitempty"`
	// Code is a hash of everything that ran: the kernel's image and init, or
	// the replayed code.
	Code string `json:"code,omitempty"`
	// Engine names how the instructions were run.
	Engine string `json:"engine,omitempty"`
	// Machine is QEMU's machine type, or "host".
	Machine string `json:"machine,omitempty"`
	// CPU is the model that the code saw.
	CPU string `json:"cpu,omitempty"`
	// Emulator is its name and version, such as "QEMU 7.2.22"; empty without one.
	Emulator string `json:"emulator,omitempty"`
	// Host, Microcode and Kernel describe the machine that it was done on: its
	// CPU's model, its CPU's microcode revision, its kernel's release.
	Host      string `json:"host,omitempty"`
	Microcode string `json:"microcode,omitempty"`
	Kernel    string `json:"kernel,omitempty"`
	// Conditions say what else of the host decides about cycles: the CPU that the code was
	// kept on, those that share its core, and whether its frequency varies.
	Conditions string `json:"conditions,omitempty"`
}

// Interval is a confidence interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Level is the confidence, between 0 and 1.
	Level float64 `json:"level"`
}

// Record is one measured figure with everything that belongs to it: a line of
// a results file.
type Record struct {
	Format string    `json:"format"`
	Time   time.Time `json:"time"`
	Config
	// Variant is the entry path's name and Axes its axes; a kernel that was not
	// generated has no axes.
	Variant string `json:"variant"`
	Axes    string `json:"axes,omitempty"`
	Proof   Proof  `json:"proof,omitempty"`
	Op      string `json:"op"`
	// Form is the engine's way of measuring, if it has several.
	Form string `json:"form,omitempty"`
	// Unit is the unit of one operation's cost, one of Units.
	Unit string `json:"unit"`
	// N is the number of operations in a sample, Batches the number of samples.
	N       int     `json:"n"`
	Batches int     `json:"batches"`
	Min     float64 `json:"min"`
	Median  float64 `json:"median"`
	Max     float64 `json:"max"`
	// Agree is the share of the samples that are exactly the median.
	Agree float64 `json:"agree"`
	// Run tells boots or processes of one engine apart.
	Run int `json:"run"`
	// Samples, if kept, has one for each unit of resampling of this run: a placement, or
	// the run itself. Samples of two variants with the same index belong together; null
	// marks a missing one.
	Samples []*float64 `json:"samples,omitempty"`
	// Retired, if the CPU counted it, is the number of instructions that one operation
	// retired.
	Retired *float64 `json:"retired,omitempty"`
	// Events, if the CPU counted them, are the events of wire.Explaining that one operation
	// caused, by name.
	Events map[string]float64 `json:"events,omitempty"`
	// Interval, if known, is the confidence interval of the median.
	Interval *Interval `json:"interval,omitempty"`
	// Tail, if known, is what the slowest of single operations took.
	Tail *Tail `json:"tail,omitempty"`
}

// Tail is what the slowest of single operations take above the median one: of a hundred,
// of a thousand and of all, in the record's unit. What measuring takes is in all of them
// alike, and so in none of these differences.
type Tail struct {
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Most float64 `json:"most"`
	// N is how many single operations there were.
	N int `json:"n"`
}

// MinTail is how many single operations p99.9 needs at least.
const MinTail = 1000

// TailOf returns the tail of single operations; nil if there are too few.
func TailOf(single []float64) *Tail {
	n := len(single)
	if n < MinTail {
		return nil
	}
	sorted := slices.Sorted(slices.Values(single))
	above := func(share float64) float64 { return sorted[int(share*float64(n-1))] - sorted[(n-1)/2] }
	return &Tail{above(0.99), above(0.999), above(1), n}
}

// Exact reports whether the figure is an exact count.
func (r *Record) Exact() bool {
	return r.Unit != Cycles && r.Unit != Ticks && wire.Measure{Median: r.Median, Agree: r.Agree}.Exact()
}

// Units of figures. All but cycles and ticks are counts.
const (
	Instructions = "instructions"
	Cycles       = "cycles"
	Ticks        = "TSC ticks"
	Bytes        = "bytes"
	Loads        = "loads"
	Stores       = "stores"
	Accesses     = "accesses"
	Forwards     = "forwards"
	Lines        = "lines"
)

// Units are all units.
var Units = []string{Instructions, Cycles, Ticks, Bytes, Loads, Stores, Accesses, Forwards, Lines}

// New makes a record of a figure that the guest measured.
func New(c Config, m wire.Measure, axes, unit string, run int, now time.Time) Record {
	return Record{
		Format: Format, Time: now.UTC(), Config: c, Variant: m.Variant, Axes: axes, Op: m.Op, Unit: unit,
		N: m.N, Batches: m.Batches, Min: m.Min, Median: m.Median, Max: m.Max, Agree: m.Agree, Run: run,
	}
}

// check says what is wrong with a record.
func (r *Record) check() error {
	if r.Format != Format {
		return fmt.Errorf(`"format" is %q, want %q`, r.Format, Format)
	}
	for _, f := range []struct{ key, value string }{
		{"build", r.Build},
		{"code", r.Code},
		{"engine", r.Engine},
		{"machine", r.Machine},
		{"cpu", r.CPU},
		{"variant", r.Variant},
		{"op", r.Op},
	} {
		if f.value == "" {
			return fmt.Errorf("no %q", f.key)
		}
	}
	switch {
	case r.Time.IsZero():
		return errors.New(`no "time"`)
	case !slices.Contains(Units, r.Unit):
		return fmt.Errorf(`"unit" is %q, want one of %s`, r.Unit, strings.Join(Units, ", "))
	case r.N < 1 || r.Batches < 1:
		return fmt.Errorf(`"n" is %d and "batches" %d: want at least 1`, r.N, r.Batches)
	case !(r.Min <= r.Median && r.Median <= r.Max): // so that NaN is refused, too
		return fmt.Errorf(`"median" %g does not lie between "min" %g and "max" %g`, r.Median, r.Min, r.Max)
	case r.Agree < 0 || r.Agree > 1:
		return fmt.Errorf(`"agree" is %g: want a share`, r.Agree)
	}
	if i := r.Interval; i != nil && (i.Low > i.High || i.Level <= 0 || i.Level >= 1) {
		return fmt.Errorf(`"interval" is %g to %g at the level %g`, i.Low, i.High, i.Level)
	}
	if t := r.Tail; t != nil && (t.N < 1 || !(0 <= t.P99 && t.P99 <= t.P999 && t.P999 <= t.Most)) {
		return fmt.Errorf(`"tail" has p99 %g, p99.9 %g and most %g of %d: want them in this order, from 0 on`, t.P99, t.P999, t.Most, t.N)
	}
	return r.Proof.check()
}

// Line returns the record as a line.
func (r *Record) Line() ([]byte, error) {
	if math.IsNaN(r.Median) || math.IsInf(r.Median, 0) {
		return nil, fmt.Errorf("%s of %s: %v is no figure", r.Op, r.Variant, r.Median)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", r.Op, r.Variant, err)
	}
	b, err := json.Marshal(r)
	return append(b, '\n'), err
}

// ParseLine reads the line of one record.
func ParseLine(line []byte) (Record, error) {
	var r Record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return r, errors.New("something follows the record")
	}
	return r, r.check()
}
