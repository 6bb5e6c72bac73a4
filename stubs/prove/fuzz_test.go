package prove

import (
	"bytes"
	"testing"

	"github.com/entrylab/entrylab/stubs"
)

// FuzzDecode: whatever the bytes are, the decoder refuses them or reads an
// instruction of 1 to 15 of them, which alone decides how it reads.
func FuzzDecode(f *testing.F) {
	for _, n := range presets() {
		for _, p := range subjectOf(f, n).parts {
			f.Add(p.code)
		}
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		in, err := decode(code, 0x1000)
		if err != nil {
			return
		}
		if in.len == 0 || in.len > 15 || int(in.len) > len(code) {
			t.Fatalf("%x is read as %d bytes", code, in.len)
		}
		again, err := decode(code[:in.len], 0x1000)
		if err != nil || again != in {
			t.Errorf("%x is read as %v; alone as %v (%v)", code, &in, &again, err)
		}
		if in.String() == "" {
			t.Errorf("%x has no text", code)
		}
	})
}

// FuzzProve: whatever the bytes of a variant's functions are, the proof ends,
// and without a crash. What is proved has the entry's own bytes or reaches an
// exit.
func FuzzProve(f *testing.F) {
	n, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		f.Fatal(err)
	}
	s := subjectOf(f, n)
	for i, p := range s.parts {
		f.Add(uint8(i), uint16(0), p.code)
		f.Add(uint8(i), uint16(3), []byte{0xeb, 0xfe})                         // JMP to itself
		f.Add(uint8(i), uint16(0), []byte{0x48, 0xd1, 0xe8, 0xeb, 0xfb})       // SHRQ, and again
		f.Add(uint8(i), uint16(9), []byte{0xfb, 0x50, 0xeb, 0xfc})             // STI; PUSHQ RAX, and again
		f.Add(uint8(i), uint16(0), []byte{0x48, 0xff, 0xc8, 0x75, 0xfb, 0xc3}) // DECQ RAX, and again while not 0
	}
	f.Fuzz(func(t *testing.T, function uint8, off uint16, code []byte) {
		p := s.parts[int(function)%len(s.parts)]
		at := int(off) % len(p.code)
		code = code[:min(len(code), len(p.code)-at)]
		changed := s.mutated(p.addr+uint64(at), code)
		quick, full := changed.prove(true), changed.prove(false)
		if quick.failed != full.failed {
			t.Errorf("quick: %v, in full: %v", quick.failed, full.failed)
		}
		if !full.failed && full.paths == 0 {
			t.Error("proved without a path to its end")
		}
		if full.failed && bytes.Equal(code, p.code[at:at+len(code)]) {
			t.Error("the variant itself is not proved")
		}
	})
}

func subjectOf(tb testing.TB, n stubs.Variant) *subject {
	obj, err := link(n)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := newSubject(obj, n)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
