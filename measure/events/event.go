package events

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/gdb"
	"golang.org/x/arch/x86/x86asm"
)

// place is an instruction of a path.
type place struct {
	state
	rsp       uint64
	sti, iret bool // it is STI, or IRETQ
	// access, if not nil, is an address that it reads or writes.
	access func(gdb.Registers) uint64
	// watched is set if #DB's own handler touches the word at that address: a
	// breakpoint on it would come again and again.
	watched bool
	// debug is set if #DB's handler runs the instruction, if it is a string
	// instruction, as QEMU ends RF with its first turn, or if it comes again at once, as a
	// RET does that another one returns to.
	debug bool
	// shadow is set after an STI that turned interrupts on: no interrupt comes yet.
	shadow bool
}

// maxInst is the most bytes that an instruction has.
const maxInst = 15

// place returns the instruction at which the machine stands.
func (s *sweep) place(r gdb.Registers) place {
	p := place{rsp: r.RSP, state: state{
		rip: r.RIP, userGS: r.GSBase != s.percpu, userCR3: r.CR3&layout.PTIUserPGTable != 0,
		ie: r.Flags&x86.X86_EFLAGS_IF != 0, interruptStack: s.onInterruptStack(r.RSP),
	}}
	p.debug = slices.ContainsFunc(s.debugCode, func(f [2]uint64) bool { return f[0] <= r.RIP && r.RIP < f[1] })
	off := r.RIP - s.textAddr
	if off >= uint64(len(s.text)) {
		return p // of ring 3
	}
	inst, err := x86asm.Decode(s.text[off:min(off+maxInst, uint64(len(s.text)))], 64)
	if err != nil {
		return p // the decoder does not know it: none of those has an operand in memory
	}
	if slices.Contains([]x86asm.Op{x86asm.MOVSB, x86asm.MOVSQ, x86asm.STOSB, x86asm.STOSQ}, inst.Op) {
		p.debug = true
	}
	p.sti, p.iret = inst.Op == x86asm.STI, inst.Op == x86asm.IRETQ
	if p.access = access(inst); p.access != nil {
		p.watched = slices.Contains(s.debugs, p.access(r)&^7)
	}
	return p
}

// access returns the function that computes an address which the instruction reads or
// writes, or nil if it does neither.
func access(inst x86asm.Inst) func(gdb.Registers) uint64 {
	top := func(off uint64) func(gdb.Registers) uint64 {
		return func(r gdb.Registers) uint64 { return r.RSP + off }
	}
	switch inst.Op {
	case x86asm.LEA, x86asm.NOP, x86asm.PREFETCHT0, x86asm.PREFETCHW, x86asm.CLFLUSH, x86asm.INVLPG,
		x86asm.MOVSB, x86asm.MOVSQ, x86asm.STOSB, x86asm.STOSQ, // a REP can stop between two rounds
		x86asm.IRETQ: // ring 3 has its frame's line no more when the trap comes
		return nil
	case x86asm.POP, x86asm.POPFQ, x86asm.RET:
		return top(0)
	case x86asm.PUSH, x86asm.PUSHFQ, x86asm.CALL:
		return top(^uint64(7)) // -8
	}
	for _, a := range inst.Args {
		m, ok := a.(x86asm.Mem)
		if !ok {
			continue
		}
		return func(r gdb.Registers) uint64 {
			at := register(r, m.Base) + uint64(m.Scale)*register(r, m.Index) + uint64(int64(int32(m.Disp)))
			if m.Base == x86asm.RIP {
				at += r.RIP + uint64(inst.Len)
			}
			if m.Segment == x86asm.GS {
				at += r.GSBase
			}
			return at
		}
	}
	return nil
}

// register returns a general register by its name in the decoder; others are 0.
func register(r gdb.Registers, name x86asm.Reg) uint64 {
	switch name {
	case x86asm.RAX:
		return r.RAX
	case x86asm.RBX:
		return r.RBX
	case x86asm.RCX:
		return r.RCX
	case x86asm.RDX:
		return r.RDX
	case x86asm.RSI:
		return r.RSI
	case x86asm.RDI:
		return r.RDI
	case x86asm.RBP:
		return r.RBP
	case x86asm.RSP:
		return r.RSP
	case x86asm.R8:
		return r.R8
	case x86asm.R9:
		return r.R9
	case x86asm.R10:
		return r.R10
	case x86asm.R11:
		return r.R11
	case x86asm.R12:
		return r.R12
	case x86asm.R13:
		return r.R13
	case x86asm.R14:
		return r.R14
	case x86asm.R15:
		return r.R15
	}
	return 0
}

