package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// cstring returns the address of a path for a call.
func cstring(s string) uintptr { return addr(&append([]byte(s), 0)[0]) }

// Calls that package syscall has no number for.
const (
	sysRenameat2  = 316
	sysPreadv2    = 327
	sysPwritev2   = 328
	sysStatx      = 332
	sysCloseRange = 436
)

var cwd = ^uintptr(99) // AT_FDCWD

// paths are names of files, of what is not there, and of what is neither.
var paths = []string{
	"/etc/motd", "/etc", "/link", "/dangling", "/loop", "/new", "/new/", "/no/new", "/etc/motd/new", "/etc/", "/etc/motd/", "/link/", "/dirlink/", "/dirlink/new",
	"/", "//", ".", "..", "/etc/.", "/etc/..", "/nope/.", "etc/motd/.", "./", "../", "", "new", "/dev/null", "...", "/new/..", "/loop/x",
	strings.Repeat("a", 256), strings.Repeat("a/", 3000),
}

// readonly shows what a file system that cannot be written answers.
func readonly() {
	for _, flags := range []int{os.O_RDWR, os.O_WRONLY, os.O_TRUNC, os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_EXCL, 0o20200000 | os.O_RDWR, 0o20200000, 0o20000000 | os.O_RDWR} {
		for _, path := range []string{"/etc/motd", "/etc", "/link", "/new", "/no/new", "/dev/null"} {
			fd, err := syscall.Open(path, flags, 0o600)
			say(fmt.Sprintf("open %s %#o", path, flags), fd >= 0, err)
			syscall.Close(fd)
		}
	}
	for _, path := range []string{"/etc/motd", "/etc", "/dev/null"} {
		say("access "+path, syscall.Access(path, 2))
	}
	names()
	fileAttributes()
	byDescriptor()
}

