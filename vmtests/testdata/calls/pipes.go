package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// pipes runs pipes, through the runtime's poller and without.
func pipes() {
	r, w, err := os.Pipe()
	say("pipe", err)
	data := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	done := make(chan int)
	go func() {
		n, err := w.Write(data)
		w.Close()
		say("wrote", n, err)
		done <- 1
	}()
	got, err := io.ReadAll(r)
	<-done
	say("read", len(got), sha256.Sum256(got) == sha256.Sum256(data), err)
	r.Close()

	r, w, _ = os.Pipe()
	r.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	n, err := r.Read(make([]byte, 10))
	say("deadline", n, err)
	r.Close()
	n, err = w.Write([]byte("x"))
	say("nobody reads", n, err)

	var fds [2]int
	say("pipe2", syscall.Pipe2(fds[:], 0))
	rd, wr := uintptr(fds[0]), uintptr(fds[1])
	pollFor(0, pollFD{int32(rd), in, 0}, pollFD{int32(wr), out, 0})
	buf := make([]byte, 100)
	hello := func() { syscall.Write(fds[1], []byte("hello")) }
	later(hello)
	n, err = syscall.Read(fds[0], buf)
	say("read", n, err, string(buf[:n]))
	later(hello)
	pollFor(-1, pollFD{int32(rd), in, 0})
	for _, size := range []int{2, 100} {
		n, err = syscall.Read(fds[0], buf[:size])
		say("read", n, err, string(buf[:n]))
	}
	try("read the wrong end", syscall.SYS_READ, wr, addr(&buf[0]), 4)
	try("write the wrong end", syscall.SYS_WRITE, rd, addr(&buf[0]), 4)
	try("seek", syscall.SYS_LSEEK, rd, 0, 0)
	try("pread", syscall.SYS_PREAD64, rd, addr(&buf[0]), 4, 0)
	try("read nothing", syscall.SYS_READ, rd, addr(&buf[0]), 0)
	var other [2]int // Linux keeps a place for what it could not copy
	say("pipe2", syscall.Pipe2(other[:], 0))
	try("write bad", syscall.SYS_WRITE, uintptr(other[1]), bad, 4)
	syscall.Close(other[0])
	syscall.Close(other[1])
	try("getfl", syscall.SYS_FCNTL, rd, syscall.F_GETFL)
	try("getfl", syscall.SYS_FCNTL, wr, syscall.F_GETFL)
	var st syscall.Stat_t
	say("fstat", syscall.Fstat(fds[0], &st), fmt.Sprintf("%#o", st.Mode))

	say("fill", syscall.SetNonblock(fds[1], true))
	total := 0
	for err = nil; err == nil; total += n {
		n, err = syscall.Write(fds[1], make([]byte, 4096))
		n = max(n, 0)
	}
	say("full", total%4096, total > 4096, err)
	pollFor(0, pollFD{int32(wr), out, 0})
	for _, size := range []int{4095, 1} { // a page is written whole or not at all
		n, err = syscall.Read(fds[0], make([]byte, size))
		say("read", n, err)
		n, err = syscall.Write(fds[1], make([]byte, 4096))
		say("write", n, err)
	}
	syscall.SetNonblock(fds[1], false)
	go func() {
		runtime.LockOSThread()
		sum := 0
		for sum < total+100000 {
			time.Sleep(time.Millisecond)
			n, _ := syscall.Read(fds[0], make([]byte, 7777))
			sum += n
		}
		done <- sum - total
	}()
	n, err = syscall.Write(fds[1], make([]byte, 100000))
	say("write", n, err)
	say("drained", <-done)
	syscall.Close(fds[1])
	n, err = syscall.Read(fds[0], buf)
	say("end", n, err)
	pollFor(-1, pollFD{int32(rd), in, 0})
	syscall.Close(fds[0])

	broken := make(chan os.Signal, 3)
	signal.Notify(broken, syscall.SIGPIPE)
	say("pipe2", syscall.Pipe2(fds[:], syscall.O_CLOEXEC))
	try("getfd", syscall.SYS_FCNTL, uintptr(fds[0]), syscall.F_GETFD)
	syscall.Close(fds[0])
	pollFor(0, pollFD{int32(fds[1]), out, 0})
	n, err = syscall.Write(fds[1], buf)
	say("broken", n, err, <-broken)
	try("pipe2 bad", syscall.SYS_PIPE2, bad, 0)
	try("pipe2 flags", syscall.SYS_PIPE2, addr(&fds), 1)
	for i := range 200 { // nothing is left behind
		if err := syscall.Pipe2(fds[:], 0); err != nil {
			say("pipe", i, err)
			break
		}
		syscall.Close(fds[0])
		syscall.Close(fds[1])
	}
	pipeSizes()
}

