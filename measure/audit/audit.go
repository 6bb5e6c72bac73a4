// Package audit boots a variant, has the guest bring threads into the states in which a
// reader of the user's RSP may find them, and holds what the kernel's readers find against
// what the proof says of every input (prove.Audit).
package audit

import (
	"context"
	"fmt"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Seen is what a boot found of one cell of an audit.
type Seen struct {
	Right, Wrong int // readings
	// First is the first wrong one.
	First wire.Reading
}

// Result is an audit with what a boot found.
type Result struct {
	*prove.Audit
	// Seen has an element for each of the audit's Cells.
	Seen []Seen
	// Differs says which readings are none of those that the proof allows. Empty: proof and
	// boot agree.
	Differs []string
	// Met is how many of the proof's Places the boot stopped a thread at.
	Met, Places int
}

// Boot boots a variant, which must be the only one of its kernel, and compares.
func Boot(ctx context.Context, n stubs.Variant, kernel *image.Image, a *prove.Audit, m vm.Config) (*Result, error) {
	config := boot.Config{
		Variants: []stubs.Variant{n}, Image: kernel, VM: m,
		Args:  wire.Command{Readings: true, Variants: []string{n.Name}}.Words(),
		Files: []initramfs.File{{Name: wire.ReadingsFile, Mode: 0o444, Data: wire.PrintReadingPlaces(append(places(a), handlers(kernel)...))}},
	}
	m, err := boot.Prepare(ctx, config)
	if err != nil {
		return nil, err
	}
	run, err := boot.RunPrepared(ctx, m, nil)
	if err != nil {
		return nil, fmt.Errorf("audit: %s: %w", n.Name, err)
	}
	for _, c := range run.Checks {
		if c.Outcome != wire.Pass {
			return nil, fmt.Errorf("audit: %s: %s: %s", n.Name, c.Name, c.Detail)
		}
	}
	return compare(a, run.Readings)
}

// places returns the instructions of the audit, in their order.
func places(a *prove.Audit) []wire.ReadingPlace {
	var list []wire.ReadingPlace
	at := map[uint64]int{}
	for _, c := range a.Cells {
		for _, p := range c.Places {
			i, ok := at[p.Addr]
			if !ok {
				i = len(list)
				at[p.Addr] = i
				list = append(list, wire.ReadingPlace{At: p.Addr})
			}
			list[i].IRQ = list[i].IRQ || p.IRQ
		}
	}
	return list
}

// handlers returns the first instructions of the handlers that the guest calls: there a
// panic would show the user's registers.
func handlers(kernel *image.Image) []wire.ReadingPlace {
	var list []wire.ReadingPlace
	for _, name := range []string{"sys_getppid", "sys_full_frame"} {
		if at, ok := kernel.Object.Addr(name); ok {
			list = append(list, wire.ReadingPlace{At: at})
		}
	}
	return list
}

// compare holds readings against an audit.
func compare(a *prove.Audit, readings []wire.Reading) (*Result, error) {
	r := &Result{Audit: a, Seen: make([]Seen, len(a.Cells))}
	met := map[uint64]bool{}
	for _, got := range readings {
		i := cellOf(a, got)
		if i < 0 {
			return nil, fmt.Errorf("audit: the guest reports reader %d of a thread in state %d: %v", got.Reader, got.State, got)
		}
		c, seen := &a.Cells[i], &r.Seen[i]
		right := got.Got == got.Want
		if right {
			seen.Right++
		} else {
			if seen.Wrong == 0 {
				seen.First = got
			}
			seen.Wrong++
		}
		if got.At != 0 {
			met[got.At] = true
		}
		// A full-frame call is on the fast path until it has come to its wrapper.
		ok := allowed(c, got.At, right)
		if j := a.Find(c.Row, fastOf(c.State)); !ok && got.At != 0 && j >= 0 {
			ok = allowed(&a.Cells[j], got.At, right)
		}
		if !ok {
			r.Differs = append(r.Differs, fmt.Sprintf("%s, %v: the boot read %#x at %#x, the user's RSP was %#x; the proof says %v", c.Row, c.State, got.Got, got.At, got.Want, c.Verdict))
		}
	}
	r.Met, r.Places = len(met), len(places(a))
	return r, nil
}

// cellOf returns the index of the audit's cell of a reading, -1 if there is none.
func cellOf(a *prove.Audit, got wire.Reading) int {
	for i, c := range a.Cells {
		if c.Reader == got.Reader && int(c.State) == got.State && (c.NMI == (got.NMI != 0) || got.At == 0) {
			return i
		}
	}
	return -1
}

// fastOf returns the state on the fast path that is like one on the slow path, and any
// other as it is.
func fastOf(s prove.ThreadState) prove.ThreadState {
	switch s {
	case prove.InSlowPath:
		return prove.InFastPath
	case prove.PreemptedInSlow:
		return prove.PreemptedInFast
	}
	return s
}

// allowed reports whether the proof says that a reader may find that.
func allowed(c *prove.AuditCell, at uint64, right bool) bool {
	found := c.Found()
	for _, p := range c.Places {
		if at != 0 && p.Addr == at {
			found = p.Found
		}
	}
	if right {
		return found.Has(prove.Right)
	}
	return found.Has(prove.Stale) || found.Has(prove.Undefined)
}