// names runs the calls that make and remove names.
func names() {
	a, x, motd := cstring("a"), cstring("/x"), cstring("/etc/motd")
	for _, p := range paths {
		path := cstring(p)
		for _, c := range []struct {
			name string
			args []uintptr
		}{
			{"mkdir", []uintptr{syscall.SYS_MKDIR, path, 0o755}},
			{"rmdir", []uintptr{syscall.SYS_RMDIR, path}},
			{"unlink", []uintptr{syscall.SYS_UNLINK, path}},
			{"mknod", []uintptr{syscall.SYS_MKNOD, path, syscall.S_IFIFO | 0o600, 0}},
			{"symlink", []uintptr{syscall.SYS_SYMLINK, a, path}},
			{"link to", []uintptr{syscall.SYS_LINK, motd, path}},
			{"link from", []uintptr{syscall.SYS_LINK, path, x}},
			{"rename to", []uintptr{syscall.SYS_RENAME, a, path}},
			{"rename from", []uintptr{syscall.SYS_RENAME, path, x}},
			{"creat", []uintptr{syscall.SYS_CREAT, path, 0o600}},
			{"chmod", []uintptr{syscall.SYS_CHMOD, path, 0}},
			{"chown", []uintptr{syscall.SYS_CHOWN, path, 0, 0}},
			{"lchown", []uintptr{syscall.SYS_LCHOWN, path, 0, 0}},
			{"truncate", []uintptr{syscall.SYS_TRUNCATE, path, 0}},
			{"utime", []uintptr{syscall.SYS_UTIME, path, nul}},
			{"utimes", []uintptr{syscall.SYS_UTIMES, path, nul}},
			{"setxattr", []uintptr{syscall.SYS_SETXATTR, path, cstring("user.x"), a, 1, 0}},
			{"lsetxattr", []uintptr{syscall.SYS_LSETXATTR, path, cstring("user.x"), a, 1, 0}},
			{"removexattr", []uintptr{syscall.SYS_REMOVEXATTR, path, cstring("user.x")}},
			{"lremovexattr", []uintptr{syscall.SYS_LREMOVEXATTR, path, cstring("user.x")}},
		} {
			fd, errno := call(c.args[0], c.args[1:]...)
			say(fmt.Sprintf("%s %.20q", c.name, p), fd >= 0, errno)
			if c.name == "creat" {
				syscall.Close(fd)
			}
		}
	}
	for _, nr := range []uintptr{
		syscall.SYS_MKDIR, syscall.SYS_RMDIR, syscall.SYS_UNLINK, syscall.SYS_CHMOD, syscall.SYS_CHOWN, syscall.SYS_LCHOWN, syscall.SYS_TRUNCATE, syscall.SYS_UTIME,
		syscall.SYS_UTIMES, syscall.SYS_SETXATTR, syscall.SYS_REMOVEXATTR, syscall.SYS_MKNOD, syscall.SYS_RENAME, syscall.SYS_LINK, syscall.SYS_SYMLINK,
	} {
		try(fmt.Sprint("path bad ", nr), nr, bad, nul, 0)
	}
	for _, nr := range []uintptr{syscall.SYS_RENAME, syscall.SYS_LINK, syscall.SYS_SYMLINK} {
		try(fmt.Sprint("second path bad ", nr), nr, motd, bad)
	}
	for _, mode := range []uintptr{0, syscall.S_IFREG, syscall.S_IFCHR, syscall.S_IFBLK, syscall.S_IFSOCK, syscall.S_IFDIR, syscall.S_IFLNK, 0o170000, 0o30000} {
		try(fmt.Sprintf("mknod %#o", mode), syscall.SYS_MKNOD, x, mode|0o600, 1<<8|3)
	}
	for flags := range uintptr(9) {
		try(fmt.Sprint("renameat2 ", flags), sysRenameat2, cwd, a, cwd, x, flags)
		try(fmt.Sprint("renameat2 to / ", flags), sysRenameat2, cwd, a, cwd, cstring("/"), flags)
	}
	etc, _ := syscall.Open("/etc", 0, 0)
	file, _ := syscall.Open("/etc/motd", 0, 0)
	for _, fd := range []uintptr{uintptr(etc), uintptr(file), 99} {
		name := cstring("motd")
		try("mkdirat", syscall.SYS_MKDIRAT, fd, name, 0)
		try("mknodat", syscall.SYS_MKNODAT, fd, a, 0, 0)
		try("unlinkat", syscall.SYS_UNLINKAT, fd, name, 0)
		try("unlinkat dir", syscall.SYS_UNLINKAT, fd, name, 0x200)
		try("unlinkat flags", syscall.SYS_UNLINKAT, fd, name, 1)
		try("symlinkat", syscall.SYS_SYMLINKAT, a, fd, a)
		try("linkat", syscall.SYS_LINKAT, fd, name, fd, a, 0)
		try("linkat flags", syscall.SYS_LINKAT, fd, name, fd, a, 1)
		try("linkat follow", syscall.SYS_LINKAT, fd, cstring("abs"), fd, a, 0x400)
		try("linkat empty", syscall.SYS_LINKAT, fd, cstring(""), cwd, a, 0x1000)
		try("renameat", syscall.SYS_RENAMEAT, fd, name, fd, a)
		try("renameat from fd", syscall.SYS_RENAMEAT, fd, name, cwd, x)
		try("renameat to fd", syscall.SYS_RENAMEAT, cwd, x, fd, a)
		try("fchmodat", syscall.SYS_FCHMODAT, fd, name, 0)
		try("fchownat", syscall.SYS_FCHOWNAT, fd, name, 0, 0, 0)
		try("fchownat flags", syscall.SYS_FCHOWNAT, fd, name, 0, 0, 1)
		try("fchownat link", syscall.SYS_FCHOWNAT, fd, cstring("/dangling"), 0, 0, 0x100)
		try("fchownat empty", syscall.SYS_FCHOWNAT, fd, cstring(""), 0, 0, 0x1000)
		try("futimesat", syscall.SYS_FUTIMESAT, fd, name, nul)
		try("utimensat", syscall.SYS_UTIMENSAT, fd, name, nul, 0)
		try("utimensat fd", syscall.SYS_UTIMENSAT, fd, nul, nul, 0)
		try("utimensat fd flags", syscall.SYS_UTIMENSAT, fd, nul, nul, 0x100)
		try("openat", syscall.SYS_OPENAT, fd, a, syscall.O_CREAT|syscall.O_RDWR, 0o600)
	}
	syscall.Close(etc)
	syscall.Close(file)
}

