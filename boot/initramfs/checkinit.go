package initramfs

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/entrylab/entrylab/internal/bounded"
)

// userTop is the first address above the canonical lower half, where programs
// live.
const userTop = 1 << 47

// howToBuild ends the messages about faults that no smaller change would mend.
const howToBuild = "build it with CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build"

// initFile is the file of an init.
var initFile = bounded.Kind{Most: 256 << 20, Regular: true, Advice: "give the path of a static linux/amd64 program"}

// ReadInit returns the program at path, or why it cannot run as /init, in one
// sentence that names the file and says what to do. It must be a complete static
// ELF64 executable for x86-64 (System V ABI, ET_EXEC or a static ET_DYN).
func ReadInit(ctx context.Context, path string) ([]byte, error) {
	data, err := initFile.ReadFile(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := checkELF(bytes.NewReader(data), uint64(len(data))); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

func checkELF(r io.ReaderAt, size uint64) error {
	ident := make([]byte, elf.EI_NIDENT)
	if n, err := r.ReadAt(ident, 0); err != nil {
		if n >= 4 && bytes.HasPrefix(ident, []byte(elf.ELFMAG)) {
			return truncated("an ELF header", elf.EI_NIDENT, size)
		}
		return fmt.Errorf("is not a program (%d bytes, no ELF header): %s", size, howToBuild)
	}
	if !bytes.HasPrefix(ident, []byte(elf.ELFMAG)) {
		return fmt.Errorf("is not an ELF program (starts with %q): %s", ident[:4], howToBuild)
	}
	if class := elf.Class(ident[elf.EI_CLASS]); class != elf.ELFCLASS64 {
		if class == elf.ELFCLASS32 {
			return fmt.Errorf("is a 32-bit program, and the kernel runs 64-bit ones only: %s", howToBuild)
		}
		return fmt.Errorf("has the unknown ELF class %d: %s", class, howToBuild)
	}
	if data := elf.Data(ident[elf.EI_DATA]); data != elf.ELFDATA2LSB {
		return fmt.Errorf("is not little-endian (%v), so not for x86-64: %s", data, howToBuild)
	}

	var hdr elf.Header64
	if err := readStruct(r, 0, &hdr); err != nil {
		return truncated("an ELF header", uint64(binary.Size(hdr)), size)
	}
	if machine := elf.Machine(hdr.Machine); machine != elf.EM_X86_64 {
		return fmt.Errorf("is built for %s, not for x86-64: %s", strings.TrimPrefix(machine.String(), "EM_"), howToBuild)
	}
	switch typ := elf.Type(hdr.Type); typ {
	case elf.ET_EXEC, elf.ET_DYN: // a static PIE is ET_DYN, and a dynamic one is found below
	case elf.ET_REL:
		return errors.New("is an object file (ET_REL): link it into a program")
	default:
		return fmt.Errorf("is not a program (%v): %s", typ, howToBuild)
	}
	return checkSegments(r, size, &hdr)
}

// checkSegments reads the program headers, which are all that a loader looks
// at.
func checkSegments(r io.ReaderAt, size uint64, hdr *elf.Header64) error {
	var prog elf.Prog64
	progSize := uint64(binary.Size(prog))
	if hdr.Phnum == 0 {
		return fmt.Errorf("has no program headers, so nothing to load: %s", howToBuild)
	}
	if uint64(hdr.Phentsize) != progSize {
		return fmt.Errorf("has program headers of %d bytes instead of %d: %s", hdr.Phentsize, progSize, howToBuild)
	}
	if end, ok := span(hdr.Phoff, uint64(hdr.Phnum)*progSize); !ok || end > size {
		return truncated("program headers", end, size)
	}
	loads, entryInText := 0, false
	var badLoad error
	for i := range uint64(hdr.Phnum) {
		if err := readStruct(r, int64(hdr.Phoff+i*progSize), &prog); err != nil {
			return fmt.Errorf("program header %d: %w", i, err)
		}
		switch elf.ProgType(prog.Type) {
		case elf.PT_INTERP:
			return fmt.Errorf("dynamically linked (wants %s): build it with CGO_ENABLED=0 and without -buildmode=pie, a C program with -static or -static-pie", interpreter(r, &prog))
		case elf.PT_DYNAMIC:
			needed, err := needsLibrary(r, &prog, size)
			if err != nil {
				return err
			}
			if needed {
				return errors.New("is a shared library, or dynamically linked without an interpreter (its dynamic section has DT_NEEDED): link a program with -static or -static-pie")
			}
		case elf.PT_LOAD:
			loads++
			if badLoad == nil {
				badLoad = checkLoad(&prog, i, size)
			}
			if prog.Flags&uint32(elf.PF_X) != 0 && hdr.Entry >= prog.Vaddr && hdr.Entry-prog.Vaddr < prog.Memsz {
				entryInText = true
			}
		}
	}
	switch {
	case loads == 0:
		return fmt.Errorf("has no PT_LOAD segment, so nothing to load: %s", howToBuild)
	case badLoad != nil:
		return badLoad
	case !entryInText:
		return fmt.Errorf("starts at %#x, which is in no executable segment: %s", hdr.Entry, howToBuild)
	}
	return nil
}

// needsLibrary reports whether the dynamic section asks for a shared library.
func needsLibrary(r io.ReaderAt, prog *elf.Prog64, size uint64) (bool, error) {
	if end, ok := span(prog.Off, prog.Filesz); !ok || end > size {
		return false, truncated("a dynamic section", end, size)
	}
	var entry elf.Dyn64
	step := uint64(binary.Size(entry))
	for off := prog.Off; off+step <= prog.Off+prog.Filesz; off += step {
		if err := readStruct(r, int64(off), &entry); err != nil {
			return false, err
		}
		switch elf.DynTag(entry.Tag) {
		case elf.DT_NEEDED:
			return true, nil
		case elf.DT_NULL:
			return false, nil
		}
	}
	return false, nil
}

func checkLoad(prog *elf.Prog64, i, size uint64) error {
	if end, ok := span(prog.Off, prog.Filesz); !ok || end > size {
		return truncated(fmt.Sprintf("segment %d", i), end, size)
	}
	if prog.Filesz > prog.Memsz {
		return fmt.Errorf("segment %d has more bytes in the file (%#x) than in memory (%#x): build it again", i, prog.Filesz, prog.Memsz)
	}
	if end, ok := span(prog.Vaddr, prog.Memsz); !ok || end > userTop {
		return fmt.Errorf("segment %d is linked at %#x, outside the user half below %#x: link it lower", i, prog.Vaddr, uint64(userTop))
	}
	return nil
}

// span returns off+length, and whether it fits in 64 bits.
func span(off, length uint64) (end uint64, ok bool) {
	end = off + length
	return end, end >= off
}

// truncated returns the error for a file of size bytes that lacks what, which
// should end at byte end.
func truncated(what string, end, size uint64) error {
	return fmt.Errorf("is truncated: it has %d bytes, but should have %s up to byte %d: copy or build it again", size, what, end)
}

func interpreter(r io.ReaderAt, prog *elf.Prog64) string {
	name := make([]byte, min(prog.Filesz, 256))
	if _, err := r.ReadAt(name, int64(prog.Off)); err != nil {
		return "an interpreter"
	}
	return string(bytes.TrimRight(name, "\x00"))
}

func readStruct(r io.ReaderAt, off int64, v any) error {
	return binary.Read(io.NewSectionReader(r, off, int64(binary.Size(v))), binary.LittleEndian, v)
}
