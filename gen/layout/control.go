package layout

// The control interface: system calls of the generated kernel for tests and
// measurements, far outside Linux's range (Linux 6.12 ends at 462, the x32
// numbers at 547). They exist only where ControlWord is on the kernel's command
// line: otherwise they are -ENOSYS, as on Linux. Arguments and results are passed as in a Linux
// system call. All are reached by SYSCALL; some also by INT $ControlVector with
// the same registers, so that a variant which answers nothing but the null call
// can be left again.
const (
	// SysSelect makes variant RDI the kernel's entry path from the next SYSCALL
	// on, for every thread; a thread whose context switches are to be measured
	// selects it itself as well (see Thread.SwitchTo). -EINVAL: no such variant;
	// -ENODEV: the CPU lacks what it needs (VariantInfo.Needs).
	SysSelect = 1000 + iota
	// SysInfo fills the VariantInfo at RSI for variant RDI. -EINVAL: no such
	// variant, which is how a guest finds the number of them.
	SysInfo
	// SysFrame copies the PtRegs area of this very call to RDI, as the entry
	// path left it: no fix-up, nothing added.
	SysFrame
	// SysFullFrame is a call that needs the full frame: it takes the variant's
	// slow-path wrapper (fix-up, call, restore). The frame is copied to RDI
	// after the fix-up, unless RDI is 0.
	SysFullFrame
	// SysPoison fills the calling thread's kernel stack, down from the top of
	// the frame, with Poison, and returns 0 by IRET with every other
	// register as it was.
	SysPoison
	// SysSpin spins inside the call for at most RDI rounds, where it can be
	// preempted as the variant's interrupt state allows. It returns 0 as soon
	// as another thread has run in between, else -EAGAIN.
	SysSpin
	// SysStats fills the Stats at RDI.
	SysStats
	// SysSetFrame replaces the slot RDI (a Slot) of this call's full frame by
	// RSI, as ptrace or a signal handler would, through the slow-path wrapper.
	SysSetFrame
	// SysOwnMM gives the calling thread an address space of its own, in which
	// the same memory is mapped, now and later: a switch from or to it costs what
	// one between processes does. Threads that it makes share it. -ENOMEM: there
	// is no memory for the tables.
	SysOwnMM
	// SysTimeSlice makes RDI ns the time slice, begins a new one for the calling
	// thread, and returns the old. -EINVAL: less than MinTimeSlice,
	// or more than MaxTimeSlice.
	SysTimeSlice
	// SysFlushYield is sched_yield with cold lines: before it chooses the next
	// thread it flushes the PerCPU, and the Threads of the caller and of the next,
	// from all caches.
	SysFlushYield
	// SysEntryCR3 returns the CR3 that it found on its way from ring 3, if it is
	// made by the software interrupt; a trap's entry, unlike a SYSCALL's, keeps it.
	SysEntryCR3
	// SysUserMap fills the array of UserMapMax AddressRanges at RDI with what the
	// user's page table, the one with PTIUserPGTable, maps of the upper half, and
	// returns how many there are. -ENOMEM: there are more.
	SysUserMap
	// SysBreakpoint makes RDI the breakpoint address DR0, and RSI DR7, which says
	// of what kind it is (SDM volume 3, 18.2). The #DB that it raises in ring 0 is
	// counted (PerCPU.Debugs), and the instruction runs.
	SysBreakpoint
	// SysPeek reads the word at the user's address RDI as kernel code that means to
	// touch no user memory would, with SMAP as the entry path left it: -EFAULT if
	// that faults, else 0.
	SysPeek
	// SysFlags returns RFLAGS as the handler finds it.
	SysFlags
	// SysEvent lets an event of kind RSI (Event*) arrive each time that the CPU
	// comes to the kernel's instruction at RDI, until the next such call. It returns
	// what became of those of the last one: EventMade. -EINVAL: no such kind, or it
	// cannot come there, as #DB's own handler runs that.
	SysEvent
	sysControlEnd
)

