// Command memory checks what the memory calls do: mmap, munmap, mprotect,
// mremap, madvise, brk, page faults, and the buffers of other calls. The file
// that it maps is its own. It prints a line for each part and exits with the
// number of checks that failed. It runs the same on Linux.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"unsafe"
)

// Protections and flags of Linux's calls.
const (
	none = 0
	r    = syscall.PROT_READ
	w    = syscall.PROT_WRITE
	x    = syscall.PROT_EXEC

	mapShared    = syscall.MAP_SHARED
	mapPrivate   = syscall.MAP_PRIVATE
	mapAnon      = syscall.MAP_PRIVATE | syscall.MAP_ANON
	mapFixed     = syscall.MAP_FIXED
	mapNoReplace = 0x100000
	map32        = 0x40

	mayMove   = 1
	moveFixed = 3

	page    = 4096
	userEnd = 1<<47 - page
	// base is where nothing is mapped.
	base uintptr = 0x1234_5000_0000
)

var parts = []struct {
	name string
	run  func()
}{
	{"mmap", mmaps},
	{"mmap errors", mmapErrors},
	{"munmap", munmaps},
	{"mprotect", mprotects},
	{"madvise", madvises},
	{"mremap", mremaps},
	{"mremap errors", mremapErrors},
	{"brk", brks},
	{"file", files},
	{"buffers", buffers},
	{"many areas", manyAreas},
	{"churn", churn},
}

var failed int

func main() {
	debug.SetPanicOnFault(true)
	for _, p := range parts {
		before := failed
		p.run()
		if failed == before {
			fmt.Println("ok", p.name)
		}
	}
	fmt.Printf("done, %d failed\n", failed)
	os.Exit(min(failed, 255))
}

// check reports what went wrong.
func check(ok bool, what string, args ...any) {
	if !ok {
		failed++
		fmt.Printf("FAILED "+what+"\n", args...)
	}
}

// errno checks how a call ended.
func errno(what string, got, want syscall.Errno) {
	check(got == want, "%s: %d (%v), want %d (%v)", what, int(got), got, int(want), want)
}

func call(nr uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	result, _, err := syscall.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	return result, err
}

func mmap(addr, size uintptr, prot, flags uintptr) (uintptr, syscall.Errno) {
	return call(syscall.SYS_MMAP, addr, size, prot, flags, 0xffff_ffff, 0)
}

func munmap(addr, size uintptr) syscall.Errno {
	_, err := call(syscall.SYS_MUNMAP, addr, size)
	return err
}

func mprotect(addr, size, prot uintptr) syscall.Errno {
	_, err := call(syscall.SYS_MPROTECT, addr, size, prot)
	return err
}

func madvise(addr, size, advice uintptr) syscall.Errno {
	_, err := call(syscall.SYS_MADVISE, addr, size, advice)
	return err
}

func mremap(addr, size, newSize, flags, newAddr uintptr) (uintptr, syscall.Errno) {
	return call(syscall.SYS_MREMAP, addr, size, newSize, flags, newAddr)
}

// at returns the byte at an address that mmap returned.
func at(addr uintptr) *byte { return *(**byte)(unsafe.Pointer(&addr)) }

// touch runs an access and reports whether it faulted at addr.
func touch(addr uintptr, access func(*byte)) (fault bool) {
	defer func() {
		if e, ok := recover().(interface{ Addr() uintptr }); ok {
			fault = true
			check(e.Addr() == addr, "fault at %#x, want %#x", e.Addr(), addr)
		}
	}()
	access(at(addr))
	return false
}

func noRead(addr uintptr) bool          { return touch(addr, func(p *byte) { sink = *p }) }
func noWrite(addr uintptr) bool         { return touch(addr, func(p *byte) { *p = 1 }) }
func set(addr uintptr, b byte) bool     { return !touch(addr, func(p *byte) { *p = b }) }
func is(addr uintptr, b byte) (ok bool) { return !touch(addr, func(p *byte) { ok = *p == b }) && ok }

var sink byte

