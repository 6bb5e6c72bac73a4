package asm

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestPrefix: a prefix lies in front of each function that a CALL may reach by it, and
// of no other; the CALLs that always go by it do, and the table has those that may.
func TestPrefix(t *testing.T) {
	sites := func(f Func) Func { f.ReturnSites = true; return f }
	by := func(f Func) Func { f.CallsPrefixed = true; return f }
	prefix := Block{INCQ(GS.At(8))}
	o, err := Link(Program{Prefix: prefix, Funcs: []Func{
		by(FUNC("variant", "", CALL("callee"), CALL("flags"), CALL("own"), JMP("callee"))),
		sites(FUNC("kernel", "", CALL("callee"), CALL("flags"), CALL("own"), RETURN()).Takes()),
		FUNC("other", "", CALL("callee"), CALL("unused"), RET()),
		sites(FUNC("callee", "", RETURN()).Takes()),
		sites(FUNC("unused", "", RETURN()).Takes()),
		sites(FUNC("flags", "", CMPQ(RSP, 0), RETURN()).Takes().Returns(FLAGS)),
		FUNC("own", "", RET()),
		sites(FUNC("grouped", "", CALL("grouped"), RETURN()).Takes().In("group")),
	}}, 0xffffffff80000000, 0xffffffff80000000)
	if err != nil {
		t.Fatal(err)
	}
	text, ro := o.Sections[0], o.Sections[1]
	addr := func(name string) uint64 {
		a, ok := o.Addr(name)
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		return a
	}
	word := func(name string, off uint64) uint64 {
		return binary.LittleEndian.Uint64(ro.Bytes[addr(name)-ro.Addr+off:])
	}
	size := word("__call_prefix_size", 0)
	called := func(of string, n int) uint64 {
		l, _ := o.Listing(of)
		r := l.Rows[n]
		return l.Addr + uint64(r.Off+len(r.Bytes)) + uint64(int64(int32(binary.LittleEndian.Uint32(r.Bytes[1:]))))
	}
	for _, row := range []struct {
		of   string
		n    int
		want uint64
	}{
		{"variant", 0, addr("callee") - size},
		{"variant", 1, addr("flags")},
		{"variant", 2, addr("own")},
		{"variant", 3, addr("callee")}, // a JMP
		{"kernel", 0, addr("callee")},
		{"kernel", 1, addr("flags")},
		{"other", 0, addr("callee")},
	} {
		if got := called(row.of, row.n); got != row.want {
			t.Errorf("instruction %d of %s goes to %#x, want %#x", row.n, row.of, got, row.want)
		}
	}

	var prefixed []string
	for _, s := range o.Symbols {
		of, ok := strings.CutPrefix(s.Name, PrefixName)
		if !ok {
			continue
		}
		prefixed = append(prefixed, of)
		l, _ := o.Listing(s.Name)
		if s.Addr+s.Size != addr(of) || s.Size != size || !s.Local || len(l.Rows) != 1 || l.Rows[0].Ins.Mnemonic() != "INCQ" {
			t.Errorf("%s lies at %#x with %d bytes, %s at %#x; its listing:\n%v", s.Name, s.Addr, s.Size, of, addr(of), l)
		}
		if got := text.Bytes[s.Addr-text.Addr:][:s.Size]; !slices.Equal(got, l.Rows[0].Bytes) {
			t.Errorf("%s is % x, want % x", s.Name, got, l.Rows[0].Bytes)
		}
	}
	if want := []string{"callee", "grouped"}; !slices.Equal(prefixed, want) {
		t.Errorf("prefixes of %q, want of %q", prefixed, want)
	}
	if start := addr("__group_start"); start != addr("grouped")-size {
		t.Errorf("the group begins at %#x, want the prefix of %#x", start, addr("grouped"))
	}

	var list []uint64
	for a := addr("__call_sites"); a < addr("__call_sites_end"); a += 4 {
		list = append(list, uint64(int64(int32(binary.LittleEndian.Uint32(ro.Bytes[a-ro.Addr:])))))
	}
	if want := []uint64{addr("kernel") + 1, addr("grouped") + 1}; !slices.Equal(list, want) {
		t.Errorf("the table has %#x, want %#x", list, want)
	}
	rets, flags, end := addr("__return_sites"), addr("__return_sites_flags"), addr("__return_sites_end")
	if f, _ := o.Listing("flags"); (flags-rets)/8 != 4 || (end-flags)/8 != 1 || word("__return_sites_flags", 0) != f.Addr+uint64(f.Rows[1].Off) {
		t.Errorf("%d RETs and %d of functions that return flags, the first at %#x", (flags-rets)/8, (end-flags)/8, word("__return_sites_flags", 0))
	}
}

// TestNoPrefix: a program without one has no table of calls; a prefix that names
// something is refused.
func TestNoPrefix(t *testing.T) {
	f := FUNC("f", "", CALL("f"), RETURN()).Takes()
	f.ReturnSites = true
	o, err := Link(Program{Funcs: []Func{f}}, 0xffffffff80000000, 0xffffffff80000000)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := o.Addr("__call_sites")
	if end, _ := o.Addr("__call_sites_end"); end != first {
		t.Errorf("there are %d bytes of places of CALLs", end-first)
	}
	_, err = Link(Program{Funcs: []Func{f}, Prefix: Block{INCQ(Sym("f"))}}, 0xffffffff80000000, 0xffffffff80000000)
	if err == nil || !strings.Contains(err.Error(), "Prefix names f: its copies cannot") {
		t.Errorf("a prefix that names a symbol: %v", err)
	}
}
