package study

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/stubs"
)

// Names of variants in the mail's question.
const (
	base  = "linux-3.19"
	whole = "heukelum-v2"
	floor = wire.Floor

	nullCall  = wire.OpNullCall
	fullFrame = wire.OpFullFrameCall
)

func TestPlan(t *testing.T) {
	q := Mail()
	list := q.Variants()
	names := map[string]bool{}
	for _, n := range list {
		names[n.Name] = true
	}
	if list[0].Name != base || !list[len(list)-1].Axes.Bare {
		t.Errorf("the first is %s, the last %s", list[0].Name, list[len(list)-1].Name)
	}
	for _, letters := range []string{"", "+a", "+b", "+c", "+a+b", "+a+c", "+b+c", "+a+b+c"} {
		n, err := stubs.ParseVariant(base + letters)
		if err != nil || !names[n.Name] {
			t.Errorf("%s is not measured (%v)", base+letters, err)
		}
	}
	for _, c := range q.Changes {
		if _, to := c.Ends(); strings.Contains(q.Title(to), "=") {
			t.Errorf("%s: %s has no title", c.Key, q.Title(to))
		}
	}
}

// rung returns the record of a rung of a ladder.
func rung(form, kind string, more, run int, reads, half float64) record.Record {
	r := recordtest.Timed(engine.Control, fmt.Sprintf("ladder: %d more, %s", more, kind), form, run, reads)
	r.Samples, r.Axes, r.Batches = nil, "", 10
	r.Interval = &record.Interval{Low: reads - half, High: reads + half, Level: 0.95}
	return r
}

// TestStep: where several rungs of a ladder read as a replayed difference does, it
// is said to be a step, and elsewhere it is not.
func TestStep(t *testing.T) {
	for _, tt := range []struct {
		name       string
		difference float64
		rungs      []float64 // what 1, 2 and 6 stores more read as
		cell, says string
	}{
		{"a step", 1, []float64{1, 0.2, 1.1}, "step +1.0", "a step of the fence: 1 or 6 stores more read the same"},
		{"each counts", 1, []float64{1, 2, 6}, "+1.0 ±0.1", "alignment"},
		{"no ladder", 1, nil, "+1.0 ±0.1", "alignment"},
		{"not seen", 0, []float64{0, 0, 0}, "none ±0.1", ", nor of 1, 2 or 6 stores more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []record.Record
			for run := range 3 {
				all = append(all, recordtest.Timed(base, nullCall, "SR1", run, recordtest.Around(100, 0)...), recordtest.Timed(whole, nullCall, "SR1", run, recordtest.Around(100+tt.difference, 0)...))
				for i, reads := range tt.rungs {
					reads += 0.1 * float64(run-1)
					all = append(all, rung("SR1", "store", []int{1, 2, 6}[i], run, reads, 0.1), rung("SR0", "instruction", []int{1, 2, 6}[i], run, 1, 0))
				}
			}
			p := NewPage(Mail(), all, nil)
			d := p.Difference(analysis.Column{Engine: "replay", Form: "SR1"}, base, whole, nullCall)
			if got := d.Cell().Text; got != tt.cell {
				t.Errorf("the cell is %q, want %q", got, tt.cell)
			}
			if !strings.Contains(d.Verdict(), tt.says) || !strings.Contains(d.Words(), tt.says) {
				t.Errorf("the verdict is %q, in words %q, want %q", d.Verdict(), d.Words(), tt.says)
			}
			if got := p.Certainty("replay"); strings.Contains(got, "step:") != (tt.cell == "step +1.0") {
				t.Errorf("the legend is %q", got)
			}
			if n := len(p.Checks()); n > 0 {
				t.Errorf("%d controls where there are ladders alone", n)
			}
		})
	}
}

