package main

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"time"
)

const (
	sysClockNanosleep = 230
	abstime           = 1
)

// itimerspec is struct itimerspec; with us for ns, struct itimerval.
type itimerspec struct{ interval, value syscall.Timespec }

// about returns what is left of a time, in 10 s.
func about(ts syscall.Timespec) int64 { return (ts.Sec + 5) / 10 }

// timers shows what clocks and timers refuse, and what they say when they are not set. Go's
// signals are not disturbed: nothing here expires with one.
func timers() {
	clocks()
	intervals()
	posixTimers()
	timerfds()
	usage()
}

func clocks() {
	var ts syscall.Timespec
	past := syscall.Timespec{Nsec: 1}
	wrong := []*syscall.Timespec{{Sec: -1}, {Nsec: -1}, {Nsec: 1e9}}
	ids := []int{-2, -6, -14, -1, -3, 12, 16, 99, 1 << 30} // 1's process, 0's process and thread, none
	for id := range 12 {
		if id != 8 && id != 9 { // alarms need a real-time clock
			ids = append(ids, id)
		}
	}
	ids = append(ids, ^1<<3|2, ^1<<3, ^1<<3|1, ^1<<3|6, ^nobody<<3|2, ^nobody<<3|6, ^0<<3|3)
	for _, id := range ids {
		ts = syscall.Timespec{Sec: -1}
		r, errno := call(syscall.SYS_CLOCK_GETTIME, uintptr(id), addr(&ts))
		say(fmt.Sprintf("clock_gettime %d", id), r, errno, ts.Sec >= 0)
		try("  bad", syscall.SYS_CLOCK_GETTIME, uintptr(id), bad)
		if id != 5 && id != 6 { // coarse ones may be
			r, errno = call(syscall.SYS_CLOCK_GETRES, uintptr(id), addr(&ts))
			say("  clock_getres", r, errno, ts.Sec, ts.Nsec <= 10e6)
		}
		try("  clock_getres null", syscall.SYS_CLOCK_GETRES, uintptr(id), nul)
		if id >= -6 && id < 12 {
			try("  clock_nanosleep", sysClockNanosleep, uintptr(id), abstime, addr(&past), nul)
			try("  clock_nanosleep bad", sysClockNanosleep, uintptr(id), abstime, bad, nul)
			for _, w := range wrong {
				try("  clock_nanosleep wrong", sysClockNanosleep, uintptr(id), 0, addr(w), nul)
			}
		}
	}
}

func intervals() {
	for which := -1; which < 4; which++ {
		v := itimerspec{syscall.Timespec{Sec: 5}, syscall.Timespec{Sec: 5}}
		what := fmt.Sprintf("itimer %d", which)
		r, errno := call(syscall.SYS_GETITIMER, uintptr(which), addr(&v))
		say(what, r, errno, v)
		try("  get bad", syscall.SYS_GETITIMER, uintptr(which), bad)
		set := func(v, old *itimerspec) {
			r, errno := call(syscall.SYS_SETITIMER, uintptr(which), addr(v), addr(old))
			say("  set", r, errno, *v, old.interval, about(old.value))
		}
		var old itimerspec
		for _, v := range []itimerspec{
			{syscall.Timespec{Sec: 3, Nsec: 7}, syscall.Timespec{Sec: 1000}},
			{syscall.Timespec{}, syscall.Timespec{Sec: 1000, Nsec: 999999}},
			{syscall.Timespec{}, syscall.Timespec{Sec: 1 << 62}},
			{syscall.Timespec{Sec: 1}, syscall.Timespec{}},
			{syscall.Timespec{}, syscall.Timespec{Nsec: 1000000}},
			{syscall.Timespec{}, syscall.Timespec{Nsec: -1}},
			{syscall.Timespec{}, syscall.Timespec{Sec: -1}},
			{syscall.Timespec{Sec: -1}, syscall.Timespec{}},
			{syscall.Timespec{Nsec: 1000000}, syscall.Timespec{}},
		} {
			if v.value.Sec != 1<<62 { // what is left of it differs
				set(&v, &old)
			}
		}
		try("  set bad", syscall.SYS_SETITIMER, uintptr(which), bad, nul)
		try("  old bad", syscall.SYS_SETITIMER, uintptr(which), nul, bad)
		try("  null", syscall.SYS_SETITIMER, uintptr(which), nul, nul)
	}
	for _, s := range []uintptr{1000, 0, 0} {
		left, errno := call(syscall.SYS_ALARM, s)
		say("alarm", (left+5)/10, errno)
	}
}

// sigevent is struct sigevent.
type sigevent struct {
	value         uint64
	signo, notify int32
	tid           int32
	_             [44]byte
}