// fileAttributes runs the calls that change what is known of a file.
func fileAttributes() {
	motd := cstring("/etc/motd")
	try("truncate -1", syscall.SYS_TRUNCATE, motd, ^uintptr(0))
	for _, ts := range [][4]int64{{1, 2, 3, 4}, {1, 1e9, 3, 4}, {1, -1, 0, 0}, {0, 0, 0, 1 << 30}, {0, 1<<30 - 1, 0, 1<<30 - 2}, {0, 1<<30 - 2, 0, 1<<30 - 2}} {
		try(fmt.Sprint("utimensat ", ts), syscall.SYS_UTIMENSAT, cwd, motd, addr(&ts), 0)
		try("  not there", syscall.SYS_UTIMENSAT, cwd, cstring("/nope"), addr(&ts), 0)
	}
	for _, tv := range [][4]int64{{1, 2, 3, 4}, {1, 1e6, 3, 4}, {1, -1, 0, 0}, {0, 0, 0, 1<<30 - 1}} {
		try(fmt.Sprint("utimes ", tv), syscall.SYS_UTIMES, motd, addr(&tv))
	}
	try("utimensat bad", syscall.SYS_UTIMENSAT, cwd, motd, bad, 0)
	try("utimensat flags", syscall.SYS_UTIMENSAT, cwd, motd, nul, 1)
	try("utimensat none", syscall.SYS_UTIMENSAT, cwd, nul, nul, 0)
	try("utimes bad", syscall.SYS_UTIMES, motd, bad)
	try("utime bad", syscall.SYS_UTIME, motd, bad)
	var list [100]byte
	for _, path := range []string{"/etc/motd", "/link", "/dangling", "/nope", "/etc"} {
		for _, name := range []uintptr{cstring("user.x"), cstring(""), bad, cstring("user." + strings.Repeat("x", 250)), cstring("user." + strings.Repeat("x", 251))} {
			try("getxattr "+path, syscall.SYS_GETXATTR, cstring(path), name, addr(&list), 100)
			try("lgetxattr "+path, syscall.SYS_LGETXATTR, cstring(path), name, addr(&list), 100)
		}
		try("listxattr "+path, syscall.SYS_LISTXATTR, cstring(path), addr(&list), 100)
		try("llistxattr "+path, syscall.SYS_LLISTXATTR, cstring(path), addr(&list), 100)
	}
}

// byDescriptor runs the calls that change an open file.
func byDescriptor() {
	motd, _ := syscall.Open("/etc/motd", 0, 0)
	etc, _ := syscall.Open("/etc", 0, 0)
	null, _ := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	var fds [2]int
	syscall.Pipe(fds[:])
	for i, fd := range []uintptr{uintptr(motd), uintptr(etc), uintptr(null), 99, uintptr(fds[0]), uintptr(fds[1])} {
		say(fmt.Sprint("descriptor ", i))
		if i < 4 {
			try("fchmod", syscall.SYS_FCHMOD, fd, 0)
			try("fchown", syscall.SYS_FCHOWN, fd, 0, 0)
			try("fsetxattr", syscall.SYS_FSETXATTR, fd, cstring("user.x"), cstring("x"), 1, 0)
			try("fremovexattr", syscall.SYS_FREMOVEXATTR, fd, cstring("user.x"))
			try("fgetxattr", syscall.SYS_FGETXATTR, fd, cstring("user.x"), nul, 0)
			try("fgetxattr bad", syscall.SYS_FGETXATTR, fd, bad, nul, 0)
		}
		try("flistxattr", syscall.SYS_FLISTXATTR, fd, nul, 0)
		try("ftruncate", syscall.SYS_FTRUNCATE, fd, 0)
		try("ftruncate -1", syscall.SYS_FTRUNCATE, fd, ^uintptr(0))
		for _, a := range [][3]uintptr{{0, 0, 10}, {1, 0, 10}, {0, 0, 0}, {0, ^uintptr(0), 10}, {0, 10, ^uintptr(0)}, {1 << 20, 0, 10}} {
			try(fmt.Sprint("fallocate ", a), syscall.SYS_FALLOCATE, fd, a[0], a[1], a[2])
		}
	}
	for _, fd := range []int{motd, etc, null, fds[0], fds[1]} {
		syscall.Close(fd)
	}
}
