package measure

import (
	"os"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/regs"
)

// CPUID leaves (SDM volume 2, CPUID; KVM's and other hypervisors' begin at
// 0x40000000).
const (
	leafVendor     = 0
	leafSignature  = 1
	leafHypervisor = 0x4000_0000
	leafExtended   = 0x8000_0000
	leafName       = 0x8000_0002 // and the two behind it

	// hypervisorPresent is the bit of leafSignature's ECX that is set in a
	// hypervisor's machine.
	hypervisorPresent = 1 << 31
)

// Machine returns the machine that this program runs on, by CPUID; the environment
// names an emulator that CPUID does not show.
func Machine() wire.Machine {
	var m wire.Machine
	_, b, c, d := regs.CPUID(leafVendor, 0)
	m.Vendor = characters(b, d, c)
	signature, _, features, _ := regs.CPUID(leafSignature, 0)
	m.Signature = uint64(signature)
	if features&hypervisorPresent != 0 {
		_, b, c, d := regs.CPUID(leafHypervisor, 0)
		m.Hypervisor = characters(b, c, d)
	}
	if engine := os.Getenv(wire.EngineVariable); engine != "" {
		m.Hypervisor = engine
	}
	if top, _, _, _ := regs.CPUID(leafExtended, 0); top >= leafName+2 {
		var registers []uint32
		for leaf := range uint32(3) {
			a, b, c, d := regs.CPUID(leafName+leaf, 0)
			registers = append(registers, a, b, c, d)
		}
		m.CPU = characters(registers...)
	}
	return m
}

// characters returns the text in registers, with one space between words.
func characters(registers ...uint32) string {
	var b []byte
	for _, r := range registers {
		b = append(b, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	return strings.Join(strings.Fields(strings.Trim(string(b), "\x00 ")), " ")
}
