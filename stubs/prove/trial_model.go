package prove

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// userFlags are the bits of RFLAGS that ring 3 may have, but TF and RF.
const userFlags = x86.X86_EFLAGS_CF | x86.X86_EFLAGS_PF | x86.X86_EFLAGS_AF | x86.X86_EFLAGS_ZF | x86.X86_EFLAGS_SF |
	x86.X86_EFLAGS_OF | x86.X86_EFLAGS_DF | x86.X86_EFLAGS_AC | x86.X86_EFLAGS_NT | x86.X86_EFLAGS_ID

// callFlags are those with which SYSCALL is run: with TF it would trap.
const callFlags = userFlags | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_FIXED

// someFlags returns random RFLAGS of ring 3. RF and TF can be set in one of four.
func (r *runner) someFlags() uint64 {
	mask := uint64(userFlags)
	if r.rng.IntN(4) == 0 {
		mask |= singleStep
	}
	return r.rng.Uint64()&mask | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_FIXED
}

// last returns the machine before the last instruction of the path.
func (r *runner) last() *state {
	for _, t := range slices.Backward(r.path) {
		if t.kind == ran {
			return t.before
		}
	}
	return r.path[0].after
}

// model chooses the words that decide which way the path goes, those of a witness if
// there is one; or says why there are none.
func (r *runner) model(v *verdict) (notRun string) {
	st := r.last()
	if st.phase == inInterrupt && !r.on.Exits() {
		return "ring 3 has no entries of interrupts"
	}
	var list []*term
	goal := nowhere
	conditions := st.given
	if v != nil {
		goal, conditions = v.goal, v.given
	}
	for g := conditions; g != nil; g = g.before {
		list = symbolsOf(g.p.b, symbolsOf(g.p.a, list))
	}
	list = symbolsOf(goal.b, symbolsOf(goal.a, list))
	// The last facts are not all of the path's: of those that nothing behind depends on
	// the proof keeps none.
	st = r.fork(st)
	st.facts = nil
	var all []*given
	for g := conditions; g != nil; g = g.before {
		all = append(all, g)
	}
	for _, g := range slices.Backward(all) {
		st.facts = r.machine.at(st).assume(g.p, g.holds)
	}
	r.chosen = st
	r.x87 = drawX87(r.rng)
	for i := range attempts {
		r.words = assignment{}
		r.pin()
		r.sames()
		if v != nil && i == 0 {
			for t, n := range v.witness.words {
				if _, pinned := r.words[t]; !t.found && (!pinned || t.user) {
					r.words[t] = n
				}
			}
			if r.allFlags {
				r.words[r.s.flags] = callFlags
			} else if n, ok := v.witness.words[r.s.flags]; ok { // those bits that ring 3 can have
				r.words[r.s.flags] = n&callFlags | x86.X86_EFLAGS_FIXED
			}
		}
		for _, t := range r.mxcsrs() {
			r.words[t] &= mxcsrBits
		}
		for _, t := range list {
			if !t.found && !(t.open && t.op == isSymbol) {
				r.choose(st, r.rng, r.words, t, i, 0)
			}
		}
		if !r.taken(conditions) {
			continue
		}
		if holds, known := goal.holds(r.words); goal.kind != never && known && holds {
			continue
		}
		return ""
	}
	return fmt.Sprintf("no model was found in %d attempts", attempts)
}

// sames gives what is the same as a word that is chosen that word.
func (r *runner) sames() {
	for f := r.chosen.facts; f != nil; f = f.before {
		if x := f.t.x.t; f.kind == factMax && f.t.op == isAnd && x.op == isSymbol && f.t.x.c == 0 {
			if _, chosen := r.words[x]; !chosen {
				r.words[x] = r.rng.Uint64()&^f.t.k | r.rng.Uint64()&f.t.k%(f.k+1)
			}
		}
		if f.kind != factSame {
			continue
		}
		if x := f.t.x.t; f.t.op == isAnd && f.v.t == nil && x.op == isSymbol && f.t.x.c == 0 { // a part of a word
			if _, chosen := r.words[x]; !chosen {
				r.words[x] = r.rng.Uint64()&^f.t.k | f.v.c
			}
		}
		if f.v.t == nil || f.v.t.op != isSymbol {
			continue
		}
		n, chosen := r.words[f.t]
		if _, other := r.words[f.v.t]; chosen && !other {
			r.words[f.v.t] = n - f.v.c
		}
	}
}

