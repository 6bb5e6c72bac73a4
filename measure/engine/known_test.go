package engine

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/store"
)

// TestKnown: a results file may have what some entrylab measured; anything else is
// refused with its line.
func TestKnown(t *testing.T) {
	minus := -1.0
	for _, tt := range []struct {
		name          string
		variant, axes string
		op            string
		engine        string // "": icount
		min           float64
		retired       *float64
		events        map[string]float64
		want          string // "": it is known
	}{
		{name: "a preset", variant: "linux-6.12", axes: "sp=percpu"},
		{name: "a changed preset", variant: "linux-6.12+buffers=verw", axes: "sp=percpu"},
		{name: "the floor", variant: "bare", axes: "bare"},
		{name: "a file", variant: "linux-4.1-mine", axes: "sp=percpu"},
		{name: "one's own", variant: "fenced", axes: "sp=percpu"},
		{name: "one's own from a console", variant: "fenced", axes: ownAxes},
		{name: "Linux", variant: linuxName + "6.1.0-28, mitigations=off"},
		{name: "Linux from a console", variant: wire.Linux},
		{name: "a phase", variant: "linux-6.12", axes: "sp=percpu", op: record.Phases[0].Op},
		{name: "a count", variant: "linux-6.12", axes: "sp=percpu", op: "loads/entry"},
		{name: "a control", variant: Control, op: ControlOp(Again, wire.OpNullCall, 0), min: -3},
		{name: "the base again", variant: wire.LabelAgain},
		{name: "a calibration", variant: wire.LabelCalibration, op: wire.OpChain},
		{name: "a rung", variant: Control, op: "ladder: 2 more, NOP", min: -3},
		{name: "a sample below zero", variant: "linux-6.12", axes: "sp=percpu", engine: "kvm", min: -1},

		{name: "unknown operation", variant: "linux-6.12", axes: "sp=percpu", op: "nul-call", want: `"op" is "nul-call": did you mean null-call? no engine`},
		{name: "a calibration of a variant", variant: "linux-6.12", op: wire.OpChain, want: `"op" is "chain": `},
		{name: "unknown label", variant: "-agian", axes: ownAxes, want: `variant "-agian": no such preset`},
		{name: "unknown control", variant: Control, op: "nul-call", want: `"op" is "nul-call", which is not a control`},
		{name: "unknown preset", variant: "linux-6.2", axes: "sp=percpu", want: `variant "linux-6.2": no such preset: did you mean linux-6.12?`},
		{name: "unknown value", variant: "linux-6.12+exit=nowhere", axes: "sp=percpu", want: `variant "linux-6.12+exit=nowhere": axis exit has no value "nowhere"`},
		{name: "neither name nor axes", variant: "fenced", want: `variant "fenced": no such preset`},
		{name: "unknown axes", variant: "fenced", axes: "moon=full", want: `"axes" of fenced: variant "moon=full": no axis "moon"`},
		{name: "below zero", variant: "linux-6.12", axes: "sp=percpu", min: -1, want: `"min" is -1: a cost is not below 0`},
		{name: "fewer than none retired", variant: "linux-6.12", axes: "sp=percpu", retired: &minus, want: `"retired" is -1`},
		{name: "events", variant: "linux-6.12", axes: "sp=percpu", events: map[string]float64{wire.CounterBlocked: -0.1}},
		{name: "an unknown event", variant: "linux-6.12", axes: "sp=percpu", events: map[string]float64{"moons": 1}, want: `"events" has "moons", want some of blocked-forwards, `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := tt.op
			if op == "" {
				op = wire.OpNullCall
			}
			c := record.Config{Build: "b", Code: "c", Engine: cmp.Or(tt.engine, "icount"), Machine: "microvm", CPU: "max"}
			r := record.New(c, wire.Measure{Variant: tt.variant, Op: op, N: 1, Batches: 1, Min: tt.min, Median: 1, Max: 1, Agree: 1}, tt.axes, record.Instructions, 0, time.Now())
			r.Retired, r.Events = tt.retired, tt.events
			c.Engine = "icount"
			good := record.New(c, wire.Measure{Variant: "bare", Op: wire.OpNullCall, N: 1, Batches: 1, Median: 1, Max: 1, Agree: 1}, "bare", record.Instructions, 0, time.Now())
			var lines strings.Builder
			out := json.NewEncoder(&lines)
			if err := out.Encode(good); err != nil {
				t.Fatal(err)
			}
			if err := out.Encode(r); err != nil {
				t.Fatal(err)
			}
			list, _, err := store.Read("r.jsonl", strings.NewReader(lines.String()), Known)
			switch {
			case tt.want == "" && (err != nil || len(list) != 2):
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "r.jsonl:2: "+tt.want)):
				t.Errorf("error is %v, want r.jsonl:2: %s", err, tt.want)
			}
		})
	}
}
