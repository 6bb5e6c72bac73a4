package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/entrylab/entrylab/internal/group"
)

// GoBuild builds the Go main package pkg, named as on go's command line and
// seen from the directory dir, into a static linux/amd64 program at out. The
// bytes depend only on the sources and the Go version: no path, no build ID,
// no version-control stamp, no symbols. env holds additional variables for go's
// environment. out is only replaced by a program that was built.
func GoBuild(ctx context.Context, dir, pkg, out string, env ...string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("go not found: install Go, or put its bin folder (often /usr/local/go/bin) into PATH: it is needed to build %s", pkg)
	}
	tmpDir, err := os.MkdirTemp(filepath.Dir(out), ".gobuild-")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", out, err)
	}
	defer os.RemoveAll(tmpDir)
	tmp, err := filepath.Abs(filepath.Join(tmpDir, filepath.Base(out)))
	if err != nil {
		return err
	}

	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid=", "-o", tmp, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GOTMPDIR="+filepath.Dir(tmp),
		"GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=0",
		// With an empty value, a stored `go env -w GOFLAGS` would apply.
		"GOFLAGS=-buildvcs=false")
	cmd.Env = append(cmd.Env, env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := group.Run(cmd); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("go build %s: %w", pkg, ctx.Err())
		}
		if text := strings.TrimSpace(output.String()); text != "" {
			err = errors.New(text)
		}
		return fmt.Errorf("go build %s: %w", pkg, err)
	}
	if _, err := ReadInit(ctx, tmp); err != nil {
		return fmt.Errorf("go build %s made no program for /init (is it package main?): %w", pkg, err)
	}
	if err := os.Rename(tmp, out); err != nil {
		return fmt.Errorf("cannot write %s: %w", out, err)
	}
	return nil
}
