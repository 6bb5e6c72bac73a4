package main

import (
	"fmt"
	"runtime"
	"syscall"
)

// process runs what a process asks about its place among others and about how it is
// scheduled. It is PID 1, leads its group and session, and has no children.
func process() {
	call(syscall.SYS_SETSID) // where it does not yet
	groups()
	waits()
	scheduling()
	niceness()
	membarriers()
	options()
	levels()
	otherThread()
}

const nobody = 99999

func groups() {
	try("getpid", syscall.SYS_GETPID)
	try("getpgrp", syscall.SYS_GETPGRP)
	for _, pid := range []int{0, 1, nobody, -1} {
		try(fmt.Sprintf("getpgid %d", pid), syscall.SYS_GETPGID, uintptr(pid))
		try(fmt.Sprintf("getsid %d", pid), syscall.SYS_GETSID, uintptr(pid))
		for _, group := range []int{0, 1, 5, -1} {
			try(fmt.Sprintf("setpgid %d %d", pid, group), syscall.SYS_SETPGID, uintptr(pid), uintptr(group))
		}
	}
	try("setsid", syscall.SYS_SETSID)
	for _, pid := range []int{0, 1, -1, -2, -nobody, nobody, -1 << 31} {
		try(fmt.Sprintf("kill %d 0", pid), syscall.SYS_KILL, uintptr(pid), 0)
		try(fmt.Sprintf("kill %d 65", pid), syscall.SYS_KILL, uintptr(pid), 65)
	}
}

func waits() {
	for _, pid := range []int{-1, 0, 1, 2, -2, -1 << 31} {
		try(fmt.Sprintf("wait4 %d", pid), syscall.SYS_WAIT4, uintptr(pid), bad, 0, bad)
		try(fmt.Sprintf("wait4 %d WNOHANG", pid), syscall.SYS_WAIT4, uintptr(pid), nul, syscall.WNOHANG, nul)
	}
	for bit := range 32 {
		try(fmt.Sprintf("wait4 %#x", 1<<bit), syscall.SYS_WAIT4, ^uintptr(0), nul, 1<<bit, nul)
		try(fmt.Sprintf("waitid %#x", 1<<bit), syscall.SYS_WAITID, 0, 0, nul, 1<<bit, nul)
		try(fmt.Sprintf("waitid %#x|WEXITED", 1<<bit), syscall.SYS_WAITID, 0, 0, nul, 1<<bit|syscall.WEXITED, nul)
	}
	for which := range 5 {
		for _, id := range []int{-1, 0, 1, 2} {
			try(fmt.Sprintf("waitid %d %d", which, id), syscall.SYS_WAITID, uintptr(which), uintptr(id), nul, syscall.WEXITED, nul)
		}
	}
}

func scheduling() {
	var priority int32
	for policy := -1; policy < 7; policy++ {
		try(fmt.Sprintf("priorities of policy %d", policy), syscall.SYS_SCHED_GET_PRIORITY_MAX, uintptr(policy))
		try("", syscall.SYS_SCHED_GET_PRIORITY_MIN, uintptr(policy))
		if policy == 1 || policy == 2 || policy == 6 {
			continue // the real-time ones are not there
		}
		for priority = -1; priority < 2; priority++ {
			try(fmt.Sprintf("setscheduler %d, %d", policy, priority), syscall.SYS_SCHED_SETSCHEDULER, 0, uintptr(policy), addr(&priority))
			try("  is", syscall.SYS_SCHED_GETSCHEDULER, 0)
		}
	}
	for _, policy := range []uintptr{1, 2} {
		for _, p := range []int32{0, 100, -1} {
			try(fmt.Sprintf("setscheduler %d, %d", policy, p), syscall.SYS_SCHED_SETSCHEDULER, 0, policy, addr(&p))
		}
	}
	priority = 0
	try("setscheduler", syscall.SYS_SCHED_SETSCHEDULER, 0, 0, addr(&priority))
	for _, tid := range []int{0, 1, nobody, -1} {
		for _, at := range []uintptr{addr(&priority), nul, bad} {
			what := fmt.Sprintf(" %d, %v", tid, at > bad)
			try("getparam"+what, syscall.SYS_SCHED_GETPARAM, uintptr(tid), at)
			try("setparam"+what, syscall.SYS_SCHED_SETPARAM, uintptr(tid), at)
			try("setscheduler"+what, syscall.SYS_SCHED_SETSCHEDULER, uintptr(tid), 0, at)
		}
		try(fmt.Sprintf("getscheduler %d", tid), syscall.SYS_SCHED_GETSCHEDULER, uintptr(tid))
		try(fmt.Sprintf("rr_get_interval %d", tid), syscall.SYS_SCHED_RR_GET_INTERVAL, uintptr(tid), bad)
		mask := uint64(1)
		for _, size := range []uintptr{0, 1, 4, 7, 8, 16} {
			what := fmt.Sprintf(" %d, %d", tid, size)
			try("setaffinity"+what, syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), size, addr(&mask))
			try("setaffinity bad"+what, syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), size, bad)
		}
		try(fmt.Sprintf("getaffinity bad %d", tid), syscall.SYS_SCHED_GETAFFINITY, uintptr(tid), 1024, bad)
		try(fmt.Sprintf("getaffinity short %d", tid), syscall.SYS_SCHED_GETAFFINITY, uintptr(tid), 4, bad)
		try(fmt.Sprintf("getaffinity crooked %d", tid), syscall.SYS_SCHED_GETAFFINITY, uintptr(tid), 1023, bad)
	}
	none := uint64(0)
	try("setaffinity to none", syscall.SYS_SCHED_SETAFFINITY, 0, 8, addr(&none))
	var cpu, node int32 = -1, -1
	try("getcpu", sysGetCPU, addr(&cpu), addr(&node), bad)
	say("is", cpu >= 0, node)
	try("getcpu", sysGetCPU, nul, nul, nul)
	try("getcpu bad", sysGetCPU, bad, nul, nul)
	try("getcpu bad", sysGetCPU, nul, bad, nul)
	attributes()
}

