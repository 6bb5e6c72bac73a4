// Package asm turns listings into machine code. A listing is a Go value: a
// [Block] of instructions that reads as a kernel engineer would write it,
// composes, compares and prints.
//
// It is the only importer of golang-asm, and guards against that library's silent faults: every
// mnemonic is a row of one table and tested against GNU as, registers and immediates are
// checked before the library sees them, labels are resolved here, and what the library treats
// as fatal becomes an error. All errors of a build are reported together, each with the Go line
// of the listing.
//
// The package is meant to be imported with a dot.
//
// # Listings
//
// An instruction is a call of the function named like its mnemonic, with
// AT&T's width suffix and the source operand first (the CMPs excepted). An
// operand is a [Reg], a [Mem] or an integer of any type; a branch takes the
// name of a label, a function, or a Reg or Mem to jump through. The compiler
// rejects an operand of a kind that the instruction does not take (kinds.go). [IF], [LOOP]
// and [DO] structure a listing without a label for every branch. A [Func] is a
// named piece of text, a [Data] an object beside it, and [Link] makes an
// [Object] of both.
//
// # Functions
//
// A function is declared by a Go function that makes it; other functions refer to it
// by that Go function:
//
//	func futexWait() Func {
//		return FUNC("futex_wait", "futex_wait blocks …",
//			CALL(sleepUntil),
//			…
//		)
//	}
//
// The bodies are made only when [Funcs] collects them, so functions may refer to each
// other in any order. Data that point to functions are declared in the same way,
// other data as variables. [EXTERN] and [EXTERNDATA] declare what is in another
// part of the program.
//
// # Contracts
//
// [Func.Takes] says in which registers a function finds its arguments,
// [Func.Returns] in which it leaves its results; [Func.Keeps], [Func.Spoils] and
// [Func.NoReturn] say how it departs from the convention, which keeps RBX, RBP, RSP
// and R12 to R15 and lets all other registers be clobbered. The assembler follows
// the registers of such a function along every path through it and rejects
//
//   - a read of a register that was neither taken nor written, or that a call has
//     clobbered since, the flags included;
//   - a call without the arguments that the called function takes;
//   - a return, or a jump to another function, without the result, with a kept
//     register changed, or with something still pushed.
//
// What a function called through a pointer keeps is stated at the call ([Ins.Keeps]).
//
// # Structures and claims
//
// A structure that generated code shares with Go is declared once, with a type
// parameter for its words. [Fields] makes it a set of memory operands,
// [Slots] a set of places for the claims of [Ins.Is]: after a [FRAME] the
// assembler follows RSP along every path through the function, and a push that
// fills another slot than it claims is an error.
package asm

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// Item is a part of a listing: an instruction, a label, a block, or one of the
// structured forms (IF, LOOP, DO).
type Item interface{ lower(*lowering) }

// Block is a listing: items in order.
type Block []Item

// Ins is one instruction. Its methods return a changed copy, so that a listing
// reads as a column of mnemonics, each followed by its annotations. It is one pointer:
// a function that makes a listing holds the results of a hundred calls, and with whole
// structs its frame and stack maps would be larger than its code.
type Ins struct{ p *instruction }

type instruction struct {
	name   string
	args   [2]any
	nargs  int
	prefix prefix
	claim  *Slot
	fault  string
	keeps  regSet // by the function that a CALL reaches through a pointer
	note   string
	inner  *innerLabel
	source string // a CodeLine as its author wrote it
	pc     uintptr
}

type prefix uint8

const (
	noPrefix prefix = iota
	prefixRep
	prefixRepe
)

var prefixNames = [...]string{prefixRep: "REP ", prefixRepe: "REPE "}

// ins makes the instruction of the mnemonic function that calls it; its place is
// the listing's line.
func ins(name string, args ...any) Ins {
	in := &instruction{name: name, nargs: len(args), pc: callerPC(3)}
	copy(in.args[:], args)
	return Ins{in}
}

// callerPC returns the program counter of the caller skip frames up, as
// runtime.Callers counts them plus one.
func callerPC(skip int) uintptr {
	var pc [1]uintptr
	runtime.Callers(skip+1, pc[:])
	return pc[0]
}

// get returns the instruction, or one that has nothing for the zero Ins of a row
// that holds a label.
func (in Ins) get() *instruction {
	if in.p == nil {
		return &instruction{}
	}
	return in.p
}

func (in Ins) changed(change func(*instruction)) Ins {
	c := *in.get()
	change(&c)
	return Ins{&c}
}

// Is claims that the instruction pushes, pops, stores or loads this slot of
// the frame. The assembler follows RSP from the last FRAME on and refuses a
// claim that does not hold.
//
//go:noinline
func (in Ins) Is(slot Slot) Ins {
	return in.changed(func(in *instruction) { in.claim = &slot })
}

// C adds a comment that is printed in the listing.
//
//go:noinline
func (in Ins) C(comment string) Ins {
	return in.changed(func(in *instruction) { in.note = comment })
}

// innerLabel is a global label in the middle of an instruction.
type innerLabel struct {
	name string
	off  int
}

// Inner names the place off bytes into the instruction, as GLOBAL does: other code may
// go there, where the CPU finds other instructions in the same bytes. The listing
// has no line for it: a comment must tell.
//
//go:noinline
func (in Ins) Inner(off int, name string) Ins {
	return in.changed(func(in *instruction) { in.inner = &innerLabel{name, off} })
}

// Fault names the local label at which the kernel continues if the instruction
// faults: an entry of __ex_table (see Link).
//
//go:noinline
func (in Ins) Fault(label string) Ins {
	return in.changed(func(in *instruction) { in.fault = label })
}

