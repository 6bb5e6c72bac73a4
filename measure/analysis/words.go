package analysis

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Alignment is the difference that code alignment alone can make, in cycles. A smaller
// one is not a property of the design.
const Alignment = 1.0

// Cell is a field of a table of differences: its text, and what the text means.
type Cell struct {
	Text  string
	Sense Sense
}

// Sense is what a difference means.
type Sense uint8

// The senses of a difference.
const (
	// Unknown means that there is no figure, or that it does not say which is cheaper.
	Unknown Sense = iota
	// Same means that there is no difference, or that none was seen.
	Same
	// Small means that alignment alone can make the difference.
	Small
	Cheaper
	Dearer
)

// Sense says what the difference means.
func (d Difference) Sense() Sense {
	switch {
	case d.Kind == None:
		return Unknown
	case !d.Seen():
		return Same
	case d.Unit == record.Cycles && math.Abs(d.Value) < Alignment+leastShown/2:
		return Small
	case d.Value < 0:
		return Cheaper
	}
	return Dearer
}

// Cell returns the difference for a table: the figure, and half its interval if it
// has one.
func (d Difference) Cell() Cell { return Cell{d.figure(), d.Sense()} }

func (d Difference) figure() string {
	switch {
	case d.Kind == None:
		return "-"
	case d.Kind == Exact:
		return Signed(d.Value)
	case !d.Seen():
		return "none " + plusMinus(d)
	case d.Kind == Spread:
		return fmt.Sprintf("%s to %s", Short(d.Low), Short(d.High))
	}
	if d.Step != "" {
		return "step " + Short(d.Value)
	}
	half := max((d.High-d.Low)/2, leastShown)
	return fmt.Sprintf("%s ±%.1f", Short(d.Value), half)
}

// Cost returns a cost for a table, from the records of all runs: an exact count, else
// the mean of the units of resampling and their range or, if none were kept,
// the median of the last run and its range.
func Cost(records []record.Record) string {
	last := records[len(records)-1]
	if last.Exact() {
		return strconv.FormatFloat(last.Median, 'f', -1, 64)
	}
	if !slices.ContainsFunc(records, func(r record.Record) bool { return len(r.Samples) > 0 }) {
		return fmt.Sprintf("%.5g (%.5g to %.5g)", last.Median, last.Min, last.Max)
	}
	samples := samplesOf(records)
	return fmt.Sprintf("%.5g (%.5g to %.5g)", stats.Mean(samples), slices.Min(samples), slices.Max(samples))
}

// Mean returns the mean of all samples of one figure.
func Mean(records []record.Record) float64 { return stats.Mean(samplesOf(records)) }

// Verdict puts the difference into the words of a sentence.
func (d Difference) Verdict() string {
	switch {
	case d.Kind == None:
		return "not measured"
	case d.Kind == Exact && d.Value == 0:
		return "no difference, exactly"
	case d.Kind == Exact:
		return fmt.Sprintf("%s %s, exactly", Signed(d.Value), plural(d.Unit, d.Value))
	case !d.Seen():
		return fmt.Sprintf("no difference seen, %s %s", plusMinus(d), d.Unit) + d.norOf()
	}
	text := fmt.Sprintf("%s %s [%s, %s]", Short(d.Value), d.Unit, Short(d.Low), Short(d.High))
	if d.Kind == Spread {
		return text + ", ranges of one run"
	}
	if d.Step != "" {
		return text + ", a step of the fence: " + d.Step + " read the same"
	}
	if d.Sense() == Small {
		text += fmt.Sprintf(", no more than the %g that alignment alone makes", Alignment)
	}
	return text
}

// Words puts the difference into words that need no sign.
func (d Difference) Words() string {
	switch {
	case d.Kind == None:
		return "not measured"
	case d.Kind == Exact && d.Value == 0:
		return "the same number of " + d.Unit
	case !d.Seen():
		return fmt.Sprintf("no difference seen (%s %s)", plusMinus(d), d.Unit) + d.norOf()
	}
	amount := strconv.FormatFloat(math.Abs(d.Value), 'f', -1, 64)
	if d.Kind != Exact {
		amount = strconv.FormatFloat(math.Abs(d.Value), 'f', 1, 64)
	}
	text := amount + " " + plural(d.Unit, d.Value) + " cheaper"
	if d.Value > 0 {
		text = amount + " " + plural(d.Unit, d.Value) + " dearer"
	}
	switch {
	case d.Step != "":
		text += ", a step of the fence: " + d.Step + " read the same"
	case d.Kind == Spread:
		text += ", by the ranges of one run"
	case d.Sense() == Small:
		text += ", no more than alignment alone makes"
	}
	return text
}

// Sure says behind the words of a difference how sure it is: exactly, or the interval.
func (d Difference) Sure() string {
	switch {
	case d.Kind == Exact:
		return ", exactly"
	case d.Kind == Interval && d.Seen():
		return fmt.Sprintf(" (95 %%: %s to %s)", Short(d.Low), Short(d.High))
	}
	return ""
}

// norOf says what else was not seen where there is no difference.
func (d Difference) norOf() string {
	if d.Step == "" {
		return ""
	}
	return ", nor of " + d.Step
}

// leastShown is the least interval that is printed.
const leastShown = 0.1

// plusMinus prints the largest size of a difference that was not seen.
func plusMinus(d Difference) string {
	return fmt.Sprintf("±%.1f", stats.Estimate{Low: d.Low, High: d.High}.AtMost())
}

func plural(unit string, v float64) string {
	if math.Abs(v) == 1 {
		return strings.TrimSuffix(unit, "s")
	}
	return unit
}

// Signed prints an exact difference.
func Signed(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if v > 0 {
		return "+" + text
	}
	return text
}

// Above prints a part of a tail, to whole units.
func Above(v float64) string { return "+" + strconv.FormatFloat(v, 'f', 0, 64) }

// Short prints a measured difference with one digit after the point; more digits would
// not be significant.
func Short(v float64) string {
	text := strconv.FormatFloat(v, 'f', 1, 64)
	if text == "-0.0" {
		text = "0.0"
	}
	if v > 0 && text != "0.0" {
		return "+" + text
	}
	return text
}