func mmaps() {
	a, err := mmap(base, 3*page-5, r|w, mapAnon)
	check(a == base && err == 0, "hint: %#x, %v", a, err)
	for i := range uintptr(3) {
		check(is(a+i*page+9, 0) && set(a+i*page, byte(i+1)), "page %d", i)
	}
	check(noRead(base-1) && noRead(base+3*page), "beside the area")
	b, err := mmap(base+page, page, r|w, mapAnon)
	check(b != base+page && err == 0 && is(b, 0), "hint that is taken: %#x, %v", b, err)
	munmap(b, page)
	_, err = mmap(base+page, page, r|w, mapAnon|mapNoReplace)
	errno("FIXED_NOREPLACE of what is there", err, syscall.EEXIST)
	b, err = mmap(base+3*page, page, r|w, mapAnon|mapNoReplace)
	check(b == base+3*page && err == 0, "FIXED_NOREPLACE: %#x, %v", b, err)
	b, err = mmap(base+page, page, r|w, mapAnon|mapFixed)
	check(b == base+page && err == 0 && is(b, 0) && is(base, 1) && is(base+2*page, 3), "FIXED: %#x, %v", b, err)
	b, err = mmap(base+5*page+123, page, r, mapAnon)
	check(b == base+5*page && err == 0, "hint inside a page: %#x, %v", b, err)
	munmap(base, 6*page)

	b, err = mmap(0, page, r, mapAnon|map32)
	check(b != 0 && b < 1<<31 && err == 0, "32BIT: %#x, %v", b, err)
	munmap(b, page)
	// As Go's heap grows: pieces of a reservation.
	const size = 64 << 20
	b, err = mmap(1<<46-1<<30, size, none, mapAnon)
	check(b == 1<<46-1<<30 && err == 0 && noRead(b+12345), "reservation: %#x, %v", b, err)
	_, err = mmap(b+4<<20, 4<<20, r|w, mapAnon|mapFixed)
	check(err == 0 && set(b+4<<20, 1) && set(b+8<<20-1, 1) && noRead(b+8<<20) && noRead(b+4<<20-1), "piece: %v", err)
	munmap(b, size)
	check(noRead(b+4<<20), "what is unmapped is there")
}

func mmapErrors() {
	for _, tt := range []struct {
		name                          string
		addr, size, flags, fd, offset uintptr
		want                          syscall.Errno
	}{
		{"no length", 0, 0, mapAnon, 0, 0, syscall.EINVAL},
		{"length wraps", 0, ^uintptr(0), mapAnon, 0, 0, syscall.ENOMEM},
		{"length of the address space", 0, 1 << 47, mapAnon, 0, 0, syscall.ENOMEM},
		{"no type", 0, page, syscall.MAP_ANON, 0, 0, syscall.EINVAL},
		{"offset inside a page", 0, page, mapAnon, 0, 1, syscall.EINVAL},
		{"FIXED inside a page", base + 1, page, mapAnon | mapFixed, 0, 0, syscall.EINVAL},
		{"FIXED at the end", userEnd, page, mapAnon | mapFixed, 0, 0, syscall.ENOMEM},
		{"file -1", 0, page, mapPrivate, 0xffff_ffff, 0, syscall.EBADF},
		{"file 77", 0, page, mapPrivate, 77, 0, syscall.EBADF},
	} {
		_, err := call(syscall.SYS_MMAP, tt.addr, tt.size, r, tt.flags, tt.fd, tt.offset)
		errno(tt.name, err, tt.want)
	}
}

// numbered maps n pages at base and numbers them from 1.
func numbered(n uintptr) {
	a, err := mmap(base, n*page, r|w, mapAnon|mapFixed)
	check(a == base && err == 0, "mmap: %#x, %v", a, err)
	for i := range n {
		set(base+i*page, byte(i+1))
	}
}

func munmaps() {
	numbered(3)
	errno("inside a page", munmap(base+1, page), syscall.EINVAL)
	errno("no length", munmap(base, 0), syscall.EINVAL)
	errno("length wraps", munmap(base, ^uintptr(0)), syscall.EINVAL)
	errno("after the end", munmap(1<<47, page), syscall.EINVAL)
	errno("nothing there", munmap(0x5000_0000_0000, page), 0)
	errno("middle", munmap(base+page, 1), 0)
	check(is(base, 1) && noRead(base+page) && is(base+2*page, 3), "pages after the middle is gone")
	errno("across holes", munmap(base-page, 8*page), 0)
	check(noRead(base) && noRead(base+2*page), "pages after all is gone")
}

