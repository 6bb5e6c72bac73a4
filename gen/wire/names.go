package wire

import "strings"

// Floor is the variant that keeps nothing and answers only the null call. No
// other thread can run under it, so it is measured apart: it has a figure, and no
// difference from another variant.
const Floor = "bare"

// Linux names the single entry path of a Linux kernel, and takes the place of the
// hash of its code.
const Linux = "linux"

// CheckTrace is the name of the check that a traced call was made, and the beginning of
// the names of what belongs to it.
const CheckTrace = "trace"

// Labels of what is sampled in addition to the variants, to prove and to calibrate a
// run. No variant's name begins with a dash.
const (
	// LabelAgain is the first variant, sampled a second time: the true difference is 0.
	LabelAgain = "-again"
	// LabelLoop is the measuring loop alone.
	LabelLoop = "-loop"
	// LabelCalibration is the label of the calibration's operations.
	LabelCalibration = "-calibration"
)

// IsControl reports whether a label does not name a variant.
func IsControl(label string) bool { return strings.HasPrefix(label, "-") }

// Operations of the calibration.
const (
	// OpChain is a chain of dependent instructions: a round takes ChainLength
	// core cycles.
	OpChain = "chain"
	// OpDoseNone is null calls, each followed by a chain, under the first variant;
	// OpDoseOne is the same with one cycle more.
	OpDoseNone = "dose-none"
	OpDoseOne  = "dose-one"
	// OpClock reads the time-stamp counter twice, with nothing between.
	OpClock = "clock"
	// OpStep is the resolution of the time-stamp counter.
	OpStep = "step"
)

// ChainLength is the number of core cycles of a round of OpChain.
const ChainLength = 64

// Clocks that count a series.
const (
	CounterTSC          = "tsc"          // ticks of the time-stamp counter
	CounterCycles       = "cycles"       // core cycles that were not halted, in both rings
	CounterInstructions = "instructions" // instructions retired, in both rings
)

// Explaining are the events that explain cycles, which a CPU may count beside them, in both
// rings: loads that waited because what a store before them wrote could not be forwarded;
// micro-operations; and what the front end left empty, which are slots for these or, on
// AMD's CPUs before Zen 4, cycles.
var Explaining = [...]string{CounterBlocked, CounterMicroOps, CounterFrontEnd}

// Counters of Explaining.
const (
	CounterBlocked  = "blocked-forwards"
	CounterMicroOps = "micro-operations"
	CounterFrontEnd = "front-end-empty"
)

// EngineBochs is the engine that must tell the guest its name, as CPUID does not show it.
const EngineBochs = "bochs"

// EngineVariable is the variable of init's environment that names an engine
// which CPUID does not show.
const EngineVariable = "ENGINE"
