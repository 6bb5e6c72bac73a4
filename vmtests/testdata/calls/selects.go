package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// fdSet is an fd_set.
type fdSet [16]uint64

func set(fds ...int) *fdSet {
	var s fdSet
	for _, fd := range fds {
		s[fd/64] |= 1 << (fd % 64)
	}
	return &s
}

func (s *fdSet) addr() uintptr {
	if s == nil {
		return nul
	}
	return addr(s)
}

func (s *fdSet) list() (fds []int) {
	for fd := range len(s) * 64 {
		if s != nil && s[fd/64]>>(fd%64)&1 != 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// selectFor calls select with a time-out in ms, -1 for none, and says what the
// sets hold then and whether what is left of the time-out is right: none of it
// or not more than there was.
func selectFor(n, ms int, r, w, x *fdSet) {
	tv := &[2]int64{int64(ms / 1000), int64(ms % 1000 * 1000)}
	p := addr(tv)
	if ms < 0 {
		p = nul
	}
	start := time.Now()
	got, errno := call(syscall.SYS_SELECT, uintptr(n), r.addr(), w.addr(), x.addr(), p)
	left := time.Duration(tv[0])*time.Second + time.Duration(tv[1])*time.Microsecond
	whole := time.Duration(max(ms, 0)) * time.Millisecond
	kept := left == 0
	if got != 0 {
		kept = ms < 0 || left <= whole && left >= whole-time.Since(start)-time.Millisecond
	}
	say("  select", got, errno, r.list(), w.list(), x.list(), inTime(got, ms, start), kept)
}

func selects() {
	var fds, other [2]int
	say("pipe2", syscall.Pipe2(fds[:], 0), syscall.Pipe2(other[:], 0))
	r, w := fds[0], fds[1]
	n := other[1] + 1
	hello := func() { syscall.Write(w, []byte("hello")) }
	selectFor(0, 0, nil, nil, nil)
	selectFor(0, 20, nil, nil, nil)
	selectFor(n, 0, set(r, other[0]), set(w, other[1]), set(r, w))
	selectFor(n, 20, set(r, other[0]), nil, set(r, w))
	later(hello)
	selectFor(n, -1, set(r, other[0]), nil, nil)
	selectFor(n, 5000, set(r, other[0]), set(w), nil)
	selectFor(r, 20, set(r), nil, nil) // n is too low
	selectFor(r+1, 0, set(r, 60, 61), nil, nil)
	selectFor(100, 0, set(r, 60), nil, nil) // not open
	selectFor(1024, 20, set(500), nil, nil) // above all that was ever open
	selectFor(1024, 0, set(r), nil, nil)
	selectFor(-1, 0, set(r), nil, nil)
	null, _ := syscall.Open("/dev/null", syscall.O_RDWR, 0)
	motd, _ := syscall.Open("/etc/motd", 0, 0)
	selectFor(motd+1, -1, set(null, motd), set(null, motd), set(null, motd))
	syscall.Close(null)
	syscall.Close(motd)
	try("set bad", syscall.SYS_SELECT, 1, bad, nul, nul, nul)
	try("time bad", syscall.SYS_SELECT, 0, nul, nul, nul, bad)
	for _, tv := range [][2]int64{{-1, 0}, {0, -1}, {1, -1_000_001}, {0, 2_000_000}, {1 << 62, 0}, {1, 1 << 62}} {
		syscall.Write(w, []byte("x"))
		got, errno := call(syscall.SYS_SELECT, uintptr(n), set(r).addr(), nul, nul, addr(&tv))
		say(fmt.Sprint("time ", tv[0] != 1<<62, tv[1] != 1<<62), got, errno)
	}
	dup, _ := call(syscall.SYS_FCNTL, uintptr(r), syscall.F_DUPFD, 300)
	selectFor(301, 0, set(r, dup, 299), nil, nil) // now there can be others
	selectFor(301, 0, set(r, dup), set(w), nil)
	syscall.Close(dup)
	syscall.Close(other[1])
	selectFor(n-1, -1, set(other[0]), nil, set(other[0])) // the end of the file
	syscall.Close(other[0])

	say("pselect6")
	got := make(chan os.Signal, 5)
	signal.Notify(got, syscall.SIGUSR1)
	tid := syscall.Gettid()
	hit := func() { syscall.Tgkill(syscall.Getpid(), tid, syscall.SIGUSR1) }
	syscall.Read(r, make([]byte, 100))
	later(hit)
	selectFor(r+1, 5000, set(r), nil, nil)
	say("got", <-got)
	pselect := func(what string, ts *[2]int64, mask, size uintptr) {
		sig := [2]uintptr{mask, size}
		s, p := set(r), uintptr(nul)
		if ts != nil {
			p = addr(ts)
		}
		n, errno := call(syscall.SYS_PSELECT6, uintptr(r+1), s.addr(), nul, nul, p, addr(&sig))
		say(what, n, errno, s.list())
	}
	ts := [2]int64{0, 20e6}
	pselect("time-out", &ts, nul, 0)
	say("left", ts)
	usr1, none, old := uint64(1<<(syscall.SIGUSR1-1)), uint64(0), uint64(0)
	try("block", syscall.SYS_RT_SIGPROCMASK, 0, addr(&usr1), addr(&old), 8)
	hit()
	ts = [2]int64{0, 20e6}
	pselect("blocked", &ts, nul, 0)
	ts = [2]int64{50, 0}
	pselect("let through", &ts, addr(&none), 8)
	say("left", ts[0] == 49)
	say("got", <-got)
	now := uint64(0)
	try("mask", syscall.SYS_RT_SIGPROCMASK, 0, nul, addr(&now), 8)
	say("the old one", now == old|usr1)
	ts = [2]int64{0, 1e9}
	pselect("time", &ts, nul, 0)
	ts = [2]int64{-1, 0}
	pselect("time", &ts, nul, 0)
	ts = [2]int64{0, 0}
	pselect("mask's size", &ts, addr(&none), 4)
	pselect("mask bad", &ts, bad, 8)
	try("masks bad", syscall.SYS_PSELECT6, 0, nul, nul, nul, addr(&ts), bad)
	try("masks none", syscall.SYS_PSELECT6, 0, nul, nul, nul, addr(&ts), nul)
	later(hello)
	pselect("ready", nil, nul, 0)
	ts = [2]int64{70, 0}
	files := [1]pollFD{{int32(r), in, 0}}
	try("ppoll", syscall.SYS_PPOLL, addr(&files), 1, addr(&ts), nul, 0)
	say("left", ts[0] == 69)
	ts = [2]int64{0, 20e6}
	try("ppoll", syscall.SYS_PPOLL, nul, 0, addr(&ts), nul, 0)
	say("left", ts)
	try("unblock", syscall.SYS_RT_SIGPROCMASK, 2, addr(&old), nul, 8)
}
