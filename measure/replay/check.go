package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// promise is what a variant does with the frame, according to the build.
type promise struct {
	defined, room, full layout.Slots
	fullCX              uint64
	bare                bool
	cut                 bool // a path, whose frame is read by what stands for the C part
}

// promiseOf reads the description of the i-th variant from the build.
func promiseOf(obj *asm.Object, i int) (promise, error) {
	at, ok := obj.Addr("variants")
	if !ok {
		return promise{}, errors.New("the build does not describe its variants")
	}
	at += uint64(i * asm.SizeOf[layout.VariantDesc[asm.Mem]]())
	info := asm.Slots[layout.VariantDesc[asm.Slot]]().Info
	read := func(s asm.Slot) uint64 {
		for _, sec := range obj.Sections {
			if off := at + uint64(s.Off) - sec.Addr; off < uint64(len(sec.Bytes)) {
				return binary.LittleEndian.Uint64(sec.Bytes[off:])
			}
		}
		return 0
	}
	return promise{
		defined: layout.Slots(read(info.Defined)), room: layout.Slots(read(info.Room)), full: layout.Slots(read(info.Full)),
		fullCX: read(info.FullCX), bare: read(info.Bare) == 1,
	}, nil
}

// check compares what a call did with what the variant promises: which registers it
// restores, which slots it fills, and which slots it leaves alone.
func (r *Replay) check(t *trip) error {
	p := r.promises[t.Stream]
	var errs []error
	for reg, want := range t.Want {
		if reg != outRAX && t.Regs[reg] != want {
			errs = append(errs, fmt.Errorf("%s is %#x, want %#x", outNames[reg], t.Regs[reg], want))
		}
	}
	result := t.Result
	if p.bare {
		result = 0
	}
	if t.Regs[outRAX] != result {
		errs = append(errs, fmt.Errorf("RAX is %#x, want the result %#x", t.Regs[outRAX], result))
	}
	for slot := range layout.NumSlots {
		if p.cut {
			break
		}
		if got, want, ok := t.Frame[slot], p.slot(slot, t), true; want != nil {
			ok = got == *want
			if !ok {
				errs = append(errs, fmt.Errorf("slot %v is %#x, want %#x", slot, got, *want))
			}
		}
	}
	if userSP := t.Want[outRSP] - 8; !p.bare && !p.cut && !slices.Contains(t.Scratch[:], userSP) {
		errs = append(errs, fmt.Errorf("RSPScratch is %#x and TSS.SP2 %#x, want %#x in one of them", t.Scratch[0], t.Scratch[1], userSP))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("variant %s does not do in the replay what it promises: %w", r.job.Streams[t.Stream].Name, err)
	}
	return nil
}

// slot returns what a slot of the frame must hold after a call; nil if nothing is promised.
func (p promise) slot(s layout.Slot, t *trip) *uint64 {
	value := t.user(s)
	switch {
	case t.Full && s == layout.SlotCX && p.fullCX != 0:
		value = p.fullCX
	case t.Full && p.full.Has(s), p.defined.Has(s):
	case !t.Full && p.room.Has(s), p.bare:
		value = layout.Poison + 8*uint64(s)
	default:
		return nil // below a partial frame the stack is in use
	}
	return &value
}

// user returns the user's value for a slot. The ax slot holds the result once the call is
// over.
func (t *trip) user(s layout.Slot) uint64 {
	regs := map[layout.Slot]int{
		layout.SlotR15: outR15, layout.SlotR14: outR14, layout.SlotR13: outR13, layout.SlotR12: outR12,
		layout.SlotBP: outRBP, layout.SlotR11: outR11, layout.SlotR10: outR10, layout.SlotR9: outR9,
		layout.SlotR8: outR8, layout.SlotCX: outRCX, layout.SlotDX: outRDX, layout.SlotSI: outRSI, layout.SlotDI: outRDI,
		layout.SlotOrigAX: outR13, layout.SlotIP: outR12, layout.SlotFlags: outR15,
	}
	switch s {
	case layout.SlotBX:
		return 1 // the current round
	case layout.SlotAX:
		return t.Result
	case layout.SlotSP:
		return t.Want[outRSP] - 8
	case layout.SlotCS:
		return x86.USER_CS
	case layout.SlotSS:
		return x86.USER_DS
	}
	return t.Want[regs[s]]
}
