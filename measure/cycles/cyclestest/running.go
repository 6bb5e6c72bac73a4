package cyclestest

import (
	"math/rand/v2"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
)

// Kernels is a machine that boots kernels in turn and samples each boot as the engine
// host does.
type Kernels struct {
	// Names are the kernels, Costs the cycles of a null call of each.
	Names []string
	Costs []float64
	// Boots has the index of each boot's kernel, in their order.
	Boots []int
	// Apart is the standard deviation between boots, Within that between the processes of
	// one boot, Drift what each boot takes more than the one before.
	Apart, Within, Drift float64
	// One is what the control that costs a cycle more reads.
	One float64
}

// processes are those of a boot.
const processes = 8

// Records returns what is kept of each boot.
func (k Kernels) Records(rng *rand.Rand) [][]record.Record {
	var all [][]record.Record
	begin := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for i, of := range k.Boots {
		effect := k.Apart*rng.NormFloat64() + k.Drift*float64(i)
		var list []record.Record
		for p := range processes {
			b := cycles.Boot{ID: uint64(i+1)<<16 | uint64(p), Config: record.Config{
				Build: "test", Code: "c0de" + k.Names[of], Engine: "host", Machine: "host", CPU: "a CPU", Host: "a CPU",
			}}
			add := func(label, op, unit string, value float64) {
				b.Figures = append(b.Figures, cycles.Figure{
					Label: label, Op: op, Unit: unit, N: 500, Samples: 9, Low: value, Min: value - 1, Median: value + 1, Max: value + 9,
				})
			}
			noise := func() float64 { return k.Within * rng.NormFloat64() }
			cost := k.Costs[of] + effect
			add(k.Names[of], wire.OpNullCall, record.Cycles, cost+noise())
			add(wire.LabelAgain, wire.OpNullCall, record.Cycles, cost+noise())
			add(wire.LabelLoop, wire.OpNullCall, record.Cycles, 2)
			add(k.Names[of], wire.OpUnknownCall, record.Cycles, 100+effect+noise())
			add(wire.LabelCalibration, wire.OpDoseNone, record.Cycles, 200+effect)
			add(wire.LabelCalibration, wire.OpDoseOne, record.Cycles, 200+effect+k.One+noise()/4)
			add(wire.LabelCalibration, wire.OpClock, record.Ticks, 30)
			add(wire.LabelCalibration, wire.OpStep, record.Ticks, 1)
			add(wire.LabelCalibration, wire.OpChain, record.Ticks, 50)
			list = append(list, b.Records(nil, begin.Add(time.Duration(i)*time.Hour+time.Duration(p)*time.Second))...)
		}
		all = append(all, list)
	}
	return all
}
