package stubs

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
)

// Variant is a variant as an image carries it.
type Variant struct {
	// Name is the preset's name, or the variant's String.
	Name string
	Axes Axes
	// Edit, if not nil, changes the variant's listings before they are linked: a
	// user's own entry takes the place of the variant's, or a test breaks it.
	// What the variant promises stays the same.
	Edit func(*asm.Program) error
	// Needs are the CPU features that such listings need in addition to the axes'.
	Needs layout.Features
	// Untraced is set if such listings have no way by a tracer, but UD2.
	Untraced bool
	// Place is where the entry lies.
	Place EntryPlace
}

// Preset is a variant with a name and a history.
type Preset struct {
	Variant
	// Release is the release that had this path, or the mail that proposed it.
	Release string
	// Adds is what it changes in the path of 3.19, in the mail's terms.
	Adds string
	// Source is where the path can be read.
	Source string
	// Follows is the revision and file that the path was checked against.
	Follows string
	// Config is the configuration of the release whose path it is.
	Config string
	// Left is what the release has and the preset lacks or does differently.
	Left []string
}

const (
	source319  = "Linux 3.19.8: arch/x86/kernel/entry_64.S (system_call), arch/x86/include/asm/calling.h"
	bugs612    = "Linux 6.12.117: arch/x86/kernel/cpu/bugs.c: "
	thunks612  = "arch/x86/lib/retpoline.S, arch/x86/include/asm/nospec-branch.h (UNTRAIN_RET)"
	sourceMail = "A. Lutomirski's answer to patch 4/4 of A. van Heukelum's series, 18 January 2015"
)

// presets are made when they are first asked for: by then every axis is registered.
var presets = sync.OnceValue(func() []Preset {
	list := written()
	at := slices.IndexFunc(list, func(p Preset) bool { return p.Name == linux70 })
	return slices.Insert(list, at+1, by70(list)...)
})

// linux70 is the newest release on a CPU that needs no mitigation.
const linux70 = "linux-7.0"

// by70 returns the presets of 7.0 by CPU: those of 6.12, with what 7.0 changes for all.
func by70(list []Preset) []Preset {
	base := list[slices.IndexFunc(list, func(p Preset) bool { return p.Name == linux70 })]
	var made []Preset
	for _, p := range list {
		cpu, ok := strings.CutPrefix(p.Name, "linux-6.12-")
		if !ok || cpu == "off" {
			continue
		}
		p.Variant = Variant{Name: linux70 + "-" + cpu, Axes: p.Axes.Set(ExitWorkTests)}
		p.Release = strings.Replace(p.Release, "6.12", "7.0", 1)
		p.Adds = "7.0 with what linux-6.12-" + cpu + " adds to 6.12"
		p.Source = base.Source + "; " + p.Source
		p.Follows, p.Config = base.Follows, base.Config
		p.Left = append(slices.Clone(p.Left), left70, left70CPU)
		made = append(made, p)
	}
	return made
}

