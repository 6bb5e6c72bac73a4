package history

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// lock waits for the turn to write. A writer that died no longer holds its lock.
func (s *folder) lock(ctx context.Context) error {
	for {
		err := syscall.Flock(int(s.f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return fmt.Errorf("history: %s: it cannot be locked: %w", s.path, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
