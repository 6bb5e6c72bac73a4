package regs

import (
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// Shadow is a series of rounds on a user shadow stack: in each, a function makes a call of
// the kernel's and returns. A context runs it whose Insn is [ShadowCode] and whose R12 is the
// Shadow's address.
type Shadow struct {
	// Stack is the shadow stack's end (layout.SysShadowStack).
	Stack layout.Word
	// Number, Arg and Arg2 are the call's. It is made by INT $layout.ControlVector if
	// Interrupt is 1.
	Number, Arg, Arg2, Interrupt layout.Word
	Rounds                       layout.Word
	// Elsewhere is 1 if the function is to return to another address than its caller's.
	Elsewhere layout.Word
	// Back is where to go on at the end.
	Back layout.Word

	// On is what SysShadowStack returns. If it is 0, the rounds follow.
	On layout.Word
	// Before is SSP before the function of the last round is called, which must be Stack;
	// After is SSP after its call of the kernel's, which must be a word lower. A round of which
	// that is not true is the last: Rounds is not counted down to 0 then.
	Before, After layout.Word

	sp layout.Word
}

// Shadow returns an empty Shadow in the memory.
func (m *Memory) Shadow() *Shadow { return (*Shadow)(m.take(int(unsafe.Sizeof(Shadow{})))) }

// ShadowCode returns where the code of a Shadow begins.
func ShadowCode() layout.Word { return shadowCode() }

// Implemented in shadow_amd64.s.
func shadowCode() layout.Word