func written() []Preset {
	return []Preset{
		{
			Variant: Variant{Name: wire.Floor, Axes: Axes{Bare: true}},
			Release: "none",
			Adds:    "the floor: SYSCALL and SYSRET, nothing kept; answers 0 to every call",
			Source:  "SDM volume 2, SYSCALL and SYSRET",
		},
		{
			Variant: Variant{Name: "linux-3.19"},
			Release: "Linux 3.19",
			Source:  source319,
			Follows: read319,
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("a"),
			Release: "proposed",
			Adds:    "(a): RSP in the sp slot, not in RSPScratch and thread.usersp",
			Source:  sourceMail + "; Linux 4.1: 263042e4630a",
			Follows: read319 + "; the change by its description",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("b"),
			Release: "proposed",
			Adds:    "(b): RFLAGS in the flags slot too, and taken from there",
			Source:  sourceMail + ", by which R11 is still stored in its own slot",
			Follows: read319 + "; the change by its description",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("b-linux"),
			Release: "Linux 4.1, on the way",
			Adds:    "(b) as Linux took it first: RFLAGS in the flags slot instead of the r11 slot, which the fix-up fills",
			Source:  "Linux, March 2015: 29722cd4ef66",
			Follows: read319 + "; torvalds/linux 29722cd4ef66",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("c"),
			Release: "proposed",
			Adds:    "(c): CS, SS and RCX filled at entry",
			Source:  sourceMail + "; Linux 4.1: 9ed8e7d86061",
			Follows: read319 + "; the change by its description",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("a", "b"),
			Release: "proposed",
			Adds:    "(a)+(b): nothing is left to restore",
			Source:  sourceMail,
			Follows: read319 + "; the change by its description",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("a", "c"),
			Release: "proposed",
			Adds:    "(a)+(c): only the flags are fixed up and restored",
			Source:  sourceMail,
			Follows: read319 + "; the change by its description",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: changed("b", "c"),
			Release: "proposed",
			Adds:    "(b)+(c): only RSP is fixed up and restored",
			Source:  sourceMail,
			Follows: read319 + "; the change by its description",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: Variant{Name: "heukelum-v2", Axes: changed("a", "b", "c").Axes},
			Release: "proposed",
			Adds:    "(a)+(b)+(c): the exit takes RIP, RFLAGS and RSP from the hardware frame; no fix-up, no restore",
			Source:  "A. van Heukelum, patch 4/4, 18 January 2015, as far as its description and the answer tell",
			Follows: read319 + "; the patch by its description, as it was not found",
			Config:  configNone,
			Left:    lazily("whatever the patch has that neither its description nor the answer tells"),
		},
		{
			Variant: Variant{Name: "linux-4.0", Axes: Of(WorkTest, SlowSYSRET, TrapsSYSRET)},
			Release: "Linux 4.0",
			Adds:    "3.19 with one test for work, and SYSRET from the slow path and from traps where the frame allows",
			Source:  "Linux 4.0: arch/x86/kernel/entry_64.S (system_call); 96b6352c1271, 2a23c6b8a9c4",
			Follows: read40,
			Config:  configX32,
			Left:    lazily(left40),
		},
		{
			Variant: Variant{Name: "linux-4.1", Axes: Of(
				SPFrame, FlagsSlot, TopEager, BuildPush, RegsRoom, IRQFrame, WorkTest, SlowSYSRET,
				ForceIRETNotify,
			)},
			Release: "Linux 4.1",
			Adds:    "4.0 with (a)+(b)+(c) by PUSH, room for all registers",
			Source:  "Linux 4.1.15: arch/x86/kernel/entry_64.S (system_call)",
			Follows: read41 + "; the fast exit by 4d7321381e5c, as 4.1.y has another order with page-table isolation",
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: Variant{Name: "linux-4.2", Axes: Of(
				SPFrame, FlagsSlot, TopEager, BuildPush, RegsRoom, IRQFrame, WorkTest, SlowSYSRET,
				IPCanonical, StackSP0, ForceIRETNotify,
			)},
			Release: "Linux 4.2",
			Adds:    "4.1 with the top of the stack from the TSS, RIP tested for being canonical",
			Source:  "Linux 4.2: arch/x86/entry/entry_64.S (entry_SYSCALL_64); 17be0aec74fb",
			Follows: read42,
			Config:  configX32,
			Left:    lazily(),
		},
		{
			Variant: Variant{Name: "linux-4.6", Axes: Of(
				SPFrame, FlagsSlot, TopEager, BuildPush, RegsRoom, IRQDispatch, WorkTest, SlowC,
				IPCanonical, StackSP0, ForceIRETNotify,
			)},
			Release: "Linux 4.6",
			Adds:    "4.2 with the slow path as a function of the frame (in Linux: in C), interrupts on only when the frame is done",
			Source:  "Linux 4.6: arch/x86/entry/entry_64.S, arch/x86/entry/common.c (do_syscall_64); 1e423bff959e",
			Follows: read46,
			Config:  configX32,
			Left:    append(lazily(leftC), leftForked, leftCompare, leftPushF),
		},
		{
			Variant: Variant{Name: "linux-6.12", Axes: linux612()},
			Release: "Linux 6.12",
			Adds:    "no fast path: all registers pushed and cleared, every call by do_syscall_64, exit by a trampoline stack; without the mitigations that a CPU may need",
			Source:  "Linux 6.12: arch/x86/entry/entry_64.S, calling.h, common.c; 21d375b6b34f, bf904d2762ee",
			Follows: read612,
			Config:  config612,
			Left:    modern(),
		},
		{
			Variant: isolated("linux-6.12+pti", CR3Switch),
			Release: "Linux 6.12 with pti=on nopcid",
			Adds:    "6.12 with page-table isolation: ring 3 runs on a page table of its own, which is loaded anew at each way in and out",
			Source:  "Linux 6.12: arch/x86/entry/calling.h (SWITCH_TO_KERNEL_CR3, SWITCH_TO_USER_CR3_STACK), entry_64.S",
			Follows: read612,
			Config:  config612,
			Left:    modern(leftNoPCID),
		},
		{
			Variant: isolated("linux-6.12+pti+pcid", CR3PCID),
			Release: "Linux 6.12 with pti=on",
			Adds:    "6.12+pti with the translations of both page tables kept, by PCIDs, which the CPU must have",
			Source:  "Linux 6.12: arch/x86/entry/calling.h (SWITCH_TO_USER_CR3: user_pcid_flush_mask), arch/x86/mm/tlb.c. There is one ASID here, as nothing shares the CPU",
			Follows: read612,
			Config:  config612,
			Left:    modern(),
		},
		{
			Variant: Variant{Name: "linux-6.12-off", Axes: linux612().Set(RSBKept)},
			Release: "Linux 6.12 with mitigations=off",
			Adds:    "6.12 without what nearly every CPU gets: the context switch leaves the return stack alone",
			Source:  bugs612 + "cpu_mitigations_off, spectre_v2_select_mitigation",
			Follows: read612,
			Config:  config612,
			Left:    modern(leftSkip),
		},
		{
			Variant: Variant{Name: "linux-6.12-zen2", Axes: linux612().Set(UntrainSRSO, ReturnsSRSO, IBPBExitTested)},
			Release: "Linux 6.12 on AMD's Zen 1 and 2",
			Adds:    "6.12 with what that CPU gets: safe returns, which the entry has it forget, against SRSO and with it Retbleed; a test for a guest at the exit, against VMSCAPE. Without simultaneous threads it gets less",
			Source:  bugs612 + "srso_select_mitigation, vmscape_select_mitigation; " + thunks612,
			Follows: read612,
			Config:  config612,
			Left:    modern(leftReturns),
		},
		{
			Variant: Variant{Name: "linux-6.12-zen3", Axes: linux612().Set(UntrainSRSOAlias, ReturnsSRSOAlias, BuffersVERW, IBPBExitTested)},
			Release: "Linux 6.12 on AMD's Zen 3 and 4",
			Adds:    "6.12 with what that CPU gets: safe returns at another address than on Zen 1 and 2; VERW against TSA; a test for a guest",
			Source:  bugs612 + "srso_select_mitigation, tsa_select_mitigation, vmscape_select_mitigation; " + thunks612,
			Follows: read612,
			Config:  config612,
			Left:    modern(leftReturns, leftAlias),
		},
		{
			Variant: Variant{Name: "linux-6.12-zen5", Axes: linux612().Set(IBPBExitTested)},
			Release: "Linux 6.12 on AMD's Zen 5",
			Adds:    "6.12 with what that CPU gets: a test for a guest. Its returns need no help (SRSO_USER_KERNEL_NO)",
			Source:  bugs612 + "srso_select_mitigation (SRSO_BP_SPEC_REDUCE), vmscape_select_mitigation",
			Follows: read612,
			Config:  config612,
			Left:    modern(),
		},
		{
			Variant: Variant{Name: "linux-6.12-icelake", Axes: linux612().Set(BHBShort, ReturnsITS)},
			Release: "Linux 6.12 on Intel's Ice Lake",
			Adds:    "6.12 with what that CPU gets: the loop that clears the branch history, against BHI; returns by a RET in the upper half of a cache line, against ITS",
			Source:  bugs612 + "bhi_select_mitigation, its_select_mitigation; common.c (cpu_vuln_blacklist); " + thunks612,
			Follows: read612,
			Config:  config612,
			Left:    modern(leftReturns, leftUpper),
		},
		{
			Variant: Variant{Name: "linux-6.12-alderlake", Axes: linux612().Set(BHBDisS, BuffersVERW, IBPBExitTested)},
			Release: "Linux 6.12 on Intel's Alder Lake",
			Adds:    "6.12 with what that CPU gets: BHI_DIS_S, which costs no instruction; VERW against RFDS; a test for a guest",
			Source:  bugs612 + "bhi_select_mitigation (spec_ctrl_bhi_dis), rfds_select_mitigation, vmscape_select_mitigation",
			Follows: read612,
			Config:  config612,
			Left:    modern(),
		},
		{
			Variant: skylake("linux-6.12-skylake"),
			Release: "Linux 6.12 on Intel's Skylake of 2015",
			Adds:    "6.12+pti+pcid with what else that CPU gets without being asked for: IBRS at entry against Retbleed, and so no retpolines; VERW against MDS; a test for a guest against VMSCAPE",
			Source: "Linux 6.12: arch/x86/kernel/cpu/bugs.c (spectre_v2_select_mitigation, mds_select_mitigation), common.c (cpu_set_bug_bits), " +
				"arch/x86/entry/calling.h (IBRS_ENTER, IBRS_EXIT)",
			Follows: read612,
			Config:  config612,
			Left:    modern(),
		},
		{
			Variant: Variant{Name: linux70, Axes: linux612().Set(ExitWorkTests)},
			Release: "Linux 7.0",
			Adds:    "6.12 with the tests before the exit inlined into do_syscall_64, on a CPU that needs no mitigation; the assembly has not changed",
			Source:  "Linux, January 2026: include/linux/entry-common.h (31c9387d0d84), arch/x86/entry/syscall_64.c (ead971eec0eb); 6.12's entry_64.S",
			Follows: read70,
			Config:  config70,
			Left:    modern(left70),
		},
		{
			Variant: Variant{Name: "linux-7.2", Axes: linux612().Set(ExitWorkChecked, KStackCalled)},
			Release: "Linux 7.2",
			Adds:    "7.0 with the next stack's place from a generator that is called with interrupts on, not from the counter; with the tests of Debian's configuration: of the FPU, and for the unwinder",
			Source:  "Linux 7.2: arch/x86/entry/syscall_64.c, include/linux/entry-common.h, randomize_kstack.h, lib/random32.c; arch/x86/include/asm/entry-common.h; 6.12's entry_64.S",
			Follows: read72,
			Config:  config72,
			Left:    modern(left72),
		},
		{
			Variant: Variant{Name: "linux-6.18+fred", Axes: Of(
				SPFrame, FlagsSlot, TopEager, BuildPush, RegsFull, ExitOpportunistic, IRQDispatch, WorkTest,
				SlowOnly, IPTaskSize, ClearXor, DispatchTree, NospecMask, KStackRDTSC, ExitWorkCalled,
				NOPsPatched, SwitchJump, CanarySwitch, EntryFRED,
			)},
			Release: "Linux 6.18 with fred=on on a CPU that has it",
			Adds:    "FRED in the place of SYSCALL's entry and exit: the CPU builds the hardware frame on the thread's stack and ERETU pops it; no SWAPGS, no scratch word, no second stack, and the switch fills no return stack (27ce8299bc1e)",
			Source:  "Linux 6.18: arch/x86/entry/entry_64_fred.S, entry_fred.c; arch/x86/include/asm/fred.h; arch/x86/kernel/fred.c",
			Follows: read618,
			Config:  config612,
			Left:    []string{leftInlined, leftFREDTree, leftFREDTraps, leftTracer, leftESPFix, leftAround, leftForked, leftMeasure},
		},
		{
			Variant: Variant{Name: "freebsd", Axes: Of(
				SPFrame, FlagsSlot, TopEager, BuildTrapframe, RegsSaved, IRQFrame, WorkTest, SlowDoreti, SFMaskBSD,
				ESPFixOff,
			)},
			Release: "FreeBSD 10",
			Adds:    "a whole trapframe by MOV, of which the exit loads no callee-saved register; SYSRET without a look at it, as whoever changes a slot says that the exit must be IRET",
			Source:  "FreeBSD: sys/amd64/amd64/exception.S (fast_syscall, PCB_FULL_IRET), with Linux's frame and registers",
			Follows: readBSD + " and trap.c (10.4), sys/kern/subr_syscall.c",
			Config:  configBSD,
			Left: []string{
				leftTrapframe, leftSeven, leftBSDC, leftDoreti,
				"its selectors, which are 0x20, 0x28, 0x33, 0x3b and 0x43 in the same order",
				"its mask as 10.4 has it, which leaves AC: FreeBSD uses SMAP, and clears AC, from 12 on", leftSwitch, leftMeasure,
			},
		},
		{
			Variant: Variant{Name: "zircon", Axes: Of(
				SPFrame, FlagsSlot, TopEager, BuildPush, RegsFull, IRQDispatch, WorkTest, SFMaskAll, BranchRetpoline,
			)},
			Release: "Zircon of 2022",
			Adds:    "the entry of Fuchsia's kernel: all registers are pushed at each call and loaded at its end, callee-saved ones too, so that no word of the kernel is left in one; the number leads to its handler by a retpoline; always SYSRET, as no RIP in a frame can be one that it cannot take",
			Source:  "Fuchsia: zircon/kernel/arch/x86/syscall.S (x86_syscall, x86_syscall_cleanup_and_return), with Linux's frame, registers and table",
			Follows: "vsrinivas/fuchsia 1a434923c30f, zircon/kernel/arch/x86/syscall.S",
			Config:  "with mitigations for Spectre's variants, without MDS and L1D flushes",
			Left: []string{
				"Zircon's frame of 18 words, which has neither SS, CS nor the number and is in another order, and its exit by POP: here it is Linux's frame, loaded by MOV",
				"its functions between entry and handler, one a call, which clear the registers that the handler takes no argument in",
				"the mask of the number, which is a CMOV there: here there is none",
				"its test for restricted mode, and that a function behind the handler says whether the thread has a signal: here Thread.Flags is tested",
				leftSwitch, leftMeasure,
			},
		},
	}
}

