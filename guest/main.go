// Command guest is the program that runs as /init inside the machine: it
// verifies and measures the kernel's SYSCALL entry paths and prints what it
// finds, one line each (see package wire). It is an ordinary static
// linux/amd64 program, and runs unchanged on Linux, as /init or from a shell.
//
// Usage:
//
//	init [verify] [measure] [sample] [trace] [events] [breakpoints] [readings] [-variants=A/B|all] [-group=NAME] [-operation=NAME] [-call=NUMBER/ARG/…] [-seed=N] [-samples=N]
//
// Without a word it verifies and measures, for all variants; -operation names the only
// operation that measure counts. sample measures where ticks are cycles; trace makes one
// call under each variant for a debugger to follow: that of -call, or without it a round of
// -operation, or getppid. events enters the kernel in all of wire.EventWays, for a debugger
// that waits there; breakpoints causes events by the debug registers; readings asks the
// readers of the user's RSP.
// The words come from the kernel's command line (wire.Command). The exit status is 0, 1
// after a FAIL, or 2 after an ERROR, which means that the harness could not do its job. The
// first process of a Linux kernel must not exit: there it restarts the machine.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/measure"
	"github.com/entrylab/entrylab/guest/screen"
	"github.com/entrylab/entrylab/guest/verify"
)

func init() { runtime.LockOSThread() }

// firstProcess is the process id of init.
const firstProcess = 1

func main() {
	// The program needs no garbage collection, and one would disturb a sample.
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

// drain waits until a terminal has sent what was written to it: the machine would
// restart before a serial line is empty.
func drain(f *os.File) {
	const tcsbrk, wait = 0x5409, 1 // tcdrain, as Linux's terminals take it
	syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), tcsbrk, wait)
}

// run carries out init's words and prints to w. It returns the exit status and
// whether the kernel is Linux.
func run(words []string, w io.Writer) (status int, linux bool) {
	p := lines.New(w)
	k, err := control.Open()
	if err != nil {
		p.Result("init", lines.Harness(err.Error()))
		return p.Summary(), false
	}
	c, err := wire.ParseCommand(words)
	var variants []control.Variant
	if err == nil {
		variants, err = k.Find(c.Variants)
	}
	if err == nil {
		err = verify.Known(c.Group)
	}
	var operations []measure.Operation
	if err == nil {
		operations, err = measure.Named(c.Operation)
	}
	if err != nil {
		p.Result("init", lines.Harness(err.Error()))
		return p.Summary(), k.Linux
	}
	var series layout.BootSeries[layout.Word]
	var earlier []byte
	if !k.Linux { // a host's root folder is not an image's
		series, earlier, err = k.BootSeries()
		if err == nil && series.Kept != 0 {
			var results *os.File
			if results, err = os.OpenFile(layout.ResultsDevice, os.O_WRONLY, 0); err == nil {
				p.Keep(results)
			}
		}
		if err != nil {
			p.Result("init", lines.Harness(err.Error()))
		}
		printProofs(p, "/"+wire.ProofsFile)
	}
	if !c.Verify && !c.Measure && !c.Sample && !c.Trace && !c.Events && !c.Breakpoints && !c.Rain && !c.Readings {
		c.Verify, c.Measure = true, true
	}
	seed := cmp.Or(c.Seed, wire.DefaultSeed)
	if k.Linux {
		measure.Vulnerabilities(p)
	}
	var seen *screen.Screen
	if !k.Linux {
		if seen, err = openScreen(series, earlier); err != nil {
			p.Result("init", lines.Harness(err.Error()))
		}
	}
	if seen != nil {
		p.Listen(seen)
	}
	p.Plan(steps(c, len(variants)))
	if c.Verify && k.Linux {
		p.Info("%s: %v", wire.Linux, measure.Machine())
	}
	if c.Verify {
		for _, v := range variants {
			verify.Run(p, k, v, c.Group, seed)
			p.Step()
		}
	}
	if c.Measure {
		measure.Run(p, k, variants, seed, operations)
		p.Step()
	}
	if c.Sample {
		measure.Sample(p, k, variants, cmp.Or(c.Samples, wire.DefaultSamples), seed, measure.Operations)
	}
	switch {
	case c.Trace && c.Call == nil && c.Operation != "":
		measure.TraceOperation(p, k, variants, operations[0])
	case c.Trace:
		measure.Trace(p, k, variants, c.Call)
	}
	if c.Events {
		measure.Events(p, k, variants)
	}
	if c.Breakpoints {
		for _, v := range variants {
			verify.Events(p, k, v, seed)
		}
	}
	if c.Rain {
		for _, v := range variants {
			verify.Rain(p, k, v, seed, cmp.Or(c.Samples, wire.DefaultSamples))
		}
	}
	if c.Readings {
		for _, v := range variants {
			verify.Readings(p, k, v, seed)
		}
	}
	status = p.Summary()
	if seen != nil {
		seen.Answer()
		if err := showCodes(k, seen); err != nil {
			fmt.Fprintln(os.Stderr, "init: QR codes:", err)
			status = wire.ExitError
		}
	}
	return status, k.Linux
}

const (
	// codeTime is how long a QR code stays, and codeTurns how often each comes.
	codeTime  = 10 * time.Second
	codeTurns = 3
)

// showCodes shows the boot's samples as QR codes, if that is how they come out of the
// machine, and then the table again.
func showCodes(k *control.Kernel, seen *screen.Screen) error {
	codes, err := seen.Codes()
	if err != nil || len(codes) == 0 {
		return err
	}
	for range codeTurns {
		for _, c := range codes {
			if err := k.ScreenBits(c.Modules, c.Size); errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EINVAL) {
				return nil // a screen of text, or a small one
			} else if err != nil {
				return err
			}
			time.Sleep(codeTime)
		}
	}
	return k.ScreenBits(nil, 0)
}

// steps returns how many steps of much the same length the words ask for.
func steps(c wire.Command, variants int) (n int) {
	if c.Verify {
		n += variants
	}
	if c.Measure {
		n++
	}
	if c.Sample {
		n += len(measure.Operations) + 1
	}
	return n
}

// openScreen returns the machine's screen, or nil if it has none, in a boot of a series;
// earlier is what the boots before have said.
func openScreen(series layout.BootSeries[layout.Word], earlier []byte) (*screen.Screen, error) {
	tty, err := os.OpenFile("/dev/tty1", os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if _, err := tty.Write([]byte("\r")); errors.Is(err, syscall.EIO) {
		return nil, nil
	}
	return screen.New(tty, series, earlier), nil
}

// printProofs prints the proof's verdicts on the image's variants. Most images have
// none.
func printProofs(p *lines.Printer, path string) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var proofs []wire.Proof
	if err == nil {
		proofs, err = wire.ParseProofs(text)
	}
	if err != nil {
		p.Result("init", lines.Harness(err.Error()))
	}
	for _, proof := range proofs {
		p.Proof(proof)
	}
}
