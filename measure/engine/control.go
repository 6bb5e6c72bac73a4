package engine

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/record"
)

// Control marks records of pairs of paths whose difference is known. Their figures are
// differences, one for each sample, and not costs.
const Control = "control"

// controlName and rungName are the operations of control records.
const (
	controlName = "%s of %s, truth %+g"
	rungName    = "ladder: %d more, %s"
)

// The controls that decide whether samples can be trusted.
const (
	// Again is the base against itself: the true difference is 0.
	Again = "A/A"
	// PositiveControl is the base with one cycle more: the true difference is 1.
	PositiveControl = "+1 cycle"
)

// ControlOp returns the name that records give to a control of an operation.
func ControlOp(name, op string, truth float64) string {
	return fmt.Sprintf(controlName, name, op, truth)
}

// ControlOf takes the operation of a control record apart.
func ControlOf(r *record.Record) (name, op string, truth float64, ok bool) {
	if r.Variant != Control {
		return "", "", 0, false
	}
	for _, c := range []struct {
		name  string
		truth float64
	}{{Again, 0}, {PositiveControl, 1}} {
		for _, e := range registry {
			for _, o := range e.Ops {
				if r.Op == ControlOp(c.name, o.Op, c.truth) {
					return c.name, o.Op, c.truth, true
				}
			}
		}
	}
	return "", "", 0, false
}

// RungOf takes the operation of a ladder's record apart: how many additional
// instructions of which kind. Like a control's, the record is a difference.
func RungOf(r *record.Record) (more int, kind string, ok bool) {
	if r.Variant != Control {
		return 0, "", false
	}
	_, err := fmt.Sscanf(r.Op, rungName, &more, &kind)
	return more, kind, err == nil
}
