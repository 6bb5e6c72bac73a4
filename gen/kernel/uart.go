package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// PCI's configuration space by ports (PCI Local Bus Specification 3.0, 3.2.2.3.2 and 6.1):
// what is read is at the address of bus, device, function and register.
const (
	pciAddress   = 0xcf8
	pciData      = 0xcfc
	pciOn        = 1 << 31
	pciDevices   = 256 * 32
	pciFunctions = 8

	pciCommand = 0x04
	pciClass   = 0x08 // the revision is its lowest byte
	pciBAR0    = 0x10

	pciDeviceShift   = 11
	pciFunctionShift = 8
	pciNone          = 0xffff // the vendor of a function that is not there
	pciIO            = 1      // in the command, and in a BAR of ports
	pciSerial        = 0x0700 // class and subclass of a serial controller
)

// uarts finds the UART of the console: COM1, or where there is none the first one on PCI
// that has ports.
func uarts() Program {
	return Program{
		Funcs: Funcs(uartFind, pciRead),
		Data:  []Data{uartPort},
	}
}

var uartPort = BSS("uart_port", 8, 8)

// uartAt puts the port of a register of the console's UART in RDX.
func uartAt(reg int) Block {
	return Block{MOVL(Sym(uartPort), RDX), ADDL(reg, RDX)}
}

func uartFind() Func {
	address, left := RBX, R12 // address is of a register of PCI
	return FUNC("uart_find", "uart_find makes the UART's port uart_port. A UART keeps what is written to its scratch register.",
		MOVL(layout.COM1Port, RAX),
		MOVQ(RAX, Sym(uartPort)),
		uartAt(x86.UART_SCR),
		MOVL(uartMark, RAX),
		OUTB(),
		XORL(RAX, RAX),
		INB(),
		CMPB(RAX, uartMark),
		IF(E, RETURN()),
		MOVL(uint32(pciOn), address),
		LOOP(
			MOVL(address, RDI),
			CALL(pciRead),
			CMPW(RAX, pciNone),
			IF(NE, // a device: look at its functions
				MOVL(pciFunctions, left),
				DO(
					LEAL(address.At(pciClass), RDI),
					CALL(pciRead),
					SHRL(16, RAX),
					CMPL(RAX, pciSerial),
					IF(E,
						LEAL(address.At(pciBAR0), RDI),
						CALL(pciRead),
						TESTL(pciIO, RAX),
						IF(NE,
							ANDL(0xfffc, RAX),
							MOVQ(RAX, Sym(uartPort)),
							LEAL(address.At(pciCommand), RDI),
							CALL(pciRead),
							ORL(pciIO, RAX),
							OUTL(),
							RETURN(),
						),
					),
					ADDL(1<<pciFunctionShift, address),
					DECL(left),
				).WHILE(NE),
			).ELSE(ADDL(1<<pciDeviceShift, address)),
			CMPL(address, uint32(pciOn|pciDevices<<pciDeviceShift)),
			BREAK(AE),
		),
		RETURN(),
	).Saving(RBX, R12).Takes()
}

func pciRead() Func {
	return FUNC("pci_read", "pci_read returns in EAX the register of PCI's configuration space at the address EDI, and its port in RDX.",
		MOVL(pciAddress, RDX),
		MOVL(RDI, RAX),
		OUTL(),
		MOVL(pciData, RDX),
		INL(),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX)
}

// uartMark is a value that no port has where there is no device.
const uartMark = 0x5a
