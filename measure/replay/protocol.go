package replay

import (
	"time"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// job is what the parent sends to the child, as one line of JSON.
type job struct {
	Streams         []stream // the first is the base
	User            chunk
	Kernel          chunk
	PositiveControl chunk // Kernel with another handler with work
	Probe           chunk
	Rungs           []chunk // User with instructions of a ladder; the first has none
	Cells           []cell
	Seed            uint64
	Process         int // which of the run's processes this is, from 0
	Budget          time.Duration
	// Host, in tests, plays a host that moves the CPU.
	Host *movingHost `json:",omitempty"`
}

// movingHost is a host that moves the CPU during samples.
type movingHost struct {
	Every int    // number of samples between two moves
	Model string // of the CPU that it moves to; empty: the same
	taken int
}

func (h *movingHost) disturb(c *userCall) {
	if h.taken++; h.taken%h.Every == 0 {
		c.endAux++
	}
}

// stream is one copy of a variant's code.
type stream struct {
	Name string
	// Place is where the entry lies; the zero value leaves it open.
	Place stubs.EntryPlace
	// Words are the per-CPU words of a path that a machine has run.
	Words words
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
	User     int // if not 0, Loop is in Rungs[User-1]
	// Single is set if a sample is one call, and every sample counts: they show what the
	// slowest calls take.
	Single bool
	// Switch is set if threads switch to each other: a round is then one of every thread.
	Switch bool
	// Apart shifts threads and stacks so that Thread.UserSP begins a cache line
	// of its own; else it shares that of Thread.SP, as in the kernel.
	Apart bool
}

// calls returns how many calls a round of the loop makes.
func (c *cell) calls() uint64 {
	if c.Switch {
		return threads
	}
	return 1
}

// message is a line of JSON from the child. One of its fields is set.
type message struct {
	Trip      *trip      `json:",omitempty"`
	Placement *placement `json:",omitempty"`
	Error     string     `json:",omitempty"`
}

// trip is what one call did to registers and memory, for the check.
type trip struct {
	Stream     int
	Full       bool   // through the wrapper for calls that need full pt_regs
	Result     uint64 // of the handler
	Want, Regs [outRegs]uint64
	Frame      [layout.NumSlots]uint64
	Scratch    [2]uint64 // RSPScratch and TSS.SP2
}

// placement holds the results of one placement.
type placement struct {
	// Ticks are trimmed means in ticks of the time-stamp counter for one operation,
	// by cell and stream; 0: not measured.
	Ticks [][]float64
	// Single are the ticks of single null calls, by stream.
	Single [][]float64
	// Probe and Chain are trimmed means for one round of the functions of these names.
	Probe, Chain float64
	// Samples is how many samples were taken, Moved how many of them were dropped because
	// the CPU changed. Lost is the largest share that one figure lost like that; if it is
	// everything, there are no Ticks.
	Samples, Moved int
	Lost           float64
	// Models are what CPUID said of the CPUs met so far.
	Models []string

	process int // as the parent counts them
}
