package gdb

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Registers holds the CPU's registers. Of the vectors QEMU sends the XMM registers.
type Registers struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP                                    uint64
	Flags                                  uint32
	CS, SS, DS, ES, FS, GS                 uint32
	FSBase, GSBase, KernelGSBase           uint64
	CR0, CR2, CR3, CR4, CR8, EFER          uint64
	X87                                    [8][10]byte // ST0 to ST7
	X87Control                             [8]uint32   // FCTRL to FOP
	XMM                                    [16][2]uint64
	MXCSR                                  uint32
}

// Numbers of registers (QEMU gdb-xml/i386-64bit.xml), in the order of Registers.
const (
	numberRAX          = 0
	numberRSI          = 4
	numberRDI          = 5
	numberRIP          = 16
	numberFlags        = 17
	numberCS           = 18
	numberSS           = 19
	numberFSBase       = 24
	numberGSBase       = 25
	numberKernelGSBase = 26
	numberCR3          = 29
	numberCR8          = 31
	numberX87          = 33
	numberX87Control   = 41
	numberXMM          = 49
	numberMXCSR        = 65
)

// Places in Registers.X87Control.
const (
	FCTRL = 0
	FSTAT = 1
)

// Describe makes QEMU send all of Registers, which it does only after its description of
// the registers has been read. It must be called first.
func (s *Stub) Describe() error {
	answer, err := s.ask("qXfer:features:read:target.xml:0,ffb")
	if err == nil && answer == "" {
		err = errors.New("gdb stub: it does not tell what registers there are")
	}
	return err
}

// Registers reads the registers.
func (s *Stub) Registers() (Registers, error) {
	r, _, err := s.RegistersWords(nil)
	return r, err
}

// RegistersWords does Registers and Words at once.
func (s *Stub) RegistersWords(addrs []uint64) (r Registers, words []uint64, err error) {
	packets := append([]string{"g"}, reads(addrs)...)
	answers, err := s.together(packets...)
	if err != nil {
		return r, nil, err
	}
	if words, err = wordsOf(packets[1:], answers[1:]); err != nil {
		return r, nil, err
	}
	answer := answers[0]
	digits := 2 * binary.Size(r)
	b, err := hex.DecodeString(answer[:min(len(answer), digits)])
	if err == nil {
		_, err = binary.Decode(b, binary.LittleEndian, &r)
	}
	if err != nil {
		return r, nil, fmt.Errorf("gdb stub: registers are %q", answer)
	}
	return r, words, nil
}

// SetRegisters writes the registers that a call of a leaf function changes: RAX, RSI, RDI,
// RIP and Flags.
func (s *Stub) SetRegisters(r Registers) error {
	return s.order(
		set(numberRAX, r.RAX), set(numberRSI, r.RSI), set(numberRDI, r.RDI), set(numberRIP, r.RIP),
		fmt.Sprintf("P%x=%x", numberFlags, binary.LittleEndian.AppendUint32(nil, r.Flags)),
	)
}

// SetCR3 makes the machine use another page table.
func (s *Stub) SetCR3(cr3 uint64) error { return s.order(set(numberCR3, cr3)) }

// SetCR8 sets the task priority: interrupts of that class and below wait.
func (s *Stub) SetCR8(priority uint64) error { return s.order(set(numberCR8, priority)) }

// SetAll writes every register that differs from what it was before: all but
// DS, ES, FS, GS, CR0, CR2, CR4, CR8, EFER and X87Control but for FCTRL and FSTAT. SS makes
// the CPL.
func (s *Stub) SetAll(before, r Registers) error {
	var packets []string
	for i, of := range [...]func(*Registers) *uint64{
		func(r *Registers) *uint64 { return &r.RAX }, func(r *Registers) *uint64 { return &r.RBX },
		func(r *Registers) *uint64 { return &r.RCX }, func(r *Registers) *uint64 { return &r.RDX },
		func(r *Registers) *uint64 { return &r.RSI }, func(r *Registers) *uint64 { return &r.RDI },
		func(r *Registers) *uint64 { return &r.RBP }, func(r *Registers) *uint64 { return &r.RSP },
		func(r *Registers) *uint64 { return &r.R8 }, func(r *Registers) *uint64 { return &r.R9 },
		func(r *Registers) *uint64 { return &r.R10 }, func(r *Registers) *uint64 { return &r.R11 },
		func(r *Registers) *uint64 { return &r.R12 }, func(r *Registers) *uint64 { return &r.R13 },
		func(r *Registers) *uint64 { return &r.R14 }, func(r *Registers) *uint64 { return &r.R15 },
		func(r *Registers) *uint64 { return &r.RIP },
	} {
		if *of(&before) != *of(&r) {
			packets = append(packets, set(i, *of(&r)))
		}
	}
	short := func(number int, before, word uint32) {
		if before != word {
			packets = append(packets, fmt.Sprintf("P%x=%x", number, binary.LittleEndian.AppendUint32(nil, word)))
		}
	}
	long := func(number int, before, word uint64) {
		if before != word {
			packets = append(packets, set(number, word))
		}
	}
	short(numberCS, before.CS, r.CS)
	short(numberSS, before.SS, r.SS)
	short(numberFlags, before.Flags, r.Flags)
	long(numberFSBase, before.FSBase, r.FSBase)
	long(numberGSBase, before.GSBase, r.GSBase)
	long(numberKernelGSBase, before.KernelGSBase, r.KernelGSBase)
	long(numberCR3, before.CR3, r.CR3)
	for i, xmm := range r.XMM {
		if before.XMM[i] != xmm {
			packets = append(packets, fmt.Sprintf("P%x=%x", numberXMM+i, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, xmm[0]), xmm[1])))
		}
	}
	short(numberMXCSR, before.MXCSR, r.MXCSR)
	for _, i := range []int{FCTRL, FSTAT} {
		short(numberX87Control+i, before.X87Control[i], r.X87Control[i])
	}
	for i, st := range r.X87 {
		if before.X87[i] != st {
			packets = append(packets, fmt.Sprintf("P%x=%x", numberX87+i, st))
		}
	}
	return s.order(packets...)
}

// set returns the packet that writes a 64-bit register.
func set(number int, value uint64) string {
	return fmt.Sprintf("P%x=%x", number, binary.LittleEndian.AppendUint64(nil, value))
}

// ErrUnmapped means that there is no memory at an address.
var ErrUnmapped = errors.New("gdb stub: no memory is mapped there")
