package prove

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// A disassembler reads each of many pieces of code: the text of the instruction at its
// start in Intel's syntax, empty if there is none, and whether it is as long as the
// piece. Behind each piece are NOPs, of which a longer one would take some, and UD2.
type disassembler struct {
	tool string
	// rip is set if it prints what is relative to RIP without adding RIP.
	rip bool
	run func(t *testing.T, list [][]byte) string
}

// nops are more than an instruction can take.
const nops = 16

var disassemblers = []disassembler{
	{"llvm-mc", true, func(t *testing.T, list [][]byte) string {
		tool := need.Tool(t, "llvm-mc")
		var in strings.Builder
		for _, code := range list {
			in.WriteByte('[')
			for _, b := range slices.Concat(code, bytes.Repeat([]byte{0x90}, nops)) {
				fmt.Fprintf(&in, "%#x,", b)
			}
			in.WriteString("]\n[0x0f,0x0b]\n")
		}
		cmd := exec.CommandContext(t.Context(), tool, "--disassemble", "-triple=x86_64", "-output-asm-variant=1", "-mattr=+64bit")
		cmd.Stdin = strings.NewReader(in.String())
		out, err := cmd.Output()
		if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran { // its status is 1 if something is no instruction
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(out), ".text\n")
		return text
	}},
	{"ZydisDisasm", false, func(t *testing.T, list [][]byte) string {
		tool := need.Tool(t, "ZydisDisasm")
		var in []byte
		for _, code := range list {
			in = slices.Concat(in, code, bytes.Repeat([]byte{0x90}, nops), []byte{0x0f, 0x0b})
		}
		path := filepath.Join(t.TempDir(), "code")
		if err := os.WriteFile(path, in, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), tool, "-64", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}},
}

// read returns what a disassembler says of each piece.
func (d disassembler) read(t *testing.T, list [][]byte) (texts []string, whole []bool) {
	var lines []string
	for line := range strings.Lines(d.run(t, list)) {
		line = strings.Join(strings.Fields(line), " ")
		if line != "ud2" {
			lines = append(lines, line)
			continue
		}
		behind := 0
		for len(lines) > 0 && lines[len(lines)-1] == "nop" && behind < nops {
			lines, behind = lines[:len(lines)-1], behind+1
		}
		text := strings.Join(lines, " ") // LOCK may have a line of its own
		single := len(lines) == 1 || len(lines) == 2 && strings.HasPrefix(lines[0], "lock")
		if !single || strings.HasPrefix(text, "db ") {
			text = ""
		}
		texts, whole = append(texts, text), append(whole, behind == nops && single)
		lines = nil
	}
	if len(texts) != len(list) {
		t.Fatalf("%s: %d answers for %d pieces", d.tool, len(texts), len(list))
	}
	return texts, whole
}

// first returns the first instruction in each piece, however long it is.
func (d disassembler) first(t *testing.T, list [][]byte) (texts []string) {
	begin := true
	text := ""
	for line := range strings.Lines(d.run(t, list)) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "ud2":
			texts, text, begin = append(texts, text), "", true
		case begin:
			text, begin = line, line == "lock"
		}
	}
	if len(texts) != len(list) {
		t.Fatalf("%s: %d answers for %d pieces", d.tool, len(texts), len(list))
	}
	return texts
}

// disassembled is an instruction in parts that two disassemblers and the decoder have alike.
type disassembled struct {
	mnemonic string
	operands []string
}

func (p disassembled) String() string { return p.mnemonic + " " + strings.Join(p.operands, ", ") }

var widths = map[string]int{"byte": 1, "word": 2, "dword": 4, "qword": 8, "xmmword": 16}

// conditions are the names of the conditions by their codes.
var conditions = [16][]string{
	{"o"},
	{"no"},
	{"b", "c", "nae"},
	{"ae", "nb", "nc"},
	{"e", "z"},
	{"ne", "nz"},
	{"be", "na"},
	{"a", "nbe"},
	{"s"},
	{"ns"},
	{"p", "pe"},
	{"np", "po"},
	{"l", "nge"},
	{"ge", "nl"},
	{"le", "ng"},
	{"g", "nle"},
}

