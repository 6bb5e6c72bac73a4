package cache

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// Cleaned says what Clean did.
type Cleaned struct {
	Dir   string // the cache folder
	Bytes int64  // that were freed
	Kept  int    // files and folders, as running commands hold them
}

// Clean removes everything from the cache that no running command holds.
func Clean() (Cleaned, error) {
	dir, err := Dir()
	if err != nil {
		return Cleaned{}, err
	}
	c := Cleaned{Dir: dir}
	freed, err := sweep(dir)
	c.Bytes += freed
	if err != nil {
		return c, err
	}
	err = locked(dir, func() error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		var failed []error
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			switch {
			case e.Name() == lockName:
			case e.Name() == runName:
				left, err := os.ReadDir(path)
				failed = append(failed, err)
				c.Kept += len(left)
				if len(left) == 0 {
					failed = append(failed, os.Remove(path))
				}
			case e.IsDir():
				failed = append(failed, c.removeDir(path))
			default:
				failed = append(failed, c.removeFile(path))
			}
		}
		// The lock is the last, as it keeps others out: a process that waits for it makes a new one.
		if c.Kept == 0 && errors.Join(failed...) == nil {
			failed = append(failed, os.Remove(filepath.Join(dir, lockName)))
		}
		return errors.Join(failed...)
	})
	return c, err
}

func (c *Cleaned) removeFile(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return os.Remove(path)
	}
	gone, err := removeFree(path)
	switch {
	case err != nil:
	case gone:
		c.Bytes += info.Size()
	default:
		c.Kept++
	}
	return err
}

// removeDir removes a folder with everything in it. While .ci/linux fetches, it holds a
// lock in its folder.
func (c *Cleaned) removeDir(path string) error {
	l, err := lock(filepath.Join(path, lockName), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		c.Kept++
		return nil
	} else if err != nil {
		return err
	}
	defer l.Close()
	bytes := size(path)
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	c.Bytes += bytes
	return nil
}
