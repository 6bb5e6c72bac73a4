package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/gdb"
)

// A machine that runs by itself, and is not stepped, logs each instruction: that takes a
// hundredth of the time, and interrupts arrive.

// MaxLogged is how many instructions of one round are followed.
const MaxLogged = 4 * MaxSteps

// execLog is QEMU's log of what a machine runs, a named pipe.
type execLog struct {
	dir   string
	pipe  *os.File
	lines *bufio.Reader
	most  int // instructions
}

// newExecLog makes a log. It must be closed.
func newExecLog() (*execLog, error) {
	dir, err := os.MkdirTemp("", "entrylab-trace-")
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	l := &execLog{dir: dir, most: MaxLogged}
	if err = syscall.Mkfifo(l.path(), 0o600); err == nil {
		// Open for both, it has no end when QEMU closes it; and to read it can be given up.
		l.pipe, err = os.OpenFile(l.path(), os.O_RDWR|syscall.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("trace: the log of QEMU: %w", err), os.RemoveAll(dir))
	}
	l.lines = bufio.NewReaderSize(l.pipe, 1<<16)
	return l, nil
}

func (l *execLog) path() string { return filepath.Join(l.dir, "log") }

func (l *execLog) Close() error { return errors.Join(l.pipe.Close(), os.RemoveAll(l.dir)) }

// args are the words with which QEMU takes the log.
func (l *execLog) args() []string { return []string{"-D", l.path()} }

// The commands of QEMU's monitor by which each instruction is logged as it runs, and
// interrupts and exceptions as they arrive. Since QEMU 8.1 a part of them has another name.
const (
	logOn, logOff         = "log exec,nochain,int", "log none"
	singleStep            = "singlestep"
	singleStepSince8_1    = "one-insn-per-tb"
	endOfLog              = "end of the log\n"
	traceWord, goneBack   = "Trace ", "Stopped execution of TB chain"
	rewound               = "cpu_io_recompile: rewound execution of TB to "
	interrupt, vectorWord = "Servicing hardware INT=", ": v="
)

// turn makes the machine log, or not.
func (l *execLog) turn(stub *gdb.Stub, on bool) error {
	word, command := " off", logOff
	if on {
		word, command = " on", logOn
	}
	if stub.Monitor(singleStep+word) != nil {
		if err := stub.Monitor(singleStepSince8_1 + word); err != nil {
			return err
		}
	}
	return stub.Monitor(command)
}

// end says that QEMU has logged all.
func (l *execLog) end() error {
	_, err := l.pipe.WriteString(endOfLog)
	return err
}

// interruptName begins the name of an interrupt, before its vector.
const interruptName = "interrupt "

// logged is what a machine has run.
type logged struct {
	addrs []uint64
	// events are the interrupts and exceptions after which the machine went on at the
	// instruction of that index.
	events map[int]string
}

// read reads the log up to its end.
func (l *execLog) read() (*logged, error) {
	got := &logged{events: map[int]string{}}
	hardware := false
	for {
		line, err := l.lines.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("the log of QEMU: %w", err)
		}
		switch {
		case bytes.HasPrefix(line, []byte(traceWord)): // Trace 0: HOST [BASE/ADDRESS/FLAGS/FLAGS] NAME
			_, rest, _ := bytes.Cut(line, []byte("/"))
			addr, _, _ := bytes.Cut(rest, []byte("/"))
			at, err := strconv.ParseUint(string(addr), 16, 64)
			if err != nil {
				return nil, fmt.Errorf("the log of QEMU: %q: %w", line, err)
			}
			if len(got.addrs) == l.most {
				return nil, fmt.Errorf("the round does not end within %d instructions", l.most)
			}
			got.addrs = append(got.addrs, at)
		case bytes.HasPrefix(line, []byte(goneBack)): // Stopped … before HOST [ADDRESS] NAME
			_, rest, _ := bytes.Cut(line, []byte("["))
			addr, _, _ := bytes.Cut(rest, []byte("]"))
			if err := got.drop(string(addr)); err != nil {
				return nil, err
			}
		case bytes.HasPrefix(line, []byte(rewound)): // … ADDRESS: to reach a device it is translated again, and only then runs
			if err := got.drop(string(bytes.TrimSpace(line[len(rewound):]))); err != nil {
				return nil, err
			}
		case bytes.HasPrefix(line, []byte(interrupt)):
			hardware = true
		case bytes.Contains(line, []byte(vectorWord)): // N: v=VECTOR e=ERROR i=SOFTWARE cpl=CPL IP=CS:ADDRESS pc=…
			if err := got.event(line, hardware); err != nil {
				return nil, err
			}
			hardware = false
		case string(line) == endOfLog:
			return got, nil
		}
	}
}

