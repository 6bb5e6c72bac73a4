package regs

import (
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// SlowReadings are what the readers of the user's RSP find of threads that only a raw thread
// can make: one that sleeps in vfork, read by its child, and one that clone has made and
// that has not run yet.
type SlowReadings struct {
	stack, exited layout.Word // of the thread that clone makes
	// VforkSP and CloneSP are the RSPs of the two.
	VforkSP, CloneSP layout.Word
	Vforked, Cloned  layout.Readings[layout.Word]
}

// ReadSlow makes both threads, from a second one.
func ReadSlow(m *Memory) (*SlowReadings, error) {
	r := (*SlowReadings)(unsafe.Pointer(unsafe.SliceData(m.Words(int(unsafe.Sizeof(SlowReadings{}) / 8)))))
	stack := m.Words(64)
	r.stack = layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(stack)))) + 8*layout.Word(len(stack))
	t := NewThread(m, 0)
	if err := t.start(programReadings, uintptr(unsafe.Pointer(r)), false); err != nil {
		return nil, err
	}
	const limit = 10 * time.Second
	return r, t.Wait(limit)
}
