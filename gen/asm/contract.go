package asm

import (
	"math/bits"
	"strings"
)

// A contract says what a function does with registers. Takes declares it; for what
// the other methods leave out, the convention holds: RBX, RBP, R12 to R15 and RSP
// are kept, all other registers and the flags are clobbered.
type contract struct {
	takes, returns, keeps regSet
	spoils                regSet // registers that the convention keeps
	noReturn              bool
}

// regSet is a set of the general registers and FLAGS.
type regSet uint32

func setOf(regs ...Reg) (s regSet) {
	for _, r := range regs {
		if r == FLAGS {
			s |= flagsBit
		} else if r.general() {
			s |= 1 << (r - RAX)
		}
	}
	return s
}

const flagsBit regSet = 1 << 16

var (
	allRegs     = flagsBit<<1 - 1
	calleeSaved = setOf(RBX, RBP, RSP, R12, R13, R14, R15)
)

// each yields the registers of the set.
func (s regSet) each(yield func(Reg) bool) {
	for ; s != 0; s &= s - 1 {
		r := FLAGS
		if n := bits.TrailingZeros32(uint32(s)); n < 16 {
			r = RAX + Reg(n)
		}
		if !yield(r) {
			return
		}
	}
}

// String lists the registers.
func (s regSet) String() string {
	if s == 0 {
		return "nothing"
	}
	var names []string
	for r := range s.each {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// bit returns the register's index in a state.
func (r Reg) bit() int { return bits.TrailingZeros32(uint32(setOf(r))) }

// unchanged returns the registers that hold the same value after a call as before it.
func (c *contract) unchanged() regSet { return (calleeSaved | c.keeps) &^ (c.returns | c.spoils) }

// firstResults are the results that a function has whatever happens. Its other results
// may hold nothing when these say that it failed.
var firstResults = setOf(RAX, FLAGS)

// convention is the contract of a function that declares none: it returns RAX.
var convention = contract{returns: setOf(RAX)}

// withContract returns the function with a contract of its own to change.
func (f Func) withContract(change func(c *contract)) Func {
	var c contract
	if f.contract != nil {
		c = *f.contract
	}
	change(&c)
	f.contract = &c
	return f
}

// Takes returns the function with the registers that must hold something when it is
// called: its arguments. From then on the assembler checks the function, and its
// calls, against its contract.
//
//go:noinline
func (f Func) Takes(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.takes = setOf(regs...) })
}

// Arguments returns the registers that Takes has named.
func (f Func) Arguments() (list []Reg) {
	if f.contract != nil {
		for r := range f.contract.takes.each {
			list = append(list, r)
		}
	}
	return list
}

// Returns returns the function with the registers that hold something when it
// returns; FLAGS are the flags.
//
//go:noinline
func (f Func) Returns(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.returns = setOf(regs...) })
}

// Keeps returns the function with the registers that it keeps in addition to the
// convention's.
//
//go:noinline
func (f Func) Keeps(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.keeps = setOf(regs...) })
}

// Spoils returns the function with the registers that it clobbers although the
// convention keeps them.
//
//go:noinline
func (f Func) Spoils(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.spoils = setOf(regs...) })
}

// NoReturn returns the function as one that never returns.
//
//go:noinline
func (f Func) NoReturn() Func {
	return f.withContract(func(c *contract) { c.noReturn = true })
}

// Keeps returns the CALL of a function through a pointer with the registers that
// such functions keep in addition to the convention's.
//
//go:noinline
func (in Ins) Keeps(regs ...Reg) Ins {
	return in.changed(func(in *instruction) { in.keeps = setOf(regs...) })
}

// Contract says in words what the function declares about registers; it is "" if the
// function declares nothing and is not checked.
func (f Func) Contract() string {
	if f.contract == nil {
		return ""
	}
	c := f.contract
	text := "takes " + c.takes.String()
	for _, part := range []struct {
		verb string
		regs regSet
	}{{"returns", c.returns}, {"keeps", c.keeps}, {"spoils", c.spoils}} {
		if part.regs != 0 {
			text += "; " + part.verb + " " + part.regs.String()
		}
	}
	if c.noReturn {
		text += "; never returns"
	}
	return text
}

