package stubs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/near"
)

// Axis is one of the choices that make a variant: its values, what it excludes,
// and the instructions that it puts into the path. An axis is one file, which
// declares it by Register. Everything else that is said about it (`entrylab
// variants`, docs/variants.md, the names of variants) is made from it.
type Axis struct {
	Name string
	// Rank orders the axes in a variant's name, lowest first. No two are equal.
	Rank int
	// Doc says in one sentence, for users, what is chosen.
	Doc string
	// Path axes constrain each other; any other axis is independent: it can be changed
	// in any path.
	Path bool
	// Of, if set, is a value of an axis of lower rank, to which this axis belongs:
	// without it only this axis's first value is possible, for the reason OfWhy.
	Of    Value
	OfWhy string
	// Or are further values of the axis of Of that do as well.
	Or []Value
	// Printed axes are in every name. The others are only there when they are not at
	// their first value, so that a new axis leaves all names as they were.
	Printed bool
	// Values are the choices; the first is Linux 3.19's.
	Values []Choice
	// Excludes are the combinations with values of this axis that the
	// architecture rules out.
	Excludes []Exclusion

	slot uint8 // the index of its choice in Axes
}

// Value is a choice on an axis, as axis=value.
type Value string

// Choice describes a value.
type Choice struct {
	Value Value
	// Doc says in one sentence, for users, what it means.
	Doc string
	// Since is the release that brought it.
	Since string
	// Needs are the CPU features that it needs.
	Needs layout.Features
	// Puts are the instructions that it adds to the path, PutsOwn those that name a
	// function of the variant.
	Puts    Puts
	PutsOwn PutsOwn
	// Funcs are the functions that it adds to the variant; their names end in the suffix.
	Funcs func(v Axes, suffix string) []Func
	// Promises are the properties that it makes the prover demand of the path.
	Promises Promises
	// SFMask and Star are the bits of MSR_SYSCALL_MASK and MSR_STAR that it sets.
	SFMask, Star uint64
}

// Name returns the value without its axis.
func (c Choice) Name() string {
	_, name, _ := strings.Cut(string(c.Value), "=")
	return name
}

// Text returns everything that can be said about the value, in one line.
func (c Choice) Text() string {
	text := c.Doc + " (" + c.Since
	if c.Needs != 0 {
		text += "; the CPU must have " + c.Needs.String()
	}
	return text + ")"
}

// Exclusion is a combination that cannot be built.
type Exclusion struct {
	What string // in terms of the axes
	Why  string // in terms of the architecture
	Is   func(Axes) bool
}

// Puts are the blocks that a value puts into the path, by moment.
type Puts map[Moment]func(Axes) Block

// PutsOwn are the blocks at BeforeHandler that name functions of the variant: such names
// end in its suffix.
type PutsOwn func(v Axes, suffix string) Block

// Moment is a place in the path at which axes put instructions.
type Moment uint8

// The moments, in the order in which a call passes them.
const (
	// AtEntry is at the first instruction after SYSCALL. GS and RSP are the
	// user's. Nothing may be clobbered.
	AtEntry Moment = iota
	// BeforeStack comes with the kernel's GS, and the user's RSP in the scratch word.
	// Only RSP may be clobbered.
	BeforeStack
	// OnStack comes with RSP at the top of the thread's stack. Nothing may be clobbered.
	OnStack
	// SPSafe is where the user's RSP has left the scratch word, if it ever does.
	// Nothing may be clobbered.
	SPSafe
	// FrameBuilt comes when every register that the frame keeps is in it. The path
	// still needs RAX and, unless slow=only, the registers of the handler's
	// arguments.
	FrameBuilt
	// BeforeHandler is the last moment before the call's number is tested. RAX, RCX
	// and RDX may be clobbered: the path loads them again after the block.
	BeforeHandler
	// BeforeDispatch is the last moment before the handler is looked up. Nothing may
	// be clobbered.
	BeforeDispatch
	// BeforeExit comes with interrupts off for good, and none of the user's registers
	// loaded yet except callee-saved ones. RAX, RCX and RDX may be clobbered: the
	// path loads them after the block.
	BeforeExit
	// OnTrampoline comes with RSP on the trampoline stack and the user's RDI on top.
	// Only RDI may be clobbered.
	OnTrampoline
	// BeforeReturn is between SWAPGS and SYSRETQ or IRETQ: every register is the
	// user's, as is GS. Flags may be clobbered, and nothing else.
	BeforeReturn
	// GoesOn is in the context switch, where a thread that was switched out continues:
	// RSI is the thread, RSP its stack. RDI, RSI and, with switch=call, RBP are still
	// needed.
	GoesOn
)

// registry holds the axes by rank, and the position of each value.
var registry struct {
	axes   []*Axis
	values map[Value]position
}

// position says where a value is: its axis, and its index there from 0 on.
type position struct {
	axis *Axis
	n    uint8
}

