package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// fixup completes the top of the frame for a full-frame call: 3.19's
// FIXUP_TOP_OF_STACK. It leaves out what (a), (b) and (c) have done at entry; with
// all three it is empty. Clobbers tmp.
func (v Axes) fixup(regs *layout.PtRegs[Mem], tmp Reg) Block {
	return Block{
		v.fixupSP(regs, tmp),
		v.fixupTop(regs, tmp),
		v.fixupFlags(regs, tmp),
	}
}

// restore copies what a handler may have changed in slots that the exit does not read
// to where the exit reads it: 3.19's RESTORE_TOP_OF_STACK. (a) makes the first half of
// it needless, (b) the second. Clobbers tmp.
func (v Axes) restore(regs *layout.PtRegs[Mem], tmp Reg) Block {
	return Block{
		v.restoreSP(regs, tmp),
		v.restoreFlags(regs, tmp),
	}
}

// restores reports whether restore does anything.
func (v Axes) restores() bool { return v.Is(SPPerCPU) || v.Is(FlagsR11) }

// storeExtra stores the callee-saved registers as 4.1's SAVE_EXTRA_REGS does.
func storeExtra(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(R15, regs.R15),
		MOVQ(R14, regs.R14),
		MOVQ(R13, regs.R13),
		MOVQ(R12, regs.R12),
		MOVQ(RBP, regs.BP),
		MOVQ(RBX, regs.BX),
	}
}

// storeCalleeSaved stores the callee-saved registers as 3.19's SAVE_REST does;
// loadCalleeSaved loads them as its RESTORE_REST and 4.1's RESTORE_EXTRA_REGS do.
func storeCalleeSaved(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(RBX, regs.BX),
		MOVQ(RBP, regs.BP),
		MOVQ(R12, regs.R12),
		MOVQ(R13, regs.R13),
		MOVQ(R14, regs.R14),
		MOVQ(R15, regs.R15),
	}
}

func loadCalleeSaved(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.R15, R15),
		MOVQ(regs.R14, R14),
		MOVQ(regs.R13, R13),
		MOVQ(regs.R12, R12),
		MOVQ(regs.BP, RBP),
		MOVQ(regs.BX, RBX),
	}
}

// wrapper returns a function that takes a handler's place in sys_call_table: it starts
// below the frame, at its return address.
func (v Axes) wrapper(name, doc string, items ...Item) Func {
	return FUNC(name, doc, FRAME(v.low()-8), Block(items)).In("entry")
}

// wrapperOf returns the entry of sys_call_table for a full-frame call.
func (v Axes) wrapperOf(c layout.FullFrameCall, suffix string) Func {
	switch c.Kind {
	case layout.EditsFlags:
		return v.ioplLike(c, suffix)
	case layout.ReplacesFrame:
		return v.sigreturnLike(c, suffix)
	case layout.EditsSlot:
		return v.editLike(c, suffix)
	case layout.NeverReturns:
		return v.jumpLike(c, suffix)
	}
	return v.forkLike(c, suffix)
}

// forkLike wraps a handler that reads full pt_regs and may change its SP or
// flags slot (3.19's FORK_LIKE). The call ends as an ordinary one does.
func (v Axes) forkLike(c layout.FullFrameCall, suffix string) Func {
	regs := regsAt(-8)
	call := Block{CALL(c.Handler()), v.restore(regs, R11), v.ret()}
	if !v.restores() && !v.Is(RegsPartial) {
		call = Block{JMP(c.Handler()).C("which returns to the entry")}
	}
	return v.wrapper(FuncName(c.Stub(), suffix), c.Stub()+" completes the frame for "+c.Handler()+`
and has its arguments and result.`,
		v.saveRestCalled(),
		v.fixup(regs, R11),
		call,
	)
}

// ioplLike wraps a handler that reads and changes the flags slot: it completes the top
// of the frame, not the callee-saved registers (3.19's FIXED_FRAME).
func (v Axes) ioplLike(c layout.FullFrameCall, suffix string) Func {
	regs := regsAt(v.low() - 8)
	return v.wrapper(FuncName(c.Stub(), suffix), c.Stub()+" completes the top of the frame for "+c.Handler()+`
and has its arguments and result.`,
		v.fixup(regs, R11),
		CALL(c.Handler()),
		v.restore(regs, R11),
		RET(),
	)
}

