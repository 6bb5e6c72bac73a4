package replay

import (
	"time"

	"github.com/entrylab/entrylab/gen/layout"
)

// job is what the parent sends to the child, as one line of JSON.
type job struct {
	Streams []stream // the first is the base
	User    chunk
	Kernel  chunk
	Dose    chunk // Kernel, but for the handler with work
	Probe   chunk
	Cells   []cell
	Seed    uint64
	Budget  time.Duration
}

// stream is one copy of a variant's code.
type stream struct {
	Name string
	chunk
}

// cell is one figure, measured for some of the streams.
type cell struct {
	Op, Form string
	Loop     string // of the user
	Handler  string // of this package, or a wrapper of the variant's
	Streams  []int
	Warm     uint64 // rounds before the timed ones
	Trips    uint64 // timed rounds
	Samples  int
	// Switch: each round is one of every thread, which switch to each other.
	Switch bool
	// Apart shifts threads and stacks so that Thread.UserSP begins a cache line
	// of its own; else it shares that of Thread.SP, as in the kernel.
	Apart bool
}

// message is a line of JSON from the child: one of its fields.
type message struct {
	Begin     *int       `json:",omitempty"` // the stream whose trip begins
	Trip      *trip      `json:",omitempty"`
	Placement *placement `json:",omitempty"`
	Error     string     `json:",omitempty"`
}

// trip is what one call did to registers and memory, to be checked.
type trip struct {
	Stream     int
	Full       bool // through the wrapper for calls that need the whole frame
	Want, Regs [outRegs]uint64
	Frame      [layout.NumSlots]uint64
	Scratch    [2]uint64 // RSPScratch and TSS.SP2
}

// placement is what one placement gave.
type placement struct {
	// Ticks are low bands in ticks of the time-stamp counter for one operation,
	// by cell and stream; 0: not measured.
	Ticks [][]float64
	// Probe and Chain are low bands for one round of the functions of the name.
	Probe, Chain float64
}
