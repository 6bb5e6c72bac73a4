package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// figure is a count of a variant, as QEMU's emulator gives it.
func figure(variant string) record.Record {
	c := record.Config{Build: "(devel)", Code: "0123", Engine: "icount", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2", Host: "a CPU"}
	return record.New(c, wire.Measure{Variant: variant, Op: "null-call", N: 500, Batches: 15, Min: 42, Median: 42, Max: 42, Agree: 1},
		"", record.Instructions, 0, time.Unix(1, 0))
}

// TestOneMachine: figures of two machines are not compared, whoever they are of.
func TestOneMachine(t *testing.T) {
	edit := func(f func(*record.Record)) record.Record {
		r := figure("v")
		f(&r)
		return r
	}
	replay := func(host, microcode string) record.Record {
		return edit(func(r *record.Record) { r.Engine, r.Host, r.Microcode, r.Emulator = "replay", host, microcode, "" })
	}
	for _, tt := range []struct {
		name    string
		records []record.Record
		want    string
	}{
		{"one", []record.Record{figure("a"), figure("b")}, ""},
		{"an emulator on two hosts", []record.Record{figure("a"), edit(func(r *record.Record) { r.Host = "another CPU" })}, ""},
		{"two engines", []record.Record{figure("a"), replay("x", "1")}, ""},
		{"two emulators", []record.Record{figure("a"), edit(func(r *record.Record) { r.Emulator = "QEMU 8.0" })}, "of 2 machines"},
		{"two CPUs", []record.Record{replay("x", "1"), replay("y", "1")}, "on x, microcode 1; engine replay"},
		{"two microcodes", []record.Record{replay("x", "1"), replay("x", "2")}, "of 2 machines"},
	} {
		err := OneMachine(tt.records)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
	}
}
