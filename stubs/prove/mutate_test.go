package prove

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

var mutateAll = flag.Bool("mutate", false, "run every mutant of every preset, not a sample")

// mutant is a change of one instruction.
type mutant struct {
	what string
	code []byte
}

// mutants returns the changes of an instruction: it is deleted (replaced by NOPs), each of
// its registers is made every other that its encoding has room for, so is its condition,
// each bit of its displacement and constant is flipped, its width is changed, and a load is
// made a store.
func mutants(in *inst, code []byte) []mutant {
	var list []mutant
	first, _ := decode(code, 0)
	original := first.String()
	add := func(what string, change func(b []byte)) {
		b := bytes.Clone(code)
		change(b)
		if same, err := decode(b, 0); err == nil && int(same.len) == len(b) && same.String() == original {
			return // another encoding of the same instruction
		}
		if !bytes.Equal(b, code) && !slices.ContainsFunc(list, func(m mutant) bool { return bytes.Equal(m.code, b) }) {
			list = append(list, mutant{what, b})
		}
	}
	add("deleted", func(b []byte) {
		for i := range b {
			b[i] = 0x90
		}
	})
	e := in.enc
	// field sets three bits of a byte, and the fourth in REX if there is one.
	field := func(what string, at, shift, rexBit uint8) {
		n := 8
		if e.rex != 0 || code[0]&0xf0 == 0x40 {
			n = 16
		}
		for r := range n {
			add(fmt.Sprintf("%s is %v", what, reg(r)), func(b []byte) {
				b[at] = b[at]&^(7<<shift) | byte(r&7)<<shift
				if n == 16 {
					b[e.rex] = b[e.rex]&^(1<<rexBit) | byte(r>>3)<<rexBit
				}
			})
		}
	}
	if e.opReg {
		field("register", e.op, 0, 0)
	}
	if e.modrm != 0 {
		if e.modrmReg {
			field("register", e.modrm, 3, 2)
		}
		switch {
		case code[e.modrm]>>6 == 3:
			field("register", e.modrm, 0, 0)
		case e.sib != 0:
			field("base", e.sib, 0, 0)
			field("index", e.sib, 3, 1)
			for s := range 4 {
				add(fmt.Sprintf("scale is %d", 1<<s), func(b []byte) { b[e.sib] = b[e.sib]&0x3f | byte(s)<<6 })
			}
		default:
			field("base", e.modrm, 0, 0)
		}
	}
	flip := func(what string, at, size uint8) {
		for bit := range 8 * int(size) {
			add(fmt.Sprintf("bit %d of %s", bit, what), func(b []byte) { b[int(at)+bit/8] ^= 1 << (bit % 8) })
		}
	}
	flip("the displacement", e.disp, e.dispLen)
	if e.rel {
		flip("the displacement", e.imm, e.immLen)
	} else {
		flip("the constant", e.imm, e.immLen)
	}
	if e.rex != 0 || code[0]&0xf0 == 0x40 {
		add("the width is another", func(b []byte) { b[e.rex] ^= 8 })
	}
	if in.op == opMOV && (code[e.op] == 0x89 || code[e.op] == 0x8b) {
		add("source and destination change places", func(b []byte) { b[e.op] ^= 2 })
	}
	if in.op == opJCC {
		at := e.op
		if code[at] == 0x0f {
			at++
		}
		for cc := range 16 {
			add("condition is "+ccNames[cc], func(b []byte) { b[at] = b[at]&0xf0 | byte(cc) })
		}
	}
	return list
}

// swapped returns two instructions that follow each other, in the other order; none if they
// may change places, or cannot.
func swapped(a, b *inst, code []byte) []mutant {
	if commute(effectsOf(a), effectsOf(b)) {
		return nil
	}
	first, ok := moved(a, code[:a.len], int(b.len))
	second, ok2 := moved(b, code[a.len:], -int(a.len))
	if !ok || !ok2 || bytes.Equal(first, second) {
		return nil
	}
	return []mutant{{changesPlaces, slices.Concat(second, first)}}
}

// moved returns an instruction that is moved by n bytes and names the same places.
func moved(in *inst, code []byte, n int) ([]byte, bool) {
	b := bytes.Clone(code)
	at, size := in.enc.disp, in.enc.dispLen
	switch rip := in.src.kind == inMem && in.src.rip || in.dst.kind == inMem && in.dst.rip; {
	case in.enc.rel:
		at, size = in.enc.imm, in.enc.immLen
	case !rip:
		return b, true
	}
	var d int64
	for i := range size {
		d |= int64(b[at+i]) << (8 * i)
	}
	d = d<<(64-8*size)>>(64-8*size) - int64(n)
	for i := range size {
		b[at+i] = byte(d >> (8 * i))
	}
	return b, d<<(64-8*size)>>(64-8*size) == d
}

// byteWide returns an instruction with its operand made a byte.
func byteWide(in *inst, code []byte) []mutant {
	b := bytes.Clone(code)
	if int(in.enc.op) >= len(b) || b[in.enc.op]&1 == 0 {
		return nil
	}
	b[in.enc.op] ^= 1
	other, err := decode(b, 0)
	if err != nil || other.op != in.op || other.width != 1 || int(other.len) != len(b) {
		return nil
	}
	return []mutant{{"the width is a byte", b}}
}

// mutated returns the subject with other bytes at an address.
func (s *subject) mutated(addr uint64, code []byte) *subject {
	c := *s
	c.parts = slices.Clone(s.parts)
	for i := range c.parts {
		p := &c.parts[i]
		off := int(addr - p.addr)
		if addr < p.addr || off >= len(p.code) {
			continue
		}
		p.code = bytes.Clone(p.code)
		copy(p.code[off:], code)
		p.insts = slices.Clone(p.insts)
		for j := max(0, off-14); j < min(len(p.insts), off+len(code)); j++ {
			p.insts[j] = nil
		}
	}
	return &c
}

