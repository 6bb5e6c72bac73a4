package replay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
	"golang.org/x/arch/x86/x86asm"
)

// chunk is a piece of machine code that is copied to a random address as a
// whole.
type chunk struct {
	Code   []byte
	Relocs []reloc
	// Defs are its places that relocs and the sampler refer to by name.
	Defs map[string]int
}

// reloc is a place in the code that depends on addresses.
type reloc struct {
	Off    int // of the four bytes
	Target string
	// Abs: the four bytes are the address itself, plus what they hold already; otherwise
	// they are the distance from the byte after them.
	Abs bool
	// Add is added to the address.
	Add int64
}

// Replacement is an instruction that is not run as the build made it.
type Replacement struct {
	Func string  // of the variant, with its suffix
	Off  int     // in the function
	Ins  asm.Ins // the instruction that was there
	Was  []byte
	Is   []byte // of the same length
}

// replaced lists the instructions that ring 3 may not execute, and what is executed instead.
// The byte after the jump is never reached.
var replaced = []struct {
	was asm.Ins
	is  []byte
}{
	{asm.SYSRETQ(), []byte{0xff, 0xe1, 0xcc}}, // JMP *RCX; INT3
	{asm.SWAPGS(), []byte{0x0f, 0x1f, 0x00}},  // NOP
	{asm.STI(), []byte{0x90}},                 // NOP
	{asm.CLI(), []byte{0x90}},                 // NOP
}

// replacement returns what is executed instead of an instruction; nil if the instruction
// itself is.
func replacement(in asm.Ins) []byte {
	for _, r := range replaced {
		if r.was.Equal(in) {
			return r.is
		}
	}
	return nil
}

// Names that relocs refer to in addition to functions.
const (
	callTable = "sys_call_table"
	// frameTable is the table of dispatch=retpoline. A replay has one handler, and so one
	// table.
	frameTable = "x64_call_table"
	cEntry     = "c_entry"      // what stands for the C part of a kernel
	gsWord     = "per-CPU word" // whose offset from the GS base is the reloc's Add
	trap       = "trap"         // takes the place of every kernel function that a replay does not need
)

// stub is the code of a variant as it is replayed.
type stub struct {
	chunk
	replacements []Replacement
	listings     []asm.Listing
	start        uint64 // address of the chunk in the build
	kept         []int  // displacements of constants that are part of the chunk
	// places name the instructions of a stub that is cut from a path, by their offsets.
	places map[int]string
}

// uncalled are the functions of a variant that are not part of a call: it is selected by one,
// and interrupts come in by the others.
var uncalled = []string{stubs.SyscallInit, stubs.ErrorEntry, stubs.ParanoidEntry}

// stubOf takes the functions of a variant from a built kernel.
func stubOf(obj *asm.Object, variant string) (*stub, error) {
	s := &stub{}
	for _, l := range obj.Listings() {
		if name, of, ok := stubs.CutFuncName(l.Name); ok && of == variant && !slices.Contains(uncalled, name) {
			s.listings = append(s.listings, l)
		}
	}
	if len(s.listings) == 0 {
		return nil, fmt.Errorf("variant %s has no function in the build", variant)
	}
	slices.SortFunc(s.listings, func(a, b asm.Listing) int { return int(int64(a.Addr - b.Addr)) })
	text := obj.Sections[0]
	table, ok := obj.Addr(callTable)
	if !ok {
		return nil, fmt.Errorf("the build has no %s", callTable)
	}
	frames, _ := obj.Addr(frameTable)
	s.start = s.listings[0].Addr
	end := funcEnd(s.listings[len(s.listings)-1])
	s.Code = slices.Clone(text.Bytes[s.start-text.Addr : end-text.Addr])
	s.Defs = map[string]int{}
	for _, l := range s.listings {
		name, _, _ := stubs.CutFuncName(l.Name)
		s.Defs[name] = int(l.Addr - s.start)
		for _, row := range l.Rows {
			if row.Label == "" {
				s.row(obj, l, row, map[string]uint64{callTable: table, frameTable: frames}, end)
			}
		}
	}
	return s, nil
}

