package trace

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// unknown are instructions that x86asm does not know or names otherwise (SDM volume 2).
var unknown = []struct {
	code []byte
	text string
}{
	{[]byte{0xf3, 0x0f, 0x1e, 0xfa}, "endbr64"},
	{[]byte{0x0f, 0x01, 0xca}, "clac"},
	{[]byte{0x0f, 0x01, 0xcb}, "stac"},
	{[]byte{0x0f, 0x01, 0xf8}, "swapgs"},
	{[]byte{0x48, 0x0f, 0x07}, "sysretq"},
	{[]byte{0x48, 0xcf}, "iretq"},
}

// length returns the length of the instruction that some bytes begin with: all of them if
// the instruction is unknown.
func length(code []byte) int {
	for _, u := range unknown {
		if bytes.HasPrefix(code, u.code) {
			return len(u.code)
		}
	}
	if in, err := x86asm.Decode(code, 64); err == nil && in.Len > 0 {
		return in.Len
	}
	return len(code)
}

// waits reports whether an instruction waits for an interrupt.
func waits(code []byte) bool {
	in, err := x86asm.Decode(code, 64)
	return err == nil && (in.Op == x86asm.HLT || in.Op == x86asm.MWAIT)
}

// dataOf returns the address of the operand of the instruction at an address that is relative
// to RIP and not to GS, if it has one.
func dataOf(at uint64, code []byte) (addr uint64, ok bool) {
	in, err := x86asm.Decode(code, 64)
	if err != nil || in.Op == x86asm.LEA || in.Op == x86asm.NOP {
		return 0, false
	}
	for _, a := range in.Args {
		if m, is := a.(x86asm.Mem); is && m.Base == x86asm.RIP && m.Segment != x86asm.GS {
			return at + uint64(in.Len) + uint64(int64(int32(m.Disp))), true
		}
	}
	return 0, false
}

// Text returns the instruction in the GNU assembler's syntax.
func (s Step) Text() string {
	for _, u := range unknown {
		if bytes.Equal(s.Code, u.code) {
			return u.text
		}
	}
	in, err := x86asm.Decode(s.Code, 64)
	if err != nil {
		return fmt.Sprintf("(unknown) % x", s.Code)
	}
	// A displacement of 32 bits is not extended by its sign, and a 0 that has no
	// register beside it is left out.
	const mark, text = 0x5a5a5a5a, "0x5a5a5a5a"
	for i, a := range in.Args {
		if m, ok := a.(x86asm.Mem); ok && (m.Disp != 0 || m.Base == 0 && m.Index == 0) {
			disp := int64(int32(m.Disp))
			m.Disp = mark
			in.Args[i] = m
			return strings.TrimSpace(strings.Replace(x86asm.GNUSyntax(in, s.Addr, nil), text, fmt.Sprintf("%#x", disp), 1))
		}
	}
	return strings.TrimSpace(x86asm.GNUSyntax(in, s.Addr, nil))
}

// Work is what instructions do, apart from being run.
type Work struct {
	Instructions int
	// Loads and Stores are instructions that read or write memory; one may do both.
	// GS are those of them whose address is relative to GS.
	Loads, Stores, GS int
	// Indirect are jumps and calls whose target is in a register or in memory;
	// returns are not among them.
	Indirect int
	// Bytes counts the bytes of different instructions, Lines the different lines of
	// 64 bytes that contain them.
	Bytes, Lines int
}

// counter adds up the work of steps.
type counter struct {
	Work
	seen, lines map[uint64]bool
}

func (c *counter) add(s Step) {
	if c.seen == nil {
		c.seen, c.lines = map[uint64]bool{}, map[uint64]bool{}
	}
	c.Work.add(s)
	if c.seen[s.Addr] {
		return
	}
	c.seen[s.Addr] = true
	c.Bytes += len(s.Code)
	for b := range uint64(len(s.Code)) {
		c.lines[(s.Addr+b)/64] = true
	}
	c.Lines = len(c.lines)
}

// add adds one instruction that was run.
func (w *Work) add(s Step) {
	w.Instructions++
	in, err := x86asm.Decode(s.Code, 64)
	if err != nil {
		return
	}
	load, store, gs := memory(in)
	if load {
		w.Loads++
	}
	if store {
		w.Stores++
	}
	if gs {
		w.GS++
	}
	if in.Op == x86asm.JMP || in.Op == x86asm.CALL {
		if _, direct := in.Args[0].(x86asm.Rel); !direct {
			w.Indirect++
		}
	}
}

