package host

import (
	"strings"
)

// CPUID executes the instruction CPUID.
func CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// Text returns the text that registers of CPUID hold, the first character in the lowest
// byte.
func Text(registers ...uint32) string {
	b := make([]byte, 0, 4*len(registers))
	for _, w := range registers {
		b = append(b, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	return strings.TrimSpace(strings.Trim(string(b), "\x00"))
}

// Hypervisor returns the signature of the hypervisor that this machine runs on; empty if
// there is none.
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

// tcg is the name by which QEMU's emulator, which is not a hypervisor, shows itself: it is
// in its signature three times, and in the names of its own CPU models.
const tcg = "TCG"

// Emulated reports whether a CPU of this name, as Model returns it, is QEMU's emulator,
// which has no real cycles. An emulator that hides its name and signature is not
// recognized.
func Emulated(model string) bool { return strings.Contains(model, tcg) }

// named returns the name of a CPU under a hypervisor. It says so if the CPU is emulated.
func named(model, hypervisor string) string {
	if strings.Contains(hypervisor, tcg) && !Emulated(model) {
		return model + " (emulated by QEMU's TCG)"
	}
	return model
}
