package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
)

// Known returns an error if a record cannot come from an entrylab that knows what this
// one does: no engine has its operation, its variant is impossible, or its figure is
// below zero. It is for package store, which reads records from files.
func Known(r *record.Record) error {
	if err := knownOp(r); err != nil {
		return err
	}
	if r.Variant == Control { // its figures are differences
		return nil
	}
	// Samples can be below 0: the loop's ticks are subtracted, and on a host that was held up
	// while the loop was timed these are too many for all samples of a boot.
	if r.Min < 0 && Of(r.Engine).Kind == Exact {
		return fmt.Errorf(`"min" is %g: a cost is not below 0`, r.Min)
	}
	if r.Retired != nil && *r.Retired < 0 {
		return fmt.Errorf(`"retired" is %g: a count is not below 0`, *r.Retired)
	}
	for name := range r.Events {
		if !slices.Contains(wire.Explaining[:], name) {
			return fmt.Errorf(`"events" has %q, want some of %s`, name, strings.Join(wire.Explaining[:], ", "))
		}
	}
	return knownVariant(r.Variant, r.Axes)
}

// calibration are the operations that only LabelCalibration has.
var calibration = []string{wire.OpChain, wire.OpDoseNone, wire.OpDoseOne, wire.OpClock, wire.OpStep, cycles.OpChainCounted}

// labels are the labels that are sampled in addition to the variants.
var labels = []string{wire.LabelAgain, wire.LabelLoop, wire.LabelCalibration}

func knownOp(r *record.Record) error {
	if r.Variant == Control {
		_, _, _, control := ControlOf(r)
		if _, _, rung := RungOf(r); !control && !rung {
			return fmt.Errorf(`"op" is %q, which is not a control`, r.Op)
		}
		return nil
	}
	var names []string
	if r.Variant == wire.LabelCalibration {
		names = slices.Clone(calibration)
	}
	if slices.Contains(names, r.Op) {
		return nil
	}
	for _, e := range registry {
		for _, o := range e.resolved().Ops {
			if o.Op == r.Op {
				return nil
			}
			names = append(names, o.Op)
		}
	}
	return fmt.Errorf(`"op" is %q: %sno engine has this operation`, r.Op, near.Hint(r.Op, names))
}

// ownAxes are the axes of a variant of which only the user's own name is known.
const ownAxes = "own"

// knownVariant returns an error if no variant has this name. A user's own variant has
// any name that is not reserved, and the axes of its base.
func knownVariant(name, axes string) error {
	_, err := stubs.ParseVariant(name)
	switch {
	case err == nil, slices.Contains(labels, name), axes == "" && IsLinux(name), name == wire.Linux:
		return nil
	case stubs.Reserved(name), axes == "":
		return err
	case axes == ownAxes:
		return nil
	}
	if _, err := stubs.ParseVariant(axes); err != nil {
		return fmt.Errorf(`"axes" of %s: %w`, name, err)
	}
	return nil
}
