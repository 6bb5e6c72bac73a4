package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	in      = syscall.EPOLLIN
	out     = syscall.EPOLLOUT
	edge    = 1 << 31
	oneShot = 1 << 30
)

// events runs eventfd, epoll and poll.
func events() {
	counters()
	epoll()
	poll()
	signals()
}

func eventfd(count, flags uintptr) uintptr {
	fd, errno := call(syscall.SYS_EVENTFD2, count, flags)
	if errno != 0 {
		say("eventfd2", errno)
	}
	return uintptr(fd)
}

func take(fd uintptr) {
	var b [8]byte
	n, errno := call(syscall.SYS_READ, fd, addr(&b), 8)
	say("  take", n, errno, binary.LittleEndian.Uint64(b[:]))
}

func give(fd uintptr, v uint64) {
	n, errno := call(syscall.SYS_WRITE, fd, addr(&v), 8)
	say("  give", n, errno)
}

func counters() {
	fd := eventfd(3, syscall.O_NONBLOCK)
	take(fd)
	take(fd)
	for _, v := range []uint64{5, 7, ^uint64(0), ^uint64(0) - 1, ^uint64(0) - 13, 1, 0} {
		give(fd, v)
	}
	take(fd)
	var b [16]byte
	try("read short", syscall.SYS_READ, fd, addr(&b), 7)
	try("read nothing", syscall.SYS_READ, fd, addr(&b), 0)
	try("write short", syscall.SYS_WRITE, fd, addr(&b), 4)
	try("read bad", syscall.SYS_READ, fd, bad, 8)
	give(fd, 1)
	try("read bad", syscall.SYS_READ, fd, bad, 8)
	try("write bad", syscall.SYS_WRITE, fd, bad, 8)
	try("pread", syscall.SYS_PREAD64, fd, addr(&b), 8, 0)
	try("getfl", syscall.SYS_FCNTL, fd, syscall.F_GETFL)
	var st syscall.Stat_t
	say("fstat", syscall.Fstat(int(fd), &st), fmt.Sprintf("%#o", st.Mode), st.Size)
	try("flags", syscall.SYS_EVENTFD2, 0, 2)
	fd = eventfd(2, syscall.O_NONBLOCK|1)
	take(fd)
	take(fd)
	take(fd)

	fd = eventfd(0, 0) // blocking
	var v uint64 = 42
	later(func() { call(syscall.SYS_WRITE, fd, addr(&v), 8) })
	take(fd)
	give(fd, ^uint64(0)-1)
	later(func() { call(syscall.SYS_READ, fd, addr(&b), 8) })
	give(fd, 9)
	take(fd)
	later(func() { // closed while it is being read
		other, _ := syscall.Dup(int(fd))
		syscall.Close(int(fd))
		call(syscall.SYS_WRITE, uintptr(other), addr(&v), 8)
		syscall.Close(other)
	})
	take(fd)
	take(fd)
}

func ctl(ep, op, fd uintptr, events uint32, data uint64) {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], events)
	binary.LittleEndian.PutUint64(b[4:], data)
	r, errno := call(syscall.SYS_EPOLL_CTL, ep, op, fd, addr(&b))
	say(fmt.Sprintf("  ctl %d %#x", op, events), r, errno)
}

// inTime says whether a wait that ended by its time-out took as long as that.
func inTime(n, ms int, since time.Time) bool {
	return ms <= 0 || n != 0 || time.Since(since) >= time.Duration(ms)*time.Millisecond
}

func wait(ep uintptr, room, ms int) {
	var b [12 * 16]byte
	for i := range b {
		b[i] = 0xee
	}
	start := time.Now()
	n, errno := call(syscall.SYS_EPOLL_PWAIT, ep, addr(&b), uintptr(room), uintptr(ms), nul, 0)
	got := ""
	for i := range max(n, 0) {
		got += fmt.Sprintf(" %#x:%d", binary.LittleEndian.Uint32(b[12*i:]), binary.LittleEndian.Uint64(b[12*i+4:]))
	}
	say("  wait", n, errno, got, b[12*max(n, 0)] == 0xee, inTime(n, ms, start))
}

