package events_test

import (
	"fmt"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/events"
)

// The summary of a sweep, as Sweep returns it, and what QEMU could not deliver.
func ExampleSummary() {
	arrived := make([]int, len(events.Kinds))
	arrived[0] = 42 // one at each instruction
	swept := &events.Result{Variant: "linux-4.1", Engine: vm.ICount, Swept: []events.Swept{{Path: "null call", Places: 42, Due: arrived, Events: arrived}}}
	fmt.Println(events.Summary([]*events.Result{swept}))
	fmt.Println(events.NotDelivered([]*events.Result{swept})[0].Name)
	// Output:
	// 1 variant, 42 places × 3 events (NMI, #PF, #GP): 42 arrived, 0 lost
	// #DB behind MOV SS on icount
}
