package elfimg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile writes data to path, all or nothing: it writes to a file beside
// it, which it then renames. When it fails, what was at path before is still
// there, and nothing new is.
func WriteFile(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		// A rename would put a file in the place of a device such as /dev/null.
		return fmt.Errorf("cannot write image %s: it is there and is not a regular file: give another path", path)
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
		return fmt.Errorf("cannot write image %s: %w: %s", path, err, advice)
	}
	return nil
}

func writeBeside(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".elfimg-*")
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
