// Command onlinux is the init of a Linux whose initramfs holds a tree with the
// program calls as its init. It makes the tree a root that is read-only, runs
// the program in it once for each of its own arguments, with that argument, and
// prints what each run wrote to its standard output, a file, between two lines.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// The lines around an output; the parts that follow are the argument and the
// exit status.
const (
	begin = "-- begin"
	end   = "-- end"
)

const root = "/tree"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println("onlinux:", err)
	}
	const tcsbrk = 0x5409 // waits until the serial port has sent it all
	syscall.Syscall(syscall.SYS_IOCTL, 1, tcsbrk, 1)
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) // which ends QEMU
}

func run(parts []string) error {
	defer syscall.Umask(syscall.Umask(0)) // of mknod
	for _, d := range []struct {
		name  string
		minor int
	}{{"null", 3}, {"zero", 5}, {"urandom", 9}} {
		if err := syscall.Mknod(root+"/dev/"+d.name, syscall.S_IFCHR|0o666, 1<<8|d.minor); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	for _, m := range []struct {
		what, where, kind string
		flags             uintptr
	}{
		{root, root, "", syscall.MS_BIND},
		{"proc", root + "/proc", "proc", 0},
		{"", root, "", syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY},
	} {
		if err := syscall.Mount(m.what, m.where, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	for _, part := range parts {
		if err := runPart(part); err != nil {
			return err
		}
	}
	return nil
}

func runPart(part string) error {
	out, err := os.Create("/out")
	if err != nil {
		return err
	}
	defer out.Close()
	null, err := os.Open(root + "/dev/null")
	if err != nil {
		return err
	}
	defer null.Close()
	cmd := exec.Cmd{
		Path: "/init", Args: []string{"/init", part}, Dir: "/", Env: []string{},
		Stdin: null, Stdout: out, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Chroot: root, Cloneflags: syscall.CLONE_NEWPID}, // it is PID 1
	}
	runErr := cmd.Run()
	text, err := os.ReadFile("/out")
	if err != nil {
		return err
	}
	fmt.Println(begin, part)
	os.Stdout.Write(text)
	fmt.Println(end, runErr)
	return nil
}
