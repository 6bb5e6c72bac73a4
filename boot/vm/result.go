package vm

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/gen/layout"
)

// Outcome is how a machine ended.
type Outcome int

// The outcomes. The zero value is the one without a verdict.
const (
	// Crash is everything else: a triple fault, a QEMU that
	// was killed, an exit code without its line in the log, or a
	// line without its code.
	Crash Outcome = iota
	// Exited means that init ended; Result.Status is its exit status.
	Exited
	// Signaled means that a signal killed init; Result.Status is its number.
	Signaled
	// Panic means that the kernel found a fault in itself.
	Panic
	// Refused means that the kernel would not boot what it was given.
	Refused
	// TimedOut means that the machine did not end itself; see Config.
	TimedOut
)

func (o Outcome) String() string {
	switch o {
	case Exited:
		return "exited"
	case Signaled:
		return "signaled"
	case Panic:
		return "panic"
	case Refused:
		return "refused"
	case TimedOut:
		return "time-out"
	default:
		return "crash"
	}
}

// Result is how a machine ended.
type Result struct {
	Outcome Outcome
	// Status is init's exit status (Exited) or signal number (Signaled).
	Status int
	// Reason says what happened in one line: the kernel's own words, or why
	// there is no verdict.
	Reason string
	// Tail holds the last 40 lines of console, log and QEMU's own messages, as
	// they came. A line of the log may follow one of the console that the
	// guest sent right after it, but never precedes one that it sent earlier.
	Tail []string
	// CommandLine boots the same machine by hand; see the function.
	CommandLine string
	// Elapsed is the time from starting QEMU to its end, FirstByte the time to the
	// first byte on the console (0: none came).
	Elapsed, FirstByte time.Duration
}

// String says how the machine ended in one line.
func (r Result) String() string {
	switch r.Outcome {
	case Crash:
		return "CRASH: " + r.Reason
	case TimedOut:
		return "TIME-OUT: " + r.Reason
	}
	return r.Reason // the kernel's words, which begin with the outcome
}

