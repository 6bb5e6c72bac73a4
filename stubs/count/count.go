// Package count counts the instructions, bytes, loads, stores and GS-relative accesses of
// the code of a variant's entry, exit, fix-up, restore and context switch, the times
// that the user's RSP goes through memory, and cache lines.
// Nothing is booted.
//
// It counts the instructions that package prove meets on the common path through the
// emitted bytes (prove.Walk), each with the memory that it touches. A branch that is
// not taken counts, but not the code that it would lead to. A variant through which
// prove finds no such path has no counts.
//
// # Why there are no cycles
//
// Cycles are not predicted from these counts. The tools that do so (llvm-mca, OSACA)
// lack a stack engine or store forwarding, and have placeholders for SYSCALL, SYSRET
// and SWAPGS. For the entries counted here their error is larger than the difference
// between variants, and they disagree with the CPU on which variant is faster. What a
// store or a forwarded load costs depends on the code around it: the engines replay
// and kvm measure that.
package count

import (
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Phase is a part of a variant's code by its place in a call.
type Phase struct {
	// Name is a word for keys, Title for readers, Bench for Go's benchmark
	// format.
	Name, Title, Bench string
	steps              func(*prove.Walk) []prove.Step
}

// syscallLen is the size of the instruction by which a call begins. It is in the program
// that makes the call, and touches no word of memory (SDM volume 2, SYSCALL) but for
// what FRED delivers.
const syscallLen = 2

// entry and exit are the phases that package stubs defines. The handler is not part of
// the variant, and not counted.
func entry(w *prove.Walk) []prove.Step {
	return append([]prove.Step{{Len: syscallLen, Accesses: w.Delivery}}, w.Entry...)
}
func exit(w *prove.Walk) []prove.Step { return w.Exit }

// Phases are all phases, in the order of tables.
var Phases = []Phase{
	{stubs.PhaseEntry.Name, stubs.PhaseEntry.Title, "Entry", entry},
	{stubs.PhaseExit.Name, stubs.PhaseExit.Title, "Exit", exit},
	{"call", "both: a null call without its handler", "Call", func(w *prove.Walk) []prove.Step { return append(entry(w), exit(w)...) }},
	{"fix-up", "fix-up, on the way to a handler that needs full pt_regs", "FixUp", func(w *prove.Walk) []prove.Step { return w.FixUp }},
	{"restore", "restore, on the way back from it", "Restore", func(w *prove.Walk) []prove.Step { return w.Restore }},
	{"switch-out", "context switch, leaving", "SwitchOut", func(w *prove.Walk) []prove.Step { return w.Out }},
	{"switch-in", "context switch, coming back", "SwitchIn", func(w *prove.Walk) []prove.Step { return w.In }},
}

// Counts are the counts of one phase. An instruction that reads and writes memory,
// such as a push from memory, is a load and a store. The words that FRED delivers are
// stores, those that IRETQ and ERETU pop are loads; what these, SYSCALL and SYSRET take
// from descriptors and MSRs is neither.
type Counts struct {
	// Steps are the instructions that are counted, in the order of a call.
	Steps         []prove.Step
	Instructions  int
	Bytes         int // of the instructions
	Loads, Stores int
	// GS is how many of the loads and stores are relative to GS.
	GS int
	// Forwards is how often the user's RSP is loaded from where it was stored
	// before. With 1 for a whole call, the exit waits for the store at the
	// entry; with 2 that word has also been copied through a register, and so on.
	Forwards int
	// Lines is how many lines of 64 bytes the loads and stores touch, in the
	// per-CPU area, on the kernel stack, in the threads and in sys_call_table.
	// LinesBeyond counts the lines that a null call of [Reference] does not touch. In
	// the context switch, the stack is assumed to begin with a line.
	Lines, LinesBeyond int
}

// Reference is the variant whose null call touches the lines that any call
// touches.
const Reference = "linux-3.19"

// Metric is one of the counts.
type Metric struct {
	Title string
	// Bench names the metric in keys, and its unit in Go's benchmark format.
	Bench string
	// Unit is what it counts, as records name it (record.Units).
	Unit string
	Of   func(Counts) int
}

var metrics = []Metric{
	{"instructions", "insns", "instructions", func(c Counts) int { return c.Instructions }},
	{"bytes", "code-bytes", "bytes", func(c Counts) int { return c.Bytes }},
	{"loads", "loads", "loads", func(c Counts) int { return c.Loads }},
	{"stores", "stores", "stores", func(c Counts) int { return c.Stores }},
	{"of these relative to GS", "gs-accesses", "accesses", func(c Counts) int { return c.GS }},
	{"forwards of the user's RSP", "rsp-forwards", "forwards", func(c Counts) int { return c.Forwards }},
	{"cache lines", "lines", "lines", func(c Counts) int { return c.Lines }},
	{"of these beyond " + Reference + "'s null call", "lines-beyond", "lines", func(c Counts) int { return c.LinesBeyond }},
}

// Metrics returns all counts, in the order of tables.
func Metrics() []Metric { return slices.Clone(metrics) }

// Register adds a count behind those that there are. It is called when the program
// starts, and panics if the key is taken or something is missing.
func Register(m Metric) {
	if m.Title == "" || m.Bench == "" || m.Unit == "" || m.Of == nil || slices.ContainsFunc(metrics, func(n Metric) bool { return n.Bench == m.Bench }) {
		panic(fmt.Sprintf("count: metric %q is registered twice, or lacks a title, a unit or a function", m.Bench))
	}
	metrics = append(metrics, m)
}

// Variant is the counts of one variant.
type Variant struct {
	Name string
	// OwnExit is set if a full-frame call does not return to the exit that the other
	// calls use: its restore then continues to ring 3.
	OwnExit bool
	// Tree is set if a tree of comparisons finds the handler. It is the kernel's, as
	// how deep a number lies in it depends on the calls that the kernel has, and is not
	// counted.
	Tree bool
	// Counts are by phase, in the order of Phases.
	Counts []Counts
	UserSP UserSP
}

// Notes returns what a reader of the counts of these variants must know.
func Notes(variants []Variant) []string {
	notes := []string{
		"Each instruction of a straight path counts once: no work is pending, nothing interrupts, and the handler's instructions are left out.",
		"A line is 64 bytes of data: of the per-CPU area, the kernel stack, the threads and sys_call_table.",
		"A forward is a load of the user's RSP from where it was stored before.",
		"Linux 3.19 has usersp in thread_struct, beside other words that its __switch_to touches, wherever in a line that begins: there it adds no line of a thread, only old_rsp's, which a system call has just touched.",
		"No cycles are predicted: what a store or a forward costs depends on the code around it. The engines replay and kvm measure it.",
	}
	for _, v := range variants {
		if v.OwnExit {
			notes = append(notes, v.Name+": a full-frame call has its own exit, so its restore continues to ring 3.")
		}
		if v.Tree {
			notes = append(notes, v.Name+": the comparisons by which x64_sys_call finds the handler are left out, as they are the kernel's; engine icount counts them.")
		}
	}
	return notes
}

// Variants counts the code of each variant in a program of its own.
func Variants(list []stubs.Variant) ([]Variant, error) {
	return count(list, prove.WalkVariant)
}

// Object counts the code of variants that are in a linked program.
func Object(obj *asm.Object, list []stubs.Variant) ([]Variant, error) {
	return count(list, func(n stubs.Variant) (*prove.Walk, error) { return prove.WalkObject(obj, n) })
}

func count(list []stubs.Variant, walk func(stubs.Variant) (*prove.Walk, error)) ([]Variant, error) {
	anyway, err := reference()
	if err != nil {
		return nil, err
	}
	var out []Variant
	for _, n := range list {
		w, err := walk(n)
		if err != nil {
			return nil, fmt.Errorf("count: %w", err)
		}
		v := Variant{Name: n.Name, OwnExit: w.OwnExit, Tree: n.Axes.Is(stubs.DispatchTree)}
		for _, p := range Phases {
			v.Counts = append(v.Counts, of(p.steps(w), anyway))
		}
		v.UserSP.Lines, v.UserSP.Beyond = userSPOf(w, false, 0, anyway)
		v.UserSP.OwnLines, v.UserSP.OwnBeyond = userSPOf(w, true, 0, anyway)
		out = append(out, v)
	}
	return out, nil
}

// reference returns the lines that a null call of Reference touches.
func reference() (map[line]bool, error) {
	n, err := stubs.ParseVariant(Reference)
	if err != nil {
		return nil, err
	}
	w, err := prove.WalkVariant(n)
	if err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return lines(slices.Concat(w.Entry, w.Exit)), nil
}

// of counts the steps.
func of(steps []prove.Step, anyway map[line]bool) Counts {
	c := Counts{Steps: steps, Instructions: len(steps)}
	for _, s := range steps {
		c.Bytes += s.Len
		for _, a := range s.Accesses {
			if a.Store {
				c.Stores++
			} else {
				c.Loads++
			}
			if a.GS {
				c.GS++
			}
		}
		if s.RSP && s.Loads() {
			c.Forwards++
		}
	}
	touched := lines(steps)
	c.Lines = len(touched)
	for l := range touched {
		if l.area == prove.AreaNext { // touched by the next thread's calls
			l.area = prove.AreaThread
		}
		if !anyway[l] {
			c.LinesBeyond++
		}
	}
	return c
}

// line is a cache line by its place in an area; all areas begin with a line.
type line struct {
	area prove.Area
	n    int64
}

const lineShift = 6 // 64 bytes

// lines returns the lines that the steps touch. No access crosses the end of a line:
// the proof allows none across the end of a word.
func lines(steps []prove.Step) map[line]bool {
	touched := map[line]bool{}
	for _, s := range steps {
		for _, a := range s.Accesses {
			touched[line{a.Area, a.Off >> lineShift}] = true
		}
	}
	return touched
}