// parse reads the text of a disassembler. Immediate operands have so many bytes, and
// what is relative to RIP gets base added.
func parse(text string, width uint8, base uint64, relative bool) disassembled {
	text, _, _ = strings.Cut(strings.ToLower(text), " #") // llvm-mc tells what a move does
	var p disassembled
	word, rest, _ := strings.Cut(text, " ")
	for slices.Contains([]string{"lock", "rep", "repe", "repne", "repz", "repnz", "xacquire", "xrelease", "bnd", "notrack", "data16"}, word) && rest != "" {
		if word == "lock" || strings.HasPrefix(word, "rep") {
			p.mnemonic += strings.Replace(word, "repe", "rep", 1) + " "
		}
		word, rest, _ = strings.Cut(rest, " ")
	}
	for _, stem := range []string{"j", "set", "cmov"} {
		for _, names := range conditions {
			if slices.Contains(names, strings.TrimPrefix(word, stem)) && strings.HasPrefix(word, stem) {
				word = stem + names[0]
			}
		}
	}
	if other, ok := map[string]string{"movabs": "mov", "movnti": "mov", "sal": "shl", "sysretq": "sysret", "ret": "ret"}[word]; ok {
		word = other
	}
	if strings.HasPrefix(p.mnemonic, "rep") && !slices.ContainsFunc([]string{"movs", "stos", "lods", "scas", "cmps"}, func(s string) bool { return strings.HasPrefix(word, s) }) {
		p.mnemonic = "" // nothing but a string is repeated
	}
	p.mnemonic += word
	for _, o := range strings.Split(rest, ", ") {
		if o = strings.TrimSpace(o); o != "" {
			p.operands = append(p.operands, parseOperand(o, width, base, strings.HasPrefix(word, "j") || strings.HasPrefix(word, "loop") || word == "call", relative))
		}
	}
	return p
}

func parseOperand(o string, width uint8, base uint64, branch, relative bool) string {
	size := 0
	if name, rest, ok := strings.Cut(o, " ptr "); ok {
		size, o = widths[name], rest
	}
	seg := ""
	if name, rest, ok := strings.Cut(o, ":"); ok {
		if name == "fs" || name == "gs" {
			seg = name + ":"
		}
		o = rest
	}
	if !strings.HasPrefix(o, "[") {
		n, err := number(o)
		switch {
		case err != nil:
			return o // a register
		case branch:
			return fmt.Sprintf("%#x", n+base)
		}
		return fmt.Sprintf("%#x", n&maskOf(width))
	}
	inner := strings.ReplaceAll(strings.Trim(o, "[]"), " ", "")
	inner = strings.ReplaceAll(inner, "-", "+-")
	var disp uint64
	var registers []string
	for _, term := range strings.Split(inner, "+") {
		factor, scaled := "", false
		if a, b, ok := strings.Cut(term, "*"); ok {
			factor, scaled = b, true
			if _, err := number(a); err == nil { // llvm has the scale first
				a, factor = b, a
			}
			term = a
		}
		n, err := number(strings.TrimPrefix(term, "-"))
		switch {
		case term == "":
		case term == "rip":
		case err == nil && strings.HasPrefix(term, "-"):
			disp -= n
		case err == nil:
			disp += n
		case term == "riz" || term == "eiz":
		case scaled && factor != "1":
			registers = append(registers, term+"*"+factor)
		default:
			registers = append(registers, term)
		}
	}
	if relative {
		disp += base
	}
	slices.Sort(registers)
	return fmt.Sprintf("%d %s[%s %#x]", size, seg, strings.Join(registers, "+"), disp)
}

func number(s string) (uint64, error) {
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return uint64(n), nil
	}
	return strconv.ParseUint(s, 0, 64)
}

// registerName returns a register of a width as Intel names it.
func registerName(o operand, width uint8) string {
	if o.high {
		return [...]string{"ah", "ch", "dh", "bh"}[o.reg]
	}
	name := strings.ToLower(o.reg.String())
	if o.reg >= r8 {
		return name + map[uint8]string{1: "b", 2: "w", 4: "d", 8: ""}[width]
	}
	switch width {
	case 1:
		if o.reg < rSP {
			return name[1:2] + "l"
		}
		return name[1:] + "l"
	case 2:
		return name[1:]
	case 4:
		return "e" + name[1:]
	}
	return name
}

