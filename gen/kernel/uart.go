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

// The Serial Port Console Redirection table (Microsoft, SPCR 1.10), and a register's address
// in it (ACPI 6.5, 5.2.3.2), as offsets from the table's start.
const (
	spcrType    = 36 // of the UART
	spcrSpace   = 40 // of the address
	spcrWidth   = 41 // of a register in bits
	spcrAccess  = 43 // spcrBytes and so on, or 0: as wide as a register
	spcrAddress = 44

	spcr16550, spcr16450 = 0, 1
	spcr16550Any         = 0x12 // with any address

	spcrMemory, spcrPorts = 0, 1
	spcrWords             = 3 // of 32 bits
)

var acpiSPCR = signature("SPCR")

// uarts finds the UART of the console: the one that the firmware says has its own console,
// or COM1, or where there is none the first one on PCI that has ports.
func uarts() Program {
	return Program{
		Funcs: Funcs(uartFind, uartFirmware, uartThere, uartSetUp, uartRead, uartWrite, pciRead),
		Data:  []Data{uartPort, uartMemory, uartWide},
	}
}

// uartPort is the UART's first port, uartMemory the linear address of its registers if it
// has them in memory, else 0. uartWide is 1 if each of these takes 32 bits there.
var (
	uartPort   = BSS("uart_port", 8, 8)
	uartMemory = BSS("uart_memory", 8, 8)
	uartWide   = BSS("uart_wide", 8, 8)
)

// uartIn reads a register of the console's UART to AL. Clobbers RAX, RDX.
func uartIn(reg int) Block { return Block{MOVL(reg, RDX), CALL(uartRead)} }

// uartOut writes AL to a register of the console's UART. Clobbers RDX.
func uartOut(reg int) Block { return Block{MOVL(reg, RDX), CALL(uartWrite)} }

func uartRead() Func {
	return FUNC("uart_read", "uart_read returns the UART's register EDX in EAX. Clobbers RDX.",
		CMPQ(Sym(uartMemory), 0),
		IF(E,
			ADDL(Sym(uartPort), RDX),
			XORL(RAX, RAX),
			INB(),
			RETURN(),
		),
		CMPB(Sym(uartWide), 0),
		IF(E,
			ADDQ(Sym(uartMemory), RDX),
			MOVZBL(RDX.At(0), RAX),
			RETURN(),
		),
		SHLL(2, RDX),
		ADDQ(Sym(uartMemory), RDX),
		MOVL(RDX.At(0), RAX),
		RETURN(),
	).Takes(RDX).Returns(RAX).Keeps(RCX, RSI, RDI, R8, R9, R10, R11)
}

func uartWrite() Func {
	return FUNC("uart_write", "uart_write makes AL the UART's register EDX. Clobbers RDX.",
		CMPQ(Sym(uartMemory), 0),
		IF(E,
			ADDL(Sym(uartPort), RDX),
			OUTB(),
			RETURN(),
		),
		CMPB(Sym(uartWide), 0),
		IF(E,
			ADDQ(Sym(uartMemory), RDX),
			MOVB(RAX, RDX.At(0)),
			RETURN(),
		),
		SHLL(2, RDX),
		ADDQ(Sym(uartMemory), RDX),
		MOVZBL(RAX, RAX),
		MOVL(RAX, RDX.At(0)),
		RETURN(),
	).Takes(RAX, RDX).Keeps(RCX, RSI, RDI, R8, R9, R10, R11)
}

func uartThere() Func {
	return FUNC("uart_there", "uart_there sets ZF if there is a UART: it keeps what is written to its scratch register. Clobbers RAX, RDX.",
		MOVL(uartMark, RAX),
		uartOut(x86.UART_SCR),
		XORL(RAX, RAX),
		uartIn(x86.UART_SCR),
		CMPB(RAX, uartMark),
		RETURN(),
	).Takes().Returns(FLAGS).Keeps(RCX, RSI, RDI, R8, R9, R10, R11)
}

func uartSetUp() Func {
	out := func(reg int, value byte) Block {
		return Block{MOVL(int(value), RAX), uartOut(reg)}
	}
	return FUNC("uart_set_up",
		"uart_set_up makes the UART send 8n1 without interrupts, at the speed that it has, and finds out whether it has working FIFOs.",
		out(x86.UART_LCR, x86.UART_LCR_8N1),
		out(x86.UART_IER, 0),
		out(x86.UART_FCR, x86.UART_FCR_ON),
		out(x86.UART_MCR, 0x03),
		MOVL(1, RCX),
		uartIn(x86.UART_IIR),
		ANDB(x86.UART_IIR_FIFO, RAX),
		CMPB(RAX, x86.UART_IIR_FIFO),
		IF(E, MOVL(x86.UART_FIFO, RCX)),
		MOVQ(RCX, Sym(com1Room)),
		RETURN(),
	).Takes()
}

func uartFirmware() Func {
	port := RBX
	return FUNC("uart_firmware",
		`uart_firmware makes the UART that ACPI's SPCR names the console, if it is there and a
16550. It keeps the speed that the firmware has given it. A UART in memory above 4 GiB is
not mapped.`,
		MOVL(acpiSPCR, RDI),
		CALL(acpiTable),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVZBL(RAX.At(spcrType), RCX),
		CMPL(RCX, spcr16550Any),
		IF(NE,
			CMPL(RCX, spcr16450),
			IF(A, RETURN()),
		),
		MOVQ(Sym(uartPort), port),
		MOVQ(RAX.At(spcrAddress), RSI),
		CMPB(RAX.At(spcrSpace), spcrPorts),
		IF(E,
			LEAQ(RSI.At(-1), RCX), // 0: the firmware has no such console
			CMPQ(RCX, 0xfff8),
			IF(AE, RETURN()),
			CMPQ(RSI, port),
			IF(E, RETURN()),
			MOVQ(RSI, Sym(uartPort)),
		).ELSE(
			CMPB(RAX.At(spcrSpace), spcrMemory),
			IF(NE, RETURN()),
			MOVL(RSI, RCX),
			CMPQ(RCX, RSI),
			IF(NE, RETURN()),
			TESTQ(RSI, RSI),
			IF(E, RETURN()),
			MOVQ(uint64(layout.PhysMap), RCX),
			ADDQ(RCX, RSI),
			MOVQ(RSI, Sym(uartMemory)),
			MOVZBL(RAX.At(spcrAccess), RCX),
			TESTL(RCX, RCX),
			IF(E,
				MOVZBL(RAX.At(spcrWidth), RCX),
				SHRL(4, RCX), // 32 bits: 2
				INCL(RCX),
			),
			CMPL(RCX, spcrWords),
			SETE(Sym(uartWide)),
		),
		CALL(uartThere),
		IF(E, CALL(uartSetUp), RETURN()),
		MOVQ(port, Sym(uartPort)),
		MOVQ(0, Sym(uartMemory)),
		RETURN(),
	).Saving(RBX).Takes()
}

func uartFind() Func {
	address, left := RBX, R12 // address is of a register of PCI
	return FUNC("uart_find", "uart_find makes the port of COM1, or else of the first UART on PCI, uart_port.",
		MOVL(layout.COM1Port, RAX),
		MOVQ(RAX, Sym(uartPort)),
		CALL(uartThere),
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
