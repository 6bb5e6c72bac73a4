package bisect

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/table"
)

// Result is the outcome of a search: First, or else Possible.
type Result struct {
	// Config is this program's on this machine.
	Config     table.Config `json:"config"`
	Series     string       `json:"series"`
	Repository string       `json:"repository"`
	// Steps begin with the good and the bad revision.
	Steps []Step `json:"steps"`
	// First is the first commit with another value, nil if it was not found. Before is
	// its parent with the good value, nil if no parent has a value.
	First  *Step `json:"first"`
	Before *Step `json:"before,omitempty"`
	// Possible are the commits among which the first one is, if all but the last
	// were skipped.
	Possible []Commit `json:"possible,omitempty"`
	// Files are the files that First changed.
	Files []string `json:"files,omitempty"`
	// Code is the difference between the listings of the path, if the path is generated;
	// SameCode is set if there is none.
	Code     []string `json:"code,omitempty"`
	SameCode bool     `json:"same_code,omitempty"`
}

// has reports whether a commit has that verdict.
func (r *Result) has(id string, v Verdict) bool {
	return slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Commit.ID == id && s.Verdict == v })
}

// String returns the step in a line.
func (s Step) String() string {
	value := "-"
	if s.Value != nil {
		value = s.Value.String()
	}
	text := fmt.Sprintf("%-7s  %.12s  %-18s  %s", s.Verdict, s.Commit.ID, value, s.Commit.Subject)
	if s.Detail != "" {
		text += " (" + short(s.Detail) + ")"
	}
	return text
}

// short returns a text in one line, cut if it is too long.
func short(text string) string {
	const most = 300
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > most {
		return string(line[:most]) + "..."
	}
	return string(line)
}

// Formats are the formats of Write.
var Formats = []string{"text", "json", "csv"}

// Write prints the result in one of Formats. The text format leaves out the steps, and
// CSV has them alone.
func (r *Result) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "csv":
		return r.csv(w)
	}
	var b strings.Builder
	r.text(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// csv writes a row for each step, in the order in which they were made.
func (r *Result) csv(w io.Writer) error {
	t := &table.Table{Head: []string{"commit", "verdict", "value", "subject", "detail"}}
	for _, s := range r.Steps {
		value := ""
		if s.Value != nil {
			value = s.Value.String()
		}
		t.Add(s.Commit.ID, string(s.Verdict), value, s.Commit.Subject, s.Detail)
	}
	d := table.Document{Blocks: []table.Block{{Table: t}}}
	return d.Write(w, "csv")
}

// mostFiles is how many files the text names.
const mostFiles = 20

func (r *Result) text(b *strings.Builder) {
	if r.First == nil {
		fmt.Fprintf(b, "\nNot found: only skipped commits are left. The first with another value of %s is one of\n", r.Series)
		for _, c := range r.Possible {
			fmt.Fprintf(b, "  %.12s  %s\n", c.ID, c.Subject)
		}
		return
	}
	c, good, bad := r.First.Commit, r.Steps[0], r.Steps[1]
	fmt.Fprintf(b, "\n%s: %s before and %s since\n\ncommit %s\nAuthor: %s\nDate:   %s\n\n    %s\n\n",
		r.Series, good.Value, r.First.Value, c.ID, c.Author, c.Date, c.Subject)
	for i, f := range r.Files {
		if i == mostFiles {
			fmt.Fprintf(b, "and %d more files\n", len(r.Files)-i)
			break
		}
		fmt.Fprintln(b, f)
	}
	switch {
	case r.Before == nil:
		fmt.Fprint(b, "\nNone of its parents has a value, so there is no code to compare with.\n")
	case r.SameCode:
		fmt.Fprint(b, "\nThe code of the path is the same.\n")
	case len(r.Code) > 0:
		fmt.Fprintf(b, "\nWhat changed in the code of the path:\n\n%s\n", strings.Join(r.Code, "\n"))
	}
	if *bad.Value != *r.First.Value {
		fmt.Fprintf(b, "\nIt changed again later: it is %s at %.12s. From %.12s on, another search finds that.\n", bad.Value, bad.Commit.ID, c.ID)
	}
}
