package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// memoryWord is a word of a machine's memory and what the proof has in it.
type memoryWord struct {
	name   string
	addr   uint64
	v      value
	by     *origin
	known  bool // else it may hold anything
	shared bool // others write it: its word is put there, not compared
}

// memory lists the words of memory that a state tells of.
func (r *runner) memory(st *state) []memoryWord {
	p := r.places
	var list []memoryWord
	origin := r.word(st.origin)
	for i := range numCells {
		addr := origin - 8*uint64(i+1)
		if st.lowered != nil {
			below := st.loweredFrom - (st.origin.c - 8*uint64(i+1))
			if int64(below) > 0 {
				addr = r.word(st.lowered.value()) - below
			}
		}
		w := st.cells.in(i)
		known := w.v != value{} || w.by != lost
		if w.v == (value{}) && w.by == nil {
			w.v = r.s.cells[i].value()
		}
		list = append(list, memoryWord{"the stack's " + cellName(i), addr, w.v, w.by, known, w.by == lost})
	}
	for i := range trampolineCells {
		w := st.trampoline.in(i)
		list = append(list, memoryWord{"the trampoline stack", p.Trampoline - 8*uint64(i+1), w.v, w.by, w.v != value{} || w.by != lost, w.by == lost})
	}
	for i, w := range st.scratch {
		list = append(list, memoryWord{scratchWords[i].Name, p.PerCPU + uint64(scratchWords[i].Off), w.v, w.by, true, w.by == lost})
	}
	one := func(name string, addr uint64, v value, shared bool) {
		list = append(list, memoryWord{name: name, addr: addr, v: v, known: true, shared: shared})
	}
	at := func(off int) uint64 { return p.Stack - layout.ThreadSize + uint64(off) }
	one("Thread.Flags", at(thread.Flags.Off), st.work, true)
	one("Thread.SyscallWork", at(thread.SyscallWork.Off), r.s.callWork.value(), false)
	one("Thread.LastCPU", at(thread.LastCPU.Off), r.s.percpu[uint64(percpu.Number.Off)].value(), false)
	one("Thread.StackCanary", at(thread.StackCanary.Off), r.s.canary.value(), false)
	if r.axes.Is(stubs.KStackRDTSC) && st.phase == inCall {
		one("Thread.KStackOffset", at(thread.KStackOffset.Off), st.kstack.v, false)
	}
	if r.axes.Is(stubs.SlowDoreti) && st.phase == inCall {
		for i, w := range bsdWords {
			one("Thread."+w.Name, at(w.Off), st.bsd[i].v, false)
		}
	}
	if r.draws && st.phase == inCall {
		for i, w := range st.random {
			list = append(list, memoryWord{"PerCPU.KStackRandom", p.PerCPU + uint64(percpu.KStackRandom[i].Off), w.v, w.by, true, w.by == lost})
		}
	}
	if r.countsPreempt && st.phase == inCall {
		one("PerCPU.PreemptCount", p.PerCPU+uint64(percpu.PreemptCount.Off), st.count.v, true)
	}
	if w := st.depth; r.promises.Has(stubs.PromiseCallDepth) && (st.phase == inCall || st.phase == inResume) {
		list = append(list, memoryWord{"PerCPU.CallDepth", p.PerCPU + uint64(percpu.CallDepth.Off), w.v, w.by, true, w.by == lost})
	}
	if r.promises.Has(stubs.PromisePCID) {
		others := r.before == nil || r.before.flushes != st.flushes && st.flushes.t != nil && st.flushes.t.op == isSymbol
		one("UserPCIDFlushMask", p.PerCPU+uint64(percpu.UserPCIDFlushMask.Off), st.flushes, others)
	}
	if st.phase != inCall {
		for i, w := range st.saved {
			if w.written() {
				list = append(list, memoryWord{savedWords[i].name, at(savedWords[i].off), w.v, w.by, true, false})
			}
		}
		if r.promises.Has(stubs.PromiseShadowStack) {
			one("Thread.UserCET", at(thread.UserCET.Off), r.s.shadow[shadowUCET].value(), false)
		}
		if st.phase == inResume && r.promises.Has(stubs.PromiseCanary) {
			one("StackCanary", p.PerCPU+uint64(percpu.StackCanary.Off), st.canary.v, st.canary.by == lost)
		}
	}
	if st.phase == inLeave {
		one("next.SP", p.Next+uint64(thread.SP.Off), r.s.nextSP.value(), false)
		one("next.UserSP", p.Next+uint64(thread.UserSP.Off), r.s.nextUserSP.value(), false)
	}
	return list
}

