package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
)

// The engine host boots nothing: its kernel is the one that this process runs on. A
// kernel is compared with another by booting the machine with each, again and again.
func init() {
	Register(Engine{
		Name: "host", About: "the kernel that runs here: checks, and its cycles", Kind: Sampled, Unit: record.Cycles, Rank: 55,
		Ops: ops(record.Sampled), Includes: wholeCall, Sample: "process",
		Costless: "it has the kernel alone that runs here, which verify checks and compare samples",
		Quieter:  "stop what else runs on this machine",
		Verify: func(ctx context.Context) (*wire.Results, error) {
			program, remove, err := boot.HostProgram()
			if err != nil {
				return nil, err
			}
			defer remove()
			_, res, err := boot.RunHost(ctx, program, wire.Command{Verify: true})
			return res, err
		},
		Running: sampleHost,
	})
}

// HostProcesses is how many processes sample the running kernel at a time, each with its
// memory at other addresses.
const HostProcesses = 8

// hostSamples is how many samples of an operation each takes: some tenths of a second's
// work.
const hostSamples = 500

// emulatedSamples is how many it takes on a CPU that is emulated, whose cycles mean nothing
// and which would take minutes.
const emulatedSamples = 20

// Ran is what was found about the kernel that runs.
type Ran struct {
	// Kernel is its name in records.
	Kernel  string
	Records []record.Record
	// Disturbed says what else the CPU did meanwhile.
	Disturbed string
}

// runBits is how many bits of a record's run number the process within a boot of the
// machine; those above tell boots apart.
const runBits = 16

// MachineBoot returns which boot of the machine a run of engine host belongs to.
func MachineBoot(run int) int { return run >> runBits }

// sampleHost samples the kernel that runs. Processes of the same boot that are among the
// old records are not numbered again.
func sampleHost(ctx context.Context, old []record.Record, step func(string)) (*Ran, error) {
	number, err := host.BootID("/proc")
	if err != nil {
		return nil, fmt.Errorf("nothing tells this boot of the machine from others: %w", err)
	}
	first := 0
	for _, r := range old {
		if MachineBoot(r.Run) == int(number) {
			first = max(first, r.Run&(1<<runBits-1)+1)
		}
	}
	if first+HostProcesses > 1<<runBits {
		return nil, fmt.Errorf("this boot has %d processes in the file already", first)
	}
	guest, err := initramfs.Guest()
	if err != nil {
		return nil, err
	}
	program, remove, err := boot.HostProgram()
	if err != nil {
		return nil, err
	}
	defer remove()
	ran := &Ran{Kernel: RunningKernel()}
	c := HostConfig()
	c.Engine, c.Machine, c.CPU = "host", "host", c.Host
	c.Code = fmt.Sprintf("%x", sha256.Sum256(append(guest, ran.Kernel...)))[:16]
	samples := hostSamples
	if host.Emulated(c.Host) {
		samples = emulatedSamples
	}
	watch, err := watchCPU()
	if err != nil {
		return nil, err
	}
	for i := range HostProcesses {
		run := int(number)<<runBits | (first + i)
		step(fmt.Sprintf("process %d of %d", i+1, HostProcesses))
		console, _, err := boot.RunHost(ctx, program, wire.Command{Sample: true, Seed: uint64(run), Samples: samples})
		if err != nil {
			return nil, err
		}
		records, err := hostRecords(console, uint64(run), c, ran.Kernel)
		if err != nil {
			return nil, err
		}
		ran.Records = append(ran.Records, records...)
	}
	ran.Disturbed, err = watch.ended()
	return ran, err
}

// hostRecords returns the records of the guest's lines in a process of a kernel.
func hostRecords(console string, run uint64, c record.Config, kernel string) ([]record.Record, error) {
	boots, damaged, err := cycles.Parse("the guest", strings.NewReader(console))
	if err != nil || len(damaged) > 0 || len(boots) != 1 {
		return nil, fmt.Errorf("%d runs of samples, want 1 (%s) %w", len(boots), strings.Join(damaged, "; "), err)
	}
	b := boots[0]
	b.ID, b.Config = run, c
	b.Rename(wire.Linux, kernel)
	return b.Records(nil, time.Now()), nil
}

// RunningKernel returns the name of the kernel that runs: its release, its build's ID, and
// the words that it was booted with, but for those that say from where.
func RunningKernel() string {
	words := []string{linuxName + host.Kernel()}
	if id := host.BuildID("/sys"); id != "" {
		words = append(words, "build "+id[:min(8, len(id))])
	}
	for _, word := range host.Words("/proc") {
		name, _, _ := strings.Cut(word, "=")
		switch name {
		case "BOOT_IMAGE", "initrd", "root", "ro", "rw":
		default:
			words = append(words, word)
		}
	}
	return strings.Join(words, kernelWords)
}

// kernelWords is between the words of a kernel's name.
const kernelWords = ", "

// KernelWords takes such a name apart: the release, the build, and the words that the
// kernel was booted with.
func KernelWords(name string) []string { return strings.Split(name, kernelWords) }

// watch is what a CPU and its machine did before.
type watch struct {
	cpu    int
	begun  time.Time
	load   host.Load
	guests time.Duration
}

// watchCPU begins to watch the CPU that the guest keeps to: the first that it may use.
func watchCPU() (*watch, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	w := &watch{begun: time.Now()}
	for !set.IsSet(w.cpu) && w.cpu < len(set)*64 {
		w.cpu++
	}
	var err error
	if w.guests, err = childrenTime(); err == nil {
		w.load, err = host.LoadOf("/proc", w.cpu)
	}
	return w, err
}

// childrenTime returns the CPU time of the processes that this one has started and that
// have ended.
func childrenTime() (time.Duration, error) {
	var used unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_CHILDREN, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), err
}

// ended says what the CPU did besides the guests since the beginning, and who else ran on
// the machine.
func (w *watch) ended() (string, error) {
	load, err := host.LoadOf("/proc", w.cpu)
	if err != nil {
		return "", err
	}
	guests, err := childrenTime()
	if err != nil {
		return "", err
	}
	busy, stolen, processes := load.Since(w.load, os.Getpid())
	wall := time.Since(w.begun)
	return shared(w.cpu, wall, busy-(guests-w.guests), stolen, processes), nil
}

// shared says which share of a CPU's time others had, and the processes that used most on
// all CPUs.
func shared(cpu int, wall, others, stolen time.Duration, processes []host.Process) string {
	percent := func(d time.Duration) float64 { return 100 * float64(max(d, 0)) / float64(max(wall, 1)) }
	text := fmt.Sprintf("of the time of CPU %d other programs had %.0f %%, and other machines %.0f %% (stolen)", cpu, percent(others), percent(stolen))
	const named = 3
	var names []string
	for _, p := range processes[:min(named, len(processes))] {
		names = append(names, fmt.Sprintf("%s (%.1f s)", p.Name, p.Used.Seconds()))
	}
	return text + "; most on all CPUs had: " + cmp.Or(strings.Join(names, ", "), "nobody")
}
