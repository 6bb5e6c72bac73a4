package study

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/boot/result"
)

// Cell is the difference for a table: the figure, and half its interval if it
// has one.
func (d Difference) Cell() string {
	switch {
	case d.Kind == None:
		return "-"
	case d.Kind == Exact:
		return signed(d.Value)
	case !d.Seen():
		return "none " + plusMinus(d)
	case d.Kind == Spread:
		return fmt.Sprintf("%s to %s", short(d.Low), short(d.High))
	}
	half := max((d.High-d.Low)/2, leastShown)
	return fmt.Sprintf("%s ±%.1f", short(d.Value), half)
}

// Figure is a cost for a table: an exact count, else the median and its range.
func Figure(r result.Record) string {
	if r.Exact() {
		return strconv.FormatFloat(r.Median, 'f', -1, 64)
	}
	return fmt.Sprintf("%.5g (%.5g to %.5g)", r.Median, r.Min, r.Max)
}

// Verdict is the difference in a sentence's words.
func (d Difference) Verdict() string {
	switch {
	case d.Kind == None:
		return "not measured"
	case d.Kind == Exact && d.Value == 0:
		return "no difference, exactly"
	case d.Kind == Exact:
		return fmt.Sprintf("%s %s, exactly", signed(d.Value), plural(d.Unit, d.Value))
	case !d.Seen():
		return fmt.Sprintf("no difference seen, %s %s", plusMinus(d), d.Unit)
	}
	text := fmt.Sprintf("%s %s [%s, %s]", short(d.Value), d.Unit, short(d.Low), short(d.High))
	if d.Kind == Spread {
		return text + ", ranges of one run"
	}
	if d.Unit == result.Cycles && math.Abs(d.Value) < placement+leastShown/2 {
		text += fmt.Sprintf(", no more than the %g that alignment alone makes", placement)
	}
	return text
}

// leastShown is the least interval that is printed.
const leastShown = 0.1

// plusMinus is what a difference that was not seen may be at most.
func plusMinus(d Difference) string {
	return fmt.Sprintf("±%.1f", max(math.Abs(d.Low), math.Abs(d.High), leastShown))
}

func plural(unit string, v float64) string {
	if math.Abs(v) == 1 {
		return strings.TrimSuffix(unit, "s")
	}
	return unit
}

// signed prints an exact difference.
func signed(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if v > 0 {
		return "+" + text
	}
	return text
}

// short prints a measured difference: one digit behind the point says as much
// as there is to say.
func short(v float64) string {
	text := strconv.FormatFloat(v, 'f', 1, 64)
	if text == "-0.0" {
		text = "0.0"
	}
	if v > 0 && text != "0.0" {
		return "+" + text
	}
	return text
}
