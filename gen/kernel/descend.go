package kernel

import (
	"fmt"
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
)

// DispatchTree is the function that finds a number's handler by comparisons.
const DispatchTree = "x64_sys_call"

// Descend follows the listing of DispatchTree, or of a function that it jumps to, with a
// number, and returns where that goes and in how many instructions. Memory does not
// decide: a listing that compares with it is an error.
func Descend(l Listing, number uint32) (to string, steps int, err error) {
	with, compared := uint32(0), false
	for i := 0; i < len(l.Rows); i++ {
		r := l.Rows[i]
		if r.Label != "" {
			continue
		}
		steps++
		switch name := r.Ins.Mnemonic(); name {
		case "NOP", "MOVQ":
		case "CMPL":
			constant, ok := r.Ins.Operands()[1].(int)
			if !ok {
				return "", 0, fmt.Errorf("%s compares with no constant: %v", l.Name, r.Ins)
			}
			with, compared = uint32(constant), true
		case "JMP", "JE", "JA":
			switch {
			case name != "JMP" && !compared:
				return "", 0, fmt.Errorf("%s branches before it compares: %v", l.Name, r.Ins)
			case name == "JE" && number != with, name == "JA" && number <= with:
				continue
			}
			to, ok := r.Ins.Operands()[0].(string)
			if !ok {
				return "", 0, fmt.Errorf("%s jumps to no name: %v", l.Name, r.Ins)
			}
			at := slices.IndexFunc(l.Rows, func(r Row) bool { return r.Label == to })
			if at < 0 {
				return to, steps, nil
			}
			i = at
		default:
			return "", 0, fmt.Errorf("%s has %v", l.Name, r.Ins)
		}
	}
	return "", 0, fmt.Errorf("%s ends with number %d", l.Name, number)
}

// LastNumber returns the greatest number that Linux has a handler for.
func LastNumber() int { return slices.Max(linuxNumbers()) }
