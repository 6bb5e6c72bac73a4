package asm

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
)

const goldenFile = "testdata/encodings.tsv"

// encCase is an instruction that both assemblers are to encode, with the code
// around it.
type encCase struct {
	bits            int
	in              Ins
	label           string // what distinguishes the case from others with the same text
	pre, post       []Item
	gnuPre, gnuPost string
}

// key returns the case's name in the golden file.
func (c encCase) key() string {
	return fmt.Sprintf("%d\t%s", c.bits, strings.TrimSpace(c.in.p.text(0)+c.label))
}

// Operands that the cases are made of: low and high registers, those that the
// encoding treats specially as bases (RSP and R12 need a SIB byte, RBP and R13
// a displacement), displacements at the borders of 8 bits, segments, symbols.
var (
	testRegs = []Reg{RAX, RCX, RSP, RBP, RSI, R8, R12, R13, R15}
	testMems = []Mem{
		RAX.At(0), RBX.At(127), RCX.At(-128), RDX.At(128), RSI.At(-129), RBP.At(0), RSP.At(0), RSP.At(8), RDI.At(math.MaxInt32),
		R8.At(0), R12.At(0), R12.At(-8), R13.At(0), R13.At(math.MinInt32), R15.At(16),
		RAX.Index(RCX, 1), RBP.Index(RSI, 2), RSP.Index(RBP, 4), R13.Index(R12, 8), R12.Index(R13, 1).Add(300), RBX.Index(R15, 4).Add(-4),
		Mem{}.Index(RBX, 8), Mem{}.Index(R12, 1).Add(64), Abs(0x1000), Abs(-4096),
		GS.At(8), FS.At(0), segmented(GS, RAX.At(0)), segmented(FS, RBP.At(-8)), segmented(GS, R13.Index(RCX, 8).Add(16)),
		Sym("sym"), Sym("sym").Add(8), Sym("sym").Add(-4),
		Sym("sym").Index(RAX, 8), Sym("sym").Add(16).Index(R9, 4), based("sym", R12).Add(-8), based("sym", RBX).Index(RDX, 2),
	}
	fewMems = []Mem{
		RBX.At(0), RBP.At(0), RSP.At(8), R12.At(-128), R13.At(128), RCX.Index(RAX, 1), R12.Index(R13, 8).Add(300), Mem{}.Index(RDI, 4),
		Abs(0x1000), GS.At(8), segmented(FS, R8.At(1)), Sym("sym").Add(8), Sym("sym").Index(R10, 8),
	}
	testMem32 = []Mem{
		RAX.At(0), RBP.At(0), RSP.At(4), RSI.At(128), RBX.Index(RCX, 4).Add(-1), Mem{}.Index(RDI, 8), Abs(0x1000), Abs(0xfee000f0),
		GS.At(8), segmented(FS, RDX.At(0)), Sym("sym"), Sym("sym").Add(4), Sym("sym").Index(RAX, 8), based("sym", RBP).Add(8),
	}
	pairs   = [][2]Reg{{RAX, RBX}, {RCX, RAX}, {RSI, RDI}, {RAX, R8}, {R15, RDX}, {R12, R13}, {RSP, RBP}, {RBP, RSP}, {RDX, RDX}}
	pairs32 = [][2]Reg{{RAX, RBX}, {RCX, RAX}, {RBX, RDX}, {RSP, RBP}, {RSI, RDI}}
)

func segmented(seg Reg, m Mem) Mem    { v := *m.get(); v.seg = seg; return Mem{&v} }
func based(sym string, base Reg) Mem  { return Sym(sym).Based(base) }
func mk(name string, args ...any) Ins { return ins(name, args...) }
func hasLowByte(r Reg, bits int) bool { return r != RSP && r != RBP && (bits == 64 || r < RSP) }
func immediates(name string, r row) []any {
	switch bits := r.width * 8; {
	case r.form == opShift || r.form == opBit || r.form == opBitRMW:
		return []any{0, 1, 2, bits - 1}
	case r.form == opInt:
		return []any{0, 3, 0x80, 255}
	case r.form == opRetN:
		return []any{0, 8, 0xffff}
	case name == "MOVQ":
		return []any{0, -1, math.MaxInt32, math.MinInt32}
	case bits == 64:
		return []any{0, 127, -128, 128, -129, math.MaxInt32, math.MinInt32}
	case bits == 32:
		return []any{0, 127, -128, 128, uint32(math.MaxInt32), math.MinInt32, uint32(math.MaxUint32)}
	case bits == 16:
		return []any{0, 127, -128, 128, math.MaxUint16, math.MinInt16}
	default:
		return []any{0, 127, -128, 255}
	}
}

