// Command kvmhost is the init of a Linux that needs a /dev/kvm: it loads the modules in the
// folder modules, in the order of their names, runs the command whose words are the lines
// of the file command, and prints its exit status as the last line.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	if status, err := run(); err != nil {
		fmt.Println("kvmhost:", err)
	} else {
		fmt.Println("kvmhost: exit status", status)
	}
	const tcsbrk = 0x5409 // waits until the serial port has sent it all
	syscall.Syscall(syscall.SYS_IOCTL, 1, tcsbrk, 1)
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) // which ends QEMU
}

func run() (status int, err error) {
	for _, m := range []struct{ where, kind string }{
		{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}, {"/dev/pts", "devpts"}, {"/tmp", "tmpfs"}, {"/var/tmp", "tmpfs"},
	} {
		if err := os.MkdirAll(m.where, 0o755); err != nil {
			return 0, err
		}
		if err := syscall.Mount(m.kind, m.where, m.kind, 0, ""); err != nil {
			return 0, fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2",
	} {
		if err := os.Symlink(target, "/dev/"+name); err != nil {
			return 0, err
		}
	}
	// A machine's RAM may be more than there is, if it is not used.
	if err := os.WriteFile("/proc/sys/vm/overcommit_memory", []byte("1"), 0); err != nil {
		return 0, err
	}
	modules, err := filepath.Glob("/modules/*.ko") // sorted
	if err != nil {
		return 0, err
	}
	for _, path := range modules {
		if err := load(path); err != nil { // as where the CPU has no SVM
			fmt.Printf("kvmhost: %s: %v\n", path, err)
		}
	}
	words, err := os.ReadFile("/command")
	if err != nil {
		return 0, err
	}
	args := strings.Split(strings.TrimSuffix(string(words), "\n"), "\n")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/work"
	// Tests list on the console what they were skipped for.
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/tmp", "CI=true", "ENTRYLAB_SKIPPED=/dev/console"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil // -1 if a signal killed it
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