func posixTimers() {
	var id int32
	tid := int32(syscall.Gettid())
	create := func(what string, clock int, e *sigevent) {
		id = -1
		at := uintptr(nul)
		if e != nil {
			at = addr(e)
		}
		r, errno := call(syscall.SYS_TIMER_CREATE, uintptr(clock), at, addr(&id))
		say("timer_create "+what, r, errno, errno != 0 || id >= 0)
		if errno == 0 {
			call(syscall.SYS_TIMER_DELETE, uintptr(id))
		}
	}
	for clock := -7; clock < 13; clock++ {
		if clock != 8 && clock != 9 {
			create(fmt.Sprint(clock), clock, nil)
		}
	}
	create("process", ^1<<3|2, nil)
	create("nobody", ^nobody<<3|2, nil)
	create("thread", ^int(tid)<<3|6, nil)
	for notify := range int32(7) {
		for _, signo := range []int32{-1, 0, 1, 64, 65} {
			create(fmt.Sprintf("notify %d, signal %d", notify, signo), 1, &sigevent{notify: notify, signo: signo, tid: tid})
		}
	}
	create("notify -1", 1, &sigevent{notify: -1, signo: 10})
	create("to nobody", 1, &sigevent{notify: 4, signo: 10, tid: nobody})
	create("to 0", 1, &sigevent{notify: 4, signo: 10})
	try("timer_create bad", syscall.SYS_TIMER_CREATE, 1, bad, addr(&id))
	try("timer_create id bad", syscall.SYS_TIMER_CREATE, 1, nul, bad)
	try("timer_create 99, bad", syscall.SYS_TIMER_CREATE, 99, bad, addr(&id))

	r, errno := call(syscall.SYS_TIMER_CREATE, 1, addr(&sigevent{notify: 1}), addr(&id))
	say("timer_create", r, errno)
	v := itimerspec{syscall.Timespec{Sec: 1000, Nsec: 5}, syscall.Timespec{Sec: 2000}}
	get := func() {
		now := itimerspec{syscall.Timespec{Sec: -1}, syscall.Timespec{Sec: -1}}
		r, errno := call(syscall.SYS_TIMER_GETTIME, uintptr(id), addr(&now))
		say("  is", r, errno, now.interval, about(now.value))
	}
	get()
	try("settime", syscall.SYS_TIMER_SETTIME, uintptr(id), 0, addr(&v), nul)
	get()
	var old itimerspec
	v = itimerspec{value: syscall.Timespec{Sec: 100}}
	r, errno = call(syscall.SYS_TIMER_SETTIME, uintptr(id), 0, addr(&v), addr(&old))
	say("settime", r, errno, old.interval, about(old.value))
	for _, wrong := range []syscall.Timespec{{Sec: -1}, {Nsec: -1}, {Nsec: 1e9}} {
		for _, v := range []itimerspec{{interval: wrong}, {value: wrong}} {
			try("settime wrong", syscall.SYS_TIMER_SETTIME, uintptr(id), 0, addr(&v), nul)
		}
	}
	get()
	v = itimerspec{syscall.Timespec{Sec: 1}, syscall.Timespec{Sec: 50}}
	try("settime flags", syscall.SYS_TIMER_SETTIME, uintptr(id), 0xfff0, addr(&v), nul)
	get()
	try("settime null", syscall.SYS_TIMER_SETTIME, uintptr(id), 0, nul, nul)
	try("settime bad", syscall.SYS_TIMER_SETTIME, uintptr(id), 0, bad, nul)
	try("settime old bad", syscall.SYS_TIMER_SETTIME, uintptr(id), 0, addr(&v), bad)
	try("gettime bad", syscall.SYS_TIMER_GETTIME, uintptr(id), bad)
	try("getoverrun", syscall.SYS_TIMER_GETOVERRUN, uintptr(id))
	try("delete", syscall.SYS_TIMER_DELETE, uintptr(id))
	for _, none := range []uintptr{uintptr(id), nobody, ^uintptr(0)} {
		try("settime none", syscall.SYS_TIMER_SETTIME, none, 0, addr(&v), nul)
		try("settime none", syscall.SYS_TIMER_SETTIME, none, 0, bad, nul)
		try("gettime none", syscall.SYS_TIMER_GETTIME, none, bad)
		try("getoverrun none", syscall.SYS_TIMER_GETOVERRUN, none)
		try("delete none", syscall.SYS_TIMER_DELETE, none)
	}
}

const (
	sysTimerfdCreate  = 283
	sysTimerfdSettime = 286
	sysTimerfdGettime = 287
)