func mprotects() {
	numbered(8)
	p := func(i uintptr) uintptr { return base + i*page }
	errno("inside a page", mprotect(base+1, page, r), syscall.EINVAL)
	errno("unknown bit", mprotect(base, page, 0x100), syscall.EINVAL)
	errno("no length", mprotect(base, 0, r), 0)
	errno("length wraps", mprotect(base, ^uintptr(0)-page, r), syscall.ENOMEM)
	errno("read-only", mprotect(p(2), 2*page, r), 0)
	check(is(p(2), 3) && noWrite(p(2)) && noWrite(p(3)), "read-only pages")
	check(set(p(1), 9) && set(p(4), 9), "pages beside read-only ones")
	errno("no access", mprotect(p(3), 2*page, none), 0)
	check(noRead(p(3)) && noRead(p(4)) && is(p(2), 3) && is(p(5), 6), "pages without access, and beside")
	_, err := call(syscall.SYS_WRITE, 1, p(3), 1)
	errno("write of what has no access", err, syscall.EFAULT)
	errno("all again", mprotect(base, 8*page, r|w), 0)
	check(is(p(3), 4) && is(p(4), 9) && set(p(3), 1), "contents after no access")
	munmap(p(4), page)
	errno("across a hole", mprotect(base, 8*page, r), syscall.ENOMEM)
	check(noWrite(base) && set(p(5), 1), "before the hole it is done, after it not")
	munmap(base, 8*page)
	errno("nothing there", mprotect(base, page, r), syscall.ENOMEM)

	numbered(1)
	set(base, 0xc3) // RET
	errno("executable", mprotect(base, page, r|x), 0)
	code := &struct{ addr uintptr }{base}
	(*(*func())(unsafe.Pointer(&code)))()
	munmap(base, page)
}

func madvises() {
	const dontNeed, free = 4, 8
	numbered(200)
	errno("DONTNEED", madvise(base+page, 150*page, dontNeed), 0)
	for i := range uintptr(200) {
		want := byte(i + 1)
		if 1 <= i && i <= 150 {
			want = 0
		}
		check(is(base+i*page, want), "page %d after DONTNEED is not %d", i, want)
	}
	errno("unknown advice", madvise(base, page, 99), syscall.EINVAL)
	errno("inside a page", madvise(base+1, page, dontNeed), syscall.EINVAL)
	errno("no length", madvise(base, 0, dontNeed), 0)
	errno("FREE", madvise(base, page, free), 0)
	errno("into a hole", madvise(base+199*page, 2*page, dontNeed), syscall.ENOMEM)
	check(is(base+199*page, 0), "the page before the hole is dropped")
	munmap(base, 200*page)
}

func mremaps() {
	const size = 64 * page
	numbered(64)
	a, err := mremap(base, size, size/2, 0, 0)
	check(a == base && err == 0 && noRead(base+size/2) && is(base+size/2-page, 32), "shrink: %#x, %v", a, err)
	a, err = mremap(base, size/2, size, 0, 0)
	check(a == base && err == 0 && is(base, 1) && is(base+size/2, 0), "grow in place: %#x, %v", a, err)
	barrier, _ := mmap(base+size, page, r, mapAnon|mapFixed)
	_, err = mremap(base, size, 2*size, 0, 0)
	errno("grow where there is no room", err, syscall.ENOMEM)
	a, err = mremap(base, size, 2*size, mayMove, 0)
	check(a != base && err == 0 && is(a, 1) && is(a+31*page, 32) && is(a+2*size-1, 0) && noRead(base), "move: %#x, %v", a, err)
	munmap(barrier, page)
	b, err := mremap(a+31*page, page, 2*page, moveFixed, base)
	check(b == base && err == 0 && is(b, 32) && is(b+page, 0) && noRead(a+31*page) && is(a+30*page, 31) && is(a+32*page, 0), "move to: %#x, %v", b, err)
	b, err = mremap(a, page, page, moveFixed, userEnd-page)
	check(b == userEnd-page && err == 0 && is(b, 1), "move to the last page: %#x, %v", b, err)
	munmap(b, page)
	munmap(a, 2*size)
	munmap(base, 2*page)
}

