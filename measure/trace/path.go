package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
)

// Path is what a machine runs in one system call: from SYSCALL up to, but not including,
// the instruction after it.
type Path struct {
	// Subject is the variant, or wire.Linux.
	Subject string
	Steps   []Step
	// Counted is how many instructions the guest counted in a null call in the same
	// boot, if it measured (wire.Command.Measure); else it is 0.
	Counted float64
}

// Step is one instruction that was run.
type Step struct {
	Addr uint64
	// Code is the instruction, as it was in memory when it ran: alternatives, static
	// branches and call sites are patched.
	Code []byte
	// Data is what the operand named, before the call came here first, if that is relative
	// to RIP and not to GS: DataSize bytes, or fewer where memory ends.
	Data []byte
	// SP is the stack pointer before it.
	SP uint64
	// Func is the function that contains it, Start the function's address. SYSCALL itself
	// is in the guest, and Func is Ring3; for an address in no function it is empty.
	Func  string
	Start uint64
	// Inlined are the functions inlined in Func that it belongs to, the innermost first,
	// if the kernel is a vmlinux with DWARF.
	Inlined []string
}

// Ring3 is the place of a call's SYSCALL.
const Ring3 = "ring 3"

// MaxSteps is how many instructions of one call are followed.
const MaxSteps = 1_000_000

// DataSize is the length of a step's Data.
const DataSize = 16

// maxInstruction is the length of the longest instruction (SDM volume 2, 2.3.11).
const maxInstruction = 15

// Linux boots a prepared machine whose kernel is a Linux, and follows the call of its
// guest. A vmlinux names its functions; what no symbol of it names, as all of a bzImage,
// the guest does. onLine, if not nil, is called with each line of the guest. The run is
// what else the guest did; without an error it is complete, and may have checks that
// failed. With one it has at least what was printed.
func Linux(ctx context.Context, m vm.Config, onLine func(string)) (Path, *boot.Run, error) {
	image, err := linux.Open(ctx, m.Kernel)
	if err != nil {
		return Path{}, nil, err
	}
	symbols, err := image.Symbols(ctx)
	if err != nil {
		return Path{}, nil, err
	}
	paths, run, err := follow(ctx, m, []string{wire.Linux}, true, onLine)
	if err != nil {
		return Path{}, run, err
	}
	paths[0].name(symbols, run.Symbols)
	return paths[0], run, nil
}

// Inline gives each step the functions that are inlined where it is, by the DWARF of the
// kernel's file, if it has some.
func (p Path) Inline(ctx context.Context, kernel string) error {
	image, err := linux.Open(ctx, kernel)
	if err != nil {
		return err
	}
	inlined, err := image.Inlined(ctx, addresses(p.Steps))
	for i, s := range p.Steps {
		p.Steps[i].Inlined = inlined[s.Addr]
	}
	return err
}

// name gives each step its function: that of the image, whose symbols may be nil, or else
// what the guest has said.
func (p Path) name(symbols *linux.Symbols, said []wire.Symbol) {
	in := slices.SortedFunc(slices.Values(said), func(a, b wire.Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Func == Ring3 {
			continue
		}
		at, _ := slices.BinarySearchFunc(in, s.Addr, func(s wire.Symbol, addr uint64) int { return cmp.Compare(s.Addr, addr) })
		if at < len(in) && in[at].Start <= s.Addr {
			s.Func, s.Start = in[at].Name, in[at].Start
		}
		if symbols == nil {
			continue
		}
		if name, start, ok := symbols.Function(s.Addr); ok {
			s.Func, s.Start = name, start
		}
	}
}

// follow boots a prepared machine whose guest makes one call for each of the subjects,
// in their order (wire.Command.Trace), and follows each. With ask, it asks the guest
// for the names of the functions, which Linux gives.
func follow(ctx context.Context, m vm.Config, subjects []string, ask bool, onLine func(string)) ([]Path, *boot.Run, error) {
	guest, err := readGuest()
	if err != nil {
		return nil, nil, err
	}
	site, err := guest.tracedSyscall()
	if err != nil {
		return nil, nil, err
	}
	paths := make([]Path, len(subjects))
	for i, name := range subjects {
		paths[i].Subject = name
	}
	run, err := debugged(ctx, m, ask, onLine, func(conn *os.File) error {
		f := follower{gdb.New(conn), site, map[uint64]instruction{}}
		return f.follow(paths, ask)
	})
	if err != nil {
		return nil, run, err
	}
	for i, p := range paths {
		if m, ok := run.Find(p.Subject, wire.OpNullCall); ok {
			paths[i].Counted = m.Median
		}
	}
	return paths, run, nil
}

// debugged boots a prepared machine whose guest traces, under a debugger.
func debugged(ctx context.Context, m vm.Config, linux bool, onLine func(string), debug func(*os.File) error) (*boot.Run, error) {
	m.Debug = debug
	var said []string
	run, err := boot.RunPrepared(ctx, m, func(line string) {
		said = append(said, line)
		if onLine != nil {
			onLine(line)
		}
	})
	if run == nil { // it ended under the debugger
		run = &boot.Run{Results: &wire.Results{}, VM: vm.Result{Tail: said}}
	}
	// Linux ends by a reset, so the guest's summary is the verdict.
	if err != nil && (!linux || !run.Complete) {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the machine ended while a call was followed; it said last: %s", err, lastLines(said))
		}
		return run, fmt.Errorf("trace: %w", err)
	}
	for _, c := range run.Checks {
		if c.Variant() == wire.CheckTrace && (c.Outcome == wire.Fail || c.Outcome == wire.Error) {
			return run, fmt.Errorf("trace: %s: %s (%s)", c.Outcome, c.Name, c.Detail)
		}
	}
	return run, nil
}

