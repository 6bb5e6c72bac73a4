package prove

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// someCode makes code of an opcode of one or two bytes with any prefixes, ModRM,
// displacement and constant behind it.
func someCode(rng *rand.Rand) []byte {
	var code []byte
	prefixes := []byte{0x66, 0xf0, 0xf2, 0xf3, 0x64, 0x65, 0x2e, 0x3e}
	for rng.IntN(3) == 0 {
		code = append(code, prefixes[rng.IntN(len(prefixes))])
	}
	if rng.IntN(2) == 0 {
		code = append(code, 0x40|byte(rng.IntN(16)))
	}
	if rng.IntN(2) == 0 {
		code = append(code, 0x0f)
	}
	for len(code) < 15 {
		code = append(code, byte(rng.Uint32()))
	}
	return code[:15]
}

// immWidth returns how many bytes of a constant count.
func immWidth(in *inst) uint8 {
	switch {
	case in.enc.immLen == 1 && (in.op >= opROL && in.op <= opSHRD || in.op == opRCL || in.op == opRCR):
		return 1
	case in.op == opRETN:
		return 2
	}
	return in.width
}

// readAlike compares an instruction of the decoder's with that of a disassembler.
func readAlike(in *inst, got disassembled) bool {
	want := in.parts()
	name := func(s string) string {
		i := strings.LastIndexByte(s, ' ')
		return s[i+1:]
	}
	if family := families[in.op]; family != nil {
		if !slices.Contains(family, name(got.mnemonic)) {
			return false
		}
		if in.op == opNOP {
			return true // its operand is read by nobody
		}
		want.mnemonic = got.mnemonic
	}
	if n := len(want.operands); in.src.kind == isImm && in.enc.immLen == 0 && len(got.operands) == n-1 {
		want.operands = want.operands[:n-1] // llvm-mc leaves a shift's 1 out
	}
	switch {
	case strings.HasPrefix(want.mnemonic, "rep") || in.op >= opSTOS && in.op <= opCMPS:
		return got.mnemonic == want.mnemonic
	case in.op == opTEST || in.op == opXCHG: // their order is no matter
		slices.Sort(want.operands)
		slices.Sort(got.operands)
	case in.op == opMOVSEG || in.op == opPREFETCH: // of which the width of the other operand is no matter
		for i := range want.operands {
			want.operands[i] = anyWidth(want.operands[i])
		}
		for i := range got.operands {
			got.operands[i] = anyWidth(got.operands[i])
		}
	}
	return got.mnemonic == want.mnemonic && slices.Equal(got.operands, want.operands)
}

// anyWidth returns an operand without its width.
func anyWidth(o string) string {
	if _, rest, ok := strings.Cut(o, " "); ok {
		return rest
	}
	for r := range numRegs {
		for _, w := range []uint8{2, 4, 8} {
			if o == registerName(operand{reg: r}, w) {
				return registerName(operand{reg: r}, 8)
			}
		}
	}
	return o
}

// fuzzed returns how many pieces of code each disassembler reads; fewPieces are enough to
// find a fault in a form that is not rare.
func fuzzed() int {
	if *every {
		return 40_000
	}
	return 10_000
}

const fewPieces = 2000

// misread returns the pieces of code that a disassembler reads otherwise than a decoder, of
// those that the decoder does not refuse.
func misread(t *testing.T, d disassembler, decode func([]byte) (inst, error), pieces int) (wrong []string) {
	rng := rand.New(rand.NewPCG(3, 4))
	var list [][]byte
	var insts []inst
	for len(list) < pieces {
		code := someCode(rng)
		if in, err := decode(code); err == nil && in.op != opUD2 { // UD2 stands between the pieces
			list, insts = append(list, code[:in.len]), append(insts, in)
		}
	}
	texts, whole := d.read(t, list)
	offset := uint64(0)
	for i, text := range texts {
		in := &insts[i]
		base := -offset
		if d.rip {
			base = uint64(in.len)
		}
		offset += uint64(len(list[i])) + nops + 2
		if d.rip && notByLLVM(in, list[i], text) {
			continue
		}
		got := parse(text, immWidth(in), base, in.src.rip || in.dst.rip)
		if text == "" || !whole[i] || !readAlike(in, got) {
			wrong = append(wrong, fmt.Sprintf("%x is read as %v, want %v (%s)", list[i], in.parts(), got, text))
		}
	}
	return wrong
}

