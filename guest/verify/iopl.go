package verify

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/regs"
)

// postPort is the port of the firmware's progress, which nobody minds being read.
const postPort = 0x80

// checkIOPL uses a port, CLI and STI before, at and after level 3. The levels last from
// the return of iopl on, over other calls, and iopl changes nothing else. With FRED there
// is level 0 alone.
func checkIOPL(fx *fixture) error {
	restore, err := catch(syscall.SIGUSR2, regs.Action{}) // empties the log
	if err != nil {
		return err
	}
	defer restore()
	defer syscall.RawSyscall(syscall.SYS_IOPL, 0, 0, 0)
	privileged := func(i regs.Insn) *regs.Context {
		c := fx.call(0, postPort)
		c.In.DX, c.Insn = postPort, regs.Address(0, i)
		return c
	}
	levels, refused := true, syscall.Errno(0)
	if fx.variant.Info.FRED != 0 {
		levels, refused = false, syscall.EPERM
	}
	steps := []struct {
		what    string
		c       *regs.Context
		allowed bool // at its end
		errno   syscall.Errno
	}{
		{"IN at level 0", privileged(regs.Port), false, 0},
		{"CLI at level 0", privileged(regs.CliSti), false, 0},
		{"iopl(2)", fx.call(0, syscall.SYS_IOPL, 2), false, refused},
		{"IN at level 2", privileged(regs.Port), false, 0},
		{"iopl(3)", fx.call(0, syscall.SYS_IOPL, 3), levels, refused},
		{"IN at level 3", privileged(regs.Port), levels, 0},
		{"CLI and STI at level 3", privileged(regs.CliSti), levels, 0},
		{"a null call at level 3", fx.call(0, syscall.SYS_GETPPID), levels, 0},
		{"iopl(4)", fx.call(0, syscall.SYS_IOPL, 4), levels, syscall.EINVAL},
		{"iopl(-1)", fx.call(0, syscall.SYS_IOPL, 1<<32-1), levels, syscall.EINVAL},
		{"IN at level 3 after refusals", privileged(regs.Port), levels, 0},
		{"iopl(0)", fx.call(0, syscall.SYS_IOPL, 0), false, 0},
		{"CLI at level 0 again", privileged(regs.CliSti), false, 0},
	}
	contexts := make([]*regs.Context, len(steps))
	for n, s := range steps {
		contexts[n] = s.c
	}
	fx.run(contexts...)
	var level, faults layout.Word
	for _, s := range steps {
		before := level
		want := s.c.In
		switch s.c.Insn {
		case regs.Address(0, regs.Syscall):
			want = fx.wantAfter(s.c, 0, s.c.Out.AX)
			want.R11 |= before
			if s.c.In.AX == syscall.SYS_IOPL {
				want.AX = 0
				if s.errno != 0 {
					want.AX = failure(s.errno)
				} else {
					level = s.c.In.DI * (x86.X86_EFLAGS_IOPL / 3)
				}
				fx.fromEither(s.c, &want)
			}
		case regs.Address(0, regs.Port):
			want.IP, want.AX = s.c.Insn+regs.PortSize, s.c.In.AX&^0xff|s.c.Out.AX&0xff
		default:
			want.IP = s.c.Insn + regs.CliStiSize
		}
		if s.c.Insn != regs.Address(0, regs.Syscall) && !s.allowed {
			want.IP, want.AX = regs.Address(0, regs.Alternate), s.c.In.AX
			faults++
		}
		want.Flags |= level
		if err := fx.compare(s.c, want, 0); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	if got := signalNumbers(regs.Traps()); !slices.Equal(got, slices.Repeat([]syscall.Signal{syscall.SIGSEGV}, int(faults))) {
		return fmt.Errorf("got signals %v, want SIGSEGV %d times", got, faults)
	}
	return nil
}
