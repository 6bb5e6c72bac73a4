package replay

// What the user's registers hold around a call, in addition to those of userLoop.
const (
	patternSI  = 0x5151_0001
	patternDX  = 0x5252_0002
	patternR8  = 0x5353_0003
	patternR9  = 0x5454_0004
	patternR10 = 0x5555_0005
	patternBP  = 0x5656_0006
	// userFlags is RFLAGS in ring 3 with nothing special set: IF, ZF, PF and the
	// bit that is always 1.
	userFlags = 0x246
)

// Registers in userCall.out, in the order of the CPU's encoding except RCX and RDX, which
// are where RDTSCP leaves them.
const (
	outRAX = iota
	outRCX
	outRDX
	outRBX
	outRSP
	outRBP
	outRSI
	outRDI
	outR8
	outR9
	outR10
	outR11
	outR12
	outR13
	outR14
	outR15
	outRegs
)

var outNames = [outRegs]string{
	"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
}

// userCall holds the arguments and the results of enter.
type userCall struct {
	//lint:ignore U1000 for the assembly
	goSP, goBP uint64 // of Go, kept during the call
	sp         uint64 // the user's stack
	loop       uint64 // address of the loop
	warm       uint64 // rounds before the timed ones, may be 0
	trips      uint64 // timed rounds
	back       uint64 // address after the loop's SYSCALL
	number     uint64 // of the system call
	entry      uint64 // address of the stub
	step       uint64 // not 0: every instruction of the timed rounds traps (see fault.go)

	start, end uint64 // time-stamp counter
	// Which CPU read it, as far as ring 3 can tell: TSC_AUX, which names the physical CPU
	// if a hypervisor does not change it, and the limit of the kernel's GDT entry for
	// getcpu, which names the virtual CPU (see cpu.go).
	startAux, endAux     uint64
	startLimit, endLimit uint64
	out                  [outRegs]uint64
}

// enter runs the loop on the user's stack: first warm rounds, then trips rounds, of which it
// stores the start, the end and the registers after them. Nothing may preempt it: the
// goroutine is locked to its thread, and asynchronous preemption is off.
//
//go:noescape
func enter(c *userCall)

// wrgsbase sets the GS base. It raises #UD without CR4.FSGSBASE.
func wrgsbase(addr uint64)
