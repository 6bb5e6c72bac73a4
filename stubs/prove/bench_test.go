package prove

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// longer returns linux-4.1 with code of so many instructions before the call of the
// handler: straight, or a loop.
func longer(tb testing.TB, name string, items ...asm.Item) *subject {
	n, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		tb.Fatal(err)
	}
	n.Name, n.Edit = name, broken.Edit(stubs.Entry, asm.MOVQ(asm.R10, asm.RCX), append(items, asm.MOVQ(asm.R10, asm.RCX))...)
	return subjectOf(tb, n)
}

// straight returns code of so many instructions, whose results depend on each other.
func straight(instructions int) []asm.Item {
	return slices.Repeat([]asm.Item{
		asm.ADDQ(asm.RDI, asm.R11), asm.ROLQ(7, asm.R11), asm.XORQ(asm.RSI, asm.R11), asm.MOVQ(asm.R11, asm.RSP.At(-8)),
		asm.MOVQ(asm.RSP.At(-8), asm.R11),
	}, instructions/5)
}

// turns returns a loop of so many turns.
func turns(n int) []asm.Item {
	return []asm.Item{asm.MOVL(uint32(n), asm.RCX), asm.LABEL("turn"), asm.DECL(asm.RCX), asm.JNE("turn")}
}

// BenchmarkLong proves straight code and loops: the time for an instruction is to be
// the same in code of any length.
func BenchmarkLong(b *testing.B) {
	for _, tt := range []struct {
		name  string
		steps int
		items []asm.Item
	}{
		{"straight-1000", 1000, straight(1000)},
		{"straight-10000", 10_000, straight(10_000)},
		{"straight-40000", 40_000, straight(40_000)},
		{"turns-1000", 2000, turns(1000)},
		{"turns-10000", 20_000, turns(10_000)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s := longer(b, "long", tt.items...)
			var m *machine
			for b.Loop() {
				m = s.prove(false)
			}
			if m.refuted {
				b.Error("it is refuted")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(m.steps), "ns/instruction")
			b.ReportMetric(float64(m.steps), "instructions")
		})
	}
}
