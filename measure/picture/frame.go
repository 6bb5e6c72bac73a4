// Package picture draws the pictures of the pages: the frames of variants, and the way
// from a variant to an answer. They are made from the declarations of the slots, the
// presets and the engines, and committed in docs (go test ./measure/picture -update).
package picture

import (
	"strings"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// State says when a slot of the frame is filled. It is the state while the handler of an
// ordinary call runs.
type State uint8

// The states of a slot.
const (
	AtEntry State = iota // filled at every entry
	ByFixUp              // only by the fix-up, in a call that needs it
	Room                 // for a callee-saved register, which stays in the register
	NoRoom
)

// contents says what filled slots hold. A slot that is not named here holds the register of
// the same name.
var contents = map[layout.Slot]string{
	layout.SlotSS: "USER_DS", layout.SlotSP: "user RSP", layout.SlotFlags: "user RFLAGS", layout.SlotCS: "USER_CS",
	layout.SlotIP: "user RIP", layout.SlotOrigAX: "number", layout.SlotCX: "user RIP", layout.SlotAX: "-ENOSYS",
	layout.SlotR11: "user RFLAGS",
}

// Slot returns what a variant has in a slot, and the slot's state.
func Slot(v stubs.Axes, s layout.Slot) (text string, state State) {
	defined, room := v.Frame()
	switch {
	case defined.Has(s):
		text, state = contents[s], AtEntry
		if text == "" {
			text = strings.ToUpper(s.String())
			if text[0] != 'R' { // R8 to R15 have their R already
				text = "R" + text
			}
		}
	case !room.Has(s):
		text, state = "no room", NoRoom
	case layout.SlotsCalleeSaved.Has(s):
		text, state = "room", Room
	default:
		text, state = "by the fix-up", ByFixUp
	}
	return text, state
}
