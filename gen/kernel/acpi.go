package kernel

import (
	"encoding/binary"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// ACPI's tables (ACPI 6.5, 5.2; IA-PC HPET Specification 1.0a, 3.2.4).
const (
	acpiAreaStart = 0xe0000 // where a BIOS has the root pointer, on a multiple of 16
	acpiAreaEnd   = 0x100000

	rsdpSize     = 20 // the bytes that the first checksum covers
	rsdpRevision = 15
	rsdpRSDT     = 16
	rsdpXSDT     = 24

	acpiLength     = 4
	acpiHeaderSize = 36
	acpiMaxLength  = 1 << 20 // the longest table that is believed

	acpiPMTimer     = 76 // in the FADT, PM_TMR_BLK
	acpiHPETSpace   = 40 // in the HPET's table: the address space, 0 is memory,
	acpiHPETAddress = 44 // and the address
)

// Signatures of tables.
var (
	acpiFACP = signature("FACP") // the FADT
	acpiHPET = signature("HPET")
)

// signature returns four letters as a word.
func signature(s string) uint32 { return binary.LittleEndian.Uint32([]byte(s)) }

// deviceMemory is where memory that is mapped uncached begins (boot/proto).
const deviceMemory = 0xe000_0000

// acpi finds tables of the firmware.
func acpi() Program {
	return Program{
		Funcs: Funcs(
			acpiTable, acpiRoot, acpiCheck, acpiSum,
		),
	}
}

func acpiTable() Func {
	entry, width, sig, end := RBX, RBP, R12, R13
	return FUNC("acpi_table",
		`acpi_table returns the linear address of the first ACPI table with the signature
EDI whose checksum is right, or 0 if there is none.`,
		MOVL(RDI, sig),
		CALL(acpiRoot),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, entry), // the RSDT's or XSDT's next entry
		MOVL(RAX.At(acpiLength), end),
		ADDQ(RAX, end), // its end
		ADDQ(acpiHeaderSize, entry),
		LOOP(
			LEAQ(entry.Index(width, 1), RAX),
			CMPQ(RAX, end),
			IF(A, returns(0)),
			MOVL(entry.At(0), RDI),
			CMPL(width, 8),
			IF(E, MOVQ(entry.At(0), RDI)),
			ADDQ(width, entry),
			CALL(acpiCheck),
			TESTQ(RAX, RAX),
			CONTINUE(E),
			CMPL(RAX.At(0), sig),
			BREAK(E),
		),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI).Returns(RAX)
}

func acpiRoot() Func {
	found, width := RBX, RBP
	rsdp := [2]uint32{signature("RSD "), signature("PTR ")}
	return FUNC("acpi_root",
		`acpi_root returns the linear address of the XSDT, or else of the RSDT, and the
size of its entries in EBP; 0 if there is none.`,
		MOVQ(bootInfo.RSDP, found),
		TESTQ(found, found),
		IF(E,
			MOVQ(uint64(layout.PhysMap+acpiAreaStart), found),
			MOVQ(uint64(layout.PhysMap+acpiAreaEnd), R8),
			LOOP(
				CMPQ(found, R8),
				IF(AE, returns(0)),
				CMPL(found.At(0), rsdp[0]),
				IF(E,
					CMPL(found.At(4), rsdp[1]),
					IF(E,
						MOVQ(found, RDI),
						MOVL(rsdpSize, RSI),
						CALL(acpiSum),
						TESTB(RAX, RAX),
						BREAK(E),
					),
				),
				ADDQ(16, found),
			),
		),
		MOVQ(uint64(layout.PhysMap+layout.PhysMapLow), R8),
		CMPQ(found, R8),
		IF(AE, returns(0)), // not mapped
		MOVL(8, width),
		MOVQ(found.At(rsdpXSDT), RDI),
		CMPB(found.At(rsdpRevision), 2),
		IF(B, XORL(RDI, RDI)),
		TESTQ(RDI, RDI),
		IF(E,
			MOVL(4, width),
			MOVL(found.At(rsdpRSDT), RDI),
		),
		CALL(acpiCheck),
		RETURN(),
	).Saving(RBX).Takes().Returns(RAX, RBP)
}

func acpiCheck() Func {
	// linear makes a physical address an address of the linear map. Those from 4 GiB on
	// are not mapped: they give 0.
	linear := func(r Reg) Block {
		return Block{
			MOVL(r, RCX),
			CMPQ(RCX, r),
			IF(NE, returns(0)),
			MOVQ(uint64(layout.PhysMap), RCX),
			ADDQ(RCX, r),
		}
	}
	return FUNC("acpi_check",
		`acpi_check returns the linear address of the ACPI table at physical address RDI,
or 0 if it is not mapped or its length or checksum is wrong.`,
		TESTQ(RDI, RDI),
		IF(E, returns(0)),
		linear(RDI),
		MOVL(RDI.At(acpiLength), RSI),
		LEAL(RSI.At(-acpiHeaderSize), RAX),
		CMPL(RAX, acpiMaxLength-acpiHeaderSize),
		IF(A, returns(0)),
		CALL(acpiSum),
		TESTB(RAX, RAX),
		MOVL(0, RAX),
		CMOVQE(RDI, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func acpiSum() Func {
	return FUNC("acpi_sum", "acpi_sum returns in AL the sum of the ESI bytes at RDI; ESI is not 0. Clobbers RCX.",
		XORL(RAX, RAX),
		XORL(RCX, RCX),
		DO(
			ADDB(RDI.Index(RCX, 1), RAX),
			INCL(RCX),
			CMPL(RCX, RSI),
		).WHILE(B),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX).Keeps(RDI, R8)
}
