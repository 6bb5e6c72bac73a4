package verify

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// The stacks of calls, in bytes below fixture.stackPointer: what a reader takes from
// another call is another number.
const (
	apart  = 256
	before = 2 * apart // of the call before
	ofInt  = apart     // of the software interrupt between the two
)

// readings are what the readers of one variant's threads find.
type readings struct {
	fx     *fixture
	p      *lines.Printer
	places []wire.ReadingPlace
}

// Readings brings threads into the states in which a reader of the user's RSP may find them,
// each call with a stack of its own, and prints what every reader finds. The places at which
// threads are stopped come from wire.ReadingsFile. The kernel must carry variant v alone,
// and the calling goroutine must be locked to its thread.
func Readings(p *lines.Printer, k *control.Kernel, v control.Variant, seed uint64) {
	name := v.Name + ": readings"
	if err := k.Refused(v); err != nil {
		p.Result(v.Name+": CPU", err)
		return
	}
	r := &readings{p: p}
	text, err := os.ReadFile("/" + wire.ReadingsFile)
	if err == nil {
		r.places, err = wire.ParseReadingPlaces(text)
	}
	if err == nil {
		r.fx, err = newFixture(k, v, seed)
	}
	if err != nil {
		p.Result(name, lines.Harness(err.Error()))
		return
	}
	defer r.fx.close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGTRAP, syscall.SIGUSR2)()
	p.Result(name, r.all())
}

func (r *readings) all() error {
	for _, step := range []func() error{r.current, r.blocked, r.slow, r.cores, r.inUserMode, r.stopped} {
		r.fx.reset()
		if err := step(); err != nil {
			return lines.Harness(err.Error())
		}
	}
	return nil
}

// found prints what one reader found.
func (r *readings) found(reader, state int, at uint64, nmi bool, want, got layout.Word) {
	n := 0
	if nmi {
		n = 1
	}
	r.p.Reading(wire.Reading{Variant: r.fx.variant.Name, Reader: reader, State: state, NMI: n, At: at, Want: uint64(want), Got: uint64(got)})
}

// read returns a call of lane i that asks the readers about a thread.
func (fx *fixture) read(i int, tid uint64) (*regs.Context, *layout.Readings[layout.Word]) {
	words := fx.mem.Words(int(unsafe.Sizeof(layout.Readings[layout.Word]{}) / 8))
	return fx.call(i, layout.SysReadings, tid, uint64(address(words))), (*layout.Readings[layout.Word])(unsafe.Pointer(unsafe.SliceData(words)))
}

// lower makes a call with a stack so many bytes further down.
func lower(c *regs.Context, by int) *regs.Context {
	c.In.SP -= layout.Word(by)
	return c
}

// current reads the thread's own RSP, after a switch in a call with another stack, and with
// the kernel's stack poisoned.
func (r *readings) current() error {
	fx := r.fx
	read, got := fx.read(0, 0)
	mine := []*regs.Context{
		lower(fx.call(0, syscall.SYS_NANOSLEEP, fx.timespec(time.Millisecond), 0), before),
		lower(fx.call(0, layout.SysPoison), before),
		read,
	}
	if err := fx.runBoth(mine, fx.repeated(rounds, 1, syscall.SYS_SCHED_YIELD)); err != nil {
		return err
	}
	r.found(layout.ReaderStackPointer, layout.InFastPath, 0, false, read.In.SP, got.StackPointer)
	r.found(layout.ReaderKSTKESP, layout.InFastPath, 0, false, read.In.SP, got.KSTKESP)
	r.found(layout.ReaderCollectSyscall, layout.InFastPath, 0, false, read.In.SP, got.CollectSyscall)
	r.found(layout.ReaderShowRegs, layout.InFastPath, 0, false, read.In.SP, got.ShowRegs)
	return nil
}

// blocked reads a thread that sleeps in an ordinary call.
func (r *readings) blocked() error {
	fx := r.fx
	word := uint64(address(fx.mem.Words(1)))
	wait := fx.call(1, syscall.SYS_FUTEX, word, futexWait, 0, fx.timespec(time.Minute))
	others := []*regs.Context{
		lower(fx.call(1, syscall.SYS_SCHED_YIELD), before),
		lower(fx.call(1, layout.SysPoison), before),
		wait,
	}
	read, got := fx.read(0, uint64(layout.NewestThread))
	wake := fx.call(0, syscall.SYS_FUTEX, word, futexWake, 1)
	again(wake, wake, &wait.Done, sleepLimit)
	mine := []*regs.Context{fx.call(0, syscall.SYS_NANOSLEEP, fx.timespec(2*time.Millisecond), 0), read, wake}
	if err := fx.runBoth(mine, others); err != nil {
		return err
	}
	if got.State != layout.ThreadBlocked {
		return fmt.Errorf("the thread that is read does not sleep (state %v)", got.State)
	}
	r.found(layout.ReaderKSTKESP, layout.BlockedInFast, 0, false, wait.In.SP, got.KSTKESP)
	r.found(layout.ReaderCollectSyscall, layout.BlockedInFast, 0, false, wait.In.SP, got.CollectSyscall)
	return nil
}

