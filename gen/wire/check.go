package wire

import (
	"errors"
	"fmt"
	"strings"
)

// Outcome is the outcome of a check.
type Outcome string

// The outcomes: FAIL means that the stub is wrong, ERROR that the harness failed.
const (
	Pass  Outcome = "PASS"
	Fail  Outcome = "FAIL"
	Skip  Outcome = "SKIP"
	Error Outcome = "ERROR"
)

// Exit statuses of the guest.
const (
	ExitPass  = 0
	ExitFail  = 1 // at least one FAIL
	ExitError = 2 // at least one ERROR, or nothing was checked or measured
)

// Check is one verified property.
type Check struct {
	Outcome Outcome `json:"outcome"`
	// Name is "variant: group: check". It contains no " (".
	Name string `json:"name"`
	// Detail is what is wrong, or why there is no verdict.
	Detail string `json:"detail,omitempty"`
}

// Variant returns the part of the name that names the variant.
func (c Check) Variant() string {
	v, _, _ := strings.Cut(c.Name, ": ")
	return v
}

func (c Check) String() string {
	text := string(c.Outcome) + ": " + oneLine(c.Name)
	if c.Detail != "" {
		text += " (" + oneLine(c.Detail) + ")"
	}
	return text
}

func parseCheck(o Outcome, text string) (Line, error) {
	name, detail, ok := strings.Cut(text, " (")
	if name == "" {
		return nil, errors.New("no name")
	}
	if ok {
		whole := false
		if detail, whole = strings.CutSuffix(detail, ")"); !whole {
			return nil, errors.New("the line is cut off: its detail has no end")
		}
	}
	return Check{o, name, detail}, nil
}

// Info is a text for a person to read.
type Info string

func (i Info) String() string { return KindInfo + ": " + oneLine(string(i)) }

// Summary is the guest's last line: how many checks it printed, how many of them
// with FAIL or ERROR, and how many with SKIP.
type Summary struct{ Tests, Bad, Skipped int }

const summaryFormat = "%d tests, %d unexpected failures, %d skipped"

func (s Summary) String() string {
	return KindSummary + ": " + fmt.Sprintf(summaryFormat, s.Tests, s.Bad, s.Skipped)
}

func parseSummary(text string) (Line, error) {
	var s Summary
	if _, err := fmt.Sscanf(text, summaryFormat, &s.Tests, &s.Bad, &s.Skipped); err != nil || s.String() != KindSummary+": "+text {
		return nil, fmt.Errorf("%q: want as in %q", text, fmt.Sprintf(summaryFormat, 12, 1, 2))
	}
	if min(s.Tests, s.Bad, s.Skipped) < 0 {
		return nil, errors.New("a count is negative")
	}
	return s, nil
}
