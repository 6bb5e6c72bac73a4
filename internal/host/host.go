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

// CPU is what Linux says about one CPU. What Linux does not say is empty.
type CPU struct {
	// Number is the number that Linux gave it.
	Number int
	// Model is the name of the model; Signature is family, model and stepping in decimal,
	// such as "25/1/1"; Microcode is the revision of the microcode.
	Model, Signature, Microcode string
	// Flags are its features, by Linux's names.
	Flags []string
}

// Has reports whether the CPU has a feature.
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

// Model returns the name of the first CPU and the revision of its microcode. If the CPU is
// not known, the name says why; if it is emulated, the name says so.
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

// Kernel returns the release of the running kernel, as uname prints it; empty if it is not
// known.
func Kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// ID returns a text that distinguishes this machine from others, even of the same name: a
// hash of systemd's machine ID (machine-id(5)) or, without one, of its name and CPU.
func ID() string {
	id, err := os.ReadFile("/etc/machine-id")
	if text := strings.TrimSpace(string(id)); err == nil && text != "" {
		return hash("entrylab", text) // the ID itself is confidential
	}
	name, _ := os.Hostname() // without a name, the CPU alone must do
	model, microcode := Model()
	return hash(name, model, microcode)
}

func hash(words ...string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(words, "\x00"))))[:16]
}
