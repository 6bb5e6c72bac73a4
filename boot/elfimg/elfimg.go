// Package elfimg writes the generated kernel as an ELF64 file.
//
// It knows nothing about instructions: it gets bytes with their addresses, symbols,
// and the Go line of each instruction.
//
// The file is an ET_EXEC for x86-64 with
//
//   - a PT_NOTE segment with the PVH note, by which QEMU's -kernel and other
//     direct-boot loaders find the 32-bit entry. There is no Multiboot header:
//     QEMU refuses an ELF64 that has one.
//   - one PT_LOAD segment for each section, with its physical address in p_paddr.
//   - .symtab, and DWARF 4 with a line table, so that gdb and addr2line show the
//     Go line of the listing for each instruction.
//
// The bytes depend on the [Image] alone: the same image gives the same file on
// every machine, and the file holds no path of the machine that built it.
package elfimg

import (
	"debug/elf"
	"encoding/binary"
	"slices"
)

// An Image is what one ELF file is made of.
type Image struct {
	// Entry is the physical address of the PVH entry: 32-bit protected mode,
	// paging off, EBX = physical address of hvm_start_info. It lies in an Exec
	// section, by its Phys.
	Entry uint32

	// Sections are in ascending order of Addr.
	Sections []Section

	// Symbols are written in the order given, except that locals come before globals,
	// as ELF demands.
	Symbols []Symbol

	// Lines are in ascending order of Addr, one for each instruction. Without
	// any, the file has no DWARF sections.
	Lines []Line

	// Notes follow the PVH note, in the order given.
	Notes []Note
}

// A Section is a run of memory with one name and one protection.
type Section struct {
	Name string
	Addr uint64 // virtual address of the first byte
	Phys uint64 // physical address of the first byte, below 4 GiB

	// Data is what the file holds. The memory after it, up to Size bytes from
	// Addr, is zero when the kernel starts. Size 0 means len(Data).
	Data []byte
	Size uint64

	Exec, Write bool
}

// size returns the bytes of memory that the section takes.
func (s *Section) size() uint64 { return max(s.Size, uint64(len(s.Data))) }

// end returns the virtual address after the section.
func (s *Section) end() uint64 { return s.Addr + s.size() }

// dataEnd returns the virtual address after the bytes that the file holds.
func (s *Section) dataEnd() uint64 { return s.Addr + uint64(len(s.Data)) }

// A Symbol names an address within a section. One without a size may also
// be at a section's end.
type Symbol struct {
	Name  string
	Addr  uint64
	Size  uint64 // bytes
	Func  bool   // code that is called or jumped to, not a label or data
	Local bool   // other symbols may have the same name
}

// A Line says which line of Go emitted the instruction at Addr.
type Line struct {
	Addr uint64
	File string // relative to the module, such as "stubs/entry.go"
	Line int    // from 1
}

// A Note is an ELF note of the image's own, found by its name and type.
type Note struct {
	Name string
	Type uint32
	Desc []byte
}

// The PVH note (Xen 4.x xen/include/public/elfnote.h). Its value is written
// as 8 bytes, as Linux writes it for x86-64: QEMU 7.2 reads a whole size_t
// from an ELF64, whatever length the note gives.
const (
	xenNoteName        = "Xen"
	xenNotePhys32Entry = 18 // XEN_ELFNOTE_PHYS32_ENTRY
)

const (
	pageSize   = 0x1000
	ehdrSize   = 64 // Elf64_Ehdr
	phdrSize   = 56 // Elf64_Phdr
	shdrSize   = 64 // Elf64_Shdr
	symSize    = 24 // Elf64_Sym
	noteAlign  = 4
	tableAlign = 8
)

// Bytes returns the ELF file. If the image cannot be written, one joined error holds
// all its faults.
func (im *Image) Bytes() ([]byte, error) {
	if err := im.check(); err != nil {
		return nil, err
	}
	f := newFile(im)
	f.notes(im)
	heads, tails := f.loads(im)
	if len(im.Lines) > 0 {
		d := im.debug()
		f.debug(".debug_abbrev", d.abbrev)
		f.debug(".debug_info", d.info)
		f.debug(".debug_line", d.line)
		f.debug(".debug_ranges", d.ranges)
		f.debug(".debug_aranges", d.aranges)
	}
	f.symtab(im, heads, tails)
	out := f.finish(im.Entry)
	if err := checkNoMultiboot(out); err != nil {
		return nil, err
	}
	return out, nil
}