// notByLLVM reports whether llvm-mc 14 reads a form otherwise than a CPU.
func notByLLVM(in *inst, code []byte, text string) bool {
	prefixes := slices.IndexFunc(code, func(b byte) bool { return strings.IndexByte("\x66\xf0\xf2\xf3\x64\x65\x2e\x3e", b) < 0 })
	switch {
	case in.op == opPREFETCH && text == "": // 0F 0D /2 and /3, which it does not know
		return true
	case in.op == opPAUSE && len(code) > 2: // with REX it takes it for XCHG
		return true
	}
	return prefixes > 1 // that next to the opcode is not always the one that counts
}

func plainDecode(code []byte) (inst, error) { return decode(code, 0) }

// TestDisassemblers: the decoder reads what it does not refuse as two disassemblers do,
// from its length to its operands.
func TestDisassemblers(t *testing.T) {
	for _, d := range disassemblers {
		t.Run(d.tool, func(t *testing.T) {
			for i, w := range misread(t, d, plainDecode, fuzzed()) {
				if i == 20 {
					t.Error("and more")
					break
				}
				t.Error(w)
			}
		})
	}
}

// TestDisassemblersFind: each disassembler finds a decoder that is wrong in one thing.
func TestDisassemblersFind(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wrong func(*inst)
	}{
		{"an operand's register", func(in *inst) {
			if in.op == opADC && in.dst.kind == inReg {
				in.dst.reg ^= 1
			}
		}},
		{"a displacement", func(in *inst) {
			if in.op == opLEA {
				in.src.imm++
			}
		}},
		{"a condition", func(in *inst) {
			if in.op == opSET {
				in.cc ^= 1
			}
		}},
		{"a width", func(in *inst) {
			if in.op == opNOT {
				in.width = 4
			}
		}},
		{"a length", func(in *inst) {
			if in.op == opIMUL && in.third.kind == isImm {
				in.len--
			}
		}},
		{"the order of operands", func(in *inst) {
			if in.op == opCMP {
				in.dst, in.src = in.src, in.dst
			}
		}},
	} {
		for _, d := range disassemblers {
			t.Run(tt.name+"/"+d.tool, func(t *testing.T) {
				wrong := misread(t, d, func(code []byte) (inst, error) {
					in, err := decode(code, 0)
					tt.wrong(&in)
					return in, err
				}, fewPieces)
				if len(wrong) == 0 {
					t.Error("nothing is found")
				}
			})
		}
	}
}

// mayLock are the instructions that LOCK may stand before (SDM volume 2, LOCK).
var mayLock = []string{
	"add", "adc", "and", "btc", "btr", "bts", "cmpxchg", "dec", "inc", "neg", "not", "or", "sbb", "sub", "xor", "xadd", "xchg",
}