// Kinds of events of SysEvent. All begin with a breakpoint of the debug registers,
// and so come on every CPU.
const (
	EventNone = iota
	// EventFind is the #DB of whatever instruction begins at RDI or up to three bytes
	// behind. Its count is the set of those places, as bits 0 to 3.
	EventFind
	EventBreakpoint // the #DB of the instruction alone
	// EventData is the #DB behind the instruction that reads or writes the word at
	// offset RDI of the PerCPU.
	EventData
	EventNMI       // an NMI before the instruction
	EventNestedNMI // and another one while that is handled
	EventInterrupt // the timer's interrupt is pending before it, the first time
	// EventHeld is not SysEvent's: a #DB that MOV SS holds back until the kernel's
	// first instruction (SDM volume 3, 7.8.3). Ring 3 makes it by SysBreakpoint.
	EventHeld
	NumEvents = iota
)

// EventMade is how far SysEvent's result is shifted for the number of events that
// were made; below it stands how many came at that instruction. An interrupt comes
// where interrupts are on: Stats.Ticks counts those.
const EventMade = 32

// Event is what the kernel keeps for SysEvent. Blocking is set while #DB's handler
// waits for the NMI that blocks the next, Second while an NMI is to be the second.
type Event[T any] struct {
	At, Kind, Made, Arrived, Blocking, Second T
}

// SysControlMax is the highest number of the control interface.
const SysControlMax = sysControlEnd - 1

// SysCallMax is the last entry of the call table. It is the bound that entry
// paths compare a number with, so it leaves room: a control call more changes
// no listing.
const SysCallMax = 1023

// The control interface is in the table.
const _ = uint(SysCallMax - SysControlMax)

// ControlWord is the word of the kernel's command line that asks for them.
const ControlWord = "control"

// PrinterWord is the word that makes the first parallel port the console, as in Linux.
// A byte goes out there as fast as it is taken, where a serial port has its rate in
// an emulator too: 87 us, which are 87,000 instructions of Bochs.
const PrinterWord = "console=lp0"

// Argv0Param is the parameter that gives init's argv[0], which is else its path.
const Argv0Param = "argv0="

// ControlVector is the software interrupt that reaches SysSelect, SysInfo and
// SysEntryCR3.
const ControlVector = 0x81

// AddressRange is a range of virtual addresses that is mapped.
type AddressRange[T any] struct{ Start, End T }

// UserMapMax is how many of them SysUserMap can return.
const UserMapMax = 32

// Poison is what SysPoison fills a kernel stack with: the word at the frame's
// offset off (0 is PtRegs.R15) holds Poison+off.
const Poison = 0x504f_4953_4f4e_0000

// VariantInfo tells the guest what a variant promises.
type VariantInfo[T any] struct {
	// Name is the preset's name, else Axes again; Axes is its Variant.String.
	// Both are padded with zeros.
	Name [32]T
	Axes [48]T
	// Defined (a Slots) are the slots that hold the user's value when the
	// handler of an ordinary call runs; AX holds -ENOSYS.
	Defined T
	// Room are the slots that the frame of an ordinary call has room for. What
	// is in Room and not in Defined is left as it was on the stack.
	Room T
	// Full are the slots that hold the user's value after the fix-up of a call
	// that needs the full frame. The CX slot is given by FullCX.
	Full T
	// FullCX is the value of the CX slot after the fix-up; 0 stands for the
	// return address, which is what SYSCALL left in RCX.
	FullCX T
	// Bare is 1 for the floor, which answers only the null call.
	Bare T
	// IRQ is 1 if interrupts are on while a handler runs.
	IRQ T
	// CR3 (CR3Keep, CR3Switch or CR3PCID) is the page table that ring 3 runs on.
	CR3 T
	// Needs (a Features) is what the variant needs of the CPU.
	Needs T
	// Star, LSTAR and SFMask are what MSR_STAR, MSR_LSTAR and MSR_SYSCALL_MASK hold
	// while the variant is selected.
	Star, LSTAR, SFMask T
	// ClearFlags are the flags that are clear while a handler runs, whatever ring 3
	// has; neither IF nor the arithmetic ones are among them.
	ClearFlags T
	// LooksAtFrame (Looks*) tells which exits do with RF and TF what IRETQ does.
	LooksAtFrame T
}

// The values of VariantInfo.LooksAtFrame; 0: none that the variant's axes speak of.
const (
	LooksChanged = 1 // those behind a handler that has changed the frame
	LooksAlways  = 2 // all
)

