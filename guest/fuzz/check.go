package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

const callSize = unsafe.Sizeof(call{})

// patience is how many milliseconds a thread may take for a call: a signal
// wakes it in each of them.
const patience = 2000

// prepare maps the arena again, and gives all signals that may come a handler.
func (f *fuzzer) prepare() error {
	if err := mapPages(arena, arenaPages*pageSize, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return err
	}
	for s := uintptr(1); s <= 64; s++ {
		if s != watch && !isHandled(uint64(s)) {
			continue
		}
		if _, err := sys(syscall.SYS_RT_SIGACTION, s, facts+factActions, 0, 8); err != 0 {
			return fmt.Errorf("sigaction of %d: %w", s, err)
		}
	}
	return nil
}

// play starts the threads, waits until they and all threads that they have made have
// ended, and unmaps what they have mapped outside the arena.
func (f *fuzzer) play() error {
	for i, t := range f.threads {
		tid := start(spawnFlags, t)
		if tid < 0 {
			return fmt.Errorf("a thread can no longer be made: %w", syscall.Errno(-tid))
		}
		f.tids[i] = uintptr(tid)
	}
	for i, t := range f.threads {
		for n, last := 0, uintptr(0); !ended(f.tids[i]); {
			f.wake()
			if t.next != last {
				n, last = 0, t.next
			}
			if n++; n > patience {
				if t.next == t.end {
					return fmt.Errorf("thread %d does not end", f.tids[i])
				}
				c := (*call)(pointer(t.next))
				return fmt.Errorf("call %#x with %#x has no end", c.nr, c.a)
			}
		}
	}
	for _, t := range f.threads {
		for i := range t.script {
			if err := t.script[i].undo(); err != nil {
				return err
			}
		}
	}
	return nil
}

// wake sleeps for a millisecond and sends each thread a signal.
func (f *fuzzer) wake() {
	nap()
	for _, tid := range f.tids {
		sys(syscall.SYS_TKILL, tid, watch)
	}
}

// undo undoes what a call has left outside the arena.
func (c *call) undo() error {
	if failed := c.result > minusOne-pageSize; failed {
		return nil
	}
	switch {
	case c.spawn != 0:
		for n := 0; !ended(uintptr(c.result)); n++ {
			if n > patience {
				return fmt.Errorf("thread %d does not end", c.result)
			}
			nap()
		}
	case uint32(c.nr) == syscall.SYS_TIMER_CREATE:
		sys(syscall.SYS_TIMER_DELETE, uintptr(uint32(c.word)))
	case uint32(c.nr) == syscall.SYS_MMAP && !inArena(c.result):
		sys(syscall.SYS_MUNMAP, uintptr(c.result), uintptr(c.a[1]))
	case uint32(c.nr) == syscall.SYS_MREMAP && !inArena(c.result):
		sys(syscall.SYS_MUNMAP, uintptr(c.result), uintptr(c.a[2]))
	}
	return nil
}

func inArena(addr uint64) bool { return addr >= arena && addr < arenaEnd }

// ended reports whether the thread no longer exists.
func ended(tid uintptr) bool {
	_, err := sys(syscall.SYS_TKILL, tid, 0)
	return err == syscall.ESRCH
}

// nap sleeps for a millisecond, without the timers of the Go runtime.
func nap() {
	ts := [2]uint64{0, 1_000_000}
	sys(syscall.SYS_NANOSLEEP, address(&ts), 0)
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// cleanUp removes what calls have left: timers, descriptors, memory.
func (f *fuzzer) cleanUp() error {
	var never [4]uint64
	for i := range uintptr(3) {
		sys(syscall.SYS_SETITIMER, i, address(&never), 0)
	}
	for fd := range uintptr(protected) {
		sys(syscall.SYS_CLOSE, fd)
	}
	// Areas grow: out of the arena, by up to its size at each end, and down from where
	// one was for a while, to addresses that are plain numbers to other calls.
	const size = arenaPages * pageSize
	for _, m := range []struct{ start, length uintptr }{{arena - size, 3 * size}, {0, programStart}} {
		if _, err := sys(syscall.SYS_MUNMAP, m.start, m.length); err != 0 {
			return fmt.Errorf("munmap of %#x: %w", m.start, err)
		}
	}
	if now, _ := sys(syscall.SYS_BRK, f.brk); now != f.brk {
		return fmt.Errorf("brk is %#x, not %#x as before", now, f.brk)
	}
	return nil
}

// freePages returns how much memory is free, in pages.
func freePages() (uint64, error) {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("sysinfo: %w", err)
	}
	return info.Freeram * uint64(info.Unit) / pageSize, nil
}