// whyRefused returns the reason for which the decoder refuses a form of an instruction that
// it knows, empty if there is none: it has been left out by mistake.
func whyRefused(code []byte, got disassembled) string {
	var p66, lock, repeats, fsgs, null bool
	rex := byte(0)
	at := 0
	for ; ; at++ {
		b := code[at]
		if rex != 0 && slices.Contains([]byte{0x66, 0xf0, 0xf2, 0xf3, 0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e}, b) {
			return "REX before another prefix, where it is for nothing"
		}
		switch {
		case b == 0x66:
			p66 = true
			continue
		case b == 0x67:
			return "addresses of 32 bits"
		case b == 0xf0 && lock, (b == 0xf2 || b == 0xf3) && repeats, (b == 0x64 || b == 0x65) && (fsgs || null), (b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e) && fsgs:
			return "a prefix of the same group twice"
		case b == 0xf0:
			lock = true
			continue
		case b == 0xf2 || b == 0xf3:
			repeats = true
			continue
		case b == 0x64 || b == 0x65:
			fsgs = true
			continue
		case b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e:
			null = true
			continue
		case b&0xf0 == 0x40 && rex == 0:
			rex = b
			continue
		}
		break
	}
	name := got.mnemonic[strings.LastIndexByte(got.mnemonic, ' ')+1:]
	memory := slices.ContainsFunc(got.operands, func(o string) bool { return strings.HasSuffix(o, "]") })
	has := func(prefix string) bool {
		return slices.ContainsFunc(got.operands, func(o string) bool { return strings.HasPrefix(o, prefix) })
	}
	switch {
	case code[at]&0xf0 == 0x40:
		return "a second REX"
	case lock && !repeats && !p66 && slices.Contains(mayLock, name) && strings.HasSuffix(got.operands[0], "]"):
		return ""
	case lock:
		return "LOCK where nothing is written, or nothing can be locked (#UD)"
	case repeats:
		return "F2 or F3 before what it neither repeats nor makes another instruction"
	case fsgs && (!memory || got.mnemonic == "lea"):
		return "a segment for nothing"
	case fsgs && code[at] >= 0xa4 && code[at] <= 0xaf:
		return "a string in FS or GS"
	case p66:
		return "66 before what does not have 16 bits in 64-bit mode, or for nothing"
	case has("mm"):
		return "MMX"
	case has("dr") || has("cr"):
		return "debug registers, and control registers that do not exist"
	case name == "mov" && code[at] >= 0xa0 && code[at] <= 0xa3:
		return "an address of 64 bits"
	case name == "movsxd" && rex&8 == 0:
		return "MOVSXD that extends nothing"
	case name == "nop" && !memory:
		return "a reserved NOP"
	case strings.HasSuffix(name, "fence"):
		return "a fence by another ModRM than the manual's"
	case has("cs"):
		return "MOV to CS (#UD)"
	case code[at] == 0xff && (name == "call" || name == "jmp"):
		return "a far branch"
	case code[at] == 0x0f && code[at+1] == 0x1f:
		return "a reserved NOP"
	case rex != 0 && (!memory || name == "verw" || name == "stmxcsr" || name == "ldmxcsr"):
		return "REX for nothing"
	}
	return ""
}

// refusals counts, by the reason, the forms that the decoder refuses, of those that llvm-mc
// reads as instructions which the decoder knows.
func refusals(t *testing.T, decode func([]byte) (inst, error)) (reasons map[string]int, without []string) {
	rng := rand.New(rand.NewPCG(5, 6))
	var list [][]byte
	known := map[string]bool{}
	for len(list) < fuzzed() {
		code := someCode(rng)
		if bytes.Contains(code, []byte{0x0f, 0x0b}) { // UD2 stands between the pieces
			continue
		}
		in, err := decode(code)
		if err != nil {
			list = append(list, code)
			continue
		}
		for _, name := range append(families[in.op], in.parts().mnemonic) {
			known[name[strings.LastIndexByte(name, ' ')+1:]] = true
		}
	}
	reasons = map[string]int{}
	for i, text := range disassemblers[0].first(t, list) {
		got := parse(text, 8, 0, false)
		if text == "" || !known[got.mnemonic[strings.LastIndexByte(got.mnemonic, ' ')+1:]] {
			continue
		}
		why := whyRefused(list[i], got)
		if why == "" {
			without = append(without, fmt.Sprintf("%x: %s", list[i], text))
			continue
		}
		reasons[why]++
	}
	return reasons, without
}

// TestRefusedForms: of the instructions that the decoder knows it refuses no form
// without a reason.
func TestRefusedForms(t *testing.T) {
	reasons, without := refusals(t, plainDecode)
	for i, w := range without {
		if i == 20 {
			t.Errorf("and %d more", len(without)-i)
			break
		}
		t.Errorf("refused without a reason: %s", w)
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%4d: %s", reasons[why], why)
	}
}

// TestRefusedFind: a form that the decoder has forgotten is found.
func TestRefusedFind(t *testing.T) {
	_, without := refusals(t, func(code []byte) (inst, error) {
		in, err := decode(code, 0)
		if err == nil && in.op == opCMOV && in.src.kind == inMem {
			err = errRefused
		}
		return in, err
	})
	if !slices.ContainsFunc(without, func(s string) bool { return strings.Contains(s, ": cmov") }) {
		t.Errorf("it is not found, but %v", without)
	}
}
