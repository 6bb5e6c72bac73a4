// Command mounted is the init of a Linux whose initramfs holds another program, /program: it
// gives that the files of /proc and /dev that entrylab's kernel has, and becomes it.
package main

import (
	"fmt"
	"os"
	"syscall"
)

const program = "/program"

func main() {
	fmt.Println("mounted:", run())
}

// run does not return if all is well.
func run() error {
	defer syscall.Umask(syscall.Umask(0)) // of mknod
	for _, dir := range []string{"/proc", "/dev"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name  string
		minor int
	}{{"null", 3}, {"zero", 5}, {"urandom", 9}} {
		if err := syscall.Mknod("/dev/"+d.name, syscall.S_IFCHR|0o666, 1<<8|d.minor); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return syscall.Exec(program, []string{program}, os.Environ())
}
