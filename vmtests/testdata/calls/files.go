package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"
)

// files reads: it does what a program can do with the tree that the test packs.
func files() {
	byName()
	descriptors()
	directories()
	devices()
	writing()
}

func byName() {
	for _, path := range []string{
		"/etc/motd", "etc/motd", "//etc/.///motd", "/../etc/motd", "/link", "/etc/abs", "/dirlink/motd",
		"/loop", "/dangling", "/etc", "/nope", "/nope/..", "/etc/motd/x", "/etc/motd/", "/etc/motd/..", "/link/", "/hard", "/hard2", "",
		strings.Repeat("a", 300), strings.Repeat("a/", 3000),
	} {
		text, err := os.ReadFile(path)
		say(fmt.Sprintf("read %.20q", path), fmt.Sprintf("%q", text), err)
	}
	big, err := os.ReadFile("/big")
	say("big", len(big), fmt.Sprintf("%x", sha256.Sum256(big))[:16], err)
	for _, path := range []string{"/link", "/etc/motd", "/etc", "/nope", "/dirlink/"} {
		target, err := os.Readlink(path)
		say("readlink "+path, target, err)
	}
	try("readlink bad", syscall.SYS_READLINK, addr(&[]byte("/link\x00")[0]), bad, 10)
	try("readlink size 0", syscall.SYS_READLINK, addr(&[]byte("/link\x00")[0]), bad, 0)
	for _, path := range []string{"/", "/etc", "/etc/motd", "/link", "/implied", "/implied/a/b", "/big", "/nope", "/loop"} {
		info, err := os.Lstat(path)
		if err != nil {
			say("lstat "+path, err)
			continue
		}
		size := info.Size()
		if info.IsDir() {
			size = 0
		}
		say("lstat "+path, info.Mode().Type(), size)
	}
	same := func(a, b string) bool {
		x, _ := os.Stat(a)
		y, _ := os.Stat(b)
		return os.SameFile(x, y)
	}
	say("same file", same("/etc/motd", "/link"), same("/etc/motd", "/big"), same("/hard", "/hard2"))
	try("open bad", syscall.SYS_OPEN, bad, 0, 0)
	try("stat bad", syscall.SYS_STAT, addr(&[]byte("/etc\x00")[0]), bad)
	var st syscall.Stat_t
	try("fstatat empty", syscall.SYS_NEWFSTATAT, 99, addr(&[]byte("\x00")[0]), addr(&st), 0)
	try("fstatat empty fd", syscall.SYS_NEWFSTATAT, 1, addr(&[]byte("\x00")[0]), addr(&st), 0x1000)
	try("fstatat bad fd", syscall.SYS_NEWFSTATAT, 99, addr(&[]byte("x\x00")[0]), addr(&st), 0)
	try("fstatat no dir", syscall.SYS_NEWFSTATAT, 0, addr(&[]byte("x\x00")[0]), addr(&st), 0)
	try("fstatat flags", syscall.SYS_NEWFSTATAT, 0, addr(&[]byte("x\x00")[0]), addr(&st), 0x8000)
	for _, mode := range []uint32{0, 1, 4, 8} {
		for _, path := range []string{"/etc/motd", "/init", "/etc", "/dev/null", "/nope", "/dangling"} {
			say(fmt.Sprintf("access %s %d", path, mode), syscall.Access(path, mode))
		}
	}
	for _, flags := range []int{syscall.O_DIRECTORY, syscall.O_NOFOLLOW, os.O_CREATE | os.O_EXCL, os.O_WRONLY | syscall.O_DIRECTORY} {
		for _, path := range []string{"/etc/motd", "/etc", "/link", "/dirlink"} {
			fd, err := syscall.Open(path, flags, 0)
			say(fmt.Sprintf("open %s %#o", path, flags), fd >= 0, err)
			syscall.Close(fd)
		}
	}
}

