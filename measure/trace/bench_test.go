package trace

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// cpuTime returns the CPU time of this process and of the machines that have ended.
func cpuTime(b *testing.B) (sum time.Duration) {
	b.Helper()
	for _, of := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(of, &used); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return sum
}

// BenchmarkStep follows a null call of linux-6.12 and reports what an instruction takes
// without the boot, by the clock and by the CPU's time: at most 1 ms is wanted. The CPU's
// time is that of a boot whose call is followed, less that of one whose call is not.
func BenchmarkStep(b *testing.B) {
	need.QEMU(b)
	v, err := stubs.ParseVariant("linux-6.12")
	if err != nil {
		b.Fatal(err)
	}
	m, err := Prepare(b.Context(), []stubs.Variant{v}, vm.Config{})
	if err != nil {
		b.Fatal(err)
	}
	program, err := readGuest()
	if err != nil {
		b.Fatal(err)
	}
	site, err := program.tracedSyscall()
	if err != nil {
		b.Fatal(err)
	}
	var took, cpu time.Duration
	var steps int
	boots := func(follow bool) time.Duration {
		m.Debug = func(conn *os.File) error {
			f := follower{gdb.New(conn), site, map[uint64]instruction{}}
			if err := f.stub.Break(site); err != nil {
				return err
			}
			if err := f.stub.Continue(); err != nil {
				return err
			}
			if follow {
				begin := time.Now()
				list, err := f.steps(site, 0)
				took, steps = took+time.Since(begin), steps+len(list)
				if err != nil {
					return err
				}
			}
			if err := f.stub.Unbreak(site); err != nil {
				return err
			}
			return f.stub.Detach()
		}
		before := cpuTime(b)
		if _, err := boot.RunPrepared(b.Context(), m, nil); err != nil {
			b.Fatal(err)
		}
		return cpuTime(b) - before
	}
	for b.Loop() {
		cpu += boots(true) - boots(false)
	}
	b.ReportMetric(took.Seconds()*1000/float64(steps), "ms/instruction")
	b.ReportMetric(cpu.Seconds()*1000/float64(steps), "CPU-ms/instruction")
	b.ReportMetric(float64(steps)/float64(b.N), "instructions")
}
