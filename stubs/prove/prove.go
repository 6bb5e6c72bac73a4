package prove

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Proof is what the proof found out about a variant.
type Proof struct {
	Variant string
	// Base names the preset, or the axes, whose promises the variant is held to. It
	// differs from the variant's name if that comes from a file.
	Base string
	// Claims are in the order in which the proof met them.
	Claims []Claim
	// Paths is the number of paths through the variant that were followed to their
	// end, Instructions the number of different instructions on them.
	Paths, Instructions int
	// Unreached are the instructions of the variant that no path reaches.
	Unreached []Where
	known     func() []Known
}

// Known returns what the proof knows of each instruction that was met, ordered by address.
// Few callers ask for it, so the first call goes through the variant again to find it out.
func (p *Proof) Known() []Known {
	if p.known == nil { // there is no proof
		return nil
	}
	return p.known()
}

// At returns what the proof knows of the instruction at an address.
func (p *Proof) At(addr uint64) (Known, bool) {
	list := p.Known()
	i, ok := slices.BinarySearchFunc(list, addr, func(k Known, addr uint64) int { return cmp.Compare(k.Addr, addr) })
	if !ok {
		return Known{}, false
	}
	return list[i], true
}

// Outcome returns the worst outcome of all claims.
func (p *Proof) Outcome() Outcome {
	worst := Proved
	for _, c := range p.Claims {
		switch {
		case c.Outcome == Refuted:
			return Refuted
		case c.Outcome == Undecided:
			worst = Undecided
		}
	}
	return worst
}

// Failed returns the claims that are not proved, the refuted ones first, and of these those
// with the fewest decisions on the way: they are the nearest to the cause.
func (p *Proof) Failed() []Claim {
	failed := slices.DeleteFunc(slices.Clone(p.Claims), func(c Claim) bool { return c.Outcome == Proved })
	slices.SortStableFunc(failed, func(a, b Claim) int {
		return cmp.Or(cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(len(a.Path), len(b.Path)))
	})
	return failed
}

// Faults returns the claims that are refuted or, if none is, those that are undecided: what
// the proof cannot follow behind a fault is no other. Of claims that fail for the same reason
// it returns the nearest to the cause.
func (p *Proof) Faults() []Fault {
	var list []Fault
	at := map[fault]int{}
	outcome := p.Outcome()
	for _, c := range p.Failed() {
		if c.Outcome != outcome {
			continue
		}
		i, ok := at[c.fault]
		if !ok {
			i = slices.IndexFunc(list, func(f Fault) bool { return f.exchanges(c) })
			ok = i >= 0
		}
		if ok {
			at[c.fault] = i
			list[i].More++
			continue
		}
		at[c.fault] = len(list)
		list = append(list, Fault{Claim: c})
	}
	return list
}

// exchanges reports whether a claim fails by the same wrong word, which was passed on, or at
// the same place by a word that is another's: one of the two has what the other should have.
func (f Fault) exchanges(c Claim) bool {
	if f.Got == c.Got && f.Want == c.Want && len(f.From) > 0 && slices.Contains(c.From, f.From[0]) {
		return true // it has been passed on
	}
	same := f.Where.Func == c.Where.Func && f.Where.Off == c.Where.Off
	return same && c.Want != "" && f.Outcome == c.Outcome && f.compares() && c.compares() && (f.Got == c.Want || f.Want == c.Got)
}

// Err returns the claims that are not proved as an error, nil if there is none.
func (p *Proof) Err() error {
	var errs []error
	for _, c := range p.Failed() {
		errs = append(errs, fmt.Errorf("variant %s: %v", p.Variant, c))
	}
	return errors.Join(errs...)
}

// String sums up the proof in one line.
func (p *Proof) String() string {
	count := [3]int{}
	for _, c := range p.Claims {
		count[c.Outcome]++
	}
	s := p.Variant
	if p.Base != p.Variant {
		s += " (on " + p.Base + ")"
	}
	s += fmt.Sprintf(": %v: %d claims proved", p.Outcome(), count[Proved])
	for _, o := range []Outcome{Refuted, Undecided} {
		if count[o] > 0 {
			s += fmt.Sprintf(", %d %v", count[o], o)
		}
	}
	return s + fmt.Sprintf("; %d paths, %d instructions", p.Paths, p.Instructions)
}

