package asm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gnuText writes an instruction in AT&T's syntax as GNU as wants it. It does not take
// widths and operand orders from the table, as it checks that table.
func gnuText(ins Ins, bits int) string {
	in := ins.p
	if text, ok := gnuWhole[in.name]; ok {
		return prefixText(in) + text
	}
	if r, ok := in.args[0].(Reg); ok && in.name == "LKGS" {
		return gnuLKGS[r]
	}
	name, src, dst := strings.ToLower(in.name), suffixWidth(in.name, 1), suffixWidth(in.name, 1)
	args := slices.Clone(in.operands())
	switch {
	case strings.HasPrefix(in.name, "CMOV"):
		name = "cmov" + name[5:] + name[4:5]
		src = suffixWidth(in.name[:5], 1)
		dst = src
	case strings.HasPrefix(in.name, "MOVZ"), in.name == "MOVSBQ", in.name == "MOVSWQ", in.name == "MOVSLQ":
		src = suffixWidth(in.name, 2)
	case strings.HasPrefix(in.name, "SET"):
		dst = 1
		src = 1
	case strings.HasPrefix(in.name, "CMP") && in.nargs == 2 && !strings.HasPrefix(in.name, "CMPX"):
		slices.Reverse(args)
	case in.name == "LTR" || in.name == "LLDT" || in.name == "VERW" || in.name == "STR":
		src, dst = 2, 2
	case in.name == "JMP" || in.name == "CALL":
		src = bits / 8
		dst = src
	case strings.HasSuffix(in.name, "SBASEQ"), in.name == "RDRANDQ":
		name = strings.TrimSuffix(name, "q")
	case in.name == "RETN":
		name = "ret"
	case in.name == "MOVW" && kindOf(args[0]) == kSeg && kindOf(args[1]) == kReg:
		name, dst = "movl", 4 // the rest of the register is cleared
	case in.name == "INT" && args[0] == 3:
		return ".byte 0xcd, 3" // "int $3" is the one-byte form to GNU as
	case in.name == "MOVQ" && kindOf(args[0]) == kImm && kindOf(args[1]) == kReg:
		switch v, _ := intOf(args[0]); {
		case v == int64(int32(v)):
		case v == int64(uint32(v)): // the shorter instruction, which clears the upper half
			name, dst = "movl", 4
		default:
			name = "movabsq"
		}
	}
	if src == 0 {
		src, dst = bits/8, bits/8
	}
	var texts []string
	for i, arg := range args {
		width := src
		if i == 1 {
			width = dst
		}
		if i == 0 && arg == RCX && slices.Contains(shifts, in.name[:3]) {
			width = 1
		}
		texts = append(texts, gnuArg(arg, width, bits, table[in.name].form == opJump))
	}
	return strings.TrimSpace(addr32(in, bits) + prefixText(in) + name + " " + strings.Join(texts, ", "))
}

// gnuWhole are the instructions that have other names in GNU as.
var gnuWhole = map[string]string{
	"RETFL": "lretl", "CQO": "cqto",
	// Known to GNU as from 2.41 on: these are the specification's bytes.
	"ERETS": ".byte 0xf2, 0x0f, 0x01, 0xca", "ERETU": ".byte 0xf3, 0x0f, 0x01, 0xca",
	"INB": "inb %dx, %al", "INL": "inl %dx, %eax",
	"OUTB": "outb %al, %dx", "OUTW": "outw %ax, %dx", "OUTL": "outl %eax, %dx",
}

// gnuLKGS is LKGS, which GNU as knows from 2.41 on, as the specification has it:
// F2 0F 00 /6.
var gnuLKGS = map[Reg]string{
	RAX: ".byte 0xf2, 0x0f, 0x00, 0xf0", RCX: ".byte 0xf2, 0x0f, 0x00, 0xf1",
	RDX: ".byte 0xf2, 0x0f, 0x00, 0xf2", RBX: ".byte 0xf2, 0x0f, 0x00, 0xf3",
	RSP: ".byte 0xf2, 0x0f, 0x00, 0xf4", RBP: ".byte 0xf2, 0x0f, 0x00, 0xf5",
	RSI: ".byte 0xf2, 0x0f, 0x00, 0xf6", RDI: ".byte 0xf2, 0x0f, 0x00, 0xf7",
	R8: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf0", R9: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf1",
	R10: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf2", R11: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf3",
	R12: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf4", R13: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf5",
	R14: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf6", R15: ".byte 0xf2, 0x41, 0x0f, 0x00, 0xf7",
}

// shifts take their count in %cl.
var shifts = []string{"SHL", "SHR", "SAR", "ROL", "ROR"}

// addr32 returns the prefix of a string instruction in 16-bit code, whose registers are the
// 32-bit ones here.
func addr32(in *instruction, bits int) string {
	if form := table[in.name].form; bits == 16 && (form == opString || form == opScan) {
		return "addr32 "
	}
	return ""
}

func prefixText(in *instruction) string { return strings.ToLower(prefixNames[in.prefix]) }

// suffixWidth returns the width that the n-th letter from the end means.
func suffixWidth(name string, n int) int {
	return map[byte]int{'B': 1, 'W': 2, 'L': 4, 'Q': 8}[name[len(name)-n]]
}

