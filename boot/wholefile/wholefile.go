// Package wholefile writes files that are there as a whole or not at all:
// images, reports, and what the cache keeps.
package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Write writes data to path, all or nothing: it writes to a file beside it,
// which it then renames. When it fails, what was at path before is still there,
// and nothing new is; the error says that it is the thing which cannot be
// written, as in "report", and what to do about it.
func Write(thing, path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		// A rename would put a file in the place of a device such as /dev/null.
		return fmt.Errorf("cannot write %s %s: it is there and is not a regular file: give another path", thing, path)
	}
	if err := writeBeside(path, data); err != nil {
		dir := filepath.Dir(path)
		advice := "give another path"
		switch {
		case errors.Is(err, fs.ErrNotExist):
			advice = fmt.Sprintf("make the directory %s first, or give another path", dir)
		case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
			advice = fmt.Sprintf("give a path in a directory that you may write to, which %s is not", dir)
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			advice = fmt.Sprintf("make room in %s, or give another path", dir)
		}
		return fmt.Errorf("cannot write %s %s: %w: %s", thing, path, err, advice)
	}
	return nil
}

func writeBeside(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".entrylab-*")
	if err != nil {
		return bare(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = bare(err)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// bare returns the system's error without the name of the file beside path,
// which means nothing to the user.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
