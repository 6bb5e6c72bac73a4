package vmtests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/gdb"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestX2APIC boots the guest on a CPU whose local APIC is in x2APIC mode, in which it has no
// registers in memory, when the kernel begins. QEMU's CPUs that are not KVM's have no such mode,
// and no firmware here turns it on: the boot sector does, in room that a BIOS may
// overwrite. It goes no further if the CPU says that it is not on. It
// runs with -boots alone, as TestScreenAbove does.
func TestX2APIC(t *testing.T) {
	if !*allBoots {
		return // Bochs takes a while
	}
	t.Parallel()
	m := machine(t, on(vm.Bochs))
	m, err := boot.Prepare(t.Context(), withImage(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Args: []string{"verify"}, VM: m, Format: image.BIOS}))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(m.Disk)
	if err != nil {
		t.Fatal(err)
	}
	copy(disk, []byte{
		0x89, 0xd3, // mov bx, dx: the drive
		0x66, 0xb9, 0x1b, 0, 0, 0, // mov ecx, MSR_APIC_BASE
		0x0f, 0x32, // rdmsr
		0x80, 0xcc, 0x0c, // or ah, (ENABLE | X2) >> 8
		0x0f, 0x30, // wrmsr
		0x0f, 0x32, // rdmsr
		0xf6, 0xc4, 0x04, // test ah, X2 >> 8
		0x74, 0xfe, // jz to itself
		0x89, 0xda, // mov dx, bx
	}) // the NOPs behind lead to the boot sector's start
	res, console := bootDisk(t, m, disk)
	results, err := wire.Parse(console)
	if err != nil || !results.Complete || results.Count("", wire.Pass) == 0 || results.Count("", wire.Fail)+results.Count("", wire.Error) > 0 {
		t.Errorf("checks %v, error %v\n%s", results.Checks, err, res.Report())
	}
}

