package elfimg

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// physLimit is the end of the memory that the 32-bit entry can reach.
const physLimit = 1 << 32

// maxSections keeps the number of section headers, two for a section and ten
// of our own at most, below elf.SHN_LORESERVE.
const maxSections = (int(elf.SHN_LORESERVE) - 10) / 2

// ownSections are the names that Bytes gives to sections itself.
var ownSections = []string{
	".notes", ".debug_abbrev", ".debug_info", ".debug_line", ".debug_ranges",
	".debug_aranges", ".symtab", ".strtab", ".shstrtab",
}

// problems collects what is wrong with an image.
type problems []error

func (p *problems) addf(format string, args ...any) {
	*p = append(*p, fmt.Errorf("elfimg: "+format, args...))
}

// check returns all faults of the image, joined. Symbols, lines and the entry
// are checked only once the sections are right, as sections decide where they
// belong.
func (im *Image) check() error {
	var p problems
	im.checkSections(&p)
	if len(p) == 0 {
		im.checkEntry(&p)
		im.checkSymbols(&p)
		im.checkLines(&p)
		im.checkNotes(&p)
	}
	return errors.Join(p...)
}

func (im *Image) checkSections(p *problems) {
	if len(im.Sections) > maxSections {
		p.addf("%d sections: ELF has room for %d", len(im.Sections), maxSections)
		return
	}
	names := make(map[string]bool)
	for _, name := range ownSections {
		names[name] = true
	}
	for i := range im.Sections {
		s := &im.Sections[i]
		name := s.Name
		if bad := badName(name); bad != "" {
			p.addf("section %q at %#x: its name %s", name, s.Addr, bad)
		}
		headers := []string{name}
		if len(s.Data) > 0 && s.size() > uint64(len(s.Data)) {
			headers = append(headers, name+zeroSuffix)
		}
		for _, h := range headers {
			if names[h] {
				p.addf("section %s at %#x: the name %s is taken", name, s.Addr, h)
			}
			names[h] = true
		}
		if s.Size != 0 && s.Size < uint64(len(s.Data)) {
			p.addf("section %s: its size is %#x, but it has %#x bytes of data", name, s.Size, len(s.Data))
		}
		if s.size() > math.MaxUint64-s.Addr {
			p.addf("section %s: %#x bytes from %#x run past the top of the address space", name, s.size(), s.Addr)
		}
		if s.Phys > physLimit || s.size() > physLimit-s.Phys {
			p.addf("section %s: %#x bytes from physical %#x run past 4 GiB, beyond the reach of a 32-bit entry", name, s.size(), s.Phys)
		}
		if (s.Addr-s.Phys)%pageSize != 0 {
			p.addf("section %s: no page table maps %#x to physical %#x: they differ within a page", name, s.Addr, s.Phys)
		}
	}
	if len(*p) > 0 {
		return // the ends below may have wrapped
	}

	for i := 1; i < len(im.Sections); i++ {
		s, before := &im.Sections[i], &im.Sections[i-1]
		switch {
		case s.Addr < before.Addr:
			p.addf("section %s at %#x comes after %s at %#x: give sections in order of address", s.Name, s.Addr, before.Name, before.Addr)
		case s.Addr < before.end():
			p.addf("section %s at %#x overlaps %s, which ends at %#x", s.Name, s.Addr, before.Name, before.end())
		}
	}
	if len(*p) > 0 {
		return
	}

	var loaded []*Section
	for i := range im.Sections {
		if im.Sections[i].size() > 0 {
			loaded = append(loaded, &im.Sections[i])
		}
	}
	slices.SortStableFunc(loaded, func(a, b *Section) int { return cmp.Compare(a.Phys, b.Phys) })
	for i := 1; i < len(loaded); i++ {
		s, before := loaded[i], loaded[i-1]
		if end := before.Phys + before.size(); s.Phys < end {
			p.addf("section %s at physical %#x overlaps %s, which ends at physical %#x", s.Name, s.Phys, before.Name, end)
		}
	}
}

func (im *Image) checkEntry(p *problems) {
	entry := uint64(im.Entry)
	for _, s := range im.Sections {
		if s.Exec && s.Phys <= entry && entry-s.Phys < uint64(len(s.Data)) {
			return
		}
	}
	p.addf("entry %#x is in no executable section: it must be the physical address of the 32-bit entry code", entry)
}

