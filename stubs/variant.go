package stubs

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Variant is a SYSCALL entry and exit path as a point on its axes. The zero
// value is the path of Linux 3.19.
type Variant struct {
	SP    SP
	Flags Flags
	Top   Top
	Build Build
	Regs  Regs
	Exit  Exit
	IRQ   IRQ
	Work  Work
	// What later releases changed.
	Slow    Slow
	IPTest  IPTest
	Stack   Stack
	Scratch Scratch
	Leave   Leave
	Clear   Clear
	Buffers Buffers
	Branch  Branch
	Landing Landing
	IBRS    IBRS
	CR3     PTI
	// Bare is the floor of every measurement, on no axis: SYSCALL and SYSRET,
	// nothing kept, nothing called.
	Bare bool
}

// SP is where the user's RSP lives during a call.
type SP uint8

const (
	// SPPerCPU leaves it in RSPScratch; the context switch carries it.
	SPPerCPU SP = iota
	// SPFrame puts it in its frame slot: change (a).
	SPFrame
)

// Flags is the slot that the exit takes the user's RFLAGS from.
type Flags uint8

const (
	// FlagsR11 is the r11 slot; the flags slot is undefined.
	FlagsR11 Flags = iota
	// FlagsSlot is the flags slot; the r11 slot holds them as well: change (b).
	FlagsSlot
)

// Top is when the CS, SS and CX slots are filled.
type Top uint8

const (
	// TopLazy leaves them to the fix-up of the calls that need them.
	TopLazy Top = iota
	// TopEager fills them at entry: change (c).
	TopEager
)

// Build is the instruction that builds the frame.
type Build uint8

const (
	// BuildMov makes room by one SUB and stores by MOV, as 3.19.
	BuildMov Build = iota
	// BuildPush pushes from SS down, as 4.1.
	BuildPush
	// BuildTrapframe stores all slots by MOV, as FreeBSD.
	BuildTrapframe
)

// Regs is what a frame has of the callee-saved registers.
type Regs uint8

const (
	// RegsPartial has neither their values nor room for them.
	RegsPartial Regs = iota
	// RegsRoom has room, which only the calls that need it fill.
	RegsRoom
	// RegsFull has them saved at entry and restored at the exit.
	RegsFull
)

// Exit is the instruction that ends an ordinary call.
type Exit uint8

const (
	// ExitSYSRET is SYSRETQ, without a look at the frame.
	ExitSYSRET Exit = iota
	// ExitIRET is IRETQ.
	ExitIRET
	// ExitOpportunistic is SYSRETQ if IRETQ would do the same, else IRETQ.
	ExitOpportunistic
)

// IRQ is where the entry turns interrupts on.
type IRQ uint8

const (
	// IRQEarly is right after the stack switch, as 3.19.
	IRQEarly IRQ = iota
	// IRQFrame is once the frame is built. A frame that is pushed is safe as
	// soon as RSPScratch is pushed, and Linux 4.1 turns them on there.
	IRQFrame
	// IRQDispatch is where the frame is done with, right before the handler is
	// looked up: 4.6 on.
	IRQDispatch
	// IRQOff is nowhere: they stay off to the end of the call.
	IRQOff
)

// Work is how the exit looks for work that Thread.Flags asks for.
type Work uint8

const (
	// WorkCareful keeps the mask in a register and reschedules without leaving
	// the fast path, as 3.19 (sysret_careful).
	WorkCareful Work = iota
	// WorkTest is one TESTL, and any work goes to the slow path, which returns
	// the same RCX as the fast one: Linux 4.0 on.
	WorkTest
)

// axis is one of the choices that make a variant.
type axis struct {
	name   string
	values []string
	field  func(*Variant) *uint8
	// later axes are printed only where they are not at their first value, so
	// that the names of older variants stay.
	later bool
}

