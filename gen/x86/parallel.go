package x86

// LPT1 is the base port of the first parallel port.
const LPT1 = 0x378

// Registers of a parallel port, relative to its base, and their bits (IBM Personal
// Computer AT Technical Reference, section "Serial/Parallel Adapter").
const (
	LPT_DATA    = 0
	LPT_STATUS  = 1
	LPT_CONTROL = 2

	LPT_STATUS_READY   = 1 << 7 // BUSY, inverted
	LPT_CONTROL_STROBE = 1 << 0 // the data are valid
	LPT_CONTROL_INIT   = 1 << 2 // inverted: 0 resets the printer
	LPT_CONTROL_SELECT = 1 << 3
)
