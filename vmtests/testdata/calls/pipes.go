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

// pipes is pipes, through the runtime's poller and without.
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
	try("write bad", syscall.SYS_WRITE, wr, bad, 4)
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
}