// Prove links a variant with stand-ins for the kernel's functions and proves it.
func Prove(n stubs.Variant) (*Proof, error) {
	obj, err := link(n)
	if err != nil {
		return nil, err
	}
	return Object(obj, n)
}

// link links a variant with stand-ins for the kernel's functions.
func link(n stubs.Variant) (*asm.Object, error) { return linkAt(n, layout.KernelBase+1<<20) }

func linkAt(n stubs.Variant, addr uint64) (*asm.Object, error) {
	p, err := stubs.ProgramOf([]stubs.Variant{n})
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(contracts)) {
		f := asm.FUNC(name, "", asm.UD2())
		f.ReturnSites = name != paranoidBody.name // which returns by RET whatever the variant, as in the kernel
		p.Funcs = append(p.Funcs, f)
	}
	p.Data = append(p.Data, asm.BSS("sys_call_table", 8*(layout.SysCallMax+1), 64), asm.BSS("x64_call_table", 8*(layout.SysCallMax+1), 64), asm.BSS("percpu", int(percpuSize), 64))
	obj, err := asm.Link(p, addr, addr&^(1<<31-1))
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", n.Name, err)
	}
	return obj, nil
}

// Object proves a variant in a linked program, such as a whole kernel: its bytes as
// they are there, against the promises of its descriptor.
func Object(obj *asm.Object, n stubs.Variant) (*Proof, error) {
	s, err := newSubject(obj, n)
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", n.Name, err)
	}
	return s.report(s.prove(false), obj), nil
}

// newSubject finds a variant in a linked program.
func newSubject(obj *asm.Object, n stubs.Variant) (*subject, error) {
	s := &subject{
		name: n.Name, base: n.Name, axes: n.Axes, promises: n.Axes.Promises(), needs: n.Features(), untraced: n.Untraced,
		countsPreempt: n.Axes.Is(stubs.KStackCalled), draws: n.Axes.Is(stubs.KStackPRNG) || n.Axes.Is(stubs.KStackCalled),
		kernel: map[uint64]*function{}, names: map[uint64]string{}, s: newSymbols(),
	}
	if n.Edit != nil {
		s.base = n.Axes.Name()
	}
	if s.above() == 0 {
		s.s.top.low = layout.ThreadSize - 1
	}
	for _, sec := range obj.Sections {
		switch {
		case sec.Exec:
			s.text = append(s.text, sec)
		case !sec.Write:
			s.constants = append(s.constants, sec)
		}
	}
	for _, sym := range obj.Symbols {
		if f := contracts[sym.Name]; f != nil {
			s.kernel[sym.Addr] = f
		}
		if !sym.Func {
			if _, variant, ok := stubs.CutFuncName(sym.Name); ok && variant == n.Name && n.Edit != nil {
				s.labels = append(s.labels, sym)
				s.names[sym.Addr] = sym.Name
			}
			continue
		}
		s.names[sym.Addr] = sym.Name
		if of, ok := strings.CutPrefix(sym.Name, asm.PrefixName); ok && contracts[of] != nil && s.promises.Has(stubs.PromiseCallDepth) {
			s.prefixes = append(s.prefixes, part{sym.Name, sym.Addr, bytesAt(obj, sym.Addr, sym.Size), make([]*inst, sym.Size)})
		}
		if _, variant, ok := stubs.CutFuncName(sym.Name); ok && variant == n.Name {
			code := bytesAt(obj, sym.Addr, sym.Size)
			if code == nil {
				return nil, fmt.Errorf("%s has no bytes", sym.Name)
			}
			s.parts = append(s.parts, part{sym.Name, sym.Addr, code, make([]*inst, len(code))})
		}
	}
	s.rets = returnsFrom(s, obj, s.axes.ReturnsAt())
	if list := returnsFrom(s, obj, s.axes.UntrainsAt()); len(list) > 0 {
		s.forgets = list[0]
	}
	var ok bool
	if s.table, ok = obj.Addr("sys_call_table"); !ok {
		return nil, errors.New("the program has no sys_call_table")
	}
	s.frameTable, _ = obj.Addr("x64_call_table")
	s.percpuArea, _ = obj.Addr("percpu")
	s.entryData, _ = obj.Addr("mds_verw_sel")
	return s, s.readDescriptor(obj)
}

