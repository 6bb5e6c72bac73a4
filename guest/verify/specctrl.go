package verify

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/regs"
)

// specCtrlChecks compare SPEC_CTRL in ring 3 and in the kernel with what the
// variant promises, after each kind of return. They are for variants that need
// IBRS.
var specCtrlChecks = []check{
	{"SPEC_CTRL after the null call", specCtrl(syscall.SYS_GETPPID, regs.Syscall)},
	{"SPEC_CTRL after an unknown call", specCtrl(600, regs.Syscall)},
	{"SPEC_CTRL after a full-frame call", specCtrl(layout.SysFullFrame, regs.Syscall)},
	{"SPEC_CTRL after a call that returns by IRET", specCtrl(layout.SysPoison, regs.Syscall)},
	{"SPEC_CTRL after a sleep", withWords(func(p uint64) func(*fixture) error {
		return specCtrl(syscall.SYS_NANOSLEEP, regs.Syscall, p)
	})},
	{"SPEC_CTRL after an interrupt", specCtrl(layout.SysInfo, regs.Interrupt, ^uint64(0))},
}

// specCtrl makes call nr and then reads SPEC_CTRL twice: by an interrupt, which
// finds ring 3's value, and by a call, which finds the kernel's.
func specCtrl(nr uint64, by regs.Insn, args ...uint64) func(*fixture) error {
	return func(fx *fixture) error {
		words := fx.mem.Words(int(unsafe.Sizeof(layout.Stats[layout.Word]{}) / 8))
		stats := (*layout.Stats[layout.Word])(unsafe.Pointer(unsafe.SliceData(words)))
		first := fx.call(0, nr, append(args, 0)...)
		first.Insn = regs.Address(0, by)
		interrupt := fx.call(0, layout.SysInfo, ^uint64(0))
		interrupt.Insn = regs.Address(0, regs.Interrupt)
		look := fx.call(0, layout.SysStats, uint64(address(words)))
		for _, c := range []*regs.Context{first, interrupt, look} {
			c.UseGS = 0
		}
		stats.SpecCtrlRing3 = ^layout.Word(0)
		fx.run(first, interrupt, look)
		switch {
		case look.Out.AX != 0:
			return fmt.Errorf("the call that reads it returns %v", look.Out.AX)
		case stats.SpecCtrl&x86.SPEC_CTRL_IBRS == 0:
			return fmt.Errorf("SPEC_CTRL is %v in the kernel, want IBRS set", stats.SpecCtrl)
		case stats.SpecCtrlRing3&x86.SPEC_CTRL_IBRS != 0:
			return fmt.Errorf("ring 3 was left with SPEC_CTRL %v, want IBRS clear", stats.SpecCtrlRing3)
		}
		return nil
	}
}