// set makes the machine what the kernel leaves it, or what it is when a path begins.
func (r *runner) set(st *state) error {
	var regs Registers
	for i, w := range st.regs {
		regs.General[i] = r.word(w.v)
	}
	regs.RIP, regs.CS, regs.SS = st.pc, x86.KERNEL_CS, x86.KERNEL_DS
	arithmetic := r.rng.Uint64()
	if st.cond != (condition{}) { // it has not run anything that changes flags
		now, err := r.on.Registers()
		if err != nil {
			return err
		}
		arithmetic = now.RFLAGS
	}
	regs.RFLAGS = x86.X86_EFLAGS_FIXED | arithmetic&arithmeticFlags
	if st.irq == on || st.irq == either && r.rng.Uint64()&1 == 0 {
		regs.RFLAGS |= x86.X86_EFLAGS_IF
	}
	for i, bit := range flagBits {
		if st.flags[i] == on || st.flags[i] == either && st.phase == inInterrupt && r.allFlags && st.flagBy[i] == nil || st.flags[i] == either && st.phase == inCall && r.words[r.s.flags]&bit != 0 && st.flagBy[i] == nil {
			regs.RFLAGS |= bit
		}
	}
	regs.FSBase, regs.GSBase, regs.OtherGSBase = r.word(st.bases[baseFS].v), r.word(st.bases[baseGS].v), r.word(st.bases[baseOther].v)
	regs.CR3 = r.places.CR3
	if r.isolated() && st.phase == inCall {
		regs.CR3 = r.word(st.cr3)
	}
	if r.promises.Has(stubs.PromiseIBRS) {
		regs.SpecCtrl = r.word(r.specCtrl(st.ibrs))
	}
	if r.promises.Has(stubs.PromiseShadowStack) && st.phase != inCall {
		regs.UserCET, regs.PL3SSP = r.word(st.shadow[shadowUCET].v), r.word(st.shadow[shadowSSP].v)
	}
	for i := range regs.XMM {
		for half := range regs.XMM[i] {
			regs.XMM[i][half] = r.word(r.readXMM(st, 2*i+half).v)
		}
	}
	regs.MXCSR, regs.X87 = uint32(r.word(st.mxcsr.v)), r.x87
	if st.x87 != nil && !r.isUsers(st.x87) { // the kernel leaves it as it is
		now, err := r.on.Registers()
		if err != nil {
			return err
		}
		regs.X87 = now.X87
	}
	if flags := r.words[r.s.flags]; st.steps == 0 && st.pc == r.entry && r.on.Exits() && flags&^callFlags == 0 {
		if err := r.call(regs, flags); err != nil || r.trial.Differs != "" {
			return err
		}
		now, err := r.on.Registers()
		if err != nil {
			return err
		}
		regs.RFLAGS = now.RFLAGS&^lostBySyscall | flags&^r.mask&lostBySyscall // as the CPU has masked it
	}
	if err := r.on.SetRegisters(regs); err != nil {
		return err
	}
	var addrs, words []uint64
	write := func(addr, word uint64) { addrs, words = append(addrs, addr), append(words, word) }
	p := r.places
	current := p.Stack - layout.ThreadSize
	if st.phase == inResume && !st.current {
		current = p.Next
	}
	trampoline := current + layout.ThreadSize
	if r.isolated() {
		trampoline = p.Trampoline
	}
	write(p.PerCPU+uint64(percpu.Current.Off), current)
	write(p.PerCPU+uint64(percpu.TopOfStack.Off), current+layout.ThreadSize)
	write(p.PerCPU+uint64(percpu.Self.Off), p.PerCPU)
	write(p.PerCPU+uint64(percpu.TSS.SP0.Off), trampoline)
	write(p.PerCPU+uint64(percpu.TSS.SP1.Off), p.Trampoline)
	write(current+uint64(thread.Status.Off), r.word(r.s.status.value()))
	write(p.PerCPU+uint64(percpu.SpecCtrl.Off), r.word(r.s.percpu[uint64(percpu.SpecCtrl.Off)].value()))
	write(p.PerCPU+uint64(percpu.Number.Off), r.word(r.s.percpu[uint64(percpu.Number.Off)].value()))
	for t, n := range r.words {
		if t.op == isEntry {
			write(r.table+8*r.word(t.x), n)
		}
	}
	for _, w := range r.memory(st) {
		if w.known {
			write(w.addr, r.word(w.v))
		} else {
			write(w.addr, r.rng.Uint64())
		}
	}
	return r.on.Write(addrs, words)
}

