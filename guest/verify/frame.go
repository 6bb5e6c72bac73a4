package verify

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/regs"
	"github.com/entrylab/entrylab/guest/report"
)

// frameChecks read the kernel's frame of a call and compare every slot with
// what the variant promises, and change slots and look at what user mode sees.
var frameChecks = []check{
	{"slots of an ordinary call", withControl(checkFrame)},
	{"slots left alone by an ordinary call", withControl(checkRoom)},
	{"slots of a full-frame call", withControl(checkFullFrame)},
	{"a changed flags slot reaches user mode", withControl(checkSetFlags)},
	{"a changed sp slot reaches user mode", withControl(checkSetSP)},
	{"a changed ip slot reaches user mode", withControl(checkSetIP)},
}

type frame = layout.PtRegs[layout.Word]

// frameOf runs call nr behind a poisoned kernel stack, with all user flags
// random, and returns the context and the frame that the kernel saw.
func (l *lab) frameOf(nr uint64) (*regs.Context, *frame, error) {
	f := (*frame)(unsafe.Pointer(unsafe.SliceData(l.mem.Words(int(layout.NumSlots)))))
	c := l.call(0, layout.SysPoison, uint64(uintptr(unsafe.Pointer(f))))
	c.In.Flags = flagsIdle | layout.Word(l.rng.Uint64())&flagsUser
	c.Insn = regs.Address(0, regs.Twice)
	c.Second = layout.Word(nr)
	l.run(c)
	c.In.AX = layout.Word(nr) // from here on it stands for the second call
	if c.Out.AX == failure(syscall.ENOSYS) || c.Out.AX == failure(syscall.EFAULT) {
		return nil, nil, report.Harness(fmt.Sprintf("control call %d: %v", nr, syscall.Errno(-c.Out.AX)))
	}
	want := wantAfter(c, 0, 0)
	if err := l.compare(c, want, 0); err != nil {
		return nil, nil, err
	}
	return c, f, nil
}

func checkFrame(l *lab) error {
	c, f, err := l.frameOf(layout.SysFrame)
	if err != nil {
		return err
	}
	want := wantFrame(c, 0)
	return compareFrame(&want, f, layout.Slots(l.variant.Info.Defined))
}

// roomTries is how often checkRoom looks: an interrupt between poisoning and
// the call writes a whole frame to the same place.
const roomTries = 4

func checkRoom(l *lab) error {
	set := layout.Slots(l.variant.Info.Room &^ l.variant.Info.Defined)
	if set == 0 {
		return report.Skip("the variant defines every slot that it has room for")
	}
	var last error
	for range roomTries {
		_, f, err := l.frameOf(layout.SysFrame)
		if err != nil {
			return err
		}
		if last = comparePoison(f, set); last == nil {
			return nil
		}
	}
	return last
}

func checkFullFrame(l *lab) error {
	c, f, err := l.frameOf(layout.SysFullFrame)
	if err != nil {
		return err
	}
	want := wantFrame(c, 0)
	want.CX = l.fullCX(want.IP)
	return compareFrame(&want, f, layout.Slots(l.variant.Info.Full)|layout.SlotSet(layout.SlotCX))
}

// fullCX is the CX slot after the fix-up of a call that returns to ip.
func (l *lab) fullCX(ip layout.Word) layout.Word {
	if cx := l.variant.Info.FullCX; cx != 0 {
		return cx
	}
	return ip
}

// setSlot makes a call whose handler changes a slot of its own frame. RCX and
// R11 may come from either of two slots then; all else is known.
func (l *lab) setSlot(s layout.Slot, value layout.Word) (c *regs.Context, want regs.State) {
	c = l.call(0, layout.SysSetFrame, uint64(s), uint64(value))
	l.run(c)
	want = wantAfter(c, 0, 0)
	if c.Out.CX < kernelHalf || c.Out.CX == l.fullCX(want.IP) {
		want.CX = c.Out.CX
	}
	if c.Out.R11 < kernelHalf {
		want.R11 = c.Out.R11
	}
	return c, want
}

// checkSetFlags changes flags that a signal frame may set on Linux; NT and ID
// are not among them.
func checkSetFlags(l *lab) error {
	for _, flag := range []layout.Word{flagCF, flagDF, flagAC, flagOF, flagAC | flagDF} {
		c, want := l.setSlot(layout.SlotFlags, flagsIdle|flag)
		want.Flags = flagsIdle | flag
		if err := l.compare(c, want, 0); err != nil {
			return fmt.Errorf("flags slot set to %s: %w", flagNames(flagsIdle|flag), err)
		}
	}
	return nil
}

func checkSetSP(l *lab) error {
	sp := l.stackPointer(0) - 512
	c, want := l.setSlot(layout.SlotSP, sp)
	want.SP = sp
	return l.compare(c, want, 0)
}

func checkSetIP(l *lab) error {
	ip := regs.Address(0, regs.Alternate)
	c, want := l.setSlot(layout.SlotIP, ip)
	want.IP = ip
	return l.compare(c, want, 0)
}