func TestAgreement(t *testing.T) {
	figure := Published{Unit: record.Cycles, Low: 1.5, High: 2.5}
	cycles := func(low, high float64) analysis.Difference {
		return analysis.Difference{Kind: analysis.Interval, Unit: record.Cycles, Value: (low + high) / 2, Low: low, High: high}
	}
	for _, tt := range []struct {
		name string
		p    Published
		d    analysis.Difference
		want string
	}{
		{"inside", figure, cycles(1.9, 2.1), "agrees"},
		{"near", figure, cycles(0.9, 1.1), "agrees within the 1 cycle that alignment alone makes"},
		{"far", figure, cycles(4, 5), "disagrees"},
		{"other unit", figure, analysis.Difference{Kind: analysis.Exact, Unit: record.Instructions, Value: 2, Low: 2, High: 2}, ""},
		{"not measured", figure, analysis.Difference{Unit: record.Cycles}, ""},
		{
			"counts have no slack",
			Published{Unit: record.Instructions, Low: 10, High: 10},
			analysis.Difference{Kind: analysis.Exact, Unit: record.Instructions, Value: 9, Low: 9, High: 9},
			"disagrees",
		},
	} {
		if got := tt.p.agreement(tt.d); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// sample returns a study's records with made-up figures.
func sample() []record.Record {
	list := Mail().Variants()
	var records []record.Record
	for i, n := range list {
		for j, op := range []string{nullCall, fullFrame, "thread-switch-yield"} {
			if n.Axes.Bare && j > 0 {
				continue
			}
			records = append(records, recordtest.Counted(n.Name, op, float64(40+20*j+i)))
		}
		for f, form := range []string{"SR1", "N0"} {
			records = append(records, recordtest.Timed(n.Name, nullCall, form, 0, recordtest.Around(50+0.5*float64(i)+float64(f), 0.2)...))
		}
		if !n.Axes.Bare {
			records = append(records, recordtest.Timed(n.Name, fullFrame, "SR1", 0, recordtest.Around(80-0.5*float64(i), 0.2)...))
			records = append(records, recordtest.Timed(n.Name, "switch-cold-sp", "SR0", 0, recordtest.Around(400-20*float64(i), 3)...))
		}
	}
	control := recordtest.Timed(engine.Control, "A/A of null-call, truth +0", "SR1", 0, -0.02, 0.01, 0.05)
	control.Samples, control.Axes = nil, ""
	control.Interval = &record.Interval{Low: -0.02, High: 0.05, Level: 0.95}
	return append(records, control)
}

func TestPage(t *testing.T) {
	var b bytes.Buffer
	p := NewPage(Mail(), sample(), []engine.Skipped{{Engine: "kvm", Reason: "not available here: no /dev/kvm"}})
	if err := p.Document().Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	// What differs in the code changes with the code.
	code := regexp.MustCompile(`(?m)^    code: (.*\n(?:        .*\n)*)`)
	if first := code.FindString(b.String()); !strings.Contains(first, "entry_SYSCALL_64 -4 +4") || !strings.Contains(strings.Join(strings.Fields(first), " "), "entrylab diff linux-3.19 linux-3.19+a lists them") {
		t.Errorf("the code of (a) differs by %q", first)
	}
	golden.Same(t, filepath.Join("testdata", "page.txt"), code.ReplaceAllString(b.String(), "    code: …\n"))
	for line := range strings.Lines(b.String()) {
		if len([]rune(line)) > 130 {
			t.Errorf("wider than a terminal: %s", line)
		}
	}
	if err := p.Document().Write(failing{}, "text"); err == nil {
		t.Error("a writer that fails is no error")
	}
}

// TestConfirms: an emulator that counts the same is told in a line; one that
// counts otherwise has a table.
func TestConfirms(t *testing.T) {
	var second []record.Record
	for _, r := range sample() {
		if r.Engine == "icount" {
			r.Engine, r.Emulator = "bochs", "Bochs 2.7"
			second = append(second, r)
		}
	}
	for _, tt := range []struct {
		name string
		add  float64
		want bool
	}{{"same", 0, true}, {"one more", 1, false}} {
		second[0].Median += tt.add
		second[0].Max = second[0].Median
		var b bytes.Buffer
		if err := NewPage(Mail(), append(sample(), second...), nil).Document().Write(&b, "text"); err != nil {
			t.Fatal(err)
		}
		same := strings.Contains(b.String(), "bochs: the same differences as icount, every one")
		if table := strings.Contains(b.String(), "bochs: difference in"); same != tt.want || table == tt.want {
			t.Errorf("%s: told in a line %v, in a table %v", tt.name, same, table)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestBootsPage: a page of boots has differences with intervals, controls and
// calibration, and none of these if the controls fail or boots are few.
func TestBootsPage(t *testing.T) {
	for _, row := range []struct {
		name        string
		boots       int
		again, dose float64
		want        []string
	}{
		{"good", 20, 0, 1, []string{
			"kvm: difference in cycles", "(a)+(b)+(c)   +2.0 ±0.1", "agrees",
			"kvm control, 20 boots: +1 cycle of null-call, truth +1: +1.00", "kvm control, 20 boots: A/A of null-call",
			"kvm calibration: core cycles of a tick: 1.28 to 1.28 cycles", "kvm calibration: resolution of the time-stamp counter: 0 to 0 ticks", "kvm: 20 boots, each with the entry paths at other addresses at random",
			"heukelum-v2 instead of linux-3.19, kvm: from 50 % of the calls on",
		}},
		{"A/A is off", 20, 1, 1, []string{"kvm: these boots are refused: A/A reads +1.00 ±0.00 cycles over 20 boots, want 0 ±0.3; nothing"}},
		{"what to do", 20, 1, 1, []string{"nothing can be said about the variants. These boots stay in the results file: entrylab study -resume=false takes new ones, or another -o does"}},
		{"no dose", 20, 0, 0, []string{"kvm: these boots are refused: +1 cycle reads +0.00 ±0.00 cycles over 20 boots, want 1 ±0.3; A/A reads +0.00 ±0.00, so noise is not the reason; nothing"}},
		{"few", 7, 0, 1, []string{"kvm: 7 whole boots: want at least 8"}},
	} {
		var records []record.Record
		axes := map[string]string{base: "sp=percpu", whole: "sp=frame", floor: "bare"}
		for i := range row.boots {
			b := cyclestest.Pretended(i+1, row.again, row.dose)
			records = append(records, b.Records(axes, recordtest.Day)...)
		}
		var page bytes.Buffer
		if err := NewPage(Mail(), records, nil).Document().Write(&page, "text"); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(page.String()), " ")
		for _, want := range row.want {
			if !strings.Contains(text, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s: no %q in:\n%s", row.name, want, page.String())
			}
		}
		if row.name != "good" && strings.Contains(text, "difference in") {
			t.Errorf("%s: figures are shown:\n%s", row.name, page.String())
		}
		if (row.again != 0 || row.dose != 1) != strings.Contains(text, "-resume=false") {
			t.Errorf("%s: new boots are advised where there is no noise, or not where there is:\n%s", row.name, page.String())
		}
		if strings.Contains(text, "-again") || strings.Contains(text, "-calibration") {
			t.Errorf("%s: the machinery is shown as a variant:\n%s", row.name, page.String())
		}
	}
}
