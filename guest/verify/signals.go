package verify

import (
	"fmt"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// signalChecks check the return from a signal handler. rt_sigreturn must restore
// every register, RCX and R11 included, so it cannot end in SYSRET; and a bad RIP
// must not fault in ring 0.
var signalChecks = []check{
	{"signal to the own thread", checkOwnSignal},
	{"signal to a thread that spins in user mode", checkSpinSignal},
	{"sigreturn with TF where RCX is RIP and R11 is RFLAGS", checkTF(bySigreturn, afterFrame)},
	{"sigreturn to 1<<47", sigreturnTo(1 << 47)},
	{"sigreturn to 1<<48", sigreturnTo(1 << 48)},
	{"sigreturn to 1<<62", sigreturnTo(1 << 62)},
	{"sigreturn to 1<<63", sigreturnTo(1 << 63)},
	{"sigreturn to the end of the non-canonical hole", sigreturnTo(0xffff_7fff_ffff_fffe)},
	{"sigreturn to the end of user memory", func(fx *fixture) error { return sigreturnTo(fx.userEnd())(fx) }},
	{"sigreturn to a kernel address", sigreturnTo(kernelText)},
}

// userEnd returns the end of user memory, one page below the non-canonical
// hole (Linux's TASK_SIZE_MAX, arch/x86/include/asm/page_64_types.h). With
// 5-level paging, which only Linux uses here, the hole is higher up.
func (fx *fixture) userEnd() layout.Word {
	const fourLevels, fiveLevels = 1<<47 - page, 1<<56 - page
	if !fx.kernel.Linux {
		return fourLevels
	}
	at, errno := mmap(1<<48, syscall.PROT_READ, mapFixedNoReplace)
	if errno != 0 {
		return fourLevels
	}
	munmap(at)
	if at != 1<<48 {
		return fourLevels
	}
	return fiveLevels
}

// catch works like regs.Catch, but with an error that is a lines.Harness.
func catch(sig syscall.Signal, a regs.Action) (restore func(), err error) {
	restore, err = regs.Catch(sig, a)
	if err != nil {
		return nil, lines.Harness(err.Error())
	}
	return restore, nil
}

// signalSelf returns a call that sends SIGUSR2 to the calling thread, and the state
// that is expected once the handler has returned. The return is by IRET, which
// loads RCX from the slot that the variant's fix-up wrote.
func (fx *fixture) signalSelf() (*regs.Context, regs.State) {
	c := fx.call(0, syscall.SYS_TGKILL, fx.pid, fx.tid, uint64(syscall.SIGUSR2))
	c.In.Flags = fx.flags()
	want := fx.wantAfter(c, 0, 0)
	if !fx.keeps {
		want.CX = fx.fullCX(want.IP)
	}
	return c, want
}

func checkOwnSignal(fx *fixture) error {
	for range 4 {
		restore, err := catch(syscall.SIGUSR2, regs.Action{})
		if err != nil {
			return err
		}
		c, want := fx.signalSelf()
		fx.run(c)
		restore()
		if traps := regs.Traps(); len(traps) != 1 {
			return fmt.Errorf("%d signals arrived, want 1", len(traps))
		} else if err := compareTrap(&want, &traps[0]); err != nil {
			return fmt.Errorf("signal frame: %w", err)
		}
		if err := fx.compare(c, want, 0); err != nil {
			return err
		}
	}
	return fx.checkStack(0)
}

// compareTrap returns how the registers in a signal frame differ from s.
func compareTrap(s *regs.State, t *regs.Trap) error {
	var diffs []string
	for i, r := range []struct {
		name string
		want layout.Word
	}{
		{"r8", s.R8},
		{"r9", s.R9},
		{"r10", s.R10},
		{"r11", s.R11},
		{"r12", s.R12},
		{"r13", s.R13},
		{"r14", s.R14},
		{"r15", s.R15},
		{"di", s.DI},
		{"si", s.SI},
		{"bp", s.BP},
		{"bx", s.BX},
		{"dx", s.DX},
		{"ax", s.AX},
		{"cx", s.CX},
		{"sp", s.SP},
		{"ip", s.IP},
		{"flags", s.Flags},
	} {
		if got := t.Regs[regs.GregR8+i]; got != r.want {
			diffs = append(diffs, fmt.Sprintf("%s is %v, want %v", r.name, got, r.want))
		}
	}
	if cs := t.Regs[regs.GregCS] & 0xffff; cs != x86.USER_CS {
		diffs = append(diffs, fmt.Sprintf("cs is %v, want %#x", cs, x86.USER_CS))
	}
	return join(diffs)
}

// spinSlice is a time slice that is long enough for the loop to be reached and
// short enough for 16 of them.
const spinSlice = 4 * layout.MinTimeSlice

// checkSpinSignal sends a signal to a loop that touches no register. The second
// thread repeats the signal until it has hit the loop. Each of its yields leaves the
// CPU to the loop for a time slice, which is why that is made short.
func checkSpinSignal(fx *fixture) error {
	spin, alternate := regs.Address(0, regs.Spin), regs.Address(0, regs.Alternate)
	c := fx.call(0, 0)
	c.In.Flags = fx.flags()
	c.Insn = spin
	want := c.In
	want.IP = alternate

	sleep := fx.call(1, syscall.SYS_NANOSLEEP, fx.timespec(50*time.Microsecond), 0)
	others := fx.repeated(rounds, 1, syscall.SYS_SCHED_YIELD)
	kill := fx.call(1, syscall.SYS_TGKILL, fx.pid, fx.tid, uint64(syscall.SIGUSR2))
	again(kill, sleep, &c.Done, sleepLimit)

	restore, err := catch(syscall.SIGUSR2, regs.Action{When: spin, SetIP: 1, IP: alternate})
	if err != nil {
		return err
	}
	defer restore()
	if !fx.kernel.Linux {
		old, err := regs.TimeSlice(spinSlice)
		if err != nil {
			return lines.Harness(err.Error())
		}
		defer regs.TimeSlice(old)
	}
	chain := append(append([]*regs.Context{sleep}, others...), kill)
	if err := fx.both([]*regs.Context{c}, chain); err != nil {
		return err
	}
	if err := fx.compare(c, want, 0); err != nil {
		return err
	}
	if err := fx.checkStack(0); err != nil {
		return err
	}
	return fx.kept(1, chain, zero)
}

// sigreturnTo returns the check that a signal handler's return to ip ends in
// SIGSEGV at ip, in user mode, with the registers unchanged.
func sigreturnTo(ip layout.Word) func(*fixture) error {
	return func(fx *fixture) error {
		restore, err := catch(syscall.SIGUSR2, regs.Action{SetIP: 1, IP: ip})
		if err != nil {
			return err
		}
		defer restore()
		c, want := fx.signalSelf()
		fx.run(c)
		return fx.checkFault(c, want, ip, syscall.SIGUSR2, syscall.SIGSEGV)
	}
}

// checkFault checks that the given signals arrived, the last of them with the
// registers of want and RIP ip, and that the program continued where its handler
// said.
func (fx *fixture) checkFault(c *regs.Context, want regs.State, ip layout.Word, signals ...syscall.Signal) error {
	traps := regs.Traps()
	for i, sig := range signals {
		if i >= len(traps) || traps[i].Signal != layout.Word(sig) {
			return fmt.Errorf("got signals %v, want %v", signalNumbers(traps), signals)
		}
	}
	want.IP = ip
	last := traps[len(signals)-1]
	last.Regs[regs.GregFlags] &^= x86.X86_EFLAGS_RF // a fault's frame has it, so that a breakpoint there does not hit twice
	if err := compareTrap(&want, &last); err != nil {
		return fmt.Errorf("frame of the last signal: %w", err)
	}
	want.IP = regs.Address(0, regs.Alternate)
	return fx.compare(c, want, 0)
}

func signalNumbers(traps []regs.Trap) []syscall.Signal {
	numbers := make([]syscall.Signal, len(traps))
	for i, t := range traps {
		numbers[i] = syscall.Signal(t.Signal)
	}
	return numbers
}
