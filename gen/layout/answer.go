package layout

// Answer is what the firmware's side of the kernel (boot/proto) and the kernel itself
// tell each other where firmware stays in memory, to write to a file what the machine
// has to say. All are zero where it does not stay.
type Answer[T any] struct {
	Text T // physical address of what console and log say
	Room T // how many bytes there is room for
	Len  T // how many there are
	Lost T // how many more came
	// Return is the physical address to which the kernel jumps at its end, in 64-bit mode,
	// with Identity as a page table of the third level for the first 512 GiB, RDI the
	// kernel's Exit* and RSI the physical address of this struct.
	Return, Identity T
	// Why is the linear address of the reason why there is no file, or 0.
	Why T
}

// AnswerRoom is the memory for an answer, in bytes.
const AnswerRoom = 4 << 20
