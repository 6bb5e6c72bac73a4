package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// records returns a whole study's, with made-up figures: exact counts, and cycles of 500
// placements in four forms.
func records(t testing.TB) []record.Record {
	t.Helper()
	list := study.Mail().Variants()
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	counts := record.Config{Build: "devel", Code: "c0de", Engine: "icount", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU"}
	cycles := record.Config{Build: "devel", Code: "c0de", Engine: "replay", Machine: "host", CPU: "a CPU", Host: "a CPU", Microcode: "0x1"}
	var all []record.Record
	for i, n := range list {
		axes := n.Axes.String()
		for j, op := range slices.Concat(record.Operations, record.Phases) {
			if n.Axes.Bare && j > 0 {
				continue
			}
			x := float64(20 + 20*j + i)
			all = append(all, record.New(counts, wire.Measure{Variant: n.Name, Op: op.Op, N: 500, Batches: 15, Min: x, Median: x, Max: x, Agree: 1},
				axes, record.Instructions, 0, day))
		}
		for f, form := range []string{"SR1", "SR0", "N0", "D0"} {
			for j, op := range slices.Concat([]record.Operation{{Op: "null-call"}, {Op: "full-frame-call"}}, record.Switches) {
				var samples []*float64
				for k := range 500 {
					x := 50 + float64(j*60) + 0.3*float64(i*f) + math.Sin(float64(k*(i+1)))
					samples = append(samples, &x)
				}
				r := record.New(cycles, wire.Measure{Variant: n.Name, Op: op.Op, N: 1, Batches: 500, Min: 1, Median: 500, Max: 999}, axes, record.Cycles, 0, day)
				r.Form, r.Samples = form, samples
				all = append(all, r)
			}
		}
	}
	linux := all[0]
	linux.Variant, linux.Axes, linux.Code, linux.Median, linux.Max = "Linux 6.1.0-cloud-amd64, mitigations=off", "", "vmlinuz", 322, 400
	return append(all, linux)
}

// once is the report that most tests look at.
var once struct {
	sync.Once
	text string
}

// written returns the report of the records, written once for all tests.
func written(t testing.TB) string {
	t.Helper()
	once.Do(func() { once.text = write(t) })
	return once.text
}

// write writes the report of the records.
func write(t testing.TB) string {
	t.Helper()
	all := records(t)
	var b bytes.Buffer
	r := Report{
		Page: study.NewPage(study.Mail(), all, nil), Records: all, Files: []string{"results <one>.jsonl"},
		Notes: []string{"a note"},
	}
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWrite looks for all parts, and for anything that would need a network or
// that the template could not fill.
func TestWrite(t *testing.T) {
	text := written(t)
	for _, want := range []string{
		"2 January 2026 03:04 UTC", "results &lt;one&gt;.jsonl", "a note", "(a)&#43;(b)&#43;(c)", "microcode 0x1", "Linux 6.1.0-cloud-amd64",
		`<svg role="img" aria-label="replay: what a change costs: null call (getppid)"`, "var(--c1)", "Linux 4.1, commit 29722cd4ef66", "never", "PUSHQ",
		"USER_DS", "by the fix-up", "no room", "ring 3", "proved", "difference in cycles. ± is half the 95 % interval of the mean, over 500 placements in 1 process;",
		"icount: difference in instructions. Exact counts", "QEMU 7.2.22", "<p><b>Ordinary call: ", ">rsp-forwards</th>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, bad := range []string{"@import", "<link rel=\"stylesheet", "<img", "ZgotmplZ", "<no value>", ">NaN", "%!"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report has %q", bad)
		}
	}
	for _, url := range regexp.MustCompile(`https?://[^"' <]+`).FindAllString(text, -1) {
		if !strings.HasPrefix(url, "http://www.w3.org/") { // a namespace is a name
			t.Errorf("the report refers to %s", url)
		}
	}
	if n := strings.Count(text, "<svg "); n != 9 {
		t.Errorf("%d plots, want 9", n)
	}
	again := write(t)
	if diff := cmp.Diff(text, again); diff != "" {
		t.Errorf("the same results give another report:\n%s", diff)
	}
}

// TestCountsOnce: the counts of a whole call are shown once, whether or not the
// results have them.
func TestCountsOnce(t *testing.T) {
	call := count.Phases[slices.IndexFunc(count.Phases, func(p count.Phase) bool { return p.Name == "call" })]
	entry := count.Phases[0]
	static := record.Config{Build: "devel", Code: "c0de", Engine: "static", Machine: "none", CPU: "any", Host: "a CPU"}
	var counted []record.Record
	for i, name := range []string{"linux-3.19", "heukelum-v2"} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		x := float64(5 + i)
		counted = append(counted, record.New(static, wire.Measure{Variant: n.Name, Op: "loads", N: 1, Batches: 1, Min: x, Median: x, Max: x, Agree: 1},
			n.Axes.String(), record.Loads, 0, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
	}
	for _, row := range []struct {
		name    string
		records []record.Record
		figures int // tables among the figures
		code    int // among the counts of the code
	}{{"not measured", nil, 0, 1}, {"measured", counted, 1, 0}} {
		var b strings.Builder
		if err := (Report{Page: study.NewPage(study.Mail(), row.records, nil), Records: row.records}).Write(&b); err != nil {
			t.Fatal(err)
		}
		text := html.UnescapeString(b.String())
		for _, c := range []struct {
			caption string
			want    int
		}{{"<caption>static: difference in ", row.figures}, {"<caption>" + call.Title, row.code}, {"as the engine static has them", row.figures}, {"<caption>" + entry.Title, 1}} {
			if n := strings.Count(text, c.caption); n != c.want {
				t.Errorf("%s: %q is there %d times, want %d", row.name, c.caption, n, c.want)
			}
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWriteFails(t *testing.T) {
	if err := (Report{Page: study.NewPage(study.Mail(), records(t), nil)}).Write(failing{}); err == nil {
		t.Error("a writer that fails is no error")
	}
}

// TestSlots: the picture shows what the variants differ in.
func TestSlots(t *testing.T) {
	var variants []stubs.Axes
	for _, name := range study.Mail().Framed() {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		variants = append(variants, n.Axes)
	}
	var frame table.Table
	frames(&frame, variants)
	at := func(slot, variant string) table.Cell {
		for _, r := range frame.Rows {
			if r.Cells[1].Text == slot {
				return r.Cells[2+slices.Index(study.Mail().Framed(), variant)]
			}
		}
		t.Fatalf("no slot %s", slot)
		return table.Cell{}
	}
	for _, tt := range []struct {
		slot, variant string
		want          table.Cell
	}{
		{"sp", "linux-3.19", table.Cell{Text: "by the fix-up", Class: "lazy"}},
		{"sp", "linux-3.19+a", table.Cell{Text: "+ user RSP", Class: "new"}},
		{"sp", "linux-3.19+b", table.Cell{Text: "by the fix-up", Class: "lazy"}},
		{"cs", "heukelum-v2", table.Cell{Text: "+ USER_CS", Class: "new"}},
		{"ip", "heukelum-v2", table.Cell{Text: "user RIP", Class: ""}},
		{"di", "heukelum-v2", table.Cell{Text: "RDI", Class: ""}},
		{"r8", "heukelum-v2", table.Cell{Text: "R8", Class: ""}},
		{"r15", "linux-3.19", table.Cell{Text: "no room", Class: "soft"}},
		{"r15", "linux-4.1", table.Cell{Text: "room", Class: "soft"}},
	} {
		if got := at(tt.slot, tt.variant); got != tt.want {
			t.Errorf("%s of %s is %v, want %v", tt.slot, tt.variant, got, tt.want)
		}
	}
	if first := frame.Rows[0].Cells; first[0].Text != "+160" || first[1].Text != "ss" {
		t.Errorf("the first row is %s at %s", first[1].Text, first[0].Text)
	}
}

// TestSides: both variants stand side by side; what only one has is marked, and
// beside an instruction is what the proof knows.
func TestSides(t *testing.T) {
	text := written(t)
	_, text, _ = strings.Cut(text, "linux-3.19 → linux-3.19&#43;a ")
	text, _, _ = strings.Cut(text, "</details>")
	for _, want := range []string{
		`<tr><td class="gone"><del><code>MOVQ PerCPU.RSPScratch(GS), RSP</code> <span class="known"><span class="reg">RSP = user.RSP or 5 others</span> </span></del></td>` +
			`<td class="come"><ins><code>MOVQ PtRegs.SP(RSP), RSP</code> <span class="known"><span class="reg">RSP = user.RSP or 5 others</span> </span></ins></td></tr>`,
		`<tr><td></td><td class="come"><ins><code>MOVQ RCX, PtRegs.SP(RSP)</code> <span class="known"><span class="slot">sp = user.RSP</span> </span></ins></td></tr>`,
		`<tr class="same"><td><div><code>MOVQ RDI, PtRegs.DI(RSP)</code> <span class="known"><span class="slot">di = user.RDI</span> </span></div></td>`,
		`<tr class="same"><td><div><b>sysret_check:</b></div></td><td><div><b>sysret_check:</b></div></td></tr>`,
		`Differ, too: stub_clone (−4 +0 instructions)`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the listings lack %s", want)
		}
	}
	if strings.Contains(text, ".linux-3.19") {
		t.Error("the variants' names stand in the listings, and so each call differs")
	}
}

// TestNotListed: a variant that this build does not have, or has with other
// axes, keeps its figures and has no listing; the report says why.
func TestNotListed(t *testing.T) {
	all := records(t)
	for i := range all {
		switch all[i].Variant {
		case "linux-3.19+b":
			all[i].Axes = "sp=other"
		case "linux-4.1":
			all[i].Variant, all[i].Axes = "linux-99", "sp=elsewhere"
		case "bare":
			all[i].Variant, all[i].Axes = "linux-6.12", "sp=frame"
		}
	}
	var b bytes.Buffer
	if err := (Report{Page: study.NewPage(study.Mail(), all, nil), Records: all}).Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		`<th scope="row">linux-99</th><td><button type="button" popovertarget="source-`,
		"linux-99 is not listed: not known to this entrylab; its axes were sp=elsewhere",
		"linux-6.12 is not listed: not among the variants that this entrylab",
		"linux-3.19&#43;b is not listed: its axes were sp=other; under this name this entrylab builds sp=percpu,flags=flags",
		"mitigations=off is not listed: a kernel that entrylab did not generate",
		"linux-3.19 → linux-3.19&#43;c ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(text, "linux-3.19 → linux-3.19&#43;b ") {
		t.Error("the listing of a variant with other axes is shown")
	}
}

// TestUnanswered: results that have some of the changes only answer those.
func TestUnanswered(t *testing.T) {
	some := slices.DeleteFunc(records(t), func(r record.Record) bool { return r.Variant != "linux-3.19" && r.Variant != "linux-3.19+b" })
	var b bytes.Buffer
	if err := (Report{Page: study.NewPage(study.Mail(), some, nil), Records: some}).Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if n := strings.Count(text, `<section class="answer">`); n != 1 || !strings.Contains(text, "<h3>(b) ") {
		t.Errorf("%d answers, want that of (b)", n)
	}
	if want := "In these results no engine ran a call of (a), (b) Linux, (c), (a)&#43;(b), (a)&#43;(b)&#43;(c), push, Linux 4.1, IRETQ, opportunistic."; !strings.Contains(text, want) {
		t.Errorf("the report lacks %q", want)
	}
}

// TestNumbers: the report of a question about numbers has a plot of the way to the
// handler.
func TestNumbers(t *testing.T) {
	q, err := study.Find(t.Context(), "dispatch")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (Report{Page: study.NewPage(q, nil, nil)}).Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`aria-label="The way to the handler, by the call&#39;s number"`, ">6.12, table</text>", ">6.12, tree</text>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
}

// TestTails: the report has the tails of single operations, where these were timed.
func TestTails(t *testing.T) {
	all := records(t)
	const caption = "replay: what the slowest of single operations took above the median one, in cycles."
	for _, tailed := range []bool{false, true} {
		for i := range all {
			if r := &all[i]; tailed && r.Engine == "replay" && r.Op == "null-call" && r.Form == "SR1" {
				r.Tail = &record.Tail{P99: 12, P999: 345, Most: 6789, N: 2000}
			}
		}
		list := engines(study.NewPage(study.Mail(), all, nil), &sources{page: study.NewPage(study.Mail(), all, nil), ids: map[sourceKey]int{}})
		i := slices.IndexFunc(list, func(s section) bool { return s.Name == "replay" })
		if got := list[i].Tails; (got != nil) != tailed {
			t.Errorf("tails %v: the table is %v", tailed, got)
		} else if tailed && (got.Caption != caption || got.Rows[0].Cells[4].Text != "+6789") {
			t.Errorf("the table is %+v", got)
		}
	}
}

// TestRuns: figures of several runs are used together, those that were measured
// again are left out and counted, and the time is that of the measuring.
func TestRuns(t *testing.T) {
	first := records(t)
	second := slices.Clone(first)
	for i := range second {
		second[i].Run, second[i].Time = 1, second[i].Time.Add(24*time.Hour)
	}
	for _, tt := range []struct {
		name string
		all  []record.Record
		want []string
	}{
		{"one", first, []string{"measured 2 January 2026 03:04 UTC", "over 500 placements in 1 process;"}},
		{"two", slices.Concat(first, second), []string{"measured 2 January 2026 03:04 to 3 January 2026 03:04 UTC", "over 1000 placements in 2 processes;"}},
		{"twice the same", slices.Concat(first, first), []string{fmt.Sprintf("%d figures that were measured again later", len(first)), "over 500 placements in 1 process;"}},
	} {
		var b bytes.Buffer
		if err := (Report{Page: study.NewPage(study.Mail(), tt.all, nil), Records: tt.all}).Write(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: the report lacks %q", tt.name, want)
			}
		}
	}
}

// BenchmarkReport writes a whole report of a study: at most 0.8 s.
func BenchmarkReport(b *testing.B) {
	all := records(b)
	for b.Loop() {
		r := Report{Page: study.NewPage(study.Mail(), all, nil), Records: all}
		if err := r.Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// TestForestOfZeros: rows none of which differs have a place to be drawn at.
func TestForestOfZeros(t *testing.T) {
	p, err := drawForest([]branch{{name: "a change", text: "0"}}, "title", "caption", "instructions", 0)
	if err != nil {
		t.Fatal(err)
	}
	if svg := string(p.SVG); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("the picture is\n%s", svg)
	}
}
