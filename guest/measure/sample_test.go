package measure

import (
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
)

// TestHostSample samples on the kernel under the test, and reads the lines as the
// host does: a beginning, series that agree with it, and the end.
func TestHostSample(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	const samples = 4
	var text strings.Builder
	Sample(lines.New(&text), k, k.Variants, samples, 7, Operations[:1])
	in := wire.NewReader("the guest", strings.NewReader(text.String()))
	var got []wire.Line
	for {
		line, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	begin, ok := got[0].(wire.Sampling)
	if !ok || begin.Seed != 7 || begin.Samples != samples || begin.Code != wire.Linux || begin.Machine != Machine() {
		t.Errorf("the first line is %v", got[0])
	}
	if end, ok := got[len(got)-1].(wire.SamplingEnd); !ok || end.Boot != begin.Boot || end.Lines != len(got)-2 {
		t.Errorf("the last of %d lines is %v", len(got), got[len(got)-1])
	}
	var names []string
	for _, line := range got[1 : len(got)-1] {
		if s, ok := line.(wire.Singles); ok && s.Samples == singles && s.Median > 0 {
			names = append(names, s.Label+" single "+s.Op)
			continue
		}
		s, ok := line.(wire.Series)
		if !ok || s.Samples != samples || s.Counter != wire.CounterTSC || !slices.IsSorted(s.Quantiles[:]) {
			t.Errorf("between them is %v", line)
		}
		names = append(names, s.Label+" "+s.Op)
	}
	want := []string{
		"linux null-call", "-again null-call", "-loop null-call", "linux single null-call",
		"-calibration chain", "-calibration dose-none", "-calibration dose-one", "-calibration clock", "-calibration step",
	}
	if !slices.Equal(names, want) {
		t.Errorf("sampled are %q, want %q", names, want)
	}
}

// TestStolen: samples that the hypervisor took time from are dropped and counted, others
// are taken for them, and a stream of which none is left is skipped.
func TestStolen(t *testing.T) {
	loop := func(int, int) (uint64, error) { return 7, nil }
	for _, tt := range []struct {
		name string
		// takes reports whether the hypervisor takes time from a sample.
		takes         func(sample int) bool
		kept, dropped int
	}{
		{"nothing", func(int) bool { return false }, 6, 0},
		{"of the second and the fifth", func(i int) bool { return i == 1 || i == 4 }, 6, 2},
		{"of all but the last two", func(i int) bool { return i < mostRounds(6)-2 }, 2, mostRounds(6) - 2},
		{"of all", func(int) bool { return true }, 0, mostRounds(6)},
	} {
		var text strings.Builder
		s := &sampling{p: lines.New(&text), k: &control.Kernel{Linux: true}, rng: rand.New(rand.NewPCG(1, 1))}
		var now uint64
		asked := 0 // in front of each sample and behind it
		s.stolen = func() (uint64, error) {
			if asked%2 == 1 && tt.takes(asked/2) {
				now += 1000
			}
			asked++
			return now, nil
		}
		s.interleaved([]*stream{{label: "v", variant: -1, op: wire.OpNullCall, rounds: 1, per: 1, loop: loop}}, 6)
		line, err := wire.ParseLine(strings.TrimSpace(text.String()))
		if err != nil || s.dropped != tt.dropped {
			t.Errorf("%s: %d samples dropped, want %d; printed %q (%v)", tt.name, s.dropped, tt.dropped, text.String(), err)
		}
		switch l := line.(type) {
		case wire.Series:
			if l.Samples != tt.kept || l.Lost != 0 {
				t.Errorf("%s: %v, want %d samples", tt.name, l, tt.kept)
			}
		case wire.Check:
			if tt.kept != 0 || l.Outcome != wire.Skip || l.Detail != allStolen {
				t.Errorf("%s: %v", tt.name, l)
			}
		}
	}
}

func TestQuantiles(t *testing.T) {
	sorted := make([]uint64, 41)
	for i := range sorted {
		sorted[i] = uint64(100 + i)
	}
	for _, row := range []struct {
		name           string
		sorted         []uint64
		low, mid, high uint64
	}{
		{"of many", sorted, 100, 120, 140},
		{"of one", sorted[:1], 100, 100, 100},
		{"of two", sorted[:2], 100, 100, 101},
	} {
		if q := quantiles(row.sorted); q[0] != row.low || q[wire.Parts/2] != row.mid || q[wire.Parts] != row.high {
			t.Errorf("%s: %v, want %d, %d and %d at the ends and in the middle", row.name, q, row.low, row.mid, row.high)
		}
	}
}

func TestCharacters(t *testing.T) {
	for _, row := range []struct {
		name      string
		registers []uint32
		want      string
	}{
		{"vendor", []uint32{0x756e6547, 0x49656e69, 0x6c65746e}, "GenuineIntel"},
		{"zeros behind", []uint32{0x4b4d564b, 0x564b4d56, 0x4d}, "KVMKVMKVM"},
		{"spaces", []uint32{0x20202020, 0x20555043, 0x41202020}, "CPU A"},
		{"nothing", []uint32{0, 0x20202020}, ""},
	} {
		if got := characters(row.registers...); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
