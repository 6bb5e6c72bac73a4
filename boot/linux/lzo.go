package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/anchore/go-lzo"
)

// lzopMagic is the beginning of a file of lzop (Linux: lib/decompress_unlzo.c).
const lzopMagic = "\x89LZO\x00\x0d\x0a\x1a\x0a"

// Flags in the header of lzop.
const (
	lzopAdlerOut  = 1 << 0 // a sum of each block as it was
	lzopAdlerIn   = 1 << 1 // a sum of each block compressed
	lzopExtra     = 1 << 6
	lzopCRCOut    = 1 << 8
	lzopCRCIn     = 1 << 9
	lzopFilter    = 1 << 11
	lzopWithLevel = 0x0940 // the version since which the header has a level
	lzopMostBlock = 8 << 20
)

// openLZO reads what lzop made: a header, and blocks, each with its two lengths. The
// sums are not checked: a damaged block does not come out at its length.
func openLZO(r io.Reader) (io.Reader, error) {
	header := make([]byte, len(lzopMagic))
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	var short [2]byte
	var long [4]byte
	get16 := func() (uint16, error) {
		_, err := io.ReadFull(r, short[:])
		return binary.BigEndian.Uint16(short[:]), err
	}
	get32 := func() (uint32, error) {
		_, err := io.ReadFull(r, long[:])
		return binary.BigEndian.Uint32(long[:]), err
	}
	skip := func(n int64) error {
		_, err := io.CopyN(io.Discard, r, n)
		return err
	}
	version, err := get16()
	if err != nil {
		return nil, err
	}
	if err := skip(2); err != nil { // the library's version
		return nil, err
	}
	rest, times := int64(1), int64(8) // the method; mode and time
	if version >= lzopWithLevel {
		rest, times = 4, 12 // the version to extract with and the level, too
	}
	if err := skip(rest); err != nil {
		return nil, err
	}
	flags, err := get32()
	if err != nil {
		return nil, err
	}
	if flags&(lzopFilter|lzopExtra) != 0 {
		return nil, errors.New("lzop with a filter or extra fields, which Linux does not make")
	}
	if err := skip(times); err != nil {
		return nil, err
	}
	var name [1]byte
	if _, err := io.ReadFull(r, name[:]); err != nil {
		return nil, err
	}
	if err := skip(int64(name[0]) + 4); err != nil { // and the header's sum
		return nil, err
	}
	return &lzoBlocks{get: get32, r: r, flags: flags}, nil
}

// lzoBlocks reads one block after the other.
type lzoBlocks struct {
	get   func() (uint32, error)
	r     io.Reader
	flags uint32
	rest  []byte
}

func (l *lzoBlocks) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *lzoBlocks) next() error {
	whole, err := l.get()
	if err != nil {
		return err
	}
	if whole == 0 {
		return io.EOF
	}
	packed, err := l.get()
	if err != nil {
		return err
	}
	if whole > lzopMostBlock || packed > whole {
		return fmt.Errorf("a block of %d bytes in %d", whole, packed)
	}
	for _, sum := range []uint32{lzopAdlerOut, lzopCRCOut} {
		if l.flags&sum != 0 {
			if _, err := l.get(); err != nil {
				return err
			}
		}
	}
	for _, sum := range []uint32{lzopAdlerIn, lzopCRCIn} {
		if l.flags&sum != 0 && packed < whole {
			if _, err := l.get(); err != nil {
				return err
			}
		}
	}
	data := make([]byte, packed)
	if _, err := io.ReadFull(l.r, data); err != nil {
		return err
	}
	if packed == whole {
		l.rest = data
		return nil
	}
	out := make([]byte, whole)
	n, err := lzo.Decompress(data, out)
	if err == nil && n != len(out) {
		err = fmt.Errorf("a block has %d bytes and says %d", n, whole)
	}
	l.rest = out
	return err
}
