package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// word is one key=value of a line. What at points to is the value, and its type
// is how that is written:
//
//	*string      as it is; it is not empty and holds no space
//	*phrase      spaces as underscores, the empty string as "-"
//	*int         decimal, not negative
//	*uint64      decimal
//	*hex         hexadecimal
//	*float64     decimal, exact; finite
//	*hundredths  decimal, two digits behind the point
//	*bool        true or false
//	*Quantiles   the first, then each one's distance from the one before
//	constant     itself
//
// One list of words serves to print a line and to parse it.
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

// printWords is the words with a space between them.
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

// parseWords sets the values of words, in whatever order they stand in the text.
// Each must be there once, and nothing else.
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
