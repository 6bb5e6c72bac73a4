package gdb

import (
	"os"
	"time"
)

// Patient is a connection that cannot block for ever when a machine has gone
// astray: a Read then fails with os.ErrDeadlineExceeded.
type Patient struct{ *os.File }

// Read reads, and waits no longer than a minute: what is waited for takes
// milliseconds.
func (p Patient) Read(b []byte) (int, error) {
	const patience = time.Minute
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.File.Read(b)
}