// Register adds an axis. It panics if the declaration is unsound: a name or
// rank that is taken, no values, one without a text, or too many axes.
func Register(a Axis) *Axis {
	if err := a.check(); err != nil {
		panic(fmt.Sprintf("stubs: axis %q: %v", a.Name, err))
	}
	if registry.values == nil {
		registry.values = map[Value]position{}
	}
	a.slot = uint8(len(registry.axes))
	if a.Of != "" {
		a.Excludes = append(slices.Clone(a.Excludes), Exclusion{
			What: a.Name + " without " + a.of(),
			Why:  a.OfWhy,
			Is:   func(v Axes) bool { return v.choice[a.slot] != 0 && !a.in(v) },
		})
	}
	for n, c := range a.Values {
		registry.values[c.Value] = position{&a, uint8(n)}
	}
	registry.axes = append(registry.axes, &a)
	slices.SortFunc(registry.axes, func(x, y *Axis) int { return cmp.Compare(x.Rank, y.Rank) })
	return &a
}

// of names the values that the axis wants.
func (a *Axis) of() string {
	names := []string{string(a.Of)}
	for _, value := range a.Or {
		names = append(names, string(value))
	}
	return strings.Join(names, " or ")
}

// in reports whether the axis applies to the variant.
func (a *Axis) in(v Axes) bool { return a.Of == "" || v.Is(a.Of) || slices.ContainsFunc(a.Or, v.Is) }

// check reports what is wrong with a declaration.
func (a *Axis) check() error {
	switch {
	case a.Name == "" || a.Doc == "" || len(a.Values) == 0:
		return fmt.Errorf("want a name, a text and values")
	case len(registry.axes) == maxAxes:
		return fmt.Errorf("a variant has room for %d axes", maxAxes)
	}
	for _, other := range registry.axes {
		if other.Name == a.Name || other.Rank == a.Rank {
			return fmt.Errorf("axis %s has this name or rank (%d)", other.Name, other.Rank)
		}
	}
	if a.Of != "" {
		if at, ok := registry.values[a.Of]; !ok || at.axis.Rank > a.Rank || a.OfWhy == "" {
			return fmt.Errorf("Of is %q: want a value of an axis of lower rank, registered before, and OfWhy", a.Of)
		}
	}
	for _, c := range a.Values {
		if name, value, _ := strings.Cut(string(c.Value), "="); name != a.Name || value == "" || c.Doc == "" || c.Since == "" {
			return fmt.Errorf("value %q: want %s=NAME, with a text and a release", c.Value, a.Name)
		}
	}
	return nil
}

// AllAxes returns all axes, in the order in which String prints them.
func AllAxes() []*Axis { return slices.Clone(registry.axes) }

// axisNamed returns an axis.
func axisNamed(name string) (*Axis, error) {
	for _, a := range registry.axes {
		if a.Name == name {
			return a, nil
		}
	}
	names := make([]string, len(registry.axes))
	for i, a := range registry.axes {
		names[i] = a.Name
	}
	return nil, fmt.Errorf("no axis %q: %s`entrylab variants` lists them", name, near.Hint(name, names))
}

// find returns the position of axis=value.
func find(text string) (position, error) {
	if at, ok := registry.values[Value(text)]; ok {
		return at, nil
	}
	name, value, _ := strings.Cut(text, "=")
	a, err := axisNamed(name)
	if err != nil {
		return position{}, err
	}
	names := make([]string, len(a.Values))
	for i, c := range a.Values {
		names[i] = c.Name()
	}
	return position{}, fmt.Errorf("axis %s has no value %q: %swant one of %s", name, value, near.Hint(value, names), strings.Join(names, ", "))
}

// choices yields what v chooses, in the order of the axes.
func (v Axes) choices(yield func(*Axis, Choice) bool) {
	for _, a := range registry.axes {
		if !yield(a, a.Values[v.choice[a.slot]]) {
			return
		}
	}
}

// beforeHandlerAt emits at(BeforeHandler), and the blocks that name functions of the
// variant.
func (v Axes) beforeHandlerAt(suffix string) Block {
	var b Block
	for _, c := range v.choices {
		if put := c.Puts[BeforeHandler]; put != nil {
			b = append(b, put(v)...)
		}
		if c.PutsOwn != nil {
			b = append(b, c.PutsOwn(v, suffix)...)
		}
	}
	return b
}

// funcs returns the functions that the variant's values add to it.
func (v Axes) funcs(suffix string) []Func {
	var list []Func
	for _, c := range v.choices {
		if c.Funcs != nil {
			list = append(list, c.Funcs(v, suffix)...)
		}
	}
	return list
}

// puts reports whether the variant's axes put instructions into the path at one of the
// moments.
func (v Axes) puts(moments ...Moment) bool {
	for _, c := range v.choices {
		for m, put := range c.Puts {
			if slices.Contains(moments, m) && put(v) != nil {
				return true
			}
		}
	}
	return false
}

// at returns the instructions that the variant's axes put into the path at a moment
// other than BeforeHandler.
func (v Axes) at(m Moment) Block {
	var b Block
	for _, c := range v.choices {
		if put := c.Puts[m]; put != nil {
			b = append(b, put(v)...)
		}
	}
	return b
}
