package stubs

import (
	"fmt"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// gs is the per-CPU area, from SWAPGS on.
var gs = Fields[layout.PerCPU[Mem]](GS)

// pt names the slots of the frame, for the claims of pushes.
var pt = Slots[layout.PtRegs[Slot]]()

// regsSize is the size of full pt_regs, and so RSP's distance from its start
// when it is at the top of the stack.
var regsSize = SizeOf[layout.PtRegs[Mem]]()

// trapSize is the size of what build=trapframe has below it.
var trapSize = SizeOf[layout.TrapWords[Mem]]()

// restSize is the size of the callee-saved registers' slots.
var restSize = pt.R11.Off

// regsAt returns the slots of the frame as operands while RSP is off bytes above
// its start.
func regsAt(off int) *layout.PtRegs[Mem] { return Fields[layout.PtRegs[Mem]](RSP.At(-off)) }

// threadAt returns the thread, at the bottom of the stack, while RSP is off bytes
// above the frame's start. Linux 3.19 and 4.1 reach thread_info in this way.
func threadAt(off int) *layout.Thread[Mem] {
	return Fields[layout.Thread[Mem]](RSP.At(regsSize - off - layout.ThreadSize))
}

// entry returns the target of SYSCALL: the path of an ordinary call to its handler and out.
func (v Axes) entry(suffix string) Func {
	return FUNC(FuncName(Entry, suffix), fmt.Sprintf(`entry_SYSCALL_64 is where SYSCALL arrives (MSR_LSTAR).
%v

State on entry (SDM volume 2, SYSCALL):
  RAX  system call number        RCX  the user's RIP
  RDI  argument 1                R11  the user's RFLAGS
  RSI  argument 2                RSP  the user's still
  RDX  argument 3                GS   the user's still
  R10  argument 4                CS   KERNEL_CS, SS KERNEL_DS
  R8   argument 5                IF   0, as are TF, DF, IOPL, NT and AC
  R9   argument 6`, v),
		v.at(AtEntry),
		SWAPGS().C("GS.base: user -> PerCPU"),
		MOVQ(RSP, v.scratch()).C("no stack yet"),
		v.at(BeforeStack),
		MOVQ(v.stackTop(), RSP),
		FRAME(regsSize),
		v.at(OnStack),
		v.MakeFrame(),
		v.Dispatch(suffix),
	).In("entry").At(v.placed())
}

// Dispatch returns the call's path from its frame on: to the handler, and out by the
// variant's exits. suffix is the variant's name.
func (v Axes) Dispatch(suffix string) Block {
	switch {
	case v.Is(SlowOnly):
		return v.only(suffix)
	case v.Is(SlowDoreti):
		return v.fastSyscall(suffix)
	}
	return v.fast(suffix)
}

// MakeFrame builds the frame. RSP is at the top of the kernel stack, as FRAME must have
// stated, and ends at the frame's lowest word; the user's RSP is in the scratch word.
func (v Axes) MakeFrame() Block {
	build := v.movFrame
	switch {
	case v.Is(BuildPush):
		build = v.pushFrame
	case v.Is(BuildTrapframe):
		build = v.trapframe
	}
	return Block{build(), v.at(FrameBuilt)}
}

// move copies a word through a register.
func move(from Mem, tmp Reg, to Mem) Block { return Block{MOVQ(from, tmp), MOVQ(tmp, to)} }