// debugRegister sets DR0 and DR7 by the kernel's own instructions: the stub reaches
// neither. The machine is left as r has it.
func (s *sweep) debugRegister(r gdb.Registers, addr, dr7 uint64) error {
	set := r
	set.RIP, set.RDI, set.RSI = s.breakpoint, addr, dr7
	set.Flags &^= x86.X86_EFLAGS_IF
	user := r.CR3&layout.PTIUserPGTable != 0
	if user { // which does not map them
		if err := s.stub.SetCR3(r.CR3 &^ layout.PTIUserPGTable); err != nil {
			return err
		}
	}
	if err := s.stub.SetRegisters(set); err != nil {
		return err
	}
	if _, err := s.runTo(s.breakpointEnd); err != nil {
		return err
	}
	if user {
		if err := s.stub.SetCR3(r.CR3); err != nil {
			return err
		}
	}
	return s.stub.SetRegisters(r)
}

// event is one event at one place.
type event struct {
	*sweep
	kind *Kind
	at   *place // where it is made
	to   *place // where it arrives
	back *place // where the machine stops after the handler
	own  int    // how often the path itself enters a handler meanwhile
	name string // for people
}

// deliver makes the event arrive and the machine return from it. r holds the registers
// where the machine stands. It ends where the event arrived or, if the machine is lost,
// with an error.
func (e *event) deliver(r gdb.Registers) error {
	before, err := e.memory(r)
	if err != nil {
		return err
	}
	// Not where the event arrives: QEMU has one breakpoint at an address.
	handlers := slices.DeleteFunc([]uint64{e.trapKernel, e.trapUser}, func(at uint64) bool { return at == e.to.rip })
	if err := e.stub.Break(handlers...); err != nil {
		return err
	}
	if err := e.kind.inject(e.sweep, e.at, r); err != nil {
		return err
	}
	for range e.own {
		if err := e.stub.Continue(); err != nil {
			e.ended(err, "before it arrived")
			return err
		}
		if err := e.stub.Step(); err != nil {
			return err
		}
	}
	frame, err := e.handler()
	if err != nil {
		return err
	}
	if e.kind.maskable { // it must not switch threads, and no tick that a stop makes due may follow
		if err := errors.Join(e.mayResched(false), e.stub.SetCR8(maskAll)); err != nil {
			return err
		}
	}
	if e.kind.asks {
		if err := e.askForWork(); err != nil {
			return err
		}
	}
	if e.kind.again != nil {
		if err := errors.Join(e.kind.again(e.sweep), e.stub.Step()); err != nil {
			return err
		}
		if frame, err = e.handler(); err != nil {
			return err
		}
	}
	after, err := e.comeBack(frame.SP)
	if err != nil {
		return err
	}
	if err := e.stub.Unbreak(handlers...); err != nil {
		return err
	}
	if e.kind.calm != nil && (e.kind.maskable || after.RIP >= layout.KernelBase) {
		if err := e.kind.calm(e.sweep, after); err != nil {
			return err
		}
	}
	if e.at == e.to {
		e.same("in the frame", frame, "before it", r)
	}
	if e.back == e.to {
		e.same("in the frame", frame, "behind it", after)
	}
	if e.at != e.back {
		return nil
	}
	if what := differences(r, after); what != "" {
		e.lost("%s: behind it %s", e.name, what)
	}
	now, err := e.memory(after)
	if err != nil {
		return err
	}
	for i, m := range before {
		if !bytes.Equal(m.bytes, now[i].bytes) {
			e.lost("%s: it left something in %s: % x, was % x", e.name, m.name, now[i].bytes, m.bytes)
		}
	}
	return nil
}

// askForWork makes the handler's thread give up the CPU on its way to ring 3.
func (s *sweep) askForWork() error {
	b, err := s.stub.Memory(s.current, 8)
	if err != nil {
		return err
	}
	s.asked = binary.LittleEndian.Uint64(b) + uint64(unsafe.Offsetof(layout.Thread[uint64]{}.Flags))
	flags, err := s.stub.Memory(s.asked, 8)
	if err != nil {
		return err
	}
	return s.stub.Write(s.asked, binary.LittleEndian.Uint64(flags)|layout.TIFNeedResched)
}