func gnuArg(arg any, width, bits int, branch bool) string {
	star := ""
	if branch {
		star = "*"
	}
	switch a := arg.(type) {
	case string:
		return a
	case Reg:
		return star + gnuReg(a, width)
	case Mem:
		return star + gnuMem(a, bits)
	}
	v, _ := intOf(arg)
	return fmt.Sprintf("$%#x", v)
}

func gnuReg(r Reg, width int) string {
	low := strings.ToLower(r.String())
	if !r.general() {
		return "%" + low
	}
	legacy := r < R8
	switch {
	case width == 8:
		return "%" + low
	case width == 4 && legacy:
		return "%e" + low[1:]
	case width == 4:
		return "%" + low + "d"
	case width == 2 && legacy:
		return "%" + low[1:]
	case width == 2:
		return "%" + low + "w"
	case legacy && low[2] == 'x':
		return "%" + low[1:2] + "l"
	case legacy:
		return "%" + low[1:] + "l"
	}
	return "%" + low + "b"
}

func gnuMem(operand Mem, bits int) string {
	m := operand.get()
	var b strings.Builder
	if m.seg != noReg {
		fmt.Fprintf(&b, "%%%s:", strings.ToLower(m.seg.String()))
	}
	if m.sym != "" {
		fmt.Fprintf(&b, "%s%+d", m.sym, m.disp)
	} else if m.disp != 0 || m.base == noReg {
		fmt.Fprintf(&b, "%d", m.disp)
	}
	switch width := max(bits, 32) / 8; {
	case m.index != noReg && m.base != noReg:
		fmt.Fprintf(&b, "(%s,%s,%d)", gnuReg(m.base, width), gnuReg(m.index, width), m.scale)
	case m.index != noReg:
		fmt.Fprintf(&b, "(,%s,%d)", gnuReg(m.index, width), m.scale)
	case m.base != noReg:
		fmt.Fprintf(&b, "(%s)", gnuReg(m.base, width))
	case m.sym != "" && bits == 64:
		b.WriteString("(%rip)")
	}
	return b.String()
}

// code is what an assembler made of one instruction: its bytes, with zeros where
// symbols go, and the symbols.
type code struct {
	hex    string
	relocs string
}

// gnuRun has GNU as assemble texts and returns the bytes between the labels
// iN and eN, which a text sets around the part that is wanted.
func gnuRun(t *testing.T, bits int, texts []string) []code {
	t.Helper()
	dir := t.TempDir()
	src, out := filepath.Join(dir, "a.s"), filepath.Join(dir, "a.o")
	head := ""
	if bits == 16 {
		head = ".code16\n"
	}
	if err := os.WriteFile(src, []byte(head+strings.Join(texts, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command("as", fmt.Sprintf("--%d", max(bits, 32)), "-o", out, src).CombinedOutput(); err != nil {
		t.Fatalf("as: %v\n%.4000s", err, msg)
	}
	f, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := f.Section(".text").Data()
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for _, s := range syms {
		at[s.Name] = int(s.Value)
	}
	relocs := gnuRelocs(t, f, text, syms)
	codes := make([]code, len(texts))
	for i := range texts {
		from, to := at[fmt.Sprintf("i%d", i)], at[fmt.Sprintf("e%d", i)]
		b := slices.Clone(text[from:to])
		for len(relocs) > 0 && relocs[0].off < to {
			r := relocs[0]
			relocs = relocs[1:]
			if r.off < from {
				continue
			}
			width := 4
			if strings.HasSuffix(r.kind, "16") {
				width = 2
			}
			clear(b[r.off-from:][:width])
			codes[i].relocs = strings.TrimSpace(codes[i].relocs + fmt.Sprintf(" %s%+d@%d:%s", r.sym, r.add, r.off-from, r.kind))
		}
		codes[i].hex = fmt.Sprintf("%x", b)
	}
	return codes
}

type gnuReloc struct {
	off       int
	kind, sym string
	add       int64
}

func gnuRelocs(t *testing.T, f *elf.File, text []byte, syms []elf.Symbol) []gnuReloc {
	t.Helper()
	var relocs []gnuReloc
	if s := f.Section(".rela.text"); s != nil {
		data, _ := s.Data()
		rows := make([]elf.Rela64, len(data)/24)
		if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			kind := map[elf.R_X86_64]string{elf.R_X86_64_PC32: "pc32", elf.R_X86_64_PLT32: "pc32", elf.R_X86_64_32S: "abs32s", elf.R_X86_64_32: "abs32s"}[elf.R_X86_64(r.Info&0xffffffff)]
			relocs = append(relocs, gnuReloc{int(r.Off), kind, syms[r.Info>>32-1].Name, r.Addend})
		}
	}
	if s := f.Section(".rel.text"); s != nil {
		data, _ := s.Data()
		rows := make([]elf.Rel32, len(data)/8)
		if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			kind := map[elf.R_386]string{elf.R_386_PC32: "pc32", elf.R_386_PLT32: "pc32", elf.R_386_32: "phys32", elf.R_386_PC16: "pc16", elf.R_386_16: "phys16"}[elf.R_386(r.Info&0xff)]
			add := int32(binary.LittleEndian.Uint32(text[r.Off:]))
			if strings.HasSuffix(kind, "16") {
				add = int32(int16(add))
			}
			relocs = append(relocs, gnuReloc{int(r.Off), kind, syms[r.Info>>8-1].Name, int64(add)})
		}
	}
	slices.SortFunc(relocs, func(a, b gnuReloc) int { return a.off - b.off })
	return relocs
}
