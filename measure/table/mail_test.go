package table_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/table"
)

// mailOf returns the mail of records of two variants.
func mailOf(t *testing.T, records []record.Record, names []string, engines ...string) (string, []*analysis.Comparison) {
	t.Helper()
	var list []*analysis.Comparison
	for _, e := range engines {
		c, err := analysis.NewSet(records).Compare(e, engine.Outcome{}, names)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	skipped := []engine.Skipped{{Engine: "kvm", Reason: "not available here: the CPU shows neither vmx nor svm, so /dev/kvm is software"}}
	var b bytes.Buffer
	if err := table.Mail(list, skipped, map[string]record.Proof{"linux-3.19": "refuted: of a test"}, append([]string{"entrylab", "bench-mail"}, names...)).Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	return b.String(), list
}

// TestMail: a mail has at most 72 columns, whatever the names and the figures, and the
// figures are those of the comparison.
func TestMail(t *testing.T) {
	const short = "linux-3.19"
	long := "linux-6.12+" + strings.Repeat("buffers=verw+", 12) + "branch=retpoline"
	var records []record.Record
	for i, v := range []string{short, long} {
		x := float64(i)
		varying := recordtest.Counted(v, "fork-exec-exit", 323535.25-35000*x)
		varying.Min, varying.Max, varying.Agree = varying.Median-5000.25, varying.Median+5000.25, 0.1
		records = append(records, varying,
			recordtest.Counted(v, "null-call", 42+6*x), recordtest.Counted(v, "thread-switch-preempted", 123456+x),
			recordtest.Timed(v, "null-call", "SR1", 0, recordtest.Around(100+1234.5*x, 0.3*x)...),
			recordtest.Timed(v, "null-call", "N0", 0, recordtest.Around(100+7*x, 0.3*x)...),
			recordtest.Timed(v, "full-frame-call", "SR1", 0, recordtest.Around(100, 0.3*x)...))
	}
	text, list := mailOf(t, records, []string{short, long}, "icount", "replay")
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > table.MailWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	counted, _ := list[0].Find(long, "null-call")
	timed, _ := list[1].Find(long, "null-call")
	same, _ := list[1].Find(long, "full-frame-call")
	if !timed.Difference.Seen() || same.Difference.Seen() {
		t.Fatalf("the differences are %+v and %+v", timed.Difference, same.Difference)
	}
	d := timed.Difference
	for _, want := range []string{
		fmt.Sprintf("42 48 %+g", counted.Difference.Value),
		fmt.Sprintf("null call %s [%s, %s]", analysis.Short(d.Value), analysis.Short(d.Low), analysis.Short(d.High)),
		"full frame none seen (±", "A: linux-3.19 NOT PROVED: linux-3.19: refuted: of a test", "Host: a CPU, microcode 0x1", "replay: the paths' code in ring 3 of this CPU",
		"40 placements in turn, intervals of 95 %", "exact: the same in every run, but for those with ~, medians of samples that differ", "fork, exec ~323535.25 ~288535.25 -35000.0", "kvm: no figures: not available here", "To reproduce:",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if exact, _ := mailOf(t, records[1:2], []string{short, short}, "icount"); strings.Contains(exact, "~") {
		t.Errorf("a count that is the same in every sample is marked in\n%s", exact)
	}
	if strings.Contains(text, "+7.0") {
		t.Errorf("another form's figure is in\n%s", text)
	}
	// A shell puts the lines of the command together again.
	_, command, _ := strings.Cut(text, "To reproduce:\n\n")
	if got, want := strings.Join(strings.Fields(strings.ReplaceAll(command, "\\\n", "")), " "), "entrylab bench-mail "+short+" "+long; got != want {
		t.Errorf("the command is %q, want %q", got, want)
	}
}

// TestMailNoisy: a figure that cannot be trusted is not there.
func TestMailNoisy(t *testing.T) {
	var records []record.Record
	for i, v := range []string{"linux-3.19", "linux-4.1"} {
		for _, op := range []string{"null-call", "full-frame-call"} {
			records = append(records, recordtest.Timed(v, op, "SR1", 0, recordtest.Around(100+5*float64(i), 0)...))
		}
	}
	again := recordtest.Timed(engine.Control, engine.ControlOp(engine.Again, "full-frame-call", 0), "SR1", 0, recordtest.Around(9, 0)...)
	again.Axes = ""
	text, _ := mailOf(t, append(records, again), []string{"linux-3.19", "linux-4.1"}, "replay")
	if !strings.Contains(text, "too noisy") || strings.Count(text, "+5.0 [") != 1 {
		t.Errorf("the mail is\n%s", text)
	}
}
