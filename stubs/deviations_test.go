package stubs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// deviation is a difference between a release and its preset that a comparison
// with sources and with a real 6.12 found, and how it was resolved.
type deviation struct {
	// Presets are the presets in which it was found.
	Presets []string
	// What is what the release does there.
	What string
	// Held are the facts about it that the presets now follow.
	Held []heldFact
	// Takes are the values that all of the presets now have.
	Takes []Value
	// Is, if not nil, reports what neither a fact nor a value can: whether it is
	// resolved.
	Is func() bool
	// Left are the words with which each of the presets states the difference.
	Left []string
}

// heldFact is a part of a Fact: words that follow each other in it.
type heldFact struct{ Preset, Func, Acts string }

func presetsOf(prefixes ...string) (names []string) {
	for _, p := range Presets() {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) }) {
			names = append(names, p.Name)
		}
	}
	return names
}

// The slow path of 3.19 to 4.2, and IRETQ up to 4.6.
const (
	carefulActs = "btl:0,RDX jae:int_very_careful sti pushq:RDI call:schedule_user popq:RDI cli jmp:int_with_check"
	iretActs    = "addq:0x80,RSP jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq"
	calledActs  = "SP=RSP RSP=SP call:__switch_to RSI=Current RDI=RAX testl:0x40000,Flags jne:ret_from_fork RSI=RBP"
	saveExtra   = "r15=R15 r14=R14 r13=R13 r12=R12 bp=RBP bx=RBX"
	loadExtra   = "R15=r15 R14=r14 R13=r13 R12=r12 RBP=bp RBX=bx"
)

