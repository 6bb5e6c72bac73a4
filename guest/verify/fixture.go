package verify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// RFLAGS: what every thread has set, and what a program may set for itself.
const (
	flagsIdle = x86.X86_EFLAGS_FIXED | x86.X86_EFLAGS_IF
	flagsUser = x86.X86_EFLAGS_CF | x86.X86_EFLAGS_PF | x86.X86_EFLAGS_AF | x86.X86_EFLAGS_ZF | x86.X86_EFLAGS_SF |
		x86.X86_EFLAGS_DF | x86.X86_EFLAGS_OF | x86.X86_EFLAGS_NT | x86.X86_EFLAGS_AC | x86.X86_EFLAGS_ID
)

// arch_prctl(2) operations.
const (
	archSetGS = 0x1001
	archGetFS = 0x1003
	archGetGS = 0x1004
)

// threadLimit is how long the second thread may take to end, once this one has
// yielded to it many times.
const threadLimit = time.Second

// fixture holds the means of one variant's checks: memory, stacks, a second
// thread, random words.
type fixture struct {
	kernel  *control.Kernel
	variant control.Variant
	rng     *rand.Rand
	mem     *regs.Memory
	lanes   [regs.Lanes]lane
	thread  *regs.Thread
	pid     uint64
	tid     uint64
	// keeps is set if a call changes neither RCX nor R11.
	keeps bool
	// noGS is why GS:0 cannot be read, nil if it can.
	noGS error
	// shadowStacks are the pages of the shadow stacks of a check.
	shadowStacks []layout.Word
	// stray is set once a second thread has not ended: it still occupies lane 1.
	stray error
}

// lane is what the calls of one thread use: the stack under test, filled with
// canaries, and the words at the GS base.
type lane struct {
	stack []layout.Word
	gs    []layout.Word
}

const (
	stackWords = 512
	memorySize = 1 << 20 // enough for the check that needs most
)

// newFixture prepares for checks of v on the calling thread, to which the goroutine
// must be locked.
func newFixture(k *control.Kernel, v control.Variant, seed uint64) (*fixture, error) {
	mem, err := regs.NewMemory(memorySize)
	if err != nil {
		return nil, err
	}
	return &fixture{
		kernel: k, variant: v, mem: mem, keeps: v.Info.FRED != 0,
		rng: rand.New(rand.NewPCG(seed, uint64(v.Index))),
		pid: uint64(syscall.Getpid()), tid: uint64(syscall.Gettid()),
	}, nil
}

// learn finds out whether a Linux enters by FRED, which changes neither RCX nor R11.
func (fx *fixture) learn() {
	fx.reset()
	c := fx.call(0, syscall.SYS_GETPPID)
	fx.run(c)
	fx.keeps = c.Out.CX == c.In.CX && c.Out.R11 == c.In.R11
}

// reset gives every check fresh memory.
func (fx *fixture) reset() {
	fx.mem.Reset()
	for _, at := range fx.shadowStacks {
		munmap(at)
	}
	fx.shadowStacks = nil
	for i := range fx.lanes {
		ln := &fx.lanes[i]
		ln.stack = fx.mem.Words(stackWords)
		for j := range ln.stack {
			ln.stack[j] = canary(i, j)
		}
		ln.gs = fx.mem.Words(8)
		ln.gs[0] = 0x6753_0000 + layout.Word(i)
	}
	fx.thread = regs.NewThread(fx.mem, 0x6653_0001)
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archSetGS, uintptr(address(fx.lanes[0].gs)), 0)
	fx.noGS = nil
	if errno != 0 {
		fx.noGS = lines.Skip(fmt.Sprintf("arch_prctl(ARCH_SET_GS): %v", errno))
	}
}

// canary returns the value of stack word j of lane i. No two are equal.
func canary(i, j int) layout.Word {
	return 0x1_0000_0000*layout.Word(i+1) + 0xca0a_0000 + layout.Word(j)
}

// address returns the address of the first of words.
func address(words []layout.Word) layout.Word {
	return layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(words))))
}

// stackPointer returns the RSP of lane i's calls: in the middle of its stack.
func (fx *fixture) stackPointer(i int) layout.Word {
	return address(fx.lanes[i].stack) + 8*stackWords/2
}

// owner returns the lane whose stack sp points into.
func (fx *fixture) owner(sp layout.Word) (lane int, ok bool) {
	for i := range fx.lanes {
		low := address(fx.lanes[i].stack)
		if low <= sp && sp < low+8*stackWords {
			return i, true
		}
	}
	return 1, fx.thread.Owns(sp)
}

// call returns a context of lane i that makes system call nr. Every register
// that is not an argument holds a random pattern.
func (fx *fixture) call(i int, nr uint64, args ...uint64) *regs.Context {
	c := fx.mem.Context()
	c.In.Fill(fx.rng.Uint64)
	c.In.SP = fx.stackPointer(i)
	c.In.Flags = flagsIdle
	c.In.AX = layout.Word(nr)
	in := []*layout.Word{&c.In.DI, &c.In.SI, &c.In.DX, &c.In.R10, &c.In.R8, &c.In.R9}
	for n, arg := range args {
		*in[n] = layout.Word(arg)
	}
	c.Insn = regs.Address(i, regs.Syscall)
	if fx.noGS == nil {
		c.UseGS = 1
	}
	return c
}

// again makes the chain go from c back to first while *until is 0, limit times at
// most.
func again(c, first *regs.Context, until *layout.Word, limit int) {
	c.Again, c.Until, c.Limit = first, until, layout.Word(limit)
}

