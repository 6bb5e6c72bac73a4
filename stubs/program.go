package stubs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Program returns the variant's functions; each name ends in a dot and the
// suffix.
func (v Axes) Program(suffix string) (Program, error) {
	if err := v.Validate(); err != nil {
		return Program{}, fmt.Errorf("variant %s is impossible: %w", suffix, err)
	}
	p := Program{Funcs: []Func{v.switchTo(suffix), v.syscallInit(suffix)}}
	p.Funcs = append(p.Funcs, v.interruptEntries(suffix)...)
	if v.Bare {
		p.Funcs = append(p.Funcs, bareEntry(suffix))
		return p, nil
	}
	if v.Is(EntryFRED) {
		p.Funcs = append(p.Funcs, v.fredEntries(suffix)...)
	} else {
		p.Funcs = append(p.Funcs, v.entry(suffix))
	}
	p.Funcs = append(p.Funcs, v.slowFuncs(suffix)...)
	p.Funcs = append(p.Funcs, v.trapReturn(suffix)...)
	p.Funcs = append(p.Funcs, v.newThread(suffix)...)
	p.Funcs = append(p.Funcs, v.thunk(suffix)...)
	p.Funcs = append(p.Funcs, v.funcs(suffix)...)
	v.countCalls(&p)
	return p, nil
}

// bareEntry returns the floor's entry. RSP and GS stay the user's and interrupts stay off;
// RCX and R11 are as SYSCALL left them. So it is a complete answer to getppid, as init has
// no parent.
func bareEntry(suffix string) Func {
	return FUNC(FuncName(Entry, suffix), "entry_SYSCALL_64 answers 0 to every call.",
		XORL(RAX, RAX),
		SYSRETQ(),
	).In("entry")
}

// ProgramOf returns the functions of all variants of an image, and the data
// by which the kernel finds them: variants, an array of layout.VariantDesc in
// the order of the list, and variants_count, their number in 8 bytes. The
// errors of all variants are joined.
func ProgramOf(list []Variant) (Program, error) { return ProgramOfCopies(list, 1) }

