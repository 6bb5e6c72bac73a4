package engine

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/record"
)

// Control is what records call pairs of paths whose difference is known: they are
// differences, one for each sample, and no costs.
const Control = "control"

// controlName and rungName are the operations of control records.
const (
	controlName = "%s of %s, truth %+g"
	rungName    = "ladder: %d more, %s"
)

// The controls that decide about samples.
const (
	// Again is the base against itself, of which the truth is 0.
	Again = "A/A"
	// PositiveControl is the base with a cycle more, of which it is 1.
	PositiveControl = "+1 cycle"
)

// ControlOp is what records call a control of an operation.
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

// RungOf takes the operation of a record of a ladder apart: so many instructions of a
// kind more than the base has. The record is a difference, as that of a control.
func RungOf(r *record.Record) (more int, kind string, ok bool) {
	if r.Variant != Control {
		return 0, "", false
	}
	_, err := fmt.Sscanf(r.Op, rungName, &more, &kind)
	return more, kind, err == nil
}
