package verify

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/regs"
)

// specCtrlIBRS is the bit IBRS of MSR_IA32_SPEC_CTRL (SDM volume 4, 48H).
const specCtrlIBRS = 1 << 0

// specCtrlChecks look, of a variant that needs IBRS, at SPEC_CTRL on both sides
// of it, after a way out of each kind.
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

// specCtrl makes call nr, then has an interrupt tell what ring 3 was left with,
// and a call what it found in the kernel.
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
			return fmt.Errorf("the call that looks returns %v", look.Out.AX)
		case stats.SpecCtrl&specCtrlIBRS == 0:
			return fmt.Errorf("SPEC_CTRL is %v in the kernel, want IBRS set", stats.SpecCtrl)
		case stats.SpecCtrlRing3&specCtrlIBRS != 0:
			return fmt.Errorf("ring 3 was left with SPEC_CTRL %v, want IBRS clear", stats.SpecCtrlRing3)
		}
		return nil
	}
}
