// Package wholefile writes a file as a whole or not at all: images, reports and the files
// of the cache.
package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Write writes data to path as a whole or not at all: the file gets its name once it is
// complete. If that fails, a file that was at path is still there, and no new one is. The
// error says that the thing, such as "report", cannot be written, and what to do about it.
func Write(thing, path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		// A rename would replace a device such as /dev/null by a file.
		return fmt.Errorf("cannot write %s %s: it is there and is not a regular file: give another path", thing, path)
	}
	err := writeBeside(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
	if err != nil {
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

// writeBeside calls write to write the file before it gets its name.
func writeBeside(path string, write func(*os.File) error) (err error) {
	f, named, err := create(filepath.Dir(path))
	if err != nil {
		return bare(err)
	}
	defer func() {
		f.Close()
		if err != nil {
			if named != "" {
				os.Remove(named)
			}
			err = bare(err)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if named == "" {
		self := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
		link := func(to string) error {
			return unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, to, unix.AT_SYMLINK_FOLLOW)
		}
		if err := link(path); !errors.Is(err, fs.ErrExist) {
			return err
		}
		beside := filepath.Join(filepath.Dir(path), fmt.Sprintf(".entrylab-%d-%d", os.Getpid(), rand.Uint64()))
		if err := link(beside); err != nil { // a link does not replace a file, a rename does
			return err
		}
		named = beside
	} else if err := f.Close(); err != nil { // some file systems fail only then
		return err
	}
	return os.Rename(named, path)
}

// create returns a new file in the folder dir. It has no name, so that nothing remains if
// this process is killed. If the file system has no such files, or there is no /proc
// through which it can get its name, it has a name.
func create(dir string) (f *os.File, name string, err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		f = os.NewFile(uintptr(fd), dir)
		if _, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
			return f, "", nil
		}
		f.Close()
	}
	if f, err = os.CreateTemp(dir, ".entrylab-*"); err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

// bare returns the system's error without the name of the temporary file, which means
// nothing to the user.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