func (im *Image) checkSymbols(p *problems) {
	globals := make(map[string]uint64)
	for i := range im.Symbols {
		sym := &im.Symbols[i]
		if bad := badName(sym.Name); bad != "" {
			p.addf("symbol %q at %#x: its name %s", sym.Name, sym.Addr, bad)
			continue
		}
		if addr, found := globals[sym.Name]; found && !sym.Local {
			p.addf("symbol %s at %#x is also at %#x: only local symbols may share a name", sym.Name, sym.Addr, addr)
		}
		if !sym.Local {
			globals[sym.Name] = sym.Addr
		}
		at := im.sectionOf(sym.Addr)
		if at < 0 {
			p.addf("symbol %s at %#x is outside any section", sym.Name, sym.Addr)
			continue
		}
		s := &im.Sections[at]
		switch {
		case sym.Size > s.end()-sym.Addr:
			p.addf("symbol %s at %#x, %#x bytes, is outside any section: it runs past the end of %s at %#x", sym.Name, sym.Addr, sym.Size, s.Name, s.end())
		case sym.Func && im.codeOf(sym.Addr) == nil:
			p.addf("function %s at %#x is not in code but in %s", sym.Name, sym.Addr, s.Name)
		}
	}
}

// checkLines stops at the first bad line: if one is wrong, most are.
func (im *Image) checkLines(p *problems) {
	for i, l := range im.Lines {
		if bad := badName(l.File); bad != "" {
			p.addf("line entry at %#x: its file name %q %s", l.Addr, l.File, bad)
			return
		}
		switch {
		case path.IsAbs(l.File):
			p.addf("line entry at %#x: file %s would put a path of this machine into the image: give it relative to the module", l.Addr, l.File)
		case l.Line < 1 || l.Line > math.MaxInt32:
			p.addf("line entry at %#x: %s has no line %d", l.Addr, l.File, l.Line)
		case i > 0 && l.Addr <= im.Lines[i-1].Addr:
			before := im.Lines[i-1]
			p.addf("%s:%d: line entry at %#x follows that of %s:%d at %#x: give lines in ascending order of address, one for each instruction",
				l.File, l.Line, l.Addr, before.File, before.Line, before.Addr)
		case im.codeOf(l.Addr) == nil:
			p.addf("%s:%d: line entry at %#x is outside any executable section", l.File, l.Line, l.Addr)
		default:
			continue
		}
		return
	}
}

func (im *Image) checkNotes(p *problems) {
	for _, n := range im.Notes {
		if bad := badName(n.Name); bad != "" {
			p.addf("note %q: its name %s", n.Name, bad)
		}
		if n.Name == xenNoteName && n.Type == xenNotePhys32Entry {
			p.addf("note %s, type %d: this note is made from Entry", n.Name, n.Type)
		}
	}
}

// badName says why s cannot be a name in the file, or "".
func badName(s string) string {
	switch {
	case s == "":
		return "is empty"
	case strings.Contains(s, "\x00"):
		return "has a zero byte in it"
	}
	return ""
}

// sectionOf returns the index of the section that contains addr, else of one
// that ends there, else -1.
func (im *Image) sectionOf(addr uint64) int {
	ends := -1
	for i := range im.Sections {
		s := &im.Sections[i]
		switch {
		case s.Addr <= addr && addr < s.end():
			return i
		case addr == s.end() && ends < 0:
			ends = i
		}
	}
	return ends
}

// codeOf returns the executable section whose data holds addr, or nil.
func (im *Image) codeOf(addr uint64) *Section {
	for i := range im.Sections {
		s := &im.Sections[i]
		if s.Exec && s.Addr <= addr && addr < s.dataEnd() {
			return s
		}
	}
	return nil
}

// checkNoMultiboot reports bytes that a loader takes for a Multiboot 1 header:
// the magic number, then flags and a checksum which together sum to zero,
// 4-byte aligned in the first 8 KiB (Multiboot Specification 0.6.96, section 3.1).
// QEMU looks for it before it looks for the PVH note, and then stops with
// "Cannot load x86-64 image".
func checkNoMultiboot(file []byte) error {
	const magic, span, size = 0x1badb002, 8192, 12
	for off := 0; off+size <= min(len(file), span); off += 4 {
		word := func(n int) uint32 { return binary.LittleEndian.Uint32(file[off+n:]) }
		if word(0) == magic && word(0)+word(4)+word(8) == 0 {
			return fmt.Errorf("elfimg: the bytes at file offset %#x are a Multiboot header, with which QEMU refuses a 64-bit image: move that data past the first 8 KiB", off)
		}
	}
	return nil
}
