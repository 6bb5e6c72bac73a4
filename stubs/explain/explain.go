// Package explain adds to the listing of a variant what the proof knows about it: next
// to each instruction, the slot of the frame that it fills and the values of the
// registers that it changes. It also sets two variants side by side.
package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Variant is the listing of a variant with what is known about it.
type Variant struct {
	Name  string
	Proof *prove.Proof
	Funcs []Func
}

// Func is a function of a variant.
type Func struct {
	// Name is the function's name without the variant's.
	Name    string
	Listing asm.Listing
	Rows    []Row // those of the listing
}

// Row is a line of a listing: a label, or an instruction.
type Row struct {
	asm.Row
	// Plain is the label or the instruction without the parts that differ between any
	// two variants: the variant's name, and the distance of a jump that has no label.
	Plain string
	// Effects are what the instruction does, as the proof found it: first the slot
	// that it fills, then each register that it changes. RSP is left out
	// where a push, pop, call or return moves it.
	Effects []Effect
	// Unreached is set if no path reaches the instruction.
	Unreached bool
}

// Effect is a slot of the frame or a register that an instruction changes.
type Effect struct {
	Name string
	// Slot is set if it is a slot.
	Slot bool
	// Value is the symbol that it then holds. Where paths bring different values
	// there are two, or the first and the number of the others.
	Value string
}

// Mark returns the effects in words, as in "sp = user.RSP, RCX = user.RSP".
func (r Row) Mark() string {
	var parts []string
	for _, e := range r.Effects {
		parts = append(parts, e.Name+" = "+e.Value)
	}
	return strings.Join(parts, ", ")
}

// Instructions returns how many instructions the function has.
func (f Func) Instructions() int {
	n := 0
	for _, r := range f.Rows {
		if r.Label == "" {
			n++
		}
	}
	return n
}

// Bytes returns how many bytes the function has.
func (f Func) Bytes() int {
	n := 0
	for _, r := range f.Rows {
		n += len(r.Bytes)
	}
	return n
}

// Object explains a variant that is in a linked program. A variant that is not proved is
// explained as far as the proof got.
func Object(obj *asm.Object, n stubs.Variant) (*Variant, error) {
	proof, err := prove.Object(obj, n)
	if err != nil {
		return nil, err
	}
	v := &Variant{Name: n.Name, Proof: proof}
	x := explainer{obj.Symbols, roomOf(n), n.Name}
	unreached := map[string]bool{}
	for _, w := range proof.Unreached {
		unreached[place(w.Func, w.Off)] = true
	}
	for _, l := range obj.Listings() {
		name, variant, _ := stubs.CutFuncName(l.Name)
		if variant != n.Name {
			continue
		}
		f := Func{Name: name, Listing: l}
		for _, r := range l.Rows {
			row := Row{Row: r, Plain: x.plain(r)}
			if r.Label == "" {
				if k, ok := proof.At(l.Addr + uint64(r.Off)); ok {
					row.Effects = x.effects(k)
				}
				row.Unreached = unreached[place(l.Name, r.Off)]
			}
			f.Rows = append(f.Rows, row)
		}
		v.Funcs = append(v.Funcs, f)
	}
	return v, nil
}

func place(fn string, off int) string { return fmt.Sprintf("%s+%#x", fn, off) }

// registers are named in the order of prove.Known.
var registers = [16]string{
	"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
}

// movesRSP are the instructions that move RSP by a word, which no reader needs to be
// told.
var movesRSP = []string{"PUSHQ", "POPQ", "CALL", "RET", "RETN"}

// explainer holds what is needed to explain rows.
type explainer struct {
	symbols []asm.Symbol // by address
	room    map[string]bool
	variant string
}

// plain returns a row's Plain.
func (x explainer) plain(r asm.Row) string {
	if r.Label != "" {
		return x.name(r.Label) + ":"
	}
	if target := r.Ins.Operands(); len(target) == 1 && r.Ins.Source() == "" {
		if _, ok := target[0].(asm.Place); ok {
			return r.Ins.Mnemonic()
		}
	}
	return r.Ins.Renamed(x.name).Short()
}

