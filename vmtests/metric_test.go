package vmtests

import (
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
)

// TestOwnMetric: an operation that only an init of one's own knows is counted,
// printed, read, and kept as any other; no list of the host has it.
func TestOwnMetric(t *testing.T) {
	need.QEMU(t)
	list := []stubs.Variant{linux319(t), variant(t, "heukelum-v2")}
	m := machine(t, vm.ICount)
	m.Append = layout.ControlWord // which it needs to select variants, as the guest does
	run := runGuest(t, boot.Config{Variants: list, Init: program(t, "metric"), VM: m})
	if want := 2 * len(list); len(run.Measures) != want {
		t.Fatalf("the guest measured %v, want %d figures", run.Measures, want)
	}
	config := record.Config{Build: "test", Code: "c0de", Engine: string(vm.ICount), Machine: string(vm.MicroVM), CPU: "max", Host: "x"}
	const handlers = 1 // instructions that gettid's handler has more than getppid's
	for _, n := range list {
		name := n.Name
		null, _ := run.Find(name, wire.OpNullCall)
		m, ok := run.Find(name, "gettid")
		if !ok || !m.Exact() || m.Median != null.Median+handlers || m.N != 500 {
			t.Errorf("%s: gettid is %+v, and a null call takes %v; want exactly %d more", name, m, null.Median, handlers)
		}
		kept := record.New(config, m, "", record.Instructions, 0, time.Unix(1, 0))
		line, err := kept.Line()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := record.ParseLine(line); err != nil || got.Op != "gettid" || got.Median != m.Median {
			t.Errorf("%s: kept as %+v (%v)", name, got, err)
		}
	}
	if got := engine.OperationOf("gettid"); got.Title != "gettid" || got.Bench != "gettid" {
		t.Errorf("tables call it %+v, want it called by its name", got)
	}
}
