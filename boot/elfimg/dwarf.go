package elfimg

import (
	"debug/dwarf"
	"encoding/binary"
	"slices"
)

// Constants of the DWARF sections (DWARF 4, section 7). debug/dwarf exports
// tags and attributes, but no forms and opcodes.
const (
	dwarfVersion   = 4
	arangesVersion = 2
	addrSize       = 8

	langMipsAssembler = 0x8001 // DW_LANG_Mips_Assembler, as GNU as writes it

	formAddr      = 0x01 // DW_FORM_addr
	formData8     = 0x07 // DW_FORM_data8
	formString    = 0x08 // DW_FORM_string
	formFlag      = 0x0c // DW_FORM_flag
	formUdata     = 0x0f // DW_FORM_udata
	formSecOffset = 0x17 // DW_FORM_sec_offset

	lnsAdvancePC   = 0x02 // DW_LNS_advance_pc
	lnsAdvanceLine = 0x03 // DW_LNS_advance_line
	lnsSetFile     = 0x04 // DW_LNS_set_file
	lneEndSequence = 0x01 // DW_LNE_end_sequence
	lneSetAddress  = 0x02 // DW_LNE_set_address
)

// The parameters of the special opcodes (DWARF 4, section 6.2.5.1): one byte
// moves the line by -5…8 and the address by 0…16, more than the longest
// instruction, so most instructions take one byte of line program.
const (
	lineBase   = -5
	lineRange  = 14
	opcodeBase = 13
)

// stdOpcodeLengths are the operand counts of DW_LNS_copy … DW_LNS_set_isa.
var stdOpcodeLengths = [opcodeBase - 1]byte{0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1}

// Abbreviation codes in .debug_abbrev.
const (
	abbrevUnit = iota + 1
	abbrevFunc
)

type attrForm struct {
	attr dwarf.Attr
	form byte
}

// unitAttrs and funcAttrs fix the order in which info writes values.
var (
	unitAttrs = []attrForm{
		{dwarf.AttrProducer, formString},
		{dwarf.AttrLanguage, formUdata},
		{dwarf.AttrName, formString},
		{dwarf.AttrCompDir, formString},
		{dwarf.AttrLowpc, formAddr},
		{dwarf.AttrRanges, formSecOffset},
		{dwarf.AttrStmtList, formSecOffset},
	}
	funcAttrs = []attrForm{
		{dwarf.AttrName, formString},
		{dwarf.AttrExternal, formFlag},
		{dwarf.AttrDeclFile, formUdata},
		{dwarf.AttrDeclLine, formUdata},
		{dwarf.AttrLowpc, formAddr},
		{dwarf.AttrHighpc, formData8},
	}
)

const (
	producer = "entrylab"

	// compDir is the directory that file names are relative to: the one in which
	// the debugger is started, which must be the module's root.
	compDir = "."
)

// debugSections are the contents of the .debug_ sections.
type debugSections struct {
	abbrev, info, line, ranges, aranges []byte
}

// debug returns the image's DWARF: one compile unit over all code, a line
// table, and an entry for each function.
func (im *Image) debug() debugSections {
	files, number := im.files()
	return debugSections{
		abbrev:  debugAbbrev(),
		info:    im.debugInfo(files, number),
		line:    im.debugLine(files, number),
		ranges:  im.debugRanges(),
		aranges: im.debugAranges(),
	}
}

// files returns the names of the source files in the order of first use, and
// the number of each in the line table, from 1.
func (im *Image) files() (files []string, number map[string]uint64) {
	number = make(map[string]uint64)
	last := ""
	for i := range im.Lines {
		file := im.Lines[i].File
		if file == last {
			continue
		}
		last = file
		if number[file] == 0 {
			files = append(files, file)
			number[file] = uint64(len(files))
		}
	}
	return files, number
}

// code returns the sections that the compile unit covers.
func (im *Image) code() []*Section {
	var code []*Section
	for i := range im.Sections {
		if s := &im.Sections[i]; s.Exec && len(s.Data) > 0 {
			code = append(code, s)
		}
	}
	return code
}

func debugAbbrev() []byte {
	var b []byte
	declare := func(code uint64, tag dwarf.Tag, children byte, attrs []attrForm) {
		b = binary.AppendUvarint(b, code)
		b = binary.AppendUvarint(b, uint64(tag))
		b = append(b, children)
		for _, a := range attrs {
			b = binary.AppendUvarint(b, uint64(a.attr))
			b = append(b, a.form)
		}
		b = append(b, 0, 0)
	}
	declare(abbrevUnit, dwarf.TagCompileUnit, 1, unitAttrs)
	declare(abbrevFunc, dwarf.TagSubprogram, 0, funcAttrs)
	return append(b, 0)
}