// operandParts returns an operand of the decoder's.
func operandParts(in *inst, o operand, width uint8) string {
	switch o.kind {
	case inReg:
		return registerName(o, width)
	case isSegment:
		return strings.ToLower(segNames[o.reg])
	case inXMM:
		return fmt.Sprintf("xmm%d", o.reg)
	case isControlReg:
		return fmt.Sprintf("cr%d", o.reg)
	case isImm:
		if in.enc.rel {
			return fmt.Sprintf("%#x", uint64(o.imm))
		}
		return fmt.Sprintf("%#x", uint64(o.imm)&maskOf(width))
	}
	var registers []string
	if o.base != noReg {
		registers = append(registers, registerName(operand{reg: o.base}, 8))
	}
	if o.index != noReg {
		text := registerName(operand{reg: o.index}, 8)
		if o.scale != 1 {
			text += fmt.Sprintf("*%d", o.scale)
		}
		registers = append(registers, text)
	}
	slices.Sort(registers)
	seg := map[segment]string{segFS: "fs:", segGS: "gs:"}[o.seg]
	if in.op == opLEA {
		width = 0
	}
	return fmt.Sprintf("%d %s[%s %#x]", width, seg, strings.Join(registers, "+"), uint64(o.imm))
}

// families are the names of instructions that the decoder does not tell apart, as they
// do the same to what it follows.
var families = map[opcode][]string{
	opXMM:      {"xorps", "xorpd", "pxor", "andps", "andpd", "andnps", "andnpd", "orps", "orpd"},
	opMOVXMM:   {"movups", "movupd", "movaps", "movapd", "movss", "movdqa", "movdqu", "movq", "movd", "movntdq", "movntps", "movntpd"},
	opPREFETCH: {"prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2", "prefetch", "prefetchw", "prefetchwt1"},
	opRDRAND:   {"rdrand", "rdseed"},
	opNOP:      {"nop", "xchg"},
	opSYSEXIT:  {"sysexit", "sysexitq"},
}

// parts returns an instruction of the decoder's.
func (in *inst) parts() disassembled {
	suffix := map[uint8]string{1: "b", 2: "w", 4: "d", 8: "q"}[in.width]
	p := disassembled{mnemonic: strings.ToLower(opNames[in.op])}
	list := []operand{in.dst, in.src}
	switch in.op {
	case opMOVZX:
		p.mnemonic = "movzx"
	case opMOVSX:
		p.mnemonic = map[bool]string{false: "movsx", true: "movsxd"}[in.from == 4]
	case opJCC, opSET, opCMOV:
		p.mnemonic += conditions[in.cc][0]
	case opSTOS, opLODS, opSCAS, opCMPS, opMOVSTR:
		prefix := ""
		switch {
		case in.rep == 0xf2:
			prefix = "repne "
		case in.rep != 0:
			prefix = "rep "
		}
		return disassembled{mnemonic: prefix + strings.ToLower(opNames[in.op]) + suffix}
	case opEXTEND:
		return disassembled{mnemonic: map[uint8]string{2: "cbw", 4: "cwde", 8: "cdqe"}[in.width]}
	case opSIGN:
		return disassembled{mnemonic: map[uint8]string{2: "cwd", 4: "cdq", 8: "cqo"}[in.width]}
	case opIRET:
		return disassembled{mnemonic: map[uint8]string{2: "iret", 4: "iretd", 8: "iretq"}[in.width]}
	case opPUSHF, opPOPF:
		p.mnemonic += "q"
	case opFXSAVE, opFXRSTOR:
		if in.width == 8 {
			p.mnemonic += "64"
		}
	case opRETN:
		p.mnemonic = "ret"
		return disassembled{"ret", []string{operandParts(in, in.src, 2)}}
	case opMOVSEG:
		p.mnemonic = "mov"
	case opRDBASE, opWRBASE:
		p.mnemonic += strings.ToLower(segNames[in.third.reg]) + "base"
		list = []operand{in.src}
	case opSHLD, opSHRD:
		list = append(list, in.third)
	case opIMUL:
		if in.third.kind != noOperand {
			list = append(list, in.third)
		}
	}
	if in.lock {
		p.mnemonic = "lock " + p.mnemonic
	}
	for i, o := range list {
		if o.kind == noOperand {
			continue
		}
		width := in.width
		if in.op == opFXSAVE || in.op == opFXRSTOR { // 512 bytes, which disassemblers do not tell
			width = 0
		}
		if i == 1 && o.kind == inReg && (in.op >= opROL && in.op <= opSAR || in.op == opRCL || in.op == opRCR) {
			width = 1 // CL
		}
		if i == 1 && (in.op == opMOVZX || in.op == opMOVSX) {
			width = in.from
		}
		if o.kind == isImm {
			width = immWidth(in)
		}
		if i == 2 && o.kind == inReg && (in.op == opSHLD || in.op == opSHRD) {
			width = 1
		}
		p.operands = append(p.operands, operandParts(in, o, width))
	}
	return p
}
