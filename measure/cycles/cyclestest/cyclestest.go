// Package cyclestest simulates machines that sample, for tests.
package cyclestest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
)

// Machine is a machine of known truth on which a guest samples: it prints what
// the guest would print.
type Machine struct {
	Boots, Samples int
	// Truth is how much more variant "b" takes than variant "a", in cycles.
	Truth float64
	// Place is what a boot's addresses add to a variant, with mean 0.
	Place func(*rand.Rand) float64
	// Drift is added to both at the share done of a boot, and Speed is the
	// core's cycles for a tick in a boot.
	Drift func(done float64) float64
	Speed func(*rand.Rand) float64
	// Spike disturbs a sample, by cycles for each operation.
	Spike func(*rand.Rand) float64
	// Resolution is the step of the clock in ticks.
	Resolution float64
	// Again and PositiveControl are the errors of the A/A and the positive control.
	Again, PositiveControl float64
	// Miscount is what the cycle counter gives for a cycle, Floor what the floor
	// takes; Lacks are operations of the calibration, and labels, that are not
	// sampled.
	Miscount, Floor float64
	Lacks           []string
	// Hypervisor is the signature of one, empty for none.
	Hypervisor string
	Counters   bool
}

func none(*rand.Rand) float64 { return 0 }
func flat(float64) float64    { return 0 }

// Normal makes the placements of a normal distribution.
func Normal(r *rand.Rand) float64 { return 0.8 * r.NormFloat64() }
func steady(*rand.Rand) float64   { return 1.3 }

// Turbo models a core whose speed differs from boot to boot.
func Turbo(r *rand.Rand) float64 { return 1.2 + 0.2*r.Float64() }

// Bimodal models three alignments in four that cost more than the other.
func Bimodal(r *rand.Rand) float64 {
	if r.IntN(4) == 0 {
		return -2.1
	}
	return 0.7
}

// Spikes models a preemption in 2 % of all samples, and in a third a busy neighbour.
func Spikes(r *rand.Rand) float64 {
	s := 0.3 * r.ExpFloat64()
	if r.Float64() < 0.02 {
		s += 1e4 * r.Float64()
	}
	if r.Float64() < 0.33 {
		s += 5 * r.Float64()
	}
	return s
}

// Quiet returns a machine without noise.
func Quiet(boots, samples int, truth float64) Machine {
	return Machine{
		Boots: boots, Samples: samples, Truth: truth, Place: none, Drift: flat, Speed: steady, Spike: none,
		Resolution: 1, Miscount: 1, Floor: 90, Hypervisor: "KVMKVMKVM",
	}
}

// Console returns what the guest prints in all boots.
func (m Machine) Console(rng *rand.Rand) string {
	var b strings.Builder
	for range m.Boots {
		b.WriteString(m.boot(rng))
	}
	return b.String()
}

