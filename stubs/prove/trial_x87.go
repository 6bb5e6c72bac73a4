package prove

import (
	"fmt"
	"math/rand/v2"
)

// X87 is what the x87 unit holds, without the place of its last instruction.
type X87 struct {
	Control, Status uint16
	Tags            uint8       // a bit for each register that is not empty
	ST              [8][10]byte // from the top of the stack
}

// Fields of the control and the status word (SDM volume 1, 8.1.3 and 8.1.5).
const (
	x87Masks     = 0x7f // all exceptions are masked; bit 6 is always 1
	x87Precision = 8
	x87Rounding  = 10
	x87Flags     = 0x477f // the exceptions that there have been, and the condition codes
	x87Top       = 11
)

// drawX87 returns any state in which no exception is pending.
func drawX87(rng *rand.Rand) X87 {
	x := X87{
		Control: x87Masks | uint16([]int{0, 2, 3}[rng.IntN(3)])<<x87Precision | uint16(1+rng.IntN(3))<<x87Rounding, // not what FNINIT sets
		Status:  uint16(rng.Uint32())&x87Flags | uint16(rng.IntN(8))<<x87Top,
		Tags:    uint8(rng.Uint32()),
	}
	for i := range x.ST {
		for j := range x.ST[i] {
			x.ST[i][j] = byte(rng.Uint32())
		}
	}
	return x
}

// compareX87 compares a machine's x87 state with the one that was drawn.
func (r *runner) compareX87(got X87, at string) {
	r.trial.Compared++
	if got != r.x87 && r.trial.Differs == "" {
		r.trial.Differs = fmt.Sprintf("%s: the x87 state is %x, want %x", at, got, r.x87)
	}
}

// isUsers reports whether the x87 unit holds what ring 3 had.
func (r *runner) isUsers(x *[numX87]word) bool {
	for i, w := range x {
		if w.v != r.userX87(i) {
			return false
		}
	}
	return true
}

// knowsX87 reports whether the model has a word for its control and status.
func (r *runner) knowsX87(st *state) bool {
	_, known := evaluate(st.x87[0].v, r.words)
	return known
}
