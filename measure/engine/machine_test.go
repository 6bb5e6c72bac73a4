package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// figure returns a count of a variant, as QEMU's emulator gives it.
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

// TestMeaningless: samples of an emulator, and of any engine on a CPU that is emulated,
// are no CPU's costs, and no study takes them. Counts are the same everywhere.
func TestMeaningless(t *testing.T) {
	const real, emulated = "AMD EPYC Processor", "QEMU TCG CPU version 2.5+"
	for _, tt := range []struct {
		name, cpu            string
		meaningless, studied bool
	}{
		{"kvm", real, false, true},
		{"kvm", emulated, true, false},
		{"replay", real, false, true},
		{"replay", emulated, true, false},
		{"metal", emulated, true, false},
		{"tcg", real, true, false},
		{"icount", emulated, false, true},
		{"static", emulated, false, true},
		{"bochs", emulated, true, true}, // its counts are not
	} {
		e := Of(tt.name)
		if got := e.MeaninglessOn(tt.cpu) != ""; got != tt.meaningless {
			t.Errorf("%s on %s: meaningless is %v", tt.name, tt.cpu, got)
		}
		if got := e.studies(tt.cpu) == nil; got != tt.studied {
			t.Errorf("%s on %s: studied is %v", tt.name, tt.cpu, got)
		}
	}
}