// debugInfo describes the unit and each function that has a size. A function
// is declared where its first instruction was emitted.
func (im *Image) debugInfo(files []string, number map[string]uint64) []byte {
	b := binary.LittleEndian.AppendUint16(nil, dwarfVersion)
	b = binary.LittleEndian.AppendUint32(b, 0) // in .debug_abbrev
	b = append(b, addrSize)

	b = binary.AppendUvarint(b, abbrevUnit)
	b = appendString(b, producer)
	b = binary.AppendUvarint(b, langMipsAssembler)
	b = appendString(b, files[0])
	b = appendString(b, compDir)
	b = binary.LittleEndian.AppendUint64(b, 0) // the base of .debug_ranges
	b = binary.LittleEndian.AppendUint32(b, 0) // in .debug_ranges
	b = binary.LittleEndian.AppendUint32(b, 0) // in .debug_line

	for i := range im.Symbols {
		sym := &im.Symbols[i]
		if !sym.Func || sym.Size == 0 {
			continue
		}
		b = binary.AppendUvarint(b, abbrevFunc)
		b = appendString(b, sym.Name)
		if sym.Local {
			b = append(b, 0)
		} else {
			b = append(b, 1)
		}
		var file, line uint64 // 0 if unknown
		at, found := slices.BinarySearchFunc(im.Lines, sym.Addr, compareAddr)
		if found {
			file, line = number[im.Lines[at].File], uint64(im.Lines[at].Line)
		}
		b = binary.AppendUvarint(b, file)
		b = binary.AppendUvarint(b, line)
		b = binary.LittleEndian.AppendUint64(b, sym.Addr)
		b = binary.LittleEndian.AppendUint64(b, sym.Size)
	}
	return withLength(append(b, 0))
}

// debugLine returns the line table: one sequence for each section with lines. The
// last instruction of a section extends to the end of its data.
func (im *Image) debugLine(files []string, number map[string]uint64) []byte {
	head := []byte{
		1,               // minimum_instruction_length
		1,               // maximum_operations_per_instruction
		1,               // default_is_stmt
		lineBase & 0xff, // line_base
		lineRange,
		opcodeBase,
	}
	head = append(head, stdOpcodeLengths[:]...)
	head = append(head, 0) // no include_directories: names are relative to compDir
	for _, file := range files {
		head = appendString(head, file)
		head = append(head, 0, 0, 0) // directory, time, size
	}
	head = append(head, 0)

	b := binary.LittleEndian.AppendUint16(nil, dwarfVersion)
	b = append(b, withLength(head)...)
	for lines := im.Lines; len(lines) > 0; {
		end := im.codeOf(lines[0].Addr).dataEnd()
		n, _ := slices.BinarySearchFunc(lines, end, compareAddr)
		b = appendSequence(b, lines[:n], end, number)
		lines = lines[n:]
	}
	return withLength(b)
}

// appendSequence adds the line program for lines, which run up to end.
func appendSequence(b []byte, lines []Line, end uint64, number map[string]uint64) []byte {
	b = append(b, 0, 1+addrSize, lneSetAddress)
	b = binary.LittleEndian.AppendUint64(b, lines[0].Addr)
	addr, line, file := lines[0].Addr, 1, uint64(1) // what a sequence starts with
	name := ""
	for i := range lines {
		l := &lines[i]
		if l.File != name {
			name = l.File
			if n := number[name]; n != file {
				file = n
				b = append(b, lnsSetFile)
				b = binary.AppendUvarint(b, file)
			}
		}
		down := l.Line - line
		if down < lineBase || down >= lineBase+lineRange {
			b = append(b, lnsAdvanceLine)
			b = appendSleb(b, int64(down))
			down = 0
		}
		forth := l.Addr - addr
		if forth > uint64(0xff-opcodeBase-(down-lineBase))/lineRange {
			b = append(b, lnsAdvancePC)
			b = binary.AppendUvarint(b, forth)
			forth = 0
		}
		b = append(b, byte(opcodeBase+(down-lineBase)+int(forth)*lineRange))
		addr, line = l.Addr, l.Line
	}
	b = append(b, lnsAdvancePC)
	b = binary.AppendUvarint(b, end-addr)
	return append(b, 0, 1, lneEndSequence)
}

func (im *Image) debugRanges() []byte {
	var b []byte
	for _, s := range im.code() {
		b = binary.LittleEndian.AppendUint64(b, s.Addr)
		b = binary.LittleEndian.AppendUint64(b, s.dataEnd())
	}
	return append(b, make([]byte, 2*addrSize)...)
}

func (im *Image) debugAranges() []byte {
	const headSize, tupleSize = 12, 2 * addrSize
	b := binary.LittleEndian.AppendUint16(nil, arangesVersion)
	b = binary.LittleEndian.AppendUint32(b, 0) // in .debug_info
	b = append(b, addrSize, 0)                 // no segments
	b = append(b, make([]byte, tupleSize-headSize%tupleSize)...)
	for _, s := range im.code() {
		b = binary.LittleEndian.AppendUint64(b, s.Addr)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s.Data)))
	}
	return withLength(append(b, make([]byte, 2*addrSize)...))
}

// compareAddr orders a line against an address, for a binary search.
func compareAddr(l Line, addr uint64) int {
	switch {
	case l.Addr < addr:
		return -1
	case l.Addr > addr:
		return 1
	}
	return 0
}

// withLength returns b with its 32-bit length before it.
func withLength(b []byte) []byte {
	out := make([]byte, 0, 4+len(b))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(b)))
	return append(out, b...)
}

func appendString(b []byte, s string) []byte {
	return append(append(b, s...), 0)
}

// appendSleb adds v as a signed LEB128 number; bit 6 of the last byte is its sign.
// (binary.AppendVarint uses another coding, zig-zag.)
func appendSleb(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
