// Package trace follows a null call from its SYSCALL to the next instruction of ring 3,
// one instruction at a time, and counts the instructions of each phase.
//
// The machine is QEMU without a clock of its own, stepped through QEMU's gdb
// stub over an inherited socket. While it is stepped no interrupt arrives, so
// the counts are exact, and their sum is what the guest itself counts under
// icount.
package trace

import (
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/stubs"
)

// Call is one null call, in instructions.
type Call struct {
	Variant string
	// Entry, Handler and Exit are its phases (stubs.Phase).
	Entry, Handler, Exit int
	// Places are where the instructions are, in the order of the first of each.
	Places []Place
}

// Total is the whole call.
func (c Call) Total() int { return c.Entry + c.Handler + c.Exit }

// Place is a function's label and the number of instructions that were run
// behind it, up to the next.
type Place struct {
	Func, Label string
	Count       int
}

// limit is what a null call may take: whatever goes beyond has gone astray.
const limit = 10_000

// NullCalls boots the variants in one kernel and follows a null call of each.
func NullCalls(ctx context.Context, list []stubs.Variant, machine vm.Config) ([]Call, error) {
	m, err := Prepare(ctx, list, machine)
	if err != nil {
		return nil, err
	}
	return Follow(ctx, list, m)
}

// Prepare makes the machine that Follow follows.
func Prepare(ctx context.Context, list []stubs.Variant, machine vm.Config) (vm.Config, error) {
	machine.Engine = vm.ICount
	return boot.Prepare(ctx, boot.Config{Variants: list, Args: wire.Command{Trace: true}.Words(), VM: machine})
}

// Follow is NullCalls with a prepared machine.
func Follow(ctx context.Context, list []stubs.Variant, m vm.Config) ([]Call, error) {
	image, err := readImage(m.Kernel)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, len(list))
	entries := map[uint64]int{} // variant by the entry's address
	for i, n := range list {
		calls[i].Variant = n.Name
		at, ok := image.addr(n.FuncName(stubs.Entry))
		if !ok {
			return nil, fmt.Errorf("trace: the image has no %s", n.FuncName(stubs.Entry))
		}
		entries[at] = i
	}
	m.Debug = func(conn *os.File) error {
		return follow(gdb.New(conn), image, entries, calls)
	}
	run, err := boot.RunPrepared(ctx, m, nil)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	for _, c := range run.Checks {
		if c.Outcome != wire.Pass {
			return nil, fmt.Errorf("trace: %s: %s (%s)", c.Outcome, c.Name, c.Detail)
		}
	}
	return calls, nil
}

// follow waits for each variant's null call, follows it, and lets the machine
// go on.
func follow(s *gdb.Stub, image *image, entries map[uint64]int, calls []Call) error {
	for at := range entries {
		if err := s.Break(at); err != nil {
			return err
		}
	}
	for missing := len(calls); missing > 0; {
		if err := s.Continue(); err != nil {
			return err
		}
		r, err := s.Registers()
		if err != nil {
			return err
		}
		i, ok := entries[r.RIP]
		if !ok {
			return fmt.Errorf("trace: the machine stopped at %#x, which is no entry", r.RIP)
		}
		if r.RAX != syscall.SYS_GETPPID || calls[i].Total() > 0 {
			if err := s.Step(); err != nil { // over the breakpoint
				return err
			}
			continue
		}
		steps := []uint64{}
		for r.RIP >= layout.KernelBase {
			if len(steps) == limit {
				return fmt.Errorf("trace: %s: no end of the null call after %d instructions", calls[i].Variant, limit)
			}
			steps = append(steps, r.RIP)
			if err := s.Step(); err != nil {
				return err
			}
			if r, err = s.Registers(); err != nil {
				return err
			}
		}
		if err := calls[i].attribute(steps, image); err != nil {
			return err
		}
		missing--
	}
	for at := range entries {
		if err := s.Unbreak(at); err != nil {
			return err
		}
	}
	return s.Detach()
}

// handler is that of the null call.
const handler = "sys_getppid"

// attribute makes phases of the addresses that were run in the kernel. SYSCALL,
// which was run before the first, is a part of the entry.
func (c *Call) attribute(steps []uint64, image *image) error {
	first, behind := len(steps)-1, len(steps)-1 // no handler: the last instruction alone is the exit
	called := false
	for i, at := range steps {
		if fn, _ := image.place(at); fn == handler {
			if !called {
				first, called = i, true
			}
			behind = i + 1
		}
	}
	if behind == len(steps) {
		return fmt.Errorf("trace: %s: the call does not come back from %s", c.Variant, handler)
	}
	c.Entry, c.Handler, c.Exit = 1+first, behind-first, len(steps)-behind
	c.Places = []Place{{"user", "SYSCALL", 1}}
	for _, at := range steps {
		fn, label := image.place(at)
		i := slices.IndexFunc(c.Places, func(p Place) bool { return p.Func == fn && p.Label == label })
		if i < 0 {
			c.Places = append(c.Places, Place{Func: fn, Label: label})
			i = len(c.Places) - 1
		}
		c.Places[i].Count++
	}
	return nil
}

// image is the symbols of a kernel's text.
type image struct {
	symbols []elf.Symbol // by address, a function before its labels
}

func readImage(path string) (*image, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("trace: %s: %w", path, err)
	}
	text := f.Section(".text")
	return newImage(slices.DeleteFunc(all, func(s elf.Symbol) bool {
		return text == nil || s.Value < text.Addr || s.Value >= text.Addr+text.Size || strings.HasPrefix(s.Name, "__")
	})), nil
}

func newImage(symbols []elf.Symbol) *image {
	slices.SortStableFunc(symbols, func(a, b elf.Symbol) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), -cmp.Compare(elf.ST_TYPE(a.Info), elf.ST_TYPE(b.Info)))
	})
	return &image{symbols}
}

func (im *image) addr(name string) (uint64, bool) {
	for _, s := range im.symbols {
		if s.Name == name {
			return s.Value, true
		}
	}
	return 0, false
}

// place is the function that an address is in, and the last label before it.
func (im *image) place(at uint64) (fn, label string) {
	i, _ := slices.BinarySearchFunc(im.symbols, at+1, func(s elf.Symbol, at uint64) int { return cmp.Compare(s.Value, at) })
	for i--; i >= 0; i-- {
		s := im.symbols[i]
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			return s.Name, label
		}
		if label == "" {
			label = s.Name
		}
	}
	return "", label
}