// Stats are counts since boot, where to read those of the CPU, and what it has.
type Stats[T any] struct {
	// Switches counts context switches.
	Switches T
	// MMSwitches counts those of them that loaded another address space.
	MMSwitches T
	// UserPreemptions and KernelPreemptions count those that an interrupt
	// forced in ring 3, and inside a system call.
	UserPreemptions, KernelPreemptions T
	// Ticks counts timer interrupts.
	Ticks T
	// PagesFree and PagesTotal are 4 KiB pages of RAM.
	PagesFree, PagesTotal T
	// CycleCounter and InstructionCounter are what RDPMC takes in ECX, in ring 3
	// too, for the core's cycles and for retired instructions, of both rings;
	// CountersOn is 1 if the CPU has them.
	CycleCounter, InstructionCounter, CountersOn T
	// Features (a Features) is what the CPU has of what variants may need.
	Features T
	// SpecCtrl is MSR_IA32_SPEC_CTRL as this very call found it, 0 if the CPU has
	// none; SpecCtrlRing3 is PerCPU.SpecCtrlRing3.
	SpecCtrl, SpecCtrlRing3 T
	// TSCHz is the rate of the TSC in Hz, by a TSCSource.
	TSCHz, TSCSource T
	// TimerMult is local APIC timer ticks per ns, times 2^32.
	TimerMult T
	// Star, LSTAR, SFMask and EFER are the MSRs of SYSCALL as this very call found
	// them.
	Star, LSTAR, SFMask, EFER T
	// NMIs, Debugs and MachineChecks are PerCPU's.
	NMIs, Debugs, MachineChecks T
	// EventIP is PerCPU's.
	EventIP T
	// EntryStart to EntryEnd is the text of SYSCALL's paths, IRQEntryStart to
	// IRQEntryEnd that of exceptions' and interrupts' ways in and out.
	EntryStart, EntryEnd, IRQEntryStart, IRQEntryEnd T
	// Build tells kernels apart: a hash of the image's text and data, and of
	// the initramfs that it carries.
	Build T
}

// How the machine ends: what the kernel writes to isa-debug-exit (port
// DebugExitPort), from which QEMU makes the exit code value<<1|1. Each goes
// with a last line in the kernel's log; a verdict needs both.
const (
	ExitInit   = 0 // "init exited with status N"
	ExitSignal = 1 // "init killed by signal N (NAME)"
	ExitPanic  = 2 // "panic: ..." up to "end of panic"
	ExitBoot   = 3 // "cannot boot: ..."
)

// Ports of the machine that both sides name.
const (
	DebugExitPort = 0xf4 // isa-debug-exit
	DebugconPort  = 0xe9 // isa-debugcon; reads as 0xe9 where it exists
	COM1Port      = 0x3f8
	ShutdownPort  = 0x8900 // Bochs ends when ShutdownWord is written to it
)

// ShutdownWord is what Bochs takes at ShutdownPort, byte by byte (Bochs 2.7,
// iodev/unmapped.cc).
const ShutdownWord = "Shutdown"

// The values of VariantDesc.UsesScratch.
const (
	ScratchRSP = 1 // PerCPU.RSPScratch
	ScratchSP2 = 2 // PerCPU.TSS.SP2
)

// VariantDesc is the kernel's own entry for a variant: what SysSelect puts in
// force. The addresses are functions of package stubs.
type VariantDesc[T any] struct {
	// Entry is where SYSCALL arrives.
	Entry T
	// SyscallInit sets MSR_LSTAR to it, and the other MSRs of SYSCALL.
	SyscallInit T
	// Wrappers go to sys_call_table, in the order of FullFrameCalls.
	Wrappers [numFullFrameCalls]T
	// SwitchTo is the context switch of threads that select the variant.
	SwitchTo T
	// UsesScratch is the per-CPU word that holds the user's RSP during a call
	// (Scratch*), 0 if its frame slot does. Every thread's switch must keep that
	// word from the selection on.
	UsesScratch T
	// TrapReturn is where a trap from ring 3 ends, with RSP at full PtRegs, IF 0 and
	// no work left; 0: by the kernel's own IRETQ.
	TrapReturn T
	// SpecCtrl is what PerCPU.SpecCtrl becomes.
	SpecCtrl T
	Info     VariantInfo[T]
}
