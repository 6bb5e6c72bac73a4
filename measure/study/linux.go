package study

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
)

// linuxMemory is what a distribution's kernel needs, in MiB.
const linuxMemory = 512

// Baseline measures a Linux kernel with the same guest as /init on the same
// machine, and hands out its records: of one boot where counts are exact, of
// many where ticks are cycles. extra are words for the kernel's command
// line; they become a part of the name that the figures carry.
func Baseline(ctx context.Context, b Boots, kernel, extra string, emit func(...record.Record) error) error {
	m, step := b.Machine, b.step
	release, err := Release(ctx, kernel)
	if err != nil {
		return err
	}
	variant := strings.Join(append([]string{"Linux " + release}, strings.Fields(extra)...), ", ")
	archive, err := boot.Initramfs(ctx, "")
	if err != nil {
		return err
	}
	m.Kernel, m.MemoryMiB = kernel, linuxMemory
	if m.Initrd, err = cache.Keep("initramfs", ".cpio", archive); err != nil {
		return err
	}
	words := strings.TrimSpace("console=ttyS0 quiet panic=-1 reboot=t "+extra) + " -- "
	m.Append = words + strings.Join(wire.Command{Measure: true}.Words(), " ")
	c, err := MachineConfig(ctx, m)
	if err != nil {
		return err
	}
	if units[m.Engine] == "" {
		for boot := 1; boot <= b.n(); boot++ {
			step(fmt.Sprintf("boot %d of %d of %s", boot, b.n(), variant))
			m.Append = words + strings.Join(cycles.Words(boot, b.Samples), " ")
			got, err := cycles.Sample(ctx, m, boot, c)
			if err != nil {
				return err
			}
			got.Rename(wire.Linux, variant)
			if err := emit(got.Records(nil, time.Now())...); err != nil {
				return err
			}
		}
		return nil
	}
	step("booting " + variant)
	n := 0
	err = Measure(ctx, m, func(f wire.Measure) error {
		n++
		f.Variant = variant
		return emit(record.New(c, f, "", units[m.Engine], 0, time.Now()))
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("%s measured nothing", variant)
	}
	return err
}

// Offsets in a Linux kernel image (Linux: Documentation/arch/x86/boot.rst, "The
// Real-Mode Kernel Header").
const (
	headerMagic   = 0x202 // "HdrS"
	headerVersion = 0x20e // where the release is, less 0x200
)

// linuxImage is the file of a Linux kernel, which the emulator reads once more.
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
		return "", fmt.Errorf("%s is no Linux kernel image (vmlinuz, bzImage): no HdrS at %#x", path, headerMagic)
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
