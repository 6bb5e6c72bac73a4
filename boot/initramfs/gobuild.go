package initramfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// GoBuild builds the Go main package pkg, named as on go's command line and
// seen from the directory dir, into a static linux/amd64 program at out. The
// bytes depend on the sources and the Go version alone: no path, no build ID,
// no version-control stamp, no symbols. env are further variables of go's
// environment. out is only replaced by a program that was built.
func GoBuild(ctx context.Context, dir, pkg, out string, env ...string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("go not found: install Go, or put its bin folder (often /usr/local/go/bin) into PATH: needed to build %s", pkg)
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
		// An empty value would let a stored `go env -w GOFLAGS` through.
		"GOFLAGS=-buildvcs=false")
	cmd.Env = append(cmd.Env, env...)
	group, err := newGroup()
	if err != nil {
		return fmt.Errorf("go build %s: %w", pkg, err)
	}
	defer group.end()
	cmd.SysProcAttr = group.attr()
	cmd.Cancel = group.kill
	if output, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("go build %s: %w", pkg, ctx.Err())
		}
		if text := strings.TrimSpace(string(output)); text != "" {
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

// group is a process group that ends, as a whole, with this process, however
// that ends: a go that is killed leaves its compilers running.
type group struct {
	// guard is the group's first process. It waits for the end of its standard
	// input, the other end of which is here alone, and then kills the group.
	guard *exec.Cmd
	input io.Closer
}

func newGroup() (*group, error) {
	guard := exec.Command("/bin/sh", "-c", "read -r _; kill -KILL 0")
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		return nil, err
	}
	return &group{guard, input}, nil
}

// attr puts a command into the group.
func (g *group) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: g.guard.Process.Pid}
}

// kill has the group killed.
func (g *group) kill() error { return g.input.Close() }

// end ends what still runs in the group.
func (g *group) end() {
	_ = g.kill()       // it may be so already
	_ = g.guard.Wait() // it has killed itself
}
