package stubs

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
)

// maxAxes is how many axes there can be.
const maxAxes = 64

// Axes are the choices that make a SYSCALL entry and exit path: one value on each
// axis. The zero value is the path of Linux 3.19. Equal Axes are the same path.
type Axes struct {
	choice [maxAxes]uint8 // of each axis, by its slot
	// Bare is the floor of every measurement, which is on no axis: SYSCALL and
	// SYSRET, nothing kept, nothing called.
	Bare bool
}

// Of returns the axes at the given values; those that are left out have
// their first. It panics on a value that no axis has, and does not validate.
func Of(values ...Value) Axes { return Axes{}.Set(values...) }

// Set returns the axes with the given values set. It panics on a value
// that no axis has, and does not validate.
func (v Axes) Set(values ...Value) Axes {
	for _, value := range values {
		at, err := find(string(value))
		if err != nil {
			panic("stubs: " + err.Error())
		}
		v.choice[at.axis.slot] = at.n
	}
	return v
}

// Is reports whether the variant's choice on the value's axis is this value. The
// floor has the first value of each axis.
func (v Axes) Is(value Value) bool {
	at, ok := registry.values[value]
	if !ok {
		panic(fmt.Sprintf("stubs: no axis has the value %q", value))
	}
	return v.choice[at.axis.slot] == at.n
}

// Promises returns everything that the variant's values promise.
func (v Axes) Promises() Promises {
	var p Promises
	for _, c := range v.choices {
		p |= c.Promises
	}
	return p
}

// needs returns the CPU features that the variant's values need.
func (v Axes) needs() layout.Features {
	var f layout.Features
	for _, c := range v.choices {
		f |= c.Needs
	}
	return f
}

// String returns the variant's axes, as in
// sp=percpu,flags=r11,top=lazy,build=mov,regs=partial,exit=sysret,irq=early,work=careful.
// It leaves out independent axes with their value of 3.19. It names the
// variant in tests, benchmarks, golden files and images.
func (v Axes) String() string {
	if v.Bare {
		return wire.Floor
	}
	var parts []string
	for a, c := range v.choices {
		if a.Printed || v.choice[a.slot] != 0 {
			parts = append(parts, string(c.Value))
		}
	}
	return strings.Join(parts, ",")
}

// parseAxes reads what String prints. Axes that are left out have their value of 3.19.
func parseAxes(s string) (Axes, error) {
	var v Axes
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		if err := v.set(part); err != nil {
			return Axes{}, err
		}
		name, _, _ := strings.Cut(part, "=")
		if seen[name] {
			return Axes{}, fmt.Errorf("axis %s is given twice", name)
		}
		seen[name] = true
	}
	return v, nil
}

// With returns the axes with one of them at another value, or the reason why that is
// impossible.
func (v Axes) With(value Value) (Axes, error) {
	if err := v.set(string(value)); err != nil {
		return Axes{}, err
	}
	return v, v.Validate()
}

// set applies an axis=value.
func (v *Axes) set(part string) error {
	at, err := find(part)
	if err != nil {
		return err
	}
	v.choice[at.axis.slot] = at.n
	return nil
}

// whole reports whether the entry fills every slot except those of the callee-saved
// registers.
func (v Axes) whole() bool { return v.Is(SPFrame) && v.Is(FlagsSlot) && v.Is(TopEager) }

// tests reports whether an exit tests the frame before it uses SYSRETQ.
func (v Axes) tests() bool {
	return v.Is(ExitOpportunistic) || v.Is(SlowSYSRET) || v.Is(SlowC)
}

// sysrets reports whether an exit uses SYSRETQ.
func (v Axes) sysrets() bool {
	return !v.Is(ExitIRET) || v.Is(SlowSYSRET) || v.Is(SlowC)
}

// Validate says, in the architecture's terms, why the variant cannot be built.
// All reasons are joined.
func (v Axes) Validate() error {
	if v.Bare {
		if v != (Axes{Bare: true}) {
			return errors.New(wire.Floor + " keeps nothing, so no axis has anything to decide")
		}
		return nil
	}
	var errs []error
	for _, a := range registry.axes {
		for _, c := range a.Excludes {
			if c.Is(v) {
				errs = append(errs, fmt.Errorf("%s: %s", c.What, c.Why))
			}
		}
	}
	return errors.Join(errs...)
}

// All yields every variant that can be built from the axes of 3.19 to 4.1, each
// slow path and test of RIP; and every preset with one of the other axes changed.
// All combinations of all axes would be too many.
func All() iter.Seq[Axes] {
	return func(yield func(Axes) bool) {
		seen := map[Axes]bool{}
		once := func(v Axes) bool {
			if seen[v] || v.Validate() != nil {
				return true
			}
			seen[v] = true
			return yield(v)
		}
		path, alone := pathAxes()
		for v := range combinations(path) {
			if !once(v) {
				return
			}
		}
		for _, p := range presets() {
			for v := range neighbours(p.Axes, alone) {
				if !once(v) {
					return
				}
			}
		}
	}
}

// pathAxes returns the axes that constrain each other, and the independent ones.
func pathAxes() (path, alone []*Axis) {
	for _, a := range registry.axes {
		if a.Path {
			path = append(path, a)
		} else {
			alone = append(alone, a)
		}
	}
	return path, alone
}

// combinations yields every combination of the axes' values, possible or not.
func combinations(axes []*Axis) iter.Seq[Axes] {
	return func(yield func(Axes) bool) {
		for n := 0; ; n++ {
			var v Axes
			rest := n
			for _, a := range axes {
				v.choice[a.slot] = uint8(rest % len(a.Values))
				rest /= len(a.Values)
			}
			if rest > 0 || !yield(v) {
				return
			}
		}
	}
}

// neighbours yields v and all variants that differ from it on one of the axes.
func neighbours(v Axes, axes []*Axis) iter.Seq[Axes] {
	return func(yield func(Axes) bool) {
		if !yield(v) {
			return
		}
		for _, a := range axes {
			for n := range a.Values {
				w := v
				w.choice[a.slot] = uint8(n)
				if !yield(w) {
					return
				}
			}
		}
	}
}
