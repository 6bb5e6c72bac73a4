package main

import (
	"encoding/binary"
	"fmt"
	"syscall"
)

// status runs what asks about files and descriptors without reading.
func status() {
	statxs()
	statfss()
	ranges()
	vectors()
	ioctls()
	advices()
}

type statx struct {
	mask, blkSize     uint32
	attributes        uint64
	nlink, uid, gid   uint32
	mode, _           uint16
	ino, size, blocks uint64
	attributesMask    uint64
	times             [4][2]uint64
	rmajor, rminor    uint32
	major, minor      uint32
	mountID           uint64
	_                 [13]uint64
}

func statxs() {
	var stx statx
	var st syscall.Stat_t
	ask := func(what string, dir uintptr, path string, flags, mask uintptr) {
		stx = statx{}
		r, errno := call(sysStatx, dir, cstring(path), flags, mask, addr(&stx))
		say(what, r, errno)
		if errno != 0 {
			return
		}
		_, errno = call(syscall.SYS_NEWFSTATAT, dir, cstring(path), addr(&st), flags&0x1100)
		same := stx.ino == st.Ino && uint32(stx.mode) == st.Mode && stx.size == uint64(st.Size) && uint64(stx.nlink) == uint64(st.Nlink) &&
			stx.times[0][0] == uint64(st.Atim.Sec) && stx.times[3][0] == uint64(st.Mtim.Sec) && stx.times[2][0] == uint64(st.Ctim.Sec) &&
			uint64(stx.rmajor)<<8|uint64(stx.rminor) == st.Rdev && uint64(stx.blkSize) == uint64(st.Blksize) && stx.uid == st.Uid && stx.gid == st.Gid
		say("  as stat", errno, same, stx.mask&0x7ff == 0x7ff, fmt.Sprintf("%#o", stx.mode), stx.rmajor, stx.rminor)
	}
	for _, p := range paths {
		ask(fmt.Sprintf("statx %.20q", p), cwd, p, 0, 0x7ff)
		ask("  itself", cwd, p, 0x100, 0x7ff)
	}
	etc, _ := syscall.Open("/etc", 0, 0)
	ask("at", uintptr(etc), "motd", 0, 0x7ff)
	ask("empty", uintptr(etc), "", 0x1000, 0x7ff)
	ask("empty of cwd", cwd, "", 0x1000, 0x7ff)
	ask("closed", 99, "motd", 0, 0x7ff)
	ask("closed empty", 99, "", 0x1000, 0x7ff)
	for _, flags := range []uintptr{0x2000, 0x4000, 0x6000, 0x800, 0x200, 1} {
		ask(fmt.Sprintf("flags %#x", flags), cwd, "/etc", flags, 0x7ff)
	}
	for _, mask := range []uintptr{0, 1, 0xfff, 1 << 31} {
		ask(fmt.Sprintf("mask %#x", mask), cwd, "/etc/motd", 0, mask)
	}
	try("path bad", sysStatx, cwd, bad, 0, 0x7ff, addr(&stx))
	try("buffer bad", sysStatx, cwd, cstring("/"), 0, 0x7ff, bad)
	var fds [2]int
	syscall.Pipe(fds[:])
	ask("pipe", uintptr(fds[0]), "", 0x1000, 0x7ff)
	try("access empty", 439, uintptr(fds[0]), cstring(""), 4, 0x1000)
	try("access empty", 439, uintptr(etc), cstring(""), 2, 0x1000)
	try("access empty", 439, 99, cstring(""), 2, 0x1000)
	for _, fd := range []int{etc, fds[0], fds[1]} {
		syscall.Close(fd)
	}
}

