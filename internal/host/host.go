// Package host describes this host: its CPUs, as Linux reports them, and the release
// of its kernel.
package host

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUInfo is the file in which Linux describes its CPUs, a block of lines for each
// (Linux: arch/x86/kernel/cpu/proc.c).
const CPUInfo = "/proc/cpuinfo"

// CPU is what Linux says of one CPU. What it does not say is empty.
type CPU struct {
	// Number is the one that Linux gave it.
	Number int
	// Model is the name of the model, Signature its family, model and stepping in
	// decimal, as in "25/1/1", Microcode the revision of its microcode.
	Model, Signature, Microcode string
	// Flags are the features that it shows, by Linux's names.
	Flags []string
}

// Has reports whether the CPU shows a feature.
func (c CPU) Has(flag string) bool { return slices.Contains(c.Flags, flag) }

// CPUs reads the CPUs that a file in the format of CPUInfo describes.
func CPUs(path string) ([]CPU, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading what CPUs there are: %w", err)
	}
	return Parse(string(text)), nil
}

// Parse reads the text of a file in the format of CPUInfo.
func Parse(text string) []CPU {
	var cpus []CPU
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		field := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(line, ":")
			field[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
		c := CPU{
			Model:     field["model name"],
			Signature: field["cpu family"] + "/" + field["model"] + "/" + field["stepping"],
			Microcode: field["microcode"],
			Flags:     strings.Fields(field["flags"]),
			Number:    -1,
		}
		if n, err := strconv.Atoi(field["processor"]); err == nil {
			c.Number = n
		}
		cpus = append(cpus, c)
	}
	return cpus
}

// Model names the first CPU and its microcode. Where that cannot be told the name
// says why; that of an emulated CPU says so.
func Model() (model, microcode string) {
	cpus, err := CPUs(CPUInfo)
	switch {
	case err != nil:
		return "unknown CPU (" + err.Error() + ")", ""
	case cpus[0].Model == "":
		return "unknown CPU", cpus[0].Microcode
	}
	return named(cpus[0].Model, Hypervisor()), cpus[0].Microcode
}

// Kernel is the release of the kernel that runs, as uname prints it; empty where it
// cannot be told.
func Kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// ID tells this machine from others, also of the same name: a hash of what systemd
// calls its machine ID (machine-id(5)), or of its name and CPU where it has none.
func ID() string {
	id, err := os.ReadFile("/etc/machine-id")
	if text := strings.TrimSpace(string(id)); err == nil && text != "" {
		return hash("entrylab", text) // the ID itself is not to be shown
	}
	name, _ := os.Hostname() // without a name the CPU must do
	model, microcode := Model()
	return hash(name, model, microcode)
}

func hash(words ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(words, "\x00"))))[:16]
}
