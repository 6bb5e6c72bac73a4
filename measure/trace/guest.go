package trace

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/boot/initramfs"
)

// guest is the guest's program, and where its functions are.
type guest struct {
	table *gosym.Table
	code  []byte
	base  uint64
}

func readGuest() (*guest, error) {
	program, err := initramfs.Guest()
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("trace: the guest: %w", err)
	}
	text, lines := f.Section(".text"), f.Section(".gopclntab")
	if text == nil || lines == nil {
		return nil, errors.New("trace: the guest has no table of functions")
	}
	code, err := text.Data()
	if err != nil {
		return nil, fmt.Errorf("trace: the guest: %w", err)
	}
	pcln, err := lines.Data()
	if err != nil {
		return nil, fmt.Errorf("trace: the guest: %w", err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(pcln, text.Addr))
	if err != nil {
		return nil, fmt.Errorf("trace: the guest: %w", err)
	}
	return &guest{table, code, text.Addr}, nil
}

const inRegs = "github.com/entrylab/entrylab/guest/regs."

// function returns a function of package regs.
func (g *guest) function(name string) (*gosym.Func, error) {
	fn := g.table.LookupFunc(inRegs + name)
	if fn == nil {
		return nil, fmt.Errorf("trace: the guest has no %s%s", inRegs, name)
	}
	return fn, nil
}

// find returns where a function has an instruction.
func (g *guest) find(fn *gosym.Func, op x86asm.Op) (addrs []uint64, err error) {
	for at := fn.Entry; at < fn.End; {
		in, err := x86asm.Decode(g.code[at-g.base:], 64)
		if err != nil {
			return nil, fmt.Errorf("trace: the guest's %s: %w", fn.Name, err)
		}
		if in.Op == op {
			addrs = append(addrs, at)
		}
		at += uint64(in.Len)
	}
	return addrs, nil
}

// tracedSyscall returns the address of the guest's SYSCALL that is followed.
func (g *guest) tracedSyscall() (uint64, error) {
	fn, err := g.function("traced")
	if err != nil {
		return 0, err
	}
	at, err := g.find(fn, x86asm.SYSCALL)
	if err == nil && len(at) != 1 {
		err = fmt.Errorf("trace: the guest's %s has %d SYSCALLs, want one", fn.Name, len(at))
	}
	if err != nil {
		return 0, err
	}
	return at[0], nil
}

// loop is a function that reads the time-stamp counter before its rounds and behind them.
type loop struct{ begin, end uint64 }

// loops returns the loops of package regs, by both of their addresses.
func (g *guest) loops() (map[uint64]loop, error) {
	all := map[uint64]loop{}
	for i := range g.table.Funcs {
		fn := &g.table.Funcs[i]
		if !strings.HasPrefix(fn.Name, inRegs) {
			continue
		}
		at, err := g.find(fn, x86asm.RDTSC)
		if err != nil {
			return nil, err
		}
		if len(at) == 2 {
			l := loop{at[0], at[1]}
			all[l.begin], all[l.end] = l, l
		}
	}
	return all, nil
}
