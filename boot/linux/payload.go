package linux

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/therootcompany/xz"
)

// method is one of them.
type method struct {
	name, magic string
	open        func(io.Reader) (io.Reader, error)
}

// methods are those by which Linux compresses a kernel (init/Kconfig, KERNEL_GZIP and the
// others), by the first bytes of what they make (lib/decompress.c).
var methods = []method{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, error) { return oneGzip(r) }},
	{"bzip2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"lzma", "\x5d\x00\x00", func(io.Reader) (io.Reader, error) { return nil, errLZMA }},
	{"xz", "\xfd7zXZ\x00", openXZ},
	{"lzo", lzopMagic, openLZO},
	{"lz4", "\x02\x21\x4c\x18", func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) }},
	{"nothing", elf.ELFMAG, func(r io.Reader) (io.Reader, error) { return r, nil }}, // CONFIG_KERNEL_UNCOMPRESSED
}

// errLZMA is about a kernel that boots, but is not looked into.
var errLZMA = errors.New("CONFIG_KERNEL_LZMA is not read here")

// methodOf returns the method of a compressed part, of which data are the first bytes.
func methodOf(data []byte) (method, error) {
	for _, m := range methods {
		if bytes.HasPrefix(data, []byte(m.magic)) {
			return m, nil
		}
	}
	return method{}, fmt.Errorf("it begins with % x, as no method of Linux does: it may be encrypted", data[:min(8, len(data))])
}

// mostKernel is the most that a kernel has uncompressed.
const mostKernel = 512 << 20

// trailer is the length of the kernel, which stands behind what all but gzip and no
// compression make (scripts/Makefile.lib, size_append).
const trailer = 4

// Kernel returns the kernel in a bzImage, uncompressed: an ELF.
func (im *Image) Kernel(ctx context.Context) ([]byte, error) {
	if im.ELF || im.length < trailer {
		return nil, fmt.Errorf("%s: no compressed kernel is in it", im.Path)
	}
	f, err := file.Open(ctx, im.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, im.length)
	if _, err := io.CopyN(io.Discard, f, im.payload); err != nil {
		return nil, fmt.Errorf("%s: %w", im.Path, err)
	}
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: %w", im.Path, err)
	}
	kernel, err := uncompressed(data)
	if err != nil {
		return nil, fmt.Errorf("%s: the compressed kernel in it is damaged: %w", im.Path, err)
	}
	return kernel, nil
}

// uncompressed takes a compressed part apart.
func uncompressed(data []byte) ([]byte, error) {
	m, err := methodOf(data)
	if err != nil {
		return nil, err
	}
	want := int64(-1)
	if m.name != "gzip" && m.name != "nothing" {
		want = int64(binary.LittleEndian.Uint32(data[len(data)-trailer:]))
		data = data[:len(data)-trailer]
	}
	r, err := m.open(bytes.NewReader(data))
	var kernel []byte
	if err == nil {
		kernel, err = upTo(r, mostKernel+1)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", m.name, err)
	case len(kernel) > mostKernel:
		return nil, fmt.Errorf("it has more than %d MiB uncompressed", mostKernel>>20)
	case want >= 0 && int64(len(kernel)) != want:
		return nil, fmt.Errorf("%s: it has %d bytes uncompressed, and says that it has %d", m.name, len(kernel), want)
	case !bytes.HasPrefix(kernel, []byte(elf.ELFMAG)):
		return nil, errors.New("what is in it is no ELF")
	}
	return kernel, nil
}

// upTo reads a stream, but no more than so many bytes.
func upTo(r io.Reader, most int64) ([]byte, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(io.LimitReader(r, most))
	return b.Bytes(), err
}

func oneGzip(r io.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(r)
	if err == nil {
		z.Multistream(false) // there may be zeros behind it
	}
	return z, err
}

func openXZ(r io.Reader) (io.Reader, error) {
	z, err := xz.NewReader(r, 0)
	if err == nil {
		z.Multistream(false)
	}
	return z, err
}

// Marks around the configuration in a kernel (kernel/configs.c).
const (
	configBegin = "IKCFG_ST"
	configEnd   = "IKCFG_ED"
	mostConfig  = 4 << 20
)

// Config returns the configuration that the kernel carries (CONFIG_IKCONFIG); nil if it
// carries none. An option that is off is not in it.
func (im *Image) Config(ctx context.Context) (map[string]string, error) {
	var data []byte
	var err error
	if im.ELF {
		data, err = im.rodata()
	} else {
		data, err = im.Kernel(ctx)
	}
	if err != nil {
		return nil, err
	}
	_, data, ok := bytes.Cut(data, []byte(configBegin))
	if !ok {
		return nil, nil
	}
	data, _, _ = bytes.Cut(data, []byte(configEnd))
	z, err := oneGzip(bytes.NewReader(data))
	var text []byte
	if err == nil {
		text, err = upTo(z, mostConfig)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: the configuration in it: %w", im.Path, err)
	}
	config := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "CONFIG_") {
			config[name] = value
		}
	}
	return config, nil
}

func (im *Image) rodata() ([]byte, error) {
	f, err := elf.Open(im.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.Path, err)
	}
	defer f.Close()
	return rodata(f)
}