// workDone reports whether all the work that askForWork asked for is done. r holds the
// registers where the machine stands.
func (s *sweep) workDone(r gdb.Registers) (bool, error) {
	if err := s.stub.SetCR3(r.CR3 &^ layout.PTIUserPGTable); err != nil {
		return false, err
	}
	b, err := s.stub.Memory(s.asked, 8)
	if err != nil {
		return false, err
	}
	return binary.LittleEndian.Uint64(b)&layout.TIFNeedResched == 0, s.stub.SetCR3(r.CR3)
}

// comeBack lets the machine return from the handler, and returns its registers
// where it stops. sp is RSP where the event arrived.
func (e *event) comeBack(sp uint64) (gdb.Registers, error) {
	if err := e.stub.Step(); err != nil { // over the breakpoint
		return gdb.Registers{}, err
	}
	if err := e.stub.Break(e.back.rip); err != nil {
		return gdb.Registers{}, err
	}
	defer func() { _ = e.stub.Unbreak(e.back.rip) }() // the next packet tells of a stub that is gone
	for {
		if err := e.stub.Continue(); err != nil {
			e.ended(err, "from the handler")
			return gdb.Registers{}, err
		}
		r, err := e.stub.Registers()
		if err != nil {
			return r, err
		}
		deeper := e.back == e.to && r.RSP < sp && e.stackTop(r.RSP) == e.stackTop(sp)
		switch {
		case r.RIP == e.back.rip && !deeper && !(e.onInterruptStack(r.RSP) && e.stackTop(r.RSP) != e.stackTop(e.back.rsp)):
			return r, nil
		case r.RIP == e.back.rip, // the handler's own
			e.tick(r):
			if err := e.stub.Step(); err != nil {
				return r, err
			}
		case r.RIP == e.trapKernel || r.RIP == e.trapUser:
			e.lost("%s: vector %d arrives again", e.name, uint32(r.RSI))
			return r, errLost
		default:
			e.lost("%s: the handler went back to %s, want %s", e.name, e.symbols.name(r.RIP), e.symbols.name(e.back.rip))
			return r, errLost
		}
	}
}

// ended notes that the machine has ended. A machine that does not stop gives no verdict.
func (e *event) ended(err error, where string) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.lost("%s: the machine ended %s", e.name, where)
	}
}

// tick reports whether the machine stands at a handler's beginning for its own
// timer, which was pending before it was masked.
func (e *event) tick(r gdb.Registers) bool {
	vector := uint32(r.RSI)
	return (r.RIP == e.trapKernel || r.RIP == e.trapUser) &&
		(vector == x86.LOCAL_TIMER_VECTOR || vector == x86.SPURIOUS_APIC_VECTOR)
}

// handler lets the machine run into the event's handler and checks the state that it
// finds there. It returns the frame.
func (e *event) handler() (layout.PtRegs[uint64], error) {
	var frame layout.PtRegs[uint64]
	var h gdb.Registers
	for {
		err := e.stub.Continue()
		if err != nil {
			e.ended(err, "on the way to the handler")
			return frame, err
		}
		if h, err = e.stub.Registers(); err != nil {
			return frame, err
		}
		if e.kind.maskable || !e.tick(h) {
			break
		}
		if err := e.stub.Step(); err != nil { // over the breakpoint
			return frame, err
		}
	}
	want := e.trapKernel
	if e.to.rip < layout.KernelBase {
		want = e.trapUser
	}
	if h.RIP != want {
		e.lost("%s: it did not arrive: the machine continued to %s, vector %d", e.name, e.symbols.name(h.RIP), uint32(h.RSI))
		return frame, errLost
	}
	if vector := uint32(h.RSI); vector != e.kind.vector {
		e.lost("%s: vector %d arrived", e.name, vector)
		return frame, errLost
	}
	b, err := e.stub.Memory(h.RDI, binary.Size(frame))
	if err != nil {
		return frame, err
	}
	if _, err := binary.Decode(b, binary.LittleEndian, &frame); err != nil {
		return frame, err
	}
	if frame.IP != e.to.rip {
		e.lost("%s: it arrived at %s, want %s", e.name, e.symbols.name(frame.IP), e.symbols.name(e.to.rip))
	}
	if h.GSBase != e.percpu {
		e.lost("%s: GS is based on %#x in the handler, want the per-CPU area at %#x", e.name, h.GSBase, e.percpu)
	}
	if h.CR3&layout.PTIUserPGTable != 0 {
		e.lost("%s: the handler runs on the user's page table, CR3 %#x", e.name, h.CR3)
	}
	if bad := h.Flags & (x86.X86_EFLAGS_DF | x86.X86_EFLAGS_AC | x86.X86_EFLAGS_TF | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_NT); bad != 0 {
		e.lost("%s: flags %#x are set in the handler", e.name, bad)
	}
	ist := e.onInterruptStack(h.RSP)
	if want := !e.kind.maskable && e.to.rip >= layout.KernelBase; ist != want {
		e.lost("%s: the handler's stack is at %#x: an interrupt stack is %v, want %v", e.name, h.RSP, ist, want)
	}
	return frame, nil
}