// Report describes a failure in full, on several lines: the outcome,
// the last lines of the guest and how to repeat it by hand.
func (r Result) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n", r)
	if len(r.Tail) == 0 {
		b.WriteString("nothing came out of the machine\n")
	} else {
		b.WriteString("the last lines that came out of the machine:\n")
		for _, line := range r.Tail {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	fmt.Fprintf(&b, "by hand:\n    %s\n", r.CommandLine)
	return b.String()
}

// The beginnings of the kernel's lines in the log; see the Exit values of
// gen/layout.
const (
	logPrefix     = "entrylab: "
	exitedPrefix  = "init exited with status "
	killedPrefix  = "init killed by signal "
	panicPrefix   = "panic: "
	panicEnd      = "end of panic"
	refusedPrefix = "cannot boot: "
)

// ending is everything that decides a verdict.
type ending struct {
	code     int            // QEMU's exit code; 0, which no verdict has, if it was killed
	signal   syscall.Signal // the one that killed QEMU; 0: none
	timeout  string         // why the machine was ended; empty: it ended itself
	lastLog  string         // the log's last line, if it is whole
	panicLog string         // the log's first line of a panic
	silent   bool           // nothing came on console and log
	said     string         // QEMU's own messages
	bochs    bool           // it was Bochs: code and said are Bochs's
	shutdown bool           // Bochs ended because the kernel asked for it
}

// killed records why ctx, if it has killed the machine, is done. A time-out and a
// reset are endings like others; anything else is an error.
func (e *ending) killed(ctx context.Context) error {
	err := context.Cause(ctx)
	if e.signal != syscall.SIGKILL || err == nil {
		return nil
	}
	if err == errMute {
		e.signal = 0
		return nil
	}
	if timeout, ok := err.(timeoutError); ok {
		e.timeout = timeout.Error()
		return nil
	}
	return err
}

// verdict returns the outcome of e, with its status and reason. The
// error is an ErrStart, when the guest never ran.
func (e ending) verdict() (outcome Outcome, status int, reason string, err error) {
	if e.silent && e.timeout == "" && (e.code != 0 || e.signal != 0) && e.complaint() != "" {
		failed := ErrStart
		if e.bochs {
			failed = ErrBochsStart
		}
		return Crash, 0, "", fmt.Errorf("%w: %s", failed, e.complaint())
	}
	if e.timeout != "" {
		return TimedOut, 0, e.timeout + e.last(), nil
	}
	line, ours := strings.CutPrefix(e.lastLog, logPrefix)
	if !ours {
		return Crash, 0, e.crash(), nil
	}
	code := e.code
	if e.bochs {
		code = e.bochsCode(line)
	}
	switch code {
	case qemuCode(layout.ExitInit):
		if n, ok := leadingNumber(line, exitedPrefix, 255); ok {
			return Exited, n, line, nil
		}
	case qemuCode(layout.ExitSignal):
		if n, ok := leadingNumber(line, killedPrefix, 64); ok {
			return Signaled, n, line, nil
		}
	case qemuCode(layout.ExitPanic):
		if line == panicEnd && e.panicLog != "" {
			return Panic, 0, strings.TrimPrefix(e.panicLog, logPrefix), nil
		}
	case qemuCode(layout.ExitBoot):
		if strings.HasPrefix(line, refusedPrefix) {
			return Refused, 0, line, nil
		}
	}
	return Crash, 0, e.crash(), nil
}

// bochsCode returns the exit code that QEMU would have had with the log's last line, if
// Bochs ended as the kernel wanted.
func (e ending) bochsCode(line string) int {
	switch {
	case !e.shutdown:
	case strings.HasPrefix(line, exitedPrefix):
		return qemuCode(layout.ExitInit)
	case strings.HasPrefix(line, killedPrefix):
		return qemuCode(layout.ExitSignal)
	case line == panicEnd:
		return qemuCode(layout.ExitPanic)
	case strings.HasPrefix(line, refusedPrefix):
		return qemuCode(layout.ExitBoot)
	}
	return 0
}

// qemuCode returns QEMU's exit code when the guest writes value to isa-debug-exit.
func qemuCode(value int) int { return value<<1 | 1 }

// crash says why there is no verdict.
func (e ending) crash() string {
	var b strings.Builder
	switch {
	case e.bochs && e.signal != 0:
		fmt.Fprintf(&b, "Bochs was killed by signal %d (%v)", int(e.signal), e.signal)
	case e.bochs && e.shutdown:
		b.WriteString("the kernel ended the machine, but the log's last line is no verdict")
	case e.bochs:
		fmt.Fprintf(&b, "Bochs ended (exit code %d), but not because the kernel asked for it", e.code)
	case e.signal != 0:
		fmt.Fprintf(&b, "QEMU was killed by signal %d (%v)", int(e.signal), e.signal)
	case e.code == 0:
		b.WriteString("the machine was reset (a triple fault?) or switched off: QEMU's exit code is 0, which no kernel of ours gives")
	default:
		fmt.Fprintf(&b, "QEMU's exit code is %d, but the log's last line does not match it", e.code)
	}
	return b.String() + e.last()
}

// last returns the end of a reason without a verdict: the last output.
func (e ending) last() string {
	var b strings.Builder
	switch {
	case e.panicLog != "":
		fmt.Fprintf(&b, "; the kernel began to %s", strings.TrimPrefix(e.panicLog, logPrefix))
	case e.lastLog != "":
		fmt.Fprintf(&b, "; last in the log: %s", e.lastLog)
	case e.silent:
		b.WriteString("; nothing came on console and log")
	default:
		b.WriteString("; nothing came on the log")
	}
	if said := e.complaint(); said != "" {
		fmt.Fprintf(&b, "; %s said: %s", map[bool]string{false: "QEMU", true: "Bochs"}[e.bochs], said)
	}
	return b.String()
}

// complaint returns what QEMU said, in one line and without its warnings.
func (e ending) complaint() string {
	var lines []string
	for line := range strings.Lines(e.said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.Contains(line, "warning: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " / ")
}

// leadingNumber reads the number between 0 and limit that follows prefix in
// line.
func leadingNumber(line, prefix string, limit int) (n int, ok bool) {
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 0 && n <= limit
}