// many opens as many descriptors as there can be: a new process has 1024.
func many() {
	fill := func() (n int) {
		for ; ; n++ {
			if _, errno := call(syscall.SYS_DUP, 1); errno != 0 {
				say("dup", n, errno)
				return n
			}
		}
	}
	empty := func(n int) {
		for fd := 3; n > 0; fd++ {
			if _, errno := call(syscall.SYS_CLOSE, uintptr(fd)); errno == 0 {
				n--
			}
		}
	}
	var l syscall.Rlimit
	limit := func(cur, max uint64) {
		l = syscall.Rlimit{Cur: cur, Max: max}
		try(fmt.Sprintf("limit %d %d", cur, max), syscall.SYS_PRLIMIT64, 0, 7, addr(&l), nul)
		try("  now", syscall.SYS_PRLIMIT64, 0, 7, nul, addr(&l))
		say("  limit", l.Cur, l.Max)
	}
	limit(1024, 4096)
	n := fill()
	var fds [2]int32
	try("pipe2", syscall.SYS_PIPE2, addr(&fds), 0)
	try("eventfd2", syscall.SYS_EVENTFD2, 0, 0)
	try("epoll_create1", syscall.SYS_EPOLL_CREATE1, 0)
	try("open", syscall.SYS_OPEN, addr(&[]byte("/\x00")[0]), 0)
	try("dup2 last", syscall.SYS_DUP2, 1, 1023)
	try("dup2 beyond", syscall.SYS_DUP2, 1, 1024)
	try("dup3 beyond", syscall.SYS_DUP3, 1, 1024, 0)
	try("dupfd last", syscall.SYS_FCNTL, 1, syscall.F_DUPFD, 1023)
	try("dupfd beyond", syscall.SYS_FCNTL, 1, syscall.F_DUPFD, 1024)
	for _, fd := range []uintptr{700, 9, 800} {
		try("close", syscall.SYS_CLOSE, fd)
	}
	try("pipe2", syscall.SYS_PIPE2, addr(&fds), 0)
	say("pipe2", fds)
	try("dup", syscall.SYS_DUP, 1)
	try("dup", syscall.SYS_DUP, 1)
	empty(n)
	try("dupfd", syscall.SYS_FCNTL, 1, syscall.F_DUPFD, 900)
	try("dupfd", syscall.SYS_FCNTL, 1, syscall.F_DUPFD, 900)
	try("close", syscall.SYS_CLOSE, 900)
	try("close", syscall.SYS_CLOSE, 901)

	limit(20, 4096)
	n = fill()
	limit(30, 4096)
	try("dup", syscall.SYS_DUP, 1)
	limit(5, 4096) // those that are open stay so
	try("dup", syscall.SYS_DUP, 1)
	try("getfd", syscall.SYS_FCNTL, 15, syscall.F_GETFD)
	limit(4097, 4096)
	limit(3000, 5000)
	empty(n + 1)
	empty(fill())
	limit(1024, 1<<63)
	try("resource 16", syscall.SYS_PRLIMIT64, 0, 16, nul, addr(&l))
	try("limit bad", syscall.SYS_PRLIMIT64, 0, 7, bad, nul)
	try("limit to bad", syscall.SYS_PRLIMIT64, 0, 7, nul, bad)

	// All of them are pipes, and all are watched.
	ep, _ := call(syscall.SYS_EPOLL_CREATE1, 0)
	limit(1000, 5000)
	pipes := 0
	for errno := syscall.Errno(0); errno == 0; pipes++ {
		if _, errno = call(syscall.SYS_PIPE2, addr(&fds), syscall.O_NONBLOCK); errno != 0 {
			say("pipes", pipes > 450, errno)
			break
		}
		event := [12]byte{in, 0, 0, 0, byte(pipes)}
		call(syscall.SYS_EPOLL_CTL, uintptr(ep), 1, uintptr(fds[0]), addr(&event))
	}
	wait(uintptr(ep), 4, 0)
	var b [1]byte
	for _, fd := range []uintptr{501, 301, 951} { // pipes begin at an even one or at an odd one
		if _, errno := call(syscall.SYS_WRITE, fd, addr(&b), 1); errno != 0 {
			call(syscall.SYS_WRITE, fd+1, addr(&b), 1)
		}
	}
	var events [12 * 16]byte
	try("ready", syscall.SYS_EPOLL_PWAIT, uintptr(ep), addr(&events), 16, 0, nul, 0)
	empty(2*pipes + 1)
}

func pipeSizes() {
	const getSize, setSize = 1032, 1031
	var fds [2]int
	say("pipe2", syscall.Pipe2(fds[:], syscall.O_NONBLOCK))
	rd, wr := uintptr(fds[0]), uintptr(fds[1])
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i >> 8)
	}
	at := 0 // what is read next of b, again and again
	read := func(n int) {
		got := make([]byte, n)
		n, err := syscall.Read(fds[0], got)
		ok := true
		for i := range max(n, 0) {
			ok = ok && got[i] == b[at]
			at = (at + 1) % len(b)
		}
		say("  read", n, err, ok)
	}
	to := 0
	write := func(n int) {
		n, err := syscall.Write(fds[1], b[to:to+n])
		to = (to + max(n, 0)) % len(b)
		say("  write", n, err)
	}
	size := func(n uintptr) { try(fmt.Sprint("size ", n), syscall.SYS_FCNTL, wr, setSize, n) }
	try("size", syscall.SYS_FCNTL, rd, getSize)
	write(100_000)
	size(4096)
	size(65535)
	size(65537)
	write(10_000)
	read(10_000)
	write(60_000)
	read(120_000)
	read(10_000)
	write(65_536)
	read(12_288) // three pages
	size(32_768)
	size(1 << 20)
	write(1 << 17)
	write(1 << 17)
	read(1 << 18)
	size(0)
	size(1)
	write(4096)
	write(1)
	read(4095)
	write(1)
	read(1)
	write(1)
	size(1 << 16)
	write(3)
	read(9)
	size(1<<31 + 1)
	try("size of a file", syscall.SYS_FCNTL, 1, getSize)
	try("size of a file", syscall.SYS_FCNTL, 1, setSize, 4096)
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}
