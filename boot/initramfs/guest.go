package initramfs

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

//go:generate go run ./makeguest

// guestGZ is the guest, compressed: package guest as makeguest has built it. It
// is part of the command, so that no command needs Go or the sources, in
// whatever folder it runs.
//
//go:embed guest.gz
var guestGZ []byte

// maxGuest bounds the size of the decompressed guestGZ.
const maxGuest = 64 << 20

// Guest returns the program that verifies and measures, built from package
// guest: a static linux/amd64 executable. The slice is shared; do not write to
// it.
var Guest = sync.OnceValues(func() ([]byte, error) { return decompress(guestGZ) })

func decompress(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("the guest in this program is damaged: %w", err)
	}
	program, err := io.ReadAll(io.LimitReader(r, maxGuest))
	if err != nil {
		return nil, fmt.Errorf("the guest in this program is damaged: %w", err)
	}
	return program, nil
}

// BuildGuest builds the guest from the sources of the module in folder dir, with
// the Go release that go.mod names as its toolchain, whichever one is installed,
// and returns it compressed. The bytes depend only on the sources and that release.
func BuildGuest(ctx context.Context, dir string) ([]byte, error) {
	release, err := toolchain(ctx, dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "guest")
	if err := GoBuild(ctx, dir, guestPackage, out, "GOTOOLCHAIN="+release); err != nil {
		return nil, err
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return compress(program)
}

// guestPackage is the init that verifies and measures.
const guestPackage = "github.com/entrylab/entrylab/guest"

// toolchain returns the Go release that the go.mod of dir's module names.
func toolchain(ctx context.Context, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go mod edit -json: %w", err)
	}
	var mod struct{ Toolchain string }
	if err := json.Unmarshal(text, &mod); err != nil {
		return "", fmt.Errorf("go mod edit -json: %w", err)
	}
	if mod.Toolchain == "" {
		return "", errors.New("go.mod has no toolchain line; the guest must be built with that release")
	}
	return mod.Toolchain, nil
}

func compress(program []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