// chain links contexts of lane i into a chain that selects the variant first and,
// on lane 0, kernel.Home last. The contexts in before run before the variant is
// selected.
func (fx *fixture) chain(i int, before []*regs.Context, contexts ...*regs.Context) *regs.Context {
	all := slices.Clone(before)
	if !fx.kernel.Linux {
		all = append(all, fx.selection(i, fx.variant.Index))
	}
	if i != 0 && fx.noGS == nil {
		base := fx.call(i, syscall.SYS_ARCH_PRCTL, archSetGS, uint64(address(fx.lanes[i].gs)))
		base.UseGS = 0
		all = append(all, base)
	}
	all = append(all, contexts...)
	if !fx.kernel.Linux && i == 0 {
		all = append(all, fx.selection(i, fx.kernel.Home))
	}
	for n, c := range all[1:] {
		all[n].Next = c
	}
	return all[0]
}

// quiet returns a context of lane 0 that sleeps until the Go runtime's threads
// sleep, too. A faulty variant may damage any thread that returns to user mode
// under it, and must not damage those of the runtime. On Linux there is no faulty
// variant.
func (fx *fixture) quiet() []*regs.Context {
	if fx.kernel.Linux {
		return nil
	}
	c := fx.call(0, syscall.SYS_NANOSLEEP, fx.timespec(regs.MonitorSleep*5/4), 0)
	c.UseGS = 0
	return []*regs.Context{c}
}

// timespec returns the address of a struct timespec.
func (fx *fixture) timespec(d time.Duration) uint64 {
	w := fx.mem.Words(2)
	w[0], w[1] = layout.Word(d/time.Second), layout.Word(d%time.Second)
	return uint64(address(w))
}

// selection returns a context that selects a variant by the software interrupt.
func (fx *fixture) selection(i, variant int) *regs.Context {
	c := fx.call(i, layout.SysSelect, uint64(variant))
	c.Insn = regs.Address(i, regs.Interrupt)
	c.UseGS = 0
	return c
}

// compare returns how the state that context c of lane i left differs from want. It
// expects the selectors of 64-bit code, and the others and the words at the bases
// that were there before the call.
func (fx *fixture) compare(c *regs.Context, want regs.State, i int) error {
	want.FSWord, want.GSWord = c.In.FSWord, c.In.GSWord
	want.CS, want.SS = x86.USER_CS, x86.USER_DS
	want.DS, want.ES, want.FS, want.GS = c.In.DS, c.In.ES, c.In.FS, c.In.GS
	err := compare(&want, &c.Out, i, fx.owner)
	if err != nil && c.Out.IP != want.IP {
		for _, t := range regs.Traps() {
			if t.Signal == layout.Word(syscall.SIGSEGV) {
				return fmt.Errorf("SIGSEGV at %v: %w", t.Regs[regs.GregIP], err)
			}
		}
	}
	return err
}

// checkStack returns how the calls of lane i have changed its stack, or nil. insns
// are addresses at which the calls were entered, besides the usual ones.
func (fx *fixture) checkStack(i int, insns ...layout.Word) error {
	for _, insn := range []regs.Insn{regs.Syscall, regs.Interrupt, regs.Twice, regs.Spin} {
		insns = append(insns, regs.Address(i, insn))
	}
	return compareStack(fx.lanes[i].stack, i, insns...)
}

// run runs contexts as a chain on this thread, under the variant.
func (fx *fixture) run(contexts ...*regs.Context) { guarded(fx.chain(0, fx.quiet(), contexts...)) }

// guarded runs a chain of lane 0. After a SIGSEGV the context continues at
// regs.Alternate, so that a faulty variant does not end the program.
func guarded(first *regs.Context) {
	restore, err := regs.Catch(syscall.SIGSEGV, regs.Action{SetIP: 1, IP: regs.Address(0, regs.Alternate)})
	if err == nil {
		defer restore()
	}
	regs.Run(first)
}

// runBoth runs mine on this thread and others on the second one. Then this thread
// yields, still under the variant, until the second one has ended.
func (fx *fixture) runBoth(mine, others []*regs.Context) error {
	if fx.stray != nil {
		return lines.Harness("after an earlier check: " + fx.stray.Error())
	}
	join := fx.call(0, syscall.SYS_SCHED_YIELD)
	again(join, join, fx.thread.Exited(), yieldLimit)
	quiet := fx.quiet()
	var gate []*regs.Context
	if len(quiet) > 0 {
		gate = fx.repeated(1, 1, syscall.SYS_NANOSLEEP, fx.timespec(100*time.Microsecond), 0)
		gate[0].UseGS = 0
		again(gate[0], gate[0], &quiet[0].Done, sleepLimit)
	}
	first := fx.chain(0, quiet, append(slices.Clone(mine), join)...)
	if err := fx.thread.Start(fx.chain(1, gate, others...)); err != nil {
		return lines.Harness(err.Error())
	}
	guarded(first)
	if fx.stray = fx.thread.Wait(threadLimit); fx.stray != nil {
		// The thread still uses the memory: leave that to it and take other memory.
		mem, err := regs.NewMemory(memorySize)
		if err != nil {
			return lines.Harness(err.Error())
		}
		fx.mem = mem
		return fx.stray
	}
	want := fx.wantAfter(join, 0, 0)
	if join.Out.CX == fx.fullCX(want.IP) {
		want.CX = join.Out.CX // a signal of the second thread's came in that call
	}
	if err := fx.compare(join, want, 0); err != nil {
		return fmt.Errorf("while the second thread ends: %w", err)
	}
	return nil
}

// close resets the thread's GS base and frees the memory.
func (fx *fixture) close() {
	syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archSetGS, 0, 0)
	fx.mem.Close()
}
