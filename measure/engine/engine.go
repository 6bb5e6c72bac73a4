// Package engine has the ways of running entry paths. Each is one file, which
// registers an Engine; code that measures, compares or prints asks the registry, and
// no other package knows an engine by its name.
//
// An engine plans steps for a list of subjects, and the steps hand out records.
// Package analysis says what the records mean.
package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/stubs"
)

// Kind says how certain an engine's figures are.
type Kind string

// The kinds of engines.
const (
	// Exact figures are counts, the same in every run.
	Exact Kind = "exact"
	// Sampled figures are times with noise, which need intervals and controls.
	Sampled Kind = "sampled"
)

// Engine is a way of running entry paths. Figures of different engines never share
// a column.
type Engine struct {
	// Name is the engine's name in flags, records and tables.
	Name string
	// About says in a few words what it does, for help texts.
	About string
	Kind  Kind
	// Unit is the unit of its figures, one of record.Units; empty if its operations have
	// several.
	Unit string
	// Includes says what is in a figure, for the heading of tables.
	Includes string
	// Rank is its place in tables and in a study, which begins with the least.
	Rank int
	// Call is the operation that has the instructions of a null call without its handler,
	// if the operations have several units; else it is empty.
	Call string
	// Ops are its operations in the order of tables, the most telling one first.
	Ops []Op
	// opsOf, if not nil, returns them. It is called once all packages are initialized, as
	// more of them may be registered after the engine.
	opsOf func() []Op

	// VM is the machine that it boots, and Defaults are the machine's settings; empty: it
	// boots none.
	VM       vm.Engine
	Defaults Defaults
	// Emulated is set if the host's CPU does not influence the figures, so that they are
	// the same on every host.
	Emulated bool
	// Features are the features of its CPU that the CPUs of other emulators lack.
	Features layout.Features
	// Hypervisor is the hypervisor's signature that CPUID shows to a guest on it, "-" if
	// there is none; empty: no guest runs on it.
	Hypervisor string

	// Costless says why its figures are not the costs of a call, so that variants cannot
	// be compared by it. Empty: they are.
	Costless string
	// Meaningless says why the cycles that it samples are not those of a real CPU. Empty:
	// they are, if the host's CPU is real (MeaninglessOn).
	Meaningless string
	// Unseen names the part of a call that it does not run. Then it has no absolute costs
	// and cannot compare paths that differ in that part. Empty: it runs the whole call.
	Unseen string

	// Forms are its ways of measuring one operation, if there are several: the first
	// has the figure to print, the others are its band.
	Forms []string
	// Unstepped is the form in which nothing waits for whole cycles, so that differences
	// do not come in steps.
	Unstepped string
	// Sample is the unit of resampling of a sampled engine, and Process what makes
	// several of them: "boot", or "placement" in a "process".
	Sample, Process string
	// Quieter says what to do where its samples are refused because they are noisy, as the
	// end of a sentence; it may be empty.
	Quieter string
	// Cuts is set if it boots real kernels only to cut their code out.
	Cuts bool
	// Notes returns what a reader of the figures must know about one run or, given nil,
	// about any run. It may be nil.
	Notes func(*Account) []string

	// Available reports why this host cannot run it, or nil.
	Available func(context.Context) error
	// Plan returns the steps that measure. It is nil for an engine whose figures only
	// come from elsewhere.
	Plan func(context.Context, Job) ([]Step, error)

	// Choose, if not nil, makes this a choice between other engines: it returns one
	// that this host has and, where that is not the first choice, why not in a line.
	Choose func(context.Context) (e Engine, reason string, err error)
	// Verify, if not nil, makes the guest's checks on a kernel that entrylab did not
	// boot. It returns what was found.
	Verify func(context.Context) (*wire.Results, error)
	// Running, if not nil, samples the kernel that runs, which entrylab did not boot. Its
	// records of this boot of the machine follow the old ones; step is called with the name
	// of each slow step.
	Running func(ctx context.Context, old []record.Record, step func(string)) (*Ran, error)
}

// MeaninglessOn says why the cycles that the engine samples on a host, by its CPU's name
// in records, are not those of a real CPU. Empty: they are.
func (e Engine) MeaninglessOn(cpu string) string {
	if e.Meaningless == "" && e.Kind == Sampled && host.Emulated(cpu) {
		return emulatorsClock
	}
	return e.Meaningless
}

// Op is an operation of an engine.
type Op struct {
	record.Operation
	// Unit is the unit of its figure in Go's benchmark format; empty: the record's.
	Unit string
	// Group is the title of the group of operations to which it belongs; empty: none.
	Group string
}

