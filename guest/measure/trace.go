package measure

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"syscall"

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
		if len(asked) == 0 {
			continue
		}
		if err := printSymbols(p, asked); err != nil {
			p.Result(wire.CheckTrace+": symbols", lines.Skip(err.Error()))
		}
	}
	p.Result(wire.CheckTrace, nil)
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

// symbolsOf returns the functions of the addresses that are in one. The lines are those of
// /proc/kallsyms. The kernel's own come first, and ascend, as it searches them by halves;
// so behind the highest address nothing more is read, which is most of the list: an
// emulator takes as long to print that as to boot a small kernel.
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
	return slices.DeleteFunc(best, func(s wire.Symbol) bool { return s.Name == "" }), nil
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
