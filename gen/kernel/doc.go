// Package kernel is the body of the generated kernel as listings: traps,
// scheduler, memory, system calls, loader, console. What SYSCALL enters and
// leaves by is not here but in package stubs; the protocols that start it are
// in boot/proto.
//
// It is one package of thirteen subsystems (kernel.go), which have files and golden
// listings of their own. As in any kernel they call each other in circles: scheduler,
// signals, memory and traps each need the others, so that packages for them would
// have to name functions by strings or register them, and CALL(futexWait) would no
// longer be what the compiler checks.
//
// # Conventions of the kernel's functions
//
// Arguments are in RDI, RSI, RDX, RCX, R8, R9, the result is in RAX; RBX, RBP
// and R12 to R15 are kept (Func.Saving), all others are clobbered. Each function
// says what it takes and returns, and where it departs from this; the assembler
// checks it (gen/asm, Contracts).
// It names the registers that it keeps for what they hold. DF is 0.
// No function touches x87 or SSE registers: they are the user's until the
// context switch saves them. GS points to the PerCPU.
//
// A failing system call returns -errno as Linux does.
//
// # A thread's kernel stack
//
//	top      +----------------+ <- gs.TopOfStack, TSS.sp0
//	  -168   | PtRegs         | the frame of the entry from ring 3
//	         | calls          |
//	+8192    +----------------+ layout.ThreadStack
//	         | not mapped     | an overrun is a #DF, which says so
//	+4096    +----------------+ layout.ThreadGuard
//	         | Thread         | gs.Current; thread_info's flags first
//	bottom   +----------------+ aligned to 16384
//
// The frame is at the same place whichever way the kernel was entered from
// ring 3. A system-call handler may rely on all of it only if it is reached by
// a variant's slow-path wrapper.
//
// # Interrupts and preemption
//
// A handler starts with interrupts on or off, as the variant has it. The
// kernel's text is not preempted: the timer interrupt only sets
// TIFNeedResched there, and every exit to ring 3 heeds it. The exception is
// the group "entry" (the stubs' text and the control call that spins): there
// the interrupt switches threads at once, as a preemptible Linux would,
// because what happens to the user's RSP then is what the variants differ in.
// Code that touches the run queue, timers or futexes turns interrupts off
// (CLI) and leaves them so; the exits expect that.
//
// # Address spaces
//
// There is one process, and one set of page tables below the top level. What
// layout.SysOwnMM gives a thread is a top-level table of its own (layout.MM), so
// that a switch costs a write of CR3 and what it drops. All take turns at one
// PCID: only the loaded one has translations in the TLB, and who unmaps or
// protects a page invalidates in that one alone (mm.go, pgtable.go). The loaded
// one is the current thread's, the idle thread's init_mm; so one that no thread
// runs in is not loaded, and can be freed.
//
// # Page-table isolation
//
// Each address space has two top-level tables, side by side. The kernel runs on the
// first; ring 3 does too, unless a variant with cr3=switch or cr3=pcid is selected
// (pti.go). Traps then arrive on the trampoline stack, in the group "irqentry",
// which with "entry" is all the text that the user's table maps, and go on on the
// thread's stack once CR3 is the kernel's. The kernel's pages are not global then.
//
// The user's table has a PCID of its own, which INVLPG and a load of the kernel's
// CR3 do not reach: who drops a translation marks it (markUserFlush), and who loads
// the user's CR3 next lets it drop all.
//
// # SPEC_CTRL
//
// While a variant with ibrs=entry is selected, IBRS is set in the kernel and clear
// in ring 3. Ways in that may strike on either side of the write of the MSR, those
// of the vectors with a stack of their own, give back what they have found, as
// they do with GS and CR3 (specctrl.go).
//
// # Time
//
// It is the time-stamp counter's, at the rate that CPUID or the hypervisor tells, or
// that comes out of a comparison with a counter whose rate is known: the PIT, else
// the HPET, else ACPI's timer (clock.go). A guest may be stopped at any instruction,
// for longer than the PIT takes to wrap. So no single comparison is believed, and no
// loop that waits for a device is bounded by time (calibrate.go).
//
// # Signals
//
// They are delivered at the exits, with Linux's frame. Init, although it has
// PID 1, is not immune as it is on Linux: a signal without a handler does what
// it would do to any process, so that a crash ends the machine with its name.
// Stop signals do nothing, as nobody could continue it.
//
// What waits is a mask, and a SigQueue for each real-time signal and each that
// carries a siginfo (sigqueue.go). One that kill or tkill sends and that is not
// real-time has none: its round trip is measured.
//
// # Timers
//
// What is to happen at a time is a layout.Timer on one list, whose function the
// timer's interrupt calls: wake a sleeper, send a signal, notify a file. The
// interrupt may strike wherever IF is 1, so what such functions touch (signals, the
// run queue, who waits for a file) is changed with IF 0. They allocate nothing.
//
// # Time on the CPU
//
// It is charged to threads where the clock is read anyway (cputime.go): no entry, exit
// or switch pays for it until a program asks for the time of one thread.
//
// # Files
//
// The file system is the initramfs where the loader has put it, read in place:
// nothing changes it, and what would is EROFS. What is open is a File, which
// descriptors share; a kind of file is a table of functions (layout.FileOps). Only
// memfds can be written, and live as long as a descriptor or an area that maps
// them.
//
// # Memory
//
// Pages come when they are touched. All of RAM can be promised many times over; a
// program that touches more than there is ends as by SIGKILL (out_of_memory). What
// it makes the kernel keep for it, areas, files, pipes and their kin, comes from
// the slab allocator or by get_kernel_page, and is ENOMEM while there are
// layout.ReservePages left.
//
// # User memory
//
// User memory is touched only by the routines of uaccess.go, whose faulting
// instructions are in __ex_table; with SMAP they set AC around the access.
package kernel
