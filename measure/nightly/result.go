package nightly

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/table"
)

// Result is the outcome of a night.
type Result struct {
	Night string `json:"night"`
	// Config is the configuration of this program on this machine.
	Config table.Config `json:"config"`
	// Store is the name of the history.
	Store    string          `json:"store"`
	Machine  string          `json:"machine"`
	Build    string          `json:"build"`
	Cells    []Done          `json:"cells"`
	Findings []judge.Finding `json:"findings"`
}

// Bad reports whether something is wrong: a cell could not be done, or a check fails, a
// count changed or a figure is worse and nobody has accepted that.
func (r *Result) Bad() bool {
	return slices.ContainsFunc(r.Findings, judge.Finding.Bad)
}

// Crashed returns the cells that could not be done.
func (r *Result) Crashed() []Done {
	var all []Done
	for _, c := range r.Cells {
		if c.Outcome == Crash {
			all = append(all, c)
		}
	}
	return all
}

// Verdict returns the result in one sentence.
func (r *Result) Verdict() string {
	fresh, still, environment := 0, 0, 0
	for _, f := range r.Findings {
		switch {
		case f.What == judge.Environment && !f.Still:
			environment++
		case f.Bad() && f.Still:
			still++
		case f.Bad():
			fresh++
		}
	}
	text := "Nothing new"
	switch {
	case fresh > 0 && still > 0:
		text = fmt.Sprintf("%s, and %d from before that nobody accepted", findings(fresh, "new finding"), still)
	case fresh > 0:
		text = findings(fresh, "new finding")
	case still > 0:
		text = "Nothing new, and " + findings(still, "finding") + " from before that nobody accepted"
	}
	if environment > 0 {
		text += ", but the environment changed (" + findings(environment, "figure") + ")"
	}
	return fmt.Sprintf("%s in %s.", text, r.counted())
}

func findings(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// counted says how many cells there were, and how many ended in which outcome.
func (r *Result) counted() string {
	counts := map[string]int{}
	for _, c := range r.Cells {
		counts[c.Outcome]++
	}
	var parts []string
	for _, o := range []struct{ outcome, words string }{{Fail, "with failed checks"}, {Crash, "that crashed"}, {Skip, "skipped"}} {
		if n := counts[o.outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.words))
		}
	}
	text := findings(len(r.Cells), "cell")
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

// Formats are the formats of Write.
var Formats = []string{"text", "markdown", "json", "csv", "junit", "tap"}

// Write prints the result in one of Formats.
func (r *Result) Write(w io.Writer, format string) error {
	switch format {
	case "markdown":
		return r.markdown(w)
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "csv":
		return r.csv(w)
	case "junit":
		return r.junit(w)
	case "tap":
		return r.tap(w)
	}
	return r.text(w)
}

func (r *Result) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Night %s on %s: %s\n", r.Night, r.Machine, r.Verdict())
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	for _, c := range r.Cells {
		if c.Outcome == Crash || c.Outcome == Skip {
			fmt.Fprintf(&b, "  %s: %s: %s\n", strings.ToLower(c.Outcome), c.Cell, firstLine(c.Detail))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Night %s\n\n%s\n", r.Night, r.Verdict())
	if len(r.Findings) > 0 {
		b.WriteString("\n| what | series | since | detail |\n|---|---|---|---|\n")
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(f.Title()), cell(f.Series), f.Since, cell(f.Words()))
		}
	}
	var other []Done
	for _, c := range r.Cells {
		if c.Outcome == Crash || c.Outcome == Skip {
			other = append(other, c)
		}
	}
	if len(other) > 0 {
		b.WriteString("\n| cell | | why |\n|---|---|---|\n")
		for _, c := range other {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(c.Cell), c.Outcome, cell(firstLine(c.Detail)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// csv writes a row for each cell and then one for each finding, which has no outcome.
func (r *Result) csv(w io.Writer) error {
	t := &table.Table{Head: []string{"cell", "outcome", "seconds", "finding", "series", "since", "detail"}}
	for _, c := range r.Cells {
		t.Add(c.Cell, c.Outcome, fmt.Sprintf("%.3f", c.Seconds), "", "", "", c.Detail)
	}
	for _, f := range r.Findings {
		t.Add(f.Cell, "", "", f.Title(), f.Series, f.Since, f.Words())
	}
	d := table.Document{Blocks: []table.Block{{Table: t}}}
	return d.Write(w, "csv")
}

// cell makes text fit into a table of Markdown.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// byCell returns the findings of each cell.
func (r *Result) byCell() map[string][]judge.Finding {
	all := map[string][]judge.Finding{}
	for _, f := range r.Findings {
		all[f.Cell] = append(all[f.Cell], f)
	}
	return all
}

// bad returns the bad findings of a cell, one a line.
func bad(all []judge.Finding) string {
	var lines []string
	for _, f := range all {
		if f.Bad() {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, "\n")
}

// junit writes JUnit's XML: a case for each cell, which fails if a finding is bad.
func (r *Result) junit(w io.Writer) error {
	suite := junit.Testsuite{Name: "entrylab nightly " + r.Night, Hostname: r.Machine}
	findings := r.byCell()
	total := 0.0
	for _, c := range r.Cells {
		engine, rest, _ := strings.Cut(c.Cell, " ")
		one := junit.Testcase{Name: rest, Classname: engine, Time: fmt.Sprintf("%.3f", c.Seconds)}
		total += c.Seconds
		switch lines := bad(findings[c.Cell]); {
		case c.Outcome == Crash:
			one.Error = &junit.Result{Message: firstLine(c.Detail), Data: c.Detail}
		case c.Outcome == Skip:
			one.Skipped = &junit.Result{Message: c.Detail}
		case lines != "":
			first, _, _ := strings.Cut(lines, "\n")
			one.Failure = &junit.Result{Message: first, Data: lines}
		}
		suite.AddTestcase(one)
	}
	suite.Time = fmt.Sprintf("%.3f", total)
	if when, err := time.Parse(time.DateOnly, r.Night); err == nil {
		suite.SetTimestamp(when)
	}
	var all junit.Testsuites
	all.AddSuite(suite)
	return all.WriteXML(w)
}

// tap writes the Test Anything Protocol, version 13: a line for each cell.
func (r *Result) tap(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 13\n1..%d\n", len(r.Cells))
	findings := r.byCell()
	for i, c := range r.Cells {
		name := strings.ReplaceAll(c.Cell, "#", "")
		lines := bad(findings[c.Cell])
		switch {
		case c.Outcome == Skip:
			fmt.Fprintf(&b, "ok %d - %s # SKIP %s\n", i+1, name, firstLine(c.Detail))
		case c.Outcome == Crash:
			fmt.Fprintf(&b, "not ok %d - %s\n# %s\n", i+1, name, firstLine(c.Detail))
		case lines != "":
			fmt.Fprintf(&b, "not ok %d - %s\n# %s\n", i+1, name, strings.ReplaceAll(lines, "\n", "\n# "))
		default:
			fmt.Fprintf(&b, "ok %d - %s\n", i+1, name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
