package vmtests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestDisk boots the guest from a disk image: the checks that pass with a
// kernel that QEMU loads must pass with one that the boot sector loads.
func TestDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		machine vm.Machine
		engine  vm.Engine
		memory  int  // MiB
		always  bool // not with -boots alone
	}{
		{name: "pc, icount", engine: vm.ICount, always: true},
		{name: "pc, tcg", engine: vm.TCG},
		{name: "q35, icount", machine: vm.Q35, engine: vm.ICount},
		{name: "q35, tcg", machine: vm.Q35, engine: vm.TCG, always: true},
		{name: "pc, 5000 MiB", engine: vm.TCG, memory: 5000},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, tt.engine)
			c := boot.Config{Variants: []stubs.Variant{linux319(t), variant(t, "heukelum-v2")}, Args: []string{"verify"}, VM: m}
			byLoader := runGuest(t, c)
			c.Format, c.VM.Machine, c.VM.MemoryMiB = image.BIOS, tt.machine, tt.memory
			run := runGuest(t, c)
			report(t, run)
			if len(run.Checks) == 0 || len(run.Checks) != len(byLoader.Checks) {
				t.Fatalf("%d checks, want the %d of a kernel that QEMU loads", len(run.Checks), len(byLoader.Checks))
			}
			for i, c := range run.Checks {
				if want := byLoader.Checks[i]; c != want {
					t.Errorf("%v, want %v", c, want)
				}
			}
		})
	}
}

// diskImage returns the image of a machine with a disk that runs testdata's
// program name.
func diskImage(t *testing.T, m vm.Config, name string) []byte {
	t.Helper()
	m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, name), VM: m, Format: image.BIOS})
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(m.Disk)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// bootDisk boots a disk image.
func bootDisk(t *testing.T, m vm.Config, image []byte) (res vm.Result, console string) {
	t.Helper()
	m.Disk = filepath.Join(t.TempDir(), "a disk, with a comma.img")
	if m.Engine == vm.Bochs { // which cannot have that
		m.Disk = filepath.Join(filepath.Dir(m.Disk), "disk.img")
	}
	if err := os.WriteFile(m.Disk, image, 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m.Console = &out
	res, err := vm.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return res, out.String()
}

// TestDiskDamaged boots disk images that are not whole, and one whose command
// line was changed by hand.
func TestDiskDamaged(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
	for _, tt := range []struct {
		name   string
		change func(image []byte) []byte
		want   string // the reason of a refusal; empty: words runs
		out    string
	}{
		{name: "whole", change: func(b []byte) []byte { return b }, out: program(t, "words") + "\n\nHOME=/\nTERM=linux\n"},
		{
			name:   "another command line",
			change: func(b []byte) []byte { copy(b[proto.CmdlineOffset:], "one A=2\x00"); return b },
			out:    "/init\none\n\nHOME=/\nTERM=linux\nA=2\n",
		},
		{
			name: "a longer command line than there is room for",
			change: func(b []byte) []byte {
				copy(b[proto.CmdlineOffset:], bytes.Repeat([]byte("x"), 4096))
				return b
			},
			out: "/init\n" + strings.Repeat("x", 4095) + "\n\nHOME=/\nTERM=linux\n",
		},
		{name: "cut in the kernel", change: func(b []byte) []byte { return b[:64<<10] }, want: "cannot boot: the disk cannot be read"},
		{name: "cut in the loader", change: func(b []byte) []byte { return b[:proto.CmdlineOffset+4096+512] }, want: "cannot boot: the disk cannot be read"},
		{
			name: "cut in the initramfs and filled up",
			change: func(b []byte) []byte {
				clear(b[len(b)/2:])
				return b
			},
			want: "cannot boot: the image is damaged",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			res, console := bootDisk(t, m, tt.change(diskImage(t, m, "words")))
			switch {
			case tt.want == "" && (res.Outcome != vm.Exited || console != tt.out):
				t.Errorf("console %q, want %q\n%s", console, tt.out, res.Report())
			case tt.want != "" && (res.Outcome != vm.Refused || !strings.Contains(res.Reason, tt.want)):
				t.Errorf("want a refusal with %q\n%s", tt.want, res.Report())
			}
		})
	}
}

// TestDiskMemory boots a disk image on machines without RAM for all of it: the
// loader refuses, where it would write to where nothing is. It says so in the
// log, or on the serial port if there is none.
func TestDiskMemory(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
	const reason = "cannot boot: too little memory: kernel and initramfs take all RAM up to 4 MiB; give the machine 36 MiB"
	for _, tt := range []struct {
		name    string
		machine vm.Machine
		memory  int // MiB
		want    string
	}{
		{name: "pc, 1 MiB", memory: 1, want: reason},
		{name: "pc, 3 MiB", memory: 3, want: reason},
		{name: "q35, 3 MiB", machine: vm.Q35, memory: 3, want: reason},
		{name: "pc, 36 MiB", memory: 36},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			image := diskImage(t, m, "words")
			m.Machine, m.MemoryMiB = tt.machine, tt.memory
			res, console := bootDisk(t, m, image)
			switch {
			case tt.want == "" && res.Outcome != vm.Exited:
				t.Errorf("console %q\n%s", console, res.Report())
			case tt.want != "" && (res.Outcome != vm.Refused || res.Reason != tt.want || console != ""):
				t.Errorf("console %q; want a refusal with %q\n%s", console, tt.want, res.Report())
			}
		})
	}
	t.Run("serial", func(t *testing.T) {
		t.Parallel()
		disk := filepath.Join(t.TempDir(), "disk.img")
		if err := os.WriteFile(disk, diskImage(t, machine(t, vm.TCG), "words"), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "qemu-system-x86_64", "-M", "pc", "-nodefaults", "-m", "1", "-no-reboot", "-display", "none",
			"-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", "format=raw,file="+disk).Output()
		if want := "entrylab: " + reason + "\r\n"; string(out) != want {
			t.Errorf("the serial port gives %q, want %q (%v)", out, want, err)
		}
	})
}