var axes = []axis{
	{"sp", []string{"percpu", "frame"}, func(v *Variant) *uint8 { return (*uint8)(&v.SP) }, false},
	{"flags", []string{"r11", "flags"}, func(v *Variant) *uint8 { return (*uint8)(&v.Flags) }, false},
	{"top", []string{"lazy", "eager"}, func(v *Variant) *uint8 { return (*uint8)(&v.Top) }, false},
	{"build", []string{"mov", "push", "trapframe"}, func(v *Variant) *uint8 { return (*uint8)(&v.Build) }, false},
	{"regs", []string{"partial", "room", "full"}, func(v *Variant) *uint8 { return (*uint8)(&v.Regs) }, false},
	{"exit", []string{"sysret", "iret", "opportunistic"}, func(v *Variant) *uint8 { return (*uint8)(&v.Exit) }, false},
	{"irq", []string{"early", "frame", "dispatch", "off"}, func(v *Variant) *uint8 { return (*uint8)(&v.IRQ) }, false},
	{"work", []string{"careful", "test"}, func(v *Variant) *uint8 { return (*uint8)(&v.Work) }, false},
	{"slow", []string{"iret", "sysret", "c", "only"}, func(v *Variant) *uint8 { return (*uint8)(&v.Slow) }, true},
	{"iptest", []string{"half", "canonical", "tasksize"}, func(v *Variant) *uint8 { return (*uint8)(&v.IPTest) }, true},
	{"stack", []string{"percpu", "sp0"}, func(v *Variant) *uint8 { return (*uint8)(&v.Stack) }, true},
	{"scratch", []string{"percpu", "sp2"}, func(v *Variant) *uint8 { return (*uint8)(&v.Scratch) }, true},
	{"leave", []string{"stack", "trampoline"}, func(v *Variant) *uint8 { return (*uint8)(&v.Leave) }, true},
	{"clear", []string{"none", "xor"}, func(v *Variant) *uint8 { return (*uint8)(&v.Clear) }, true},
	{"buffers", []string{"kept", "verw"}, func(v *Variant) *uint8 { return (*uint8)(&v.Buffers) }, true},
	{"branch", []string{"indirect", "retpoline"}, func(v *Variant) *uint8 { return (*uint8)(&v.Branch) }, true},
	{"landing", []string{"none", "endbr"}, func(v *Variant) *uint8 { return (*uint8)(&v.Landing) }, true},
	{"ibrs", []string{"off", "entry"}, func(v *Variant) *uint8 { return (*uint8)(&v.IBRS) }, true},
	{"cr3", []string{"keep", "switch", "pcid"}, func(v *Variant) *uint8 { return (*uint8)(&v.CR3) }, true},
}

// numPathAxes is how many of the axes, from the first on, decide about each
// other; the rest stand alone.
const numPathAxes = 10

// bare is the name of the floor, which has no axes.
const bare = "bare"

// String returns the variant's axes, as in
// sp=percpu,flags=r11,top=lazy,build=mov,regs=partial,exit=sysret,irq=early,work=careful.
// Axes of later releases are left out where they are as in 3.19. It names the
// variant in tests, benchmarks, golden files and images.
func (v Variant) String() string {
	if v.Bare {
		return bare
	}
	var parts []string
	for _, a := range axes {
		n := *a.field(&v)
		switch {
		case n == 0 && a.later:
		case int(n) < len(a.values):
			parts = append(parts, a.name+"="+a.values[n])
		default:
			parts = append(parts, fmt.Sprintf("%s=%d", a.name, n))
		}
	}
	return strings.Join(parts, ",")
}

// parseAxes reads what String prints. Axes that are left out are those of 3.19.
func parseAxes(s string) (Variant, error) {
	var v Variant
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		if err := v.set(part); err != nil {
			return Variant{}, err
		}
		name, _, _ := strings.Cut(part, "=")
		if seen[name] {
			return Variant{}, fmt.Errorf("axis %s is given twice", name)
		}
		seen[name] = true
	}
	return v, nil
}

// Axis is the name and the values of one of the choices that make a variant.
type Axis struct {
	Name   string
	Values []string // the first is that of 3.19
}

// Axes returns all axes, in the order in which String prints them.
func Axes() []Axis {
	list := make([]Axis, len(axes))
	for i, a := range axes {
		list[i] = Axis{a.name, slices.Clone(a.values)}
	}
	return list
}

// With returns the variant with an axis at another value, or the reason why it
// cannot be.
func (v Variant) With(axis, value string) (Variant, error) {
	if err := v.set(axis + "=" + value); err != nil {
		return Variant{}, err
	}
	return v, v.Validate()
}

// set takes an axis=value.
func (v *Variant) set(part string) error {
	name, value, _ := strings.Cut(part, "=")
	i := slices.IndexFunc(axes, func(a axis) bool { return a.name == name })
	if i < 0 {
		return fmt.Errorf("no axis %q: want one of %s", name, axisNames())
	}
	n := slices.Index(axes[i].values, value)
	if n < 0 {
		return fmt.Errorf("axis %s has no value %q: want one of %s", name, value, strings.Join(axes[i].values, ", "))
	}
	*axes[i].field(v) = uint8(n)
	return nil
}

func axisNames() string {
	names := make([]string, len(axes))
	for i, a := range axes {
		names[i] = a.name
	}
	return strings.Join(names, ", ")
}

