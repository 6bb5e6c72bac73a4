package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/entrylab/entrylab/internal/work"
)

// program is the QEMU that every machine runs in.
const program = "qemu-system-x86_64"

// ErrNoQEMU means that there is no QEMU in PATH.
var ErrNoQEMU = errors.New(program + " not found: apt-get install qemu-system-x86 (`entrylab doctor` says what this host lacks)")

// ErrStart means that QEMU ended before the guest did anything; the error that
// wraps it holds QEMU's own words.
var ErrStart = errors.New("QEMU failed at start")

const (
	// startLimit is how long a program may work, or do nothing, before it says
	// something at its start (package work).
	startLimit = 10 * time.Second
	// outputDelay is for programs whose output another process holds open.
	outputDelay = time.Minute
)

// find returns the command that starts QEMU, without its arguments.
//
// If this process is killed, the context cannot end QEMU; the kernel must.
// setpriv asks it to (prctl PR_SET_PDEATHSIG) and execs QEMU in its own place,
// so that a kill reaches QEMU itself. In between, the shell checks that this
// process still exists, as no signal comes if it ended before setpriv asked.
func find() ([]string, error) {
	qemu, err := exec.LookPath(program)
	if err != nil {
		return nil, ErrNoQEMU
	}
	if setpriv, err := exec.LookPath("setpriv"); err == nil {
		ifAlive := fmt.Sprintf(`[ "$PPID" = %d ] && exec "$0" "$@"`, os.Getpid())
		return []string{setpriv, "--pdeathsig", "KILL", "/bin/sh", "-c", ifAlive, qemu}, nil
	}
	return []string{qemu}, nil
}

// Emulator names the program that runs the engine's machines, with its version.
func Emulator(ctx context.Context, e Engine) (string, error) {
	name, version := "QEMU", Version
	if e == Bochs {
		name, version = "Bochs", bochsVersion
	}
	v, err := version(ctx)
	return name + " " + v, err
}

// Version returns QEMU's version with the distributor's, as in
// "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)". It belongs to every figure.
func Version(ctx context.Context) (string, error) {
	qemu, err := exec.LookPath(program)
	if err != nil {
		return "", ErrNoQEMU
	}
	cmd := exec.CommandContext(ctx, qemu, "--version")
	cmd.WaitDelay = outputDelay
	var out strings.Builder
	cmd.Stdout = &out
	err = work.Run(cmd, startLimit)
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", qemu, err)
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	version, ok := strings.CutPrefix(line, "QEMU emulator version ")
	if !ok {
		return "", fmt.Errorf("%s --version says %q: not QEMU", qemu, line)
	}
	return strings.TrimSpace(version), nil
}
