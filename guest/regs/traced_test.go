package regs

import (
	"syscall"
	"testing"
)

// TestTraced: without a debugger the call is made, and nobody asks. It takes no memory, for
// which the Go runtime might have to make calls under the floor.
func TestTraced(t *testing.T) {
	c := NewTraced(syscall.SYS_GETPPID)
	if asked := c.Make(); len(asked) > 0 || c.Result != int64(syscall.Getppid()) {
		t.Errorf("getppid returns %d, and %d addresses are asked about", c.Result, len(asked))
	}
	if n := testing.AllocsPerRun(10, func() { c.Make() }); n > 0 {
		t.Errorf("a call takes memory %v times", n)
	}
	c = NewTraced(syscall.SYS_UNAME)
	c.Args[0] = Buffer()
	if c.Make(); c.Result != 0 || buffer[0] == 0 {
		t.Errorf("uname returns %d, and the buffer begins with %d", c.Result, buffer[0])
	}
}
