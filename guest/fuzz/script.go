package main

import "syscall"

// call is one system call or, if spawn is set, a thread that clone makes
// with the arguments a; that thread gives the kernel robust as its robust list and word
// as the word to clear when it ends, and ends. The word of timer_create is where the
// timer's number goes.
type call struct {
	nr           uint64
	a            [6]uint64
	result       uint64
	spawn        uint64
	robust, word uint64
}

// scriptCalls is how many calls a thread makes in its life at most.
const scriptCalls = 2048

// thread is a thread outside the Go runtime, and its script. It lies in
// its own memory, whose end is the thread's stack.
type thread struct {
	next, end uintptr // the calls still to make
	script    [scriptCalls]call
	stack     [16 << 10]byte
}

// spawned is for making a thread that ends at once.
const spawnFlags = syscall.CLONE_VM | syscall.CLONE_FS | syscall.CLONE_FILES | syscall.CLONE_SIGHAND | syscall.CLONE_THREAD

// write fills the script with random calls, about as many as most if there is room. It
// returns how many there are, without those that keep the process whole.
func (t *thread) write(r *random, most uint64) (n uint64) {
	list := t.script[:0]
	for len(list) < scriptCalls-3 && n < most {
		if r.n(64) == 0 {
			list = append(list, setMask(facts+factFull), r.spawn(), setMask(facts+factZeros))
			n++
			continue
		}
		c := r.call()
		if !r.harmless(&c) {
			continue
		}
		list = append(list, c)
		n++
		switch uint32(c.nr) {
		case syscall.SYS_RT_SIGPROCMASK: // a blocked signal wakes nobody
			list = append(list, setMask(facts+factZeros))
		case syscall.SYS_TIMER_CREATE: // undo must know its number
			last := &list[len(list)-1]
			last.a[2] = r.oneOf(r.badPointer(), uint64(address(&last.word)))
		}
	}
	t.next, t.end = address(&t.script[0]), address(&t.script[0])+uintptr(len(list))*callSize
	return n
}

// setMask blocks the set of signals at mask.
func setMask(mask uint64) call {
	const sigSetmask = 2
	return call{nr: syscall.SYS_RT_SIGPROCMASK, a: [6]uint64{sigSetmask, mask, 0, 8}}
}

// spawn makes a thread, with everything that the kernel must write and walk, or
// asks for a thread that is impossible.
func (r *random) spawn() call {
	flags := uint64(spawnFlags)
	for _, f := range []uint64{syscall.CLONE_SETTLS, syscall.CLONE_PARENT_SETTID, syscall.CLONE_CHILD_CLEARTID, syscall.CLONE_CHILD_SETTID} {
		flags |= r.oneOf(0, f)
	}
	if r.n(4) == 0 {
		flags &^= r.oneOf(syscall.CLONE_VM, syscall.CLONE_SIGHAND, syscall.CLONE_VM|syscall.CLONE_SIGHAND)
	}
	return call{
		spawn: 1, a: [6]uint64{flags, 0, r.pointer(), r.pointer(), r.pointer(), 0},
		robust: r.oneOf(facts+factRobust+24*r.n(4), r.pointer()), word: r.pointer(),
	}
}