func descriptors() {
	f, err := os.Open("/etc/motd")
	say("open", err)
	for _, s := range []struct {
		off    int64
		whence int
	}{{-5, 2}, {-500, 1}, {3, 0}, {0, 1}, {0, 77}, {1 << 40, 0}} {
		n, err := f.Seek(s.off, s.whence)
		say(fmt.Sprint("seek ", s), n, err)
	}
	buf := make([]byte, 8)
	n, err := f.Read(buf)
	say("read behind", n, err)
	n, err = f.ReadAt(buf[:4], 2)
	say("read at", n, string(buf[:4]), err)
	n, err = f.Write(buf)
	say("write", n, err)
	fd := f.Fd()
	try("pread -1", syscall.SYS_PREAD64, fd, addr(&buf[0]), 4, ^uintptr(0))
	try("pwrite", syscall.SYS_PWRITE64, fd, addr(&buf[0]), 4, 0)
	try("getfl", syscall.SYS_FCNTL, fd, syscall.F_GETFL)
	try("setfl", syscall.SYS_FCNTL, fd, syscall.F_SETFL, syscall.O_APPEND|syscall.O_NONBLOCK)
	try("getfl", syscall.SYS_FCNTL, fd, syscall.F_GETFL)
	try("getfd", syscall.SYS_FCNTL, fd, syscall.F_GETFD)
	try("dupfd", syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 40)
	try("getfd", syscall.SYS_FCNTL, 40, syscall.F_GETFD)
	try("dupfd -1", syscall.SYS_FCNTL, fd, syscall.F_DUPFD, ^uintptr(0))
	try("fcntl", syscall.SYS_FCNTL, fd, 7777)
	try("fcntl closed", syscall.SYS_FCNTL, 50, syscall.F_GETFD)
	try("dup2", syscall.SYS_DUP2, fd, 41)
	try("dup2 same", syscall.SYS_DUP2, 41, 41)
	try("dup2 same closed", syscall.SYS_DUP2, 50, 50)
	try("dup2 closed", syscall.SYS_DUP2, 50, 41)
	try("dup2 -1", syscall.SYS_DUP2, fd, ^uintptr(0))
	try("dup3 same", syscall.SYS_DUP3, 41, 41, 0)
	try("dup3 flags", syscall.SYS_DUP3, fd, 41, 1)
	try("dup3", syscall.SYS_DUP3, fd, 42, syscall.O_CLOEXEC)
	try("getfd", syscall.SYS_FCNTL, 42, syscall.F_GETFD)
	try("dup closed", syscall.SYS_DUP, 50)
	try("seek one", syscall.SYS_LSEEK, 41, 3, 0)
	try("seek other", syscall.SYS_LSEEK, 40, 0, 1)
	try("close", syscall.SYS_CLOSE, 41)
	try("close again", syscall.SYS_CLOSE, 41)
	try("close -1", syscall.SYS_CLOSE, ^uintptr(0))
	f.Close()
	try("read", syscall.SYS_READ, 40, addr(&buf[0]), 1)
	try("read bad", syscall.SYS_READ, 40, bad, 10)
	try("read kernel", syscall.SYS_READ, 40, 0xffff_8000_0000_0000, 10)
	try("read closed", syscall.SYS_READ, 50, addr(&buf[0]), 1)
	try("read -1", syscall.SYS_READ, ^uintptr(0), addr(&buf[0]), 1)
	iov := [3]syscall.Iovec{{Base: &buf[0], Len: 2}, {}, {Base: &buf[2], Len: 3}}
	try("rewind", syscall.SYS_LSEEK, 40, 2, 0)
	try("readv", syscall.SYS_READV, 40, addr(&iov), 3)
	say("readv", string(buf[:5]))
	try("readv none", syscall.SYS_READV, 40, addr(&iov), 0)
	try("readv -1", syscall.SYS_READV, 40, addr(&iov), ^uintptr(0))
	try("readv closed", syscall.SYS_READV, 50, addr(&iov), 3)
	try("ioctl", syscall.SYS_IOCTL, 40, syscall.TCGETS)
	try("ioctl closed", syscall.SYS_IOCTL, 50, syscall.TCGETS)
	try("fsync", syscall.SYS_FSYNC, 40)
	try("fsync closed", syscall.SYS_FSYNC, 50)
}

