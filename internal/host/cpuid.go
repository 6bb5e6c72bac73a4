package host

import (
	"strings"
)

// CPUID executes the instruction.
func CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// Text is the text in registers of CPUID's, the first character lowest.
func Text(registers ...uint32) string {
	b := make([]byte, 0, 4*len(registers))
	for _, w := range registers {
		b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	return strings.TrimSpace(strings.Trim(string(b), "\x00"))
}

// Hypervisor is the signature that the hypervisor shows of which this is a machine, or
// nothing.
func Hypervisor() string {
	const (
		present = 1 << 31 // of ECX of leaf 1
		first   = 0x4000_0000
	)
	if _, _, features, _ := CPUID(1, 0); features&present == 0 {
		return ""
	}
	_, b, c, d := CPUID(first, 0)
	return Text(b, c, d)
}

// tcg is how QEMU's emulator shows itself, which is no hypervisor: three times in its
// signature, and in the names of its own CPU models.
const tcg = "TCG"

// Emulated reports whether a CPU of this name, as Model gives it, is QEMU's emulator: its
// cycles are none. One that hides its name and its signature is not recognised.
func Emulated(model string) bool { return strings.Contains(model, tcg) }

// named is the name of a CPU in a machine of the hypervisor: it tells an emulated one.
func named(model, hypervisor string) string {
	if strings.Contains(hypervisor, tcg) && !Emulated(model) {
		return model + " (emulated by QEMU's TCG)"
	}
	return model
}
