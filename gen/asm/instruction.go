package asm

import (
	"slices"
	"strings"
)

// Place is the operand of a branch to a place without a name: its offset from the
// function's start. Only rows of a listing have it.
type Place int

func (in *instruction) operands() []any { return in.args[:in.nargs] }

// Mnemonic returns the instruction's name, without a prefix such as REP.
func (in Ins) Mnemonic() string { return in.get().name }

// Short prints the instruction with one space behind the mnemonic.
func (in Ins) Short() string { return in.get().text(0) }

// Source returns the line of a [CodeLine], "" for an instruction of a listing.
func (in Ins) Source() string { return in.get().source }

// Operands returns the operands in the listing's order: each a [Reg], a [Mem],
// an integer, a [Place], or a string, which is the label or function that a
// branch goes to.
func (in Ins) Operands() []any { return slices.Clone(in.get().operands()) }

// Memory returns the operand in memory, if the instruction has one.
func (in Ins) Memory() (Mem, bool) {
	for _, arg := range in.get().operands() {
		if m, ok := arg.(Mem); ok {
			return m, true
		}
	}
	return Mem{}, false
}

// Claim names the slot of [Ins.Is], "" if there is none.
func (in Ins) Claim() string {
	if claim := in.get().claim; claim != nil {
		return claim.String()
	}
	return ""
}

// Comment returns the comment given by [Ins.C].
func (in Ins) Comment() string { return in.get().note }

// CPL returns the highest privilege level at which the CPU executes the
// instruction: 0 if it faults in ring 3 whatever its operands hold, with
// RFLAGS.IOPL 0 as the kernel leaves it, else 3 (SDM volume 3, 6.9; STAC and
// CLAC raise #UD there, volume 2).
func (in Ins) CPL() int {
	system := func(arg any) bool { return kindOf(arg) == kSys }
	if table[in.Mnemonic()].cpl0 || slices.ContainsFunc(in.get().operands(), system) {
		return 0
	}
	return 3
}

// Equal reports whether two instructions are the same: mnemonic, prefix and
// operands. Their annotations do not count, nor do the structure fields that their
// operands may stand for.
func (in Ins) Equal(other Ins) bool {
	a, b := in.get(), other.get()
	return a.name == b.name && a.prefix == b.prefix && slices.EqualFunc(a.operands(), b.operands(), sameOperand)
}

// sameOperand reports whether two operands are the same; integers of different
// types are the same if their values are.
func sameOperand(a, b any) bool {
	if v, ok := intOf(a); ok {
		w, ok := intOf(b)
		return ok && v == w
	}
	a, b = byName(a), byName(b)
	if m, ok := a.(Mem); ok {
		n, ok := b.(Mem)
		v, w := *m.get(), *n.get()
		v.field, w.field = Slot{}, Slot{}
		return ok && v == w
	}
	return a == b
}

// byName returns the operand with the name of what it declares.
func byName(arg any) any {
	switch a := arg.(type) {
	case func() Func:
		return a().Name
	case Mem:
		if fn := a.get().fn; fn != nil {
			return a.named((*fn)().Name)
		}
	}
	return arg
}

// Renamed returns the instruction with other names for the symbols, labels and
// functions that its operands name.
func (in Ins) Renamed(name func(string) string) Ins {
	return in.changed(func(in *instruction) {
		for i, arg := range in.operands() {
			switch a := arg.(type) {
			case string:
				in.args[i] = name(a)
			case Mem:
				if sym := a.Sym(); sym != "" && !strings.HasPrefix(sym, strPrefix) {
					in.args[i] = a.named(name(sym))
				}
			}
		}
	})
}