func directories() {
	for _, dir := range []string{"/", "/etc", "/implied", "/implied/a", "/empty", "/nope", "/etc/motd"} {
		entries, err := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			if e.Name() != "dev" && e.Name() != "proc" {
				names = append(names, e.Name()+":"+e.Type().String())
			}
		}
		slices.Sort(names)
		say("readdir "+dir, names, err)
	}
	filepath.WalkDir("/implied", func(path string, _ fs.DirEntry, err error) error {
		say("walk", path, err)
		return nil
	})
	dir, err := os.Open("/implied/a")
	say("open", err)
	names, err := dir.Readdirnames(-1)
	say("names", len(names), err)
	_, err = dir.Seek(0, 0)
	say("rewind", err)
	names, err = dir.Readdirnames(-1)
	say("names", len(names), err)
	var buf [64]byte
	try("rewind", syscall.SYS_LSEEK, dir.Fd(), 0, 0)
	try("getdents small", syscall.SYS_GETDENTS64, dir.Fd(), addr(&buf[0]), 10)
	try("getdents one", syscall.SYS_GETDENTS64, dir.Fd(), addr(&buf[0]), 24)
	try("getdents bad", syscall.SYS_GETDENTS64, dir.Fd(), bad, 64)
	try("getdents file", syscall.SYS_GETDENTS64, 40, addr(&buf[0]), 64)
	try("read dir", syscall.SYS_READ, dir.Fd(), addr(&buf[0]), 64)
	fd := try("openat", syscall.SYS_OPENAT, dir.Fd(), addr(&[]byte("b/c\x00")[0]), 0)
	syscall.Close(fd)
	try("openat no dir", syscall.SYS_OPENAT, 40, addr(&[]byte("b/c\x00")[0]), 0)
	try("openat closed", syscall.SYS_OPENAT, 50, addr(&[]byte("b/c\x00")[0]), 0)
	try("getcwd", syscall.SYS_GETCWD, addr(&buf[0]), 64)
	say("chdir", syscall.Chdir("/implied/a/../../dirlink"))
	try("getcwd", syscall.SYS_GETCWD, addr(&buf[0]), 64)
	say("getcwd", string(buf[:4]))
	try("getcwd small", syscall.SYS_GETCWD, addr(&buf[0]), 4)
	try("getcwd bad", syscall.SYS_GETCWD, bad, 64)
	text, err := os.ReadFile("motd")
	say("relative", fmt.Sprintf("%q", text), err)
	say("chdir", syscall.Chdir("motd"), syscall.Chdir("nope"))
	say("fchdir", dir.Chdir())
	text, err = os.ReadFile("../x")
	say("relative", fmt.Sprintf("%q", text), err)
	try("fchdir file", syscall.SYS_FCHDIR, 40)
	try("fchdir closed", syscall.SYS_FCHDIR, 50)
	say("chdir", syscall.Chdir("/"))
}

func devices() {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	say("null", err)
	n, err := null.Write(make([]byte, 100000))
	say("null write", n, err)
	n, err = null.Read(make([]byte, 10))
	say("null read", n, err)
	zero, err := os.Open("/dev/zero")
	say("zero", err)
	buf := []byte{1, 2, 3, 4, 5}
	n, err = io.ReadFull(zero, buf)
	say("zero read", n, buf, err)
	differ := func(b []byte) bool { return b[0] != b[1] || b[1] != b[2] || b[2] != b[3] }
	urandom, err := os.Open("/dev/urandom")
	say("urandom", err)
	buf = make([]byte, 1000)
	n, err = io.ReadFull(urandom, buf)
	say("urandom read", n, differ(buf), err)
	n, err = rand.Read(buf)
	say("crypto/rand", n, differ(buf), err)
	try("getrandom flags", 318, addr(&buf[0]), 10, 99)
	try("getrandom bad", 318, bad, 10, 0)
	exe, err := os.Executable()
	say("executable", exe, err)
	name, err := os.Hostname()
	say("hostname", name != "", err)
	text, err := bufio.NewReader(os.Stdin).ReadString('\n')
	say("stdin", text, err)
	f, _ := os.Open("/etc/motd")
	copied, err := io.Copy(os.Stdout, f)
	say("copy", copied, err)
}

// writing writes to the standard output, which the test reads.
func writing() {
	w := bufio.NewWriter(os.Stdout)
	for i := range 300 {
		fmt.Fprintf(w, "line %d %s\n", i, strings.Repeat("z", i%77))
	}
	w.Flush()
	page, err := syscall.Mmap(-1, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	say("mmap", err)
	say("mprotect", syscall.Mprotect(page[4096:], syscall.PROT_NONE))
	copy(page[4091:], "part\n") // the rest cannot be read
	try("write half", syscall.SYS_WRITE, 1, addr(&page[4091]), 100)
	try("write bad", syscall.SYS_WRITE, 1, addr(&page[0])+4096, 100)
	try("write none", syscall.SYS_WRITE, 1, bad, 0)
	big, _ := syscall.Open("/big", 0, 0)
	try("read half", syscall.SYS_READ, uintptr(big), addr(&page[4091]), 100)
	try("position", syscall.SYS_LSEEK, uintptr(big), 0, 1)
	iov := [3]syscall.Iovec{{Base: &[]byte("ab")[0], Len: 2}, {}, {Base: &[]byte("cd\n")[0], Len: 3}}
	try("writev", syscall.SYS_WRITEV, 1, addr(&iov), 3)
	try("writev many", syscall.SYS_WRITEV, 1, addr(&iov), 1025)
	try("writev bad", syscall.SYS_WRITEV, 1, bad, 2)
	iov[2].Len = 1 << 63
	try("writev negative", syscall.SYS_WRITEV, 1, addr(&iov), 3)
	iov[2] = syscall.Iovec{Base: (*byte)(unsafe.Pointer(&page[4096])), Len: 3}
	iov[0] = syscall.Iovec{Base: &[]byte("z\n")[0], Len: 2}
	try("writev half", syscall.SYS_WRITEV, 1, addr(&iov), 3)
}
