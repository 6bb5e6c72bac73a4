package vmtests

import (
	"bytes"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// BenchmarkFirstByte is the time from starting QEMU to the first byte that a
// hello-world in Go writes.
func BenchmarkFirstByte(b *testing.B) {
	hello := program(b, "hello")
	for _, m := range []vm.Machine{vm.MicroVM, vm.PC} {
		b.Run(string(m), func(b *testing.B) {
			c := machine(b, vm.TCG)
			c.Machine = m
			prepared, err := boot.Prepare(b.Context(), boot.Config{Variants: []stubs.Variant{variant(b, "linux-3.19")}, Init: hello, VM: c})
			if err != nil {
				b.Fatal(err)
			}
			var total time.Duration
			for b.Loop() {
				var console bytes.Buffer
				prepared.Console = &console
				res, err := vm.Run(b.Context(), prepared)
				if err != nil {
					b.Fatal(err)
				}
				if res.Outcome != vm.Exited || console.String() != "hello\n" {
					b.Fatal(res.Report())
				}
				total += res.FirstByte
			}
			b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms-to-first-byte")
		})
	}
}

// BenchmarkInstructions reports the exact counts of one operation each.
func BenchmarkInstructions(b *testing.B) {
	list := []stubs.Variant{variant(b, "linux-3.19"), variant(b, "heukelum-v2"), variant(b, "bare")}
	var run *boot.Run
	for b.Loop() {
		var err error
		run, err = boot.RunGuest(b.Context(), boot.Config{Variants: list, Args: []string{"measure"}, VM: machine(b, vm.ICount)}, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, m := range run.Measures {
		b.ReportMetric(m.Median, m.Variant+":"+m.Op+"-insns")
	}
}