// REP repeats a string instruction RCX times.
//
//go:noinline
func REP(in Ins) Ins { return in.prefixed(prefixRep) }

// REPE repeats CMPSB while equal, RCX times at most.
//
//go:noinline
func REPE(in Ins) Ins { return in.prefixed(prefixRepe) }

func (in Ins) prefixed(p prefix) Ins {
	return in.changed(func(in *instruction) { in.prefix = p })
}

// String prints the instruction as the listing shows it, without its place.
// As with AT&T, a star marks a branch that goes through a register or memory.
func (in Ins) String() string { return in.get().text(mnemonicWidth) }

// mnemonicWidth is the width of a listing's column of mnemonics.
const mnemonicWidth = 8

// text prints the instruction, its mnemonic padded to a width.
func (in *instruction) text(width int) string {
	if in.source != "" {
		return in.source
	}
	var b strings.Builder
	b.WriteString(prefixNames[in.prefix])
	b.WriteString(in.name)
	for i, arg := range in.operands() {
		if i > 0 {
			b.WriteString(", ")
		} else {
			for b.WriteByte(' '); b.Len() < width; {
				b.WriteByte(' ')
			}
		}
		if kindOf(arg) != kLabel && table[in.name].form == opJump {
			b.WriteByte('*')
		}
		writeArg(&b, arg)
	}
	return b.String()
}

// writeArg prints an operand.
func writeArg(b *strings.Builder, arg any) {
	switch a := arg.(type) {
	case Reg:
		b.WriteString(a.String())
		return
	case func() Func:
		b.WriteString(a().Name)
		return
	case string:
		if a == "" {
			a = `""`
		}
		b.WriteString(a)
		return
	case Place:
		fmt.Fprintf(b, "+%#x", int(a))
		return
	case Mem:
		if text, ok := strings.CutPrefix(a.Sym(), strPrefix); ok {
			b.WriteString(strconv.Quote(text))
		} else {
			b.WriteString(a.String())
		}
		return
	}
	b.WriteString(immText(arg))
}

// immText prints an immediate. From 10 on it is hexadecimal, as are all but
// small negative ones.
func immText(arg any) string {
	v, _ := intOf(arg)
	switch {
	case v < 10 && v >= -1024 && (v >= 0 || !isUnsigned(arg)):
		return "$" + strconv.FormatInt(v, 10)
	}
	return "$0x" + strconv.FormatUint(uint64(v), 16)
}

// label is a place in a function: named by LABEL, or anonymous.
type label struct {
	name   string
	global bool
	inner  bool // in the middle of an instruction
	pc     uintptr
}

// LABEL names a place. Labels are local to their function, and are local
// symbols of the image.
//
//go:noinline
func LABEL(name string) Item { return &label{name: name, pc: callerPC(2)} }

// GLOBAL names a place as LABEL does, for other functions too: they may branch there, or
// take its address. A FRAME behind it must state where RSP is.
//
//go:noinline
func GLOBAL(name string) Item { return &label{name: name, global: true, pc: callerPC(2)} }

// frameAt is the item of FRAME.
type frameAt struct{ off int }

// FRAME states that RSP is here, off bytes above the start of the frame whose
// slots the following instructions claim: off is the frame's size when RSP has
// just been set to the top of the stack.
//
//go:noinline
func FRAME(off int) Item { return frameAt{off} }

type ret struct{ pc uintptr }

// RETURN pops the registers that the function saves, in reverse, and returns.
//
//go:noinline
func RETURN() Item { return ret{callerPC(2)} }

// Func is a function: a named place in the text.
type Func struct {
	Name string
	// Doc states the contract: state on entry, clobbers, result.
	Doc string
	// Bits is 32 for code that runs in 32-bit protected mode before long mode,
	// and 16 for code in real mode: their symbols are physical addresses. Even in
	// 16-bit code, addresses and string instructions use the 32-bit registers. 0
	// means 64.
	Bits int
	// Group gathers functions: all functions of a group lie together, between the
	// symbols __GROUP_start and __GROUP_end.
	Group string
	// Gap is the number of bytes to leave free before the function, so that it
	// lies at other addresses.
	Gap int
	// Align, if more than the usual 16, is a power of two of which the function's address
	// is a multiple, plus Skew bytes.
	Align, Skew int
	// Saves are pushed at the start and popped by RETURN.
	Saves []Reg
	// ReturnSites leaves as many bytes at each RET as a JMP to a return thunk takes, the rest
	// of them INT3, and puts the RET into the table between the symbols __return_sites and
	// __return_sites_end: addresses of 8 bytes, those of functions that return flags
	// behind __return_sites_flags.
	ReturnSites bool
	// CallsPrefixed has the function's direct CALLs go by the program's Prefix, where they
	// can.
	CallsPrefixed bool
	Body          Block

	code     *Code // instead of a Body
	prefix   bool  // it is a Program.Prefix
	contract *contract
	decl     uintptr // the Go function that declares it, 0 if none does
	pc       uintptr
}

// FUNC makes a function with the caller's line as its place.
//
//go:noinline
func FUNC(name, doc string, items ...Item) Func {
	return Func{Name: name, Doc: doc, Body: items, pc: callerPC(2)}
}

// Saving returns the function with registers that it pushes at its start and
// RETURN pops.
//
//go:noinline
func (f Func) Saving(regs ...Reg) Func { f.Saves = regs; return f }

// In returns the function as a member of a group.
//
//go:noinline
func (f Func) In(group string) Func { f.Group = group; return f }

func (f *Func) bits() int {
	if f.Bits == 0 {
		return 64
	}
	return f.Bits
}