// deviations returns all the differences that were found.
func deviations() []deviation {
	of319, of4, of612 := presetsOf("linux-3.19", "heukelum"), presetsOf("linux-4."), presetsOf("linux-6.12")
	ofLazy := slices.Concat(of319, of4)
	of40, of41, of46, ofBSD := []string{"linux-4.0"}, []string{"linux-4.1", "linux-4.2"}, []string{"linux-4.6"}, []string{"freebsd"}
	ofFRED := []string{"linux-6.18+fred"}
	return []deviation{
		{
			Presets: of319, What: "interrupts are on while another thread is let run (sysret_careful)",
			Held: []heldFact{{"linux-3.19", Entry, "btl:0,RDX jae:sysret_signal sti pushq:RDI call:schedule_user popq:RDI jmp:sysret_check"}},
		},
		{
			Presets: of319, What: "a signal takes the loop in assembly (sysret_signal)",
			Held: []heldFact{
				{"linux-3.19", Entry, "sti R11=RSPScratch sp=R11 ss=0x2b cs=0x33 cx=-1 R11=r11 flags=R11 jmp:int_check_syscall_exit_work"},
				{"linux-3.19", "int_ret_from_sys_call", "testl:6,RDX je:no_signal RDI=RSP xorl:RSI,RSI call:do_notify_resume movl:7,RDI"},
			},
		},
		{
			Presets: of319, What: "rt_sigreturn loads the callee-saved registers before the exit",
			Held: []heldFact{{"linux-3.19", "stub_rt_sigreturn", "ax=RAX " + loadExtra + " addq:0x30,RSP jmp:int_ret_from_sys_call"}},
		},
		{
			Presets: of319, What: "clone's stub lifts the frame (FORK_LIKE)",
			Held: []heldFact{{"linux-3.19", "stub_clone", "popq:R11 subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 pushq:R11"}},
		},
		{
			Presets: ofLazy, What: "IRETQ looks at SS first (ESPFIX64)",
			Held: []heldFact{
				{"linux-3.19", "int_ret_from_sys_call", "addq:0x50,RSP jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq"},
				{"linux-4.0", "int_ret_from_sys_call", "addq:0x50,RSP jmp:native_iret testb:4,ss jne:native_irq_return_ldt iretq"},
				{"linux-4.1", "int_ret_from_sys_call", iretActs},
				{"linux-4.2", "int_ret_from_sys_call", iretActs},
				{"linux-4.6", Entry, iretActs},
			},
			Takes: []Value{ESPFixTest}, Left: []string{leftESPFix},
		},
		{
			Presets: ofLazy, What: "the context switch pushes RBP, calls __switch_to and tests TIF_FORK",
			Held: []heldFact{
				{"linux-3.19", SwitchTo, calledActs},
				{"linux-4.6", SwitchTo, calledActs},
			},
			Takes: []Value{SwitchCall}, Left: []string{leftCalled},
		},
		{
			Presets: of319, What: "old_rsp is swapped in one place of __switch_to",
			Held: []heldFact{{"linux-3.19", SwitchTo, "RAX=RSPScratch UserSP=RAX RAX=UserSP RSPScratch=RAX SP=RSP"}},
			Left: []string{leftCalled},
		},
		{Presets: ofLazy, What: "old_rsp and kernel_stack are in cache lines of their own", Is: func() bool {
			area := Slots[layout.PerCPU[Slot]]()
			return area.RSPScratch.Off%64 == 0 && area.TopOfStack.Off == area.RSPScratch.Off+64
		}},
		{Presets: ofLazy, What: "execve and a new thread's return have ways of their own", Left: []string{leftForkedSlow}},
		{
			Presets: append(of319, of40...), What: "iopl's stub completes the top of the frame alone (FIXED_FRAME)",
			Held: []heldFact{
				{"linux-3.19", "stub_iopl", "R11=RSPScratch sp=R11 ss=0x2b cs=0x33 cx=-1 R11=r11 flags=R11 call:sys_iopl R11=sp RSPScratch=R11 R11=flags r11=R11 ret"},
			},
		},
		{Presets: of612, What: "iopl changes no flags", Left: []string{leftIOPL}},
		{
			Presets: of40, What: "the slow path is a loop in assembly, and saves callee-saved registers for a signal only",
			Held: []heldFact{
				{"linux-4.0", "int_ret_from_sys_call", carefulActs},
				{"linux-4.0", "int_ret_from_sys_call", "sti subq:0x30,RSP bx=RBX bp=RBP r12=R12 r13=R13 r14=R14 r15=R15 testl:0x100,RDX"},
			},
		},
		{
			Presets: of40, What: "SYSRETQ from the slow path loads R11 and RCX again, and interrupts may end in it",
			Held:  []heldFact{{"linux-4.0", "int_ret_from_sys_call", "R11=r11 R10=r10 R9=r9 R8=r8 RAX=ax RCX=cx RDX=dx RSI=si RDI=di addq:0x50,RSP RSP=sp swapgs sysretq"}},
			Takes: []Value{TrapsSYSRET},
		},
		{
			Presets: of40, What: "the test of RIP shifts RCX itself",
			Held: []heldFact{
				{"linux-4.0", "int_ret_from_sys_call", "RCX=cx cmpq:ip,RCX jne:opportunistic_sysret_failed shrq:0x2f,RCX"},
				{"linux-4.1", "int_ret_from_sys_call", "RCX=cx cmpq:ip,RCX jne:opportunistic_sysret_failed shrq:0x2f,RCX"},
			},
		},
		{
			Presets: of40, What: "TF is not looked at before a commit whose release was not read",
			Held: []heldFact{{"linux-4.0", "int_ret_from_sys_call", "testq:0x10100,R11"}},
			Left: []string{left40},
		},
		{
			Presets: of40, What: "whether interrupts go off before work is looked for was not read",
			Held: []heldFact{{"linux-4.0", Entry, "cli testl:7,Flags jne:int_ret_from_sys_call_fixup"}},
			Left: []string{left40},
		},
		{Presets: slices.Concat(of41, of46), What: "execve and rt_sigreturn set TIF_NOTIFY_RESUME", Takes: []Value{ForceIRETNotify}},
		{
			Presets: of41, What: "the slow path is a loop in assembly",
			Held: []heldFact{{"linux-4.1", "int_ret_from_sys_call", carefulActs}, {"linux-4.2", "int_ret_from_sys_call", carefulActs}},
		},
		{
			Presets: of41, What: "clone's stub jumps to the handler",
			Held: []heldFact{{"linux-4.1", "stub_clone", saveExtra + " jmp:sys_clone"}, {"linux-4.2", "stub_clone", saveExtra + " jmp:sys_clone"}},
		},
		{
			Presets: of41, What: "callee-saved registers are saved from R15 on",
			Held: []heldFact{
				{"linux-4.1", "int_ret_from_sys_call", "sti " + saveExtra},
				{"linux-4.2", "int_ret_from_sys_call", "sti " + saveExtra},
			},
		},
		{
			Presets: of41, What: "rt_sigreturn drops its return address behind the call",
			Held: []heldFact{
				{"linux-4.1", "stub_rt_sigreturn", saveExtra + " call:sys_rt_sigreturn addq:8,RSP " + loadExtra},
				{"linux-4.2", "stub_rt_sigreturn", saveExtra + " call:sys_rt_sigreturn addq:8,RSP " + loadExtra},
			},
		},
		{
			Presets: of41, What: "the fast exit loads arguments first, then RIP, RFLAGS, RSP",
			Held: []heldFact{
				{"linux-4.1", Entry, "RSI=si RDI=di RCX=ip R11=flags RSP=sp swapgs sysretq"},
				{"linux-4.2", Entry, "RSI=si RDI=di RCX=ip R11=flags RSP=sp swapgs sysretq"},
			},
		},
		{
			Presets: []string{"linux-4.2"}, What: "RIP is canonical if shifting it up and down by 16 changes nothing",
			Held: []heldFact{{"linux-4.2", "int_ret_from_sys_call", "shlq:0x10,RCX sarq:0x10,RCX cmpq:R11,RCX jne:opportunistic_sysret_failed"}},
		},
		{
			Presets: of41, What: "SWAPGS comes before the loads of IRETQ's exit",
			Held: []heldFact{
				{"linux-4.1", "int_ret_from_sys_call", "swapgs jmp:restore_c_regs_and_iret R11=r11 R10=r10"},
				{"linux-4.2", "int_ret_from_sys_call", "swapgs jmp:restore_c_regs_and_iret R11=r11 R10=r10"},
			},
		},
		{
			Presets: of46, What: "the fast exit loads RIP and RFLAGS first",
			Held: []heldFact{{"linux-4.6", Entry, "RCX=ip R11=flags R10=r10 R9=r9 R8=r8 RAX=ax RDX=dx RSI=si RDI=di RSP=sp swapgs"}},
		},
		{Presets: of46, What: "stub_ptregs_64 compares its return address with a constant", Left: []string{leftCompare}},
		{
			Presets: of46, What: "the slow path is a function of the frame",
			Held: []heldFact{{"linux-4.6", Entry, saveExtra + " RDI=RSP call:syscall_return_slowpath jmp:return_from_SYSCALL_64"}},
		},
		{Presets: of46, What: "the context switch keeps RFLAGS", Left: []string{leftPushF}},
		{
			Presets: of612, What: "what is off leaves NOPs and jumps",
			Held:  []heldFact{{"linux-6.12", Entry, "movslq:RAX,RSI jmp:over nop nop nop nop call:do_syscall_64"}},
			Takes: []Value{NOPsPatched},
		},
		{
			Presets: of612, What: "do_syscall_64 and what it calls are the compiler's, without an indirect branch",
			Held:  []heldFact{{"linux-6.12", "do_syscall_64", "cmpl:RSI,0x400 sbbq:RCX,RCX andl:RCX,RSI call:x64_sys_call ax=RAX"}},
			Takes: []Value{DispatchTree},
		},
		{
			Presets: of612, What: "a handler's wrapper takes from the frame what it needs",
			Held:  []heldFact{{"linux-6.12", "do_syscall_64", "RDI=R12 movl:R14,RSI cmpl:RSI,0x400 sbbq:RCX,RCX andl:RCX,RSI call:x64_sys_call"}},
			Takes: []Value{DispatchTree},
		},
		{
			Presets: of612, What: "neither a call nor the context switch, which ends in a direct jump, has a branch that a retpoline could replace",
			Held:  []heldFact{{"linux-6.12", SwitchTo, "popq:RBX popq:RBP jmp:__switch_to"}},
			Takes: []Value{DispatchTree, SwitchJump},
		},
		{
			Presets: of612, What: "IRETQ looks at CS and SS first",
			Held: []heldFact{{"linux-6.12", Entry, "swapgs nop testb:3,cs jne:native_iret ud2 testb:4,ss jne:native_irq_return_ldt iretq"}},
		},
		{Presets: of612, What: "the context switch loads the canary", Takes: []Value{CanarySwitch}},
		{
			Presets: slices.DeleteFunc(presetsOf("linux-6.12"), func(name string) bool { return name == "linux-6.12-off" }),
			What:    "the context switch fills the return stack", Takes: []Value{RSBFilled},
		},
		{Presets: of612, What: "MSR_SYSCALL_MASK clears more than six flags", Takes: []Value{SFMaskAll}},
		{Presets: []string{"linux-6.12+pti"}, What: "without PCIDs a NOP and a jump stand in their place", Left: []string{leftNoPCID}},
		{Presets: []string{"linux-6.12-off"}, What: "the context switch jumps over the code that fills the return stack", Takes: []Value{RSBKept}, Left: []string{leftSkip}},
		{
			Presets: []string{"linux-6.12-zen2", "linux-6.12-zen3", "linux-6.12-icelake"},
			What:    "every RET of the kernel goes by the thunk", Left: []string{leftReturns},
		},
		{Presets: []string{"linux-6.12-zen3"}, What: "the safe return is where it shares predictions with the untraining", Left: []string{leftAlias}},
		{Presets: []string{"linux-6.12-icelake"}, What: "a RET in the upper half of a line stays as it is", Left: []string{leftUpper}},
		{
			Presets: []string{"linux-6.12-skylake", "linux-6.12-zen2", "linux-6.12-zen3", "linux-6.12-zen5", "linux-6.12-alderlake"},
			What:    "the exit tests whether a guest has run (from 6.12.47 on)", Takes: []Value{IBPBExitTested},
		},
		{
			Presets: ofFRED, What: "no ENDBR64 is at the entry, and no SWAPGS anywhere",
			Held: []heldFact{
				{"linux-6.18+fred", FREDEntry, "di=RDI si=RSI dx=RDX cx=RCX ax=RAX r8=R8"},
				{"linux-6.18+fred", FREDEntry, "RSI=si RDI=di eretu"},
			},
			Takes: []Value{EntryFRED, LandingNone},
		},
		{
			Presets: ofFRED, What: "the stack of the next event is set on the way out, if it is another thread's still",
			Held: []heldFact{{"linux-6.18+fred", "arch_exit_to_user_mode_prepare", "cmpq:FREDRSP0,RAX je:over movl:0x1cc,RCX"}},
		},
		{Presets: ofFRED, What: "the context switch fills no return stack on a CPU with enhanced IBRS", Takes: []Value{RSBKept, CanarySwitch}},
		{Presets: ofFRED, What: "do_syscall_64 contains the way out", Left: []string{leftInlined}},
		{Presets: ofFRED, What: "the type of an event is found by a tree of comparisons", Left: []string{leftFREDTree}},
		{Presets: ofFRED, What: "events of other types have handlers of their own", Left: []string{leftFREDTraps}},
		{
			Presets: ofBSD, What: "a frame of its own, with segment registers, which tf_flags and td_frame name",
			Held: []heldFact{
				{"freebsd", Entry, "movw:FS,4(RSP) movw:GS,6(RSP) movw:ES,12(RSP) movw:DS,14(RSP) R11=Current andl:-2,PCBFlags sti ss=0x2b cs=0x33 TrapWords.Err(RSP)=2"},
				{"freebsd", Entry, "movl:1,TrapWords.Flags(RSP) cld RDI=Current Frame=RSP movl:flags,RSI andl:0x100,RSI call:amd64_syscall"},
			},
			Takes: []Value{BuildTrapframe}, Left: []string{leftTrapframe},
		},
		{
			Presets: ofBSD, What: "amd64_syscall is called directly, and calls the handler with what it takes from the frame",
			Held:  []heldFact{{"freebsd", amd64Syscall, "RCX=r10 R8=r8 R9=r9 call:sys_call_table(RAX*8) ax=RAX"}},
			Takes: []Value{SlowDoreti},
		},
		{
			Presets: ofBSD, What: "PCB_FULL_IRET and the work are tested one behind the other, and the call that has work stays in its exit",
			Held: []heldFact{{"freebsd", Entry, "RAX=Current cli testl:1,PCBFlags jne:full_iret RAX=Current testl:7,Flags jne:ast_scheduled"}},
			Left: []string{leftBSDC, leftDoreti},
		},
		{
			Presets: ofBSD, What: "the exit loads seven registers, and no callee-saved one",
			Held: []heldFact{{"freebsd", Entry, "RAX=ax R11=flags RCX=ip RSP=sp swapgs sysretq"}},
			Left: []string{leftSeven},
		},
	}
}