func mremapErrors() {
	numbered(8)
	for _, tt := range []struct {
		name                               string
		addr, size, newSize, flags, target uintptr
		want                               syscall.Errno
	}{
		{"inside a page", base + 1, page, page, 0, 0, syscall.EINVAL},
		{"no new length", base, page, 0, 0, 0, syscall.EINVAL},
		{"FIXED alone", base, page, page, 2, base + 1<<20, syscall.EINVAL},
		{"unknown flag", base, page, page, 64, 0, syscall.EINVAL},
		{"overlap", base, 4 * page, 4 * page, moveFixed, base + 2*page, syscall.EINVAL},
		{"target inside a page", base, page, page, moveFixed, base + 1<<20 + 1, syscall.EINVAL},
		{"target at the end", base, page, page, moveFixed, userEnd, syscall.EINVAL},
		{"target after the end", base, page, page, moveFixed, 1 << 47, syscall.EINVAL},
		{"nothing there", base + 1<<30, page, 2 * page, mayMove, 0, syscall.EFAULT},
		{"across the area's end", base, 9 * page, 10 * page, mayMove, 0, syscall.EFAULT},
		{"new length wraps", base, page, ^uintptr(0), mayMove, 0, syscall.EINVAL},
	} {
		_, err := mremap(tt.addr, tt.size, tt.newSize, tt.flags, tt.target)
		errno(tt.name, err, tt.want)
	}
	munmap(base, 8*page)
}

func brks() {
	brk := func(to uintptr) uintptr { end, _ := call(syscall.SYS_BRK, to); return end }
	start := brk(0)
	check(brk(start+100_000) == start+100_000 && is(start+99_999, 0) && set(start+50_000, 5), "up")
	check(brk(start+10) == start+10 && noRead(start+50_000), "down")
	check(brk(start+60_000) == start+60_000 && is(start+50_000, 0), "up again")
	check(brk(1<<47) == start+60_000, "beyond user memory")
	check(brk(start) == start, "back")
}

// same tells whether the file's first bytes are these.
func same(file *os.File, mapped []byte) bool {
	buf := make([]byte, page)
	for done := 0; done < len(mapped); {
		n, err := file.ReadAt(buf, int64(done))
		n = min(n, len(mapped)-done)
		if n == 0 || !bytes.Equal(mapped[done:done+n], buf[:n]) {
			check(false, "the file from byte %d on: %v", done, err)
			return false
		}
		done += n
	}
	return true
}