// same compares the frame that the handler saw with registers.
func (e *event) same(there string, f layout.PtRegs[uint64], where string, r gdb.Registers) {
	for _, one := range []struct {
		name         string
		frame, value uint64
	}{
		{"RAX", f.AX, r.RAX},
		{"RBX", f.BX, r.RBX},
		{"RCX", f.CX, r.RCX},
		{"RDX", f.DX, r.RDX},
		{"RSI", f.SI, r.RSI},
		{"RDI", f.DI, r.RDI},
		{"RBP", f.BP, r.RBP},
		{"RSP", f.SP, r.RSP},
		{"R8", f.R8, r.R8},
		{"R9", f.R9, r.R9},
		{"R10", f.R10, r.R10},
		{"R11", f.R11, r.R11},
		{"R12", f.R12, r.R12},
		{"R13", f.R13, r.R13},
		{"R14", f.R14, r.R14},
		{"R15", f.R15, r.R15},
		{"RFLAGS", f.Flags &^ x86.X86_EFLAGS_RF, uint64(r.Flags) &^ x86.X86_EFLAGS_RF},
		{"CS", f.CS, uint64(r.CS)},
	} {
		if one.frame != one.value {
			e.lost("%s: %s is %#x %s, and %#x %s", e.name, one.name, one.frame, there, one.value, where)
		}
	}
}

// differences says which registers differ, except RF and SS: QEMU empties SS on
// an interrupt stack.
func differences(a, b gdb.Registers) string {
	a.Flags &^= x86.X86_EFLAGS_RF
	b.Flags &^= x86.X86_EFLAGS_RF
	a.SS, a.CR8 = b.SS, b.CR8
	var said []string
	for i, was := range reflect.ValueOf(a).Fields() {
		if is := reflect.ValueOf(b).FieldByIndex(i.Index); !is.Equal(was) {
			said = append(said, fmt.Sprintf("%s is %#x, was %#x", i.Name, is, was))
		}
	}
	return strings.Join(said, ", ")
}

// memory is what an event must leave alone.
type memory struct {
	name  string
	bytes []byte
}

// redZone is the area below a user's RSP (System V ABI, 3.2.2).
const redZone = 128

// memory reads what an event at this place must leave alone. On the user's page
// table not all of it is mapped, and nothing is read.
func (e *event) memory(r gdb.Registers) ([]memory, error) {
	if r.CR3&layout.PTIUserPGTable != 0 {
		return nil, nil
	}
	var area layout.PerCPU[uint64]
	b, err := e.stub.Memory(e.percpu, binary.Size(area))
	if err != nil {
		return nil, err
	}
	if _, err := binary.Decode(b, binary.LittleEndian, &area); err != nil {
		return nil, err
	}
	words := []uint64{
		area.RSPScratch, area.TopOfStack, area.Current, area.Variant, area.SwitchTo, area.Self, area.TSS.SP0, area.TSS.SP1, area.TSS.SP2,
		area.UserBits, area.NoFlush, area.SpecCtrl,
	}
	kept, err := binary.Append(nil, binary.LittleEndian, words)
	if err != nil {
		return nil, err
	}
	all := []memory{{"the per-CPU area", kept}}
	from, n, name := r.RSP-redZone, uint64(redZone), "the red zone"
	if r.RSP >= layout.PhysMap {
		from, n, name = r.RSP, e.stackTop(r.RSP)-r.RSP, "the stack"
	}
	if n == 0 || n > layout.PageSize {
		return all, nil // RSP is a scratch register just now
	}
	b, err = e.stub.Memory(from, int(n))
	switch {
	case errors.Is(err, gdb.ErrUnmapped): // RSP is a scratch register just now
	case err != nil:
		return nil, err
	default:
		all = append(all, memory{name, b})
	}
	return all, nil
}