// TestScreenAbove: a loader hands over a screen whose pixels are above 4 GiB, as firmware does
// where a graphics card's memory is there. No display of QEMU's can be: the pixels are
// in a PCI device's memory that is a file of the host, and the loader's words are
// changed where the kernel has just taken them. ACPI's root pointer is there too, where the
// kernel does not reach it: it does without.
func TestScreenAbove(t *testing.T) {
	if !*allBoots {
		return
	}
	t.Parallel()
	const width, height = 800, 600
	const device, ecam = 5, 0xb000_0000 // OVMF has a q35's configuration space there
	needOVMF(t)
	archive, err := boot.Initramfs(t.Context(), program(t, "screen"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{linux319(t)}, Initramfs: archive})
	if err != nil {
		t.Fatal(err)
	}
	file, err := kernel.File(image.EFI, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	parser, ok := kernel.Object.Addr("linux_boot_info")
	if !ok {
		t.Fatal("the kernel has no linux_boot_info")
	}
	m := machine(t, vm.TCG)
	m.Machine, m.UEFI, m.MemoryMiB, m.Kernel = vm.Q35, true, 256, filepath.Join(t.TempDir(), "kernel.efi")
	if err := os.WriteFile(m.Kernel, file, 0o600); err != nil {
		t.Fatal(err)
	}
	pixels := filepath.Join(t.TempDir(), "pixels")
	m.Extra = []string{
		"-object", "memory-backend-file,id=pixels,share=on,size=16M,mem-path=" + pixels,
		"-device", fmt.Sprintf("ivshmem-plain,memdev=pixels,addr=%d", device),
	}
	var base uint64
	m.Debug = func(conn *os.File) error {
		stub := gdb.New(gdb.Patient{File: conn})
		if err := errors.Join(stub.Describe(), stub.Break(parser), stub.Continue(), stub.Unbreak(parser)); err != nil {
			return err
		}
		bar, err := stub.MemoryPhysical(ecam+device<<15+0x18, 8)
		if err != nil {
			return err
		}
		base = binary.LittleEndian.Uint64(bar) &^ 0xf
		r, err := stub.Registers()
		if err != nil {
			return err
		}
		params := layout.PhysMap + r.RDI
		info, err := stub.Memory(params, 64)
		if err != nil {
			return err
		}
		info[0x0f] = layout.ScreenInfoEFI
		for at, value := range map[int]uint16{0x12: width, 0x14: height, 0x16: 32, 0x24: 4 * width} {
			binary.LittleEndian.PutUint16(info[at:], value)
		}
		binary.LittleEndian.PutUint32(info[0x18:], uint32(base))
		binary.LittleEndian.PutUint32(info[0x3a:], uint32(base>>32))
		var words []uint64
		for word := range slices.Chunk(info, 8) {
			words = append(words, binary.LittleEndian.Uint64(word))
		}
		const rsdp = 0x70
		return errors.Join(stub.Write(params, words...), stub.Write(params+rsdp, base), stub.Detach())
	}
	res, console := bootMachine(t, m)
	if res.Outcome != vm.Exited || !strings.HasSuffix(console, "tty1: <nil>\n") {
		t.Fatalf("console is %q\n%s", console, res.Report())
	}
	if base < 4<<30 {
		t.Fatalf("the pixels are at %#x, not above 4 GiB", base)
	}
	f, err := os.Open(pixels)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shown := make([]byte, 4*width*height)
	if _, err := f.ReadAt(shown, 0); err != nil {
		t.Fatal(err)
	}
	s := shot{width: width, height: height}
	for pixel := range slices.Chunk(shown, 4) {
		s.rgb = append(s.rgb, pixel[2], pixel[1], pixel[0])
	}
	if got, want := s.read(t, pixelGlyphs(s)), screenRows(); !slices.Equal(got, want) {
		t.Errorf("the screen at %#x shows\n%s\nwant\n%s", base, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBootsBIOS has a disk boot a machine with a BIOS three times without a hand, each time with
// the entry path elsewhere; then a new series may begin. Where the boots cannot be counted,
// there is one, and on a CD too.
func TestBootsBIOS(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
	archive, err := boot.Initramfs(t.Context(), program(t, "entry"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{linux319(t)}, Initramfs: archive, Cmdline: layout.ControlWord, Boots: 3})
	if err != nil {
		t.Fatal(err)
	}
	const exited = "entrylab: init exited with status 0\n"
	entry := func(i int) string {
		at, ok := kernel.Object.Addr(linux319(t).FuncName(stubs.Entry) + stubs.CopyName(i))
		if !ok {
			t.Fatalf("the kernel has no copy %d", i)
		}
		return fmt.Sprintf("%#x\n", at)
	}
	series := entry(0) + "entrylab: boot 1 of 3: the machine starts again\n" +
		entry(1) + "entrylab: boot 2 of 3: the machine starts again\n" +
		entry(2) + "entrylab: boot 3 of 3, the last one\n"
	for _, tt := range []struct {
		name      string
		format    image.Format
		machine   vm.Machine
		words     string
		media     vm.Media
		protected bool     // the medium
		want      []string // on the console, of one run after the other
	}{
		{name: "disk", format: image.Disk, machine: vm.PC, want: []string{series, series}},
		{name: "BIOS disk", format: image.BIOS, machine: vm.Q35, words: layout.ControlWord, want: []string{series}},
		{
			name: "write-protected", format: image.Disk, machine: vm.PC, protected: true,
			want: []string{entry(0) + "entrylab: there is no further boot: the boots cannot be counted on the medium\n"},
		},
		{name: "CD", format: image.ISO, machine: vm.PC, media: vm.CD, want: []string{entry(0)}},
	} {
		if tt.want[0] == series && !*allBoots {
			continue // many starts of a BIOS, which takes a while
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, err := kernel.File(tt.format, tt.words, nil)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			m := machine(t, vm.TCG)
			m.Machine, m.Media, m.Disk, m.Keep, m.Reboots = tt.machine, tt.media, path, true, true
			if tt.protected {
				m.Extra = []string{"-device", "virtio-blk-pci,drive=disk,bootindex=1", "-drive", "if=none,id=disk,format=raw,readonly=on,file=" + path}
				m.Disk = filepath.Join(t.TempDir(), "empty.img")
				if err := os.WriteFile(m.Disk, make([]byte, 1<<20), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range tt.want {
				var log strings.Builder
				m.Log = &log
				res, console := bootMachine(t, m)
				boots := strings.Count(want, "0x")
				if console != want || log.String() != strings.Repeat(exited, boots) || res.Outcome != vm.Exited {
					t.Errorf("the console is %q, want %q; the log is %q\n%s", console, want, log.String(), res.Report())
				}
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, after) {
				t.Error("after a series the medium is not as it was")
			}
		})
	}
}
