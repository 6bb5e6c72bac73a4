package asm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/internal/need"
)

// source makes a listing out of bytes, followed by zeros.
type source struct {
	data  []byte
	wild  bool // operands that make no sense, too
	gnu   bool // only what GNU as encodes in the same order of prefixes
	low   bool // the instruction's registers need a low byte
	bits  int
	depth int
}

func (s *source) byte() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *source) word() int64 {
	var w [8]byte
	for i := range w {
		w[i] = s.byte()
	}
	return int64(binary.LittleEndian.Uint64(w[:]))
}

// pick chooses one of the values.
func pick[T any](s *source, values ...T) T { return values[int(s.byte())%len(values)] }

var (
	fuzzNames  = slices.Sorted(maps.Keys(table))
	fuzzLabels = []string{"a", "b", "c", "d"}
	fuzzFuncs  = []string{"f0", "f1", "f2", "data"}
)

func (s *source) reg() Reg {
	if s.wild && s.byte() < 32 {
		return Reg(s.byte())
	}
	reg := RAX + Reg(s.byte())%Reg(s.bits/4)
	if s.low && !hasLowByte(reg, s.bits) || s.bits == 32 && reg >= R8 {
		return RDX
	}
	return reg
}

func (s *source) disp() int {
	switch s.byte() % 5 {
	case 0:
		return 0
	case 1:
		return int(int8(s.byte()))
	case 2:
		return int(int32(s.word()))
	case 3:
		if s.wild {
			return int(s.word())
		}
	}
	return 8
}

func (s *source) mem() Mem {
	if s.wild && s.byte() < 32 {
		return Mem{&memory{
			seg: s.reg(), base: s.reg(), index: s.reg(), scale: int(int8(s.byte())), disp: s.disp(),
			sym: pick(s, "", "", "data", "gone", strPrefix, strPrefix+"text"),
		}}
	}
	m := &memory{disp: s.disp()}
	shape := s.byte()
	if shape&1 != 0 {
		m.base = pick(s, RAX, RSP, RBP, s.reg())
	}
	if shape&2 != 0 {
		m.index, m.scale = pick(s, RAX, RBP, s.reg()), 1<<(s.byte()%4)
		if m.index == RSP && !s.wild {
			m.index = RDI
		}
	}
	switch shape >> 2 % 4 {
	case 0:
		m.seg = pick(s, GS, FS)
	case 1:
		m.sym = "data"
		m.disp = int(int8(s.byte()))
	}
	return Mem{m}
}

func (s *source) imm(in string, r row) any {
	if s.wild && s.byte() < 64 {
		return pick[any](s, int(s.word()), uint64(s.word()), int8(s.byte()), uint16(s.word()), math.MinInt64, uint64(math.MaxUint64))
	}
	return pick(s, immediates(in, r)...)
}

// arg makes operand n of an instruction.
func (s *source) arg(name string, r row, n int) any {
	want := shapes[r.form].args
	if s.wild && s.byte() < 32 {
		return pick[any](s, nil, s.reg(), s.mem(), s.word(), "a", "", 1.5, []byte{1}, iret.SS, s.imm, CC(3), Reg(s.byte()), PTR("f0"), [2]any{})
	}
	var kinds []kind
	for _, k := range []kind{kReg, kMem, kImm, kCL, kLabel} {
		if want[n]&k != 0 {
			kinds = append(kinds, k)
		}
	}
	switch pick(s, kinds...) {
	case kMem:
		return s.mem()
	case kImm:
		return s.imm(name, r)
	case kCL:
		return RCX
	case kLabel:
		names := []string{"f0", "f1"}
		if s.bits == 32 {
			names = []string{"f2"}
		}
		if name != "CALL" {
			names = append(names, fuzzLabels...)
		}
		return pick(s, names...)
	}
	return s.reg()
}

func (s *source) instruction() Ins {
	var name string
	var r row
	for ok := false; !ok; ok = r.in(s.bits) || s.wild {
		name = fuzzNames[(int(s.byte())<<8|int(s.byte()))%len(fuzzNames)]
		r = table[name]
		if len(s.data) == 0 {
			name, r = "NOP", table["NOP"]
		}
	}
	bare := &instruction{name: name, nargs: len(shapes[r.form].args), pc: callerPC(1)}
	s.low = r.width == 1 || r.from == 1
	for n := range bare.nargs {
		bare.args[n] = s.arg(name, r, n)
	}
	if !s.wild && bare.nargs == 2 {
		s.fix(bare, r)
	}
	in := Ins{bare}
	if s.wild && s.byte() < 16 {
		in = pick(s, REP(in), REPE(in))
	}
	if s.wild && s.byte() < 16 {
		in = in.Is(pick(s, iret.SS, iret.IP, Slot{"x", "y", s.disp()}))
	}
	if s.byte() < 16 {
		in = in.Fault(fuzzLabels[0])
	}
	return in.C("text")
}