// ops makes operations that need no more than their names.
func ops(lists ...[]record.Operation) []Op {
	var all []Op
	for _, o := range slices.Concat(lists...) {
		all = append(all, Op{Operation: o})
	}
	return all
}

// Title returns the name of an operation in the engine's tables.
func (e Engine) Title(op string) string {
	if i := slices.IndexFunc(e.Ops, func(o Op) bool { return o.Op == op }); i >= 0 {
		return e.Ops[i].Title
	}
	return OperationOf(op).Title
}

// OperationOf returns the operation of that name of any engine. The titles of an
// unknown operation are its name.
func OperationOf(op string) record.Operation {
	for _, e := range registry {
		ops := e.resolved().Ops
		if i := slices.IndexFunc(ops, func(o Op) bool { return o.Op == op }); i >= 0 {
			return ops[i].Operation
		}
	}
	return record.Operation{Op: op, Title: op, Short: op, Bench: op}
}

// Defaults are what an engine measures with unless a job says otherwise.
type Defaults struct {
	Machine vm.Machine
	// CPU is the emulator's name of the model.
	CPU string
	// Boots is how many boots or processes it measures in.
	Boots int
	// Samples is how many samples of each operation a boot of a study takes; 0 leaves
	// that to the guest.
	Samples int
}

// Job is what an engine is asked to measure.
type Job struct {
	// Subjects are measured together, the first as the base of sampled
	// differences.
	Subjects []stubs.Variant
	// Kernels are real kernels, each measured in a boot of its own.
	Kernels []*Linux
	// Base, if not empty, is the name of the subject or kernel that the others are compared
	// with, which otherwise is the first of the subjects.
	Base string
	// Machine is what the user asks of the machine; a field that is empty or 0 means the
	// engine's default.
	Machine vm.Config
	// Verify is set if the subjects are also to be checked. Then the machine runs even if
	// all figures exist already.
	Verify bool
	// Study is set for long work, whose steps can be resumed one by one.
	Study bool
	// Boots and Samples, if not 0, take the place of those of Defaults.
	Boots, Samples int
	// Progress, if not nil, is called with the name of each slow step.
	Progress func(string)

	old []record.Record // the Runner's
}

func (j *Job) step(format string, args ...any) {
	if j.Progress != nil {
		j.Progress(fmt.Sprintf(format, args...))
	}
}

// axes returns the subjects' axes by name.
func (j *Job) axes() map[string]string {
	axes := map[string]string{}
	for _, n := range j.Subjects {
		axes[n.Name] = n.Axes.String()
	}
	return axes
}

// Step is a part of an engine's work, which is skipped if its figures exist already.
type Step struct {
	Title string
	// Config is what its figures are measured with.
	Config record.Config
	// Account is what is known about the figures without a run.
	Account Account
	// Done reports whether all its figures are among the records.
	Done func([]record.Record) bool
	// Run measures, and hands out what it finds.
	Run func(context.Context, Out) error
	// Judged is set if the figures are kept only if their own controls are right.
	Judged bool
}

// Out receives what a step finds.
type Out struct {
	// Records receives figures as they are measured; those of one call are kept together
	// or not at all.
	Records func(...record.Record) error
	// Checks receives outcomes of checks, Account what a run reports about itself.
	Checks  func([]wire.Check)
	Account func(Account)
	// Vulnerabilities receives what a real kernel, by its name in records, says about the
	// CPU.
	Vulnerabilities func(kernel string, said []wire.Vulnerability)
}

// Account is what a run reports about itself in addition to its records.
type Account struct {
	// On describes what it ran on in more detail than a record's host.
	On string `json:"on,omitempty"`
	// CommandLine is the shell command that starts the same machine; empty: no machine
	// ran.
	CommandLine string `json:"-"`
	// Keys are further facts, for the formats that machines read.
	Keys []Key `json:"keys,omitempty"`
	// Disturbed says what was dropped, and why.
	Disturbed string `json:"disturbed,omitempty"`
	// CyclesPerTick is the ratio by which ticks of the clock were turned into cycles.
	CyclesPerTick float64 `json:"cycles_per_tick,omitempty"`
	// Apart gives, for subjects that cannot be compared with the base, the reason.
	Apart map[string]string `json:"apart,omitempty"`
	// Cuts say what of each path was replayed, where they were cut from a machine.
	Cuts []replay.Cut `json:"-"`
	// CutOn is the machine.
	CutOn string `json:"-"`
	// Notes are what a reader must know about the subjects.
	Notes []string `json:"-"`
}