// A file is an ELF file in the making. The ELF and program headers are written
// last, into room kept for them at the start.
type file struct {
	out      []byte
	progs    []elf.Prog64
	sections []elf.Section64
	names    strtab // .shstrtab
}

func newFile(im *Image) *file {
	progs, room := 1, 0 // the PT_NOTE
	for _, s := range im.Sections {
		if s.size() > 0 {
			progs++
		}
		room += len(s.Data) + pageSize
	}
	room += 128*len(im.Symbols) + 4*len(im.Lines) + pageSize
	return &file{
		out:      make([]byte, ehdrSize+phdrSize*progs, room),
		progs:    make([]elf.Prog64, 0, progs),
		sections: make([]elf.Section64, 1), // the first is SHN_UNDEF
		names:    newStrtab(),
	}
}

// align pads the file until its length is congruent to addr modulo n.
func (f *file) align(n, addr uint64) {
	pad := (addr - uint64(len(f.out))) % n
	f.out = append(f.out, make([]byte, pad)...)
}

// section adds a header for data, which it appends at the file's end, and
// returns the section's index. Sizes of a SHT_NOBITS section come in h.
func (f *file) section(name string, h elf.Section64, data []byte) uint16 {
	h.Name = f.names.add(name)
	h.Off = uint64(len(f.out))
	if h.Type != uint32(elf.SHT_NOBITS) {
		h.Size = uint64(len(data))
	}
	f.out = append(f.out, data...)
	f.sections = append(f.sections, h)
	return uint16(len(f.sections) - 1)
}

// notes adds the PVH note, then the image's own, as one section and segment.
func (f *file) notes(im *Image) {
	entry := binary.LittleEndian.AppendUint64(nil, uint64(im.Entry))
	data := appendNote(nil, Note{xenNoteName, xenNotePhys32Entry, entry})
	for _, n := range im.Notes {
		data = appendNote(data, n)
	}
	f.align(noteAlign, 0)
	f.progs = append(f.progs, elf.Prog64{
		Type:   uint32(elf.PT_NOTE),
		Flags:  uint32(elf.PF_R),
		Off:    uint64(len(f.out)),
		Filesz: uint64(len(data)),
		Memsz:  uint64(len(data)),
		Align:  noteAlign,
	})
	f.section(".notes", elf.Section64{Type: uint32(elf.SHT_NOTE), Addralign: noteAlign}, data)
}

func appendNote(b []byte, n Note) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(n.Name)+1))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(n.Desc)))
	b = binary.LittleEndian.AppendUint32(b, n.Type)
	b = append(append(b, n.Name...), 0)
	b = append(b, make([]byte, -len(b)&(noteAlign-1))...)
	b = append(b, n.Desc...)
	return append(b, make([]byte, -len(b)&(noteAlign-1))...)
}

// loads adds the image's sections with their segments. For each it returns
// the index of the section header for the data and of the one for the zeros
// after it; if there is only one of the two, both indices are that one's.
func (f *file) loads(im *Image) (heads, tails []uint16) {
	for _, s := range im.Sections {
		h := elf.Section64{
			Type:      uint32(elf.SHT_PROGBITS),
			Flags:     uint64(elf.SHF_ALLOC),
			Addr:      s.Addr,
			Addralign: addrAlign(s.Addr),
		}
		perm := elf.PF_R
		if s.Exec {
			perm |= elf.PF_X
			h.Flags |= uint64(elf.SHF_EXECINSTR)
		}
		if s.Write {
			perm |= elf.PF_W
			h.Flags |= uint64(elf.SHF_WRITE)
		}

		// The ELF specification wants p_offset and p_vaddr congruent modulo
		// the page size.
		f.align(pageSize, s.Addr)
		if s.size() > 0 {
			f.progs = append(f.progs, elf.Prog64{
				Type:   uint32(elf.PT_LOAD),
				Flags:  uint32(perm),
				Off:    uint64(len(f.out)),
				Vaddr:  s.Addr,
				Paddr:  s.Phys,
				Filesz: uint64(len(s.Data)),
				Memsz:  s.size(),
				Align:  pageSize,
			})
		}

		name, zeros := s.Name, s.end()-s.dataEnd()
		var head, tail uint16
		if len(s.Data) > 0 || zeros == 0 {
			head = f.section(name, h, s.Data)
			tail = head
			name += zeroSuffix
		}
		if zeros > 0 {
			h.Type = uint32(elf.SHT_NOBITS)
			h.Addr, h.Size = s.dataEnd(), zeros
			h.Addralign = addrAlign(h.Addr)
			tail = f.section(name, h, nil)
			if head == 0 {
				head = tail
			}
		}
		heads, tails = append(heads, head), append(tails, tail)
	}
	return heads, tails
}