// lastLines returns the last lines of a guest, in one.
func lastLines(said []string) string {
	const most = 3
	return cmp.Or(strings.Join(said[max(len(said)-most, 0):], " / "), "nothing")
}

// CallError says why a call cannot be followed, on a kernel that has come to it.
type CallError struct {
	Subject string
	Err     error
}

func (e *CallError) Error() string { return e.Subject + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *CallError) Unwrap() error { return e.Err }

// follower follows calls through a machine's gdb stub.
type follower struct {
	stub *gdb.Stub
	site uint64
	code map[uint64]instruction // by address, of the call that is followed
}

// instruction is one that was met.
type instruction struct{ code, data []byte }

// syscallLen is the length of SYSCALL.
const syscallLen = 2

// follow waits for each call, follows it, and lets the machine continue.
func (f *follower) follow(paths []Path, ask bool) error {
	if err := f.stub.Break(f.site); err != nil {
		return err
	}
	for i := range paths {
		if err := f.stub.Continue(); err != nil {
			return err
		}
		begin, err := f.stub.Registers()
		if err != nil {
			return err
		}
		if begin.RIP != f.site {
			return fmt.Errorf("the machine stopped at %#x, which is not where the call is made", begin.RIP)
		}
		clear(f.code)
		if paths[i].Steps, err = f.steps(begin.RIP, begin.RSP); err != nil {
			return &CallError{paths[i].Subject, err}
		}
		if ask {
			if err := f.ask(paths[i].Steps, begin); err != nil {
				return fmt.Errorf("%s: %w", paths[i].Subject, err)
			}
		}
	}
	if err := f.stub.Unbreak(f.site); err != nil {
		return err
	}
	return f.stub.Detach()
}

// steps follows one call, from its SYSCALL on.
func (f *follower) steps(rip, rsp uint64) ([]Step, error) {
	var steps []Step
	for {
		if len(steps) == MaxSteps {
			return nil, fmt.Errorf("the call does not end within %d instructions", MaxSteps)
		}
		in, err := f.instruction(rip)
		if err != nil {
			return nil, err
		}
		switch {
		case waits(in.code):
			return nil, fmt.Errorf("the kernel waits at %#x, behind %d instructions: no interrupt arrives while a call is followed, so one that waits never ends", rip, len(steps))
		case rip != f.site && rip>>63 == 0:
			return nil, fmt.Errorf("the call goes on in ring 3 at %#x, behind %d instructions, and does not return", rip, len(steps))
		}
		step := Step{Addr: rip, Code: in.code, Data: in.data, SP: rsp}
		if rip == f.site {
			step.Func, step.Start = Ring3, rip
		}
		steps = append(steps, step)
		if err := f.stub.Step(); errors.Is(err, io.EOF) || errors.Is(err, gdb.ErrEnded) {
			return nil, fmt.Errorf("the machine ends in the call, behind %d instructions", len(steps))
		} else if err != nil {
			return nil, err
		}
		r, err := f.stub.Registers()
		if err != nil {
			return nil, err
		}
		if rip, rsp = r.RIP, r.RSP; rip == f.site+syscallLen {
			return steps, nil
		}
	}
}

// instruction reads the instruction at an address and what its operand in the kernel's data
// has. If the decoder does not know it, its length is that of the memory that was read.
func (f *follower) instruction(at uint64) (instruction, error) {
	if in, ok := f.code[at]; ok {
		return in, nil
	}
	code, err := f.memory(at, maxInstruction)
	if err != nil {
		return instruction{}, err
	}
	in := instruction{code: code[:length(code)]}
	if addr, ok := dataOf(at, in.code); ok {
		if in.data, err = f.memory(addr, DataSize); err != nil && !errors.Is(err, gdb.ErrUnmapped) {
			return instruction{}, err
		}
	}
	f.code[at] = in
	return in, nil
}

// memory reads memory up to the end of its page, if the next one is not there.
func (f *follower) memory(at uint64, n int) ([]byte, error) {
	const page = 4096
	got, err := f.stub.Memory(at, n)
	if errors.Is(err, gdb.ErrUnmapped) {
		got, err = f.stub.Memory(at, min(n, int(page-at%page)))
	}
	return got, err
}

// ask writes the addresses of a path after the call's memory in the guest; the guest's R12
// and R13 say where and how much, in words.
func (f *follower) ask(steps []Step, begin gdb.Registers) error {
	addrs := addresses(steps)
	if room := begin.R13 - 1; uint64(len(addrs)) > room {
		return fmt.Errorf("%d different instructions: names are asked for %d at most", len(addrs), room)
	}
	return f.stub.Write(begin.R12, append([]uint64{uint64(len(addrs))}, addrs...)...)
}

// addresses returns the addresses of the kernel's steps, each once and in order.
func addresses(steps []Step) (addrs []uint64) {
	for _, s := range steps {
		if s.Func != Ring3 {
			addrs = append(addrs, s.Addr)
		}
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// Within returns the inlined functions and the function that the step is in, "inner in
// outer in function"; labels of the assembler are functions too.
func (s Step) Within() string {
	return strings.Join(append(slices.Clone(s.Inlined), s.Function()), " in ")
}

// Place returns the function and the offset in it, or the address.
func (s Step) Place() string {
	switch s.Func {
	case Ring3:
		return Ring3
	case "":
		return fmt.Sprintf("%#x", s.Addr)
	}
	return fmt.Sprintf("%s+%#x", s.Func, s.Addr-s.Start)
}
