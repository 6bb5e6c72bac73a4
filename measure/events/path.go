package events

import (
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// path is a path through the kernel, from where ring 3 left off to the first
// instruction of ring 3, of any thread.
type path struct {
	name string
	way  wire.EventWay
	// entry is the function at which it begins; "" is the variant's own.
	entry string
	// strike, if not "", is the kind of event that begins it: at the entry of the
	// way's call, or if ring3 behind the call.
	strike string
	ring3  bool
	// switches is set if the timer may switch threads.
	switches bool
	// whole is set if the call's own work is swept as well. On other paths that is not
	// the same each time, and only what all paths share is swept: see glue.
	whole bool
	// numbers is set if the result is another number each time.
	numbers bool
	// through are functions of the kernel and of the variant that it must meet.
	through []string
	variant []string
	// alone is set if no other thread can take the CPU.
	alone bool
	// without are kinds that cannot arrive in it.
	without []string
}

// paths are all the paths on which a variant is swept.
var paths = []path{
	{name: "null call", alone: true, way: wire.EventNullCall, whole: true},
	{name: "unknown call", alone: true, way: wire.EventUnknownCall, whole: true},
	{name: "full-frame call", alone: true, way: wire.EventFullFrame, whole: true},
	{name: "call that copies to a missing page", way: wire.EventCopy, through: []string{"copy_to_user", "asm_exc_page_fault", "error_from_kernel"}},
	{name: "interrupt in ring 3", way: wire.EventNullCall, strike: kindInterrupt, ring3: true, entry: "asm_sysvec_apic_timer_interrupt"},
	{name: "interrupt in a call", way: wire.EventNullCall, strike: kindInterrupt, entry: "asm_sysvec_apic_timer_interrupt"},
	{name: "NMI in ring 3", way: wire.EventNullCall, strike: kindNMI, ring3: true, entry: "asm_exc_nmi", without: []string{kindNested}},
	{name: "NMI at a call's entry", way: wire.EventNullCall, strike: kindNMI, entry: "asm_exc_nmi", without: []string{kindNested}},
	{name: "#MC in ring 3", way: wire.EventNullCall, strike: kindMC, ring3: true, entry: "asm_exc_machine_check", without: []string{kindMC}},
	{name: "#MC at a call's entry", way: wire.EventNullCall, strike: kindMC, entry: "asm_exc_machine_check", without: []string{kindMC}},
	{name: "#DB at a call's entry", way: wire.EventNullCall, strike: kindDBCode, entry: "asm_exc_debug", without: []string{kindDBCode, kindDBData}},
	{name: "thread switch", way: wire.EventYield, variant: []string{stubs.SwitchTo}},
	{name: "thread switch to another space", way: wire.EventYieldMM, variant: []string{stubs.SwitchTo}, through: []string{"switch_mm"}},
	{name: "futex wait", way: wire.EventFutexWait, variant: []string{stubs.SwitchTo}},
	{name: "preempted in ring 3", way: wire.EventShared, strike: kindInterrupt, ring3: true, switches: true, entry: "asm_sysvec_apic_timer_interrupt", variant: []string{stubs.SwitchTo}},
	{name: "preempted in a call", way: wire.EventShared, strike: kindInterrupt, switches: true, entry: "asm_sysvec_apic_timer_interrupt"},
	{name: "signal", alone: true, way: wire.EventSignal, through: []string{"do_signal"}},
	{name: "rt_sigreturn", alone: true, way: wire.EventSigreturn},
	{name: "rt_sigreturn that IRETQ refuses", way: wire.EventBadReturn, through: []string{"asm_exc_general_protection", "bad_iret"}},
	{name: "clone", way: wire.EventClone, numbers: true},
	{name: "thread's first return", way: wire.EventFirstReturn, through: []string{"ret_from_fork"}},
	{name: "page fault", alone: true, way: wire.EventFault, entry: "asm_exc_page_fault"},
	{name: "INT3", alone: true, way: wire.EventInt3, entry: "asm_exc_int3", through: []string{"do_signal"}},
	{name: "INT n", alone: true, way: wire.EventInt, entry: "asm_int_control"},
}

// together are ways of one loop of the guest's, which ends with both.
var together = map[wire.EventWay]wire.EventWay{
	wire.EventSignal: wire.EventSigreturn, wire.EventSigreturn: wire.EventSignal,
	wire.EventClone: wire.EventFirstReturn, wire.EventFirstReturn: wire.EventClone,
}

// glue are the functions of the kernel between the groups "entry" and "irqentry":
// those groups have the variant's own code and the first and last code of exceptions and
// interrupts; glue also does the work before ring 3.
var glue = []string{
	"sync_regs", "schedule_user", "do_notify_resume", "retint_user", "syscall_return_slowpath", "exit_to_user_mode_loop",
	"ret_from_fork", "bad_iret", "schedule", "context_switch", "__switch_to", "switch_mm", "debug_kernel", "machine_check", "fixup_exception", "copy_to_user",
	"stackleak_erase", "preempt_schedule",
}
