package linux

import (
	"cmp"
	"context"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Symbols are the names of the code of a vmlinux: its functions and labels. A vmlinux
// boots by its PVH entry, without the code that moves a bzImage's kernel (KASLR), so
// addresses are those of the running kernel.
type Symbols struct {
	symbols []elf.Symbol // by address, each address once
	code    []elf.SectionHeader
}

// Symbols returns the names in a vmlinux; nil if there are none, as in a bzImage or in a
// vmlinux that was stripped.
func (im *Image) Symbols(ctx context.Context) (*Symbols, error) {
	if !im.ELF {
		return nil, nil
	}
	f, err := elf.Open(im.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.Path, err)
	}
	defer f.Close()
	s := &Symbols{}
	for _, section := range f.Sections {
		if section.Flags&elf.SHF_EXECINSTR != 0 {
			s.code = append(s.code, section.SectionHeader)
		}
		if table := section.Type == elf.SHT_SYMTAB || section.Type == elf.SHT_STRTAB; table && section.Size > mostSection {
			return nil, fmt.Errorf("%s: %s has %d bytes, more than the %d that are read", im.Path, section.Name, section.Size, mostSection)
		}
	}
	all, err := f.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its symbols are damaged: %w", im.Path, err)
	}
	s.name(f, all)
	if len(s.symbols) == 0 {
		return nil, nil
	}
	return s, ctx.Err()
}

// name keeps of all symbols those of code. Where several have one address, a function is
// kept rather than a label, and one with a size rather than a border of a section.
func (s *Symbols) name(f *elf.File, all []elf.Symbol) {
	for _, symbol := range all {
		kind := elf.ST_TYPE(symbol.Info)
		if kind != elf.STT_FUNC && kind != elf.STT_NOTYPE || symbol.Name == "" ||
			int(symbol.Section) >= len(f.Sections) || f.Sections[symbol.Section].Flags&elf.SHF_EXECINSTR == 0 {
			continue
		}
		s.symbols = append(s.symbols, symbol)
	}
	rank := func(symbol elf.Symbol) int {
		switch {
		case elf.ST_TYPE(symbol.Info) == elf.STT_FUNC:
			return 0
		case symbol.Size > 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(s.symbols, func(a, b elf.Symbol) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(rank(a), rank(b)))
	})
	s.symbols = slices.CompactFunc(s.symbols, func(a, b elf.Symbol) bool { return a.Value == b.Value })
}

// Function returns the function or label that an address is in, and where it begins. It
// is false for an address that is not in the image's code, as that of a module.
func (s *Symbols) Function(addr uint64) (name string, start uint64, ok bool) {
	section := slices.IndexFunc(s.code, func(h elf.SectionHeader) bool { return addr >= h.Addr && addr-h.Addr < h.Size })
	i, found := slices.BinarySearchFunc(s.symbols, addr, func(symbol elf.Symbol, addr uint64) int { return cmp.Compare(symbol.Value, addr) })
	if !found {
		i--
	}
	if section < 0 || i < 0 || s.symbols[i].Value < s.code[section].Addr {
		return "", 0, false
	}
	return s.symbols[i].Name, s.symbols[i].Value, true
}

// mostDebug is the most that is read of DWARF, uncompressed. Distributions' kernels have
// less than half of it.
const mostDebug = 2 << 30

// inlines are the inlined functions of a vmlinux with DWARF.
type inlines struct{ debug *dwarf.Data }