// flagWords returns the unknowns that ring 3 has, or is to get, in RFLAGS.
func (r *runner) flagWords() []*term {
	list := []*term{r.s.flags}
	for _, t := range r.path {
		if t.kind != kernel || t.before == nil {
			continue
		}
		if v := t.after.expect.frame[layout.SlotFlags]; v.t != nil && v.t.edit {
			list = append(list, v.t)
		}
	}
	return list
}

// mxcsrBits are those that MXCSR has; LDMXCSR refuses others (SDM volume 1, 10.2.3).
const mxcsrBits = 1<<16 - 1

// mxcsrs returns the unknowns that MXCSR holds, or is to hold, on the path.
func (r *runner) mxcsrs() []*term {
	list := []*term{r.s.mxcsr}
	for _, t := range r.path {
		if t.kind == kernel {
			list = symbolsOf(t.after.expect.mxcsr, list)
		}
	}
	return list
}

// taken reports whether nothing that is known yet leads away from the path.
func (r *runner) taken(g *given) bool {
	for ; g != nil; g = g.before {
		if holds, known := g.p.holds(r.words); known && holds != g.holds {
			return false
		}
	}
	return true
}

// pin gives words to the symbols that stand for places, and mostly usual ones to what
// a CPU would refuse otherwise.
func (r *runner) pin() {
	s, p := r.s, r.places
	const canonical = 1<<46 - 1
	for t, n := range map[*term]uint64{
		s.area: p.PerCPU, s.top: p.Stack, s.trampoline: p.Trampoline, s.prev: p.Stack - layout.ThreadSize, s.next: p.Next, s.left: p.Next,
		s.prevRSP: p.Stack - 8*numCells - 8, s.nextSP: p.Next + layout.ThreadSize - 1024, s.ret: p.Elsewhere,
		s.cr3:           p.CR3 | layout.PTIUserBits*(r.rng.Uint64()&1),
		s.bases[baseFS]: r.rng.Uint64() & canonical, s.bases[baseGS]: r.rng.Uint64() & canonical,
		s.msrs[msrEFER]: p.EFER,
	} {
		r.words[t] = n
	}
	for i, st := range r.x87.ST {
		low, high := fxMXCSR+2*i, fxMXCSR+2*i+1
		r.words[s.x87[low]] = binary.LittleEndian.Uint64(st[:8])
		r.words[s.x87[high]] = uint64(binary.LittleEndian.Uint16(st[8:]))
	}
	spec := s.percpu[uint64(percpu.SpecCtrl.Off)]
	const others = 1<<1 | 1<<2 // STIBP and SSBD; WRMSR refuses bits that a CPU has not (SDM volume 4, 48H)
	r.words[spec] = r.rng.Uint64()&others | x86.SPEC_CTRL_IBRS
	for _, t := range r.flagWords() {
		r.words[t] = r.someFlags()
	}
	for _, t := range r.mxcsrs() {
		r.words[t] = r.rng.Uint64() & mxcsrBits
	}
	for _, t := range r.path {
		if t.kind != kernel || t.before == nil {
			continue
		}
		for _, c := range symbolsOf(t.after.cr3, nil) {
			r.words[c] = p.CR3
		}
		for _, b := range t.after.expect.bases {
			for _, c := range symbolsOf(b, nil) {
				if _, pinned := r.words[c]; !pinned {
					r.words[c] = r.rng.Uint64() & canonical
				}
			}
		}
		r.pinEntry(t)
		for _, usual := range []struct {
			slot layout.Slot
			word uint64
		}{{layout.SlotCS, x86.USER_CS}, {layout.SlotSS, x86.USER_DS}, {layout.SlotIP, r.rng.Uint64() % layout.TaskSizeMax}} {
			if v := t.after.expect.frame[usual.slot]; v.t != nil && v.t.edit && v.c == 0 && r.rng.IntN(8) > 0 {
				r.words[v.t] = usual.word
			}
		}
	}
}

// pinEntry gives the word of sys_call_table by which the path goes on the address of
// what it comes to.
func (r *runner) pinEntry(t *traced) {
	if v := t.before.to; v.t != nil && v.t.op == isEntry {
		r.words[v.t] = r.places.Elsewhere
		for _, w := range r.wrappers {
			if w.addr == t.after.pc {
				r.words[v.t] = w.addr
			}
		}
	}
}

// word returns a value in this model, and chooses its unknowns at random.
func (r *runner) word(v value) uint64 {
	for _, t := range symbolsOf(v, nil) {
		if _, ok := r.words[t]; !ok {
			r.choose(r.chosen, r.rng, r.words, t, attempts, 0)
		}
	}
	n, _ := evaluate(v, r.words)
	return n
}
