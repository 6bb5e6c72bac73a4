package vmtests

import (
	"bytes"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
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

// stamps notes when a text first comes, and the first byte behind it.
type stamps struct {
	text         string
	seen         []byte
	came, goesOn time.Time
}

func (s *stamps) Write(b []byte) (int, error) {
	switch {
	case s.came.IsZero():
		s.seen = append(s.seen, b...)
		if bytes.Contains(s.seen, []byte(s.text)) {
			s.came = time.Now()
		}
	case s.goesOn.IsZero() && bytes.Contains(b, []byte("hello")):
		s.goesOn = time.Now()
	}
	return len(b), nil
}

// BenchmarkEFI boots an EFI image from a stick, and reports the time from the line with
// which the firmware hands over to init's first byte. It is the host's clock.
func BenchmarkEFI(b *testing.B) {
	needOVMF(b)
	m, err := boot.Prepare(b.Context(), boot.Config{Variants: []stubs.Variant{linux319(b)}, Format: image.Disk, Init: program(b, "hello"), VM: machine(b, vm.TCG)})
	if err != nil {
		b.Fatal(err)
	}
	m.Machine, m.UEFI, m.Media, m.MemoryMiB = vm.Q35, true, vm.Stick, 256
	var total time.Duration
	for b.Loop() {
		s := &stamps{text: "BdsDxe: starting"}
		m.Console = s
		res, err := vm.Run(b.Context(), m)
		if err != nil || res.Outcome != vm.Exited || s.goesOn.IsZero() {
			b.Fatal(err, res.Report())
		}
		total += s.goesOn.Sub(s.came)
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms-from-handover")
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
