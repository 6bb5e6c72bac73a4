package vmtests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/work"
)

// TestStick runs the lines of images/README.md that lead from a stick to the table, with
// an image in place of the stick and a machine in place of the PC. What an emulator has
// measured is compared and not kept, so that there is nothing to report. It runs with
// -boots alone.
func TestStick(t *testing.T) {
	if !*allBoots {
		return // it takes minutes
	}
	needOVMF(t)
	need.Tool(t, "mcopy")
	dir := t.TempDir()
	entrylab := filepath.Join(dir, "entrylab")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", entrylab, "./cmd/entrylab")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	text, err := os.ReadFile("../images/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "## A PC, a stick and no serial cable\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var lines []string
	for line := range strings.Lines(part) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			command, _, _ = strings.Cut(strings.TrimSpace(command), " #")
			lines = append(lines, strings.NewReplacer(
				"sudo ", "", "/dev/sdX1", "stick@@1M", "/dev/sdX", "stick", "-- sample", "-- sample -samples=20", "entrylab build", entrylab+" build",
				"entrylab compare", entrylab+" compare", "entrylab report", entrylab+" report",
			).Replace(command))
		}
	}
	if len(lines) != 5 {
		t.Fatalf("%d lines, want 5: %q", len(lines), lines)
	}
	run := func(line string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
		cmd.Dir = dir
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		// The status is what counts; the boots take some 3 minutes of work.
		if err := work.Run(cmd, 30*time.Minute); errors.Is(err, work.ErrHangs) {
			t.Fatalf("%s: %v\n%s", line, err, out.String())
		}
		return out.String(), cmd.ProcessState.ExitCode()
	}
	for _, line := range lines[:2] {
		if out, status := run(line); status != 0 {
			t.Fatalf("%s: status %d\n%s", line, status, out)
		}
	}
	m := machine(t, vm.TCG)
	m.Machine, m.UEFI, m.Media, m.Keep, m.MemoryMiB, m.Reboots, m.Disk = vm.Q35, true, vm.Stick, true, 256, true, filepath.Join(dir, "stick")
	boots, err := vm.CommandLine(m)
	if err != nil {
		t.Fatal(err)
	}
	if out, status := run(boots); status != 1 || !strings.Contains(out, "entrylab: boot 8 of 8, the last one") {
		t.Fatalf("status %d\n%s", status, out)
	}
	if out, status := run(lines[2]); status != 0 {
		t.Fatalf("%s: status %d\n%s", lines[2], status, out)
	}
	// It is refused once eight whole boots have been read, as noise or as an emulator's.
	if out, _ := run(lines[3]); !strings.Contains(out, "nothing is kept: an emulator's clock") && !strings.Contains(out, "too noisy") {
		t.Errorf("%s: %s", lines[3], out)
	}
	if out, _ := run(lines[4]); !strings.Contains(out, "results.jsonl") {
		t.Errorf("%s: %s", lines[4], out)
	}
}
