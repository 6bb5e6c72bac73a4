package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

const (
	page = 4096
	// base is where nothing is mapped.
	base = 0x1234_5000_0000

	sysMlock2 = 325
)

// memory runs the calls that ask about pages and act on them; those about areas are in the
// program memory.
func memory() {
	locks()
	syncs()
	residence()
	advice()
}

// mapAt maps n pages at base.
func mapAt(n, prot, flags uintptr) {
	if r, errno := call(syscall.SYS_MMAP, base, n*page, prot, flags|syscall.MAP_FIXED, ^uintptr(0), 0); errno != 0 {
		say("mmap", r, errno)
	}
}

// anonymous maps n pages at base and unmaps one of them, unless it is 0.
func anonymous(n, hole uintptr) {
	mapAt(n, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if hole != 0 {
		call(syscall.SYS_MUNMAP, base+hole*page, page)
	}
}

func unmap(n uintptr) { call(syscall.SYS_MUNMAP, base, n*page) }

// resident says which of the n pages at base are in memory.
func resident(n uintptr) {
	vec := make([]byte, n)
	r, errno := call(syscall.SYS_MINCORE, base, n*page, addr(&vec[0]))
	for i := range vec {
		vec[i] &= 1
	}
	say("  in memory", r, errno, vec)
}

func at(addr uintptr) *byte { return *(**byte)(unsafe.Pointer(&addr)) }

func locks() {
	for _, c := range []struct {
		name string
		nr   uintptr
	}{{"mlock", syscall.SYS_MLOCK}, {"munlock", syscall.SYS_MUNLOCK}, {"mlock2", sysMlock2}} {
		anonymous(8, 5)
		*at(base + page) = 1
		for _, r := range [][2]uintptr{{base, 0}, {base + 1, 0}, {base + 4095, 2}, {base + page, 1}, {base + 3*page, 3 * page}, {base, 8 * page}, {base + 5*page, page}, {base, ^uintptr(0)}, {base, 1<<63 - 1}, {0, 1}, {0, 0}, {1 << 47, page}} {
			try(fmt.Sprintf("%s %#x %#x", c.name, r[0], r[1]), c.nr, r[0], r[1], 0)
			if r[0] < 1<<46 && r[0] != 0 {
				resident(5)
			}
		}
		unmap(8)
	}
	anonymous(3, 0)
	for _, flags := range []uintptr{1, 2, 3} {
		try(fmt.Sprint("mlock2 flags ", flags), sysMlock2, base, page, flags)
	}
	resident(3)
	call(syscall.SYS_MPROTECT, base+page, page, 0)
	try("mlock without access", syscall.SYS_MLOCK, base, 3*page)
	resident(3)
	unmap(3)
	for _, flags := range []uintptr{0, 1, 2, 3, 4, 5, 6, 7, 8} {
		anonymous(1, 0)
		*at(base) = 1
		try(fmt.Sprint("mlockall ", flags), syscall.SYS_MLOCKALL, flags)
		try("DONTNEED", syscall.SYS_MADVISE, base, page, 4)
		anonymous(2, 0)
		resident(2)
		try("DONTNEED", syscall.SYS_MADVISE, base, page, 4)
		try("munlockall", syscall.SYS_MUNLOCKALL)
		try("DONTNEED", syscall.SYS_MADVISE, base, page, 4)
		anonymous(2, 0)
		resident(2)
		unmap(2)
	}
	mapAt(2, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_LOCKED)
	resident(2)
	try("DONTNEED", syscall.SYS_MADVISE, base, page, 4)
	r, errno := call(syscall.SYS_MREMAP, base, 2*page, 4*page, 0)
	say("mremap", r == base, errno)
	resident(4)
	r, errno = call(syscall.SYS_MREMAP, base, 4*page, 5*page, 3, base+16*page)
	say("mremap", r == base+16*page, errno)
	try("DONTNEED", syscall.SYS_MADVISE, base+20*page, page, 4)
	unmap(24)
	mapAt(2, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	resident(2)
	mapAt(2, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_POPULATE|syscall.MAP_NONBLOCK)
	resident(2)
	mapAt(2, 0, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	resident(2)
	unmap(2)
}

func syncs() {
	anonymous(4, 2)
	for flags := range uintptr(9) {
		try(fmt.Sprint("msync ", flags), syscall.SYS_MSYNC, base, page, flags)
	}
	for _, r := range [][2]uintptr{{base + 1, page}, {base, 0}, {base, 1}, {base, 4 * page}, {base + 2*page, page}, {base + 2*page, 0}, {base, ^uintptr(0) - page}, {1 << 47, page}} {
		try(fmt.Sprintf("msync %#x %#x", r[0], r[1]), syscall.SYS_MSYNC, r[0], r[1], 4)
	}
	try("mlock", syscall.SYS_MLOCK, base, page)
	try("msync locked", syscall.SYS_MSYNC, base, page, 4)
	try("msync locked INVALIDATE", syscall.SYS_MSYNC, base, page, 2)
	unmap(4)
}

func residence() {
	anonymous(6, 4)
	*at(base + 2*page) = 1
	resident(4)
	resident(6)
	sink = *at(base + page)
	resident(4)
	var vec [4]byte
	for _, r := range [][3]uintptr{
		{base + 1, page, addr(&vec)},
		{base, 0, addr(&vec)},
		{base, 0, bad},
		{base, 1, bad},
		{base, 1, 0},
		{base + 4*page, page, addr(&vec)},
		{1 << 47, page, addr(&vec)},
		{base, 1 << 47, addr(&vec)},
		{base, ^uintptr(0), addr(&vec)},
		{base + 4*page, page, bad},
	} {
		what := fmt.Sprintf("mincore %#x %#x %v", r[0], r[1], r[2] == addr(&vec))
		try(what, syscall.SYS_MINCORE, r[0], r[1], r[2])
	}
	call(syscall.SYS_MPROTECT, base+2*page, page, 0)
	resident(3)
	unmap(6)

	fd, _ := syscall.Open("/etc/motd", 0, 0)
	call(syscall.SYS_MMAP, base, 2*page, 1, syscall.MAP_PRIVATE|syscall.MAP_FIXED, uintptr(fd), 0)
	sink = *at(base)
	resident(2)
	try("mlock after the end", syscall.SYS_MLOCK, base, 2*page)
	try("mlock before the end", syscall.SYS_MLOCK, base, page)
	syscall.Close(fd)
	unmap(2)
}

var sink byte

func advice() {
	say("advice")
	anonymous(4, 3)
	fill := func() {
		for i := range uintptr(3) {
			*at(base + i*page) = byte(i + 1)
		}
	}
	values := func() { say("  are", *at(base), *at(base + page), *at(base + 2*page)) }
	fill()
	for _, a := range []uintptr{0, 1, 2, 3, 4, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 5, 6, 7, 30, 31, 32, 99, 1 << 31} {
		try(fmt.Sprint("madvise ", a), syscall.SYS_MADVISE, base, 2*page, a)
		if a != 8 {
			values()
		}
		fill()
		try("  with a hole", syscall.SYS_MADVISE, base, 4*page, a)
		fill()
	}
	unmap(4)
	anonymous(4, 3)
	try("POPULATE_READ", syscall.SYS_MADVISE, base, page, 22)
	resident(3)
	try("POPULATE_WRITE", syscall.SYS_MADVISE, base, 2*page, 23)
	resident(3)
	call(syscall.SYS_MPROTECT, base, page, 1)
	call(syscall.SYS_MPROTECT, base+page, page, 0)
	for _, a := range []uintptr{22, 23} {
		try(fmt.Sprint("read-only ", a), syscall.SYS_MADVISE, base, page, a)
		try(fmt.Sprint("no access ", a), syscall.SYS_MADVISE, base+page, page, a)
		try(fmt.Sprint("hole ", a), syscall.SYS_MADVISE, base+3*page, page, a)
	}
	unmap(4)
	mapAt(3, 3, syscall.MAP_ANON|syscall.MAP_SHARED)
	fill()
	for _, a := range []uintptr{4, 8, 18, 24} {
		try(fmt.Sprint("shared ", a), syscall.SYS_MADVISE, base, 3*page, a)
		values()
	}
	unmap(3)
	anonymous(3, 0)
	fill()
	try("mlock", syscall.SYS_MLOCK, base, 2*page)
	for _, a := range []uintptr{0, 4, 8, 20, 21, 24} {
		try(fmt.Sprint("locked ", a), syscall.SYS_MADVISE, base, 2*page, a)
		values()
		fill()
	}
	try("half locked", syscall.SYS_MADVISE, base+page, 2*page, 4)
	values()
	unmap(3)
}
