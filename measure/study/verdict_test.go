package study

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
)

// TestVerdict: the answer says yes, no, what it depends on, or that the figures do not
// tell, for each CPU.
func TestVerdict(t *testing.T) {
	around := recordtest.Around
	// measured are the figures of the two variants on one CPU.
	measured := func(cpu string, call, full, cold float64, noise float64) (list []record.Record) {
		for i, v := range []string{base, whole} {
			x := float64(i)
			list = append(list,
				recordtest.Timed(v, nullCall, "SR1", 0, around(50+x*call, noise*(1+x))...),
				recordtest.Timed(v, fullFrame, "SR1", 0, around(80+x*full, 0.1)...),
				recordtest.Timed(v, record.OpSwitchSP, "SR0", 0, around(500+x*cold, 0.1)...))
		}
		for i := range list {
			list[i].Host, list[i].CPU = cpu, cpu
		}
		return list
	}
	counted := func(call, full float64) []record.Record {
		return []record.Record{
			recordtest.Counted(base, nullCall, 42), recordtest.Counted(whole, nullCall, 42+call),
			recordtest.Counted(base, fullFrame, 66), recordtest.Counted(whole, fullFrame, 66+full),
		}
	}
	for _, tt := range []struct {
		name    string
		records []record.Record
		want    string
		figure  string // of the first verdict
	}{
		{"free", measured("A", 0, 0, 0, 0.1), "Yes: an ordinary call: no difference seen (±0.1 cycles); on A by replay", "an ordinary call: no difference seen"},
		{"within alignment", measured("A", 0.9, -2, 0, 0.1), "Yes: an ordinary call: 0.9 cycles dearer, no more than alignment alone makes (95 %: +0.9 to +0.9); on A by replay", "no more than alignment alone makes"},
		{"dearer, and nothing saved", measured("A", 3, 3, 0, 0.1), "No: an ordinary call: 3.0 cycles dearer (95 %: +3.0 to +3.0); on A by replay", "an ordinary call: 3.0 cycles dearer"},
		{"dearer, and too little saved", measured("A", 30, 5, 0, 0.1), "No: an ordinary call: 30.0 cycles dearer (95 %: +30.0 to +30.0); on A by replay", "30.0 cycles dearer"},
		{"calls that save", measured("A", 3, -5, 0, 0.1), "It depends on how many calls need full pt_regs: an ordinary call: 3.0 cycles dearer (95 %: +3.0 to +3.0); on A by replay", "worth it from 38 % of the calls on"},
		{"switches that save", measured("A", 3, 3, -100, 0.1), "It depends on how many thread switches there are for a call: an ordinary call: 3.0 cycles dearer (95 %: +3.0 to +3.0); on A by replay", "100.0 cycles cheaper"},
		{"switches that pay", measured("A", 0, 0, 100, 0.1), "It depends on how many thread switches there are for a call: an ordinary call: no difference seen (±0.1 cycles); on A by replay", "100.0 cycles dearer"},
		{"too far apart", measured("A", 0, 0, 0, 80), "Undecided: an ordinary call: no difference seen (±20.6 cycles); on A by replay", "no difference seen"},
		{"counts", counted(6, -5), "It depends on how many calls need full pt_regs: an ordinary call: 6 instructions dearer, exactly; by instructions alone, as no cycles were measured", "worth it from 55 % of the calls on"},
		{"counts, never", counted(6, 0), "No: an ordinary call: 6 instructions dearer, exactly; by instructions alone, as no cycles were measured", "6 instructions dearer"},
		{"cycles go before counts", slices.Concat(counted(6, 0), measured("A", 0, 0, 0, 0.1)), "Yes: an ordinary call: no difference seen (±0.1 cycles); on A by replay", "no difference seen"},
		{"two that agree", slices.Concat(measured("A", 0, 0, 0, 0.1), measured("B", 0, 0, 0, 0.1)), "Yes, on each of 2 CPUs", "no difference seen"},
		{"two that do not", slices.Concat(measured("A", 0, 0, 0, 0.1), measured("B", 3, 3, 0, 0.1)), "It depends on the CPU, of which 2 were measured", "no difference seen"},
		{"one variant", counted(6, 0)[:1], "Undecided: an ordinary call was not measured both with the change (a)+(b)+(c) and without; by instructions alone, as no cycles were measured", "was not measured"},
		{"nothing", nil, "Undecided: nothing was measured that could tell", "nothing was measured"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := NewPage(Mail(), tt.records, nil).Verdicts()
			if diff := cmp.Diff(tt.want, Answer(list)); diff != "" {
				t.Errorf("(-want +got):\n%s%q", diff, list)
			}
			if figures := strings.Join(list[0].Figures, "\n"); !strings.Contains(figures, tt.figure) {
				t.Errorf("no %q in\n%s", tt.figure, figures)
			}
		})
	}
}