func epoll() {
	const add, del, mod = 1, 2, 3
	ep := uintptr(try("epoll_create1", syscall.SYS_EPOLL_CREATE1, syscall.O_CLOEXEC))
	try("getfd", syscall.SYS_FCNTL, ep, syscall.F_GETFD)
	try("epoll_create1 flags", syscall.SYS_EPOLL_CREATE1, 1)
	try("epoll_create 0", syscall.SYS_EPOLL_CREATE, 0)
	fd := eventfd(0, syscall.O_NONBLOCK)
	say("level")
	ctl(ep, add, fd, in, 111)
	ctl(ep, add, fd, in, 111)
	wait(ep, 4, 0)
	give(fd, 1)
	wait(ep, 4, 0)
	wait(ep, 4, -1)
	ctl(ep, mod, fd, out, 222)
	wait(ep, 4, -1)
	ctl(ep, mod, fd, in|out, 333)
	wait(ep, 4, -1)
	ctl(ep, mod, fd, 0, 444)
	wait(ep, 4, 20)
	ctl(ep, del, fd, 0, 0)
	ctl(ep, del, fd, 0, 0)
	ctl(ep, mod, fd, 0, 0)
	say("wrong")
	ctl(ep, 9, fd, 0, 0)
	ctl(ep, add, 99, in, 0)
	ctl(99, add, fd, in, 0)
	ctl(fd, add, fd, in, 0)
	ctl(fd, add, ep, in, 0)
	ctl(ep, add, ep, in, 0)
	motd, _ := syscall.Open("/dev/null", 0, 0)
	ctl(ep, add, uintptr(motd), in, 5)
	wait(ep, 4, 30)
	wait(ep, 0, 30)
	wait(ep, -1, 30)
	wait(fd, 1, 30)
	wait(99, 1, 30)
	try("ctl bad", syscall.SYS_EPOLL_CTL, ep, add, fd, bad)
	ctl(ep, add, fd, in, 1)
	try("wait bad", syscall.SYS_EPOLL_WAIT, ep, bad, 4, 0)
	wait(ep, 4, 0)
	ctl(ep, del, fd, 0, 0)

	say("edge")
	take(fd)
	ctl(ep, add, fd, in|edge, 7)
	wait(ep, 4, 0)
	for range 2 {
		give(fd, 1)
		wait(ep, 4, 0)
		wait(ep, 4, 0)
	}
	take(fd)
	give(fd, 1)
	take(fd)
	wait(ep, 4, 0)
	give(fd, 1)
	ctl(ep, mod, fd, in|edge, 8)
	wait(ep, 4, 0)
	wait(ep, 4, 0)
	ctl(ep, mod, fd, in|out|edge, 8)
	wait(ep, 4, 0)
	wait(ep, 4, 0)
	take(fd)
	wait(ep, 4, 0)
	say("one shot")
	ctl(ep, mod, fd, in|oneShot, 9)
	give(fd, 1)
	wait(ep, 4, 0)
	wait(ep, 4, 0)
	ctl(ep, mod, fd, in|oneShot, 10)
	wait(ep, 4, 0)
	wait(ep, 4, 0)
	ctl(ep, del, fd, 0, 0)
	take(fd)

	say("in turn")
	var many []uintptr
	for i := range 6 {
		many = append(many, eventfd(1, syscall.O_NONBLOCK))
		ctl(ep, add, many[i], in, uint64(i))
	}
	seen := map[uint64]int{}
	for range 12 {
		var b [24]byte
		n, _ := call(syscall.SYS_EPOLL_PWAIT, ep, addr(&b), 2, 0, nul, 0)
		for i := range max(n, 0) {
			seen[binary.LittleEndian.Uint64(b[12*i+4:])]++
		}
	}
	say("seen", seen)
	for _, x := range many[:5] {
		syscall.Close(int(x)) // which ends the watching
	}
	wait(ep, 4, 0)
	last, _ := syscall.Dup(int(many[5]))
	syscall.Close(int(many[5])) // which does not: the file is open
	wait(ep, 4, 0)
	syscall.Close(last)
	wait(ep, 4, 0)

	say("woken")
	ctl(ep, add, fd, in, 77)
	var v uint64 = 1
	for _, ms := range []int{-1, 600_000} {
		later(func() { call(syscall.SYS_WRITE, fd, addr(&v), 8) })
		wait(ep, 4, ms)
		take(fd)
	}
	ctl(ep, del, fd, 0, 0)
	later(func() { call(syscall.SYS_EPOLL_CTL, ep, add, fd, addr(&[12]byte{out, 0, 0, 0, 5})) })
	wait(ep, 4, -1)
}

