package events

import (
	"errors"

	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/gdb"
)

// Kind is a kind of event.
type Kind struct {
	Name   string
	vector uint32
	// inject makes it arrive before the instruction at which the machine is stopped,
	// whose registers are r; at is that instruction.
	inject func(s *sweep, at *place, r gdb.Registers) error
	// again, if set, makes a second one pending inside the handler of the first.
	again func(s *sweep) error
	// calm, if set, removes what inject left.
	calm func(s *sweep, r gdb.Registers) error
	// applies, if set, says at which instructions there can be one.
	applies func(at *place) bool
	// trap is set if it arrives after the instruction, maskable if it waits
	// until interrupts are on.
	trap, maskable bool
	// asks is set if the handler asks for work, which must be done before ring 3
	// continues.
	asks bool
	// resumes is set if the machine is stopped only after the instruction: QEMU
	// mistakes a debugger's breakpoint for the one in DR0, whatever RF says.
	resumes bool
}

// msi is the address that a device writes an interrupt to, for the CPU with APIC
// id 0 (SDM volume 3, 11.11.1); the value is vector and delivery mode.
const (
	msi    = 0xfee0_0000
	msiNMI = 4 << 8
)

// Names of kinds.
const (
	kindNMI       = "NMI"
	kindNested    = "NMI in an NMI"
	kindMC        = "#MC"
	kindDBCode    = "#DB of code"
	kindDBData    = "#DB of data"
	kindInterrupt = "interrupt"
	kindHeld      = "#DB behind MOV SS"
	kindWork      = "interrupt that asks for work"
)

// Kinds are all kinds of events, in the order of reports.
var Kinds = []Kind{
	{
		Name: kindNMI, vector: x86.X86_TRAP_NMI,
		inject: func(s *sweep, _ *place, _ gdb.Registers) error { return s.stub.WritePhysical(msi, msiNMI) },
	},
	{
		Name: kindNested, vector: x86.X86_TRAP_NMI,
		inject: func(s *sweep, _ *place, _ gdb.Registers) error { return s.stub.WritePhysical(msi, msiNMI) },
		again:  func(s *sweep) error { return s.stub.WritePhysical(msi, msiNMI) },
	},
	{
		// An uncorrected error (UC) after which the code can continue (RIPV): the
		// arguments are CPU, bank, MCi_STATUS, MCG_STATUS, address and MCi_MISC.
		Name: kindMC, vector: x86.X86_TRAP_MC,
		inject: func(s *sweep, _ *place, _ gdb.Registers) error {
			return s.stub.Monitor("mce 0 9 0xb600000000000000 0x5 0x1000 0x8c")
		},
	},
	{
		Name: kindDBCode, vector: x86.X86_TRAP_DB, resumes: true,
		inject:  func(s *sweep, at *place, r gdb.Registers) error { return s.debugRegister(r, at.rip, dr7Code) },
		calm:    func(s *sweep, r gdb.Registers) error { return s.debugRegister(r, 0, 0) },
		applies: func(at *place) bool { return !at.debug },
	},
	{
		Name: kindDBData, vector: x86.X86_TRAP_DB, trap: true,
		inject: func(s *sweep, at *place, r gdb.Registers) error {
			return s.debugRegister(r, at.access(r)&^7, dr7Data)
		},
		calm:    func(s *sweep, r gdb.Registers) error { return s.debugRegister(r, 0, 0) },
		applies: func(at *place) bool { return at.access != nil && !at.watched },
	},
	{
		Name: kindInterrupt, vector: x86.LOCAL_TIMER_VECTOR, maskable: true,
		inject: pendInterrupt,
		calm:   func(s *sweep, _ gdb.Registers) error { return s.stub.SetCR8(maskAll) },
	},
	{
		// One by one where interrupts are on, as the exit then takes another path.
		Name: kindWork, vector: x86.LOCAL_TIMER_VECTOR, maskable: true, asks: true,
		inject:  pendInterrupt,
		calm:    func(s *sweep, _ gdb.Registers) error { return s.stub.SetCR8(maskAll) },
		applies: func(at *place) bool { return at.ie && !at.shadow },
	},
	{
		// Breakpoints has it, where the engine does: see NotDelivered.
		Name: kindHeld, vector: x86.X86_TRAP_DB,
		applies: func(*place) bool { return false },
	},
}

// pendInterrupt makes the timer's interrupt pending.
func pendInterrupt(s *sweep, _ *place, _ gdb.Registers) error {
	return errors.Join(s.stub.SetCR8(0), s.stub.WritePhysical(msi, x86.LOCAL_TIMER_VECTOR))
}

// Values of DR7 for DR0 (SDM volume 3, 18.2.4): global, an instruction, or reads
// and writes of 8 bytes.
const (
	dr7Global = 1<<1 | 1<<10 // G0, and the bit that is always 1
	dr7Code   = dr7Global
	dr7Data   = dr7Global | 3<<16 | 2<<18
)
