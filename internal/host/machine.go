package host

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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

// Siblings returns the other online threads of a CPU's core as Linux lists them, by the
// file system at sys; empty if the core is the CPU's own.
func Siblings(sys string, cpu int) (others []string, err error) {
	path := filepath.Join(sys, "devices/system/cpu", fmt.Sprintf("cpu%d", cpu), "topology/thread_siblings_list")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for _, part := range strings.Split(strings.TrimSpace(string(text)), ",") {
		first, last, found := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && found {
			to, err = strconv.Atoi(last)
		}
		if err != nil || to-from > mostSiblings {
			return nil, fmt.Errorf("%s: %q is no list of CPUs", path, strings.TrimSpace(string(text)))
		}
		for n := from; n <= to; n++ {
			if n != cpu {
				others = append(others, strconv.Itoa(n))
			}
		}
	}
	return others, nil
}

// mostSiblings bounds how many threads are believed to share a core.
const mostSiblings = 1024

// turbos are the files that say whether cores may run faster than their rated frequency,
// by the driver, and what they hold if so (Linux Documentation/admin-guide/pm:
// intel_pstate.rst, cpufreq.rst).
var turbos = []struct{ path, on, off string }{
	{"intel_pstate/no_turbo", "0", "1"},
	{"cpufreq/boost", "1", "0"},
}

// Turbo says whether cores may run faster than their rated frequency, by the file system
// at sys: "on", "off", or "unknown", as a kernel without a driver for frequencies does not
// tell.
func Turbo(sys string) string {
	for _, f := range turbos {
		text, err := os.ReadFile(filepath.Join(sys, "devices/system/cpu", f.path))
		if err != nil {
			continue
		}
		switch strings.TrimSpace(string(text)) {
		case f.on:
			return "on"
		case f.off:
			return "off"
		}
	}
	return "unknown"
}

// Conditions say what decides about the cycles of code that is kept on a CPU, beside the
// CPU's model, by the file system at sys.
func Conditions(sys string, cpu int) string {
	text := fmt.Sprintf("kept on CPU %d, ", cpu)
	switch others, err := Siblings(sys, cpu); {
	case err != nil:
		text += "whose neighbours (SMT) are unknown"
	case len(others) == 0:
		text += "whose core is its own"
	default:
		text += fmt.Sprintf("whose core is shared with %s (SMT)", strings.Join(others, " and "))
	}
	return text + ", turbo " + Turbo(sys)
}

// Free returns how many bytes this user may still write to the file system of a folder.
func Free(dir string) (bytes uint64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
