// Command guest is the program that runs as /init inside the machine: it
// verifies and measures the kernel's SYSCALL entry paths and prints what it
// finds, one line each (see package report). It is an ordinary static
// linux/amd64 program, and runs unchanged on Linux, as /init or from a shell.
//
// Usage:
//
//	init [verify] [measure] [sample] [trace] [-variants=A,B|all] [-seed=N] [-samples=N]
//
// Without a word it verifies and measures, for all variants; sample measures
// where ticks are cycles; trace makes one null call under each variant, for a
// debugger to follow. Words come from the kernel's
// command line. It exits 0, 1 after a FAIL, or 2 after an ERROR, which means
// that the harness could not do its job; as the first process of a Linux
// kernel, which must not exit, it restarts the machine instead.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/measure"
	"github.com/entrylab/entrylab/guest/report"
	"github.com/entrylab/entrylab/guest/verify"
)

func init() { runtime.LockOSThread() }

// firstProcess is the process id of init.
const firstProcess = 1

func main() {
	// Nothing here needs the collector, and a collection in a batch would count.
	debug.SetGCPercent(-1)
	status, linux := run(os.Args[1:], os.Stdout)
	if linux && os.Getpid() == firstProcess {
		drain(os.Stdout)
		if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART); err != nil {
			fmt.Fprintln(os.Stderr, "init: restart:", err)
		}
	}
	os.Exit(status)
}

// drain waits until a terminal has sent what was written to it; a serial line is
// slower than a restart.
func drain(f *os.File) {
	const tcsbrk, wait = 0x5409, 1 // tcdrain, as Linux's terminals take it
	syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), tcsbrk, wait)
}

// run does what the words say, prints to w, and returns the exit status, and
// whether the kernel is Linux.
func run(words []string, w io.Writer) (status int, linux bool) {
	r := report.New(w)
	k, err := control.Open()
	if err != nil {
		r.Result("init", report.Harness(err.Error()))
		return r.Summary(), false
	}
	o, err := parse(words)
	var variants []control.Variant
	if err == nil {
		variants, err = k.Find(o.variants)
	}
	if err != nil {
		r.Result("init", report.Harness(err.Error()))
		return r.Summary(), k.Linux
	}
	var proofs []byte
	if !k.Linux { // a host's root folder is not an image's
		proofs, err = os.ReadFile("/" + layout.ProofsFile)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Result("init", report.Harness(err.Error()))
	}
	for line := range strings.Lines(string(proofs)) {
		r.Proof(strings.TrimSuffix(line, "\n"))
	}
	if o.verify && k.Linux {
		r.Info("linux: %s", measure.Machine())
	}
	if o.verify {
		for _, v := range variants {
			verify.Run(r, k, v, o.seed)
		}
	}
	if o.measure {
		measure.Run(r, k, variants, o.seed)
	}
	if o.sample {
		measure.Sample(r, k, variants, o.samples, o.seed)
	}
	if o.trace {
		measure.Trace(r, k, variants)
	}
	return r.Summary(), k.Linux
}

// options are what the command line asks for.
type options struct {
	verify, measure bool
	variants        string
	seed            uint64
	sample, trace   bool
	samples         int
}

// defaultSamples of an operation take about a second on a CPU of today.
const defaultSamples = 2000

// parse reads init's words; flags and words may come in any order.
func parse(words []string) (options, error) {
	var o options
	f := flag.NewFlagSet("init", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.variants, "variants", "all", "")
	f.Uint64Var(&o.seed, "seed", 1, "")
	f.IntVar(&o.samples, "samples", defaultSamples, "")
	for len(words) > 0 {
		if err := f.Parse(words); err != nil {
			return o, fmt.Errorf("command line: %w", err)
		}
		words = f.Args()
		if len(words) == 0 {
			break
		}
		switch words[0] {
		case "verify":
			o.verify = true
		case "measure":
			o.measure = true
		case "sample":
			o.sample = true
		case "trace":
			o.trace = true
		default:
			return o, fmt.Errorf("command line: %q is none of verify, measure, sample and trace", words[0])
		}
		words = words[1:]
	}
	if o.samples < 1 {
		return o, fmt.Errorf("command line: -samples=%d: want at least 1", o.samples)
	}
	if !o.verify && !o.measure && !o.sample && !o.trace {
		o.verify, o.measure = true, true
	}
	return o, nil
}