// Inlined returns for each of the addresses of a vmlinux's code that is in inlined
// functions their names, the innermost first. Without DWARF it returns none. All of the
// DWARF is read, which takes some seconds for a distribution's kernel.
func (im *Image) Inlined(ctx context.Context, addrs []uint64) (map[uint64][]string, error) {
	if !im.ELF {
		return nil, nil
	}
	f, err := elf.Open(im.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.Path, err)
	}
	defer f.Close()
	size := uint64(0)
	for _, section := range f.Sections {
		if strings.HasPrefix(section.Name, ".debug_") || strings.HasPrefix(section.Name, ".zdebug_") {
			size += min(section.Size, mostDebug+1) // no sum of these is too large for 64 bits
		}
	}
	switch {
	case size == 0:
		return nil, nil
	case size > mostDebug:
		return nil, fmt.Errorf("%s: its DWARF has more than the %d MiB that are read: objcopy --strip-debug takes it out", im.Path, mostDebug>>20)
	}
	var in map[uint64][]string
	debug, err := f.DWARF()
	if err == nil {
		in, err = inlines{debug}.at(ctx, addrs)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its DWARF is damaged (objcopy --strip-debug takes it out): %w", im.Path, err)
	}
	return in, ctx.Err()
}

// at returns the inlined functions of addresses.
func (s inlines) at(ctx context.Context, addrs []uint64) (map[uint64][]string, error) {
	in := map[uint64][]string{}
	left := slices.Clone(addrs)
	for len(left) > 0 && ctx.Err() == nil {
		r := s.debug.Reader()
		unit, err := r.SeekPC(left[0])
		if errors.Is(err, dwarf.ErrUnknownPC) {
			left = left[1:] // of the assembler, which may write no unit
			continue
		}
		var inside []uint64
		if err == nil {
			inside, err = s.inside(unit, left)
		}
		if err == nil {
			err = s.unit(r, inside, in)
		}
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(left[1:], func(addr uint64) bool { return slices.Contains(inside, addr) })
	}
	return in, nil
}

// unit finds the inlined functions of a unit, behind whose first entry the reader is.
func (s inlines) unit(r *dwarf.Reader, addrs []uint64, in map[uint64][]string) error {
	for depth := 1; depth > 0; {
		e, err := r.Next()
		if err != nil {
			return err
		}
		if e == nil {
			return io.ErrUnexpectedEOF
		}
		switch e.Tag {
		case 0: // the end of a list of children
			depth--
			continue
		case dwarf.TagCompileUnit:
			return nil // the next one
		case dwarf.TagSubprogram, dwarf.TagInlinedSubroutine, dwarf.TagLexDwarfBlock:
			inside, err := s.inside(e, addrs)
			if err != nil {
				return err
			}
			if len(inside) == 0 {
				r.SkipChildren()
				continue
			}
			if e.Tag == dwarf.TagInlinedSubroutine {
				name, err := s.origin(e)
				if err != nil {
					return err
				}
				for _, addr := range inside {
					in[addr] = append([]string{name}, in[addr]...)
				}
			}
			if e.Children {
				depth++
			}
		default: // a scope of the language holds functions, a type does not
			if e.Tag == dwarf.TagNamespace {
				depth++
				continue
			}
			r.SkipChildren()
		}
	}
	return nil
}

// inside returns which of the addresses an entry's code has.
func (s inlines) inside(e *dwarf.Entry, addrs []uint64) (inside []uint64, err error) {
	ranges, err := s.debug.Ranges(e)
	for _, addr := range addrs {
		if slices.ContainsFunc(ranges, func(r [2]uint64) bool { return addr >= r[0] && addr < r[1] }) {
			inside = append(inside, addr)
		}
	}
	return inside, err
}

// mostOrigins is how many entries are followed to the name of a function: a copy's origin,
// and its declaration.
const mostOrigins = 8

// origin returns the name of the function that an entry is a copy of.
func (s inlines) origin(e *dwarf.Entry) (string, error) {
	for range mostOrigins {
		if name, ok := e.Val(dwarf.AttrName).(string); ok {
			return name, nil
		}
		at, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
		if !ok {
			at, ok = e.Val(dwarf.AttrSpecification).(dwarf.Offset)
		}
		if !ok {
			return "", fmt.Errorf("the entry at %#x has no name", e.Offset)
		}
		r := s.debug.Reader()
		r.Seek(at)
		var err error
		if e, err = r.Next(); err != nil {
			return "", err
		}
		if e == nil {
			return "", io.ErrUnexpectedEOF
		}
	}
	return "", fmt.Errorf("the entry at %#x has no name behind %d others", e.Offset, mostOrigins)
}
