package measure

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Trace makes one call under each variant; nil stands for the null call. A debugger on
// the host waits for its SYSCALL (package measure/trace), and may ask for the names of
// the functions that it has seen. The calling goroutine must be locked to its thread.
func Trace(p *lines.Printer, k *control.Kernel, variants []control.Variant, call *wire.Call) {
	// The floor answers every call, so also that by which a signal's handler would return.
	defer regs.BlockSignals(syscall.SIGSEGV)()
	quieten()
	if call == nil {
		call = &wire.Call{Number: nullCall}
	} else if err := feed(); err != nil {
		p.Result(wire.CheckTrace+": set-up", lines.Harness(err.Error()))
		return
	}
	c := regs.NewTraced(call.Number)
	for i, a := range call.Args {
		c.Args[i] = a.Value
		if a.Buffer {
			c.Args[i] = regs.Buffer()
		}
	}
	for _, v := range variants {
		if v.Info.Bare != 0 {
			settle(k)
		}
		asked, err := traceUnder(k, v, c)
		if err != nil {
			p.Result(wire.CheckTrace+": "+v.Name, lines.Harness(err.Error()))
			return
		}
		answer(p, asked)
	}
	p.Result(wire.CheckTrace, nil)
}

// traceTries is how many rounds of an operation are made until its two threads take turns
// in one: a debugger disturbs those who share a CPU.
const traceTries = 5

// traceWarmUp is how many rounds are made before the one that is followed, each behind a
// pause as that is. The first forks take pages that nobody had before, and later ones those
// that the last has given back, which is two instructions less.
const traceWarmUp = 3

// TraceOperation makes a round of an operation under each variant, between two null calls.
// A debugger on the host waits for the SYSCALL of both: at the first it begins to log what
// runs, and at the second it asks for names as in Trace. The calling goroutine must be
// locked to its thread.
func TraceOperation(p *lines.Printer, k *control.Kernel, variants []control.Variant, o Operation) {
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		p.Result(wire.CheckTrace+": set-up", lines.Harness(err.Error()))
		return
	}
	defer m.Close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGUSR2)()
	restore, alone := claimCPU()
	defer restore()
	all := prepared([]Operation{o}, m, k)[0]
	quieten()
	for _, v := range variants {
		c := regs.NewTraced(nullCall)
		err := all.applies(k, v, alone)
		for n := 0; n < traceWarmUp && err == nil; n++ {
			pause(time.Millisecond)
			_, err = all.round(k, v)
		}
		c.Make()
		// While the debugger has stopped the machine, time has gone on to the next moment at
		// which somebody wakes; who it is goes back to sleep here.
		pause(time.Millisecond)
		if err == nil {
			c.Ticks, err = all.round(k, v)
		}
		if err == nil {
			c.Per = uint64(o.Per)
		}
		answer(p, c.Make())
		if skip := lines.Skip(""); err != nil && !errors.As(err, &skip) {
			err = lines.Harness(err.Error())
		}
		p.Result(wire.CheckTrace+": "+v.Name, err)
	}
}

// round makes a round of an operation under a variant, the last of perhaps several tries,
// and returns its ticks with those of the loop; 0 if it subtracts these itself.
func (o *op) round(k *control.Kernel, v control.Variant) (ticks uint64, err error) {
	own, err := o.empty(1, -1)
	if err != nil {
		return 0, err
	}
	err = regs.ErrLockstep
	for n := 0; n < traceTries && errors.Is(err, regs.ErrLockstep); n++ {
		if err = k.Select(v.Index); err != nil {
			return 0, err
		}
		if o.Needs&TwoThreads == 0 {
			_, err = o.loop(warmUp, v.Index)
		}
		if err == nil {
			ticks, err = o.loop(1, v.Index)
		}
		if err := k.Select(k.Home); err != nil {
			return 0, err
		}
	}
	if own == 0 {
		ticks = 0
	}
	return ticks, err
}

// feed makes descriptor 0 a pipe in which a page of zeros waits: a call that reads from
// the console would wait for ever, as no interrupt arrives while it is followed.
func feed() error {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], 0); err != nil {
		return fmt.Errorf("a pipe for descriptor 0: %w", err)
	}
	if _, err := syscall.Write(ends[1], make([]byte, 4096)); err != nil {
		return fmt.Errorf("filling the pipe of descriptor 0: %w", err)
	}
	if ends[0] == 0 { // nothing was open
		return nil
	}
	return syscall.Dup3(ends[0], 0, 0)
}

func traceUnder(k *control.Kernel, v control.Variant, c *regs.Traced) (asked []uint64, err error) {
	if k.Linux {
		return c.Make(), nil
	}
	if err := k.Select(v.Index); err != nil {
		return nil, err
	}
	asked = c.Make()
	return asked, k.Select(k.Home)
}

// answer prints the names that the debugger asks for.
func answer(p *lines.Printer, asked []uint64) {
	if len(asked) == 0 {
		return
	}
	if err := printSymbols(p, asked); err != nil {
		p.Result(wire.CheckTrace+": symbols", lines.Skip(err.Error()))
	}
}

// printSymbols prints which functions the addresses are in, as /proc/kallsyms has them.
func printSymbols(p *lines.Printer, asked []uint64) error {
	f, err := openUnder("/proc", "proc", "kallsyms")
	if err != nil {
		return fmt.Errorf("the kernel does not tell its symbols (CONFIG_KALLSYMS): %w", err)
	}
	defer f.Close()
	found, err := symbolsOf(f, asked)
	if err != nil {
		return err
	}
	for _, s := range found {
		p.Symbol(s)
	}
	return nil
}

// symbolsOf returns the functions that addresses are in, each with the last of these. The
// lines are those of /proc/kallsyms. The kernel's own ascend, as it searches them by halves,
// and come first: behind the highest address nothing more is read, which is most of the
// list. An emulator takes as long to print that as to boot a small kernel.
func symbolsOf(r io.Reader, asked []uint64) ([]wire.Symbol, error) {
	// Of the symbols up to an address that no other address lies between, the last
	// is the one, unless none is there: then it is that of the address before.
	slices.Sort(asked)
	best := make([]wire.Symbol, len(asked))
	in := bufio.NewScanner(r)
	for in.Scan() {
		// ffffffff81000000 T _text, and perhaps a tab and a module
		text, _, module := bytes.Cut(in.Bytes(), []byte("\t"))
		at, text, _ := bytes.Cut(text, []byte(" "))
		kind, name, _ := bytes.Cut(text, []byte(" "))
		start, ok := parseHex(at)
		if !ok {
			continue
		}
		if !module && start > asked[len(asked)-1] {
			break
		}
		if start == 0 || len(name) == 0 || !bytes.Contains([]byte("tTwW"), kind) {
			continue
		}
		if i, _ := slices.BinarySearch(asked, start); i < len(asked) && start > best[i].Start {
			best[i] = wire.Symbol{Name: string(name), Start: start}
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	for i, at := range asked {
		if i > 0 && best[i-1].Start > best[i].Start {
			best[i] = best[i-1]
		}
		best[i].Addr = at
	}
	var last []wire.Symbol
	for i, s := range best {
		if s.Name != "" && (i+1 == len(best) || best[i+1].Start != s.Start) {
			last = append(last, s)
		}
	}
	return last, nil
}

// parseHex reads a number in hexadecimal digits, without memory of its own.
func parseHex(digits []byte) (n uint64, ok bool) {
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, len(digits) > 0
}