func funcEnd(l asm.Listing) uint64 {
	last := l.Rows[len(l.Rows)-1]
	return l.Addr + uint64(last.Off+len(last.Bytes))
}

// row replaces the instruction of a row, or notes which part of it must be linked again.
func (s *stub) row(obj *asm.Object, l asm.Listing, row asm.Row, tables map[string]uint64, end uint64) {
	off := int(l.Addr-s.start) + row.Off
	if is := replacement(row.Ins); is != nil {
		s.replacements = append(s.replacements, Replacement{l.Name, row.Off, row.Ins, row.Bytes, is})
		copy(s.Code[off:], is)
		return
	}
	if m, ok := row.Ins.Memory(); ok && (m.Sym() == callTable || m.Sym() == frameTable) && m.IndexReg() != 0 {
		last := off + len(row.Bytes) - 4
		binary.LittleEndian.PutUint32(s.Code[last:], binary.LittleEndian.Uint32(s.Code[last:])-uint32(tables[m.Sym()]))
		s.Relocs = append(s.Relocs, reloc{Off: last, Target: callTable, Abs: true})
		return
	}
	inst, err := x86asm.Decode(row.Bytes, 64)
	if err != nil || inst.PCRel != 4 { // an instruction that the decoder does not know names no address
		return
	}
	at := off + inst.PCRelOff
	behind := l.Addr + uint64(row.Off+len(row.Bytes))
	target := behind + uint64(int64(int32(binary.LittleEndian.Uint32(s.Code[at:]))))
	if s.start <= target && target < end {
		return
	}
	if data := dataAt(obj, target); data != nil {
		s.keep(data, at, off+len(row.Bytes))
		return
	}
	s.Relocs = append(s.Relocs, reloc{Off: at, Target: funcAt(obj, target)})
}

// keep appends a copy of a constant to the chunk, in a line of its own, for the
// instruction with the displacement at that ends before behind.
func (s *stub) keep(data []byte, at, behind int) {
	for len(s.Code)%lineSize != 0 {
		s.Code = append(s.Code, 0xcc)
	}
	binary.LittleEndian.PutUint32(s.Code[at:], uint32(len(s.Code)-behind))
	s.kept = append(s.kept, at)
	s.Code = append(s.Code, data...)
}

// dataAt returns the content of the read-only object at an address; nil if there is none.
func dataAt(obj *asm.Object, addr uint64) []byte {
	for _, sec := range obj.Sections {
		if off := addr - sec.Addr; sec.Name == ".rodata" && off < uint64(len(sec.Bytes)) {
			for _, sym := range obj.Symbols {
				if sym.Addr == addr && sym.Size > 0 {
					return sec.Bytes[off:][:sym.Size]
				}
			}
		}
	}
	return nil
}

// funcAt returns the function that a CALL or JMP of an address reaches. A CALL that the
// kernel would count goes past the count: what stands for the kernel's functions returns by
// RET, which is not counted either.
func funcAt(obj *asm.Object, addr uint64) string {
	for _, sym := range obj.Symbols {
		if sym.Addr == addr && sym.Func {
			return strings.TrimPrefix(sym.Name, asm.PrefixName)
		}
	}
	return trap
}

// where names the function and offset of a place in the chunk and the instruction that
// begins there, if there is one, and reports whether ring 3 may not run that.
func (s *stub) where(off int) (place string, privileged bool) {
	if place, ok := s.places[off]; ok {
		return place, false
	}
	if s.places != nil {
		return "code that the machine did not run", false
	}
	for _, l := range slices.Backward(s.listings) {
		at := int(l.Addr - s.start)
		if off < at {
			continue
		}
		for _, row := range l.Rows {
			if row.Label == "" && row.Off == off-at {
				return fmt.Sprintf("%s+%#x (%s)", l.Name, row.Off, row.Ins.Short()), row.Ins.CPL() == 0
			}
		}
		return fmt.Sprintf("%s+%#x", l.Name, off-at), false
	}
	return fmt.Sprintf("the code's start%+#x", off), false
}