// fix makes a sensible pair of two operands.
func (s *source) fix(in *instruction, r row) {
	if kindOf(in.args[0]) == kMem && kindOf(in.args[1]) == kMem {
		in.args[0] = s.reg()
	}
	if kindOf(in.args[0]) == kMem && shapes[r.form].args[1]&kReg == 0 {
		in.args[0] = RAX
	}
	m, ok := in.args[0].(Mem)
	if ok && r.form == opAddr {
		v := *m.get()
		v.seg = noReg
		in.args[0] = Mem{&v}
	}
	if v, ok := in.args[0].(int); ok && kindOf(in.args[1]) == kMem && v != int(int32(v)) {
		in.args[0] = 1
	}
}

func (s *source) items(n int) []Item {
	if s.depth > 4 {
		return nil
	}
	s.depth++
	defer func() { s.depth-- }()
	var items []Item
	for range n {
		if len(s.data) == 0 {
			break
		}
		items = append(items, s.item())
	}
	return items
}

func (s *source) item() Item {
	cc := CC(s.byte() % 16)
	if s.wild && s.byte() < 16 {
		cc = CC(s.byte())
	}
	some := int(s.byte() % 8)
	switch s.byte() % 32 {
	case 0:
		return IF(cc, s.items(some)...)
	case 1:
		return IF(cc, s.items(some)...).ELSE(s.items(some)...)
	case 2:
		return LOOP(append(s.items(some), BREAK(cc))...)
	case 3:
		return DO(append(s.items(some), CONTINUE(cc))...).WHILE(cc)
	case 4:
		return Block(s.items(some))
	case 5:
		return Block(slices.Repeat([]Item{NOP()}, int(s.byte())))
	case 6:
		if !s.wild {
			break
		}
		return pick[Item](s, nil, LABEL("a"), BREAK(), CONTINUE(cc, cc), FRAME(s.disp()), RETURN(), LABEL(""))
	}
	return s.instruction()
}

// fuzzProgram makes a program out of bytes.
func fuzzProgram(data []byte) Program {
	s := &source{data: data}
	s.wild = s.byte()&1 != 0
	p := Program{Data: []Data{BSS("data", 64, 8)}}
	for i, name := range fuzzFuncs[:3] {
		s.bits = 64
		if i == 2 {
			s.bits = 32
		}
		p.Funcs = append(p.Funcs, s.function(name))
	}
	if s.wild {
		p.Data = append(p.Data, Data{Name: "wild", Content: []any{s.arg("ADDQ", table["ADDQ"], 0), PTR("f1")}, Size: int(int8(s.byte())), Align: int(int8(s.byte()))})
		p.Funcs[0].Saves = []Reg{s.reg()}
		p.Funcs[1].Group = pick(s, "", "g", "text")
		p.Funcs[2].Bits = pick(s, 32, 32, 32, 16)
	}
	return p
}

// function makes a function in which every label is placed once.
func (s *source) function(name string) Func {
	var body []Item
	for _, lb := range fuzzLabels {
		body = append(body, Block(s.items(int(s.byte()%32))), LABEL(lb))
	}
	f := FUNC(name, "", append(body, UD2())...)
	if s.bits == 32 {
		f.Bits = 32
	}
	return f
}

// checkFuzz links the program that the bytes make, twice. It must end in an
// error or in machine code that decodes as what is in it, both times the same.
func checkFuzz(t *testing.T, data []byte) (linked bool) {
	t.Helper()
	o, err := Link(fuzzProgram(data), testBase, testPhys)
	o2, err2 := Link(fuzzProgram(data), testBase, testPhys)
	if (o == nil) == (err == nil) {
		t.Fatalf("object %v, error %v", o, err)
	}
	if fmt.Sprint(err) != fmt.Sprint(err2) {
		t.Fatalf("two errors from the same input:\n%v\n%v", err, err2)
	}
	if err != nil {
		return false
	}
	for i, sec := range o.Sections {
		if !bytes.Equal(sec.Bytes, o2.Sections[i].Bytes) {
			t.Fatalf("%s: two results from the same input", sec.Name)
		}
	}
	for _, l := range o.Listings() {
		checkDecodes(t, l)
		_ = l.String()
	}
	return true
}