// open says why a deviation is neither removed nor stated; nil if it is not open.
func (d deviation) open() error {
	if len(d.Presets) == 0 || d.What == "" {
		return errors.New("of no preset, or without words")
	}
	if len(d.Held)+len(d.Takes)+len(d.Left) == 0 && d.Is == nil {
		return errors.New("neither a fact holds it, nor a value, nor is it told")
	}
	var errs []error
	if d.Is != nil && !d.Is() {
		errs = append(errs, errors.New("it is not so"))
	}
	for _, h := range d.Held {
		if !slices.ContainsFunc(Facts, h.in) {
			errs = append(errs, fmt.Errorf("no fact of %s, %s has %q", h.Preset, h.Func, h.Acts))
		}
	}
	for _, name := range d.Presets {
		i := slices.IndexFunc(Presets(), func(p Preset) bool { return p.Name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("no preset %s", name))
			continue
		}
		p := Presets()[i]
		for _, value := range d.Takes {
			if !p.Axes.Is(value) {
				errs = append(errs, fmt.Errorf("%s has not %s", name, value))
			}
		}
		for _, words := range d.Left {
			if !slices.Contains(p.Left, words) {
				errs = append(errs, fmt.Errorf("%s does not say that it leaves out %q", name, words))
			}
		}
	}
	return errors.Join(errs...)
}

