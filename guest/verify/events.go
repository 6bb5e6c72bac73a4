package verify

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// eventWords returns the words on which a data breakpoint is put: words of the per-CPU
// area, by their offsets, that entry paths use and #DB's own handler does not. A breakpoint
// on a word that a CPU itself pushes ends QEMU 7.2.
func eventWords() []layout.Word {
	var area layout.PerCPU[layout.Word]
	return []layout.Word{
		layout.Word(unsafe.Offsetof(area.RSPScratch)),
		layout.Word(unsafe.Offsetof(area.TopOfStack)),
		layout.Word(unsafe.Offsetof(area.Current)),
		layout.Word(unsafe.Offsetof(area.SwitchTo)),
		layout.Word(unsafe.Offsetof(area.TSS) + unsafe.Offsetof(area.TSS.SP2)),
		layout.Word(unsafe.Offsetof(area.UserBits)),
		layout.Word(unsafe.Offsetof(area.FREDRSP0)),
	}
}

// maxLostEvents is the number of lost events that ends the events of a variant.
const maxLostEvents = 20

// arrivals are the events of one variant.
type arrivals struct {
	fx     *fixture
	p      *lines.Printer
	round  *round
	lost   []string
	places []layout.Word // instructions that a round reaches
}

// Events makes events of every kind of layout.SysEvent arrive, one place after
// another, at each instruction of SYSCALL's paths and of the entries and exits of
// exceptions that a round of calls reaches. It compares the state that every call leaves
// with the state that it left undisturbed. The calling goroutine must be locked to its
// thread.
func Events(p *lines.Printer, k *control.Kernel, v control.Variant, seed uint64) {
	arrive(p, k, v, seed, false, (*arrivals).all)
}

// arrive makes what let asks for of the events of one variant, in rounds that are hostile
// or not, and prints the outcome.
func arrive(p *lines.Printer, k *control.Kernel, v control.Variant, seed uint64, hostile bool, let func(*arrivals) error) {
	name := v.Name + ": events"
	if err := k.Refused(v); err != nil {
		p.Result(v.Name+": CPU", err)
		return
	}
	fx, err := newFixture(k, v, seed)
	if err != nil {
		p.Result(name, lines.Harness(err.Error()))
		return
	}
	defer fx.close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGTRAP, syscall.SIGUSR2)()
	fx.reset()
	r, err := fx.newRound(hostile)
	if err != nil {
		p.Result(name, err)
		return
	}
	defer r.close()
	a := &arrivals{fx: fx, p: p, round: r}
	if err := let(a); err != nil {
		p.Result(name, lines.Harness(err.Error()))
		return
	}
	for _, what := range a.lost {
		p.Result(name, errors.New(what))
	}
	if a.lost == nil {
		p.Result(name, nil)
	}
}

func (a *arrivals) all() error {
	stats, err := a.fx.kernel.Stats()
	if err != nil {
		return err
	}
	for _, text := range [][2]layout.Word{{stats.EntryStart, stats.EntryEnd}, {stats.IRQEntryStart, stats.IRQEntryEnd}} {
		if err := a.find(text[0], text[1]); err != nil {
			return err
		}
	}
	for _, kind := range []int{
		layout.EventBreakpoint, layout.EventNMI, layout.EventNestedNMI, layout.EventInterrupt,
	} {
		for _, at := range a.places {
			if len(a.lost) >= maxLostEvents {
				return nil
			}
			if err := a.at(at, kind); err != nil {
				return err
			}
		}
	}
	for _, word := range eventWords() {
		if err := a.at(word, layout.EventData); err != nil {
			return err
		}
	}
	if a.fx.variant.Info.FRED != 0 {
		return nil // Bochs, the one emulator of FRED, drops what MOV SS holds back
	}
	return a.held()
}

// find finds the instructions in a piece of text that a round reaches: with four
// breakpoints at a time, at every byte.
func (a *arrivals) find(from, to layout.Word) error {
	const step = 4
	for at := from; at < to && len(a.lost) < maxLostEvents; at += step {
		for _, n := range []layout.Word{step, 1} { // one by one next to #DB's own
			kind := layout.EventFind
			if n == 1 {
				kind = layout.EventBreakpoint
			}
			refused := false
			for one := at; one < at+step; one += n {
				found, err := a.found(one, kind)
				switch {
				case errors.Is(err, syscall.EINVAL):
					refused = true
					continue
				case err != nil:
					return err
				}
				for i := range n {
					if found>>i&1 != 0 {
						a.places = append(a.places, one+i)
					}
				}
			}
			if !refused {
				break
			}
		}
	}
	return nil
}

// findRounds is the number of rounds with a tick of the timer in them by which a round's
// instructions are known: with a tick, which comes at any time, a round reaches more.
const findRounds = 10