// checkDecodes decodes a listing row by row, and checks that every branch
// goes to the start of an instruction or to another function.
func checkDecodes(t *testing.T, l Listing) {
	t.Helper()
	bits := 64
	if l.Name == fuzzFuncs[2] {
		bits = 32
	}
	starts := map[int]bool{}
	end := 0
	for _, r := range l.Rows {
		if r.Label == "" {
			starts[r.Off] = true
			if r.Off != end {
				t.Fatalf("%s+%#x: %s is not behind the instruction before it, at %#x", l.Name, r.Off, r.Ins, end)
			}
			end += len(r.Bytes)
		}
	}
	for _, r := range l.Rows {
		if r.Label != "" || decoderLacks[r.Ins.p.name] {
			continue
		}
		in, err := x86asm.Decode(r.Bytes, bits)
		if err != nil || in.Len != len(r.Bytes) {
			t.Fatalf("%s+%#x: %s: %x decodes as %v, %v", l.Name, r.Off, r.Ins, r.Bytes, in, err)
		}
		if rel, ok := in.Args[0].(x86asm.Rel); ok && r.Ins.p.name != "XBEGIN" {
			if to := r.Off + in.Len + int(rel); !starts[to] && to >= 0 && to < end {
				t.Fatalf("%s+%#x: %s goes to %#x, inside an instruction", l.Name, r.Off, r.Ins, to)
			}
		}
	}
}

// silent fails the test if anything is printed or logged until it ends.
func silent(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = f, f
	log.SetOutput(f)
	t.Cleanup(func() {
		os.Stdout, os.Stderr = stdout, stderr
		log.SetOutput(stderr)
		if out, _ := os.ReadFile(f.Name()); len(out) > 0 {
			t.Errorf("printed: %.200q", out)
		}
		f.Close()
	})
}

// randomBytes returns the n-th input of the tests below.
func randomBytes(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	data := make([]byte, 64+r.IntN(2000))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	data[0] = byte(n)
	return data
}

// TestRandom links random programs; every second one makes no sense.
func TestRandom(t *testing.T) {
	silent(t)
	linked := 0
	const n = 400
	for i := range n {
		if checkFuzz(t, randomBytes(i)) {
			linked++
		}
	}
	if linked < n/3 {
		t.Errorf("only %d of %d programs linked; the test does not test much", linked, n)
	}
}

// TestRandomGNU compares whole random functions with what GNU as makes of
// them, sizes of branches included.
func TestRandomGNU(t *testing.T) {
	need.Tool(t, "as")
	for _, bits := range []int{64, 32} {
		var texts []string
		var want []code
		for i := range 60 {
			s := &source{data: randomBytes(i), bits: bits, gnu: true}
			fn := s.function("f")
			rep := newReport()
			enc := newAssembler(rep).assemble(&fn)
			if err := rep.err(); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, gnuFunction(len(texts), bits, lower(&fn, rep, nil)))
			want = append(want, codeOf(enc, 0, len(enc.bytes)))
		}
		for i, got := range gnuRun(t, bits, texts) {
			if got != want[i] {
				t.Errorf("%d bits, input %d: GNU as makes\n%s %s\nof\n%s\nand this package\n%s %s", bits, i, got.hex, got.relocs, texts[i], want[i].hex, want[i].relocs)
			}
		}
	}
}

// gnuFunction writes a lowered function for GNU as.
func gnuFunction(n, bits int, l *lowering) string {
	names := map[*label]string{}
	name := func(lb *label) string {
		if names[lb] == "" {
			names[lb] = fmt.Sprintf(".L%d.%d", n, len(names))
		}
		return names[lb]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "i%d:\n", n)
	for _, ln := range l.lines {
		switch {
		case ln.bind != nil:
			fmt.Fprintf(&b, "%s:\n", name(ln.bind))
		case ln.target != nil:
			fmt.Fprintf(&b, "%s %s\n", strings.ToLower(ln.in.name), name(ln.target))
		case ln.in != nil:
			in := Ins{ln.in}
			if lb := l.branchTo(ln); lb != nil {
				in = in.changed(func(in *instruction) { in.args[0] = name(lb) })
			}
			fmt.Fprintln(&b, gnuText(in, bits))
		}
	}
	fmt.Fprintf(&b, "e%d:", n)
	return b.String()
}

func FuzzLink(f *testing.F) {
	for i := range 8 {
		f.Add(randomBytes(i))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkFuzz(t, data) })
}