// encCases makes the cases of every row of the table: every kind of operand
// that the row takes, in every position. Only the first mnemonic of each form and
// width is tried with all of testMems.
func encCases() []encCase {
	var cases []encCase
	type shapeOf struct {
		form        form
		width, bits int
	}
	seen := map[shapeOf]bool{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		for _, bits := range []int{64, 32, 16} {
			if r := table[name]; r.in(bits) {
				s := shapeOf{r.form, r.width, bits}
				for _, args := range operandsOf(name, r, bits, seen[s] || bits == 16) {
					if bits == 16 && slices.ContainsFunc(args, notReal) {
						continue
					}
					cases = append(cases, encCase{bits: bits, in: mk(name, args...)})
				}
				seen[s] = true
				if r.branches() {
					cases = append(cases, branches(name, bits)...)
				}
			}
		}
	}
	return append(cases, prefixed()...)
}

// notReal reports whether 16-bit code cannot have the case: an address above 64 KiB.
func notReal(arg any) bool {
	m, ok := arg.(Mem)
	return ok && m.bare() && m.Disp() > math.MaxUint16
}

// operandsOf makes the operands that a mnemonic is tested with.
func operandsOf(name string, r row, bits int, fewer bool) [][]any {
	want := shapes[r.form].args
	regs, mems, few, two := testRegs, testMems, fewMems, pairs
	if bits != 64 {
		regs, mems, few, two = []Reg{RAX, RCX, RBX, RSP, RBP, RDI}, testMem32, testMem32[4:12], pairs32
	}
	if fewer {
		mems, few = few, few[6:]
		two = two[:4]
	}
	isAddr := func(m Mem) bool { return r.form != opAddr || m.get().seg == noReg }
	var out [][]any
	add := func(args ...any) { out = append(out, args) }
	ok := func(reg Reg, width int) bool { return width != 1 || hasLowByte(reg, bits) }
	switch len(want) {
	case 0:
		add()
	case 1:
		if want[0]&kReg != 0 {
			for _, reg := range regs {
				if ok(reg, r.width) {
					add(reg)
				}
			}
		}
		if want[0]&kMem != 0 {
			for _, m := range mems {
				add(m)
			}
		}
		if want[0]&kImm != 0 {
			for _, v := range immediates(name, r) {
				add(v)
			}
		}
	case 2:
		src := cmp.Or(r.from, r.width)
		reg := func(i, width int) Reg { // a register for the i-th memory operand
			for ok := ok; ; i++ {
				if reg := regs[i%len(regs)]; ok(reg, width) {
					return reg
				}
			}
		}
		if want[0]&kReg != 0 && want[1]&kReg != 0 {
			for _, p := range two {
				if ok(p[0], src) && ok(p[1], r.width) {
					add(p[0], p[1])
				}
			}
		}
		if want[0]&kMem != 0 {
			for i, m := range mems {
				if isAddr(m) {
					add(m, reg(i, r.width))
				}
			}
		}
		if want[1]&kMem != 0 && want[0]&kReg != 0 {
			list := mems
			if want[0]&kMem != 0 {
				list = few
			}
			for i, m := range list {
				add(reg(i+1, src), m)
			}
		}
		out = append(out, immOperands(name, r, bits, few)...)
		if want[0]&kCL != 0 {
			for _, reg := range regs {
				add(RCX, reg)
			}
			for _, m := range mems {
				add(RCX, m)
			}
		}
		out = append(out, specialOperands(name, bits)...)
	}
	return out
}

