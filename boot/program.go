package boot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	. "github.com/entrylab/entrylab/gen/asm"
)

// ending is the program that the guest executes to measure execve: wire.EndingProgram.
var ending = FUNC("_start", "_start exits with status 0.",
	XORL(RDI, RDI),
	MOVL(231, RAX).C("exit_group"),
	SYSCALL(),
	UD2(),
)

// smallProgram returns a static program of one segment, which begins at start.
func smallProgram(start Func) ([]byte, error) {
	const base = 0x400000
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Phnum: 1,
	}
	var segment elf.Prog64
	size := binary.Size(header) + binary.Size(segment)
	header.Ehsize, header.Phentsize = uint16(binary.Size(header)), uint16(binary.Size(segment))
	header.Phoff = uint64(header.Ehsize)

	object, err := Link(Program{Funcs: []Func{start}}, base+uint64(size), 0)
	if err != nil {
		return nil, err
	}
	header.Entry, _ = object.Addr(start.Name)
	code := object.Sections[0].Bytes
	total := uint64(size + len(code))
	segment = elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Filesz: total, Memsz: total, Align: 0x1000}

	var program bytes.Buffer
	for _, part := range []any{header, segment, code} {
		if err := binary.Write(&program, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return program.Bytes(), nil
}
