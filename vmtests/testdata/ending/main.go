// Command ending ends in the way that its argument names.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

var sum int

func main() {
	if len(os.Args) < 2 {
		fmt.Println("want a way to end")
		os.Exit(2)
	}
	switch way := os.Args[1]; way {
	case "exit":
		n, _ := strconv.Atoi(os.Args[2])
		os.Exit(n)
	case "panic":
		panic(errors.New("on purpose"))
	case "nil":
		var p *int
		fmt.Println(*p)
	case "deadlock":
		select {}
	case "hang":
		fmt.Println("hanging")
		for {
			time.Sleep(time.Hour)
		}
	case "spin": // never calls the kernel
		fmt.Println("spinning")
		for n := 0; ; n++ {
			sum += n
		}
	case "segv": // by a signal that the runtime does not catch
		var action struct{ handler, flags, restorer, mask uintptr } // SIG_DFL
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
		syscall.Kill(syscall.Getpid(), syscall.SIGSEGV)
	case "poweroff":
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	case "lines": // more than a pipe holds, and no line break for long
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 'a' + byte(i%26)
		}
		os.Stdout.Write(block)
	case "memory":
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			all = append(all, b)
		}
	}
}