const (
	sysGetCPU       = 309
	sysSchedSetattr = 314
	sysSchedGetattr = 315
	sysMembarrier   = 324
)

// attr is struct sched_attr, with room behind it.
type attr struct {
	size, policy uint32
	flags        uint64
	nice         int32
	priority     uint32
	times        [3]uint64
	more         [3]uint64
}

func attributes() {
	var a attr
	for _, size := range []uintptr{0, 47, 48, 4096, 4097} {
		try(fmt.Sprintf("getattr %d", size), sysSchedGetattr, 0, bad, size, 0)
	}
	try("getattr", sysSchedGetattr, 0, addr(&a), 48, 0)
	say("is", a.size, a.policy, a.flags, a.nice, a.priority)
	try("getattr flags", sysSchedGetattr, 0, addr(&a), 48, 1)
	try("getattr null", sysSchedGetattr, 0, nul, 48, 0)
	try("getattr nobody", sysSchedGetattr, nobody, addr(&a), 48, 0)
	try("getattr -1", sysSchedGetattr, ^uintptr(0), addr(&a), 48, 0)
	set := func(what string, a attr, tid, flags uintptr) {
		try("setattr "+what, sysSchedSetattr, tid, addr(&a), flags)
		var now attr
		call(sysSchedGetattr, 0, addr(&now), 48, 0)
		say("  is", now.policy, now.nice, now.priority, a.size == 48 || a.size == 56)
	}
	set("batch", attr{size: 48, policy: 3, nice: 5}, 0, 0)
	set("idle", attr{size: 48, policy: 5}, 0, 0)
	set("size 0", attr{nice: 3}, 0, 0)
	set("nice 30", attr{size: 48, nice: 30}, 0, 0)
	set("nice 0", attr{size: 48}, 0, 0)
	set("flags", attr{size: 48}, 0, 1)
	set("its flags", attr{size: 48, flags: 1 << 40}, 0, 0)
	set("size 47", attr{size: 47}, 0, 0)
	set("size 72", attr{size: 72}, 0, 0)
	set("size 72 and more", attr{size: 72, more: [3]uint64{0, 0, 1}}, 0, 0)
	set("policy 4", attr{size: 48, policy: 4}, 0, 0)
	set("policy -1", attr{size: 48, policy: 1<<32 - 1}, 0, 0)
	set("priority", attr{size: 48, priority: 1}, 0, 0)
	set("FIFO 0", attr{size: 48, policy: 1}, 0, 0)
	set("nobody", attr{size: 48}, nobody, 0)
	set("-1", attr{size: 48}, ^uintptr(0), 0)
	try("setattr null", sysSchedSetattr, 0, nul, 0)
	try("setattr bad", sysSchedSetattr, 0, bad, 0)
}

func niceness() {
	for which := -1; which < 4; which++ {
		for _, who := range []int{0, 1, nobody, -1} {
			what := fmt.Sprintf(" %d %d", which, who)
			try("getpriority"+what, syscall.SYS_GETPRIORITY, uintptr(which), uintptr(who))
			try("setpriority"+what, syscall.SYS_SETPRIORITY, uintptr(which), uintptr(who), uintptr(which))
			try("getpriority"+what, syscall.SYS_GETPRIORITY, uintptr(which), uintptr(who))
		}
	}
	for _, nice := range []int{-100, 100, 7, 0} {
		try(fmt.Sprintf("setpriority to %d", nice), syscall.SYS_SETPRIORITY, 0, 0, uintptr(nice))
		try("  is", syscall.SYS_GETPRIORITY, 0, 0)
	}
}

