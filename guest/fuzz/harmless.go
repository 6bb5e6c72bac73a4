package main

import "syscall"

// call returns a random call.
func (r *random) call() call {
	var c call
	c.nr = r.n(numbers)
	if r.n(4) > 0 { // a call that the kernel is known to have
		for signatures[uint32(c.nr)] == "" {
			c.nr = r.n(numbers)
		}
	}
	kinds := signatures[uint32(c.nr)]
	for i := range c.a {
		var kind byte
		if i < len(kinds) {
			kind = kinds[i]
		}
		c.a[i] = r.arg(kind)
	}
	switch r.n(32) {
	case 0: // Linux since 5.14 uses only 32 bits of the number
		c.nr |= 1 << (32 + r.n(32))
	case 1:
		c.nr = r.number()
	case 2:
		c.nr |= r.oneOf(0x4000_0000, 0x8000_0000, 0xffff_ffff_0000_0000) // x32's numbers, and negative ones
	}
	return c
}

// harmless changes c so that it cannot destroy the process itself, which would
// not be a fault of the kernel; it returns false if c must not be made at all.
func (r *random) harmless(c *call) bool {
	nr := uint32(c.nr)
	if forbidden[nr] || c.nr >= 1000 && c.nr < 1100 {
		return false
	}
	for i, a := range c.a {
		switch low := uint32(a); {
		case low >= protected && low < protectedEnd:
			c.a[i] = r.n(64)
		case a >= programStart && a < 1<<47 && !(a >= arena && a < arenaEnd) && !(a >= facts && a < facts+pageSize) && !r.isLength(nr, i):
			c.a[i] |= 1 << 62 // it might be an address of this program
		}
	}
	a := &c.a
	switch nr {
	case syscall.SYS_MMAP:
		const fixed, populate, locked = 0x10 | 0x10_0000, 0x8000, 0x2000
		if r.n(2) == 0 {
			a[3] = r.oneOf(0x22, 0x32, 0x21, 0x31, 0x10_0022, 0x62, 0x122)
			a[4] = minusOne
		}
		if a[3]&fixed != 0 {
			r.inArena(&a[0], &a[1])
		} else if a[3]&(populate|locked) != 0 || a[1] < 1<<47 {
			a[1] %= arenaPages * pageSize
		}
	case syscall.SYS_MPROTECT, syscall.SYS_MUNMAP, syscall.SYS_MADVISE, syscall.SYS_MSYNC, syscall.SYS_MLOCK, syscall.SYS_MUNLOCK, 325: // mlock2
		r.inArena(&a[0], &a[1])
	case syscall.SYS_FALLOCATE:
		if a[3] < 1<<36 { // more is refused, and must leave nothing behind
			a[3] %= arenaPages * pageSize
		}
	case syscall.SYS_SENDFILE: // a sparse file can need more than all memory, once it is written
		if a[3] < 1<<47 {
			a[3] %= arenaPages * pageSize
		}
	case 326: // copy_file_range
		if a[4] < 1<<47 {
			a[4] %= arenaPages * pageSize
		}
	case 436: // close_range
		if uint32(a[1]) >= protected {
			a[1] = r.n(protected)
		}
	case syscall.SYS_MLOCKALL:
		const current, future, onFault = 1, 2, 4 // without the last, all memory may be used up
		a[0] = r.oneOf(0, onFault, current|onFault, future|onFault, 8|r.number())
	case syscall.SYS_MREMAP:
		r.inArena(&a[0], &a[1])
		if a[2] < 1<<47 {
			a[2] %= arenaPages * pageSize
		}
		a[3] = r.oneOf(0, 1, 2, 3, 4, 5, 7, r.number())
		if a[3]&2 != 0 {
			r.inArena(&a[4], &a[2])
		}
	case syscall.SYS_EXECVE:
		a[0] = r.badPointer()
	case syscall.SYS_RT_SIGACTION:
		a[1] = r.oneOf(0, r.badPointer())
		if r.n(2) == 0 {
			a[0], a[1] = handled[r.n(uint64(len(handled)))], facts+factActions+factActionSz*r.n(4)
		}
	case syscall.SYS_RT_SIGSUSPEND:
		a[0] = r.mask()
	case 271: // ppoll
		a[3] = r.mask()
		a[1] %= 70 // else it would read all of memory, and wait long
	case syscall.SYS_POLL:
		a[1] %= 70
	case syscall.SYS_EPOLL_PWAIT:
		a[4] = r.mask()
	case syscall.SYS_PSELECT6:
		a[5] = r.oneOf(0, r.badPointer(), facts+factMask)
	case syscall.SYS_SIGALTSTACK:
		a[0] = r.oneOf(0, r.badPointer())
	case syscall.SYS_KILL, syscall.SYS_TKILL, 129:
		a[1] = r.signal(a[1])
	case syscall.SYS_TGKILL, 297:
		a[2] = r.signal(a[2])
	case syscall.SYS_SETRLIMIT:
		a[1] = r.badPointer()
	case syscall.SYS_PRLIMIT64:
		a[2] = r.oneOf(0, r.badPointer())
	case syscall.SYS_FUTEX:
		a[0] = arena + r.n(arenaPages*pageSize)
		if r.n(4) > 0 {
			a[0] = arena + 8*r.n(16) // which the other threads use too
			a[4] = arena + 8*r.n(16)
		}
		// The lowest 7 bits are the operation, the next two flags.
		a[1] = r.n(14) | r.oneOf(0, 128, 256, 384, 1<<20)
		if r.n(2) == 0 {
			a[2] = r.n(3)
		}
		const lockPI, waitRequeuePI, lockPI2 = 6, 11, 13
		switch a[1] & 127 {
		case lockPI, waitRequeuePI, lockPI2: // a signal restarts them: only the time ends them
			a[3] = r.oneOf(facts+factPast, facts+factTimes, forbidPtr)
		}
	case syscall.SYS_SETITIMER:
		a[1] = r.oneOf(0, r.badPointer(), facts+factTimers+32*r.n(4))
	case syscall.SYS_TIMER_CREATE:
		a[1] = r.oneOf(0, r.badPointer(), facts+factEvents+factEventSz*r.n(4))
	case syscall.SYS_TIMER_SETTIME:
		a[0] = r.n(40)
		a[2] = r.oneOf(r.badPointer(), facts+factTimers+32*r.n(4))
	case syscall.SYS_PRCTL:
		if a[0] > 60 {
			break
		}
		a[0] = r.oneOf(1, 2, 3, 4, 15, 16, 21, 39)
	}
	return true
}

