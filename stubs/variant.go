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
}

var axes = []axis{
	{"sp", []string{"percpu", "frame"}, func(v *Variant) *uint8 { return (*uint8)(&v.SP) }},
	{"flags", []string{"r11", "flags"}, func(v *Variant) *uint8 { return (*uint8)(&v.Flags) }},
	{"top", []string{"lazy", "eager"}, func(v *Variant) *uint8 { return (*uint8)(&v.Top) }},
	{"build", []string{"mov", "push"}, func(v *Variant) *uint8 { return (*uint8)(&v.Build) }},
	{"regs", []string{"partial", "room", "full"}, func(v *Variant) *uint8 { return (*uint8)(&v.Regs) }},
	{"exit", []string{"sysret", "iret", "opportunistic"}, func(v *Variant) *uint8 { return (*uint8)(&v.Exit) }},
	{"irq", []string{"early", "frame", "off"}, func(v *Variant) *uint8 { return (*uint8)(&v.IRQ) }},
	{"work", []string{"careful", "test"}, func(v *Variant) *uint8 { return (*uint8)(&v.Work) }},
}

// bare is the name of the floor, which has no axes.
const bare = "bare"

// String returns the variant's axes, as in
// sp=percpu,flags=r11,top=lazy,build=mov,regs=partial,exit=sysret,irq=early,work=careful.
// It names the variant in tests, benchmarks, golden files and images.
func (v Variant) String() string {
	if v.Bare {
		return bare
	}
	parts := make([]string, len(axes))
	for i, a := range axes {
		n := *a.field(&v)
		if int(n) < len(a.values) {
			parts[i] = a.name + "=" + a.values[n]
		} else {
			parts[i] = fmt.Sprintf("%s=%d", a.name, n)
		}
	}
	return strings.Join(parts, ",")
}

// parseAxes reads what String prints. Axes that are left out are those of 3.19.
func parseAxes(s string) (Variant, error) {
	var v Variant
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(part, "=")
		i := slices.IndexFunc(axes, func(a axis) bool { return a.name == name })
		if i < 0 {
			return Variant{}, fmt.Errorf("no axis %q: want one of %s", name, axisNames())
		}
		n := slices.Index(axes[i].values, value)
		if n < 0 {
			return Variant{}, fmt.Errorf("axis %s has no value %q: want one of %s", name, value, strings.Join(axes[i].values, ", "))
		}
		if seen[name] {
			return Variant{}, fmt.Errorf("axis %s is given twice", name)
		}
		seen[name] = true
		*axes[i].field(&v) = uint8(n)
	}
	return v, nil
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
	for _, c := range impossible {
		if c.is(v) {
			errs = append(errs, fmt.Errorf("%s: %s", c.what, c.why))
		}
	}
	return errors.Join(errs...)
}

// All yields every variant that can be built.
func All() iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		for v := range combinations() {
			if v.Validate() == nil && !yield(v) {
				return
			}
		}
		yield(Variant{Bare: true})
	}
}

// combinations yields every combination of the axes' values, possible or not.
func combinations() iter.Seq[Variant] {
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