// slow reads threads of vfork and clone, and one that is traced.
func (r *readings) slow() error {
	s, err := regs.ReadSlow(r.fx.mem)
	if err != nil {
		return err
	}
	r.found(layout.ReaderKSTKESP, layout.BlockedInSlow, 0, false, s.VforkSP, s.Vforked.KSTKESP)
	r.found(layout.ReaderCollectSyscall, layout.BlockedInSlow, 0, false, s.VforkSP, s.Vforked.CollectSyscall)
	r.found(layout.ReaderStackPointer, layout.InSlowPath, 0, false, s.TracedSP, s.Traced.StackPointer)
	r.found(layout.ReaderKSTKESP, layout.InSlowPath, 0, false, s.TracedSP, s.Traced.KSTKESP)
	r.found(layout.ReaderCollectSyscall, layout.InSlowPath, 0, false, s.TracedSP, s.Traced.CollectSyscall)
	if r.fx.variant.Info.OldReaders>>layout.ReaderCopyThread&1 != 0 {
		r.found(layout.ReaderCopyThread, layout.InSlowPath, 0, false, s.CloneSP, s.Cloned.UserSP)
	}
	return nil
}

// cores reads the cores of two processes.
func (r *readings) cores() error {
	for _, how := range []struct {
		byException bool
		state       int
	}{{false, layout.InSlowPath}, {true, layout.InUserMode}} {
		want, err := regs.DumpCore(r.fx.mem, how.byException)
		if err != nil {
			return err
		}
		data, err := os.ReadFile("/" + layout.CorePath)
		if err != nil {
			return err
		}
		var core layout.CoreFile[layout.Word]
		size := int(unsafe.Sizeof(core))
		if len(data) < size {
			return fmt.Errorf("a core of %d bytes", len(data))
		}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&core)), size), data)
		r.found(layout.ReaderCoreDump, how.state, 0, false, want, core.Regs.PtRegs.SP)
	}
	return nil
}

// inUserMode reads a thread that the timer has taken the CPU from in ring 3, and samples it
// there.
func (r *readings) inUserMode() error {
	fx := r.fx
	spin, alternate := regs.Address(0, regs.Spin), regs.Address(0, regs.Alternate)
	c := fx.call(0, 0)
	c.Insn = spin
	samples := lower(fx.call(0, layout.SysSamples, 4*layout.MinTimeSlice, 0), before)
	sleep := fx.call(1, syscall.SYS_NANOSLEEP, fx.timespec(2*time.Millisecond), 0)
	read, got := fx.read(1, fx.tid)
	kill := fx.call(1, syscall.SYS_TGKILL, fx.pid, fx.tid, uint64(syscall.SIGUSR2))
	again(kill, kill, &c.Done, sleepLimit)
	restore, err := catch(syscall.SIGUSR2, regs.Action{When: spin, SetIP: 1, IP: alternate})
	if err != nil {
		return err
	}
	defer restore()
	if err := fx.runBoth([]*regs.Context{samples, c}, []*regs.Context{sleep, read, kill}); err != nil {
		return err
	}
	if got.EIP != spin {
		return fmt.Errorf("the thread that is read is at %v, want %v", got.EIP, spin)
	}
	r.found(layout.ReaderKSTKESP, layout.InUserMode, 0, false, c.In.SP, got.KSTKESP)
	taken, err := takeSamples()
	if err != nil {
		return err
	}
	met := false
	for _, s := range taken {
		if s.IP == spin && s.CS&3 != 0 {
			r.found(layout.ReaderPerfRegs, layout.InUserMode, 0, false, c.In.SP, s.UserSP)
			met = true
		}
	}
	if !met {
		return fmt.Errorf("none of %d samples struck at %v", len(taken), spin)
	}
	return nil
}

// takeSamples returns the samples so far, and ends them.
func takeSamples() ([]layout.Sample[layout.Word], error) {
	var s layout.Samples[layout.Word]
	if _, _, errno := syscall.RawSyscall(layout.SysSamples, 0, uintptr(unsafe.Pointer(&s)), 0); errno != 0 {
		return nil, fmt.Errorf("the kernel's samples: %w", errno)
	}
	return s.List[:min(s.Taken, layout.MaxSamples)], nil
}