// bytesAt returns a part of the program's memory, nil if it is not in the file.
func bytesAt(obj *asm.Object, addr, size uint64) []byte {
	for _, sec := range obj.Sections {
		if n := uint64(len(sec.Bytes)); addr >= sec.Addr && addr-sec.Addr <= n && size <= n-(addr-sec.Addr) {
			return sec.Bytes[addr-sec.Addr:][:size]
		}
	}
	return nil
}

// readDescriptor reads the variant's layout.VariantDesc, as the kernel does.
func (s *subject) readDescriptor(obj *asm.Object) error {
	name := stubs.FuncName(s.axes.EntryName(), s.name)
	entry, ok := obj.Addr(name)
	if !ok {
		return fmt.Errorf("the program has no %s", name)
	}
	if s.fred() {
		name := stubs.FuncName(stubs.FREDKernelEntry, s.name)
		if s.kernelEntry, ok = obj.Addr(name); !ok {
			return fmt.Errorf("the program has no %s", name)
		}
	}
	at, ok := obj.Addr("variants")
	count, ok2 := obj.Addr("variants_count")
	if !ok || !ok2 {
		return errors.New("the program has no table of variants")
	}
	desc := asm.Slots[layout.VariantDesc[asm.Slot]]()
	size := uint64(asm.SizeOf[layout.VariantDesc[asm.Mem]]())
	word := func(b []byte, slot asm.Slot) uint64 { return binary.LittleEndian.Uint64(b[slot.Off:]) }
	number := bytesAt(obj, count, 8)
	if number == nil {
		return errors.New("the number of variants has no bytes")
	}
	for i := range binary.LittleEndian.Uint64(number) {
		b := bytesAt(obj, at+i*size, size)
		if b == nil {
			return errors.New("the table of variants has no bytes")
		}
		if word(b, desc.Entry) != entry {
			continue
		}
		s.entry, s.setUp, s.switchTo = entry, word(b, desc.SyscallInit), word(b, desc.SwitchTo)
		s.trapReturn, s.newThread = word(b, desc.TrapReturn), word(b, desc.NewThread)
		s.errorEntry, s.paranoidEntry = word(b, desc.ErrorEntry), word(b, desc.ParanoidEntry)
		s.promise = promise{
			defined: layout.Slots(word(b, desc.Info.Defined)), room: layout.Slots(word(b, desc.Info.Room)), fullCX: word(b, desc.Info.FullCX),
			bare: word(b, desc.Info.Bare) != 0, irq: word(b, desc.Info.IRQ) != 0, usesScratch: word(b, desc.UsesScratch),
		}
		if s.promise.bare { // it goes through no table
			return nil
		}
		for i, c := range layout.FullFrameCalls {
			s.wrappers = append(s.wrappers, wrapper{word(b, desc.Wrappers[i]), contracts[c.Handler()], s.axes.Wraps(c)})
		}
		return nil
	}
	return errors.New("it is not in the table of variants")
}

// maxFrom is how many instructions a report follows a value back.
const maxFrom = 6