// ProgramOfCopies returns what ProgramOf does, with several copies of all variants, which
// have the functions of the first with [CopyName] behind their names. The array has those
// of one copy after the other; variants_copies is how many there are. A variant with an
// Edit has no copies: it knows its functions by their names.
func ProgramOfCopies(list []Variant, copies int) (Program, error) {
	if len(list) == 0 {
		return Program{}, errors.New("an image needs at least one variant")
	}
	var all Program
	var errs []error
	var table []any
	keeps := Variant{} // the first whose switch carries a per-CPU word
	seen := map[string]bool{}
	for _, n := range list {
		if seen[n.Name] {
			errs = append(errs, fmt.Errorf("variant %s is listed twice", n.Name))
			continue
		}
		seen[n.Name] = true
		switch {
		case !n.Axes.usesScratch():
		case keeps.Name == "":
			keeps = n
		case keeps.Axes.scratchWord() != n.Axes.scratchWord():
			// A selection gives every thread the new switch, even a thread inside a
			// call of the old variant.
			errs = append(errs, fmt.Errorf("variants %s and %s cannot share an image: each keeps the user's RSP in another per-CPU word, and a thread is switched by only one of them", keeps.Name, n.Name))
		}
		p, err := n.program()
		errs = append(errs, err)
		all.Add(p)
		table = append(table, words(n.desc())...)
	}
	for i := 1; i < copies; i++ {
		for _, n := range list {
			m := n
			m.Name += CopyName(i)
			p, err := m.program()
			if n.Edit != nil {
				err = fmt.Errorf("variant %s has an Edit, and so no copies", n.Name)
			}
			errs = append(errs, err)
			all.Add(p)
			d := m.desc()
			d.Info.Name = n.desc().Info.Name
			table = append(table, words(d)...)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Program{}, err
	}
	all.Add(Program{Data: []Data{
		RODATA("variants", table...),
		RODATA("variants_count", uint64(len(list))),
		RODATA("variants_copies", uint64(copies)),
	}})
	all.Data = append(all.Data, entryData()...)
	return all, nil
}

func (n Variant) program() (Program, error) {
	p, err := n.Axes.Program(n.Name)
	if err != nil {
		return p, err
	}
	if n.Edit != nil {
		if err := n.Edit(&p); err != nil {
			return Program{}, fmt.Errorf("variant %s: %w", n.Name, err)
		}
	}
	n.Place.put(&p, n.FuncName(Entry))
	return p, nil
}

// Features returns the CPU features that the variant's axes and listings need.
func (n Variant) Features() layout.Features { return n.Axes.needs() | n.Needs }

// desc describes the variant to the kernel.
func (n Variant) desc() layout.VariantDesc[any] {
	stub := func(name string) any { return PTR(n.FuncName(name)) }
	d := layout.VariantDesc[any]{
		Entry:       stub(n.Axes.EntryName()),
		SyscallInit: stub(SyscallInit),
		SwitchTo:    stub(SwitchTo),
		UsesScratch: n.Axes.scratchWord(),
		OldRSP:      n.Axes.oldRSP(),
		TrapReturn:  uint64(0),
		NewThread:   uint64(0),
		ErrorEntry:  uint64(0), ParanoidEntry: uint64(0), ReturnThunk: uint64(0), ReturnThunkLast: uint64(0), CountsCalls: word(n.Axes.Is(ReturnsDepth)), DebugFirst: uint64(0), DebugLast: uint64(0),
		ForceIRET: n.Axes.forceIRET(),
		SpecCtrl:  n.Axes.specCtrl(),
		Info:      n.Axes.info(n.Name),
	}
	d.Info.Needs = uint64(n.Features())
	d.Info.Traced = word(!n.Axes.Bare && !n.Untraced)
	switch {
	case n.Axes.Is(TrapsSYSRET):
		d.TrapReturn = stub(TrapReturn)
	case n.Axes.Is(EntryFRED):
		d.TrapReturn = stub(FREDReturn)
	}
	if n.Axes.takesNewThreads() {
		d.NewThread = stub(NewThread)
	}
	if n.Axes.Is(IntGSCS) {
		d.ErrorEntry = stub(ErrorEntry)
	}
	if n.Axes.Is(ParanoidRDGSBASE) {
		d.ParanoidEntry, d.DebugFirst, d.DebugLast = stub(ParanoidEntry), stub(ParanoidEntry), stub(ParanoidLast)
	}
	if names := n.Axes.returnThunk(); names.thunk != "" {
		d.ReturnThunk = stub(names.thunk)
		if names.last != "" {
			d.ReturnThunkLast = stub(names.last)
		}
	}
	if n.Axes.Is(EntryFRED) {
		d.DebugFirst, d.DebugLast = stub(FREDKernelEntry), stub(fredKernelLast)
	}
	for i, c := range layout.FullFrameCalls {
		switch {
		case n.Axes.Bare: // it never calls anything
			d.Wrappers[i] = PTR("sys_ni_syscall")
		case n.Axes.Wraps(c):
			d.Wrappers[i] = stub(c.Stub())
		default: // the frame has what the handler needs
			d.Wrappers[i] = PTR(c.Handler())
		}
	}
	return d
}

// argSlots are the slots that every path fills with the user's values, except R11 with
// flags=moved. AX is among them: it holds -ENOSYS.
const argSlots layout.Slots = 1<<layout.SlotR11 | 1<<layout.SlotR10 | 1<<layout.SlotR9 | 1<<layout.SlotR8 | 1<<layout.SlotAX |
	1<<layout.SlotDX | 1<<layout.SlotSI | 1<<layout.SlotDI | 1<<layout.SlotOrigAX | 1<<layout.SlotIP

// info returns what the variant promises about its frames.
func (v Axes) info(name string) layout.VariantInfo[any] {
	info := layout.VariantInfo[any]{Bare: word(v.Bare)}
	padded(info.Name[:], name)
	padded(info.Axes[:], v.String())

	defined, room := v.Frame()
	full, fullCX := layout.SlotsAll, uint64(0)
	if v.Is(TopLazy) && v.Is(WorkCareful) {
		fullCX = ^uint64(0)
	}
	if v.Bare {
		full, fullCX = 0, 0
	}
	info.Defined, info.Room, info.Full, info.FullCX = uint64(defined), uint64(room), uint64(full), fullCX
	info.CR3 = v.pageTable()
	info.IRQ = word(!v.Bare && !v.Is(IRQOff))
	info.Star, info.LSTAR, info.SFMask, info.ClearFlags = v.Star(), PTR(FuncName(v.EntryName(), name)), v.SFMask(), v.clearInHandler()
	info.FRED = word(v.Is(EntryFRED))
	info.X32 = word(!v.Is(X32Off))
	info.OldReaders = v.OldReaders()
	info.Erases = word(v.erases())
	info.LooksAtFrame = v.looksAtFrame()
	return info
}

// looksAtFrame returns a layout.Looks*.
func (v Axes) looksAtFrame() uint64 {
	switch {
	case v.Bare:
		return 0
	case !v.Is(ExitSYSRET), v.Is(SlowDoreti):
		return layout.LooksAlways
	case v.Is(SlowC):
		return layout.LooksChanged
	}
	return 0
}

// IntNumber reports whether a call's number is an int, EAX alone, and not all of
// RAX: Linux has both.
func (v Axes) IntNumber() bool { return v.Is(SlowOnly) || v.Is(X32Mask) }

// Frame describes the frame of an ordinary call: the slots that hold the
// user's value when the handler runs, and those that there is room for.
func (v Axes) Frame() (defined, room layout.Slots) {
	if v.Bare {
		return 0, 0
	}
	defined, room = argSlots, layout.SlotsAll
	if v.Is(SPFrame) {
		defined |= layout.SlotSet(layout.SlotSP)
	}
	if !v.Is(FlagsR11) {
		defined |= layout.SlotSet(layout.SlotFlags)
	}
	if v.Is(FlagsMoved) {
		defined &^= layout.SlotSet(layout.SlotR11)
	}
	if v.Is(TopEager) {
		defined |= layout.SlotSet(layout.SlotCS, layout.SlotSS, layout.SlotCX)
	}
	switch {
	case v.Is(RegsPartial):
		room &^= layout.SlotsCalleeSaved
	case v.savesAll():
		defined |= layout.SlotsCalleeSaved
	}
	return defined, room
}

func word(b bool) any {
	if b {
		return uint64(1)
	}
	return uint64(0)
}

// padded stores s in words and fills the rest with zeros.
func padded(words []any, s string) {
	b := make([]byte, 8*len(words))
	copy(b, s)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
}

// words lists the words of a structure of package layout, in memory order.
func words(structure any) []any { return appendWords(nil, reflect.ValueOf(structure)) }

func appendWords(list []any, v reflect.Value) []any {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			list = appendWords(list, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			list = appendWords(list, v.Index(i))
		}
	default:
		list = append(list, v.Interface())
	}
	return list
}
