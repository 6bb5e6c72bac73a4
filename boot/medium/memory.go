package medium

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem"
)

// memory is an image in memory, to which the library writes as to a file. It keeps
// its size.
type memory []byte

var errNoFile = errors.New("the image is in memory and can only be read and written at offsets")

func (m memory) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at > int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(b, m[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (m memory) WriteAt(b []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(b)) > int64(len(m)) {
		return 0, fmt.Errorf("%d bytes at offset %d of an image with %d bytes", len(b), at, len(m))
	}
	return copy(m[at:], b), nil
}

func (m memory) Writable() (backend.WritableFile, error) { return m, nil }
func (m memory) Path() string                            { return "" }
func (m memory) Close() error                            { return nil }
func (m memory) Sys() (*os.File, error)                  { return nil, errNoFile }
func (m memory) Read([]byte) (int, error)                { return 0, errNoFile }
func (m memory) Stat() (fs.FileInfo, error)              { return nil, errNoFile }

// Seek only tells the size.
func (m memory) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekEnd {
		return 0, errNoFile
	}
	return int64(len(m)), nil
}

// growing is memory that grows as it is written.
type growing struct{ memory }

func (g *growing) WriteAt(b []byte, at int64) (int, error) {
	if end := at + int64(len(b)); end > int64(len(g.memory)) {
		g.memory = append(g.memory, make([]byte, end-int64(len(g.memory)))...)
	}
	return g.memory.WriteAt(b, at)
}

func (g *growing) Writable() (backend.WritableFile, error) { return g, nil }

// volume is what is used of a FAT file system.
type volume interface {
	OpenFile(path string, flag int) (filesystem.File, error)
	Chtimes(path string, created, accessed, modified time.Time) error
}

// writeFile writes a new file.
func writeFile(v volume, path string, data []byte) error {
	f, err := v.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = v.Chtimes(path, time.Unix(date, 0), time.Unix(date, 0), time.Unix(date, 0))
	}
	if err != nil {
		return fmt.Errorf("FAT volume: file %s: %w", path, err)
	}
	return nil
}
