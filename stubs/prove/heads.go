package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// KernelHeads is what the proof of [Heads] calls its subject.
const KernelHeads = "the kernel's own entries of interrupts"

// Heads proves the entries of interrupts and exceptions that a linked kernel has for all
// variants that bring none of their own: they get the kernel's GS from both rings and, of
// events that can come at any instruction, from either GS. What is behind them is not
// followed: [stubs.ErrorEntry] is proved up to error_from_user and error_from_kernel.
func Heads(obj *asm.Object) (*Proof, error) {
	s, err := newHeads(obj)
	if err != nil {
		return nil, err
	}
	return s.report(s.prove(false), obj), nil
}

// newHeads finds the entries in a linked kernel.
func newHeads(obj *asm.Object) (*subject, error) {
	s := &subject{
		name: KernelHeads, base: KernelHeads,
		kernel: map[uint64]*function{}, names: map[uint64]string{}, s: newSymbols(),
	}
	ends := map[string]uint64{}
	for _, sym := range obj.Symbols {
		if f := contracts[sym.Name]; f != nil {
			s.kernel[sym.Addr] = f
		}
		s.names[sym.Addr], ends[sym.Name] = sym.Name, sym.Addr+sym.Size
	}
	for _, head := range []struct {
		name, end string // end: what its head falls into, if that has a contract
		at        *uint64
	}{{stubs.ErrorEntry, "error_from_user", &s.errorEntry}, {stubs.ParanoidEntry, "", &s.paranoidEntry}} {
		from, ok := obj.Addr(head.name)
		to := ends[head.name]
		if head.end != "" && ok {
			to, ok = obj.Addr(head.end)
		}
		code := bytesAt(obj, from, to-from)
		if !ok || to < from || code == nil {
			return nil, fmt.Errorf("the kernel's %s: it has no such function that ends at %q", head.name, head.end)
		}
		*head.at = from
		s.parts = append(s.parts, part{head.name, from, code, make([]*inst, len(code))})
	}
	var ok bool
	if s.percpuArea, ok = obj.Addr("percpu"); !ok {
		return nil, fmt.Errorf("%s: the program has no percpu", KernelHeads)
	}
	return s, nil
}
