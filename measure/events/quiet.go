package events

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/gen/layout"
)

// What keeps out events that are not the sweep's.

// begin makes the machine ready: its clock leaps while it stands still, and no
// interrupt of its timer may change a path.
func (s *sweep) begin() error {
	for _, p := range paths { // a loop that nothing arrives in has to be ended, too
		if p.strike != "" || p.entry == "" {
			continue
		}
		at, err := s.address(p.entry)
		if err != nil {
			return err
		}
		s.rest = append(s.rest, at)
	}
	if err := errors.Join(s.readText(), s.leaveOn("sys_rt_sigreturn")); err != nil {
		return err
	}
	return errors.Join(s.stub.Break(s.rest[1:]...), s.stub.SetCR8(maskAll))
}

// readText takes the text as the machine has it: with some variants the kernel's functions
// return by a thunk.
func (s *sweep) readText() error {
	const packet = 1024
	for off := 0; off < len(s.text); off += packet {
		b, err := s.stub.MemoryPhysical(s.textAddr+uint64(off)-layout.KernelBase, min(packet, len(s.text)-off))
		if err != nil {
			return err
		}
		copy(s.text[off:], b)
	}
	return nil
}

// leaveOn removes the CLI from a handler that returns with interrupts off: an exit
// that lacks its own CLI would be hidden by it. Nothing that it keeps out
// comes in a sweep.
func (s *sweep) leaveOn(handler string) error {
	const nop = 0x90
	f, err := s.function(handler)
	if err != nil {
		return err
	}
	for at := f[0]; at < f[1]; {
		code := s.text[at-s.textAddr:]
		inst, err := x86asm.Decode(code[:min(maxInst, len(code))], 64)
		switch {
		case err != nil:
			return fmt.Errorf("events: %s: %w", s.name(at), err)
		case inst.Op == x86asm.CLI:
			return s.stub.WritePhysical(at-layout.KernelBase, binary.LittleEndian.Uint32(code)&^0xff|nop)
		}
		at += uint64(inst.Len)
	}
	return fmt.Errorf("events: %s has no CLI", handler)
}

// maskAll is the task priority that no interrupt exceeds (SDM volume 3, 11.8.3.1).
const maskAll = 15

// noTimers makes the kernel forget its timers: a sleeping thread stays asleep.
func (s *sweep) noTimers() error {
	return errors.Join(
		s.stub.WritePhysical(s.timerHead-layout.KernelBase, 0), s.stub.WritePhysical(s.timerHead+4-layout.KernelBase, 0),
	)
}

// mayResched lets the timer switch threads, or not.
func (s *sweep) mayResched(may bool) error {
	word := uint32(1)
	if may {
		word = 0
	}
	return s.stub.WritePhysical(s.noResched-layout.KernelBase, word)
}

// sameStack has the call that is to begin find the stack where each finds it, whatever its
// kstack: registers of two rounds can be compared then. Page tables of ring 3 map none of
// these words.
func (s *sweep) sameStack() error {
	for i := range uint64(4) { // the generators' last numbers
		if err := s.stub.WritePhysical(s.random+4*i-layout.KernelBase, 1<<(8+i)); err != nil {
			return err
		}
	}
	b, err := s.stub.MemoryPhysical(s.current-layout.KernelBase, 8)
	if err != nil {
		return err
	}
	offset := binary.LittleEndian.Uint64(b) + uint64(unsafe.Offsetof(layout.Thread[uint64]{}.KStackOffset))
	return s.stub.WritePhysical(offset-layout.PhysMap, lowered)
}

// lowered is how much lower that is: neither nothing nor all that KStackMask allows.
const lowered = 0x150