// zeroSuffix is added to a section's name for the header of its zeros, if it also
// holds data: ELF has no section that is partly in the file.
const zeroSuffix = ".bss"

// addrAlign returns the largest power of two, at most a page, that divides
// addr.
func addrAlign(addr uint64) uint64 {
	return (addr | pageSize) & -(addr | pageSize)
}

// debug adds a section that only debuggers read.
func (f *file) debug(name string, data []byte) {
	f.section(name, elf.Section64{Type: uint32(elf.SHT_PROGBITS), Addralign: 1}, data)
}

// symtab adds .symtab and .strtab. The indices come from loads.
func (f *file) symtab(im *Image, heads, tails []uint16) {
	names := newStrtab()
	syms := make([]elf.Sym64, 1, 1+len(im.Symbols)) // the first is STN_UNDEF
	add := func(sym *Symbol, bind elf.SymBind) {
		i := im.sectionOf(sym.Addr)
		index := heads[i]
		if sym.Addr >= im.Sections[i].dataEnd() {
			index = tails[i]
		}
		kind := elf.STT_OBJECT
		switch {
		case sym.Func:
			kind = elf.STT_FUNC
		case im.Sections[i].Exec:
			kind = elf.STT_NOTYPE // a label
		}
		syms = append(syms, elf.Sym64{
			Name:  names.add(sym.Name),
			Info:  elf.ST_INFO(bind, kind),
			Shndx: index,
			Value: sym.Addr,
			Size:  sym.Size,
		})
	}
	for i := range im.Symbols {
		if im.Symbols[i].Local {
			add(&im.Symbols[i], elf.STB_LOCAL)
		}
	}
	locals := len(syms)
	for i := range im.Symbols {
		if !im.Symbols[i].Local {
			add(&im.Symbols[i], elf.STB_GLOBAL)
		}
	}

	f.align(tableAlign, 0)
	f.section(".symtab", elf.Section64{
		Type:      uint32(elf.SHT_SYMTAB),
		Link:      uint32(len(f.sections) + 1), // .strtab, which comes next
		Info:      uint32(locals),              // the first symbol that is not local
		Addralign: tableAlign,
		Entsize:   symSize,
	}, encode(syms))
	f.section(".strtab", elf.Section64{Type: uint32(elf.SHT_STRTAB), Addralign: 1}, names)
}

// finish adds .shstrtab and the section headers, fills in the headers at the
// file's start, and returns the file.
func (f *file) finish(entry uint32) []byte {
	const name = ".shstrtab" // which is in its own table
	names := append(slices.Clone(f.names), name+"\x00"...)
	f.section(name, elf.Section64{Type: uint32(elf.SHT_STRTAB), Addralign: 1}, names)
	f.align(tableAlign, 0)
	shoff := uint64(len(f.out))
	f.out = append(f.out, encode(f.sections)...)

	// e_entry is physical, as in Linux's vmlinux: a loader that loads the segments
	// by p_paddr and jumps there arrives where a PVH loader does.
	h := elf.Header64{
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     uint64(entry),
		Phoff:     ehdrSize,
		Shoff:     shoff,
		Ehsize:    ehdrSize,
		Phentsize: phdrSize,
		Phnum:     uint16(len(f.progs)),
		Shentsize: shdrSize,
		Shnum:     uint16(len(f.sections)),
		Shstrndx:  uint16(len(f.sections) - 1),
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	h.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	copy(f.out, encode(h))
	copy(f.out[ehdrSize:], encode(f.progs))
	return f.out
}

// encode returns the bytes in the file of v, a structure of debug/elf or a slice of
// them.
func encode(v any) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic("elfimg: " + err.Error()) // v is not of fixed size: never so for debug/elf's
	}
	return b
}

// A strtab is an ELF string table; offset 0 is the empty string.
type strtab []byte

func newStrtab() strtab { return strtab{0} }

// add appends s and returns its offset.
func (t *strtab) add(s string) uint32 {
	off := uint32(len(*t))
	*t = append(append(*t, s...), 0)
	return off
}