// effects returns what an instruction that is not a branch reads and writes.
func effects(in *instruction) (reads, writes regSet) {
	address := func(arg any) regSet {
		if m, ok := arg.(Mem); ok {
			return setOf(m.Base(), m.IndexReg())
		}
		return 0
	}
	value := func(arg any) regSet {
		if r, ok := arg.(Reg); ok {
			return setOf(r)
		}
		return 0
	}
	args := in.operands()
	for _, arg := range args {
		reads |= address(arg)
	}
	f := table[in.name].form
	switch f {
	case opRMW, opBitRMW, opShift, opMul, opXchg, opTest, opCmp, opBit, opSrc, opSrcReg, opPush, opDstRMW:
		for _, arg := range args {
			reads |= value(arg)
		}
	case opMov, opMovSys, opMovSeg, opLoad, opAddr:
		reads |= value(args[0])
	}
	if shapes[f].write {
		writes |= value(args[len(args)-1])
	}
	if f == opXchg {
		writes |= value(args[0])
	}
	switch f {
	case opRMW, opBitRMW, opShift, opMul, opTest, opCmp, opBit, opSrc, opDstRMW, opScan:
		writes |= flagsBit
	}
	switch in.name {
	case "XORL", "XORQ", "SUBL", "SUBQ":
		if args[0] == args[1] {
			reads = 0 // whatever it held
		}
	case "SBBL", "SBBQ":
		if args[0] == args[1] {
			reads = 0
		}
		reads |= flagsBit
	case "ADCQ", "SETB", "SETE", "SETNE":
		reads |= flagsBit
	case "CMOVQB", "CMOVQAE", "CMOVQE", "CMOVQNE", "CMOVQA", "CMOVQL", "CMOVLL", "CMOVQG", "CMOVLG":
		reads |= flagsBit | value(args[1])
	case "NOTL", "NOTQ":
		writes &^= flagsBit
	case "BSFQ", "RDRANDQ", "POPFQ", "CLC", "STC":
		writes |= flagsBit
	}
	i := implicit[in.name]
	reads, writes = reads|i.reads, writes|i.writes
	if in.prefix != noPrefix {
		reads, writes = reads|setOf(RCX), writes|setOf(RCX)
	}
	return reads &^ setOf(RSP), writes &^ setOf(RSP)
}

// implicit are the registers that instructions use without naming them (SDM
// volume 2).
var implicit = map[string]struct{ reads, writes regSet }{
	"MULQ":    {setOf(RAX), setOf(RAX, RDX)},
	"DIVQ":    {setOf(RAX, RDX), setOf(RAX, RDX)},
	"DIVL":    {setOf(RAX, RDX), setOf(RAX, RDX)},
	"IDIVQ":   {setOf(RAX, RDX), setOf(RAX, RDX)},
	"CQO":     {setOf(RAX), setOf(RDX)},
	"CPUID":   {setOf(RAX), setOf(RAX, RBX, RCX, RDX)}, // RCX too, of a few leaves
	"RDMSR":   {setOf(RCX), setOf(RAX, RDX)},
	"WRMSR":   {setOf(RAX, RCX, RDX), 0},
	"RDTSC":   {0, setOf(RAX, RDX)},
	"RDPMC":   {setOf(RCX), setOf(RAX, RDX)},
	"INB":     {setOf(RDX), setOf(RAX)},
	"INL":     {setOf(RDX), setOf(RAX)},
	"OUTB":    {setOf(RAX, RDX), 0},
	"OUTL":    {setOf(RAX, RDX), 0},
	"MOVSB":   {setOf(RSI, RDI), setOf(RSI, RDI)},
	"MOVSL":   {setOf(RSI, RDI), setOf(RSI, RDI)},
	"MOVSQ":   {setOf(RSI, RDI), setOf(RSI, RDI)},
	"STOSB":   {setOf(RAX, RDI), setOf(RDI)},
	"STOSL":   {setOf(RAX, RDI), setOf(RDI)},
	"STOSQ":   {setOf(RAX, RDI), setOf(RDI)},
	"LODSB":   {setOf(RSI), setOf(RAX, RSI)},
	"OUTSB":   {setOf(RDX, RSI), setOf(RSI)},
	"CMPSB":   {setOf(RSI, RDI), setOf(RSI, RDI) | flagsBit},
	"SYSRETQ": {setOf(RCX, R11), 0},
	"SYSRETL": {setOf(RCX, R11), 0},
}

// What a pushed word is, if it is not a register's value on entry.
const (
	someValue int8 = -1 - iota
	noValue
)