// memory says how an instruction uses memory. Strings of a REP count as one load or
// store.
func memory(in x86asm.Inst) (load, store, gs bool) {
	switch in.Op {
	case x86asm.LEA, x86asm.NOP, x86asm.PREFETCHNTA, x86asm.PREFETCHT0, x86asm.PREFETCHT1, x86asm.PREFETCHT2, x86asm.PREFETCHW:
		return false, false, false
	case x86asm.PUSH, x86asm.CALL, x86asm.PUSHF, x86asm.PUSHFQ:
		store = true
	case x86asm.POP, x86asm.RET, x86asm.POPF, x86asm.POPFQ, x86asm.IRET, x86asm.IRETQ, x86asm.LEAVE:
		load = true
	}
	for i, a := range in.Args {
		m, ok := a.(x86asm.Mem)
		if !ok {
			continue
		}
		gs = gs || m.Segment == x86asm.GS
		switch {
		case i > 0 || reads(in.Op):
			load = true
		case writes(in.Op):
			store = true
		default: // read, changed and written
			load, store = true, true
		}
	}
	return load, store, gs
}

// reads reports whether an instruction only reads its first operand.
func reads(op x86asm.Op) bool {
	switch op {
	case x86asm.CMP, x86asm.TEST, x86asm.PUSH, x86asm.CALL, x86asm.JMP, x86asm.BT, x86asm.MUL, x86asm.IMUL, x86asm.DIV, x86asm.IDIV,
		x86asm.VERR, x86asm.VERW, x86asm.LGDT, x86asm.LIDT, x86asm.INVLPG, x86asm.FXRSTOR, x86asm.FXRSTOR64, x86asm.XRSTOR, x86asm.XRSTOR64,
		x86asm.LDMXCSR, x86asm.FLDCW:
		return true
	}
	return false
}

// writes reports whether an instruction only writes its first operand.
func writes(op x86asm.Op) bool {
	switch op {
	case x86asm.MOV, x86asm.POP, x86asm.MOVAPS, x86asm.MOVUPS, x86asm.MOVDQA, x86asm.MOVDQU, x86asm.MOVQ, x86asm.MOVD, x86asm.MOVNTI,
		x86asm.FXSAVE, x86asm.FXSAVE64, x86asm.XSAVE, x86asm.XSAVE64, x86asm.XSAVEOPT, x86asm.XSAVEOPT64, x86asm.STMXCSR, x86asm.FNSTCW, x86asm.SGDT, x86asm.SIDT,
		x86asm.SETE, x86asm.SETNE, x86asm.SETB, x86asm.SETAE, x86asm.SETA, x86asm.SETBE, x86asm.SETL, x86asm.SETGE, x86asm.SETG, x86asm.SETLE,
		x86asm.SETS, x86asm.SETNS, x86asm.SETO, x86asm.SETNO, x86asm.SETP, x86asm.SETNP, x86asm.STOSB, x86asm.STOSD, x86asm.STOSQ, x86asm.STOSW:
		return true
	}
	return false
}

// FuncWork is what one function does in a path.
type FuncWork struct {
	Func string
	Work
}

// ByFunc returns the work of each function, in the order in which they are first met, and
// the work of all.
func (p Path) ByFunc() (list []FuncWork, all Work) {
	var sum counter
	for _, s := range p.Steps {
		sum.add(s)
	}
	return p.by(func(s Step) (string, bool) { return s.Func, true }), sum.Work
}

// ByInlined returns the work of each inlined function, in the order in which they are first
// met, named as Step.Within does; that of functions inlined in it is not a part of it.
func (p Path) ByInlined() []FuncWork {
	return p.by(func(s Step) (string, bool) { return s.Within(), len(s.Inlined) > 0 })
}

// by returns the work of each group of steps, by a function that names a step's group or
// leaves the step out.
func (p Path) by(group func(Step) (string, bool)) (list []FuncWork) {
	at := map[string]int{}
	var each []counter
	for _, s := range p.Steps {
		name, ok := group(s)
		if !ok {
			continue
		}
		i, ok := at[name]
		if !ok {
			i = len(list)
			at[name] = i
			list, each = append(list, FuncWork{Func: name}), append(each, counter{})
		}
		each[i].add(s)
	}
	for i := range list {
		list[i].Work = each[i].Work
	}
	return list
}
