// Package wire is the lines that the guest prints on the serial port and the
// host reads: checks with their outcomes, and measurements.
package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Outcome is what became of a check.
type Outcome string

// The outcomes: FAIL means that the stub is wrong, ERROR that the harness is.
const (
	Pass  Outcome = "PASS"
	Fail  Outcome = "FAIL"
	Skip  Outcome = "SKIP"
	Error Outcome = "ERROR"
)

// Check is one verified property.
type Check struct {
	Outcome Outcome `json:"outcome"`
	// Name is "variant: group: check".
	Name string `json:"name"`
	// Detail is what is wrong, or why there is no verdict.
	Detail string `json:"detail,omitempty"`
}

// Variant is the part of the name that names the variant.
func (c Check) Variant() string {
	v, _, _ := strings.Cut(c.Name, ": ")
	return v
}

// Measure is one operation measured under one variant. The values are ticks of
// the time-stamp counter for one operation, the loop around it subtracted.
type Measure struct {
	Variant string  `json:"variant"`
	Op      string  `json:"op"`
	N       int     `json:"n"`       // operations in a batch
	Batches int     `json:"batches"` // batches measured
	Min     float64 `json:"min"`
	Median  float64 `json:"median"`
	Max     float64 `json:"max"`
	// Agree is the share of the batches that gave exactly the median.
	Agree float64 `json:"agree"`
}

// Exact reports whether the median is an exact count: an integer that most
// batches agree on.
func (m Measure) Exact() bool { return m.Median == float64(int64(m.Median)) && m.Agree > 0.5 }

// Results is all that one run of the guest said.
type Results struct {
	Checks   []Check   `json:"checks"`
	Measures []Measure `json:"measures"`
	// Info are the lines that are no result.
	Info []string `json:"info,omitempty"`
	// Complete is set if the summary was seen and agrees with the lines.
	Complete bool `json:"-"`
}

// Count returns the number of checks with the outcome, of one variant or, if
// variant is empty, of all.
func (r *Results) Count(variant string, o Outcome) int {
	n := 0
	for _, c := range r.Checks {
		if c.Outcome == o && (variant == "" || c.Variant() == variant) {
			n++
		}
	}
	return n
}

// Find returns the measurement of an operation.
func (r *Results) Find(variant, op string) (Measure, bool) {
	i := slices.IndexFunc(r.Measures, func(m Measure) bool { return m.Variant == variant && m.Op == op })
	if i < 0 {
		return Measure{}, false
	}
	return r.Measures[i], true
}

// Parse reads the guest's console. Lines of other kinds are left out; a line
// that begins as a result and cannot be read is an error, since a result must
// not get lost.
func Parse(console string) (*Results, error) {
	r := &Results{}
	n := 0
	for line := range strings.Lines(console) {
		n++
		line = strings.TrimRight(line, "\r\n")
		word, rest, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		switch o := Outcome(word); o {
		case Pass, Fail, Skip, Error:
			name, detail, _ := strings.Cut(rest, " (")
			r.Checks = append(r.Checks, Check{o, name, strings.TrimSuffix(detail, ")")})
			continue
		}
		switch word {
		case "INFO":
			r.Info = append(r.Info, rest)
		case "MEASURE":
			m, err := parseMeasure(rest)
			if err != nil {
				return nil, fmt.Errorf("console line %d: %w: %q", n, err, line)
			}
			r.Measures = append(r.Measures, m)
		case "SUMMARY":
			var tests, bad, skipped int
			if _, err := fmt.Sscanf(rest, "%d tests, %d unexpected failures, %d skipped", &tests, &bad, &skipped); err != nil {
				return nil, fmt.Errorf("console line %d: %w: %q", n, err, line)
			}
			seen := [3]int{len(r.Checks), r.Count("", Fail) + r.Count("", Error), r.Count("", Skip)}
			if want := [3]int{tests, bad, skipped}; seen != want {
				return nil, fmt.Errorf("console line %d: the guest counts %d tests, %d bad, %d skipped; its lines are %d, %d, %d",
					n, want[0], want[1], want[2], seen[0], seen[1], seen[2])
			}
			r.Complete = true
		}
	}
	return r, nil
}

// parseMeasure reads the key=value words of a measurement. All must be there.
func parseMeasure(text string) (Measure, error) {
	var m Measure
	num := func(p *float64) func(string) error {
		return func(s string) (err error) { *p, err = strconv.ParseFloat(s, 64); return }
	}
	count := func(p *int) func(string) error {
		return func(s string) (err error) { *p, err = strconv.Atoi(s); return }
	}
	str := func(p *string) func(string) error {
		return func(s string) error { *p = s; return nil }
	}
	var unit string
	keys := map[string]func(string) error{
		"variant": str(&m.Variant), "op": str(&m.Op), "unit": str(&unit),
		"n": count(&m.N), "batches": count(&m.Batches),
		"min": num(&m.Min), "median": num(&m.Median), "max": num(&m.Max), "agree": num(&m.Agree),
	}
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		set, ok := keys[key]
		if !ok {
			return m, fmt.Errorf("unknown or repeated word %q", word)
		}
		delete(keys, key)
		if err := set(value); err != nil {
			return m, fmt.Errorf("word %q: %w", word, err)
		}
	}
	for key := range keys {
		return m, fmt.Errorf("no %s=", key)
	}
	if unit != "ticks" {
		return m, fmt.Errorf("unit %q: want ticks", unit)
	}
	return m, nil
}