// name returns a function's or label's name without the variant's.
func (x explainer) name(symbol string) string {
	if name, variant, _ := stubs.CutFuncName(symbol); variant == x.variant {
		return name
	}
	return symbol
}

// roomOf returns the slots that the variant's frames have room for, by name.
func roomOf(n stubs.Variant) map[string]bool {
	_, room := n.Axes.Frame()
	names := map[string]bool{}
	for s := range layout.NumSlots {
		names[s.String()] = room.Has(s)
	}
	return names
}

func (x explainer) effects(k prove.Known) []Effect {
	var list []Effect
	moves := slices.Contains(movesRSP, k.Ins.Mnemonic())
	// A push below a frame without room for all slots fills no slot.
	if k.Defines != "" && (!moves || k.Ins.Mnemonic() != "CALL" && x.room[k.Defines]) {
		list = append(list, Effect{k.Defines, true, x.values(k.Values)})
	}
	for i, name := range registers {
		if k.Changed[i] && !(moves && name == "RSP" && !slices.Contains(k.Ins.Operands(), any(asm.RSP))) {
			list = append(list, Effect{name, false, x.values(k.RegValues[i])})
		}
	}
	return list
}

// values names the values that are possible.
func (x explainer) values(list []string) string {
	switch first := x.value(list[0]); len(list) {
	case 1:
		return first
	case 2:
		return first + " or " + x.value(list[1])
	default:
		return fmt.Sprintf("%s or %d others", first, len(list)-1)
	}
}

// value names an address by the function that contains it.
func (x explainer) value(text string) string {
	addr, err := strconv.ParseUint(text, 0, 64)
	if err != nil || addr < layout.KernelBase {
		return text
	}
	name := text
	for _, s := range x.symbols {
		if s.Func && addr-s.Addr < s.Size {
			name = x.name(s.Name)
			if addr != s.Addr {
				name = place(name, int(addr-s.Addr))
			}
		}
	}
	return name
}

// remark returns everything that is said about an instruction: first by the proof, then
// by its author. A slot that both name is named once.
func (r Row) remark() string {
	var parts []string
	if mark := r.Mark(); mark != "" {
		parts = append(parts, mark)
	} else if claim := r.Ins.Claim(); claim != "" {
		parts = append(parts, claim)
	}
	if r.Unreached {
		parts = append(parts, "not reached")
	}
	if comment := r.Ins.Comment(); comment != "" {
		parts = append(parts, comment)
	}
	return strings.Join(parts, "; ")
}

// String prints the outcome of the proof and the listings, each instruction
// with its offset, its bytes and what is known about it.
func (v *Variant) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %v\n", v.Proof)
	for _, f := range v.Funcs {
		fmt.Fprintf(&b, "\n%s", f)
	}
	return b.String()
}

// maxText is the rightmost column at which remarks begin; a longer instruction pushes
// its own remark further.
const maxText = 44

// String prints the function.
func (f Func) String() string {
	var b strings.Builder
	for line := range strings.Lines(f.Listing.Doc) {
		fmt.Fprintf(&b, "// %s", line)
	}
	if f.Listing.Doc != "" {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s:\n", f.Listing.Name)
	width := 0
	for _, r := range f.Rows {
		width = max(width, len(r.Ins.String()))
	}
	width = min(width, maxText)
	for _, r := range f.Rows {
		switch remark := r.remark(); {
		case r.Label == f.Listing.Name:
		case r.Label != "":
			fmt.Fprintf(&b, "%s:\n", r.Label)
		case remark != "":
			fmt.Fprintf(&b, "%4x  %-24x  %-*v  // %s\n", r.Off, r.Bytes, width, r.Ins, remark)
		default:
			fmt.Fprintf(&b, "%4x  %-24x  %v\n", r.Off, r.Bytes, r.Ins)
		}
	}
	return b.String()
}
