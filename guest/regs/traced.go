package regs

import "unsafe"

// tracedRoom is how many words a debugger may write behind a traced call: the addresses of
// a fork and an execve of Linux, and twice as many.
const tracedRoom = 1 << 16

// Traced is a call that a debugger on the host follows.
type Traced struct {
	Number uint64
	Args   [6]uint64
	Result int64
	// Per is for the debugger: how many operations are in the round that was made before the
	// call; 0: there was none. Ticks is how long that took by its own reading of the
	// time-stamp counter; 0: it is not told.
	Per, Ticks uint64

	where *[tracedRoom]uint64
}

// NewTraced prepares a call without arguments.
func NewTraced(number uint64) *Traced {
	c := &Traced{Number: number, where: new([tracedRoom]uint64)}
	for i := range c.where {
		c.where[i] = 1 // a debugger cannot write to a page that is not there yet
	}
	return c
}

// Make makes the call, and returns the addresses that the debugger has asked about: it
// writes their number, and then them. Without a debugger there are none. Make needs no
// other call of the kernel, which the floor would not make.
func (c *Traced) Make() (asked []uint64) {
	c.where[0] = 0
	traced(c)
	n := min(c.where[0], tracedRoom-1)
	return c.where[1 : 1+n]
}

//go:noescape
func traced(c *Traced)

// Buffer returns the address of memory for a call's arguments: 64 KiB, filled with
// zeros, which are there.
func Buffer() uint64 {
	for i := range buffer {
		buffer[i] = 1
	}
	clear(buffer[:])
	return uint64(uintptr(unsafe.Pointer(&buffer)))
}

var buffer [64 << 10]byte
