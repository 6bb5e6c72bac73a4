package analysis

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

const (
	kernelA = "Linux 6.12.1, build 11111111, quiet, mitigations=auto"
	kernelB = "Linux 6.12.1, build 22222222, quiet, mitigations=auto"
)

// twoKernels returns two kernels that are booted A B B A, B costing so much more.
func twoKernels(more, apart float64) cyclestest.Kernels {
	return cyclestest.Kernels{
		Names: []string{kernelA, kernelB}, Costs: []float64{300, 300 + more}, Boots: []int{0, 1, 1, 0}, Apart: apart, Within: 0.3, One: 1,
	}
}

func runningOf(k cyclestest.Kernels, seed uint64) (*Running, error) {
	return NewRunning(slices.Concat(k.Records(rand.New(rand.NewPCG(seed, 1)))...))
}

// TestRunning: a difference above the noise floor is a figure, one below it is none.
func TestRunning(t *testing.T) {
	for _, row := range []struct {
		more, apart float64
		want        string
	}{
		{8, 0.2, "cycles dearer (noise floor "},
		{-8, 0.2, "cycles cheaper (noise floor "},
		{0, 0.2, "no difference above the noise floor of "},
		{4, 20, "no difference above the noise floor of "},
	} {
		r, err := runningOf(twoKernels(row.more, row.apart), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Headline(1); !strings.HasPrefix(got, "Linux 6.12.1, build 22222222 against Linux 6.12.1, build 11111111, null call: ") || !strings.Contains(got, row.want) {
			t.Errorf("%+g cycles: %s, want %q", row.more, got, row.want)
		}
		if want := "4 boots in the order A B B A, 32 processes"; r.Sequence() != want {
			t.Errorf("%s, want %s", r.Sequence(), want)
		}
		if len(r.Rows) != 2 || r.Rows[1].Above(1) || r.Rows[0].Again() <= 0 {
			t.Errorf("rows are %+v", r.Rows)
		}
	}
}

// TestRunningCoverage: of two kernels that cost the same, one boot order in twenty or less
// reads a difference, however noisy the machine is between boots; and a machine that
// drifts does not make one of A B B A.
func TestRunningCoverage(t *testing.T) {
	const comparisons = 100
	for _, k := range []cyclestest.Kernels{
		twoKernels(0, 0.5), twoKernels(0, 5),
		{Names: []string{kernelA, kernelB}, Costs: []float64{300, 300}, Boots: []int{0, 1, 1, 0, 0, 1, 1, 0}, Apart: 2, Within: 0.3, One: 1},
		{Names: []string{kernelA, kernelB}, Costs: []float64{300, 300}, Boots: []int{0, 1, 1, 0}, Apart: 0.5, Drift: 3, Within: 0.3, One: 1},
	} {
		wrong := 0
		for seed := range comparisons {
			r, err := runningOf(k, uint64(seed))
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows[0].Above(1) {
				wrong++
			}
		}
		if share := float64(wrong) / comparisons; share > 0.12 { // 0.05, and what 100 leave to chance
			t.Errorf("%d boots, %g apart: %.3f of the comparisons read a difference that is not there", len(k.Boots), k.Apart, share)
		}
	}
}

// TestRunningThree: each kernel is held against the first, and words that only some were
// booted with are named.
func TestRunningThree(t *testing.T) {
	k := twoKernels(8, 0.1)
	k.Names = append(k.Names, "Linux 6.12.1, build 11111111, mitigations=off")
	k.Costs, k.Boots = append(k.Costs, 250), []int{0, 1, 2, 2, 1, 0}
	r, err := runningOf(k, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := "[Linux 6.12.1, build 11111111, quiet, mitigations=auto Linux 6.12.1, build 22222222, quiet, mitigations=auto Linux 6.12.1, build 11111111, mitigations=off]"
	if fmt.Sprint(r.Kernels) != want || !strings.Contains(r.Headline(2), "cheaper") || !r.Rows[0].Above(1) {
		t.Errorf("%v\n%s", r.Kernels, r.Headline(2))
	}
}

// TestRunningBad: what cannot tell kernels apart is refused in a sentence.
func TestRunningBad(t *testing.T) {
	for name, row := range map[string]struct {
		edit func(*cyclestest.Kernels)
		want string
	}{
		"one kernel":          {func(k *cyclestest.Kernels) { k.Boots = []int{0, 0, 0} }, "all boots are of one kernel"},
		"one boot of the one": {func(k *cyclestest.Kernels) { k.Boots = []int{0, 1, 1} }, "1 boot of Linux 6.12.1, build 11111111: want at least 2"},
		"one of the other":    {func(k *cyclestest.Kernels) { k.Boots = []int{0, 1, 0} }, "1 boot of Linux 6.12.1, build 22222222: want at least 2"},
		"one after the other": {func(k *cyclestest.Kernels) { k.Boots = []int{0, 0, 1, 1} }, "in the order A A B B: a machine that becomes faster"},
		"the control is off":  {func(k *cyclestest.Kernels) { k.One = 0 }, "+1 cycle reads"},
		"processes differ":    {func(k *cyclestest.Kernels) { k.Within = 20 }, "A/A reads"},
	} {
		k := twoKernels(8, 0.2)
		row.edit(&k)
		if _, err := runningOf(k, 1); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q", name, err, row.want)
		}
	}
	records := slices.Concat(twoKernels(8, 0.2).Records(rand.New(rand.NewPCG(1, 1)))...)
	for i := range records {
		if engine.MachineBoot(records[i].Run) > 2 {
			records[i].Microcode = "0x2"
		}
	}
	if _, err := NewRunning(records); err == nil || !strings.Contains(err.Error(), "different machines") {
		t.Errorf("of two machines: error is %v", err)
	}
	lost := slices.DeleteFunc(slices.Clone(records), func(r record.Record) bool { return r.Variant == kernelA })
	if _, err := NewRunning(lost); err == nil || !strings.Contains(err.Error(), "has figures of 0 kernels, want 1") {
		t.Errorf("without a kernel's figures: error is %v", err)
	}
	for i := range records {
		records[i].Engine = "kvm"
	}
	if _, err := NewRunning(records); err == nil || !strings.Contains(err.Error(), "engine kvm: these figures are not of a kernel that ran on the machine itself") {
		t.Errorf("of another engine: error is %v", err)
	}
	records = slices.Concat(twoKernels(8, 0.2).Records(rand.New(rand.NewPCG(1, 1)))...)
	if s := NewSet(records); len(s.Refused) != 2 || !strings.Contains(s.Refused[0].Reason, "compare -from") {
		t.Errorf("beside other engines: refused is %+v", s.Refused)
	}
}
