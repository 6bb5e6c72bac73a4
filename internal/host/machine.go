package host

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Numbers of the auxiliary vector (Linux include/uapi/linux/auxvec.h and
// arch/x86/include/uapi/asm/hwcap2.h).
const (
	atHWCap2       = 26
	hwcap2FSGSBASE = 1 << 1
)

// Auxv returns the auxiliary vector that the kernel gave this process.
func Auxv() ([]byte, error) { return os.ReadFile("/proc/self/auxv") }

// FSGSBASE reports whether the kernel lets programs run the instructions that set the bases
// of FS and GS. auxv is the auxiliary vector that it gave this process.
func FSGSBASE(auxv []byte) bool {
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.LittleEndian.Uint64(auxv) == atHWCap2 {
			return binary.LittleEndian.Uint64(auxv[8:])&hwcap2FSGSBASE != 0
		}
	}
	return false
}

// Sys is the folder in which Linux describes its devices.
const Sys = "/sys"

// Counters reports whether the CPU has performance counters that Linux drives, in the
// file system at sys (Linux Documentation/ABI/testing/sysfs-bus-event_source-devices-events).
// The two kinds of core of a hybrid CPU each have some.
func Counters(sys string) bool {
	for _, name := range []string{"cpu", "cpu_core"} {
		if _, err := os.Stat(filepath.Join(sys, "bus/event_source/devices", name)); err == nil {
			return true
		}
	}
	return false
}

// Neighbours returns the online threads that share a core, as Linux lists them ("0-1"), by
// the file system at sys; empty if each has a core of its own.
func Neighbours(sys string) (lists []string, err error) {
	files, err := filepath.Glob(filepath.Join(sys, "devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s says nothing about the threads of a core", sys)
	}
	seen := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		list := strings.TrimSpace(string(text))
		if strings.ContainsAny(list, ",-") && !seen[list] {
			seen[list] = true
			lists = append(lists, list)
		}
	}
	return lists, nil
}

// Free returns how many bytes this user may still write to the file system of a folder.
func Free(dir string) (bytes uint64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