const arithmeticFlags = x86.X86_EFLAGS_CF | x86.X86_EFLAGS_PF | x86.X86_EFLAGS_AF | x86.X86_EFLAGS_ZF | x86.X86_EFLAGS_SF | x86.X86_EFLAGS_OF

// lostBySyscall are the flags that QEMU 7.2's SYSCALL clears whatever
// MSR_SYSCALL_MASK says; a CPU does not (SDM volume 2, SYSCALL).
const lostBySyscall = arithmeticFlags | x86.X86_EFLAGS_DF

// call has the machine run SYSCALL with the registers that a path begins with. RIP and
// RCX are not the path's: SYSCALL is where the machine has it.
func (r *runner) call(regs Registers, flags uint64) error {
	regs.CS, regs.SS, regs.RFLAGS = x86.USER_CS, x86.USER_DS, flags
	if err := r.on.Call(regs); err != nil {
		return err
	}
	r.trial.Steps++
	got, err := r.on.Registers()
	if err != nil {
		return err
	}
	same := func(what string, got, want uint64) {
		r.trial.Compared++
		if got != want && r.trial.Differs == "" {
			r.trial.Differs = fmt.Sprintf("behind SYSCALL %s is %s, want %s", what, constant(got), constant(want))
		}
	}
	same("RIP", got.RIP, r.entry)
	same("CS", uint64(got.CS), x86.KERNEL_CS)
	same("SS", uint64(got.SS), x86.KERNEL_DS)
	same("R11", got.General[r11], flags)
	same("RFLAGS", got.RFLAGS&^lostBySyscall, flags&^r.mask&^lostBySyscall|x86.X86_EFLAGS_FIXED)
	for i := range numRegs {
		if reg(i) != rCX && reg(i) != r11 {
			same(reg(i).String(), got.General[i], regs.General[i])
		}
	}
	same("the base of GS", got.GSBase, regs.GSBase)
	return nil
}

// others writes what other threads and interrupts write before an instruction: what
// it reads as new, and anything where they may have written.
func (r *runner) others(st, next *state, reads []othersWord) error {
	var addrs, words []uint64
	write := func(addr, word uint64) { addrs, words = append(addrs, addr), append(words, word) }
	now := r.memory(st)
	var then []memoryWord
	if next != nil && next.phase == st.phase && next.lowered == st.lowered {
		then = r.memory(next)
	}
	for i, w := range now {
		read := w
		if i < len(then) && then[i].addr == w.addr && then[i].shared && then[i].known {
			read = then[i]
		}
		switch {
		case w.shared && read.known:
			write(w.addr, r.word(read.v))
		case !w.known && !r.lost[w.addr]:
			write(w.addr, r.rng.Uint64())
		}
		r.lost[w.addr] = !w.known
	}
	for _, o := range reads {
		write(now[o.place].addr, r.word(o.v))
	}
	return r.on.Write(addrs, words)
}

