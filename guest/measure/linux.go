package measure

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/lines"
)

// Vulnerabilities prints what a Linux kernel says about the vulnerabilities of its CPU.
// One before 4.15, or without CONFIG_GENERIC_CPU_VULNERABILITIES, says nothing.
func Vulnerabilities(p *lines.Printer) {
	const folder = "devices/system/cpu/vulnerabilities"
	f, err := openUnder("/sys", "sysfs", folder)
	if err != nil {
		return
	}
	defer f.Close()
	names, _ := f.Readdirnames(0) // what cannot be listed is not told
	slices.Sort(names)
	for _, name := range names {
		text, err := os.ReadFile(path.Join("/sys", folder, name))
		if state := strings.TrimSpace(string(text)); err == nil && state != "" {
			p.Vulnerability(wire.Vulnerability{Name: name, State: state})
		}
	}
}

// openUnder opens a file under a folder where a file system of that type belongs, which
// it mounts if nothing is there.
func openUnder(folder, fs, name string) (*os.File, error) {
	file := path.Join(folder, name)
	f, err := os.Open(file)
	if !errors.Is(err, os.ErrNotExist) || os.Getpid() != 1 {
		return f, err
	}
	if err := os.MkdirAll(folder, 0o555); err != nil {
		return nil, err
	}
	if err := syscall.Mount(fs, folder, fs, 0, ""); err != nil && !errors.Is(err, syscall.EBUSY) {
		return nil, os.NewSyscallError("mount "+folder, err)
	}
	return os.Open(file)
}
