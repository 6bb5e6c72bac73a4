package measure

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/lines"
)

func TestExplaining(t *testing.T) {
	none := [layout.CountedEvents]uint64{}
	for _, tt := range []struct {
		name string
		id   identity
		want [layout.CountedEvents]uint64
	}{
		{"Skylake", identity{vendor: "GenuineIntel", signature: 0x506e3}, sandyBridge},
		{"Ice Lake server", identity{vendor: "GenuineIntel", signature: 0x606a6}, sandyBridge},
		{"Alder Lake", identity{vendor: "GenuineIntel", signature: 0x90672}, goldenCove},
		{"Alder Lake's small core", identity{vendor: "GenuineIntel", signature: 0x90672, atom: true}, none},
		{"Sapphire Rapids", identity{vendor: "GenuineIntel", signature: 0x806f8}, goldenCove},
		{"Nehalem", identity{vendor: "GenuineIntel", signature: 0x106a5}, none},
		{"Pentium 4", identity{vendor: "GenuineIntel", signature: 0xf4a}, none},
		{"Zen 2", identity{vendor: "AuthenticAMD", signature: 0x830f10}, zen2},
		{"Zen 3", identity{vendor: "AuthenticAMD", signature: 0xa20f10}, zen2},
		{"Zen 4", identity{vendor: "AuthenticAMD", signature: 0xa10f11, perfMonV2: true}, zen4},
		{"Zen 5", identity{vendor: "AuthenticAMD", signature: 0xb40f40, perfMonV2: true}, zen4},
		{"Piledriver", identity{vendor: "AuthenticAMD", signature: 0x600f20}, none},
		{"another", identity{vendor: "CentaurHauls", signature: 0x506e3}, none},
	} {
		got, ok := tt.id.explaining()
		if got != tt.want || ok != (tt.want != none) {
			t.Errorf("%s: %#x, %v", tt.name, got, ok)
		}
	}
}

func TestExplained(t *testing.T) {
	for _, tt := range []struct {
		name   string
		counts [layout.CountedEvents]uint64
		want   [layout.CountedEvents]bool
	}{
		{"all", [layout.CountedEvents]uint64{1000, 4100, 90}, [layout.CountedEvents]bool{true, true, true}},
		{"none", [layout.CountedEvents]uint64{}, [layout.CountedEvents]bool{}},
		{"another event by the first number", [layout.CountedEvents]uint64{3, 4100, 90}, [layout.CountedEvents]bool{false, true, false}},
	} {
		if got := explained(tt.counts, 1000); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestPrintedCounters: a stream's lines are those of the counters that the CPU has.
func TestPrintedCounters(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    sampling
		want []string
	}{
		{"no counters", sampling{}, []string{wire.CounterTSC}},
		{"no events", sampling{counters: true}, []string{wire.CounterTSC, wire.CounterCycles, wire.CounterInstructions}},
		{
			"two events",
			sampling{counters: true, events: [layout.CountedEvents]bool{true, false, true}},
			[]string{wire.CounterTSC, wire.CounterCycles, wire.CounterInstructions, wire.CounterBlocked, wire.CounterFrontEnd},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			tt.s.p = lines.New(&text)
			st := &stream{label: "v", op: wire.OpNullCall, rounds: 10, per: 1}
			for c := range st.samples {
				st.samples[c] = []uint64{uint64(c)}
			}
			tt.s.print(st)
			in := wire.NewReader("the guest", strings.NewReader(text.String()))
			for _, want := range tt.want {
				line, err := in.Next()
				if s, ok := line.(wire.Series); err != nil || !ok || s.Counter != want {
					t.Errorf("%v (%v), want a series of %s", line, err, want)
				}
			}
			if line, err := in.Next(); err == nil {
				t.Errorf("%v comes behind them", line)
			}
		})
	}
}