// compare compares the machine with what the proof says of it.
func (r *runner) compare(st *state, t *traced) error {
	got, err := r.on.Registers()
	if err != nil {
		return err
	}
	differs := func(what string, got uint64, want string) {
		if r.trial.Differs == "" {
			r.trial.Differs = fmt.Sprintf("%v: %s is %s, want %s", r.at.at(t.at), what, constant(got), want)
		}
	}
	same := func(what string, got uint64, v value) {
		want, known := r.find(v, got)
		if !known {
			return
		}
		r.trial.Compared++
		if got != want {
			differs(what, got, fmt.Sprintf("%s = %s", constant(want), v))
		}
	}
	if st.lowered != nil {
		same("RSP", got.General[rSP], st.regs[rSP].v) // the distance is found here
	}
	for i, w := range st.regs {
		same(reg(i).String(), got.General[i], w.v)
	}
	r.compareFlags(st, got.RFLAGS, differs)
	same("the base of FS", got.FSBase, st.bases[baseFS].v)
	same("the base of GS", got.GSBase, st.bases[baseGS].v)
	for _, s := range selectorsOf(got) {
		w := word{v: r.userSelector(s.place)}
		if st.selectors != nil && st.selectors[s.place].written() {
			w = st.selectors[s.place]
		}
		same(segNames[s.place], s.word, w.v)
	}
	same("MSR_KERNEL_GS_BASE", got.OtherGSBase, st.bases[baseOther].v)
	for i, halves := range got.XMM {
		for half, n := range halves {
			same(xmmName(2*i+half), n, r.readXMM(st, 2*i+half).v)
		}
	}
	same("MXCSR", uint64(got.MXCSR), st.mxcsr.v)
	if st.x87 == nil || r.isUsers(st.x87) {
		r.compareX87(got.X87, r.at.at(t.at).String())
	} else if r.knowsX87(st) {
		same("the x87 control and status", uint64(got.X87.Control)|uint64(got.X87.Status)<<16, r.ts.and(st.x87[0].v, maskOf(4)))
	}
	if r.isolated() && st.phase == inCall {
		same("CR3", got.CR3, st.cr3)
	}
	if r.promises.Has(stubs.PromiseIBRS) && st.phase == inCall {
		same("SPEC_CTRL", got.SpecCtrl, r.specCtrl(st.ibrs))
	}
	if r.promises.Has(stubs.PromiseShadowStack) && st.phase != inCall {
		same("IA32_U_CET", got.UserCET, st.shadow[shadowUCET].v)
		same("IA32_PL3_SSP", got.PL3SSP, st.shadow[shadowSSP].v)
	}
	if st.phase == inSetUp {
		for i, w := range st.msrs {
			if n, ok := r.on.MSR(uint32(msrNumbers[i])); ok {
				same(msrNames[i], n, w.v)
			}
		}
	}
	var list []memoryWord
	var addrs []uint64
	for _, w := range r.memory(st) {
		if w.known && !w.shared {
			list, addrs = append(list, w), append(addrs, w.addr)
		}
	}
	words, err := r.on.Read(addrs)
	if err != nil {
		return err
	}
	for i, w := range list {
		same(w.name, words[i], w.v)
	}
	return nil
}

// compareFlags compares RFLAGS.
func (r *runner) compareFlags(st *state, got uint64, differs func(string, uint64, string)) {
	bit := func(name string, mask uint64, want tri) {
		if want == either {
			return
		}
		r.trial.Compared++
		if (got&mask != 0) != (want == on) {
			differs("RFLAGS, whose "+name+" should be "+triNames[want]+",", got, "that")
		}
	}
	bit("IF", x86.X86_EFLAGS_IF, st.irq)
	for i, mask := range flagBits {
		bit(flagNames[i], mask, st.flags[i])
	}
	for cc := uint8(0); cc < 16; cc += 2 {
		p, inverted := r.predicate(st, cc)
		want, known := p.holds(r.words)
		if !known {
			continue
		}
		r.trial.Compared++
		if inverted {
			want = !want
		}
		if conditionHolds(got, cc) != want {
			differs("RFLAGS, by which condition "+ccNames[cc]+" should be "+map[bool]string{true: "true", false: "false"}[want]+",", got, "that")
		}
	}
}

// conditionHolds reports whether a condition holds by RFLAGS (SDM volume 2, appendix B).
func conditionHolds(flags uint64, cc uint8) bool {
	is := func(bit uint64) bool { return flags&bit != 0 }
	less := is(x86.X86_EFLAGS_SF) != is(x86.X86_EFLAGS_OF)
	holds := [8]bool{
		is(x86.X86_EFLAGS_OF), is(x86.X86_EFLAGS_CF), is(x86.X86_EFLAGS_ZF), is(x86.X86_EFLAGS_CF | x86.X86_EFLAGS_ZF),
		is(x86.X86_EFLAGS_SF), is(x86.X86_EFLAGS_PF), less, less || is(x86.X86_EFLAGS_ZF),
	}[cc>>1]
	return holds != (cc&1 != 0)
}

