package regs

import (
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// TestAlignment: FXSAVE64 faults on an image that is not at a multiple of 16.
func TestAlignment(t *testing.T) {
	var c Context
	for name, offset := range map[string]uintptr{
		"In": unsafe.Offsetof(c.In), "Out": unsafe.Offsetof(c.Out), "hostFX": unsafe.Offsetof(c.hostFX), "FX": unsafe.Offsetof(c.In.FX),
	} {
		if offset%16 != 0 {
			t.Errorf("%s is at %d, want a multiple of 16", name, offset)
		}
	}
}

func TestFill(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[layout.Word]string{}
	names := map[string]bool{}
	var s State
	s.Fill(rng.Uint64)
	for _, r := range Registers() {
		name, w := r.Name, r.In(&s)
		if names[name] {
			t.Errorf("two registers are called %s", name)
		}
		names[name] = true
		if w>>63 != 0 {
			t.Errorf("%s is %v: looks like a kernel address", name, w)
		}
		if other := seen[w]; other != "" && w != 0 {
			t.Errorf("%s and %s both hold %v", name, other, w)
		}
		seen[w] = name
	}
	const registers = 15 + 5 + 6 + 2 + 16 + 32 // GPRs; SP, IP, Flags, bases; selectors; control words; ST; XMM
	if len(names) != registers {
		t.Errorf("%d registers, want %d", len(names), registers)
	}
}

// newCall returns a getppid on a stack of its own.
func newCall(m *Memory, lane int) *Context {
	c := m.Context()
	c.In.Fill(rand.New(rand.NewPCG(3, uint64(lane))).Uint64)
	stack := m.Words(128)
	c.In.SP = layout.Word(uintptr(unsafe.Pointer(&stack[64])))
	c.In.Flags = 0x202
	c.In.AX = syscall.SYS_GETPPID
	c.Insn = Address(lane, Syscall)
	return c
}

func newMemory(t *testing.T) *Memory {
	t.Helper()
	m, err := NewMemory(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestLanes runs a chain on each lane and looks at what the second context of
// it stored.
func TestLanes(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for lane := range Lanes {
		m := newMemory(t)
		first, second := newCall(m, lane), newCall(m, lane)
		first.Next = second
		if lane == 0 {
			Run(first)
		} else {
			th := NewThread(m, 7)
			if err := th.Start(first); err != nil {
				t.Fatal(err)
			}
			if err := th.Wait(time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		want := second.In
		want.AX = layout.Word(syscall.Getppid())
		want.IP = second.Insn + SyscallSize
		want.CX, want.R11 = want.IP, 0x202
		want.FX, second.Out.FX = [64]layout.Word{}, [64]layout.Word{} // reserved words may differ
		if second.Out != want {
			t.Errorf("lane %d: state after getppid is %v, want %v", lane, second.Out, want)
		}
		if lane == 1 && second.Out.FSWord != 7 {
			t.Errorf("the word at FS:-8 of a raw thread is %v, want 7", second.Out.FSWord)
		}
	}
}

// TestAgain: a chain goes back while a word is 0, but not for ever.
func TestAgain(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := newMemory(t)
	c := newCall(m, 0)
	c.Until, c.Again, c.Limit = &m.Words(1)[0], c, 5
	Run(c)
	if c.Limit != 0 {
		t.Errorf("%v rounds are left of a word that stays 0, want 0", c.Limit)
	}
	c.Limit = 5
	*c.Until = 1
	Run(c)
	if c.Limit != 5 {
		t.Errorf("%v rounds are left of a word that is 1, want 5", c.Limit)
	}
}

// TestTrapsAreBounded: a program that traps for ever is stopped.
func TestTrapsAreBounded(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := newMemory(t)
	restore, err := Catch(syscall.SIGTRAP, Action{When: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	c := newCall(m, 0)
	c.In.Flags |= 0x100 // TF; PUSHFQ and POPFQ in the code behind clear it again
	c.Until, c.Again, c.Limit = &m.Words(1)[0], c, 10
	Run(c)
	if n := len(Traps()); n != maxTraps {
		t.Errorf("%d traps were logged, want %d", n, maxTraps)
	}
}
