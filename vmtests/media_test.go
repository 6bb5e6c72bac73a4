package vmtests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// mediaBoots are the ways to boot the images of sticks and CDs.
var mediaBoots = []struct {
	format image.Format
	media  vm.Media
	boot   efiBoot
}{
	{image.Disk, vm.HardDisk, efiBoot{name: "BIOS, pc", machine: vm.PC, always: true}},
	{image.Disk, vm.HardDisk, efiBoot{name: "UEFI, pc", machine: vm.PC, uefi: true}},
	{image.Disk, vm.Stick, efiBoot{name: "BIOS, q35", machine: vm.Q35}},
	{image.Disk, vm.Stick, efiBoot{name: "UEFI, q35", machine: vm.Q35, uefi: true, always: true}},
	{image.ISO, vm.CD, efiBoot{name: "BIOS, pc", machine: vm.PC, always: true}},
	{image.ISO, vm.CD, efiBoot{name: "BIOS, q35", machine: vm.Q35}},
	{image.ISO, vm.CD, efiBoot{name: "UEFI, pc", machine: vm.PC, uefi: true}},
	{image.ISO, vm.CD, efiBoot{name: "UEFI, q35", machine: vm.Q35, uefi: true, always: true}},
	{image.ISO, vm.HardDisk, efiBoot{name: "BIOS, q35", machine: vm.Q35}},
	{image.ISO, vm.Stick, efiBoot{name: "BIOS, pc", machine: vm.PC}},
	{image.ISO, vm.Stick, efiBoot{name: "UEFI, q35", machine: vm.Q35, uefi: true}},
}

// TestMedia boots the images of sticks and CDs in every way that firmware has. The
// words of the image must reach init.
func TestMedia(t *testing.T) {
	t.Parallel()
	for _, b := range mediaBoots {
		if !b.boot.always && !*allBoots {
			continue
		}
		media := map[vm.Media]string{vm.HardDisk: "hard disk"}[b.media] + string(b.media)
		t.Run(string(b.format)+"/"+media+"/"+b.boot.name, func(t *testing.T) {
			t.Parallel()
			if b.boot.uefi {
				needOVMF(t)
			}
			m := machine(t, vm.TCG)
			m.Machine, m.UEFI, m.Media, m.Append, m.MemoryMiB = b.boot.machine, b.boot.uefi, b.media, "A=2", 256
			init := program(t, "words")
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: b.format, Init: init, Args: []string{"one", "two words"}, VM: m})
			want := init + "\none\ntwo words\n\nHOME=/\nTERM=linux\nA=2\n"
			if b.boot.uefi && b.media != vm.CD {
				want += answerWritten
			}
			if res.Outcome != vm.Exited || !strings.HasSuffix(console, want) {
				t.Errorf("console is %q, want %q at its end\n%s", console, want, res.Report())
			}
		})
	}
}

// TestMediaDamaged boots images of sticks and CDs that are not whole: a BIOS's loader says
// so, or the kernel that firmware has loaded. Firmware refuses a stick that is shorter than
// its partitions itself, so that these sticks have zeros from somewhere in the volume on.
func TestMediaDamaged(t *testing.T) {
	t.Parallel()
	// zeros leaves as much of the application on the stick's volume.
	zeros := func(left int) func([]byte) []byte {
		return func(b []byte) []byte {
			const volume = 1 << 20
			clear(b[volume+bytes.Index(b[volume:], []byte("MZ"))+left:])
			return b
		}
	}
	for _, tt := range []struct {
		name   string
		format image.Format
		media  vm.Media
		uefi   bool
		change func([]byte) []byte
	}{
		{"disk, cut in the kernel", image.Disk, vm.HardDisk, false, func(b []byte) []byte { return b[:17<<20+32<<10] }},
		{"disk, cut in the loader", image.Disk, vm.HardDisk, false, func(b []byte) []byte { return b[:17<<20+4<<10] }},
		{"disk, cut in the volume", image.Disk, vm.HardDisk, false, func(b []byte) []byte { return b[:3<<20] }},
		{"stick, zeros in the kernel's code", image.Disk, vm.Stick, true, zeros(16 << 10)},
		{"stick, zeros in the kernel's data", image.Disk, vm.Stick, true, zeros(170 << 10)},
		{"stick, zeros in the initramfs", image.Disk, vm.Stick, true, zeros(1 << 20)},
		{"ISO, cut in the kernel", image.ISO, vm.CD, false, func(b []byte) []byte { return b[:128<<10] }},
		{"ISO, a bit of the kernel", image.ISO, vm.CD, false, func(b []byte) []byte { b[128<<10] ^= 1; return b }},
	} {
		if tt.uefi && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: tt.format, Init: program(t, "words"), VM: machine(t, vm.TCG)})
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(m.Disk)
			if err != nil {
				t.Fatal(err)
			}
			m.Media, m.UEFI, m.Disk = tt.media, tt.uefi, filepath.Join(t.TempDir(), "damaged.img")
			if tt.uefi {
				needOVMF(t)
				m.Machine, m.MemoryMiB = vm.Q35, 256
			}
			if err := os.WriteFile(m.Disk, tt.change(b), 0o644); err != nil {
				t.Fatal(err)
			}
			if res, console := bootMachine(t, m); res.Outcome != vm.Refused || !strings.Contains(res.Reason, "cannot boot: ") {
				t.Errorf("console %q; want a refusal\n%s", console, res.Report())
			}
		})
	}
}
