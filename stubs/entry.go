package stubs

import (
	"fmt"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// gs is the per-CPU area, from SWAPGS on.
var gs = Fields[layout.PerCPU[Mem]](GS)

// pt names the slots of the frame, for the claims of pushes.
var pt = Slots[layout.PtRegs[Slot]]()

// regsSize is the size of a whole frame, and so RSP's distance from its start
// when it is at the top of the stack.
var regsSize = SizeOf[layout.PtRegs[Mem]]()

// restSize is the size of the callee-saved registers' slots.
var restSize = pt.R11.Off

// enosys is Linux's ENOSYS.
const enosys = 38

// regsAt gives the slots of the frame as operands while RSP is off bytes above
// its start.
func regsAt(off int) layout.PtRegs[Mem] { return Fields[layout.PtRegs[Mem]](RSP.At(-off)) }

// threadAt gives the thread, at the bottom of the stack, while RSP is off bytes
// above the frame's start. So Linux 3.19 and 4.1 reach thread_info.
func threadAt(off int) layout.Thread[Mem] {
	return Fields[layout.Thread[Mem]](RSP.At(regsSize - off - layout.ThreadSize))
}

// low is where RSP is while a handler runs, in bytes above the frame's start.
func (v Variant) low() int {
	if v.Regs == RegsPartial {
		return pt.R11.Off
	}
	return pt.R15.Off
}

// entry is the target of SYSCALL: the way of an ordinary call in, to its
// handler and out.
func (v Variant) entry(suffix string) Func {
	return FUNC("entry_SYSCALL_64."+suffix, fmt.Sprintf(`entry_SYSCALL_64 is where SYSCALL arrives (MSR_LSTAR).
%v

State on entry (SDM volume 2, SYSCALL):
  RAX  system call number        RCX  the user's RIP
  RDI  argument 1                R11  the user's RFLAGS
  RSI  argument 2                RSP  the user's still
  RDX  argument 3                GS   the user's still
  R10  argument 4                CS   KERNEL_CS, SS KERNEL_DS
  R8   argument 5                IF   0, as are TF, DF, IOPL, NT and AC
  R9   argument 6`, v),
		v.landing(),
		SWAPGS().C("GS.base: user -> PerCPU"),
		MOVQ(RSP, v.scratch()).C("no stack yet"),
		v.toKernelCR3(RSP),
		MOVQ(v.stackTop(), RSP),
		FRAME(regsSize),
		v.enable(IRQEarly),
		v.MakeFrame(),
		v.Dispatch(suffix),
	).In("entry")
}

// Dispatch is the call's way from its frame on: to the handler, and by the
// variant's exits out. suffix is the variant's name.
func (v Variant) Dispatch(suffix string) Block {
	if v.Slow == SlowOnly {
		return v.only(suffix)
	}
	return v.fast(suffix)
}

// MakeFrame builds the frame, and with clear=xor clears what is in it. RSP is at the
// top of the kernel stack, as FRAME must have stated, and comes to the frame's
// lowest word; the user's RSP is in the scratch word.
func (v Variant) MakeFrame() Block {
	build := v.movFrame
	switch v.Build {
	case BuildPush:
		build = v.pushFrame
	case BuildTrapframe:
		build = v.trapframe
	}
	return Block{build(), v.clear()}
}

// movFrame builds the frame as 3.19 does (SAVE_ARGS), then adds what (c), (b)
// and (a) want, in this order: (a) needs RCX when both its slots are filled.
func (v Variant) movFrame() Block {
	regs := regsAt(v.low())
	return Block{
		SUBQ(regsSize-v.low(), RSP),
		MOVQ(RDI, regs.DI),
		MOVQ(RSI, regs.SI),
		MOVQ(RDX, regs.DX),
		MOVQ(-enosys, regs.AX),
		MOVQ(R8, regs.R8),
		MOVQ(R9, regs.R9),
		MOVQ(R10, regs.R10),
		MOVQ(R11, regs.R11).C("the user's RFLAGS"),
		v.storeRest(regs),
		MOVQ(RAX, regs.OrigAX),
		MOVQ(RCX, regs.IP),
		v.fillTop(regs),
		v.fillFlags(regs),
		v.fillSP(regs),
		LABEL("entry_SYSCALL_64_after_hwframe"),
		v.enable(IRQFrame),
	}
}

// pushFrame builds the frame as 4.1 does: every slot, from SS down.
func (v Variant) pushFrame() Block {
	return Block{
		PUSHQ(x86.USER_DS).Is(pt.SS),
		PUSHQ(v.scratch()).Is(pt.SP),
		v.enable(IRQFrame), // not before RSPScratch has been read
		PUSHQ(R11).Is(pt.Flags),
		PUSHQ(x86.USER_CS).Is(pt.CS),
		PUSHQ(RCX).Is(pt.IP),
		LABEL("entry_SYSCALL_64_after_hwframe"),
		PUSHQ(RAX).Is(pt.OrigAX),
		PUSHQ(RDI).Is(pt.DI),
		PUSHQ(RSI).Is(pt.SI),
		PUSHQ(RDX).Is(pt.DX),
		PUSHQ(RCX).Is(pt.CX),
		PUSHQ(-enosys).Is(pt.AX),
		PUSHQ(R8).Is(pt.R8),
		PUSHQ(R9).Is(pt.R9),
		PUSHQ(R10).Is(pt.R10),
		PUSHQ(R11).Is(pt.R11),
		v.pushRest(),
	}
}

// trapframe builds the frame as FreeBSD's fast_syscall does: all of it by MOV,
// what the registers of SYSCALL hold first, then RSP, with interrupts on as soon
// as that is safe.
func (v Variant) trapframe() Block {
	regs := regsAt(v.low())
	return Block{
		SUBQ(regsSize-v.low(), RSP),
		MOVQ(R11, regs.Flags),
		MOVQ(R11, regs.R11),
		MOVQ(RCX, regs.IP),
		MOVQ(RCX, regs.CX),
		v.fillSP(regs),
		LABEL("entry_SYSCALL_64_after_hwframe"),
		v.enable(IRQFrame),
		MOVQ(x86.USER_DS, regs.SS),
		MOVQ(x86.USER_CS, regs.CS),
		MOVQ(RDI, regs.DI),
		MOVQ(RSI, regs.SI),
		MOVQ(RDX, regs.DX),
		MOVQ(R10, regs.R10),
		MOVQ(R8, regs.R8),
		MOVQ(R9, regs.R9),
		MOVQ(RAX, regs.OrigAX),
		MOVQ(-enosys, regs.AX),
		v.storeRest(regs),
	}
}

// storeRest stores the callee-saved registers of a full frame.
func (v Variant) storeRest(regs layout.PtRegs[Mem]) Block {
	if v.Regs != RegsFull {
		return nil
	}
	return storeCalleeSaved(regs)
}

// pushRest ends a frame that has more than a partial one: with the callee-saved
// registers, or with room for them.
func (v Variant) pushRest() Block {
	switch v.Regs {
	case RegsRoom:
		return Block{SUBQ(restSize, RSP).C("room for bx bp r12-r15")}
	case RegsFull:
		return Block{
			PUSHQ(RBX).Is(pt.BX),
			PUSHQ(RBP).Is(pt.BP),
			PUSHQ(R12).Is(pt.R12),
			PUSHQ(R13).Is(pt.R13),
			PUSHQ(R14).Is(pt.R14),
			PUSHQ(R15).Is(pt.R15),
		}
	}
	return nil
}

// fillSP is change (a) at entry: the user's RSP goes on into the frame. RCX is
// in the frame already and free.
func (v Variant) fillSP(regs layout.PtRegs[Mem]) Block {
	if v.SP != SPFrame {
		return nil
	}
	return move(v.scratch(), RCX, regs.SP)
}

// fillFlags is change (b) at entry.
func (v Variant) fillFlags(regs layout.PtRegs[Mem]) Block {
	if v.Flags != FlagsSlot {
		return nil
	}
	return Block{MOVQ(R11, regs.Flags)}
}

// fillTop is change (c) at entry: what SYSRET does not need but IRETQ and
// whoever reads the frame do.
func (v Variant) fillTop(regs layout.PtRegs[Mem]) Block {
	if v.Top != TopEager {
		return nil
	}
	return Block{
		MOVQ(RCX, regs.CX),
		MOVQ(x86.USER_CS, regs.CS),
		MOVQ(x86.USER_DS, regs.SS),
	}
}

// enable turns interrupts on if this is the variant's place for it.
func (v Variant) enable(place IRQ) Block {
	if v.IRQ != place {
		return nil
	}
	return Block{STI()}
}

// enableAgain turns interrupts on where they are off because a fast exit was
// tried.
func (v Variant) enableAgain() Block {
	if v.IRQ == IRQOff {
		return nil
	}
	return Block{STI()}
}

// disable turns interrupts off where they may be on.
func (v Variant) disable() Block {
	if v.IRQ == IRQOff {
		return nil
	}
	return Block{CLI()}
}

// move copies a word through a register.
func move(from Mem, tmp Reg, to Mem) Block { return Block{MOVQ(from, tmp), MOVQ(tmp, to)} }
