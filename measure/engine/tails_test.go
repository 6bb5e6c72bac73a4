package engine

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
)

// TestTails: every sampled engine records the tail of single null calls, and none of what was
// not timed singly.
func TestTails(t *testing.T) {
	console := func(hypervisor string) string {
		m := cyclestest.Quiet(1, 20, 0)
		m.Hypervisor = hypervisor
		return m.Console(rand.New(rand.NewPCG(1, 2)))
	}
	aBoot := func() ([]record.Record, error) {
		b, err := booted("boot 1", console(cyclestest.Quiet(1, 20, 0).Hypervisor), 1, cyclestest.KVMConfig)
		return b.Records(nil, time.Now()), err
	}
	engines := map[string]func() ([]record.Record, error){
		"kvm": aBoot,
		"tcg": aBoot, // it has kvm's plan
		metal: func() ([]record.Record, error) {
			path := filepath.Join(t.TempDir(), "console")
			if err := os.WriteFile(path, []byte(console("")), 0o600); err != nil {
				return nil, err
			}
			boots, _, err := Consoles(t.Context(), []string{path})
			return ConsoleRecords(boots, nil), err
		},
		"host": func() ([]record.Record, error) {
			return hostRecords(console(""), 1, record.Config{Engine: "host"}, "a")
		},
		"replay": func() ([]record.Record, error) {
			res := &replay.Result{Base: "a", Processes: 1, Process: []int{0}}
			for _, label := range []string{"a", "b"} {
				for _, op := range []string{wire.OpNullCall, wire.OpUnknownCall} {
					res.Series = append(res.Series, replay.Series{Label: label, Op: op, Form: replay.Forms[0], Cycles: []float64{300}})
				}
				single := replay.Single{Label: label}
				for i := range 2 * record.MinTail {
					single.Cycles, single.Process = append(single.Cycles, float64(300+i%100)), append(single.Process, 0)
				}
				res.Singles = append(res.Singles, single)
			}
			return replayRecords(res, map[string]string{}, record.Config{Engine: "replay"}, 1, time.Now()), nil
		},
	}
	for _, e := range All() {
		if e.Kind == Sampled && engines[e.Name] == nil {
			t.Errorf("the sampled engine %s is not tested", e.Name)
		}
	}
	for name, records := range engines {
		list, err := records()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		timed, others := 0, 0
		for _, r := range list {
			if r.Op != wire.OpNullCall || r.Variant != "a" && r.Variant != "b" {
				if others++; r.Tail != nil {
					t.Errorf("%s: %s of %s has the tail %+v", name, r.Op, r.Variant, *r.Tail)
				}
				continue
			}
			if timed++; r.Tail == nil || r.Tail.P99 <= 0 || r.Tail.P99 > r.Tail.P999 || r.Tail.P999 > r.Tail.Most || r.Tail.N < record.MinTail {
				t.Errorf("%s: the tail of %s is %+v", name, r.Variant, r.Tail)
			}
		}
		if timed != 2 || others == 0 {
			t.Errorf("%s: %d null calls and %d others, want 2 and some", name, timed, others)
		}
	}
}