// found returns which of the bytes from a place on are instructions that a round reaches:
// with layout.EventFind, of four bytes; else of one.
func (a *arrivals) found(at layout.Word, kind int) (found uint32, err error) {
	found = ^uint32(0)
	for range findRounds {
		before, err := a.fx.kernel.Stats()
		if err != nil {
			return 0, err
		}
		counts, changed, err := a.during(at, kind)
		if err != nil {
			return 0, err
		}
		if changed != nil {
			a.lose("breakpoints from %v on: %v", at, changed)
		}
		after, err := a.fx.kernel.Stats()
		if err != nil {
			return 0, err
		}
		switch {
		case kind == layout.EventFind:
			found &= uint32(counts)
		case counts == 0:
			found = 0
		}
		if found == 0 || after.Ticks == before.Ticks {
			break
		}
	}
	return found, nil
}

// during makes a round in which events of a kind arrive at a place. It returns the counts
// of layout.SysEvent, and how what the round left differs from an undisturbed round.
func (a *arrivals) during(at layout.Word, kind int) (counts uintptr, changed, err error) {
	if _, errno := event(at, kind); errno != 0 {
		return 0, nil, fmt.Errorf("an event of kind %d at %v: %w", kind, at, errno)
	}
	changed = a.round.run()
	counts, errno := event(0, layout.EventNone)
	if errno != 0 {
		return 0, nil, fmt.Errorf("what became of the events: %w", errno)
	}
	return counts, changed, nil
}

// at makes events of a kind arrive at a place, and prints how many did.
func (a *arrivals) at(at layout.Word, kind int) error {
	e, err := a.happen(at, kind)
	if err == nil {
		a.p.Event(e)
	}
	return err
}

// happen makes a round in which events of a kind arrive at a place.
func (a *arrivals) happen(at layout.Word, kind int) (wire.Event, error) {
	before, err := a.fx.kernel.Stats()
	if err != nil {
		return wire.Event{}, err
	}
	counts, changed, err := a.during(at, kind)
	if err != nil {
		return wire.Event{}, err
	}
	after, err := a.fx.kernel.Stats()
	if err != nil {
		return wire.Event{}, err
	}
	e := wire.Event{
		Variant: a.fx.variant.Name, Kind: kind, At: uint64(at),
		Made: int(counts >> layout.EventMade), Came: int(uint32(counts)),
	}
	switch kind {
	case layout.EventNestedNMI:
		e.Made *= 2
	case layout.EventInterrupt:
		e.Came = min(e.Made, int(after.Ticks-before.Ticks))
	}
	if e.Came != e.Made {
		a.lose("%d of %d events of kind %d arrived at %v", e.Came, e.Made, kind, at)
	}
	if changed != nil {
		a.lose("kind %d at %v: %v", kind, at, changed)
	}
	return e, nil
}

func (a *arrivals) lose(format string, args ...any) {
	a.lost = append(a.lost, fmt.Sprintf(format, args...))
}

// event makes the call layout.SysEvent.
func event(at layout.Word, kind int) (uintptr, syscall.Errno) {
	counts, _, errno := syscall.RawSyscall(layout.SysEvent, uintptr(at), uintptr(kind), 0)
	return counts, errno
}

// round is a chain of calls on each of the two lanes, and the state that they left when
// no
// event came.
type round struct {
	fx           *fixture
	first, other *regs.Context
	contexts     [regs.Lanes][]*regs.Context
	left         map[*regs.Context]regs.State
	code         layout.Word
	join         *regs.Context
	restore      []func()
}

// warmUp is how often the calls are made before events come.
const warmUp = 3

// newRound prepares the calls, makes them once, and keeps the state that they left. A
// hostile round has those of hostile.go besides.
func (fx *fixture) newRound(hostile bool) (*round, error) {
	r := &round{fx: fx, left: map[*regs.Context]regs.State{}}
	for _, sig := range []syscall.Signal{syscall.SIGUSR2, syscall.SIGTRAP} {
		// The end of a single step; INT3 is elsewhere.
		restore, err := catch(sig, regs.Action{When: regs.Address(0, regs.Stored), Clear: x86.X86_EFLAGS_TF})
		if err != nil {
			return nil, err
		}
		r.restore = append(r.restore, restore)
	}
	code, errno := mmap(0, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, 0)
	if errno != 0 {
		return nil, lines.Harness(fmt.Sprintf("mmap of one page: %v", errno))
	}
	r.code = code
	copy(bytesAt(code)[:], andBack(0xcc)) // INT3

	time := uint64(address(fx.mem.Words(2)))
	mine := []*regs.Context{
		fx.call(0, syscall.SYS_GETPPID),
		fx.call(0, 600),
		fx.call(0, layout.SysFullFrame, 0),
		fx.call(0, syscall.SYS_CLOCK_GETTIME, 1, unmapped),
		fx.call(0, syscall.SYS_CLOCK_GETTIME, 1, time),
		fx.call(0, syscall.SYS_TGKILL, fx.pid, fx.tid, uint64(syscall.SIGUSR2)),
		fx.call(0, layout.SysSetFrame, uint64(layout.SlotIP), 1<<47),
		fx.call(0, 0),
		fx.call(0, 0),
		fx.call(0, layout.SysSelect, uint64(fx.variant.Index)),
		fx.call(0, syscall.SYS_SCHED_YIELD),
	}
	for _, c := range mine {
		c.In.Flags = fx.flags()
	}
	mine[7].Insn = code
	mine[8].Insn = unmapped
	mine[9].Insn = regs.Address(0, regs.Interrupt)
	others := fx.repeated(2, 1, syscall.SYS_SCHED_YIELD)
	if hostile {
		own, theirs, done, err := fx.hostile()
		if err != nil {
			return nil, err
		}
		r.restore = append(r.restore, done)
		mine, others = append(own, mine...), append(theirs, others...)
	}
	r.join = fx.call(0, syscall.SYS_SCHED_YIELD)
	r.contexts = [regs.Lanes][]*regs.Context{append(mine, r.join), others}
	r.first = fx.chain(0, nil, r.contexts[0]...)
	r.other = fx.chain(1, nil, others...)
	for range warmUp { // the first time makes pages
		if err := r.make(); err != nil {
			return nil, err
		}
	}
	for _, list := range r.contexts {
		for _, c := range list {
			r.left[c] = c.Out
		}
	}
	return r, nil
}

