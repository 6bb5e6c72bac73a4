package vmtests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestKexec boots an EFI image by kexec from a running Linux, which loads it as a bzImage
// and enters it in 64-bit mode; all checks pass there. An image that is cut short is
// refused by Linux.
func TestKexec(t *testing.T) {
	t.Parallel()
	kernel := need.Linux(t)
	init, err := os.ReadFile(program(t, "kexec"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := boot.Prepare(t.Context(), boot.Config{
		Variants: []stubs.Variant{linux319(t)}, Format: image.EFI, Args: []string{"verify"}, VM: machine(t, vm.ICount),
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(m.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		image []byte
		want  string // of Linux's console; empty: the image boots
	}{
		{"whole", data, ""},
		{"cut short", data[:512], "kexec: kexec_file_load: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			archive, err := initramfs.Build(initramfs.Init(init), initramfs.File{Name: "image", Mode: 0o600, Data: tt.image})
			if err != nil {
				t.Fatal(err)
			}
			m := machine(t, vm.ICount)
			m.Kernel, m.Initrd = kernel, filepath.Join(t.TempDir(), "initramfs.cpio")
			if err := os.WriteFile(m.Initrd, archive, 0o600); err != nil {
				t.Fatal(err)
			}
			var console bytes.Buffer
			m.MemoryMiB, m.CPU, m.Console, m.Append = 512, "max,la57=off", &console, linux.Words+" -- control -- verify"
			res, err := vm.Run(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want != "" {
				if !strings.Contains(console.String(), tt.want) {
					t.Errorf("console is %q, want %q\n%s", console.String(), tt.want, res.Report())
				}
				return
			}
			run := &boot.Run{VM: res}
			if run.Results, err = wire.Parse(console.String()); err != nil {
				t.Fatal(err)
			}
			if res.Outcome != vm.Exited || !run.Complete || run.Count("linux-3.19", wire.Pass) < 60 {
				t.Errorf("%d checks passed\n%s\n%s", run.Count("linux-3.19", wire.Pass), console.String(), res.Report())
			}
			report(t, run)
		})
	}
}
