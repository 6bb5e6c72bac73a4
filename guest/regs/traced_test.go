package regs

import (
	"syscall"
	"testing"
)

// TestTraced: without a debugger the call is made, and nobody asks.
func TestTraced(t *testing.T) {
	c := Traced{Number: syscall.SYS_GETPPID}
	if asked := c.Make(); len(asked) > 0 || c.Result != int64(syscall.Getppid()) {
		t.Errorf("getppid returns %d, and %d addresses are asked about", c.Result, len(asked))
	}
	c = Traced{Number: syscall.SYS_UNAME, Args: [6]uint64{Buffer()}}
	if c.Make(); c.Result != 0 || buffer[0] == 0 {
		t.Errorf("uname returns %d, and the buffer begins with %d", c.Result, buffer[0])
	}
}
