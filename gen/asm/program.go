package asm

import (
	"fmt"
	"slices"
)

// Data is a named object outside the text.
type Data struct {
	Name     string
	Align    int // bytes; 0 means 8
	Skip     int // bytes to leave free behind the aligned place
	ReadOnly bool
	// Content is bytes, strings, integers of a sized type and Ptrs, in order.
	Content []any
	// Size is the whole size in bytes if Content is shorter; an object without
	// Content lies in the bss.
	Size int
	pc   uintptr
}

// DATA declares a writable object.
//
//go:noinline
func DATA(name string, content ...any) Data {
	return Data{Name: name, Content: content, pc: callerPC(2)}
}

// RODATA declares a read-only object.
//
//go:noinline
func RODATA(name string, content ...any) Data {
	return Data{Name: name, Content: content, ReadOnly: true, pc: callerPC(2)}
}

// BSS declares an object of size zero bytes.
//
//go:noinline
func BSS(name string, size, align int) Data {
	return Data{Name: name, Size: size, Align: align, pc: callerPC(2)}
}

// Ptr is a 64-bit address in data.
type Ptr struct {
	Sym string
	Add int64
	fn  *func() Func // if not nil, Sym is its name
}

// PTR returns the address of a function or of data.
func PTR[S Symbolic](s S) Ptr {
	name, fn := symbolOf(s)
	return Ptr{Sym: name, fn: fn}
}

// Program is what is linked together. The order of its functions and data is their
// order in memory, except that all members of a group follow its first member, in
// pages of their own.
type Program struct {
	Funcs []Func
	Data  []Data
	// Flat lays the sections out without a gap up to the next page: for a program
	// that is loaded as one piece, with no page protection.
	Flat bool
	// Late, if not nil, makes further read-only data from the functions'
	// final addresses: a kernel's own symbol table.
	Late func(funcs []Symbol) []Data
	// Prefix, if it is not empty, is code that a direct CALL of a function with ReturnSites
	// can run first, unless that returns flags. It lies in front of each that is called so.
	// The CALLs of functions with CallsPrefixed go there. Those of functions with ReturnSites
	// go past it; the table between __call_sites and __call_sites_end has the places of their
	// distances, the lowest 4 bytes of each address, and __call_prefix_size, of 8 bytes, is by
	// how much to lower a distance for the CALL to go by the prefix. Without any the tables are
	// empty and there is no size.
	Prefix Block
}

// Add appends another program.
func (p *Program) Add(q Program) {
	p.Funcs = append(p.Funcs, q.Funcs...)
	p.Data = append(p.Data, q.Data...)
	p.Flat = p.Flat || q.Flat
	if q.Late != nil {
		p.Late = q.Late
	}
	if q.Prefix != nil {
		p.Prefix = q.Prefix
	}
}

// Replace puts fn in the place of the function with the same name.
func (p *Program) Replace(fn Func) error {
	i := slices.IndexFunc(p.Funcs, func(f Func) bool { return f.Name == fn.Name })
	if i < 0 {
		return fmt.Errorf("the program has no function %s to replace", fn.Name)
	}
	p.Funcs[i] = fn
	return nil
}