// in reports whether the fact has the words.
func (h heldFact) in(f Fact) bool {
	return f.Preset == h.Preset && f.Func == h.Func &&
		strings.Contains(" "+strings.Join(strings.Fields(f.Acts), " ")+" ", " "+h.Acts+" ")
}

// TestDeviations: each difference that was found is removed, which TestFacts checks,
// or the preset says that it is left out.
func TestDeviations(t *testing.T) {
	const found = 52
	all := deviations()
	if len(all) != found {
		t.Errorf("%d deviations, want %d", len(all), found)
	}
	for _, d := range all {
		if err := d.open(); err != nil {
			t.Errorf("%s (%v): %v", d.What, d.Presets, err)
		}
	}
}

// TestDeviationsSeeGaps: a deviation that is neither removed nor stated is found.
func TestDeviationsSeeGaps(t *testing.T) {
	of41 := []string{"linux-4.1"}
	held := heldFact{"linux-4.1", "stub_clone", saveExtra + " jmp:sys_clone"}
	other, part := held, held
	other.Preset, part.Acts = "linux-3.19", "bx=RBX jmp:sys_clon"
	for _, test := range []struct {
		name string
		d    deviation
	}{
		{"of no preset", deviation{What: "x", Held: []heldFact{held}}},
		{"no place", deviation{Presets: of41, What: "x"}},
		{"another preset's fact", deviation{Presets: []string{"linux-3.19"}, What: "x", Held: []heldFact{held, other}}},
		{"what is not so", deviation{Presets: of41, What: "x", Is: func() bool { return false }}},
		{"half a word", deviation{Presets: of41, What: "x", Held: []heldFact{part}}},
		{"another value", deviation{Presets: of41, What: "x", Takes: []Value{SFMaskAll}}},
		{"words that are not there", deviation{Presets: of41, What: "x", Left: []string{leftSeven}}},
		{"a preset that is not there", deviation{Presets: []string{"linux-4.3"}, What: "x", Held: []heldFact{held}}},
	} {
		if test.d.open() == nil {
			t.Errorf("%s: not seen", test.name)
		}
	}
}
