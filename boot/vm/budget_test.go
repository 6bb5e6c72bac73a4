package vm

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/work"
)

// turns returns looks at a machine that does the same in each, n times.
func turns(n int, each progress) []progress {
	list := make([]progress, n)
	for i := range list {
		list[i] = each
	}
	return list
}

// TestBudget plays machines: how much each may do.
func TestBudget(t *testing.T) {
	second := work.Meter{Work: time.Second}
	sleep := work.Meter{Asleep: time.Second}
	tests := []struct {
		name   string
		c      Config
		did    []progress // since the look before
		want   error
		number int // of looks until then
	}{
		{
			"counted instructions are what they are, however long they take",
			Config{Instructions: 1000e6},
			turns(1000, progress{count: count{counted: 1e6}, Meter: second}), afterInstructions(1000e6), 1000,
		},
		{
			"fast ones, too",
			Config{Instructions: 1000e6},
			turns(100, progress{count: count{counted: 100e6}, Meter: second}), afterInstructions(1000e6), 10,
		},
		{
			"none are counted where work is",
			Config{Engine: TCG, Instructions: 1000e6},
			turns(100, progress{Meter: second}), afterInstructions(1000e6), 40,
		},
		{
			"Bochs is slower",
			Config{Engine: Bochs, Instructions: 80e6},
			turns(100, progress{Meter: second}), afterInstructions(80e6), 10,
		},
		{
			"it halts",
			Config{Instructions: 1000e6},
			append(turns(1, progress{count: count{counted: 500e6}}), turns(100, progress{Meter: second})...), afterInstructions(1000e6), 21,
		},
		{
			"it sleeps and wakes up for ever",
			Config{Instructions: 1000e6},
			turns(100, progress{count: count{counted: 1000, clock: 100 * time.Second}, Meter: second}), afterInstructions(1000e6), 10,
		},
		{
			"a clock that the instructions alone advance",
			Config{Instructions: 1000e6},
			turns(9, progress{count: count{counted: 100e6, clock: 100 * time.Millisecond}}), nil, 0,
		},
		{
			"it is told late how many they are",
			Config{Instructions: 1000e6},
			append(turns(30, progress{Meter: second}), progress{count: count{counted: 10e6}}, progress{Meter: second}), nil, 0,
		},
		{
			"it prints for ever",
			Config{Instructions: 1000e6},
			turns(100, progress{output: 1e6, count: count{counted: 1}, Meter: second}), afterInstructions(1000e6), 10,
		},
		{
			"a host that gives it no CPU",
			Config{Instructions: 1000e6},
			turns(100_000, progress{}), nil, 0,
		},
		{
			"it sleeps",
			Config{},
			turns(100, progress{Meter: sleep}), timeoutError("no end although it did nothing for 10s"), 10,
		},
		{
			"it sleeps, where it may wait for a timer",
			Config{Engine: TCG},
			turns(1000, progress{Meter: sleep}), timeoutError("no end although it did nothing for 10m0s"), 600,
		},
		{
			"a debugger holds it",
			Config{Debug: func(*os.File) error { return nil }},
			turns(599, progress{Meter: sleep}), nil, 0,
		},
		{
			"it says something in between",
			Config{},
			append(turns(9, progress{Meter: sleep}), append(turns(1, progress{output: 1}), turns(9, progress{Meter: sleep})...)...), nil, 0,
		},
		{
			"it does something in between",
			Config{},
			append(turns(9, progress{Meter: sleep}), append(turns(1, progress{count: count{counted: 1}}), turns(9, progress{Meter: sleep})...)...), nil, 0,
		},
		{
			"the default",
			Config{},
			turns(100, progress{count: count{counted: 1e9}}), afterInstructions(DefaultInstructions), 10,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.c.budget()
			var now progress
			for i, did := range tt.did {
				now.counted += did.counted
				now.clock += did.clock
				now.output += did.output
				now.Work += did.Work
				now.Asleep += did.Asleep
				if err := b.spend(now); err != nil {
					if !errors.Is(err, tt.want) || i+1 != tt.number {
						t.Errorf("%v at look %d, want %v at %d", err, i+1, tt.want, tt.number)
					}
					return
				}
			}
			if tt.want != nil {
				t.Errorf("it may go on, want %v at look %d", tt.want, tt.number)
			}
		})
	}
}
