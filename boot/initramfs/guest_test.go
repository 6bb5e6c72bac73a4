package initramfs

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"path/filepath"
	"testing"
)

// TestGuest: the guest in the command is the one that these sources make with
// the Go release of go.mod, to the byte, and can run as /init.
func TestGuest(t *testing.T) {
	program, err := Guest()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "guest")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadInit(t.Context(), path); err != nil {
		t.Error(err)
	}
	release, err := toolchain(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := buildinfo.ReadFile(path); err != nil || info.GoVersion != release {
		t.Errorf("it was built with %v, %v; go.mod names %s", info, err, release)
	}
	made, err := BuildGuest(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, guestGZ) {
		t.Errorf("guest.gz is not what the sources make: run `go generate ./boot/initramfs` with package guest as it is to be (%d bytes, made anew %d)", len(guestGZ), len(made))
	}
}

// TestGuestDamaged: a command whose guest is cut off or changed says so.
func TestGuestDamaged(t *testing.T) {
	for _, tt := range []struct {
		name   string
		packed []byte
	}{
		{"cut off", guestGZ[:len(guestGZ)/2]},
		{"changed", append(bytes.Clone(guestGZ[:len(guestGZ)-8]), 0, 0, 0, 0, 0, 0, 0, 0)},
		{"empty", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := decompress(tt.packed); err == nil {
				t.Error("no error")
			}
		})
	}
}