// drop takes back the last instruction if it is that at an address: it has not run.
func (g *logged) drop(addr string) error {
	at, err := strconv.ParseUint(addr, 16, 64)
	if err != nil {
		return fmt.Errorf("the log of QEMU: address %q: %w", addr, err)
	}
	if n := len(g.addrs) - 1; n >= 0 && g.addrs[n] == at {
		g.addrs = g.addrs[:n]
	}
	return nil
}

// event reads the line of an event. The instruction of an exception has not run. It was not
// even logged if its page was not there.
func (g *logged) event(line []byte, hardware bool) error {
	_, rest, _ := bytes.Cut(line, []byte(vectorWord))
	var vector, code, software, cpl, cs uint32
	var ip string
	if _, err := fmt.Sscanf(string(rest), "%x e=%x i=%d cpl=%d IP=%x:%s", &vector, &code, &software, &cpl, &cs, &ip); err != nil {
		return fmt.Errorf("the log of QEMU: %q: %w", line, err)
	}
	name := fmt.Sprintf("%s%#x", interruptName, vector)
	if !hardware && software == 0 {
		if err := g.drop(ip); err != nil {
			return err
		}
		if int(vector) < len(x86.TrapName) {
			name = x86.TrapName[vector]
		}
	}
	g.events[len(g.addrs)] = name
	return nil
}

// cut leaves the last loop of the guest in which the kernel ran, and which took that many
// ticks if they are not 0: what was run from the loop's first reading of the time-stamp
// counter, which counts instructions, up to its second.
func (g *logged) cut(guest *guest, ticks uint64) error {
	loops, err := guest.loops()
	if err != nil {
		return err
	}
	last := "none"
	to, kernel := -1, false
	for i, at := range slices.Backward(g.addrs) {
		switch l, ok := loops[at]; {
		case isKernel(at):
			kernel = true
		case ok && at == l.end:
			to, kernel = i, false
		case ok && to >= 0 && loops[g.addrs[to]] == l && kernel:
			if n := uint64(to - i); ticks == 0 || n == ticks {
				g.keep(i, to)
				return nil
			}
			if last == "none" {
				last = fmt.Sprintf("the last took %d", to-i)
			}
			to = -1
		}
	}
	return fmt.Errorf("of the loops in the log of QEMU none took the %d instructions that the guest has counted: %s", ticks, last)
}

// keep leaves the instructions from one index up to another.
func (g *logged) keep(from, to int) {
	events := map[int]string{}
	for i, name := range g.events {
		if from < i && i < to {
			events[i-from] = name
		}
	}
	g.addrs, g.events = g.addrs[from:to], events
}

// ways returns the ways from ring 3 through the kernel, of which From and To are indices of
// addrs, without SYSCALL; and how many instructions ring 3 runs behind the last.
func (g *logged) ways() (list []Way, after int) {
	user := 0
	for i, at := range g.addrs {
		event := g.events[i]
		switch {
		case !isKernel(at):
			user++
		case i == 0 || !isKernel(g.addrs[i-1]):
			list = append(list, Way{From: i, To: i + 1, Event: event, Before: user})
			user = 0
		default:
			w := &list[len(list)-1]
			w.To++
			if event != "" {
				w.Nested = append(w.Nested, event)
			}
		}
	}
	return list, user
}

// isKernel reports whether an address is the kernel's.
func isKernel(addr uint64) bool { return addr>>63 == 1 }