// linux612 returns the path of 6.12 on a CPU that needs no mitigation of its own.
func linux612() Axes {
	return Of(
		SPFrame, FlagsSlot, TopEager, BuildPush, RegsFull, ExitOpportunistic, IRQDispatch, WorkTest,
		SlowOnly, IPTaskSize, ScratchSP2, LeaveTrampoline, ClearXor, LandingENDBR, SFMaskAll,
		DispatchTree, NospecMask, KStackRDTSC, ExitWorkCalled, NOPsPatched, SwitchJump, CanarySwitch, RSBFilled,
	)
}

// skylake returns 6.12 with the mitigations of one generation of CPUs.
func skylake(name string) Variant {
	n := isolated(name, CR3PCID)
	n.Axes = n.Axes.Set(BuffersVERW, IBRSEntry, IBPBExitTested)
	return n
}

// isolated returns 6.12 with a page table for ring 3.
func isolated(name string, cr3 Value) Variant {
	return Variant{Name: name, Axes: linux612().Set(cr3)}
}

// changes are the three parts of the proposal, by the mail's letters.
var changes = map[string][]Value{
	// Interrupts must wait until RSP is out of RSPScratch.
	"a": {SPFrame, IRQFrame},
	"b": {FlagsSlot},
	"c": {TopEager},
	// (b) as Linux's commit makes it.
	"b-linux": {FlagsMoved},
}

