package layout

// Answer is what the firmware's side of the kernel (boot/proto) and the kernel itself
// tell each other where firmware stays in memory, to write to a file what the machine
// has to say. All are zero where it does not stay.
type Answer[T any] struct {
	// Console is what console and log say, Results what init writes to ResultsDevice.
	Console, Results AnswerFile[T]
	// Return is the physical address to which the kernel jumps at its end, in 64-bit mode,
	// with Identity as a page table of the third level for the first 512 GiB, RDI the
	// kernel's Exit* and RSI the physical address of this struct.
	Return, Identity T
	// Why is the linear address of the reason why there is no file, or 0.
	Why T
	// Boot is the number of this boot in its series, from 1 on. Earlier is the physical
	// address of what earlier boots have said, and EarlierLen how many bytes that has; they
	// are 0 in the first boot of a series.
	Boot, Earlier, EarlierLen T
}

// AnswerFile is what comes into one file.
type AnswerFile[T any] struct {
	Text T // physical address
	Room T // how many bytes there is room for
	Len  T // how many there are
	Lost T // how many more came
}

// ResultsDevice is where a program writes results, which firmware writes to a file. Where it
// does not, writing fails with EIO.
const ResultsDevice = "/" + ResultsNode

// ResultsNode is its path in the root folder.
const ResultsNode = "dev/results"

// BootSeries is what SysBootSeries tells of the boots from one medium.
type BootSeries[T any] struct {
	// Kept is 1 if what the machine says comes into a file.
	Kept T
	// Boot is the number of this boot, from 1 on, and Boots how many there are to be.
	Boot, Boots T
	// EarlierLen is how many bytes the file has of earlier boots.
	EarlierLen T
}

// AnswerRoom is the memory for each file of an answer, in bytes, and as much for the earlier
// answers.
const AnswerRoom = 4 << 20