func (m Machine) boot(rng *rand.Rand) string {
	var b strings.Builder
	id := rng.Uint64() >> 1
	machine := wire.Machine{Vendor: "GenuineIntel", Signature: 0x306c3, Hypervisor: m.Hypervisor, CPU: "Simulated CPU"}
	fmt.Fprintln(&b, wire.Sampling{Boot: id, Seed: 1, Samples: m.Samples, Counters: m.Counters, Code: "c0de", Machine: machine})
	speed, lines := m.Speed(rng), 0
	series := func(label, op string, n int, cycles float64) {
		if slices.Contains(m.Lacks, op) || slices.Contains(m.Lacks, label) {
			return
		}
		ticks, counted := make([]float64, m.Samples), make([]float64, m.Samples)
		for i := range ticks {
			total := float64(n) * (cycles + m.Spike(rng))
			if op == wire.OpNullCall { // long enough to drift
				total += float64(n) * m.Drift(float64(i)/float64(m.Samples))
			}
			begin := rng.Float64() * m.Resolution
			ticks[i] = math.Floor((begin+total/speed)/m.Resolution) * m.Resolution
			counted[i] = math.Round(total * m.Miscount)
		}
		emit := func(counter string, values []float64) {
			lines++
			b.WriteString(line(label, op, counter, n, values))
		}
		emit(wire.CounterTSC, ticks)
		if m.Counters {
			emit(wire.CounterCycles, counted)
			emit(wire.CounterInstructions, slices.Repeat([]float64{float64(50 * n)}, len(counted)))
			blocked := 0
			if label == "b" { // what makes it dearer
				blocked = n
			}
			emit(wire.CounterBlocked, slices.Repeat([]float64{float64(blocked)}, len(counted)))
			emit(wire.CounterMicroOps, slices.Repeat([]float64{float64(60 * n)}, len(counted)))
		}
	}
	const rounds = 500
	a := 150 + m.Place(rng)
	series("a", wire.OpNullCall, rounds, a)
	series("b", wire.OpNullCall, rounds, 150+m.Truth+m.Place(rng))
	series(wire.LabelAgain, wire.OpNullCall, rounds, a+m.Again)
	series(wire.LabelLoop, wire.OpNullCall, rounds, 2)
	for _, label := range []string{"a", "b"} {
		lines++
		fmt.Fprintln(&b, wire.Singles{Label: label, Op: wire.OpNullCall, Samples: 2000, Median: 300, P99: 330, P999: 400, Most: 5300})
	}
	series(wire.Floor, wire.OpNullCall, rounds, m.Floor)
	series(wire.LabelCalibration, wire.OpChain, rounds, wire.ChainLength)
	series(wire.LabelCalibration, wire.OpDoseNone, rounds, 200)
	series(wire.LabelCalibration, wire.OpDoseOne, rounds, 201+m.PositiveControl)
	series(wire.LabelCalibration, wire.OpClock, 1, 30)
	step := slices.Repeat([]float64{m.Resolution}, m.Samples)
	if !slices.Contains(m.Lacks, wire.OpStep) {
		lines++
		b.WriteString(line(wire.LabelCalibration, wire.OpStep, wire.CounterTSC, 1, step))
	}
	fmt.Fprintln(&b, wire.SamplingEnd{Boot: id, Lines: lines})
	fmt.Fprintln(&b, wire.Summary{})
	return b.String()
}

// line returns a series as the guest sends it.
func line(label, op, counter string, n int, values []float64) string {
	slices.Sort(values)
	s := wire.Series{Label: label, Op: op, Counter: counter, N: n, Samples: len(values)}
	for i := range s.Quantiles {
		s.Quantiles[i] = uint64(math.Round(values[i*(len(values)-1)/wire.Parts]))
	}
	return s.String() + "\n"
}

// KVMConfig is what the boots of Pretended were measured with.
var KVMConfig = record.Config{
	Build: "test", Code: "0011", Engine: "kvm", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU", Microcode: "0x1",
}

// Pretended returns what a boot samples on a machine where heukelum-v2 takes 2 cycles
// more than linux-3.19, and whose A/A control reads again and whose positive control, for
// a cycle more, the last argument.
func Pretended(boot int, again, dose float64) cycles.Boot {
	b := cycles.Boot{ID: uint64(boot), Source: fmt.Sprint("boot ", boot), Config: KVMConfig}
	jitter := 0.01 * float64(boot%5)
	add := func(label, op, unit string, value float64) {
		b.Figures = append(b.Figures, cycles.Figure{
			Label: label, Op: op, Unit: unit, N: 500, Samples: 9, Low: value, Min: value - 1, Median: value + 1, Max: value + 9,
		})
	}
	for i, op := range []string{wire.OpNullCall, wire.OpFullFrameCall} {
		cost := 150 + 30*float64(i) + jitter
		add("linux-3.19", op, record.Cycles, cost)
		add("heukelum-v2", op, record.Cycles, cost+2-4*float64(i)+jitter)
		add(wire.LabelAgain, op, record.Cycles, cost+again)
		add(wire.LabelLoop, op, record.Cycles, 2)
	}
	add(wire.Floor, wire.OpNullCall, record.Cycles, 90)
	add(wire.LabelCalibration, wire.OpChain, record.Ticks, 50)
	add(wire.LabelCalibration, wire.OpDoseNone, record.Cycles, 200)
	add(wire.LabelCalibration, wire.OpDoseOne, record.Cycles, 200+dose)
	add(wire.LabelCalibration, wire.OpClock, record.Ticks, 30)
	add(wire.LabelCalibration, wire.OpStep, record.Ticks, 1)
	return b
}