// changed returns linux-3.19 with the given changes.
func changed(names ...string) Variant {
	n := Variant{Name: "linux-3.19"}
	for _, name := range names {
		n.Name += "+" + name
		n.Axes = n.Axes.Set(changes[name]...)
	}
	return n
}

// Presets returns the presets: the floor first, then by age.
func Presets() []Preset { return slices.Clone(presets()) }

// Name returns the name of the preset that the variant is, or from which it differs
// only on independent axes, followed by those; else it returns the axes.
func (v Axes) Name() string {
	name, fewest := v.String(), len(registry.axes)+1
	for _, p := range presets() {
		if changes, ok := v.besides(p.Axes); ok && len(changes) < fewest {
			name, fewest = strings.Join(append([]string{p.Name}, changes...), "+"), len(changes)
		}
	}
	return name
}

// besides lists the axes on which v differs from w, as axis=value; ok says whether
// all of them are independent.
func (v Axes) besides(w Axes) (changes []string, ok bool) {
	if v.Bare || w.Bare {
		return nil, v == w
	}
	for a, c := range v.choices {
		if w.Is(c.Value) {
			continue
		}
		if a.Path {
			return nil, false
		}
		changes = append(changes, string(c.Value))
	}
	return changes, true
}

// reserved matches the names of releases, of axes and changes, and words that are not
// variants.
var reserved = regexp.MustCompile(`^linux-[0-9.]+$|^-|[+=]`)

// Reserved reports whether a user's own variant cannot have this name: it is a
// preset's, or looks like one.
func Reserved(name string) bool {
	return reserved.MatchString(name) || slices.ContainsFunc(presets(), func(p Preset) bool { return p.Name == name })
}