// immOperands makes the pairs of an immediate with a register or memory.
func immOperands(name string, r row, bits int, mems []Mem) [][]any {
	want := shapes[r.form].args
	at := slices.IndexFunc(want, func(k kind) bool { return k&kImm != 0 })
	if at < 0 {
		return nil
	}
	var out [][]any
	add := func(imm, other any) {
		if at == 0 {
			out = append(out, []any{imm, other})
		} else {
			out = append(out, []any{other, imm})
		}
	}
	imms := immediates(name, r)
	high := R9
	if bits != 64 {
		high = RDX
	}
	for _, v := range imms {
		add(v, RAX)
		add(v, high)
		if want[1-at]&kMem != 0 {
			add(v, R12.At(0))
			if bits != 64 {
				out = out[:len(out)-1]
			}
		}
	}
	if want[1-at]&kMem != 0 {
		for i, m := range mems {
			add(imms[i%len(imms)], m)
		}
	}
	return out
}

// specialOperands makes the moves that only some MOVs can do.
func specialOperands(name string, bits int) [][]any {
	var out [][]any
	switch {
	case name == "MOVW":
		for _, seg := range []Reg{ES, SS, DS, FS, GS} {
			out = append(out, []any{RAX, seg}, []any{seg, RCX}, []any{RSP.At(8), seg}, []any{seg, RBX.At(0)})
		}
		out = append(out, []any{CS, RDX}, []any{CS, RDX.At(0)})
		if bits == 64 {
			out = append(out, []any{R9, DS}, []any{GS, R15}, []any{R13.At(0), FS}, []any{Sym("sym"), SS})
		}
	case name == "MOVQ" || name == "MOVL" && bits != 64:
		for _, sys := range []Reg{CR0, CR2, CR3, CR4, DR0, DR1, DR2, DR3, DR6, DR7} {
			out = append(out, []any{sys, RAX}, []any{RBX, sys})
			if bits == 64 {
				out = append(out, []any{sys, R9}, []any{R15, sys})
			}
		}
	}
	if name == "MOVQ" {
		out = append(out, []any{CR8, RAX}, []any{RAX, CR8}, []any{R10, CR8})
		for _, v := range []any{uint32(1 << 31), uint32(math.MaxUint32), 1 << 32, math.MinInt32 - 1, math.MinInt64, uint64(1<<63 | 1)} {
			out = append(out, []any{v, RAX}, []any{v, R12})
		}
	}
	return out
}

// branches makes the cases of a branch's reach: to labels before and after,
// near and far, and to other functions.
func branches(name string, bits int) []encCase {
	nops := func(n int) []Item { return slices.Repeat([]Item{NOP()}, n) }
	fill := func(n int) string { return fmt.Sprintf(".fill %d, 1, 0x90; ", n) }
	gnu := strings.ToLower(name)
	cases := []encCase{{bits: bits, in: mk(name, "other")}}
	if name == "CALL" {
		return cases
	}
	for _, n := range []int{0, 127, 128} {
		cases = append(cases, encCase{
			bits: bits, in: mk(name, "ahead"), label: fmt.Sprintf(" %+d", n),
			post: append(nops(n), LABEL("ahead")), gnuPost: fill(n) + "9:",
			gnuPre: "\x00" + gnu + " 9f",
		})
	}
	for _, n := range []int{0, 126, 127} {
		cases = append(cases, encCase{
			bits: bits, in: mk(name, "back"), label: fmt.Sprintf(" %+d", -n),
			pre: append([]Item{LABEL("back")}, nops(n)...), gnuPre: "9: " + fill(n) + "\x00" + gnu + " 9b",
		})
	}
	return cases
}

// prefixed makes the cases of REP.
func prefixed() []encCase {
	var cases []encCase
	for _, name := range slices.Sorted(maps.Keys(table)) {
		r := table[name]
		for _, bits := range []int{64, 32, 16} {
			if !r.in(bits) {
				continue
			}
			switch r.form {
			case opString:
				cases = append(cases, encCase{bits: bits, in: REP(mk(name))})
			case opScan:
				cases = append(cases, encCase{bits: bits, in: REPE(mk(name))})
			}
		}
	}
	return cases
}

