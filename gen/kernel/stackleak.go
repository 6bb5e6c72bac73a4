package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// erasing returns the kernel's part of variants with stackleak=erase.
func erasing() Program { return Program{Funcs: Funcs(StackleakErase, eraseAndReturn, sysStackLeft)} }

// StackleakErase returns the function that erases a thread's stack. Engine replay runs it,
// too.
func StackleakErase() Func {
	self, low, at, used, found, high := RDI, RSI, RAX, RDX, RCX, R8
	return FUNC("stackleak_erase",
		`stackleak_erase overwrites what calls have written on the thread's stack below the
frame or, if RSP is on that stack, below RSP. It begins at Thread.LowestStack and ends
where a run of words is as it has left them. IF is 0 (Linux 6.12 kernel/stackleak.c;
here functions do not store how deep the stack is, so it always begins at the frame).`,
		MOVQ(gs.Current, self),
		LEAQ(self.At(layout.ThreadStack), low),
		MOVQ(thread(self).LowestStack, at),
		CMPQ(at, low),
		CMOVQB(low, at),
		MOVQ(at, used),
		XORL(found, found),
		LOOP(
			CMPQ(at, low),
			BREAK(BE),
			SUBQ(8, at),
			CMPQ(at.At(0), layout.StackErased),
			IF(NE,
				XORL(found, found),
				MOVQ(at, used),
			).ELSE(
				INCL(found),
				CMPL(found, layout.StackErasedRun),
				JAE("found"),
			),
		),
		LABEL("found"),
		MOVQ(gs.TopOfStack, RAX),
		LEAQ(RAX.At(-regsSize), high),
		MOVQ(high, thread(self).LowestStack),
		SUBQ(RSP, RAX),
		CMPQ(RAX, layout.ThreadSize),
		CMOVQB(RSP, high).C("it is on the thread's stack"),
		LOOP(
			CMPQ(used, high),
			BREAK(AE),
			MOVQ(layout.StackErased, used.At(0)),
			ADDQ(8, used),
		),
		RETURN(),
	).Takes()
}

func eraseAndReturn() Func {
	return FUNC("erase_and_return", "erase_and_return is return_to_usermode for variants with stackleak=erase.",
		CALL(StackleakErase),
		JMP(returnToUsermode),
	).Takes().In("irqentry")
}

func sysStackLeft() Func {
	at, left := RDI, RAX
	return FUNC("sys_stack_left", "sys_stack_left is layout.SysStackLeft. It leaves interrupts off, as one would write there.",
		CLI(),
		MOVQ(gs.Current, at),
		ADDQ(layout.ThreadStack, at),
		XORL(left, left),
		DO(
			CMPQ(at.At(0), layout.StackErased),
			IF(NE, INCL(left)),
			ADDQ(8, at),
			CMPQ(at, RSP),
		).WHILE(B),
		RETURN(),
	).Takes().Returns(RAX)
}
