package main

import (
	"fmt"
	"strings"
	"syscall"
)

const sysMemfdCreate = 319

// memfds runs the calls about files in memory.
func memfds() {
	for _, flags := range []uintptr{1 << 5, 1 << 30} {
		try(fmt.Sprintf("flags %#x", flags), sysMemfdCreate, cstring("x"), flags)
	}
	try("name bad", sysMemfdCreate, bad, 0)
	try("name too long", sysMemfdCreate, cstring(strings.Repeat("x", 250)), 0)
	f := try("long name", sysMemfdCreate, cstring(strings.Repeat("x", 249)), 0)
	syscall.Close(f)
	f = try("memfd_create", sysMemfdCreate, cstring(""), 1)
	fd := uintptr(f)
	try("getfd", syscall.SYS_FCNTL, fd, syscall.F_GETFD)
	try("getfl", syscall.SYS_FCNTL, fd, syscall.F_GETFL)
	var st syscall.Stat_t
	size := func() {
		err := syscall.Fstat(f, &st)
		at, _ := call(syscall.SYS_LSEEK, fd, 0, 1)
		say("  size", st.Size, fmt.Sprintf("%#o", st.Mode), at, err)
	}
	size()
	read := func(n, at int) {
		b := make([]byte, n)
		n, err := syscall.Pread(f, b, int64(at))
		b = b[:max(n, 0)]
		zeros := len(b) - len(strings.Trim(string(b), "\x00"))
		say(fmt.Sprint("  read at ", at), n, err, fmt.Sprintf("%.40q", strings.Trim(string(b), "\x00")), zeros)
	}
	write := func(s string) {
		n, err := syscall.Write(f, []byte(s))
		say(fmt.Sprintf("  write %.10q", s), n, err)
	}
	write("hello")
	size()
	read(10, 0)
	try("read at the end", syscall.SYS_READ, fd, addr(&st), 10)
	try("lseek", syscall.SYS_LSEEK, fd, 10_000, 0)
	write("world")
	size()
	read(20_000, 0)
	for whence := range uintptr(6) {
		for _, at := range []uintptr{0, 4, 10_000, 10_005, 10_006, 20_000} {
			if whence < 3 { // where holes are differs
				try(fmt.Sprint("lseek ", at, " ", whence), syscall.SYS_LSEEK, fd, at, whence)
			}
		}
	}
	try("lseek behind, data", syscall.SYS_LSEEK, fd, 10_005, 3)
	try("lseek behind, hole", syscall.SYS_LSEEK, fd, 10_005, 4)
	try("lseek 5", syscall.SYS_LSEEK, fd, 0, 5)
	big := strings.Repeat("0123456789abcdef", 1000)
	n, err := syscall.Pwrite(f, []byte(big), 4000)
	say("pwrite", n, err)
	read(30, 3990)
	read(30, 19_990)
	size()

	say("truncate")
	for _, n := range []uintptr{6000, 8192, 5000, 20_000, ^uintptr(0), 0, 100} {
		try(fmt.Sprint("ftruncate ", int(n)), syscall.SYS_FTRUNCATE, fd, n)
		size()
		read(30_000, 0)
		if n == 8192 {
			read(2200, 5990)
		}
	}
	try("fallocate", syscall.SYS_FALLOCATE, fd, 0, 0, 10_000)
	size()
	try("fallocate keep", syscall.SYS_FALLOCATE, fd, 1, 0, 20_000)
	size()
	try("fallocate within", syscall.SYS_FALLOCATE, fd, 0, 100, 5)
	size()
	try("append", syscall.SYS_FCNTL, fd, syscall.F_SETFL, syscall.O_APPEND)
	try("lseek", syscall.SYS_LSEEK, fd, 3, 0)
	write("at the end")
	size()
	read(50, 9990)
	try("append", syscall.SYS_FCNTL, fd, syscall.F_SETFL, 0)
	memfdCopies(f)
	memfdMaps(f)
	syscall.Close(f)
}

// memfdCopies reads and writes with buffers that end.
func memfdCopies(f int) {
	fd := uintptr(f)
	try("ftruncate", syscall.SYS_FTRUNCATE, fd, 0)
	anonymous(3, 2)
	for i := range uintptr(2 * page) {
		*at(base + i) = byte(i % 251)
	}
	try("write half", syscall.SYS_PWRITE64, fd, base+page, 2*page, 0)
	try("write bad", syscall.SYS_PWRITE64, fd, bad, 10, 0)
	try("write nothing", syscall.SYS_PWRITE64, fd, bad, 0, 0)
	try("write far", syscall.SYS_PWRITE64, fd, base, 10, 1<<33)
	try("size", syscall.SYS_LSEEK, fd, 0, 2)
	try("read half", syscall.SYS_PREAD64, fd, base+page, 3*page, 0)
	try("read half of a hole", syscall.SYS_PREAD64, fd, base+page, 3*page, 1<<20)
	say("  is", *at(base + page), *at(base + 2*page - 1))
	try("read bad", syscall.SYS_PREAD64, fd, bad, 10, 0)
	try("ftruncate", syscall.SYS_FTRUNCATE, fd, 0)
	unmap(3)
}

