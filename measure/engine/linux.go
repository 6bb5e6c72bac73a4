package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/cache"
)

// linuxMemory is the memory that a distribution's kernel needs, in MiB.
const linuxMemory = 512

// linuxName is the beginning of the names of Linux kernels.
const linuxName = "Linux "

// Linux is a Linux kernel that is measured with the same guest as /init, on the same
// machine as the generated kernels.
type Linux struct {
	path, words, name string
}

// NewLinux returns the kernel in an image file, with further words for its command line,
// which become a part of the name that its figures carry.
func NewLinux(ctx context.Context, path, words string) (*Linux, error) {
	release, err := Release(ctx, path)
	if err != nil {
		return nil, err
	}
	name := strings.Join(append([]string{linuxName + release}, strings.Fields(words)...), ", ")
	return &Linux{path, words, name}, nil
}

// label returns the name in records of what the guest calls name.
func (l *Linux) label(name string) string {
	if name == wire.Linux {
		return l.name
	}
	return name
}

// Name returns the name that the kernel's figures carry.
func (l *Linux) Name() string { return l.name }

// Machine returns the machine whose guest does that under the kernel.
func (l *Linux) Machine(ctx context.Context, m vm.Config, do wire.Command) (vm.Config, error) {
	archive, err := boot.Initramfs(ctx, "")
	if err != nil {
		return m, err
	}
	m.Kernel, m.MemoryMiB = l.path, linuxMemory
	if m.Initrd, err = cache.Keep("initramfs", ".cpio", archive); err != nil {
		return m, err
	}
	m.Append = strings.TrimSpace("console=ttyS0 quiet panic=-1 reboot=t "+l.words) + " -- " + strings.Join(do.Words(), " ")
	m.Code, err = hashFile(ctx, linuxImage, l.path, archive)
	return m, err
}

// hashFile names what runs, as image.Image.Hash does: a file with what runs with it.
func hashFile(ctx context.Context, kind bounded.Kind, path string, beside ...[]byte) (string, error) {
	f, err := kind.Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	for _, b := range beside {
		sum.Write(b)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// Offsets in a Linux kernel image (Linux: Documentation/arch/x86/boot.rst, "The
// Real-Mode Kernel Header").
const (
	headerMagic   = 0x202 // "HdrS"
	headerVersion = 0x20e // where the release is, less 0x200
)

// linuxImage is the file of a Linux kernel, which the emulator reads again.
var linuxImage = bounded.Kind{Thing: "Linux kernel", Most: 256 << 20, Regular: true, Advice: "give a vmlinuz or bzImage"}

// Release reads the release of a Linux kernel, as uname prints it, out of its
// image.
func Release(ctx context.Context, path string) (string, error) {
	f, err := linuxImage.Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	image := make([]byte, 64<<10)
	n, err := io.ReadFull(f, image)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	image = image[:n]
	if n < headerVersion+2 || string(image[headerMagic:headerMagic+4]) != "HdrS" {
		return "", fmt.Errorf("%s is not a Linux kernel image (vmlinuz, bzImage): no HdrS at %#x", path, headerMagic)
	}
	at := int(binary.LittleEndian.Uint16(image[headerVersion:])) + 0x200
	if at >= n {
		return "", fmt.Errorf("%s: the kernel's release is said to be at %#x, beyond its setup code", path, at)
	}
	text, _, _ := strings.Cut(string(image[at:]), "\x00")
	release, _, _ := strings.Cut(text, " ")
	if release == "" || len(release) > 64 {
		return "", fmt.Errorf("%s: no release at %#x", path, at)
	}
	return release, nil
}