// gnu returns the case as GNU as gets it.
func (c encCase) gnu() string {
	if _, text, ok := strings.Cut(c.gnuPre, "\x00"); ok {
		return text
	}
	return gnuText(c.in, c.bits)
}

func (c encCase) gnuSource(i int) string {
	pre, _, _ := strings.Cut(c.gnuPre, "\x00")
	return fmt.Sprintf("%si%d: %s; e%d: %s", pre, i, c.gnu(), i, c.gnuPost)
}

// encode assembles the case with this package.
func (c encCase) encode(t *testing.T) code {
	t.Helper()
	rep := newReport()
	fn := Func{Name: "test", Bits: c.bits, Body: slices.Concat(Block(c.pre), Block{c.in}, Block(c.post), Block{UD2()})}
	enc := newAssembler(rep).assemble(&fn)
	if err := rep.err(); err != nil {
		t.Errorf("%s: %v", c.key(), err)
		return code{}
	}
	el := enc.lines[slices.IndexFunc(enc.lines, func(el encLine) bool { return el.in.name == c.in.p.name })]
	return codeOf(enc, el.off, el.off+el.len)
}

// codeOf returns what is between two offsets of a function.
func codeOf(enc *encoded, from, to int) code {
	var relocs []string
	for _, r := range enc.relocs {
		if r.off >= from && r.off < to {
			kind, add := "pc32", r.add-4
			switch r.kind {
			case relAbs32S:
				kind, add = "abs32s", r.add
			case relPhys32:
				kind, add = "phys32", r.add
			case relPhys16:
				kind, add = "phys16", r.add
			case relPC16:
				kind, add = "pc16", r.add-2
			}
			relocs = append(relocs, fmt.Sprintf("%s%+d@%d:%s", r.sym, add, r.off-from, kind))
		}
	}
	return code{fmt.Sprintf("%x", enc.bytes[from:to]), strings.Join(relocs, " ")}
}

// goldenRow is the content of testdata/encodings.tsv.
type goldenRow struct {
	gnu string
	code
}

func readGolden(t *testing.T) map[string]goldenRow {
	t.Helper()
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]goldenRow{}
	for line := range strings.Lines(string(data)) {
		if line[0] == '#' {
			continue
		}
		cols := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cols) != 5 {
			t.Fatalf("%s: %q has %d columns; want 5", goldenFile, line, len(cols))
		}
		key := cols[0] + "\t" + cols[1]
		if _, ok := rows[key]; ok {
			t.Errorf("%s: %s is there twice", goldenFile, key)
		}
		rows[key] = goldenRow{cols[2], code{cols[3], cols[4]}}
	}
	return rows
}

// TestEncodings compares every form of every mnemonic with GNU as's bytes, as
// they are written down in testdata/encodings.tsv.
func TestEncodings(t *testing.T) {
	cases := encCases()
	if *golden.Update {
		writeGolden(t, cases)
	}
	rows := readGolden(t)
	names := map[string]bool{}
	for _, c := range cases {
		want, ok := rows[c.key()]
		delete(rows, c.key())
		names[c.in.p.name] = true
		if !ok {
			t.Errorf("%s: not in %s; write it with go test ./gen/asm -run TestEncodings -update", c.key(), goldenFile)
		} else if got := (goldenRow{c.gnu(), c.encode(t)}); got != want {
			t.Errorf("%s:\n got %q %s %s\nwant %q %s %s", c.key(), got.gnu, got.hex, got.relocs, want.gnu, want.hex, want.relocs)
		}
	}
	for key := range rows {
		t.Errorf("%s: in %s, but no case makes it", key, goldenFile)
	}
	for name := range table {
		if !names[name] {
			t.Errorf("%s: no case encodes it", name)
		}
	}
}