// isLength reports whether argument i of the call is a length or a plain number.
func (r *random) isLength(nr uint32, i int) bool {
	kinds := signatures[nr]
	return i < len(kinds) && (kinds[i] == 'l' || kinds[i] == 'n')
}

// inArena moves the range of memory into the arena, or to where it must be refused.
func (r *random) inArena(start, length *uint64) {
	if r.n(8) == 0 {
		*start = r.oneOf(1<<47+pageSize*r.n(1<<40), arena+1+r.n(pageSize-1), -(pageSize * (1 + r.n(16))), taskSize+pageSize)
		return
	}
	page := r.n(arenaPages)
	*start = arena + pageSize*page
	switch r.n(8) {
	case 0:
		*length = 0
	case 1:
		*length = -r.n(pageSize) // rounded up it is 0
	case 2:
		*length = 1 + r.n((arenaPages-page)*pageSize)
	default:
		*length = pageSize * (1 + r.n(min(arenaPages-page, 8)))
	}
}

// mask returns the address of an empty set of signals, or a bad one.
func (r *random) mask() uint64 { return r.oneOf(0, r.badPointer(), facts+factZeros) }

// signal turns s into a signal that may be sent.
func (r *random) signal(s uint64) uint64 {
	if r.n(4) == 0 {
		return r.oneOf(0, 65, 100, minusOne, 1<<31)
	}
	if isHandled(s & 0xffff_ffff) {
		return s
	}
	return handled[s%uint64(len(handled))]
}
