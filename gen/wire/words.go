package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// word is one key=value of a line. at points to the value, and the type it points to
// determines how the value is written:
//
//	*string      as it is; not empty and without a space
//	*phrase      spaces as underscores, the empty string as "-"
//	*int         decimal, not negative
//	*uint64      decimal
//	*hex         hexadecimal
//	*float64     decimal, exact; finite
//	*hundredths  decimal, two digits after the point
//	*bool        true or false
//	*Quantiles   the first, then the distance of each from the one before
//	constant     itself
//
// The same list of words prints a line and parses it.
type word struct {
	key string
	at  any
}

type (
	phrase     string
	hex        uint64
	hundredths float64
	constant   string
)

// printWords returns the words with a space between them.
func printWords(words []word) string {
	var b []byte
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, w.key...)
		b = append(b, '=')
		switch at := w.at.(type) {
		case *string:
			b = append(b, *at...)
		case *phrase:
			b = append(b, underscored(string(*at))...)
		case *int:
			b = strconv.AppendInt(b, int64(*at), 10)
		case *uint64:
			b = strconv.AppendUint(b, *at, 10)
		case *hex:
			b = strconv.AppendUint(b, uint64(*at), 16)
		case *float64:
			b = strconv.AppendFloat(b, *at, 'f', -1, 64)
		case *hundredths:
			b = strconv.AppendFloat(b, float64(*at), 'f', 2, 64)
		case *bool:
			b = strconv.AppendBool(b, *at)
		case *Quantiles:
			b = at.appendTo(b)
		case constant:
			b = append(b, at...)
		}
	}
	return string(b)
}

func underscored(text string) string {
	if text == "" {
		return "-"
	}
	return strings.ReplaceAll(text, " ", "_")
}

// parseWords sets the values of words, in whatever order they come in the text.
// Each must be there exactly once, and nothing else may be.
func parseWords(text string, words []word) error {
	seen := make([]bool, len(words))
next:
	for _, text := range strings.Fields(text) {
		key, value, _ := strings.Cut(text, "=")
		for i, w := range words {
			if w.key == key && !seen[i] {
				seen[i] = true
				if err := w.set(value); err != nil {
					return fmt.Errorf("word %q: %w", text, err)
				}
				continue next
			}
		}
		return fmt.Errorf("unknown or repeated word %q", text)
	}
	for i, w := range words {
		if !seen[i] {
			return fmt.Errorf("no %s=", w.key)
		}
	}
	return nil
}

func (w word) set(text string) (err error) {
	switch at := w.at.(type) {
	case *string:
		*at = text
	case *phrase:
		*at = phrase(strings.ReplaceAll(text, "_", " "))
		if text == "-" {
			*at = ""
		}
	case *int:
		var n uint64
		n, err = strconv.ParseUint(text, 10, 31)
		*at = int(n)
	case *uint64:
		*at, err = strconv.ParseUint(text, 10, 64)
	case *hex:
		var n uint64
		n, err = strconv.ParseUint(text, 16, 64)
		*at = hex(n)
	case *float64:
		*at, err = parseFloat(text)
	case *hundredths:
		var x float64
		x, err = parseFloat(text)
		*at = hundredths(math.Round(x*100) / 100)
	case *bool:
		switch text {
		case "true", "false":
			*at = text == "true"
		default:
			err = errors.New("want true or false")
		}
	case *Quantiles:
		err = at.parse(text)
	case constant:
		if text != string(at) {
			err = fmt.Errorf("want %s", string(at))
		}
	}
	if text == "" {
		return errors.New("no value")
	}
	return err
}

func parseFloat(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		err = errors.New("no number")
	}
	return x, err
}
