package wire

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Results is everything that one run of the guest said about checks and measurements.
type Results struct {
	Checks   []Check   `json:"checks"`
	Measures []Measure `json:"measures"`
	// Events are the results of the events that the guest caused itself.
	Events []Event `json:"-"`
	// Readings are what the readers of the user's RSP found.
	Readings []Reading `json:"-"`
	// Symbols are the functions of the addresses that a debugger has asked about.
	Symbols []Symbol `json:"-"`
	// Vulnerabilities are what a Linux kernel says about its CPU.
	Vulnerabilities []Vulnerability `json:"-"`
	// Info are the lines that are not results.
	Info []string `json:"info,omitempty"`
	// Complete is set if the summary was seen and agrees with the lines.
	Complete bool `json:"-"`
}

// Count returns the number of checks with the outcome, for one variant or, if
// variant is empty, for all.
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

// Machine returns the machine that the guest has described, which it does only on Linux.
func (r *Results) Machine() (Machine, bool) {
	for _, info := range r.Info {
		_, text, _ := strings.Cut(info, ": ")
		if m, err := ParseMachine(text); err == nil {
			return m, true
		}
	}
	return Machine{}, false
}

// Parse reads a whole console of the guest. Lines of samples are for
// [NewReader]; here they are only checked. An error names the line: a damaged one,
// or a summary that does not agree with the lines before it.
func Parse(console string) (*Results, error) {
	r := &Results{}
	in := NewReader("console", strings.NewReader(console))
	for {
		line, err := in.Next()
		if err == io.EOF {
			return r, nil
		}
		if err == nil {
			err = r.add(line)
			if err != nil {
				err = fmt.Errorf("%s: %w", in.At(), err)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *Results) add(line Line) error {
	switch l := line.(type) {
	case Check:
		r.Checks = append(r.Checks, l)
	case Measure:
		r.Measures = append(r.Measures, l)
	case Reading:
		r.Readings = append(r.Readings, l)
	case Event:
		r.Events = append(r.Events, l)
	case Symbol:
		r.Symbols = append(r.Symbols, l)
	case Vulnerability:
		r.Vulnerabilities = append(r.Vulnerabilities, l)
	case Info:
		r.Info = append(r.Info, string(l))
		return nil
	case Summary:
		seen := Summary{len(r.Checks), r.Count("", Fail) + r.Count("", Error), r.Count("", Skip)}
		if seen != l {
			return fmt.Errorf("the guest counts %d tests, %d bad, %d skipped; its lines are %d, %d, %d",
				l.Tests, l.Bad, l.Skipped, seen.Tests, seen.Bad, seen.Skipped)
		}
		r.Complete = true
		return nil
	default:
		return nil
	}
	if r.Complete {
		return fmt.Errorf("a result after the summary: %v", line)
	}
	return nil
}