type pollFD struct {
	fd              int32
	events, revents int16
}

func pollFor(ms int, fds ...pollFD) {
	var first uintptr
	if len(fds) > 0 {
		first = addr(&fds[0])
	}
	start := time.Now()
	n, errno := call(syscall.SYS_POLL, first, uintptr(len(fds)), uintptr(ms))
	var got []string
	for _, fd := range fds {
		got = append(got, fmt.Sprintf("%#x", fd.revents))
	}
	say("  poll", n, errno, got, inTime(n, ms, start))
}

func poll() {
	say("poll")
	fd := eventfd(0, syscall.O_NONBLOCK)
	null, _ := syscall.Open("/dev/null", 0, 0)
	file := int32(fd)
	pollFor(0)
	pollFor(20)
	pollFor(0, pollFD{file, in | out, 0}, pollFD{-1, in, 77}, pollFD{98, in, 0}, pollFD{int32(null), in | out, 0})
	pollFor(20, pollFD{file, in, 0})
	give(fd, 1)
	pollFor(-1, pollFD{file, in, 0}, pollFD{98, 0, 0})
	take(fd)
	var v uint64 = 1
	later(func() { call(syscall.SYS_WRITE, fd, addr(&v), 8) })
	pollFor(600_000, pollFD{file, in, 0})
	take(fd)
	ep, _ := call(syscall.SYS_EPOLL_CREATE1, 0)
	ctl(uintptr(ep), 1, fd, in, 0)
	pollFor(0, pollFD{int32(ep), in, 0})
	later(func() { call(syscall.SYS_WRITE, fd, addr(&v), 8) })
	pollFor(-1, pollFD{int32(ep), in, 0})
	try("poll bad", syscall.SYS_POLL, bad, 1, 0)
	start, wait := time.Now(), [2]int64{0, 20e6}
	n, errno := call(syscall.SYS_PPOLL, nul, 0, addr(&wait), nul, 0)
	say("ppoll", n, errno, inTime(n, 20, start))
	wait[1] = 1e9
	try("ppoll time", syscall.SYS_PPOLL, nul, 0, addr(&wait), nul, 0)
}

// signals shows what signals do to calls that sleep.
func signals() {
	say("signals")
	got := make(chan os.Signal, 5)
	signal.Notify(got, syscall.SIGUSR1)
	tid := syscall.Gettid()
	hit := func() { syscall.Tgkill(syscall.Getpid(), tid, syscall.SIGUSR1) }
	ep, _ := call(syscall.SYS_EPOLL_CREATE1, 0)
	var event [12]byte
	pwait := func(what string, mask, size uintptr) {
		try(what, syscall.SYS_EPOLL_PWAIT, uintptr(ep), addr(&event), 1, 50, mask, size)
	}
	later(hit)
	try("epoll", syscall.SYS_EPOLL_PWAIT, uintptr(ep), addr(&event), 1, 600_000, nul, 0)
	say("got", <-got)
	fd, v := eventfd(0, 0), uint64(6)
	later(func() { // the read goes on
		hit()
		time.Sleep(30 * time.Millisecond)
		call(syscall.SYS_WRITE, fd, addr(&v), 8)
	})
	take(fd)
	say("got", <-got)

	usr1, none, old := uint64(1<<(syscall.SIGUSR1-1)), uint64(0), uint64(0)
	try("block", syscall.SYS_RT_SIGPROCMASK, 0, addr(&usr1), addr(&old), 8)
	hit()
	pwait("blocked", nul, 0)
	pwait("let through", addr(&none), 8)
	say("got", <-got)
	now := uint64(0)
	try("mask", syscall.SYS_RT_SIGPROCMASK, 0, nul, addr(&now), 8)
	say("the old one", now == old|usr1)
	pwait("time-out", addr(&none), 8)
	try("mask", syscall.SYS_RT_SIGPROCMASK, 0, nul, addr(&now), 8)
	say("the old one", now == old|usr1)
	pwait("mask's size", addr(&none), 4)
	pwait("mask bad", bad, 8)
	try("unblock", syscall.SYS_RT_SIGPROCMASK, 2, addr(&old), nul, 8)
}
