package history

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	json2 "github.com/go-json-experiment/json" // encoding/json would take thrice the time
	"github.com/go-json-experiment/json/jsontext"

	"github.com/entrylab/entrylab/measure/record"
)

// Format marks every entry, and its version.
const Format = "entrylab-history/1"

// Kind says what an entry is.
type Kind string

// The kinds of entries.
const (
	// Count is an exact figure: Values has one.
	Count Kind = "count"
	// Sample is a night's point of a sampled figure: Values has one paired difference
	// for each boot.
	Sample Kind = "sample"
	// Check is the outcome of a check.
	Check Kind = "check"
	// Cell is a cell of the matrix that was done, or that this host could not do.
	Cell Kind = "cell"
	// Accept is a person's word that the series' value of that night is right from
	// then on. Detail is the reason.
	Accept Kind = "accept"
	// Code is a listing of a path's code, in Detail. Series is CodeSeries of its hash.
	Code Kind = "code"
)

var kinds = []Kind{Count, Sample, Check, Cell, Accept, Code}

// CodeSeries names the listing of the code with that hash.
func CodeSeries(hash string) string { return "code " + hash }

// Entry is one thing that a night found. Entries never change.
type Entry struct {
	Format string    `json:"format"`
	Kind   Kind      `json:"kind"`
	Time   time.Time `json:"time"`
	// Night names the run of the matrix that it belongs to, as "2026-11-28". Nights
	// are in the order of their names.
	Night string `json:"night"`
	// Try is above 0 where a suspect was measured again in the same night.
	Try int `json:"try,omitempty"`
	// Series names the series of which the entry is a point, the same every night; for a
	// cell, its name.
	Series string `json:"series"`
	// Machine is the name of the machine that it was found on, and MachineID tells
	// machines of one name apart.
	Machine   string `json:"machine"`
	MachineID string `json:"machine_id"`
	// Control is set for a sample whose true value is known, such as a variant compared
	// with itself: a step of it is the machine's.
	Control bool `json:"control,omitempty"`
	// Values are one figure for a count and one for each boot of a sample, in Unit.
	Values []float64 `json:"values,omitempty"`
	Unit   string    `json:"unit,omitempty"`
	// Outcome is the outcome of a check or of a cell: PASS, FAIL, SKIP or CRASH.
	Outcome string `json:"outcome,omitempty"`
	// Detail says more of an outcome, why a value was accepted, or what the code is.
	Detail string `json:"detail,omitempty"`
	// Build is the entrylab that found it. Stub is a hash of the entry path's code; if
	// the figure is a difference, the base's hash precedes it, with a space between.
	Build string `json:"build,omitempty"`
	Stub  string `json:"stub,omitempty"`
	// Cell is the name of the cell that found it; the cell's own entry has, in Config,
	// what it was measured with.
	Cell   string         `json:"cell,omitempty"`
	Config *record.Config `json:"config,omitempty"`
}

// Key tells entries apart: two with one key are the same point measured twice, of
// which the first counts. A person can accept several values of a night, and code with
// one hash is kept once.
func (e Entry) Key() [16]byte {
	words := []string{string(e.Kind), e.Night, strconv.Itoa(e.Try), e.Series}
	switch e.Kind {
	case Accept:
		words = append(words, e.Time.UTC().Format(time.RFC3339Nano))
	case Code:
		words = []string{string(e.Kind), e.Series}
	}
	text := make([]byte, 0, 256) // most need no more, and so no heap memory
	for i, w := range words {
		if i > 0 {
			text = append(text, 0)
		}
		text = append(text, w...)
	}
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// compare defines the order of entries in all stores: by night, by time, and then by
// key.
func (e Entry) compare(o Entry) int {
	if c := cmp.Or(strings.Compare(e.Night, o.Night), e.Time.Compare(o.Time)); c != 0 {
		return c
	}
	a, b := e.Key(), o.Key()
	return bytes.Compare(a[:], b[:])
}

// errVersion ends the error about an entry that another version of entrylab wrote.
var errVersion = errors.New("use the newer entrylab")

// check says what is wrong with an entry.
func (e Entry) check() error { return cmp.Or(e.checkWords(), e.checkValues()) }

// checkWords says what is wrong with everything but the values.
func (e Entry) checkWords() error {
	if e.Format != Format {
		if strings.HasPrefix(e.Format, "entrylab-history/") {
			return fmt.Errorf("it is of another version, %q, and this entrylab knows %q: %w", e.Format, Format, errVersion)
		}
		return fmt.Errorf(`"format" is %q, want %q`, e.Format, Format)
	}
	for _, f := range []struct{ key, value string }{{"night", e.Night}, {"series", e.Series}, {"machine", e.Machine}, {"machine_id", e.MachineID}} {
		if f.value == "" {
			return fmt.Errorf("no %q", f.key)
		}
	}
	switch {
	case !slices.Contains(kinds, e.Kind):
		return fmt.Errorf(`"kind" is %q, want one of %v`, e.Kind, kinds)
	case e.Time.IsZero():
		return errors.New(`no "time"`)
	case (e.Kind == Count || e.Kind == Sample) && !slices.Contains(record.Units, e.Unit):
		return fmt.Errorf(`"unit" is %q, want one of %s`, e.Unit, strings.Join(record.Units, ", "))
	case (e.Kind == Check || e.Kind == Cell) && e.Outcome == "":
		return errors.New(`no "outcome"`)
	case e.Kind == Accept && e.Detail == "":
		return errors.New("accepted without a reason")
	case e.Kind == Code && e.Detail == "":
		return errors.New("no listing")
	}
	return nil
}

// checkValues says what is wrong with the values.
func (e Entry) checkValues() error {
	switch {
	case e.Kind == Count && len(e.Values) != 1:
		return fmt.Errorf("a count has %d values, want 1", len(e.Values))
	case e.Kind == Sample && len(e.Values) == 0:
		return errors.New("a sample without values")
	}
	for _, v := range e.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%v is not a figure", v)
		}
	}
	return nil
}

// line returns the entry as a line of a file, which is also its form in databases.
func (e Entry) line() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", e.Kind, e.Series, err)
	}
	b, err := json.Marshal(e)
	return append(b, '\n'), err
}

// parseWords reads a line without its values, whose figures take the most time.
func parseWords(line []byte) (Entry, error) {
	var e struct {
		Entry
		Values jsontext.Value `json:"values"`
	}
	if err := json2.Unmarshal(line, &e); err != nil {
		return e.Entry, err
	}
	return e.Entry, e.Entry.checkWords()
}

// parse reads a line.
func parse(line []byte) (Entry, error) {
	var e Entry
	if err := json2.Unmarshal(line, &e); err != nil {
		return e, err
	}
	return e, e.check()
}
