package wire

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Object returns the line as a JSON object, for the file of results that a machine leaves on
// its medium; empty for lines that are for people or for a debugger. It has the line's kind
// and, by their names, its words: texts with spaces, hexadecimal numbers as texts, quantiles
// themselves. The member crc is the sum of the line, not of the object.
func Object(line Line) string {
	switch l := line.(type) {
	case Check:
		o := newObject(string(l.Outcome))
		o.text("name", l.Name)
		if l.Detail != "" {
			o.text("detail", l.Detail)
		}
		return o.end()
	case Measure:
		return newObject(KindMeasure).words(l.words()).end()
	case Proof:
		o := newObject(KindProof)
		o.text("variant", l.Variant)
		o.text("verdict", l.Verdict)
		return o.sum(l.text()).end()
	case Sampling:
		return newObject(KindSampling).words(l.words()).sum(printWords(l.words())).end()
	case Series:
		return newObject(KindSample).words(l.words()).sum(printWords(l.words())).end()
	case Singles:
		return newObject(KindSingles).words(l.words()).sum(printWords(l.words())).end()
	case SamplingEnd:
		return newObject(KindSampling).words(l.words()).sum(printWords(l.words())).end()
	case Summary:
		return newObject(KindSummary).words([]word{{"tests", &l.Tests}, {"failures", &l.Bad}, {"skipped", &l.Skipped}}).end()
	}
	return ""
}

// object is one that is not complete yet.
type object struct{ b []byte }

func newObject(kind string) *object {
	o := &object{b: []byte("{")}
	o.text("kind", kind)
	return o
}

func (o *object) end() string { return string(append(o.b, '}')) }

func (o *object) key(name string) {
	if len(o.b) > 1 {
		o.b = append(o.b, ',')
	}
	o.b = append(quoted(o.b, name), ':')
}

func (o *object) text(key, value string) {
	o.key(key)
	o.b = quoted(o.b, value)
}

func (o *object) sum(text string) *object {
	o.text("crc", fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))))
	return o
}

func (o *object) words(words []word) *object {
	for _, w := range words {
		switch at := w.at.(type) {
		case *string:
			o.text(w.key, *at)
		case *phrase:
			o.text(w.key, string(*at))
		case *hex:
			o.text(w.key, strconv.FormatUint(uint64(*at), 16))
		case constant:
			o.text(w.key, string(at))
		case *Quantiles:
			o.key(w.key)
			for i, q := range at {
				o.b = strconv.AppendUint(append(o.b, "[,"[min(i, 1)]), q, 10)
			}
			o.b = append(o.b, ']')
		default: // numbers and truths, as they are in a line
			o.key(w.key)
			_, value, _ := strings.Cut(printWords([]word{w}), "=")
			o.b = append(o.b, value...)
		}
	}
	return o
}

// quoted appends a string of JSON (RFC 8259, 7). The library's encoder is large, and the
// guest prints nothing else with it.
func quoted(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text { // what is no UTF-8 comes out as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}