func statfss() {
	var st syscall.Statfs_t
	tell := func() {
		say("  is", st.Bsize, st.Frsize, st.Namelen, st.Flags&1)
		st = syscall.Statfs_t{}
	}
	for _, p := range paths {
		try(fmt.Sprintf("statfs %.20q", p), syscall.SYS_STATFS, cstring(p), addr(&st))
	}
	tell()
	try("path bad", syscall.SYS_STATFS, bad, addr(&st))
	try("buffer bad", syscall.SYS_STATFS, cstring("/"), bad)
	var fds [2]int
	syscall.Pipe(fds[:])
	motd, _ := syscall.Open("/etc/motd", 0, 0)
	try("fstatfs", syscall.SYS_FSTATFS, uintptr(motd), addr(&st))
	tell()
	try("pipe", syscall.SYS_FSTATFS, uintptr(fds[0]), addr(&st))
	say("  is", fmt.Sprintf("%#x", st.Type))
	tell()
	event := eventfd(0, 0)
	try("eventfd", syscall.SYS_FSTATFS, event, addr(&st))
	say("  is", fmt.Sprintf("%#x", st.Type))
	tell()
	try("closed", syscall.SYS_FSTATFS, 99, addr(&st))
	try("buffer bad", syscall.SYS_FSTATFS, uintptr(motd), bad)
	for _, fd := range []int{motd, fds[0], fds[1], int(event)} {
		syscall.Close(fd)
	}
}

func ranges() {
	for i := range 10 {
		syscall.Dup2(1, 50+i)
	}
	open := func() {
		s := ""
		for i := range 10 {
			fd, errno := call(syscall.SYS_FCNTL, uintptr(50+i), syscall.F_GETFD)
			if errno != 0 {
				s += "-"
			} else {
				s += fmt.Sprint(fd)
			}
		}
		say("  open", s)
	}
	open()
	try("close_range", sysCloseRange, 52, 53, 0)
	open()
	try("with gaps", sysCloseRange, 51, 54, 0)
	open()
	try("close on exec", sysCloseRange, 56, 57, 4)
	open()
	try("flags", sysCloseRange, 50, 51, 1)
	try("flags", sysCloseRange, 50, 51, 8)
	try("backwards", sysCloseRange, 58, 57, 0)
	open()
	try("all", sysCloseRange, 58, 1<<32-1, 0)
	open()
	try("all again", sysCloseRange, 50, 1<<32-1, 0)
	open()
}

func vectors() {
	motd, _ := syscall.Open("/etc/motd", 0, 0)
	fd := uintptr(motd)
	buf := make([]byte, 20)
	iov := [3]syscall.Iovec{{Base: &buf[0], Len: 2}, {}, {Base: &buf[2], Len: 5}}
	read := func(what string, nr uintptr, args ...uintptr) {
		for i := range buf {
			buf[i] = '.'
		}
		r, errno := call(nr, args...)
		at, _ := call(syscall.SYS_LSEEK, args[0], 0, 1)
		say(what, r, errno, string(buf[:8]), at)
	}
	read("preadv", syscall.SYS_PREADV, fd, addr(&iov), 3, 3)
	read("preadv end", syscall.SYS_PREADV, fd, addr(&iov), 3, 14)
	read("preadv behind", syscall.SYS_PREADV, fd, addr(&iov), 3, 1000)
	read("preadv -1", syscall.SYS_PREADV, fd, addr(&iov), 3, ^uintptr(0))
	read("preadv none", syscall.SYS_PREADV, fd, addr(&iov), 0, 0)
	read("preadv many", syscall.SYS_PREADV, fd, addr(&iov), 1025, 0)
	read("preadv bad", syscall.SYS_PREADV, fd, bad, 2, 0)
	read("preadv closed", syscall.SYS_PREADV, 99, addr(&iov), 3, 0)
	read("preadv closed and bad", syscall.SYS_PREADV, 99, bad, 2000, 0)
	read("pwritev", syscall.SYS_PWRITEV, fd, addr(&iov), 3, 0)
	read("preadv2", sysPreadv2, fd, addr(&iov), 3, 3, 0, 0)
	read("preadv2 -1", sysPreadv2, fd, addr(&iov), 3, ^uintptr(0), ^uintptr(0), 0)
	read("preadv2 -1", sysPreadv2, fd, addr(&iov), 3, ^uintptr(0), ^uintptr(0), 0)
	read("preadv2 -2", sysPreadv2, fd, addr(&iov), 3, ^uintptr(1), ^uintptr(0), 0)
	read("preadv2 flags", sysPreadv2, fd, addr(&iov), 3, 0, 0, 0x8000)
	read("preadv2 HIPRI", sysPreadv2, fd, addr(&iov), 3, 0, 0, 1)
	null, _ := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	read("pwritev2", sysPwritev2, uintptr(null), addr(&iov), 3, 0, 0, 2|4)
	read("pwritev", syscall.SYS_PWRITEV, uintptr(null), addr(&iov), 3, 7)
	var fds [2]int
	syscall.Pipe(fds[:])
	read("preadv pipe", syscall.SYS_PREADV, uintptr(fds[0]), addr(&iov), 3, 0)
	read("pwritev pipe", syscall.SYS_PWRITEV, uintptr(fds[1]), addr(&iov), 3, 0)
	read("pwritev2 pipe", sysPwritev2, uintptr(fds[1]), addr(&iov), 3, ^uintptr(0), 0, 0)
	read("preadv2 pipe", sysPreadv2, uintptr(fds[0]), addr(&iov), 3, ^uintptr(0), 0, 0)
	for _, fd := range []int{motd, null, fds[0], fds[1]} {
		syscall.Close(fd)
	}
}

