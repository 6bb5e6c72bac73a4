package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/cache"
)

// hostLimits are the limits of the guest as a process of this host: it works for
// some seconds, and prints some KiB.
var hostLimits = bounded.Limits{Work: 2 * time.Minute, Output: 1 << 20}

// HostProgram writes the guest to a file for this host to execute; remove removes it.
func HostProgram() (path string, remove func(), err error) {
	program, err := initramfs.Guest()
	if err != nil {
		return "", nil, err
	}
	dir, remove, err := cache.Temp("host")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "guest")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}

// RunHost runs the guest on the kernel, and the hypervisor, that this process runs on,
// and returns what it printed and its results. program is the guest, run as an ordinary
// process; it ends with ctx, at its limits, and with this process. If it does not reach
// its summary, the error wraps ErrNoVerdict.
func RunHost(ctx context.Context, program string, do wire.Command) (console string, res *wire.Results, err error) {
	// The guest takes words from its environment; this process's are not meant for it.
	args := append([]string{"-i", program}, do.Words()...)
	out, err := bounded.Output(ctx, hostLimits, "env", args...)
	end := vm.Result{Outcome: vm.Exited}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return "", nil, ctx.Err()
	case errors.As(err, &exit):
		end.Status = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			end = vm.Result{Outcome: vm.Signaled, Reason: fmt.Sprintf("the guest was killed by signal %d (%v)", status.Signal(), status.Signal())}
		}
	default:
		return "", nil, fmt.Errorf("%w: the guest as a process of this host: %w", ErrNoVerdict, err)
	}
	run, err := verdict(string(out), end)
	if err != nil {
		return "", nil, fmt.Errorf("%w; the guest's last lines: %s", err, lastLines(string(out)))
	}
	return string(out), run.Results, nil
}

// lastLines returns the end of a text, in one line.
func lastLines(text string) string {
	const most = 3
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(len(lines)-most, 0):], " / ")
}
