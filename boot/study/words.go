package study

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/boot/result"
)

// Cell is the difference for a table: the figure, and its interval if it has
// one.
func (d Difference) Cell() string {
	switch {
	case d.Kind == None:
		return "-"
	case d.Kind == Exact:
		return signed(d.Value)
	case !d.Seen():
		return "none seen, " + plusMinus(d)
	case d.Kind == Spread:
		return fmt.Sprintf("%s (%s to %s)", short(d.Value), short(d.Low), short(d.High))
	}
	return fmt.Sprintf("%s [%s, %s]", short(d.Value), short(d.Low), short(d.High))
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
	if d.Unit == result.Cycles && math.Abs(d.Value) < placement {
		text += fmt.Sprintf(", less than the %g that alignment alone makes", placement)
	}
	return text
}

// plusMinus is what a difference that was not seen may be at most.
func plusMinus(d Difference) string {
	return "±" + strings.TrimPrefix(short(max(math.Abs(d.Low), math.Abs(d.High))), "+")
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
	if v > 0 {
		return "+" + text
	}
	return text
}
