package cycles

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
)

// objectsBegin is how a file of a machine's results begins (wire.Object).
const objectsBegin = `{"kind":`

// IsResults reports whether a file that begins so has the results that a machine has left on
// its medium.
func IsResults(head []byte) bool { return bytes.HasPrefix(head, []byte(objectsBegin)) }

// withoutObjects reads lines, and turns those that are JSON objects of the guest into its
// lines on a console, of which they hold the sums. Others stay as they are.
type withoutObjects struct {
	in   *bufio.Reader
	left []byte // of a line
}

func (w *withoutObjects) Read(p []byte) (int, error) {
	for len(w.left) == 0 {
		line, err := w.in.ReadSlice('\n')
		if len(line) == 0 && err != nil && err != bufio.ErrBufferFull {
			return 0, err
		}
		w.left = append(w.left, consoleLine(line)...)
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

// consoleLine returns an object as the guest's line. One that is cut short stays a line of its
// kind, as the reader must know that something was there.
func consoleLine(object []byte) []byte {
	if !IsResults(object) {
		return object
	}
	var kind, variant, verdict, crc string
	var words []string
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	_, err := d.Token()
	for err == nil && d.More() {
		var key json.Token
		var value any
		if key, err = d.Token(); err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			break
		}
		switch text := wordOf(value); key {
		case "kind":
			kind = text
		case "crc":
			crc = " crc=" + text
		case "variant":
			variant, _ = value.(string)
			words = append(words, "variant="+text)
		case "verdict":
			verdict, _ = value.(string)
		default:
			words = append(words, key.(string)+"="+text)
		}
	}
	if err == nil {
		_, err = d.Token() // the object's end
	}
	if err == nil && d.More() {
		err = errors.New("the line goes on behind the object")
	}
	text := strings.Join(words, " ")
	if kind == wire.KindProof {
		text = variant + ": " + verdict
	}
	if err != nil {
		crc = "" // without which no line of samples is whole
	}
	return []byte(kind + ": " + text + crc + "\n")
}

// wordOf returns a value as it is in a word of a line.
func wordOf(value any) string {
	switch v := value.(type) {
	case string:
		if v == "" {
			return "-"
		}
		return strings.ReplaceAll(v, " ", "_")
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any: // quantiles, each as its distance from the one before
		var steps []string
		last := uint64(0)
		for _, x := range v {
			n, _ := strconv.ParseUint(wordOf(x), 10, 64) // what is none does not give the sum
			steps = append(steps, strconv.FormatUint(n-last, 10))
			last = n
		}
		return strings.Join(steps, ",")
	}
	return ""
}