// report turns what the machine found into a proof.
func (s *subject) report(m *machine, obj *asm.Object) *Proof {
	p := &Proof{Variant: s.name, Base: s.base, Paths: m.paths, Instructions: len(m.met)}
	p.Claims = make([]Claim, 0, len(m.order))
	places := s.places(obj)
	for _, key := range m.order {
		of := ""
		if key.of != nil {
			of = key.of.name
		}
		c := Claim{What: key.kind.text(key.n, of), Where: places.at(key.at)}
		if v := m.claims[key]; v != nil {
			c.Outcome, c.Got, c.Want = v.outcome, v.got, v.want
			for e := v.path; e != nil; e = e.before {
				c.Path = append(c.Path, fmt.Sprintf("%v: %s", places.at(e.at), e.text))
			}
			slices.Reverse(c.Path)
			c.Witness = v.witness.witness(s.s, places, v.interruptAt(key))
			from := s.ownCause(v.from, places)
			for o := from; o != nil && o.at != 0 && len(c.From) < maxFrom; o = o.before {
				c.From = append(c.From, places.at(o.at))
			}
			c.fault = fault{kind: key.kind, n: key.n}
			switch key.kind {
			case claimIP, claimRFLAGS, claimCS, claimSS, claimCanonical, claimOwnExit: // an exit that does not look at the frame
				if key.of == toUser[opSYSRET] && (s.axes.Is(stubs.ExitOpportunistic) || len(c.From) == 0 || key.kind == claimCanonical || key.kind == claimOwnExit) {
					c.fault = fault{key.at, claimOwnExit, 0}
				}
			}
			if key.kind == claimReg && (reg(key.n) == rCX || reg(key.n) == r11) && key.of == toUser[opSYSRET] {
				c.fault = fault{key.at, claimOwnExit, 0}
			} else if c.fault.at == 0 && v.outcome == Refuted && len(c.From) > 0 {
				c.fault = fault{at: from.at}
			}
		}
		p.Claims = append(p.Claims, c)
	}
	p.known = sync.OnceValue(func() []Known {
		again := s.proveWith(&machine{subject: s, knows: map[uint64]*knowledge{}})
		var list []Known
		for _, addr := range slices.Sorted(maps.Keys(again.knows)) {
			list = append(list, again.knows[addr].known(addr, places.at(addr), !s.inSwitch(addr)))
		}
		return list
	})
	p.Unreached = s.unreached(m, places)
	return p
}

// ownCause returns the newest origin that is in a file's own code, if the variant is a file's
// and one is: its base's code only passes on what is wrong.
func (s *subject) ownCause(from *origin, places places) *origin {
	if s.base == s.name {
		return from
	}
	for o := from; o != nil && o.at != 0; o = o.before {
		if s.partOf(o.at) != nil && !strings.HasSuffix(places.row(o.at).File, ".go") {
			return o
		}
	}
	return from
}

// inSwitch reports whether an address is in the context switch, where the words of
// the stack are not a frame.
func (s *subject) inSwitch(addr uint64) bool {
	p := s.partOf(addr)
	if p == nil {
		return false
	}
	name, _, _ := stubs.CutFuncName(p.name)
	return name == stubs.SwitchTo
}

// unreached reads each function from its start and lists the instructions that no path
// has reached.
func (s *subject) unreached(m *machine, places places) []Where {
	var list []Where
	for i := range s.parts {
		p := &s.parts[i]
		for off := 0; off < len(p.code); {
			addr := p.addr + uint64(off)
			in, err := s.fetch(addr)
			if m.met[addr] == nil {
				list = append(list, places.at(addr))
			}
			if err != nil {
				break
			}
			off += int(in.len)
		}
	}
	return list
}

// places names instructions by their address.
type places struct {
	s     *subject
	rows  map[uint64]*asm.Row
	named map[uint64]Where // so far
}

// places collects the rows of the listings of the variant.
func (s *subject) places(obj *asm.Object) places {
	p := places{s, map[uint64]*asm.Row{}, map[uint64]Where{}}
	for _, l := range obj.Listings() {
		if s.partOf(l.Addr) == nil {
			continue
		}
		for i := range l.Rows {
			if r := &l.Rows[i]; r.Label == "" {
				p.rows[l.Addr+uint64(r.Off)] = r
			}
		}
	}
	return p
}

// row returns an instruction's row in its listing, an empty row if no listing has it.
func (p places) row(addr uint64) *asm.Row {
	if r := p.rows[addr]; r != nil {
		return r
	}
	return &asm.Row{}
}

// at names an instruction: by its listing or, if none has it, by its bytes.
func (p places) at(addr uint64) Where {
	w, ok := p.named[addr]
	if !ok {
		w = p.name(addr)
		p.named[addr] = w
	}
	return w
}

func (p places) name(addr uint64) Where {
	part := p.s.partOf(addr)
	if part == nil {
		return Where{Func: constant(addr)}
	}
	row := p.row(addr)
	name, start := part.name, part.addr
	for _, l := range p.s.labels { // labels in the functions of a file
		if l.Addr > start && l.Addr <= addr {
			name, start = l.Name, l.Addr
		}
	}
	w := Where{Func: name, Off: int(addr - start), Text: row.Ins.Short(), Ins: row.Ins, File: row.File, Line: row.Line}
	if w.Text == "" {
		if in, err := p.s.fetch(addr); err == nil {
			w.Text = in.String()
		}
	}
	return w
}
