package x86

// Registers of the 16550 UART of a serial port, relative to its port, and their
// bits (National Semiconductor PC16550D data sheet, table II).
const (
	UART_DATA = 0 // with LCR.DLAB the divisor's low byte
	UART_IER  = 1 // with LCR.DLAB its high byte
	UART_IIR  = 2 // when read
	UART_FCR  = 2 // when written
	UART_LCR  = 3
	UART_MCR  = 4
	UART_LSR  = 5
	UART_SCR  = 7 // holds what is written

	UART_LCR_DLAB = 1 << 7
	UART_LCR_8N1  = 3
	UART_FCR_ON   = 7      // the FIFOs are used and cleared
	UART_IIR_FIFO = 0xc0   // both bits: the FIFOs work
	UART_LSR_THRE = 1 << 5 // the transmit register, or its FIFO, is empty
	UART_LSR_TEMT = 1 << 6 // everything is sent
)

// UART_FIFO is how many bytes the transmit FIFO takes when it is empty.
const UART_FIFO = 16

// UART_115200 is the divisor for 115200 baud.
const UART_115200 = 1
