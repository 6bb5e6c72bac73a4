// Command kexec is an init of Linux that leaves for the kernel in the file /image, with the
// words that it was given itself.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	fmt.Println("kexec:", leave(strings.Join(os.Args[1:], " ")))
	unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// leave returns only if it fails.
func leave(words string) error {
	image, err := os.Open("/image")
	if err != nil {
		return err
	}
	if err := unix.KexecFileLoad(int(image.Fd()), 0, words, unix.KEXEC_FILE_NO_INITRAMFS); err != nil {
		return fmt.Errorf("kexec_file_load: %w", err)
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC)
}