// memfdMaps maps the file, in which a page more is each time than before.
func memfdMaps(f int) {
	fd := uintptr(f)
	mapFD := func(off, n, prot, flags, offset uintptr) {
		r, errno := call(syscall.SYS_MMAP, base+off*page, n*page, prot, flags|syscall.MAP_FIXED, fd, offset*page)
		say("  mmap", uintptr(r) == base+off*page, errno)
	}
	byteAt := func(off int64) (b [1]byte) {
		syscall.Pread(f, b[:], off)
		return b
	}
	say("maps")
	try("ftruncate", syscall.SYS_FTRUNCATE, fd, 3*page)
	mapFD(0, 4, 3, syscall.MAP_SHARED, 0)
	mapFD(8, 2, 3, syscall.MAP_SHARED, 1)
	mapFD(16, 3, 3, syscall.MAP_PRIVATE, 0)
	*at(base + page) = 7
	*at(base + 9*page) = 9
	say("  shared", *at(base + 8*page), *at(base + 2*page), byteAt(page), byteAt(2*page))
	syscall.Pwrite(f, []byte{5}, 0)
	say("  written", *at(base), *at(base + 16*page))
	*at(base + 16*page) = 6
	say("  private", *at(base), *at(base + 16*page), byteAt(0))
	resident(3)
	try("DONTNEED", syscall.SYS_MADVISE, base, 3*page, 4)
	say("  kept", *at(base), *at(base + page), *at(base + 2*page))
	try("DONTNEED", syscall.SYS_MADVISE, base+16*page, page, 4)
	say("  the file's", *at(base + 16*page))
	try("read-only", syscall.SYS_MPROTECT, base, page, 1)
	try("write to it", syscall.SYS_PREAD64, fd, base, 1, 0)
	try("again", syscall.SYS_MPROTECT, base, page, 3)
	*at(base) = 8
	say("  is", byteAt(0))
	r, errno := call(syscall.SYS_MREMAP, base+page, page, page, 3, base+30*page)
	say("mremap", r == base+30*page, errno, *at(base + 30*page))
	*at(base + 30*page) = 70
	say("  is", byteAt(page), *at(base + 8*page))
	try("behind the end", syscall.SYS_WRITE, fd, base+3*page, 1)
	try("munmap", syscall.SYS_MUNMAP, base+8*page, page)
	say("  kept", *at(base + 9*page), *at(base + 30*page), byteAt(page))

	try("shorter", syscall.SYS_FTRUNCATE, fd, page+100)
	try("gone", syscall.SYS_WRITE, fd, base+9*page, 1)
	try("gone", syscall.SYS_WRITE, fd, base+18*page, 1)
	say("  kept", *at(base), *at(base + 30*page), *at(base + 30*page + 99))
	try("longer", syscall.SYS_FTRUNCATE, fd, 3*page)
	say("  new", *at(base + 9*page), *at(base + 18*page), *at(base + 30*page + 100))
	*at(base + 30*page + 200) = 1
	try("shorter", syscall.SYS_FTRUNCATE, fd, page+100)
	try("longer", syscall.SYS_FTRUNCATE, fd, 2*page)
	say("  new", *at(base + 30*page + 200), *at(base + 30*page))

	// A mapping outlives the descriptor.
	dup, _ := syscall.Dup(f)
	other, _ := call(sysMemfdCreate, cstring("x"), 0)
	syscall.Dup2(other, f)
	syscall.Close(dup)
	say("closed", *at(base), *at(base + 30*page))
	*at(base) = 99
	say("  is", *at(base + 30*page), *at(base))
	syscall.Dup2(other, f)
	syscall.Close(other)
	try("munmap", syscall.SYS_MUNMAP, base, 40*page)
	try("size", syscall.SYS_LSEEK, fd, 0, 2)
	for range 150 { // more than the machine has, so nothing may be left behind
		try := func(nr uintptr, args ...uintptr) {
			if _, errno := call(nr, args...); errno != 0 {
				say("again", errno)
			}
		}
		other, _ := call(sysMemfdCreate, cstring("x"), 0)
		try(syscall.SYS_FTRUNCATE, uintptr(other), 1<<20)
		try(syscall.SYS_MMAP, base, 1<<20, 3, syscall.MAP_SHARED|syscall.MAP_FIXED|syscall.MAP_POPULATE, uintptr(other), 0)
		syscall.Close(other)
		try(syscall.SYS_MUNMAP, base, 1<<20)
	}
}
