package vmtests

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/work"
	"github.com/entrylab/entrylab/stubs"
)

// BenchmarkFirstByte measures the time from starting QEMU to the first byte that a
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

// stamps notes when a text has come, and when another one has: the time and the CPU
// time of this process and its emulators.
type stamps struct {
	from, to   string
	seen       []byte
	at         [2]time.Time
	cpu        [2]time.Duration
	stampCount int
}

func (s *stamps) Write(b []byte) (int, error) {
	s.seen = append(s.seen, b...)
	for s.stampCount < 2 {
		_, rest, ok := bytes.Cut(s.seen, []byte([]string{s.from, s.to}[s.stampCount]))
		if !ok {
			break
		}
		sample, err := work.Of(os.Getpid())
		if err != nil {
			return 0, err
		}
		s.at[s.stampCount], s.cpu[s.stampCount], s.seen = time.Now(), sample.CPU, rest
		s.stampCount++
	}
	return len(b), nil
}

// BenchmarkEFI boots an EFI image from a stick, and reports the time from the line with
// which the firmware hands over to what init says.
func BenchmarkEFI(b *testing.B) {
	needOVMF(b)
	m, err := boot.Prepare(b.Context(), boot.Config{Variants: []stubs.Variant{linux319(b)}, Format: image.Disk, Init: program(b, "hello"), VM: machine(b, vm.TCG)})
	if err != nil {
		b.Fatal(err)
	}
	m.Machine, m.UEFI, m.Media, m.MemoryMiB = vm.Q35, true, vm.Stick, 256
	var clock, cpu time.Duration
	for b.Loop() {
		s := &stamps{from: "BdsDxe: starting", to: "hello"}
		m.Console = s
		res, err := vm.Run(b.Context(), m)
		if err != nil || res.Outcome != vm.Exited || s.stampCount != 2 {
			b.Fatal(err, res.Report())
		}
		clock += s.at[1].Sub(s.at[0])
		cpu += s.cpu[1] - s.cpu[0]
	}
	b.ReportMetric(float64(clock.Milliseconds())/float64(b.N), "ms-from-handover")
	b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms-from-handover")
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