// impossible are the combinations that the architecture rules out, and why.
var impossible = []struct {
	what string
	why  string
	is   func(Variant) bool
}{
	{
		"sp=frame with irq=early",
		"an interrupt between the store to RSPScratch and the load of it lets another thread's SYSCALL overwrite it, and this thread returns on that thread's stack",
		func(v Variant) bool { return v.SP == SPFrame && v.IRQ == IRQEarly },
	},
	{
		"build=push with sp=percpu",
		"a push cannot leave the sp slot out, nor fill it later",
		func(v Variant) bool { return v.Build == BuildPush && v.SP == SPPerCPU },
	},
	{
		"build=push with flags=r11",
		"a push cannot leave the flags slot out, nor fill it later",
		func(v Variant) bool { return v.Build == BuildPush && v.Flags == FlagsR11 },
	},
	{
		"build=push with top=lazy",
		"a push cannot leave the ss, cs and cx slots out, nor fill them later",
		func(v Variant) bool { return v.Build == BuildPush && v.Top == TopLazy },
	},
	{
		"exit=iret with sp=percpu",
		"IRETQ pops RSP from the sp slot, which is undefined",
		func(v Variant) bool { return v.Exit == ExitIRET && v.SP == SPPerCPU },
	},
	{
		"exit=iret with flags=r11",
		"IRETQ pops RFLAGS from the flags slot, which is undefined",
		func(v Variant) bool { return v.Exit == ExitIRET && v.Flags == FlagsR11 },
	},
	{
		"exit=iret with top=lazy",
		"there are no CS and SS for IRETQ to pop",
		func(v Variant) bool { return v.Exit == ExitIRET && v.Top == TopLazy },
	},
	{
		"exit=opportunistic with sp=percpu",
		"the frame that does not allow SYSRET is IRETQ's, and its sp slot is undefined",
		func(v Variant) bool { return v.Exit == ExitOpportunistic && v.SP == SPPerCPU },
	},
	{
		"exit=opportunistic with flags=r11",
		"whether SYSRET would load the same RFLAGS is told by comparing the flags slot, which is undefined",
		func(v Variant) bool { return v.Exit == ExitOpportunistic && v.Flags == FlagsR11 },
	},
	{
		"exit=opportunistic with top=lazy",
		"whether SYSRET would load the same CS, SS and RCX is told by comparing their slots, which are undefined",
		func(v Variant) bool { return v.Exit == ExitOpportunistic && v.Top == TopLazy },
	},
}

// laterImpossible are those of the axes that later releases added.
var laterImpossible = []struct {
	what string
	why  string
	is   func(Variant) bool
}{
	{
		"build=trapframe with a slot left out",
		"a trapframe is what an interrupt would have left; there is no path that would fill a slot of it later (so sp=frame, flags=flags and top=eager)",
		func(v Variant) bool { return v.Build == BuildTrapframe && !v.whole() },
	},
	{
		"slow=only with a slot left out",
		"there is no wrapper that would complete the frame for the calls that need the whole of it (so sp=frame, flags=flags, top=eager and regs=full)",
		func(v Variant) bool { return v.Slow == SlowOnly && (!v.whole() || v.Regs != RegsFull) },
	},
	{
		"slow=only with exit=sysret",
		"any handler may have changed any slot, and SYSRETQ carries neither a RIP that is not in RCX nor RFLAGS that are not in R11",
		func(v Variant) bool { return v.Slow == SlowOnly && v.Exit == ExitSYSRET },
	},
	{
		"slow=only with work=careful",
		"there is no fast path from which another thread could be let run",
		func(v Variant) bool { return v.Slow == SlowOnly && v.Work == WorkCareful },
	},
	{
		"slow=sysret or slow=c with work=careful and top=lazy",
		"3.19's fix-up puts -1 in the cx slot, which is never the RIP that SYSRETQ would load from RCX",
		func(v Variant) bool {
			return (v.Slow == SlowSYSRET || v.Slow == SlowC) && v.Work == WorkCareful && v.Top == TopLazy
		},
	},
	{
		"iptest without an exit that tests",
		"the exits take SYSRETQ without a look at the frame, or never",
		func(v Variant) bool { return v.IPTest != IPHalf && !v.tests() },
	},
	{
		"leave=trampoline without SYSRETQ",
		"IRETQ loads RSP and RIP at once, so that nothing is left to be loaded from a second stack",
		func(v Variant) bool {
			return v.Leave == LeaveTrampoline && !v.sysrets()
		},
	},
	{
		"clear=xor with a fast path",
		"the handler's arguments would be gone: only do_syscall_64 takes them from the frame (slow=only)",
		func(v Variant) bool { return v.Clear == ClearXor && v.Slow != SlowOnly },
	},
	{
		"ibrs=entry with interrupts on before it",
		"between STI and the write of SPEC_CTRL an interrupt would run the kernel, and whatever thread comes next, on the predictions of ring 3 (so irq=dispatch or irq=off)",
		func(v Variant) bool { return v.IBRS == IBRSEntry && (v.IRQ == IRQEarly || v.IRQ == IRQFrame) },
	},
	{
		"buffers=verw with slow=iret",
		"the slow exit is then the kernel's own, which has no VERW: what is in the buffers would reach ring 3 by it",
		func(v Variant) bool { return v.Buffers == BuffersVERW && v.Slow == SlowIRET },
	},
	{
		"cr3=switch or cr3=pcid with scratch=percpu",
		"the store to RSPScratch would fault: it comes before the kernel's page table, and the user's has of the per-CPU area the TSS alone",
		func(v Variant) bool { return v.CR3 != CR3Keep && v.Scratch == ScratchPerCPU },
	},
	{
		"cr3=switch or cr3=pcid with stack=sp0",
		"SP0 is where interrupts from ring 3 arrive, on a stack that the user's page table maps: it is not the thread's",
		func(v Variant) bool { return v.CR3 != CR3Keep && v.Stack == StackSP0 },
	},
	{
		"cr3=switch or cr3=pcid with leave=stack and SYSRETQ",
		"CR3 is loaded from a register, behind the last access to the thread's stack: RDI has to wait on a stack that both tables map",
		func(v Variant) bool { return v.CR3 != CR3Keep && v.Leave == LeaveStack && v.sysrets() },
	},
}