// farAway is where no function of a linked variant is.
const farAway = 0xffff_ffff_f000_0000

// twice returns the subject with the instruction at an address run twice. As there is no
// room for it, the decoded instructions are changed: in its place is a jump to two copies,
// and behind them one back.
func (s *subject) twice(addr uint64) *subject {
	c := *s
	c.parts = slices.Clone(s.parts)
	p := c.partOf(addr)
	in, _ := s.fetch(addr)
	jump := func(to uint64, size uint8) *inst {
		return &inst{op: opJMP, len: size, src: operand{kind: isImm, imm: int64(to)}, enc: encoding{rel: true}}
	}
	p.insts = slices.Clone(p.insts)
	p.insts[addr-p.addr] = jump(farAway, in.len)
	copies := part{p.name, farAway, make([]byte, 2*in.len+1), make([]*inst, 2*in.len+1)}
	copies.insts[0], copies.insts[in.len], copies.insts[2*in.len] = in, in, jump(addr+uint64(in.len), 1)
	c.parts = append(c.parts, copies)
	return &c
}

const (
	// changesPlaces is the change with the instruction after it.
	changesPlaces = "it changes places with the next"
	// runTwice is the change that the code is empty of.
	runTwice = "it is run twice"
)

// oneMutant is a mutant and where it is.
type oneMutant struct {
	s     *subject
	where Where
	mutant
	addr  uint64
	after asm.Ins // the next instruction
}

func (m oneMutant) subject() *subject {
	if m.what == runTwice {
		return m.s.twice(m.addr)
	}
	return m.s.mutated(m.addr, m.code)
}

// mutantsOf are all mutants of the presets that a test has asked for.
var mutantsOf = map[string][]oneMutant{}

func allMutants(t testing.TB, n stubs.Variant) []oneMutant {
	if list, ok := mutantsOf[n.Name]; ok {
		return list
	}
	obj, err := link(n)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSubject(obj, n)
	if err != nil {
		t.Fatal(err)
	}
	if m := s.prove(false); m.failed {
		t.Fatalf("%s is not proved", n.Name)
	}
	list := mutantsIn(t, s, s.places(obj))
	mutantsOf[n.Name] = list
	return list
}

// mutantsIn returns all mutants of what is proved.
func mutantsIn(t testing.TB, s *subject, places places) []oneMutant {
	t.Helper()
	var list []oneMutant
	for _, p := range s.parts {
		for off := 0; off < len(p.code); {
			addr := p.addr + uint64(off)
			in, err := s.fetch(addr)
			if err != nil {
				t.Fatal(err)
			}
			next := off + int(in.len)
			changed := append(mutants(in, p.code[off:next]), byteWide(in, p.code[off:next])...)
			if next < len(p.code) {
				after, err := s.fetch(p.addr + uint64(next))
				if err != nil {
					t.Fatal(err)
				}
				changed = append(changed, swapped(in, after, p.code[off:next+int(after.len)])...)
			}
			if !again(in) {
				changed = append(changed, mutant{what: runTwice})
			}
			for _, m := range changed {
				list = append(list, oneMutant{s, places.at(addr), m, addr, places.row(p.addr + uint64(next)).Ins})
			}
			off = next
		}
	}
	return list
}

// find returns the reviewed reason why a mutant survives.
func (m oneMutant) find() int {
	return slices.IndexFunc(survivors, func(s survivor) bool { return s.has(m) })
}

// unseen says that a mutant survives.
func (m oneMutant) unseen() string {
	now := "no instruction"
	if in, err := m.subject().fetch(m.addr); err == nil {
		now = in.String()
	}
	return fmt.Sprintf("%v: the proof does not see that %s (%s)", m.where, m.what, now)
}

// surviving reports, for each of a list, whether the proof does not reject it.
func surviving(list []oneMutant) []bool {
	survived := make([]bool, len(list))
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(list); i += workers {
				survived[i] = !list[i].subject().prove(true).failed
			}
		})
	}
	wg.Wait()
	return survived
}

// TestMutants changes each instruction of each preset and requires that the
// proof rejects the variant then, or that the change is among the survivors.
// Without -mutate it does so with a sample.
func TestMutants(t *testing.T) {
	reviewed := make([]int, len(survivors))
	rng := rand.New(rand.NewPCG(1, 2))
	all, tried, rejected := 0, 0, 0
	for _, p := range stubs.Presets() { // one by one: what is found is said at once
		var list []oneMutant
		for _, m := range allMutants(t, p.Variant) {
			if all++; *mutateAll || rng.IntN(sampleOf) == 0 {
				list = append(list, m)
			}
		}
		tried += len(list)
		for i, survived := range surviving(list) {
			switch n := list[i].find(); {
			case !survived:
				rejected++
			case n >= 0:
				reviewed[n]++
			default:
				t.Error(list[i].unseen())
			}
		}
		t.Logf("%s: %d mutants", p.Name, len(list))
	}
	for i, n := range reviewed {
		if n > 0 {
			s := survivors[i]
			t.Logf("%4d survive: %s: %v: %s", n, strings.Join(s.functions, ", "), s.what, s.why)
		} else if *mutateAll {
			t.Errorf("no mutant survives for the reason %q any more", survivors[i].why)
		}
	}
	t.Logf("%d of %d mutants: %d rejected (%.2f %%), %d survive", tried, all, rejected, 100*float64(rejected)/float64(tried), tried-rejected)
}

// sampleOf is how many mutants one of the sample stands for.
const sampleOf = 500