func files() {
	exe, err := os.Executable()
	if err != nil {
		check(false, "%v", err)
		return
	}
	file, err := os.Open(exe)
	if err != nil {
		check(false, "%v", err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		check(false, "%v", err)
		return
	}
	size, fd := uintptr(info.Size()), file.Fd()
	end := (size + page - 1) &^ (page - 1)
	// Two pages are enough for what follows: with 8 MiB of RAM there is no room for the
	// whole file beside its mapping.
	want := make([]byte, 2*page)
	if _, err := file.ReadAt(want, 0); err != nil {
		check(false, "%v", err)
		return
	}
	// So that the file's pages are such as have been used before.
	a, e := mmap(base, end, r|w, mapAnon)
	used := unsafe.Slice(at(a), end)
	for i := range used {
		used[i] = 0xff
	}
	munmap(a, end)
	a, e = call(syscall.SYS_MMAP, 0, size, r|w, mapPrivate, fd, 0)
	check(e == 0 && same(file, unsafe.Slice(at(a), size)), "private: %v", e)
	for i := size; i < end; i++ {
		check(is(a+i, 0), "byte %d after the file's end is not 0", i-size)
	}
	check(set(a+5, ^want[5]) && is(a+5, ^want[5]), "write")
	errno("DONTNEED", madvise(a, page, 4), 0)
	check(is(a+5, want[5]), "the file's byte is back after DONTNEED")
	errno("FREE", madvise(a, page, 8), syscall.EINVAL)
	munmap(a, size)

	a, e = call(syscall.SYS_MMAP, 0, end, r, mapPrivate, fd, page)
	check(e == 0 && is(a, want[page]) && noRead(a+end-page), "offset, and SIGBUS after the end: %v", e)
	munmap(a, end)
	_, e = call(syscall.SYS_MMAP, 0, size, r|w, mapShared, fd, 0)
	errno("shared and writable", e, syscall.EACCES)
	a, e = call(syscall.SYS_MMAP, 0, size, r, mapShared, fd, 0)
	check(e == 0 && is(a, want[0]), "shared: %v", e)
	errno("shared made writable", mprotect(a, page, r|w), syscall.EACCES)
	munmap(a, size)
}

func buffers() {
	var empty [1]byte
	for _, p := range []uintptr{0, 1, base, userEnd, 1 << 47, 0xffff_8880_0000_0000, 0xffff_ffff_8010_0000, ^uintptr(0)} {
		_, err := call(syscall.SYS_WRITE, 1, p, 8)
		errno(fmt.Sprintf("write from %#x", p), err, syscall.EFAULT)
		_, err = call(syscall.SYS_CLOCK_GETTIME, 1, p)
		errno(fmt.Sprintf("clock_gettime to %#x", p), err, syscall.EFAULT)
	}
	numbered(1)
	_, err := call(syscall.SYS_CLOCK_GETTIME, 1, base+page-8)
	errno("across the end", err, syscall.EFAULT)
	_, err = call(syscall.SYS_CLOCK_GETTIME, 1, base+page-16)
	errno("up to the end", err, 0)
	open := func(path uintptr) syscall.Errno {
		_, err := call(syscall.SYS_OPEN, path, 0, 0)
		return err
	}
	errno("path of nothing", open(uintptr(unsafe.Pointer(&empty))), syscall.ENOENT)
	munmap(base, page)

	numbered(2)
	text := unsafe.Slice(at(base), 2*page)
	for i := range text {
		text[i] = 'x'
	}
	errno("path without an end", open(base), syscall.ENAMETOOLONG)
	errno("path into the end", open(base+2*page-3), syscall.EFAULT)
	munmap(base, 2*page)
}

// manyAreas maps as many areas as Linux allows, but for the few that there are
// already, or as memory has room for, and takes them away in another order.
func manyAreas() {
	const most = 65_400 // vm.max_map_count is 65530
	var info syscall.Sysinfo_t
	syscall.Sysinfo(&info)
	n := uintptr(0)
	for ; n < most; n++ {
		a, err := mmap(base+n*page, page, r|w*(n%2), mapAnon|mapNoReplace)
		if err != 0 {
			errno("one too many", err, syscall.ENOMEM)
			check(info.Totalram < 32<<20, "%d areas in %d bytes of RAM", n, info.Totalram)
			break
		}
		if a != base+n*page {
			check(false, "area %d: %#x", n, a)
			return
		}
	}
	check(n > 1000, "only %d areas", n)
	third := n / 3
	for k := range uintptr(3) { // every third, back and forth
		for i := range third {
			if err := munmap(base+(3*(i*7919%third)+k)*page, page); err != 0 {
				check(false, "round %d: munmap: %v", k, err)
				return
			}
		}
		_, err := mmap(base+(third/2*3+k)*page, page, r, mapAnon|mapNoReplace)
		errno("one that is gone", err, 0)
		if k < 2 {
			_, err = mmap(base+(third/2*3+k+1)*page, page, r, mapAnon|mapNoReplace)
			errno("the one after it", err, syscall.EEXIST)
		}
	}
	munmap(base, n*page)
	_, err := mmap(base, n*page, r, mapAnon|mapNoReplace)
	errno("the whole", err, 0)
	munmap(base, n*page)
}

// churn maps, touches and unmaps pieces all over memory: 1 GB in 3000 rounds. The
// program's argument is how many there are.
func churn() {
	rounds, err := strconv.Atoi(os.Args[1])
	check(err == nil && rounds > 0, "rounds: %v", err)
	for i := range uintptr(rounds) {
		const size = 90 * page
		a := 0x1000_0000_0000 + i*0x1_2345_6000
		got, err := mmap(a, size, r|w, mapAnon|mapFixed)
		if got != a || err != 0 {
			check(false, "round %d: %#x, %v", i, got, err)
			return
		}
		for off := uintptr(0); off < size; off += page {
			if !is(a+off, 0) || !set(a+off, 1) || !is(a+off+page-1, 0) || !set(a+off+page-1, 1) {
				check(false, "round %d: page at %#x", i, off)
				return
			}
		}
		munmap(a+page, page)
		if i%2 == 0 {
			_, err := mremap(a+2*page, size-2*page, size, moveFixed, a+1<<45)
			check(err == 0, "round %d: %v", i, err)
			munmap(a+1<<45, size)
		}
		munmap(a, size)
	}
}
