package verify

import (
	"fmt"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/regs"
)

// stackChecks look for what a call or a trap has left on the kernel stack below its
// frame. They are for variants that promise to leave nothing.
var stackChecks = []check{
	{"what the null call leaves", stackLeft(syscall.SYS_GETPPID, regs.Syscall)},
	{"what an unknown call leaves", stackLeft(600, regs.Syscall)},
	{"what a full-frame call leaves", stackLeft(layout.SysFullFrame, regs.Syscall)},
	{"what a call that fills the stack leaves", stackLeft(layout.SysPoison, regs.Syscall)},
	{"what a call by IRET leaves", stackLeft(layout.SysSetFrame, regs.Syscall, uint64(layout.SlotCX), 0)},
	{"what a sleep leaves", withWords(func(p uint64) func(*fixture) error {
		return stackLeft(syscall.SYS_NANOSLEEP, regs.Syscall, p)
	})},
	{"what an interrupt leaves", stackLeft(layout.SysInfo, regs.Interrupt, ^uint64(0))},
}

// stackLeft makes call nr and then asks what is left.
func stackLeft(nr uint64, by regs.Insn, args ...uint64) func(*fixture) error {
	return func(fx *fixture) error {
		first := fx.call(0, nr, append(args, 0)...)
		first.Insn = regs.Address(0, by)
		look := fx.call(0, layout.SysStackLeft)
		fx.run(first, look)
		if look.Out.AX != 0 {
			return fmt.Errorf("%d words are left on the stack, want 0", uint64(look.Out.AX))
		}
		return nil
	}
}
