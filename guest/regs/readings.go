package regs

import (
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// SlowReadings are what the readers of the user's RSP find of threads that only a raw thread
// can make: one that sleeps in vfork, read by its child, one that clone has made and
// that has not run yet, and one that reads itself in a call at which a tracer stops it.
type SlowReadings struct {
	stack, exited layout.Word // of the thread that clone makes
	status        layout.Word // of the one that is traced, as wait4 has it
	// VforkSP, CloneSP and TracedSP are the RSPs of the three.
	VforkSP, CloneSP, TracedSP layout.Word
	Vforked, Cloned, Traced    layout.Readings[layout.Word]
}

// ReadSlow makes the threads, from a second one.
func ReadSlow(m *Memory) (*SlowReadings, error) {
	r := (*SlowReadings)(unsafe.Pointer(unsafe.SliceData(m.Words(int(unsafe.Sizeof(SlowReadings{}) / 8)))))
	stack := m.Words(64)
	r.stack = layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(stack)))) + 8*layout.Word(len(stack))
	t := NewThread(m, 0)
	if err := t.start(programReadings, uintptr(unsafe.Pointer(r)), false); err != nil {
		return nil, err
	}
	return r, t.Wait(readingsLimit)
}

// readingsLimit is how long the programs of readings may take.
const readingsLimit = 10 * time.Second

// death is what a process that dumps core gets, and where it says with which RSP it ends.
type death struct {
	byException layout.Word // 1: by an exception in ring 3, 0: by a signal in a call
	sp          layout.Word
	none        [4]layout.Word // no handler, and no signal blocked
	limit       [2]layout.Word // RLIMIT_CORE
}

// DumpCore makes a process that dumps core, by an exception in ring 3 or in a call, and
// returns the RSP with which it ends. Its calls before have another.
func DumpCore(m *Memory, byException bool) (sp layout.Word, err error) {
	d := (*death)(unsafe.Pointer(unsafe.SliceData(m.Words(int(unsafe.Sizeof(death{}) / 8)))))
	*d = death{limit: [2]layout.Word{1 << 20, 1 << 20}}
	if byException {
		d.byException = 1
	}
	t := NewThread(m, 0)
	if err := t.start(programDeath, uintptr(unsafe.Pointer(d)), false); err != nil {
		return 0, err
	}
	err = t.Wait(readingsLimit)
	return d.sp, err
}