// Key is a fact by its name.
type Key struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// wholeCall is what the figures of engines that run calls on a machine include.
const wholeCall = "SYSCALL and SYSRET included, the measuring loop subtracted"

var registry []Engine

// Register adds an engine. It is called when the program starts, and panics if the
// name is taken.
func Register(e Engine) {
	if e.Name == "" || slices.ContainsFunc(registry, func(o Engine) bool { return o.Name == e.Name }) {
		panic(fmt.Sprintf("engine: %q is registered twice, or has no name", e.Name))
	}
	registry = append(registry, e)
	slices.SortStableFunc(registry, func(a, b Engine) int { return cmp.Compare(a.Rank, b.Rank) })
}

// registered returns the engines that are what is asked for, by rank.
func registered(is func(Engine) bool) []Engine {
	var list []Engine
	for _, e := range registry {
		if is(e) {
			list = append(list, e.resolved())
		}
	}
	return list
}

// resolved returns the engine with its operations filled in.
func (e Engine) resolved() Engine {
	if e.opsOf != nil {
		e.Ops = e.opsOf()
	}
	return e
}

// All returns the engines that run entry paths of subjects, by rank.
func All() []Engine {
	return registered(func(e Engine) bool { return e.Choose == nil && e.Verify == nil })
}

// Choices returns the choices between engines.
func Choices() []Engine {
	return registered(func(e Engine) bool { return e.Choose != nil })
}

// Verifying returns the engines that check a kernel without booting one.
func Verifying() []Engine {
	return registered(func(e Engine) bool { return e.Verify != nil })
}

// Runs returns the engines that sample the kernel that runs.
func Runs() []Engine {
	return registered(func(e Engine) bool { return e.Running != nil })
}

// Measuring returns the engines with which this program measures costs, by rank.
func Measuring() []Engine {
	return registered(func(e Engine) bool { return e.Choose == nil && e.Verify == nil && e.Plan != nil && e.Costless == "" })
}

// Names returns the names of engines.
func Names(engines []Engine) []string {
	names := make([]string, len(engines))
	for i, e := range engines {
		names[i] = e.Name
	}
	return names
}

// Find returns the engine with that name.
func Find(name string) (Engine, bool) {
	i := slices.IndexFunc(registry, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return Engine{}, false
	}
	return registry[i].resolved(), true
}

// Of returns the engine with that name. An unknown name means a machine on which a
// guest took samples; it ranks last.
func Of(name string) Engine {
	if e, ok := Find(name); ok {
		return e
	}
	return Engine{
		Name: name, Kind: Sampled, Unit: record.Cycles, Includes: wholeCall, Rank: 1 << 16,
		Ops: ops(record.Sampled), Sample: "boot",
	}
}

// onHypervisor returns the name of the engine on which a guest finds this hypervisor
// signature.
func onHypervisor(signature string) string {
	for _, e := range registry {
		if e.Hypervisor == signature {
			return e.Name
		}
	}
	return "hypervisor " + signature
}

// MachineID returns the same text for two configurations only if their figures can be
// compared. An emulator's counts do not depend on the host; cycles do, and on its
// microcode.
func MachineID(c record.Config) string {
	words := []string{"engine " + c.Engine, "machine " + c.Machine, "CPU " + c.CPU}
	if c.Emulator != "" {
		words = append(words, c.Emulator)
	}
	if !Of(c.Engine).Emulated {
		words = append(words, "on "+c.Host)
		if c.Microcode != "" {
			words = append(words, "microcode "+c.Microcode)
		}
	}
	return strings.Join(words, ", ")
}

// Same reports whether two configurations are of the same code on the same machine.
// It does not matter which build of entrylab made the code.
func Same(a, b record.Config) bool { return a.Code == b.Code && MachineID(a) == MachineID(b) }

// OneMachine returns an error if records of one engine are of different machines:
// these must not be compared.
func OneMachine(records []record.Record) error {
	seen := map[string][]string{} // engine: machines
	known := map[record.Config]bool{}
	var engines []string
	for i := range records {
		c := records[i].Config
		if known[c] {
			continue
		}
		known[c] = true
		if seen[c.Engine] == nil {
			engines = append(engines, c.Engine)
		}
		if id := MachineID(c); !slices.Contains(seen[c.Engine], id) {
			seen[c.Engine] = append(seen[c.Engine], id)
		}
	}
	for _, e := range engines {
		if ids := seen[e]; len(ids) > 1 {
			return fmt.Errorf("the results are of %d machines: %s", len(ids), strings.Join(ids, "; "))
		}
	}
	return nil
}