// stopped stops a call at every place, on the fast path and on the slow one: a sample is
// taken there and, where interrupts are on, another thread runs and reads it.
func (r *readings) stopped() error {
	if r.fx.variant.Info.FRED != 0 {
		return nil // a breakpoint would arrive through the entry itself
	}
	for _, path := range []struct {
		nr               uint64
		current, preempt int
	}{{syscall.SYS_GETPPID, layout.InFastPath, layout.PreemptedInFast}, {layout.SysFullFrame, layout.InSlowPath, layout.PreemptedInSlow}} {
		for _, place := range r.places {
			r.fx.reset()
			met, err := r.sampled(place, path.nr, path.current)
			if err == nil && met && place.IRQ {
				r.fx.reset()
				err = r.preempted(place, path.nr, path.preempt)
			}
			if err != nil {
				return fmt.Errorf("at %#x: %w", place.At, err)
			}
		}
	}
	return nil
}

// makeEvent returns layout.SysEvent by the software interrupt, so that SYSCALL's paths are
// run by the call under test alone.
func (fx *fixture) makeEvent(at uint64, kind int) *regs.Context {
	c := lower(fx.call(0, layout.SysEvent, at, uint64(kind)), ofInt)
	c.Insn = regs.Address(0, regs.Interrupt)
	c.UseGS = 0
	return c
}

// sampled takes samples at a place of a call. met reports whether the call comes there.
func (r *readings) sampled(place wire.ReadingPlace, nr uint64, state int) (met bool, err error) {
	fx := r.fx
	if _, err := takeSamples(); err != nil {
		return false, err
	}
	c := fx.call(0, nr)
	c.In.DI = 0
	arm := fx.makeEvent(place.At, layout.EventSample)
	guarded(fx.chain(0, nil, lower(fx.call(0, layout.SysPoison), before), lower(fx.call(0, syscall.SYS_GETPPID), before), arm, c, fx.makeEvent(0, layout.EventNone)))
	if arm.Out.AX == failure(syscall.EINVAL) {
		return false, nil // the handler of #DB runs it
	}
	taken, err := takeSamples()
	if err != nil {
		return false, err
	}
	for _, s := range taken {
		if s.TID != layout.Word(fx.tid) {
			continue // the Go runtime's
		}
		met = true
		if s.ShowRegs != 0 {
			r.found(layout.ReaderShowRegs, state, place.At, false, c.In.SP, s.ShowRegs)
		}
		if s.ABI == layout.SampleABINone {
			continue
		}
		r.found(layout.ReaderPerfRegs, state, place.At, true, c.In.SP, s.UserSP)
		if place.IRQ {
			r.found(layout.ReaderPerfRegs, state, place.At, false, c.In.SP, s.UserSP)
		}
	}
	return met, nil
}

// preempted has another thread read this one while an interrupt has taken the CPU from it
// at a place of a call. Nothing is found if that does not happen exactly once.
func (r *readings) preempted(place wire.ReadingPlace, nr uint64, state int) error {
	fx := r.fx
	armed := fx.mem.Words(2)
	c := fx.call(0, nr)
	c.In.DI = 0
	wait := fx.call(1, syscall.SYS_SCHED_YIELD)
	again(wait, wait, &armed[1], yieldLimit)
	read, got := fx.read(1, fx.tid)
	join := fx.call(0, syscall.SYS_SCHED_YIELD)
	again(join, join, fx.thread.Exited(), yieldLimit)
	first := fx.chain(0, nil,
		lower(fx.call(0, syscall.SYS_SCHED_YIELD), before),
		lower(fx.call(0, syscall.SYS_SCHED_YIELD), before),
		lower(fx.call(0, syscall.SYS_CLOCK_GETTIME, 1, uint64(address(armed))), before),
		fx.makeEvent(place.At, layout.EventInterrupt), c, fx.makeEvent(0, layout.EventNone), join)
	earlier, err := fx.kernel.Stats()
	if err != nil {
		return err
	}
	if err := fx.thread.Start(fx.chain(1, nil, wait, read)); err != nil {
		return err
	}
	guarded(first)
	if err := fx.thread.Wait(threadLimit); err != nil {
		return err
	}
	later, err := fx.kernel.Stats()
	if err != nil {
		return err
	}
	if later.KernelPreemptions-earlier.KernelPreemptions == 1 && later.UserPreemptions == earlier.UserPreemptions {
		r.found(layout.ReaderKSTKESP, state, place.At, false, c.In.SP, got.KSTKESP)
	}
	return nil
}
