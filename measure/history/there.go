package history

import (
	"errors"
	"fmt"
	"os"
)

// opened is a file that was opened by its path.
type opened struct {
	path string
	info os.FileInfo
}

func openedAt(path string) (o opened, err error) {
	o.path = path
	o.info, err = os.Stat(path)
	return o, err
}

// there reports an error if the path no longer leads to the file: what is written to
// the file then is in no store.
func (o opened) there() error {
	now, err := os.Stat(o.path)
	if err == nil && !os.SameFile(now, o.info) {
		err = errors.New("another file is there now")
	}
	if err != nil {
		return fmt.Errorf("it was removed or replaced while it was open, and nothing more is kept in it: %w", err)
	}
	return nil
}