// whole reports whether the entry fills every slot but the callee-saved
// registers'.
func (v Variant) whole() bool { return v.SP == SPFrame && v.Flags == FlagsSlot && v.Top == TopEager }

// tests reports whether an exit looks at the frame before it takes SYSRETQ.
func (v Variant) tests() bool {
	return v.Exit == ExitOpportunistic || v.Slow == SlowSYSRET || v.Slow == SlowC
}

// sysrets reports whether an exit takes SYSRETQ.
func (v Variant) sysrets() bool {
	return v.Exit != ExitIRET || v.Slow == SlowSYSRET || v.Slow == SlowC
}

// Validate tells, in the architecture's terms, why the variant cannot be built.
// All reasons are joined.
func (v Variant) Validate() error {
	if v.Bare {
		if v != (Variant{Bare: true}) {
			return errors.New("bare keeps nothing, so no axis has anything to decide")
		}
		return nil
	}
	var errs []error
	for _, a := range axes {
		if n := int(*a.field(&v)); n >= len(a.values) {
			errs = append(errs, fmt.Errorf("%s=%d: the axis has %d values", a.name, n, len(a.values)))
		}
	}
	for _, c := range slices.Concat(impossible, laterImpossible) {
		if c.is(v) {
			errs = append(errs, fmt.Errorf("%s: %s", c.what, c.why))
		}
	}
	return errors.Join(errs...)
}

// All yields every variant that can be built of the axes of 3.19 to 4.1, each
// slow path and test of RIP; and every preset with one of the later axes changed.
// Of all of them there are too many.
func All() iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		seen := map[Variant]bool{}
		once := func(v Variant) bool {
			if seen[v] || v.Validate() != nil {
				return true
			}
			seen[v] = true
			return yield(v)
		}
		for v := range combinations(axes[:numPathAxes]) {
			if !once(v) {
				return
			}
		}
		for _, p := range presets {
			for v := range neighbours(p.Variant, axes[numPathAxes:]) {
				if !once(v) {
					return
				}
			}
		}
	}
}

// combinations yields every combination of the axes' values, possible or not.
func combinations(axes []axis) iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		for n := 0; ; n++ {
			var v Variant
			rest := n
			for _, a := range axes {
				*a.field(&v) = uint8(rest % len(a.values))
				rest /= len(a.values)
			}
			if rest > 0 || !yield(v) {
				return
			}
		}
	}
}

// neighbours yields v and all that differ from it on one of the axes.
func neighbours(v Variant, axes []axis) iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		if !yield(v) {
			return
		}
		for _, a := range axes {
			for n := range a.values {
				w := v
				*a.field(&w) = uint8(n)
				if !yield(w) {
					return
				}
			}
		}
	}
}