// make makes the calls.
func (r *round) make() error {
	for _, list := range r.contexts {
		for _, c := range list {
			c.Done, c.Out = 0, regs.State{}
		}
	}
	again(r.join, r.join, r.fx.thread.Exited(), yieldLimit)
	if err := r.fx.thread.Start(r.other); err != nil {
		return lines.Harness(err.Error())
	}
	guarded(r.first)
	return r.fx.thread.Wait(threadLimit)
}

// run makes the calls and compares the state that they leave with the one they left.
func (r *round) run() error {
	if err := r.make(); err != nil {
		return err
	}
	for i, list := range r.contexts {
		for n, c := range list {
			want := r.left[c]
			if c.Out == want {
				continue
			}
			if err := compare(&want, &c.Out, i, r.fx.owner); err != nil {
				return fmt.Errorf("thread %d, call %d of %d: %w", i, n+1, len(list), err)
			}
		}
	}
	return r.fx.checkStack(0, r.code)
}

func (r *round) close() {
	munmap(r.code)
	for _, restore := range r.restore {
		restore()
	}
}

// held makes MOV SS hold back the #DB of the word that it reads, and enters the
// kernel with the next instruction: the #DB arrives there, before the kernel's first
// instruction (CVE-2018-8897). In Bochs that instruction is SYSCALL alone: its
// interrupt(), which carries out INT n and INT3, clears what is held back.
func (a *arrivals) held() error {
	fx := a.fx
	words := fx.mem.Words(1)
	words[0] = x86.USER_DS
	type entry struct {
		name string
		code []byte
	}
	ways := []entry{{"SYSCALL", []byte{0x0f, 0x05}}}
	if !inBochs() {
		ways = append(ways, entry{"INT n", []byte{0xcd, layout.ControlVector}}, entry{"INT3", []byte{0xcc}})
	}
	for _, in := range ways {
		movSS := []byte{0x8e, 0x10} // MOV SS, (RAX); RAX is also the call's number
		copy(bytesAt(a.round.code)[:], andBack(append(movSS, in.code...)...))
		c := fx.call(0, uint64(address(words)))
		c.Insn = a.round.code
		call := func() (met, at layout.Word) {
			before, first := fx.stats()
			after, second := fx.stats()
			guarded(fx.chain(0, nil, before, c, after))
			return second.Debugs - first.Debugs, second.EventIP
		}
		met, last := call()
		if met != 0 {
			return fmt.Errorf("%d #DBs after MOV SS without a breakpoint", met)
		}
		left := c.Out
		if _, _, errno := syscall.RawSyscall(layout.SysBreakpoint, uintptr(address(words)), x86.DR7_G0|x86.DR7_RW0|x86.DR7_LEN0_2, 0); errno != 0 {
			return fmt.Errorf("a breakpoint: %w", errno)
		}
		met, at := call()
		if _, _, errno := syscall.RawSyscall(layout.SysBreakpoint, 0, 0, 0); errno != 0 {
			return fmt.Errorf("no breakpoint: %w", errno)
		}
		e := wire.Event{Variant: fx.variant.Name, Kind: layout.EventHeld, At: uint64(at), Made: 1}
		if at != last { // a #DB that comes in ring 3 has no place in the kernel
			e.Came = 1
		}
		a.p.Event(e)
		if met != 1 {
			a.lose("%d #DBs after MOV SS and %s, want 1", met, in.name)
		}
		if err := compare(&left, &c.Out, 0, fx.owner); err != nil {
			a.lose("#DB after MOV SS and %s: %v", in.name, err)
		}
	}
	return nil
}
