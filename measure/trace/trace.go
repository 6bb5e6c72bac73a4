// Package trace follows a system call from its SYSCALL to the next instruction of ring
// 3, one instruction at a time: it finds what a kernel, generated or Linux, runs in the
// call, and for a null call how many instructions each phase has.
//
// The guest makes the call at a known place (regs.Traced). The machine is QEMU without a
// clock of its own, stepped through QEMU's gdb stub over an inherited socket. While it is
// stepped no interrupt arrives, so the counts are exact, and their sum is what the guest
// itself counts under icount.
package trace

import (
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
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

// Total returns the instructions of the whole call.
func (c Call) Total() int { return c.Entry + c.Handler + c.Exit }

// Place is a function's label and the number of instructions that were run
// after it, up to the next label.
type Place struct {
	Func, Label string
	Count       int
}

// NullCalls boots the variants in one kernel and follows a null call of each.
func NullCalls(ctx context.Context, list []stubs.Variant, machine vm.Config) ([]Call, error) {
	m, err := Prepare(ctx, list, machine)
	if err != nil {
		return nil, err
	}
	return Phases(ctx, list, m)
}

// Prepare makes the machine that Phases follows.
func Prepare(ctx context.Context, list []stubs.Variant, machine vm.Config) (vm.Config, error) {
	machine.Engine = vm.ICount
	return boot.Prepare(ctx, boot.Config{Variants: list, Args: wire.Command{Trace: true}.Words(), VM: machine})
}

// Phases works like NullCalls, but with a prepared machine.
func Phases(ctx context.Context, list []stubs.Variant, m vm.Config) ([]Call, error) {
	image, err := readImage(m.Kernel)
	if err != nil {
		return nil, err
	}
	paths, err := paths(ctx, list, m, image)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, len(list))
	for i, p := range paths {
		if calls[i], err = callOf(p, image); err != nil {
			return nil, fmt.Errorf("trace: %s: %w", p.Subject, err)
		}
	}
	return calls, nil
}

// Paths follows a call of each of the variants that a prepared machine carries.
func Paths(ctx context.Context, list []stubs.Variant, m vm.Config) ([]Path, error) {
	image, err := readImage(m.Kernel)
	if err != nil {
		return nil, err
	}
	return paths(ctx, list, m, image)
}

func paths(ctx context.Context, list []stubs.Variant, m vm.Config, image *image) ([]Path, error) {
	all, _, err := follow(ctx, m, names(list), false, nil)
	for _, p := range all {
		for i, s := range p.Steps[1:] {
			p.Steps[1+i].Func, p.Steps[1+i].Start, _ = image.place(s.Addr)
		}
	}
	return all, err
}

func names(list []stubs.Variant) (names []string) {
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}

// callOf counts the phases and the places of a null call.
func callOf(p Path, image *image) (Call, error) {
	c := Call{Variant: p.Subject, Places: []Place{{"user", "SYSCALL", 1}}}
	var err error
	if c.Entry, c.Handler, c.Exit, err = p.Phases(); err != nil {
		return c, err
	}
	for _, s := range p.Steps[1:] {
		fn, _, label := image.place(s.Addr)
		i := slices.IndexFunc(c.Places, func(p Place) bool { return p.Func == fn && p.Label == label })
		if i < 0 {
			c.Places = append(c.Places, Place{Func: fn, Label: label})
			i = len(c.Places) - 1
		}
		c.Places[i].Count++
	}
	return c, nil
}

// image holds the symbols of a kernel's text.
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
		border := strings.HasPrefix(s.Name, "__") && elf.ST_TYPE(s.Info) != elf.STT_FUNC // of a section
		return text == nil || s.Value < text.Addr || s.Value >= text.Addr+text.Size || border
	})), nil
}

func newImage(symbols []elf.Symbol) *image {
	slices.SortStableFunc(symbols, func(a, b elf.Symbol) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), -cmp.Compare(elf.ST_TYPE(a.Info), elf.ST_TYPE(b.Info)))
	})
	return &image{symbols}
}

// place returns the function that contains an address, where it begins, and the last
// label before the address.
func (im *image) place(at uint64) (fn string, start uint64, label string) {
	i, _ := slices.BinarySearchFunc(im.symbols, at+1, func(s elf.Symbol, at uint64) int { return cmp.Compare(s.Value, at) })
	for i--; i >= 0; i-- {
		s := im.symbols[i]
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			return s.Name, s.Value, label
		}
		if label == "" {
			label = s.Name
		}
	}
	return "", 0, label
}
