// Package cache keeps generated files in the user's cache folder: images, under names
// made from their content, so that a command line printed today still works tomorrow,
// and the temporary folders of running commands.
//
// Any number of processes may use it at once. A process that uses a file or a
// temporary folder holds a lock on it (flock), which the system releases however the
// process ends. Only what nobody holds a lock on may be removed.
//
//	kernel-HASH.elf …   generated files, of Bound bytes at most
//	lock                held while files and folders are made or removed
//	run/KIND-RANDOM/    temporary folders, with a lock each
//	linux/              the Linux kernel of .ci/linux
package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/internal/wholefile"
)

// Bound is how many bytes the generated files may take, without those that running
// commands hold.
const Bound = 512 << 20

const (
	lockName = "lock"
	runName  = "run"
)

// place is a folder where the cache may be.
type place struct {
	dir string
	own string // the part of its path that anybody could have made, or ""
}

// places returns where the cache may be, the best place first. A user without a home
// folder, or without the right to write to it, gets the folder for temporary files.
func places() ([]place, error) {
	var list []place
	base, err := os.UserCacheDir()
	if err == nil {
		list = append(list, place{dir: filepath.Join(base, "entrylab")})
	}
	if os.Getenv("XDG_CACHE_HOME") == "" {
		own := filepath.Join(os.TempDir(), fmt.Sprintf("entrylab-%d", os.Getuid()))
		list = append(list, place{filepath.Join(own, "entrylab"), own})
	}
	return list, err
}

// Dir returns the cache folder. It makes the folder if it does not exist.
func Dir() (string, error) {
	list, err := places()
	for _, p := range list {
		if err = p.make(); err == nil {
			return p.dir, nil
		}
	}
	return "", fmt.Errorf("cache folder: %w (set XDG_CACHE_HOME to a folder that can be written)", err)
}

// make makes the folder, and checks that this user can make files in it.
func (p place) make() error {
	if p.own != "" {
		if err := os.MkdirAll(p.own, 0o700); err != nil {
			return err
		}
	}
	if err := p.safe(); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	const writeAndSearch = 2 | 1
	if err := syscall.Access(p.dir, writeAndSearch); err != nil {
		return &fs.PathError{Op: "write to", Path: p.dir, Err: err}
	}
	return nil
}

// safe returns nil if nobody else can have made the folder.
func (p place) safe() error {
	if p.own == "" {
		return nil
	}
	info, err := os.Lstat(p.own)
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; !info.IsDir() || int(owner) != os.Getuid() {
		return fmt.Errorf("%s is another user's", p.own)
	}
	return nil
}

// lock opens the file, or makes it, and locks it; how is flock's operation. It does not
// return a file that was removed in the meantime.
func lock(path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		for err = syscall.EINTR; err == syscall.EINTR; {
			err = syscall.Flock(int(f.Fd()), how)
		}
		if err != nil {
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if now, err := os.Stat(path); err == nil && os.SameFile(mine, now) {
			return f, nil
		}
		f.Close()
	}
}

// locked runs f while no other process makes or removes files in dir.
func locked(dir string, f func() error) error {
	l, err := lock(filepath.Join(dir, lockName), syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	defer l.Close()
	return f()
}

// held holds the files that this process got from Keep last, each locked: more than its
// machines can use at once.
var held struct {
	sync.Mutex
	files []*os.File
}

func hold(f *os.File) {
	held.Lock()
	defer held.Unlock()
	if most := max(64, 4*runtime.NumCPU()); len(held.files) >= most {
		held.files[0].Close()
		held.files = slices.Delete(held.files, 0, 1)
	}
	held.files = append(held.files, f)
}

// Keep writes data to the cache, unless it is there, under a name made of kind, the content
// and ext, and returns the path. The file stays while it is among the last that this
// process used, and after that until room is needed.
func Keep(kind, ext string, data []byte) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return keep(dir, Bound, kind, ext, data)
}

func keep(dir string, bound int64, kind, ext string, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	path := filepath.Join(dir, fmt.Sprintf("%s-%x%s", kind, sum[:8], ext))
	err := locked(dir, func() error {
		if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, data) {
			if err := wholefile.Write(kind, path, data); err != nil {
				return err
			}
		}
		f, err := lock(path, syscall.LOCK_SH)
		if err != nil {
			return fmt.Errorf("cache folder: %w", err)
		}
		hold(f)
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			return fmt.Errorf("cache folder: %w", err)
		}
		return evict(dir, bound)
	})
	return path, err
}

// file is a generated file.
type file struct {
	path string
	size int64
	used time.Time
}

// files returns the generated files, the least recently used first, and their size in bytes.
func files(dir string) (list []file, total int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == lockName {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, 0, err
		}
		list = append(list, file{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
		total += info.Size()
	}
	slices.SortStableFunc(list, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	return list, total, nil
}

// evict removes files that nobody holds until the others are within Bound.
func evict(dir string, bound int64) error {
	list, total, err := files(dir)
	if err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	for _, f := range list {
		if total <= bound {
			break
		}
		gone, err := removeFree(f.path)
		if err != nil {
			return fmt.Errorf("cache folder: %w", err)
		}
		if gone {
			total -= f.size
		}
	}
	return nil
}

// removeFree removes the file if nobody holds it.
func removeFree(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
	case nil:
		return true, os.Remove(path)
	case syscall.EWOULDBLOCK:
		return false, nil
	default:
		return false, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
}

// Temp makes a folder for temporary files, which remove removes. If the process ends before
// that, Sweep removes it in a later one.
func Temp(kind string) (dir string, remove func(), err error) {
	base, err := Dir()
	if err != nil {
		return "", nil, err
	}
	var owner *os.File
	err = locked(base, func() error {
		if err := os.MkdirAll(filepath.Join(base, runName), 0o700); err != nil {
			return err
		}
		var err error
		if dir, err = os.MkdirTemp(filepath.Join(base, runName), kind+"-"); err != nil {
			return err
		}
		owner, err = lock(filepath.Join(dir, lockName), syscall.LOCK_EX)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("temporary folder: %w", err)
	}
	return dir, func() {
		os.RemoveAll(dir) // Sweep tries again what cannot be removed now
		owner.Close()
	}, nil
}

// Sweep removes the temporary folders of processes that have ended. Every command begins
// with it.
func Sweep() error {
	list, _ := places() // without a place, nothing is left behind
	var failed []error
	for _, p := range list {
		if _, err := os.Stat(filepath.Join(p.dir, runName)); err == nil && p.safe() == nil {
			_, err := sweep(p.dir)
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("removing what a killed command left: %w", err)
	}
	return nil
}

// sweep returns the number of bytes that it freed.
func sweep(base string) (freed int64, err error) {
	run := filepath.Join(base, runName)
	if entries, err := os.ReadDir(run); len(entries) == 0 { // the usual case, which needs no lock
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return 0, err
	}
	err = locked(base, func() error {
		entries, err := os.ReadDir(run)
		if err != nil {
			return err
		}
		var failed []error
		for _, e := range entries {
			dir := filepath.Join(run, e.Name())
			f, err := lock(filepath.Join(dir, lockName), syscall.LOCK_EX|syscall.LOCK_NB)
			if errors.Is(err, syscall.EWOULDBLOCK) {
				continue // its process is still running
			}
			if err == nil {
				f.Close()
			}
			freed += size(dir)
			failed = append(failed, os.RemoveAll(dir))
		}
		return errors.Join(failed...)
	})
	return freed, err
}

// size returns the size in bytes of those files in a folder that this user can see.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