func ioctls() {
	const getAttr, winSize, nRead, nonBlock, noExec, exec = 0x5401, 0x5413, 0x541b, 0x5421, 0x5451, 0x5450
	motd, _ := syscall.Open("/etc/motd", 0, 0)
	null, _ := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	var fds [2]int
	syscall.Pipe(fds[:])
	syscall.Write(fds[1], make([]byte, 77))
	syscall.Read(motd, make([]byte, 3))
	var b [64]byte
	for i, f := range []int{motd, null, fds[0], fds[1], 99} {
		fd := uintptr(f)
		say(fmt.Sprint("ioctl ", i))
		try("TCGETS", syscall.SYS_IOCTL, fd, getAttr, addr(&b))
		try("TIOCGWINSZ", syscall.SYS_IOCTL, fd, winSize, addr(&b))
		r, errno := call(syscall.SYS_IOCTL, fd, nRead, addr(&b))
		say("FIONREAD", r, errno, binary.LittleEndian.Uint32(b[:])*uint32(r+1))
		try("FIONREAD bad", syscall.SYS_IOCTL, fd, nRead, bad)
		for _, on := range []uint32{1, 0} {
			try("FIONBIO", syscall.SYS_IOCTL, fd, nonBlock, addr(&on))
			r, errno = call(syscall.SYS_FCNTL, fd, syscall.F_GETFL)
			say("  flags", r&syscall.O_NONBLOCK, errno)
		}
		try("FIONBIO bad", syscall.SYS_IOCTL, fd, nonBlock, bad)
		try("FIOCLEX", syscall.SYS_IOCTL, fd, noExec, bad)
		try("  flag", syscall.SYS_FCNTL, fd, syscall.F_GETFD)
		try("FIONCLEX", syscall.SYS_IOCTL, fd, exec, bad)
		try("  flag", syscall.SYS_FCNTL, fd, syscall.F_GETFD)
		try("unknown", syscall.SYS_IOCTL, fd, 0x12345678, bad)
	}
	for _, fd := range []int{motd, null, fds[0], fds[1]} {
		syscall.Close(fd)
	}
}

func advices() {
	motd, _ := syscall.Open("/etc/motd", 0, 0)
	var fds [2]int
	syscall.Pipe(fds[:])
	for _, f := range []int{motd, fds[0], fds[1], 99} {
		fd := uintptr(f)
		for advice := range uintptr(8) {
			try(fmt.Sprint("fadvise ", advice), syscall.SYS_FADVISE64, fd, 0, 0, advice)
		}
		try("fadvise length", syscall.SYS_FADVISE64, fd, 0, ^uintptr(0), 0)
		try("fadvise offset", syscall.SYS_FADVISE64, fd, ^uintptr(0), 0, 0)
		try("readahead", syscall.SYS_READAHEAD, fd, 0, 10)
		try("syncfs", 306, fd)
	}
	try("sync", syscall.SYS_SYNC)
	for _, fd := range []int{motd, fds[0], fds[1]} {
		syscall.Close(fd)
	}
}
