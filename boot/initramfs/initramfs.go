// Package initramfs makes the newc cpio archive that a machine is booted with. It
// checks that a program can run as /init, and packs it together with further files;
// without a program, /init is the guest. The same archive boots on Linux.
package initramfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// InitName is the path of the program that the kernel starts.
const InitName = "init"

// File is one entry of an archive.
type File struct {
	// Name is the path from the root without a leading slash, as in io/fs:
	// "etc/hosts".
	Name string
	// Mode holds the permission bits and, for anything but a regular file,
	// fs.ModeDir or fs.ModeSymlink.
	Mode fs.FileMode
	// Data is the contents, for a symbolic link its target.
	Data []byte
}

// Init returns the entry for the program that the kernel starts.
func Init(program []byte) File {
	return File{Name: InitName, Mode: 0o755, Data: program}
}

// Build returns a newc archive of files, in the order given. A directory
// that a name needs and that is not among files is put before its first user,
// since neither Linux nor our kernel makes it. The bytes depend only on
// files: owner, time and inode are 0.
func Build(files ...File) ([]byte, error) {
	var archive bytes.Buffer
	w := cpio.Newc.Writer(&archive)
	seen := map[string]bool{".": true}
	write := func(r cpio.Record) error {
		seen[r.Name] = true
		return w.WriteRecord(r)
	}
	for _, f := range files {
		if err := checkName(f.Name); err != nil {
			return nil, err
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("initramfs: %s occurs twice: name each file once, a directory before its contents", f.Name)
		}
		for _, dir := range missingDirs(seen, f.Name) {
			if err := write(cpio.Directory(dir, 0o755)); err != nil {
				return nil, fmt.Errorf("initramfs: %s: %w", dir, err)
			}
		}
		r, err := record(f)
		if err == nil {
			err = write(r)
		}
		if err != nil {
			return nil, fmt.Errorf("initramfs: %s: %w", f.Name, err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("initramfs: trailer: %w", err)
	}
	return archive.Bytes(), nil
}

func record(f File) (cpio.Record, error) {
	perm := uint64(f.Mode.Perm())
	switch f.Mode.Type() {
	case 0:
		if uint64(len(f.Data)) >= 1<<32 {
			return cpio.Record{}, fmt.Errorf("%d bytes are more than a newc record holds (4 GiB)", len(f.Data))
		}
		return cpio.StaticFile(f.Name, string(f.Data), perm), nil
	case fs.ModeDir:
		return cpio.Directory(f.Name, perm), nil
	case fs.ModeSymlink:
		return cpio.Symlink(f.Name, string(f.Data)), nil
	default:
		return cpio.Record{}, fmt.Errorf("mode %v: only files, directories and symbolic links can be packed", f.Mode)
	}
}

func checkName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("initramfs: name %q: want a path from the root without a leading slash, as in \"etc/hosts\"", name)
	case name == cpio.Trailer:
		return fmt.Errorf("initramfs: name %q ends a newc archive: choose another", name)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("initramfs: name %q: holds a zero byte", name)
	}
	return nil
}

// missingDirs returns the parents of name that are not in seen, outermost
// first.
func missingDirs(seen map[string]bool, name string) []string {
	var dirs []string
	for dir := path.Dir(name); !seen[dir]; dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	return dirs
}