// find returns a value in this model, and whether it has one. A symbol for what only the
// machine knows, as what RDTSC reads, gets the word that it has here first.
func (r *runner) find(v value, got uint64) (uint64, bool) {
	if n, ok := evaluate(v, r.words); ok || v.t == nil {
		return n, true
	}
	switch t := v.t; {
	case t.op == isSymbol:
		r.words[t] = got - v.c
	case (t.op == isAnd) && t.x.t != nil && t.x.t.op == isSymbol && (got-v.c)&^t.k == 0:
		if _, known := r.words[t.x.t]; !known {
			r.words[t.x.t] = got - v.c - t.x.c
		}
	}
	return evaluate(v, r.words)
}

// exit runs the instruction that returns to ring 3, and compares what that gets.
func (r *runner) exit(t *traced) error {
	st, f := t.before, t.before.expect.frame
	want := func(s layout.Slot) uint64 { return r.word(f[s]) }
	ip, cs, ss := want(layout.SlotIP), want(layout.SlotCS), want(layout.SlotSS)
	if !r.on.Exits() || ip > layout.TaskSizeMax || cs != x86.USER_CS || ss != x86.USER_DS {
		return nil
	}
	// QEMU would take more bits of RFLAGS than a CPU, and with TF it would stop behind.
	if want(layout.SlotFlags)&^(userFlags|x86.X86_EFLAGS_IF|x86.X86_EFLAGS_RF|x86.X86_EFLAGS_FIXED) != 0 {
		return nil
	}
	if err := r.on.Step(); err != nil {
		return err
	}
	r.trial.Steps++
	got, err := r.on.Registers()
	if err != nil {
		return err
	}
	same := func(what string, got, want uint64) {
		r.trial.Compared++
		if got != want && r.trial.Differs == "" {
			r.trial.Differs = fmt.Sprintf("%v: ring 3 finds %s = %s, want %s", r.at.at(t.at), what, constant(got), constant(want))
		}
	}
	same("RIP", got.RIP, ip)
	same("CS", uint64(got.CS), cs)
	same("SS", uint64(got.SS), ss)
	mask := uint64(userFlags | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_TF | x86.X86_EFLAGS_FIXED)
	same("RFLAGS", got.RFLAGS&mask, want(layout.SlotFlags)&mask|x86.X86_EFLAGS_FIXED)
	for i := range numRegs {
		switch reg(i) {
		case rCX, r11: // as they were before the exit
			same(reg(i).String(), got.General[i], r.word(st.regs[i].v))
		default:
			same(reg(i).String(), got.General[i], want(regSlot[i]))
		}
	}
	same("the base of FS", got.FSBase, r.word(st.expect.bases[baseFS]))
	same("the base of GS", got.GSBase, r.word(st.expect.bases[baseGS]))
	for _, s := range selectorsOf(got) {
		same(segNames[s.place], s.word, r.word(r.userSelector(s.place)))
	}
	same("MSR_KERNEL_GS_BASE", got.OtherGSBase, r.places.PerCPU)
	for i, halves := range got.XMM {
		for half, n := range halves {
			same(xmmName(2*i+half), n, r.word(r.userXMM(st, 2*i+half)))
		}
	}
	same("MXCSR", uint64(got.MXCSR), r.word(st.expect.mxcsr))
	r.compareX87(got.X87, fmt.Sprintf("%v: behind it", r.at.at(t.at)))
	r.trial.Exit = true
	return nil
}

// selector is what a segment register holds, by the place of its name in segNames.
type selector struct {
	place uint8
	word  uint64
}

// selectorsOf returns the selectors that no ring has values of its own for.
func selectorsOf(regs Registers) []selector {
	return []selector{{segES, uint64(regs.ES)}, {segDS, uint64(regs.DS)}, {segRegFS, uint64(regs.FS)}, {segRegGS, uint64(regs.GS)}}
}
