package vmtests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestGRUB boots an EFI image by GRUB's linux, from a disk that grub-mkrescue makes:
// on a BIOS it enters the kernel in 32-bit protected mode, under UEFI by the handover
// entry. The words of its line must reach init.
func TestGRUB(t *testing.T) {
	t.Parallel()
	need.Tool(t, "grub-mkrescue")
	need.Tool(t, "xorriso") // which that one uses
	need.Tool(t, "mformat")
	init := program(t, "words")
	m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: image.EFI, Init: init, VM: machine(t, vm.TCG)})
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile(m.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "boot", "grub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"x.efi":              string(kernel),
		"boot/grub/grub.cfg": "linux /x.efi A=2 -- one \"two words\"\nboot\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	disk := filepath.Join(t.TempDir(), "rescue.iso")
	if out, err := exec.CommandContext(t.Context(), "grub-mkrescue", "-o", disk, root).CombinedOutput(); err != nil {
		t.Fatalf("grub-mkrescue: %v\n%s", err, out)
	}
	for _, b := range []efiBoot{
		{name: "BIOS, pc", machine: vm.PC, always: true},
		{name: "UEFI, q35", machine: vm.Q35, uefi: true},
	} {
		if !b.always && !*allBoots {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if b.uefi {
				needOVMF(t)
			}
			m := machine(t, vm.TCG)
			m.Machine, m.UEFI, m.Disk, m.MemoryMiB = b.machine, b.uefi, disk, 256
			res, console := bootMachine(t, m)
			// GRUB puts BOOT_IMAGE in front; who init is the image says.
			const want = "\none\ntwo words\n\nHOME=/\nTERM=linux\nBOOT_IMAGE=/x.efi\nA=2\n"
			if res.Outcome != vm.Exited || !strings.HasSuffix(console, want) {
				t.Errorf("console is %q, want %q at its end\n%s", console, want, res.Report())
			}
		})
	}
}
