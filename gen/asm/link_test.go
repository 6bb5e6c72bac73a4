package asm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twitchyliquid64/golang-asm/obj/x86"

	"github.com/entrylab/entrylab/internal/golden"
)

func mustLink(t testing.TB, p Program) *Object {
	t.Helper()
	o, err := Link(p, testBase, testPhys)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// linked returns a small program with one of everything that Link arranges.
func linked() Program {
	start := FUNC("start32", "EBX holds the start information.",
		LEAL(Sym("table"), RSI),
		MOVL(Sym("table").Index(RAX, 8).Add(4), RAX),
		CALL("helper32"),
		LABEL("stop"),
		HLT(),
		JMP("stop"),
	)
	start.Bits = 32
	helper := FUNC("helper32", "", RETURN()).Saving(RBX)
	helper.Bits = 32
	return Program{
		Funcs: []Func{
			FUNC("entry_SYSCALL_64", "state on entry: RCX holds the user RIP, R11 the user RFLAGS;\nRSP is the user's",
				LABEL("entry_SYSCALL_64"),
				SWAPGS(),
				MOVQ(RSP, gsArea.UserSP).C("no stack yet"),
				MOVQ(gsArea.KernelStack, RSP),
				FRAME(iretSz),
				PUSHQ(0x2b).Is(iret.SS),
				PUSHQ(gsArea.UserSP).Is(iret.SP),
				PUSHQ(R11).Is(iret.Flags).C("SYSCALL left RFLAGS here"),
				PUSHQ(0x33).Is(iret.CS),
				PUSHQ(RCX).Is(iret.IP),
				LABEL("entry_SYSCALL_64_after_hwframe"),
				CMPQ(RAX, 322),
				IF(A,
					MOVQ(-38, RAX),
				).ELSE(
					CALL(Sym("table").Index(RAX, 8)),
				),
				MOVQ(R11, onRSP.Flags),
				JNE("copy"),
				SWAPGS(),
				IRETQ(),
			).In("entry"),
			FUNC("copy", "RSI: from, RDI: to, RCX: bytes. RAX: bytes left.",
				REP(MOVSB()).Fault("fault"),
				LEAQ(Str("a \"line\"\n"), RBX),
				LOOP(
					DECQ(RBX),
					BREAK(E),
				),
				MOVQ(RAX, RAX.At(0)).Fault("fault"),
				LABEL("fault"),
				MOVQ(RCX, RAX),
				RETURN(),
				LABEL("after"),
			).Saving(RBX, R12),
			start,
			FUNC("leave", "", LEAQ(Sym("__entry_end"), RDX), LEAQ(Str("a \"line\"\n"), RAX), INCL(Sym("count")), SYSRETQ()).In("entry"),
			helper,
		},
		Data: []Data{
			DATA("table", PTR("copy"), Ptr{Sym: "count", Add: 4}),
			BSS("stack", 100, 16384),
			RODATA("text", "text", []byte{0}, uint16(0x1234), int8(-1), uint64(math.MaxUint64)),
			DATA("count", uint32(7), uint32(8)),
			BSS("cell", 1, 1),
		},
		Late: func(funcs []Symbol) []Data {
			return []Data{{Name: "functions", Content: []any{uint64(len(funcs)), funcs[0].Addr}}}
		},
	}
}

func word(o *Object, addr uint64) uint64 {
	for _, s := range o.Sections {
		if addr-s.Addr < uint64(len(s.Bytes)) {
			return binary.LittleEndian.Uint64(s.Bytes[addr-s.Addr:])
		}
	}
	return 0
}

func addr(t *testing.T, o *Object, name string) uint64 {
	t.Helper()
	a, ok := o.Addr(name)
	if !ok {
		t.Fatalf("no symbol %s", name)
	}
	return a
}

// TestLayout checks where Link puts things.
func TestLayout(t *testing.T) {
	o := mustLink(t, linked())
	at := func(name string) uint64 { return addr(t, o, name) }
	text, ro, rw, bss := o.Sections[0], o.Sections[1], o.Sections[2], o.Sections[3]
	for name, test := range map[string]struct{ got, want uint64 }{
		"text starts at the address":           {at("__text_start"), testBase},
		"a group stands together":              {at("leave"), (at("entry_SYSCALL_64") + uint64(len(listing(t, o, "entry_SYSCALL_64"))) + 15) &^ 15},
		"a group starts with its first member": {at("__entry_start"), at("entry_SYSCALL_64")},
		"a group ends with its last member":    {at("__entry_end"), at("leave") + uint64(len(listing(t, o, "leave")))},
		"functions are aligned":                {at("copy") % 16, 0},
		"sections are on pages":                {(ro.Addr | rw.Addr | bss.Addr) % 4096, 0},
		"text has a size":                      {at("__text_end") - at("__text_start"), text.Size},
		"data ends":                            {at("__data_end"), rw.Addr + rw.Size},
		"the kernel ends on a page":            {at("__kernel_end") % 4096, 0},
		"a Ptr is an address":                  {word(o, at("table")), at("copy")},
		"a Ptr with an addend":                 {word(o, at("table")+8), at("count") + 4},
		"integers in their widths":             {word(o, at("count")), 8<<32 | 7},
		"content in order":                     {word(o, at("text")), 0xff_1234_00_74786574},
		"a large alignment":                    {at("stack") % 16384, 0},
		"bss after data":                       {bss.Addr, (rw.Addr + rw.Size + 4095) &^ 4095},
		"late data sees the functions":         {word(o, at("functions")), 5},
		"late data sees their addresses":       {word(o, at("functions")+8), testBase},
		"late data is read-only":               {boolWord(at("functions")-ro.Addr < ro.Size), 1},
		"two faults":                           {at("__ex_table_end") - at("__ex_table"), 32},
		"the instruction that faults":          {word(o, at("__ex_table")), at("copy") + 3},
		"a group's end in the text":            {uint64(int64(int32(binary.LittleEndian.Uint32(listing(t, o, "leave")[3:])))), at("__entry_end") - at("leave") - 7},
		"where its fault goes":                 {word(o, at("__ex_table")+8), labelAt(t, o, "fault")},
		"equal strings are one":                {uint64(len(stringsOf(o))), 1},
	} {
		if test.got != test.want {
			t.Errorf("%s: %#x; want %#x", name, test.got, test.want)
		}
	}
	if text.Write || !text.Exec || ro.Write || ro.Exec || !rw.Write || rw.Exec || !bss.Write || bss.Bytes != nil {
		t.Errorf("the sections' permissions are wrong: %+v", o.Sections)
	}
	if gap := text.Bytes[at("leave")-testBase-1]; gap != 0xcc {
		t.Errorf("between functions is %#x; want INT3", gap)
	}
	if _, ok := o.Addr("fault"); ok {
		t.Errorf("a label is a global symbol")
	}
	if _, ok := o.Listing("nothing"); ok {
		t.Errorf("a listing of nothing")
	}
	if n := slices.IndexFunc(o.Symbols, func(s Symbol) bool { return s.Local && s.Name == "entry_SYSCALL_64" }); n >= 0 {
		t.Errorf("a function's own name is a local symbol too")
	}
}

func boolWord(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// listing returns a function's bytes.
func listing(t *testing.T, o *Object, name string) []byte {
	t.Helper()
	l, ok := o.Listing(name)
	if !ok {
		t.Fatalf("no listing %s", name)
	}
	var b []byte
	for _, r := range l.Rows {
		b = append(b, r.Bytes...)
	}
	return b
}

func labelAt(t *testing.T, o *Object, name string) uint64 {
	t.Helper()
	i := slices.IndexFunc(o.Symbols, func(s Symbol) bool { return s.Local && s.Name == name })
	if i < 0 {
		t.Fatalf("no label %s", name)
	}
	return o.Symbols[i].Addr
}

func stringsOf(o *Object) []string {
	var names []string
	for _, s := range o.Symbols {
		if strings.HasPrefix(s.Name, "str.") {
			names = append(names, s.Name)
		}
	}
	return names
}

// TestAddresses checks the addresses that Link writes into the text: relative
// to RIP, sign-extended, and physical in 32-bit code.
func TestAddresses(t *testing.T) {
	o := mustLink(t, linked())
	entry, start := listing(t, o, "entry_SYSCALL_64"), listing(t, o, "start32")
	rel := func(fn string, b []byte, off int) uint64 {
		return addr(t, o, fn) + uint64(off) + 4 + uint64(int64(int32(binary.LittleEndian.Uint32(b[off:]))))
	}
	abs := func(b []byte, off int) uint64 { return uint64(binary.LittleEndian.Uint32(b[off:])) }
	table := addr(t, o, "table")
	call := slices.Index(entry, 0x14) // ff 14 c5: CALL through disp32(RAX*8)
	jne := len(entry) - 11
	str := listing(t, o, "copy")
	for name, test := range map[string]struct{ got, want uint64 }{
		"sign-extended":        {abs(entry, call+2), table & math.MaxUint32},
		"conditional jump":     {rel("entry_SYSCALL_64", entry, jne+2), addr(t, o, "copy")},
		"relative to RIP":      {rel("copy", str, 8), addr(t, o, "str.0")},
		"physical":             {abs(start, 2), table - testPhys},
		"physical and indexed": {abs(start, 9), table - testPhys + 4},
		"call in 32-bit code":  {rel("start32", start, 14), addr(t, o, "helper32")},
	} {
		if test.got != test.want {
			t.Errorf("%s: %#x; want %#x", name, test.got, test.want)
		}
	}
}

// TestLines checks that every instruction has the Go line that it was written
// on.
func TestLines(t *testing.T) {
	src, err := os.ReadFile("link_test.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(src), "\n")
	o := mustLink(t, linked())
	seen := map[string]bool{}
	for _, ln := range o.Lines {
		if ln.File != "gen/asm/link_test.go" {
			t.Fatalf("%#x: file %s", ln.Addr, ln.File)
		}
		seen[strings.TrimSpace(lines[ln.Line-1])] = true
	}
	for _, want := range []string{"SWAPGS(),", "MOVQ(-38, RAX),", "BREAK(E),", "RETURN(),", "IF(A,", "helper := FUNC(\"helper32\", \"\", RETURN()).Saving(RBX)"} {
		if !seen[want] {
			t.Errorf("no instruction is of the line %s", want)
		}
	}
	if !slices.IsSortedFunc(o.Lines, func(a, b Line) int { return int(a.Addr) - int(b.Addr) }) {
		t.Error("the lines are not in the order of their addresses")
	}
}

// TestListing compares the printed listings with testdata/linked.lst.
func TestListing(t *testing.T) {
	var b strings.Builder
	for _, l := range mustLink(t, linked()).Listings() {
		b.WriteString(l.String() + "\n")
	}
	golden.Same(t, "testdata/linked.lst", b.String())
}

// TestLinkErrors checks the errors that depend on the whole program, and those for
// failures of the library.
func TestLinkErrors(t *testing.T) {
	stop := FUNC("stop", "", UD2())
	far := func(items ...Item) Program {
		return Program{
			Funcs: []Func{FUNC("f", "", append(items, UD2())...)},
			Data:  []Data{BSS("near", 1<<31, 8), BSS("far", 8, 8)},
		}
	}
	self := Block{NOP(), nil}
	self[1] = self
	code32 := FUNC("f", "", LEAL(Sym("f"), RAX), UD2())
	code32.Bits = 32
	table["REFUSED"] = row{as: x86.APADDB, form: opSrc}
	table["FATAL"] = row{as: x86.AJCS, form: opJump}
	defer delete(table, "REFUSED")
	defer delete(table, "FATAL")
	for _, test := range []struct {
		name string
		p    Program
		addr uint64
		want string
	}{
		{"relative", far(LEAQ(Sym("far"), RAX)), 1 << 40, "f: LEAQ far, RAX: the address 0x10080001000 does not fit in 32 bits here"},
		{"sign-extended", far(MOVQ(Sym("f").Index(RAX, 8), RAX)), 1 << 32, `f: MOVQ f\(RAX\*8\), RAX: the address 0x100000000 does not fit in 32 bits here`},
		{"physical", Program{Funcs: []Func{code32}}, 6 << 30, "f: LEAL f, RAX: the address 0x200000000 does not fit in 32 bits here"},
		{"end", far(), math.MaxUint64 - 1<<20, "the program does not fit between 0xffffffffffefffff and the end of the address space"},
		{"endless", Program{Funcs: []Func{FUNC("f", "", self, UD2())}}, testBase, "f: blocks are nested more than 1000 deep; does one hold itself\\?"},
		{"jumps", Program{Funcs: []Func{FUNC("f", "", overlapping(20)...)}}, testBase, "f: the sizes of the jumps do not settle in 20 passes; split the function"},
		{"place unknown", Program{Funcs: []Func{{Name: "f"}}, Data: []Data{{Name: "f"}}}, testBase, "(?s)f: the function's end.*f: the name is taken at an unknown place"},
		{"placeholder", far(ADDQ(placeholder, Sym("near").Index(RAX, 8))), 1 << 20, "f: ADDQ .*: cannot tell where the symbol is in the bytes; use an immediate other than 0x7a5b3c1d"},
		{"refused", Program{Funcs: []Func{FUNC("f", "", ins("REFUSED", RAX), UD2()), stop}}, testBase, "f: REFUSED RAX: the library refuses this form"},
		{"fatal", Program{Funcs: []Func{FUNC("f", "", ins("FATAL", "stop"), UD2()), stop}}, testBase, "f: golang-asm: branch to ATEXT"},
		{"no mnemonic", Program{Funcs: []Func{FUNC("f", "", ins("NOTHING"), UD2())}}, testBase, "f: NOTHING: no such mnemonic in the table"},
		{"operands", Program{Funcs: []Func{FUNC("f", "", ins("ADDQ", RAX), UD2())}}, testBase, "f: ADDQ RAX: takes 2 operands"},
	} {
		_, err := Link(test.p, test.addr, testPhys)
		if err == nil {
			t.Errorf("%s: no error", test.name)
		} else if ok, _ := regexp.MatchString(`^([a-z/_]+\.go:[0-9]+: )?`+test.want+"$", err.Error()); !ok {
			t.Errorf("%s: %v\nwant %s", test.name, err, test.want)
		}
	}
	if _, err := Link(Program{Funcs: []Func{FUNC("f", "", overlapping(19)...), stop}}, testBase, testPhys); err != nil {
		t.Errorf("jumps that settle: %v", err)
	}
}

// overlapping makes n jumps, each of which reaches just over the next one while that
// is short: once the last is long, the one before it must be too, and so on, one
// jump a pass.
func overlapping(n int) []Item {
	nops := func(n int) Item { return Block(slices.Repeat([]Item{NOP()}, n)) }
	to := func(i int) string { return fmt.Sprintf("to%d", i) }
	var items []Item
	for i := range n {
		items = append(items, JMP(to(i)), nops(25))
		if i > 0 {
			items = append(items, LABEL(to(i-1)))
		}
		items = append(items, nops(75))
	}
	return append(items, nops(200), LABEL(to(n-1)), UD2())
}

// TestTogether links the same program twice at once, for the race detector,
// and compares the results.
func TestTogether(t *testing.T) {
	objects := make(chan *Object)
	for range 2 {
		go func() {
			o, err := Link(linked(), testBase, testPhys)
			if err != nil {
				t.Error(err)
			}
			objects <- o
		}()
	}
	a, b := <-objects, <-objects
	if diff := cmp.Diff(a, b, cmpopts.IgnoreUnexported(Object{})); diff != "" {
		t.Errorf("two results:\n%s", diff)
	}
	if diff := cmp.Diff(a.Listings(), b.Listings(), cmp.AllowUnexported(Ins{}, instruction{}, Mem{}, memory{})); diff != "" {
		t.Errorf("two listings:\n%s", diff)
	}
	if !maps.Equal(a.addrs, b.addrs) {
		t.Error("two symbol tables")
	}
}

// TestGlobal: a GLOBAL is a place that other functions can take the address of,
// and branch to.
func TestGlobal(t *testing.T) {
	o, err := Link(Program{Funcs: []Func{
		FUNC("f", "", NOP(), GLOBAL("place"), UD2()),
		FUNC("g", "", LEAQ(Sym("place"), RAX), JMP("place")),
	}}, testBase, testPhys)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := o.Addr("f")
	if at, ok := o.Addr("place"); !ok || at != f+1 {
		t.Errorf("place is at %#x, %v, want %#x", at, ok, f+1)
	}
	_, err = Link(Program{Funcs: []Func{
		FUNC("f", "", FRAME(8), UD2(), GLOBAL("place"), PUSHQ(RAX).Is(Slot{Off: 0})),
		FUNC("g", "", UD2()),
		FUNC("h", "", GLOBAL("g"), UD2()),
	}}, testBase, testPhys)
	for _, want := range []string{"RSP's place is not known here", "the function's end can be reached", "g: the name is taken"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q", err, want)
		}
	}
}

// TestCode links machine code from elsewhere; gnuas tests each kind of relocation
// with the output of as.
func TestCode(t *testing.T) {
	code := Code{
		Bytes:  []byte{0x90, 0xe8, 0, 0, 0, 0, 0xc3},
		Relocs: []Reloc{{Off: 2, Kind: RelocPC32, Sym: "f", Add: -4}},
		Labels: []CodeLabel{{"end", 6}},
		Lines:  []CodeLine{{0, 1, "nop", "x.S", 1}, {1, 5, "call f", "x.S", 2}, {6, 1, "ret", "x.S", 3}},
	}
	f := FUNC("f", "", JMP("end"))
	o, err := Link(Program{Funcs: []Func{f, CODE("g", "", &code)}}, testBase, testPhys)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := o.Listing("g")
	if want := []byte{0xe8, 0xea, 0xff, 0xff, 0xff}; !bytes.Equal(l.Rows[1].Bytes, want) || l.Rows[1].Ins.String() != "call f" || !l.Rows[1].Ins.Equal(CALL("f")) || l.Rows[1].Line != 2 {
		t.Errorf("row is %+v, want bytes %x", l.Rows[1], want)
	}
	for _, tt := range []struct {
		name, err string
		edit      func(*Code)
	}{
		{"symbol", "x.S:2: g: call f: other is not a function or data", func(c *Code) { c.Relocs = []Reloc{{Off: 2, Sym: "other"}} }},
		{"relocation", "a relocation is at 4 of 7 bytes", func(c *Code) { c.Relocs = []Reloc{{Off: 4, Sym: "f"}} }},
		{"wide relocation", "a relocation is at 0 of 7 bytes", func(c *Code) { c.Relocs = []Reloc{{Off: 0, Kind: RelocAbs64, Sym: "f"}} }},
		{"label", "the label end is at 8 of 7 bytes", func(c *Code) { c.Labels = []CodeLabel{{"end", 8}} }},
		{"line", "line 1 is at 0 to 8 of 7 bytes", func(c *Code) { c.Lines = []CodeLine{{0, 8, "nop", "x.S", 1}} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := code
			tt.edit(&c)
			_, err := Link(Program{Funcs: []Func{f, CODE("g", "", &c)}}, testBase, testPhys)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want it to say %q", err, tt.err)
			}
		})
	}
}

// TestTooFar checks that an address that does not fit is an error at its instruction,
// and is not cut to another address.
func TestTooFar(t *testing.T) {
	real := func(f Func) Func { f.Bits = 16; return f }
	far := func(n int) Func { // so much code
		return FUNC("between", "", Block(slices.Repeat([]Item{NOP()}, n)), RET())
	}
	word := BSS("word", 8, 8)
	for _, tt := range []struct {
		name string
		addr uint64
		prog Program
		want string // empty: it fits
	}{
		{"16-bit call", 0x1000, Program{Funcs: []Func{real(FUNC("f", "", CALL("g"), RET())), far(0x7000), real(FUNC("g", "", RET()))}}, ""},
		{"16-bit call too far", 0x1000, Program{Funcs: []Func{real(FUNC("f", "", CALL("g"), RET())), far(0x8000), real(FUNC("g", "", RET()))}}, "does not fit in 16 bits here"},
		{"16-bit data", 0xe000, Program{Funcs: []Func{real(FUNC("f", "", MOVL(Sym("word"), RBX), RET()))}, Data: []Data{word}}, ""},
		{"16-bit data too high", 0x1e000, Program{Funcs: []Func{real(FUNC("f", "", MOVL(Sym("word"), RBX), RET()))}, Data: []Data{word}}, "does not fit in 16 bits here"},
		{"signed 32-bit data", 0x7fff_0000, Program{Funcs: []Func{FUNC("f", "", MOVQ(Sym("word").Index(RAX, 8), RBX), RET())}, Data: []Data{word}}, ""},
		{"signed 32-bit data too high", 0x8000_0000, Program{Funcs: []Func{FUNC("f", "", MOVQ(Sym("word").Index(RAX, 8), RBX), RET())}, Data: []Data{word}}, "does not fit in 32 bits here"},
	} {
		_, err := Link(tt.prog, tt.addr, 0)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestReturnSites: each RET of a function with ReturnSites has room for a JMP, and is in the
// table; those of others have not.
func TestReturnSites(t *testing.T) {
	keeps := FUNC("keeps", "", RET())
	changes := FUNC("changes", "", TESTQ(RAX, RAX), IF(E, RETURN()), NOP(), RETURN()).Saving(RBX)
	changes.ReturnSites = true
	o, err := Link(Program{Funcs: []Func{keeps, changes}}, testBase, testPhys)
	if err != nil {
		t.Fatal(err)
	}
	table, end := addr(t, o, "__return_sites"), addr(t, o, "__return_sites_end")
	if end-table != 16 {
		t.Fatalf("the table has %d bytes, want two addresses", end-table)
	}
	text := o.Sections[0]
	for at := table; at < end; at += 8 {
		site := text.Bytes[word(o, at)-text.Addr:][:5]
		if want := []byte{0xc3, 0xcc, 0xcc, 0xcc, 0xcc}; !slices.Equal(site, want) {
			t.Errorf("a RET is % x, want % x", site, want)
		}
	}
	if b := listing(t, o, "keeps"); len(b) != 1 {
		t.Errorf("a function without ReturnSites has % x", b)
	}
}
