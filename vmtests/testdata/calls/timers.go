package main

import (
	"fmt"
	"syscall"
)

const (
	sysClockNanosleep = 230
	abstime           = 1
)

// itimerspec is struct itimerspec; with us for ns, struct itimerval.
type itimerspec struct{ interval, value syscall.Timespec }

// about is what is left of a time, in 10 s.
func about(ts syscall.Timespec) int64 { return (ts.Sec + 5) / 10 }

// timers is what clocks and timers refuse, and what they say when they are not set.
// Go's signals are not disturbed: nothing here expires with one.
func timers() {
	clocks()
	intervals()
	posixTimers()
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
	try("alarm", syscall.SYS_ALARM, 1000)
	try("alarm", syscall.SYS_ALARM, 0)
	try("alarm", syscall.SYS_ALARM, 0)
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
