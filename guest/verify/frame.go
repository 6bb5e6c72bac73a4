package verify

import (
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// frameChecks read the kernel's frame of a call and compare every slot with what
// the variant promises. They also change slots and check what user mode sees of
// that.
var frameChecks = []check{
	{"slots of an ordinary call", withControl(checkFrame)},
	{"slots left alone by an ordinary call", withControl(checkRoom)},
	{"slots of a full-frame call", withControl(checkFullFrame)},
	{"a changed flags slot reaches user mode", withControl(checkSetFlags)},
	{"a changed sp slot reaches user mode", withControl(checkSetSP)},
	{"a changed ip slot reaches user mode", withControl(checkSetIP)},
	{"a changed ax slot reaches user mode, all 64 bits", withControl(checkSetAX)},
	{"a changed flags slot with TF traps behind the next instruction", withControl(checkTF(inSlot, afterChange))},
	{"a changed flags slot with RF passes a breakpoint", withControl(checkRF)},
	{"iopl allows ports, CLI and STI at level 3 alone", withControl(checkIOPL)},
	{"an ip slot of no user's is refused", withControl(cannotReturn(layout.SlotIP,
		1<<47, 1<<48-1, 1<<48, 1<<62, 1<<63, 0xffff_7fff_ffff_ffff, kernelHalf, kernelText, ^layout.Word(0)))},
	{"a cs slot of no user's code is refused", withControl(cannotReturn(layout.SlotCS, x86.USER_DS, nullSelector, ofLDT, beyondGDT))},
	{"an ss slot of no user's data is refused", withControl(cannotReturn(layout.SlotSS, x86.USER_CS, nullSelector, ofLDT, beyondGDT))},
}

// Selectors of RPL 3 that belong to no segment: the null descriptor's, one in the LDT,
// which is empty, and the last one possible.
const (
	nullSelector = 3
	ofLDT        = x86.USER_DS | 1<<2
	beyondGDT    = 0xfffb
)

type frame = layout.PtRegs[layout.Word]

// frameOf poisons the kernel stack, makes call nr with random user flags, and
// returns the context and the frame that the kernel saw.
func (fx *fixture) frameOf(nr uint64) (*regs.Context, *frame, error) {
	f := (*frame)(unsafe.Pointer(unsafe.SliceData(fx.mem.Words(int(layout.NumSlots)))))
	c := fx.call(0, layout.SysPoison, uint64(uintptr(unsafe.Pointer(f))))
	c.In.Flags = flagsIdle | layout.Word(fx.rng.Uint64())&flagsUser
	c.Insn = regs.Address(0, regs.Twice)
	c.Second = layout.Word(nr)
	fx.run(c)
	c.In.AX = layout.Word(nr) // from here on it describes the second call
	if c.Out.AX == failure(syscall.ENOSYS) || c.Out.AX == failure(syscall.EFAULT) {
		return nil, nil, lines.Harness(fmt.Sprintf("control call %d: %v", nr, syscall.Errno(-c.Out.AX)))
	}
	want := fx.wantAfter(c, 0, 0)
	if err := fx.compare(c, want, 0); err != nil {
		return nil, nil, err
	}
	return c, f, nil
}

func checkFrame(fx *fixture) error {
	c, f, err := fx.frameOf(layout.SysFrame)
	if err != nil {
		return err
	}
	want := fx.wantFrame(c, 0)
	return compareFrame(&want, f, layout.Slots(fx.variant.Info.Defined))
}

// roomTries is the number of attempts of checkRoom: an interrupt between the
// poisoning and the call writes full pt_regs to the same place.
const roomTries = 4

func checkRoom(fx *fixture) error {
	set := layout.Slots(fx.variant.Info.Room &^ fx.variant.Info.Defined)
	if set == 0 {
		return lines.Skip("the variant defines every slot that it has room for")
	}
	var last error
	for range roomTries {
		_, f, err := fx.frameOf(layout.SysFrame)
		if err != nil {
			return err
		}
		if last = comparePoison(f, set); last == nil {
			return nil
		}
	}
	return last
}

func checkFullFrame(fx *fixture) error {
	c, f, err := fx.frameOf(layout.SysFullFrame)
	if err != nil {
		return err
	}
	want := fx.wantFrame(c, 0)
	if !fx.keeps {
		want.CX = fx.fullCX(want.IP)
	}
	return compareFrame(&want, f, layout.Slots(fx.variant.Info.Full)|layout.SlotSet(layout.SlotCX))
}

// fullCX returns the value of the CX slot after the fix-up, in a call that returns to
// ip.
func (fx *fixture) fullCX(ip layout.Word) layout.Word {
	if cx := fx.variant.Info.FullCX; cx != 0 {
		return cx
	}
	return ip
}

// setSlot makes a call whose handler changes a slot of its own frame. RCX and R11
// may then come from either of two slots, unless FRED keeps them; all other values are
// known.
func (fx *fixture) setSlot(s layout.Slot, value layout.Word) (c *regs.Context, want regs.State) {
	c = fx.call(0, layout.SysSetFrame, uint64(s), uint64(value))
	fx.run(c)
	want = fx.wantAfter(c, 0, 0)
	fx.fromEither(c, &want)
	return c, want
}

// fromEither takes RCX and R11 from either of the slots that an exit behind a changed
// frame may take them from.
func (fx *fixture) fromEither(c *regs.Context, want *regs.State) {
	if fx.keeps {
		return
	}
	if c.Out.CX < kernelHalf || c.Out.CX == fx.fullCX(want.IP) {
		want.CX = c.Out.CX
	}
	if c.Out.R11 < kernelHalf {
		want.R11 = c.Out.R11
	}
}

// checkSetFlags changes the flags that a signal frame may set on Linux, to which NT
// and ID do not belong.
func checkSetFlags(fx *fixture) error {
	for _, flag := range []layout.Word{x86.X86_EFLAGS_CF, x86.X86_EFLAGS_DF, x86.X86_EFLAGS_AC, x86.X86_EFLAGS_OF, x86.X86_EFLAGS_AC | x86.X86_EFLAGS_DF} {
		c, want := fx.setSlot(layout.SlotFlags, flagsIdle|flag)
		want.Flags = flagsIdle | flag
		if err := fx.compare(c, want, 0); err != nil {
			return fmt.Errorf("flags slot set to %s: %w", flagNames(flagsIdle|flag), err)
		}
	}
	return nil
}

func checkSetSP(fx *fixture) error {
	sp := fx.stackPointer(0) - 512
	c, want := fx.setSlot(layout.SlotSP, sp)
	want.SP = sp
	return fx.compare(c, want, 0)
}

func checkSetIP(fx *fixture) error {
	ip := regs.Address(0, regs.Alternate)
	c, want := fx.setSlot(layout.SlotIP, ip)
	want.IP = ip
	return fx.compare(c, want, 0)
}

// checkSetAX makes a handler put words into the result's slot that lose something if
// they are treated as 32 bits, signed or not.
func checkSetAX(fx *fixture) error {
	for _, ax := range []layout.Word{0x7654_3210_89ab_cdef, 0x8000_0000, 1 << 32, 0x7fff_ffff_0000_0001} {
		c, want := fx.setSlot(layout.SlotAX, ax)
		want.AX = ax
		if err := fx.compare(c, want, 0); err != nil {
			return fmt.Errorf("ax slot set to %v: %w", ax, err)
		}
	}
	return nil
}

// cannotReturn checks that a slot of the frame, changed to a value with which no program
// can continue, ends in one SIGSEGV: IRETQ faults, and SYSRETQ, which tests
// neither selector and on some CPUs faults in ring 0, must not be used.
func cannotReturn(s layout.Slot, values ...layout.Word) func(*fixture) error {
	return func(fx *fixture) error {
		for _, value := range values {
			if err := fx.cannotReturn(s, value); err != nil {
				return fmt.Errorf("%v slot set to %v: %w", s, value, err)
			}
		}
		return nil
	}
}

func (fx *fixture) cannotReturn(s layout.Slot, value layout.Word) error {
	restore, err := catch(syscall.SIGUSR2, regs.Action{}) // empties the log
	if err != nil {
		return err
	}
	defer restore()
	c, want := fx.setSlot(s, value)
	if got := signalNumbers(regs.Traps()); !slices.Equal(got, []syscall.Signal{syscall.SIGSEGV}) {
		return fmt.Errorf("got signals %v, want one SIGSEGV", got)
	}
	want.IP = regs.Address(0, regs.Alternate)
	return fx.compare(c, want, 0)
}
