package vm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/internal/work"
)

// channel is our end of a socket or pipe that a machine writes to.
type channel struct {
	file *os.File
	to   io.Writer // neither fails nor blocks

	mu  sync.Mutex // held from reading to passing on, to keep the order
	buf []byte
}

// gather is how long a channel waits for more when something has come: an
// emulated machine writes byte by byte, and waking up for each costs more than
// the machine takes to write it.
const gather = time.Millisecond

// pump passes on the data until the end, or until the file's deadline.
func (c *channel) pump() error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("reading the %s: %w", c.file.Name(), err)
	}
	var ended error
	err = raw.Read(func(fd uintptr) (done bool) {
		time.Sleep(gather)
		ended = c.take(int(fd))
		return ended != nil
	})
	if err == nil && ended != io.EOF {
		err = ended
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("reading the %s: %w", c.file.Name(), err)
	}
	return nil
}

// readOut waits for the pumps of files, which read what the machine wrote to the
// end. If the other ends are still open after the late time, another process holds
// them, and the pumps give up.
func readOut(pumps *sync.WaitGroup, late time.Duration, files ...*os.File) {
	done := make(chan struct{})
	go func() { pumps.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-work.After(late):
	}
	for _, f := range files {
		_ = f.SetDeadline(time.Now()) // a pipe has none for writing
	}
	<-done
}

// take passes on the data that is already there. It returns io.EOF at the end, and nil
// if more may come.
func (c *channel) take(fd int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buf == nil {
		c.buf = make([]byte, 64<<10) // the size of a pipe
	}
	for {
		n, err := syscall.Read(fd, c.buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		if _, err := c.to.Write(c.buf[:n]); err != nil {
			return err
		}
	}
}

// after passes to another channel's writer what a channel of the same machine holds
// before it writes to a stream. A machine writes to its channels in the guest's order,
// so what the guest sent on the other channel first is there when a byte comes here.
type after struct {
	other *channel
	io.Writer
}

func (a after) Write(p []byte) (int, error) {
	raw, err := a.other.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var taken error
	if err := raw.Control(func(fd uintptr) { taken = a.other.take(int(fd)) }); err != nil {
		return 0, err
	}
	if taken != nil && taken != io.EOF {
		return 0, taken
	}
	return a.Writer.Write(p)
}
