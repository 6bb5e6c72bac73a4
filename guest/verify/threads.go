package verify

import (
	"fmt"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// threadChecks look for the failure caused by keeping the user's RSP in the
// wrong place: a call gives up the CPU and returns with the right RIP and the RSP
// of another thread. Two threads, each on its own stack, yield, sleep, wake each
// other, and are preempted inside calls.
var threadChecks = []check{
	{"two threads yield", checkYield},
	{"two threads wake each other", checkWake},
	{"two threads yield in address spaces of their own", withControl(checkSpaces)},
	{"a thread sleeps while another calls", checkSleep},
	{"a new thread's first return", checkFirstReturn},
	{"preempted inside a call", withControl(func(fx *fixture) error { return checkPreempted(fx, 0) })},
	{"second thread preempted inside a call", withControl(func(fx *fixture) error { return checkPreempted(fx, 1) })},
}

const (
	rounds     = 16
	yieldLimit = 1 << 20 // rounds of a chain that yields until another thread is done
	sleepLimit = 1 << 15 // rounds of a chain that sleeps
)

// flags returns random user flags.
func (fx *fixture) flags() layout.Word { return flagsIdle | layout.Word(fx.rng.Uint64())&flagsUser }

// repeated returns n contexts of the same call on lane i, each with other patterns.
func (fx *fixture) repeated(n, i int, nr uint64, args ...uint64) []*regs.Context {
	contexts := make([]*regs.Context, n)
	for j := range contexts {
		contexts[j] = fx.call(i, nr, args...)
		contexts[j].In.Flags = fx.flags()
	}
	return contexts
}

// kept compares the state that each context of lane i has left with what it must
// leave; result returns the RAX of each.
func (fx *fixture) kept(i int, contexts []*regs.Context, result func(*regs.Context) layout.Word) error {
	for n, c := range contexts {
		if c.Done == 0 {
			return fmt.Errorf("thread %d never returned from call %d of %d", i, n+1, len(contexts))
		}
		want := fx.wantAfter(c, i, result(c))
		if err := fx.compare(c, want, i); err != nil {
			return fmt.Errorf("thread %d, call %d of %d: %w", i, n+1, len(contexts), err)
		}
	}
	return fx.checkStack(i)
}

func zero(*regs.Context) layout.Word { return 0 }

// switched returns an error if the kernel has counted no context switch since
// before: without one a check shows nothing.
func (fx *fixture) switched(before layout.Word) error {
	s, err := fx.kernel.Stats()
	if err != nil {
		return lines.Harness(err.Error())
	}
	if s.Switches == before {
		return lines.Harness("the kernel counts no context switch")
	}
	return nil
}

// both runs the two chains and checks that the kernel has switched between them.
func (fx *fixture) both(mine, others []*regs.Context) error {
	if fx.kernel.Linux {
		return fx.runBoth(mine, others)
	}
	before, err := fx.kernel.Stats()
	if err != nil {
		return lines.Harness(err.Error())
	}
	if err := fx.runBoth(mine, others); err != nil {
		return err
	}
	return fx.switched(before.Switches)
}

func checkYield(fx *fixture) error {
	mine := fx.repeated(rounds, 0, syscall.SYS_SCHED_YIELD)
	others := fx.repeated(rounds, 1, syscall.SYS_SCHED_YIELD)
	if err := fx.both(mine, others); err != nil {
		return err
	}
	if err := fx.kept(0, mine, zero); err != nil {
		return err
	}
	return fx.kept(1, others, zero)
}

// checkSpaces works like checkYield, but with a second thread whose first call gives it its
// own address space.
func checkSpaces(fx *fixture) error {
	mine := fx.repeated(rounds, 0, syscall.SYS_SCHED_YIELD)
	others := append(fx.repeated(1, 1, layout.SysOwnMM), fx.repeated(rounds, 1, syscall.SYS_SCHED_YIELD)...)
	before, err := fx.kernel.Stats()
	if err != nil {
		return lines.Harness(err.Error())
	}
	if err := fx.both(mine, others); err != nil {
		return err
	}
	after, err := fx.kernel.Stats()
	if err != nil {
		return lines.Harness(err.Error())
	}
	if after.MMSwitches == before.MMSwitches {
		return lines.Harness("the kernel counts no switch between address spaces")
	}
	if err := fx.kept(0, mine, zero); err != nil {
		return err
	}
	return fx.kept(1, others, zero)
}

// checkWake makes the two threads take turns: one sleeps on a futex until the other
// wakes it. A wake is repeated until the sleeper's call has returned.
func checkWake(fx *fixture) error {
	limit := fx.timespec(time.Minute) // a host may hold the machine up
	pause := fx.timespec(20 * time.Microsecond)
	var chains [regs.Lanes][]*regs.Context
	results := map[*regs.Context]layout.Word{}
	for turn := range rounds {
		sleeper, waker := turn%2, 1-turn%2
		word := uint64(address(fx.mem.Words(1)))
		wait := fx.repeated(1, sleeper, syscall.SYS_FUTEX, word, futexWait, 0, limit)[0]
		sleep := fx.repeated(1, waker, syscall.SYS_NANOSLEEP, pause, 0)[0]
		wake := fx.repeated(1, waker, syscall.SYS_FUTEX, word, futexWake, 1)[0]
		again(wake, sleep, &wait.Done, sleepLimit)
		chains[sleeper] = append(chains[sleeper], wait)
		chains[waker] = append(chains[waker], sleep, wake)
		results[wake] = 1
	}
	if err := fx.both(chains[0], chains[1]); err != nil {
		return err
	}
	for i, contexts := range chains {
		err := fx.kept(i, contexts, func(c *regs.Context) layout.Word {
			if results[c] == 1 && c.Out.AX <= 1 {
				return c.Out.AX // 0: woken by an earlier round of the same wake
			}
			return 0
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func checkSleep(fx *fixture) error {
	sleeps := fx.repeated(4, 0, syscall.SYS_NANOSLEEP, fx.timespec(200*time.Microsecond), 0)
	others := fx.repeated(rounds, 1, syscall.SYS_CLOCK_GETTIME, 1, uint64(address(fx.mem.Words(2))))
	last := others[rounds-1]
	again(last, others[0], &sleeps[3].Done, yieldLimit)
	if err := fx.both(sleeps, others); err != nil {
		return err
	}
	if err := fx.kept(0, sleeps, zero); err != nil {
		return err
	}
	return fx.kept(1, others, zero)
}

const (
	spins      = 4
	spinRounds = 20_000_000
)

// checkPreempted makes one thread spin inside calls, where only an interrupt can
// take the CPU from it, while the other sleeps for short times and so makes calls
// in between.
func checkPreempted(fx *fixture, spinner int) error {
	if fx.variant.Info.IRQ == 0 {
		return lines.Skip("the variant keeps interrupts off while a handler runs")
	}
	other := 1 - spinner
	spinning := fx.repeated(spins, spinner, layout.SysSpin, spinRounds)
	sleeping := fx.repeated(2, other, syscall.SYS_NANOSLEEP, fx.timespec(20*time.Microsecond), 0)
	again(sleeping[1], sleeping[0], &spinning[spins-1].Done, sleepLimit)
	var chains [regs.Lanes][]*regs.Context
	chains[spinner], chains[other] = spinning, sleeping
	before, err := fx.kernel.Stats()
	if err != nil {
		return lines.Harness(err.Error())
	}
	if err := fx.both(chains[0], chains[1]); err != nil {
		return err
	}
	after, err := fx.kernel.Stats()
	if err != nil {
		return lines.Harness(err.Error())
	}
	if err := fx.kept(other, sleeping, zero); err != nil {
		return err
	}
	preempted := 0
	err = fx.kept(spinner, spinning, func(c *regs.Context) layout.Word {
		if c.Out.AX == failure(syscall.EAGAIN) {
			return c.Out.AX
		}
		preempted++
		return 0
	})
	if err != nil {
		return err
	}
	if preempted == 0 || after.KernelPreemptions == before.KernelPreemptions {
		return lines.Harness(fmt.Sprintf("no call was preempted in %d spins; the kernel counts %d preemptions inside calls",
			spins, after.KernelPreemptions-before.KernelPreemptions))
	}
	return nil
}

// firstReturns is how many threads checkFirstReturn makes; childStack is how far below
// its parent's RSP each has its own, in bytes.
const (
	firstReturns = 8
	childStack   = 256
)

// checkFirstReturn makes processes that share this one's memory and compares what each
// begins with: its parent's registers, but RAX 0 and another RSP. Each ends at once;
// meanwhile its parent sleeps, and then finds the lane at the child's last call.
func checkFirstReturn(fx *fixture) error {
	for n := range firstReturns {
		stack := fx.stackPointer(0) - childStack
		made := fx.call(0, syscall.SYS_CLONE, syscall.CLONE_VM|syscall.CLONE_VFORK, uint64(stack), 0, 0, 0)
		made.In.Flags = fx.flags()
		end := fx.call(0, syscall.SYS_EXIT, 0)
		first := fx.chain(0, fx.quiet(), made)
		again(made, end, &made.Out.AX, 1) // the child
		end.Next = made.Next
		guarded(first)
		if end.Done == 0 {
			return lines.Harness(fmt.Sprintf("clone for process %d: %v", n+1, syscall.Errno(-made.Out.AX)))
		}
		child := int(end.Out.AX)
		if _, err := syscall.Wait4(child, nil, wall, nil); err != nil {
			return fmt.Errorf("wait for process %d: %w", child, err)
		}
		parent := *made
		parent.Out = end.Out
		for _, c := range []struct {
			whose      string
			c          *regs.Context
			result, sp layout.Word
		}{{"new thread", made, 0, stack}, {"parent of new thread", &parent, end.Out.AX, made.In.SP}} {
			want := fx.wantAfter(c.c, 0, c.result)
			want.SP = c.sp
			if c.c.Out.CX == fx.fullCX(want.IP) { // by IRETQ
				want.CX = c.c.Out.CX
			}
			if err := fx.compare(c.c, want, 0); err != nil {
				return fmt.Errorf("%s %d of %d: %w", c.whose, n+1, firstReturns, err)
			}
		}
	}
	return fx.checkStack(0)
}

// wall is __WALL of wait4(2): any child, whatever signal its end sends.
const wall = 0x40000000