// registrations is MEMBARRIER_CMD_GET_REGISTRATIONS, of Linux 6.3.
const registrations = 1 << 9

// newer runs the calls that the Linux of the golden files does not have; what they answer
// here is by the manual pages.
func newer() {
	all, errno := call(sysMembarrier, 0, 0)
	say("membarrier", all&registrations, errno)
	try("registered", sysMembarrier, registrations, 0)
	for _, register := range []uintptr{4, 16, 64} {
		try("register", sysMembarrier, register, 0)
		try("registered", sysMembarrier, registrations, 0)
	}
}

func membarriers() {
	const rseq = 1<<7 | 1<<8 // its commands are only there with rseq
	all, errno := call(sysMembarrier, 0, 0)
	say("membarrier", all&^(rseq|registrations), errno)
	try("flags", sysMembarrier, 0, 1)
	try("flags", sysMembarrier, 8, 1)
	for bit := 8; bit >= 0; bit-- { // each before what registers for it
		if 1<<bit&rseq == 0 && bit != 6 && bit != 4 && bit != 2 {
			try(fmt.Sprintf("membarrier %d", 1<<bit), sysMembarrier, 1<<bit, 0)
		}
	}
	for _, register := range []uintptr{4, 16, 64} {
		try("register", sysMembarrier, register, 0)
		try("again", sysMembarrier, register, 0)
		try("and now", sysMembarrier, register/2, 0)
	}
	try("two", sysMembarrier, 3, 0)
	try("none", sysMembarrier, 1<<20, 0)
	try("none", sysMembarrier, 1<<31, 0)
}

// options runs prctl, but for what differs between releases.
func options() {
	prctl := func(args ...uintptr) { try(fmt.Sprint("prctl ", args), syscall.SYS_PRCTL, args...) }
	var v int32
	read := func(option uintptr) {
		v = -1
		r, errno := call(syscall.SYS_PRCTL, option, addr(&v), 0, 0, 0)
		say(fmt.Sprint("prctl ", option), r, errno, v)
		prctl(option, bad, 0, 0, 0)
	}
	prctl(1, 0)
	read(2)
	prctl(1, 10)
	read(2)
	prctl(1, 65)
	prctl(1, 0)
	prctl(3)
	prctl(4, 0)
	prctl(3)
	prctl(4, 1)
	prctl(4, 7)
	prctl(3)
	prctl(21)
	read(25)
	prctl(26, 1)
	prctl(26, 0)
	prctl(30)
	prctl(29, 1234)
	prctl(30)
	prctl(29, 0)
	prctl(30)
	read(37)
	prctl(36, 5)
	read(37)
	prctl(36, 0)
	prctl(39, 0, 0, 0, 0)
	prctl(39, 1, 0, 0, 0)
	prctl(38, 0, 0, 0, 0)
	prctl(38, 1, 0, 1, 0)
	prctl(38, 1, 0, 0, 0)
	prctl(39, 0, 0, 0, 0)
	prctl(12345)
}

// levels asks for the levels of I/O privilege. What ring 3 may do at them is a check of the guest's.
func levels() {
	for _, level := range []int{0, 1, 2, 3, 0, 4, -1, -4, 1 << 31, 1 << 32, 1<<32 + 3, 1<<32 + 4, 0} {
		try(fmt.Sprintf("iopl %d", level), syscall.SYS_IOPL, uintptr(level))
	}
}

// otherThread asks about a thread that is not the process's first.
func otherThread() {
	done := make(chan bool)
	first := syscall.Gettid()
	go func() {
		runtime.LockOSThread() // and not unlocked: it ends with its options
		tid := uintptr(syscall.Gettid())
		say("another thread", int(tid) != first)
		try("getpgid", syscall.SYS_GETPGID, tid)
		try("getsid", syscall.SYS_GETSID, tid)
		try("setpgid", syscall.SYS_SETPGID, tid, 0)
		try("kill", syscall.SYS_KILL, tid, 0)
		try("tgkill", syscall.SYS_TGKILL, 1, tid, 0)
		try("getscheduler", syscall.SYS_SCHED_GETSCHEDULER, tid)
		try("setpriority", syscall.SYS_SETPRIORITY, 0, tid, 9)
		try("getpriority", syscall.SYS_GETPRIORITY, 0, tid)
		try("getpriority", syscall.SYS_GETPRIORITY, 0, 0)
		try("of the first", syscall.SYS_GETPRIORITY, 0, 1)
		try("of the group", syscall.SYS_GETPRIORITY, 1, 0)
		try("no_new_privs", syscall.SYS_PRCTL, 39, 0, 0, 0, 0)
		close(done)
	}()
	<-done
}