// TestEncodingsLive compares the golden bytes with those that the installed GNU as
// makes of the same texts.
func TestEncodingsLive(t *testing.T) {
	need.Tool(t, "as")
	rows := readGolden(t)
	cases := encCases()
	for i, got := range gnuCodes(t, cases) {
		if want := rows[cases[i].key()].code; got != want {
			t.Errorf("%s: %q is %s %s to GNU as; the golden file has %s %s", cases[i].key(), cases[i].gnu(), got.hex, got.relocs, want.hex, want.relocs)
		}
	}
}

// gnuCodes has GNU as assemble the cases.
func gnuCodes(t *testing.T, cases []encCase) []code {
	t.Helper()
	codes := make([]code, len(cases))
	for _, bits := range []int{64, 32, 16} {
		var texts []string
		var of []int
		for i, c := range cases {
			if c.bits == bits {
				texts = append(texts, c.gnuSource(len(texts)))
				of = append(of, i)
			}
		}
		for i, c := range gnuRun(t, bits, texts) {
			codes[of[i]] = c
		}
	}
	return codes
}

func writeGolden(t *testing.T, cases []encCase) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# bits, instruction, GNU as 2.40's text for it, its bytes (symbols zero), symbols+addend@offset:kind\n")
	for i, c := range gnuCodes(t, cases) {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", cases[i].key(), cases[i].gnu(), c.hex, c.relocs)
	}
	if err := os.WriteFile(goldenFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// decoderLacks are the instructions that x86asm does not know, or decodes as others
// of another length.
var decoderLacks = map[string]bool{"STAC": true, "CLAC": true, "ENDBR64": true, "ERETS": true, "ERETU": true, "LKGS": true}

// TestDecodedLength decodes the golden bytes with a decoder that has nothing
// to do with either assembler; it must see one instruction in them.
func TestDecodedLength(t *testing.T) {
	rows := readGolden(t)
	for _, c := range encCases() {
		want, err := hex.DecodeString(rows[c.key()].hex)
		if err != nil {
			t.Fatal(err)
		}
		in, err := x86asm.Decode(want, c.bits)
		if decoderLacks[c.in.p.name] {
			if err == nil && in.Len == len(want) {
				t.Errorf("%s: x86asm knows it now; take it from decoderLacks", c.key())
			}
			continue
		}
		if err != nil || in.Len != len(want) {
			t.Errorf("%s: %x: x86asm decodes %d bytes as %v, %v", c.key(), want, in.Len, in, err)
		}
	}
}

// TestMnemonics checks that every row of the table except the branches, which IF also
// makes, has a function of its name, and that each function makes the instruction of
// its name, passes its operands on in order, and has a comment that starts with its
// name.
func TestMnemonics(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "mnemonics.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	funcs := map[string]bool{}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		funcs[name] = true
		r, ok := table[name]
		if !ok {
			t.Errorf("%s: no row of the table", name)
			continue
		}
		want := []string{strconv.Quote(name)}
		for _, field := range fn.Type.Params.List {
			for _, id := range field.Names {
				want = append(want, id.Name)
			}
		}
		if n := len(shapes[r.form].args); len(want)-1 != n {
			t.Errorf("%s: %d parameters; the table has %d", name, len(want)-1, n)
		}
		if got := insArgs(fn); !slices.Equal(got, want) {
			t.Errorf("%s: calls ins%v; want ins%v", name, got, want)
		}
		if !strings.HasPrefix(fn.Doc.Text(), name+" ") {
			t.Errorf("%s: the comment does not start with the name", name)
		}
	}
	for name, r := range table {
		if !funcs[name] && r.form != opJcc {
			t.Errorf("%s: a row of the table without a function", name)
		}
	}
}

// insArgs returns the arguments of a function's only statement, a call of ins.
func insArgs(fn *ast.FuncDecl) []string {
	if len(fn.Body.List) != 1 {
		return nil
	}
	ret, ok := fn.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return nil
	}
	call, ok := ret.Results[0].(*ast.CallExpr)
	if !ok {
		return nil
	}
	var args []string
	for _, arg := range call.Args {
		switch a := arg.(type) {
		case *ast.BasicLit:
			args = append(args, a.Value)
		case *ast.Ident:
			args = append(args, a.Name)
		}
	}
	return args
}