// Wraps reports whether a wrapper takes the place of the call's handler in the table.
func (v Axes) Wraps(c layout.FullFrameCall) bool {
	switch {
	case v.Bare || v.Is(SlowOnly):
		return false
	case v.Is(SlowDoreti): // the others leave all for SYSRETQ, or do not return
		return c.Kind == layout.ReplacesFrame || c.Kind == layout.EditsSlot
	case c.Kind == layout.EditsFlags: // 4.1 needs none any more (29722cd4ef66)
		return v.Is(FlagsR11) || v.Is(SlowC)
	}
	return true
}

// sigreturnLike wraps a handler that replaces full pt_regs by a frame that it
// reads from the user's stack. The fast exit cannot return that, so the call ends by the
// slow one.
func (v Axes) sigreturnLike(c layout.FullFrameCall, suffix string) Func {
	regs := regsAt(-8)
	call := Block{
		v.saveRestCalled(),
		v.fixup(regs, R11),
		CALL(c.Handler()),
		ADDQ(8, RSP).C("no return to the fast path"),
		v.restoreRest(),
		MOVQ(RAX, regsAt(v.low()).AX),
	}
	if v.Is(RegsPartial) { // the frame has to grow before the call
		call = Block{
			ADDQ(8, RSP).C("no return to the fast path"),
			v.saveRest(),
			v.fixup(regsAt(0), R11),
			CALL(c.Handler()),
			MOVQ(RAX, regsAt(0).AX),
			v.restoreRest(),
		}
	}
	return v.wrapper(FuncName(c.Stub(), suffix), c.Stub()+" completes the frame for "+c.Handler()+" and returns by the slow exit.",
		call,
		JMP(slowExit(suffix)),
	)
}

// jumpLike wraps a handler that cannot return: it may overwrite the stack.
func (v Axes) jumpLike(c layout.FullFrameCall, suffix string) Func {
	return v.wrapper(FuncName(c.Stub(), suffix), c.Stub()+" completes the frame for "+c.Handler()+", which returns to ring 3 directly.",
		ADDQ(8, RSP).C("no return to the fast path"),
		v.saveRest(),
		v.fixup(regsAt(0), R11),
		JMP(c.Handler()),
	)
}

// editLike wraps the handler that changes the slot RDI of the frame: any slot,
// as ptrace may, but where the variant's own exit carries the slot, the call ends by
// that exit, as for iopl and clone. The callee-saved registers are loaded from the
// frame, for they may be what changed.
func (v Axes) editLike(c layout.FullFrameCall, suffix string) Func {
	regs := regsAt(-8)
	return v.wrapper(FuncName(c.Stub(), suffix), c.Stub()+" completes the frame for "+c.Handler()+` and returns with the frame
as the handler has changed it.`,
		v.saveRestCalled(),
		v.fixup(regs, R11),
		MOVQ(RDI, RBX).C("the slot; the user's RBX is in the frame"),
		CALL(c.Handler()),
		v.checkCarried(),
		v.restore(regs, R11),
		v.loadRestCalled(),
		v.ret(),
		v.notCarried(suffix),
	)
}

// sysretSlots are the slots whose change SYSRETQ carries to the user. It carries
// RIP too, but unchecked: see "Why SYSRET is safe".
const sysretSlots = layout.SlotsAll &^
	(1<<layout.SlotIP | 1<<layout.SlotCS | 1<<layout.SlotSS | 1<<layout.SlotCX | 1<<layout.SlotR11)

// checkCarried leaves for IRETQ if SYSRETQ would not carry the slot EBX. The
// other exits need no such check: IRETQ carries every slot, and the opportunistic
// exit tests the frame itself.
func (v Axes) checkCarried() Block {
	if !v.Is(ExitSYSRET) {
		return nil
	}
	return Block{
		MOVL(int(sysretSlots), RCX),
		BTL(RBX, RCX),
		JAE("set_frame_via_iret"),
	}
}

// notCarried emits the code to which checkCarried jumps: it ends the call by the slow exit.
func (v Axes) notCarried(suffix string) Block {
	if !v.Is(ExitSYSRET) {
		return nil
	}
	return Block{
		LABEL("set_frame_via_iret"),
		ADDQ(8, RSP).C("no return to the fast path"),
		MOVQ(RAX, regsAt(0).AX),
		v.restoreRest(),
		JMP(slowExit(suffix)),
	}
}