func timerfds() {
	for clock := -2; clock < 12; clock++ {
		fd := try(fmt.Sprintf("timerfd_create %d", clock), sysTimerfdCreate, uintptr(clock), syscall.O_CLOEXEC)
		if fd >= 0 {
			syscall.Close(fd)
		}
	}
	try("timerfd_create flags", sysTimerfdCreate, 1, 1)
	fd := uintptr(try("timerfd_create", sysTimerfdCreate, 1, syscall.O_NONBLOCK))
	try("getfl", syscall.SYS_FCNTL, fd, syscall.F_GETFL)
	try("getfd", syscall.SYS_FCNTL, fd, syscall.F_GETFD)
	var st syscall.Stat_t
	say("fstat", syscall.Fstat(int(fd), &st), fmt.Sprintf("%#o", st.Mode), st.Size)
	var b [16]byte
	take(fd)
	try("read short", syscall.SYS_READ, fd, addr(&b), 7)
	try("write", syscall.SYS_WRITE, fd, addr(&b), 8)
	try("pread", syscall.SYS_PREAD64, fd, addr(&b), 8, 0)
	get := func() {
		now := itimerspec{syscall.Timespec{Sec: -1}, syscall.Timespec{Sec: -1}}
		r, errno := call(sysTimerfdGettime, fd, addr(&now))
		say("  is", r, errno, now.interval, about(now.value))
	}
	get()
	v := itimerspec{syscall.Timespec{Sec: 1000, Nsec: 5}, syscall.Timespec{Sec: 2000}}
	try("settime", sysTimerfdSettime, fd, 0, addr(&v), nul)
	get()
	var old itimerspec
	v = itimerspec{value: syscall.Timespec{Sec: 100}}
	r, errno := call(sysTimerfdSettime, fd, 0, addr(&v), addr(&old))
	say("settime", r, errno, old.interval, about(old.value))
	for _, wrong := range []syscall.Timespec{{Sec: -1}, {Nsec: -1}, {Nsec: 1e9}} {
		for _, v := range []itimerspec{{interval: wrong}, {value: wrong}} {
			try("settime wrong", sysTimerfdSettime, fd, 0, addr(&v), nul)
		}
	}
	try("settime cancel", sysTimerfdSettime, fd, 3, addr(&v), nul)
	try("settime flags", sysTimerfdSettime, fd, 4, addr(&v), nul)
	try("settime bad", sysTimerfdSettime, fd, 0, bad, nul)
	try("settime null", sysTimerfdSettime, fd, 0, nul, nul)
	try("settime old bad", sysTimerfdSettime, fd, 0, addr(&v), bad)
	try("gettime bad", sysTimerfdGettime, fd, bad)
	event := eventfd(0, 0)
	for _, none := range []uintptr{nobody, event, 0} {
		try("settime none", sysTimerfdSettime, none, 0, addr(&v), nul)
		try("gettime none", sysTimerfdGettime, none, addr(&v))
	}
	const ms = 1e6
	set := func(flags uintptr, first, then int64) {
		v := itimerspec{syscall.NsecToTimespec(then), syscall.NsecToTimespec(first)}
		try("set", sysTimerfdSettime, fd, flags, addr(&v), nul)
	}
	ep := uintptr(try("epoll_create1", syscall.SYS_EPOLL_CREATE1, 0))
	ctl(ep, 1, fd, in|edge, 7)
	set(0, 5*ms, 0)
	wait(ep, 4, -1)
	wait(ep, 4, 20)
	take(fd)
	take(fd)
	get()
	set(abstime, 1, 0) // long gone by
	wait(ep, 4, -1)
	take(fd)
	set(0, 2*ms, 0)
	time.Sleep(10 * time.Millisecond)
	set(0, 0, 0) // forgotten
	take(fd)
	set(0, 2*ms, 1000*1000*ms)
	wait(ep, 4, -1)
	get()
	take(fd)
	take(fd)
	set(0, 1*ms, 2*ms)
	time.Sleep(20 * time.Millisecond)
	n, errno := call(syscall.SYS_READ, fd, addr(&b), 16)
	say("read", n, errno, binary.LittleEndian.Uint64(b[:]) >= 10)
	set(0, 1, 1) // more than any machine can do
	time.Sleep(20 * time.Millisecond)
	n, errno = call(syscall.SYS_READ, fd, addr(&b), 8)
	say("read", n, errno, binary.LittleEndian.Uint64(b[:]) > 1e6)
	set(0, 2*ms, 0)
	time.Sleep(10 * time.Millisecond)
	try("read bad", syscall.SYS_READ, fd, bad, 8)
	take(fd) // it is gone
	syscall.SetNonblock(int(fd), false)
	set(0, 5*ms, 0)
	take(fd)
	set(0, 5*ms, 5*ms) // closed while it runs
	try("close", syscall.SYS_CLOSE, fd)
	time.Sleep(20 * time.Millisecond)
	wait(ep, 4, 0)
}

func usage() {
	var u syscall.Rusage
	for _, who := range []int{-2, -1, 0, 1, 2} {
		try(fmt.Sprintf("getrusage %d", who), syscall.SYS_GETRUSAGE, uintptr(who), addr(&u))
		try(fmt.Sprintf("getrusage %d bad", who), syscall.SYS_GETRUSAGE, uintptr(who), bad)
	}
	var tms [4]int64
	r, errno := call(syscall.SYS_TIMES, addr(&tms))
	say("times", r > 0, errno, tms[2], tms[3])
	r, errno = call(syscall.SYS_TIMES, nul)
	say("times null", r > 0, errno)
	try("times bad", syscall.SYS_TIMES, bad)
}