// TestWhoCanAnswer: the answer is by the first engine that has figures of what is asked
// about, be they counts of code that nobody ran.
func TestWhoCanAnswer(t *testing.T) {
	q, err := Find(t.Context(), "fred")
	if err != nil {
		t.Fatal(err)
	}
	from, to := q.change("fred").Ends()
	by := func(of, op string, r record.Record) record.Record {
		r.Engine, r.Op = of, op
		return r
	}
	icount := []record.Record{recordtest.Counted(from, nullCall, 230)} // QEMU has no FRED
	static := []record.Record{by("static", "insns", recordtest.Counted(from, "", 204)), by("static", "insns", recordtest.Counted(to, "", 182))}
	bochs := []record.Record{by("bochs", nullCall, recordtest.Counted(from, nullCall, 230)), by("bochs", nullCall, recordtest.Counted(to, nullCall, 209))}
	for _, tt := range []struct {
		name    string
		records []record.Record
		want    string
	}{
		{"counted in the code", slices.Concat(icount, static), "Yes: a null call without its handler: 22 instructions cheaper, exactly; by instructions alone, as no cycles were measured"},
		{"run", slices.Concat(icount, static, bochs), "Yes: an ordinary call: 21 instructions cheaper, exactly; by instructions alone, as no cycles were measured"},
		{"nobody can", icount, "Undecided: an ordinary call was not measured both with the change fred and without; by instructions alone, as no cycles were measured"},
	} {
		if got := Answer(NewPage(q, tt.records, nil).Verdicts()); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestCyclesOnly: counts do not answer a question that only cycles can.
func TestCyclesOnly(t *testing.T) {
	q, err := Find(t.Context(), "alignment")
	if err != nil {
		t.Fatal(err)
	}
	from, to := q.change("16").Ends()
	p := NewPage(q, []record.Record{recordtest.Counted(from, nullCall, 230), recordtest.Counted(to, nullCall, 230)}, nil)
	if got, want := Answer(p.Verdicts()), "Undecided: only cycles can tell, and none were measured"; got != want {
		t.Errorf("the answer is %q, want %q", got, want)
	}
}

// TestAnswerForPrograms: the verdict is with the figures of the engine that it is by.
func TestAnswerForPrograms(t *testing.T) {
	records := []record.Record{recordtest.Counted(base, nullCall, 42), recordtest.Counted(whole, nullCall, 48)}
	for i, v := range []string{base, whole} {
		r := recordtest.Timed(v, nullCall, "SR1", 0, recordtest.Around(50+3*float64(i), 0.1)...)
		r.Host, r.CPU = "A", "A"
		records = append(records, r)
	}
	got := map[string]string{}
	for _, d := range NewPage(Mail(), records, nil).Document().Data {
		got[d.Engine] = d.Question
		for _, a := range d.Answers {
			got[d.Engine] += " " + a.Worth + " on " + a.CPU
		}
	}
	want := map[string]string{"icount": Mail().Ask, "replay": Mail().Ask + " No on A"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
