//go:build linux && amd64

package prove

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// cpu runs single instructions on the CPU that runs the test.
type cpu struct {
	code []byte
	slot []byte // where the instruction goes, maxInst bytes
	regs *cpuRegs
}

// cpuRegs are the registers before and after. RSP is not among them.
type cpuRegs struct {
	in, out           [numRegs]uint64
	inFlags, outFlags uint64
}

const maxInst = 15

// general are the registers in the order of their encoding.
var general = [numRegs]asm.Reg{asm.RAX, asm.RCX, asm.RDX, asm.RBX, asm.RSP, asm.RBP, asm.RSI, asm.RDI, asm.R8, asm.R9, asm.R10, asm.R11, asm.R12, asm.R13, asm.R14, asm.R15}

// newCPU assembles the code around the instruction: all registers and flags
// from cpuRegs.in, the instruction, all to cpuRegs.out.
func newCPU(t *testing.T) *cpu {
	c := &cpu{}
	mem, err := syscall.Mmap(-1, 0, 2*layout.PageSize, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatalf("no memory to run code from: %v", err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	c.regs = (*cpuRegs)(unsafe.Pointer(&mem[layout.PageSize]))
	at := uint64(uintptr(unsafe.Pointer(c.regs)))
	in := func(r int) asm.Mem { return asm.R15.At(8 * r) }
	out := func(r int) asm.Mem { return asm.RAX.At(int(unsafe.Offsetof(c.regs.out)) + 8*r) }
	kept := []asm.Reg{asm.RBX, asm.RBP, asm.R12, asm.R13, asm.R14, asm.R15}
	var body asm.Block
	for _, r := range kept {
		body = append(body, asm.PUSHQ(r))
	}
	body = append(body, asm.MOVQ(at, asm.R15), asm.PUSHQ(asm.R15.At(int(unsafe.Offsetof(c.regs.inFlags)))), asm.POPFQ())
	for i, r := range general[:r15] {
		if r != asm.RSP {
			body = append(body, asm.MOVQ(in(i), r))
		}
	}
	body = append(body, asm.MOVQ(in(int(r15)), asm.R15))
	for range maxInst {
		body = append(body, asm.NOP())
	}
	body = append(body, asm.PUSHQ(asm.RAX), asm.MOVQ(at, asm.RAX))
	for i, r := range general {
		if r != asm.RAX && r != asm.RSP {
			body = append(body, asm.MOVQ(r, out(i)))
		}
	}
	body = append(body, asm.POPQ(asm.RCX), asm.MOVQ(asm.RCX, out(0)), asm.PUSHFQ(), asm.POPQ(asm.RCX), asm.MOVQ(asm.RCX, asm.RAX.At(int(unsafe.Offsetof(c.regs.outFlags)))))
	for i := range kept {
		body = append(body, asm.POPQ(kept[len(kept)-1-i]))
	}
	obj, err := asm.Link(asm.Program{Funcs: []asm.Func{asm.FUNC("run", "", body, asm.RET())}}, layout.KernelBase, layout.KernelBase)
	if err != nil {
		t.Fatal(err)
	}
	nops := bytes.Repeat([]byte{0x90}, maxInst)
	n := copy(mem, obj.Sections[0].Bytes)
	i := bytes.Index(mem[:n], nops)
	c.code, c.slot = mem[:n], mem[i:i+maxInst]
	return c
}

// run runs an instruction.
func (c *cpu) run(code []byte) {
	for i := range c.slot {
		c.slot[i] = 0x90
	}
	copy(c.slot, code)
	start := unsafe.Pointer(unsafe.SliceData(c.code))
	function := &start // what a func value points to
	(*(*func())(unsafe.Pointer(&function)))()
}

// condition returns what the CPU makes of a condition code (SDM volume 2, appendix B).
func (c *cpu) condition(cc uint8) bool {
	is := func(bit uint64) bool { return c.regs.outFlags&bit != 0 }
	less := is(x86.X86_EFLAGS_SF) != is(x86.X86_EFLAGS_OF)
	holds := [8]bool{
		is(x86.X86_EFLAGS_OF), is(x86.X86_EFLAGS_CF), is(x86.X86_EFLAGS_ZF), is(x86.X86_EFLAGS_CF | x86.X86_EFLAGS_ZF),
		is(x86.X86_EFLAGS_SF), is(x86.X86_EFLAGS_PF), less, less || is(x86.X86_EFLAGS_ZF),
	}[cc>>1]
	return holds != (cc&1 != 0)
}

// comparable reports whether an instruction computes with registers and
// constants alone, so that ring 3 may run it and its result is its own.
func comparable(in *inst) bool {
	switch {
	case in.op >= opADD && in.op <= opLEA, in.op == opXCHG, in.op >= opINC && in.op <= opSET:
	case in.op == opNOP, in.op == opLFENCE:
	default:
		return false
	}
	for _, o := range []operand{in.dst, in.src} {
		switch {
		case o.kind == inReg && o.reg == rSP:
			return false
		case o.kind == inMem && (in.op != opLEA || o.rip || o.base == rSP || o.index == rSP):
			return false
		}
	}
	return true
}

// rounds is how often each form is run, each time with other registers.
const rounds = 20

// TestCPU runs every form of every instruction that computes, symbolically and
// on the CPU, from the same registers, some of which the proof knows only as
// symbols: what it knows of the result must be so.
func TestCPU(t *testing.T) {
	c := newCPU(t)
	symbols := newSymbols()
	rng := rand.New(rand.NewPCG(5, 6))
	forms, values, conditions := 0, 0, 0
	for _, col := range readEncodings(t) {
		if col[0] != "64" || col[4] != "" { // the latter: it has a symbol to be filled in
			continue
		}
		code, err := hex.DecodeString(col[3])
		if err != nil {
			t.Fatal(err)
		}
		in, err := decode(code, 0)
		if err != nil || !comparable(&in) {
			continue
		}
		forms++
		for range rounds {
			v, n := compare(t, c, symbols, rng, code, &in)
			values, conditions = values+v, conditions+n
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d forms: %d results and %d conditions compared", forms, values, conditions)
	if forms < 500 {
		t.Error("too few forms were compared")
	}
}

// compare runs one instruction both ways.
func compare(t *testing.T, c *cpu, symbols *symbols, rng *rand.Rand, code []byte, in *inst) (values, conditions int) {
	m := &machine{subject: &subject{parts: []part{{"f", 0x1000, code, make([]*inst, len(code))}}, s: symbols}, quick: true}
	st := &state{pc: 0x1000, at: 0x1000, cells: make(stack, numCells)}
	input := assignment{}
	for r := range numRegs {
		n := rng.Uint64()
		if rng.IntN(2) == 0 {
			n = []uint64{0, 1, 0x7f, 0x80, 0xffffffff, 1 << 31, 1 << 63, 1<<64 - 1}[rng.IntN(8)]
		}
		c.regs.in[r] = n
		st.regs[r].v = known(n)
		if rng.IntN(3) > 0 {
			s := symbol(r.String(), false)
			input[s] = n
			st.regs[r].v = s.value()
		}
	}
	c.regs.inFlags = x86.X86_EFLAGS_FIXED | rng.Uint64()&arithmeticFlags
	c.run(code)

	ends := []*state{st}
	if !m.execute(st, in) {
		ends = m.todo
	}
	if len(ends) == 0 {
		t.Errorf("%v (%x) has no end", in, code)
		return 0, 0
	}
	// Where the proof goes both ways, the CPU went one of them.
	var wrong []string
	for _, st := range ends {
		bad := ""
		for r := range numRegs {
			got, ok := evaluate(st.regs[r].v, input)
			if r == rSP || !ok {
				continue
			}
			values++
			if got != c.regs.out[r] {
				bad = r.String() + " is " + constant(c.regs.out[r]) + ", but " + st.regs[r].v.String() + " = " + constant(got)
			}
		}
		for cc := range uint8(16) {
			if in.op == opCMOV || in.op == opSET {
				break // they change no flags
			}
			p, inverted := m.predicate(st, cc)
			got, ok := p.holds(input)
			if !ok {
				continue
			}
			conditions++
			if got != (c.condition(cc) != inverted) {
				bad = "condition " + ccNames[cc] + " is " + map[bool]string{true: "true", false: "false"}[c.condition(cc)]
			}
		}
		if bad == "" {
			return values, conditions
		}
		wrong = append(wrong, bad)
	}
	t.Errorf("%v (%x) from %v, flags %#x: %s", in, code, c.regs.in, c.regs.inFlags, strings.Join(wrong, "; "))
	return values, conditions
}
