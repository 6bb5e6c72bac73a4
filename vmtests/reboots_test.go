package vmtests

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
)

var reboots = flag.Bool("reboots", false, "boot two real kernels in turn, and sample each as the engine host does, which takes minutes")

// rebootInit is the init of a machine that is booted with each of two kernels: it samples
// the kernel as a user does on theirs, and prints the file. The kernel prints nothing in
// between, as that it was kept waiting by a busy host.
const rebootInit = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox dmesg -n 1
/entrylab compare -engine host -o /kernel.jsonl
echo "the status is $?"
/bin/busybox cat /kernel.jsonl
/bin/busybox sync
/bin/busybox reboot -f
`

// TestReboots is what a kernel's developer does: the machine is booted with two kernels in
// the order A B B A, entrylab samples each of them, and what the files say together is a
// difference above the noise floor, or none. The machine is QEMU, whose cycles mean nothing,
// and it says so.
func TestReboots(t *testing.T) {
	if !*reboots {
		return
	}
	newer := need.NewerLinux()
	if len(newer) == 0 {
		t.Fatal("no second kernel: make linux")
	}
	kernels := []string{need.Linux(t), newer[0]}
	program := command(t, "../cmd/entrylab")
	busybox := need.Tool(t, "busybox")
	init := initramfs.Init([]byte(rebootInit))
	// entrylab runs the guest by sh and env.
	archive, err := initramfs.Build(init, fileOf(t, program, "entrylab"), fileOf(t, busybox, "bin/busybox"), fileOf(t, busybox, "bin/sh"), fileOf(t, busybox, "bin/env"),
		initramfs.File{Name: "proc", Mode: os.ModeDir | 0o755}, initramfs.File{Name: "sys", Mode: os.ModeDir | 0o755}, initramfs.File{Name: "tmp", Mode: os.ModeDir | 0o777})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	initrd := filepath.Join(dir, "initramfs.cpio")
	if err := os.WriteFile(initrd, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"compare", "-format", "json"}
	for i, kernel := range []int{0, 1, 1, 0} {
		file := filepath.Join(dir, fmt.Sprintf("boot-%d.jsonl", i))
		if err := os.WriteFile(file, rebooted(t, kernels[kernel], initrd), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-from", file)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("compare: %v: %s\n%s", err, said.String(), out)
	}
	t.Logf("%s", out)
	for _, fault := range runningFaults(t, out) {
		t.Error(fault)
	}
}

// rebooted boots a kernel, and returns the file with what was sampled on it.
func rebooted(t *testing.T, kernel, initrd string) []byte {
	t.Helper()
	var console strings.Builder
	res, err := vm.Run(t.Context(), vm.Config{
		Engine: vm.TCG, Machine: vm.Q35, CPU: "max", MemoryMiB: 1024, Kernel: kernel, Initrd: initrd,
		Append: linux.Words + " tsc=reliable no_timer_check", Console: &console, Instructions: 1000 * vm.DefaultInstructions,
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(console.String(), "\r", "")
	if !strings.Contains(text, "the status is 0\n") {
		t.Fatalf("the kernel was not sampled:\n%s\n%s", text, res.Report())
	}
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "{") {
			lines = append(lines, line)
		}
	}
	return []byte(strings.Join(lines, ""))
}

// runningFaults returns what is wrong with the comparison of kernels that took turns: each
// operation has a floor, and no difference below it.
func runningFaults(t *testing.T, out []byte) (faults []string) {
	t.Helper()
	var d struct {
		Lines   []string
		Running []map[string]any
	}
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{", 4 boots in the order A B B A, 32 processes", "MEANINGLESS as cycles: "} {
		if !slices.ContainsFunc(d.Lines, func(line string) bool { return strings.Contains(line, want) }) {
			faults = append(faults, fmt.Sprintf("no %q in %q", want, d.Lines))
		}
	}
	if len(d.Running) < 2 {
		faults = append(faults, fmt.Sprintf("%d operations are compared", len(d.Running)))
	}
	for _, row := range d.Running {
		floor, ok := row["noise floor"].(float64)
		if !ok || floor <= 0 {
			faults = append(faults, fmt.Sprintf("no noise floor: %v", row))
		}
		if difference, ok := row["B - A"].(float64); ok && math.Abs(difference) <= floor {
			faults = append(faults, fmt.Sprintf("a difference below the floor is a figure: %v", row))
		}
	}
	return faults
}

// TestRunningFaults: each fault of a comparison is seen.
func TestRunningFaults(t *testing.T) {
	const (
		well = `{"lines": ["engine host, on a CPU, 4 boots in the order A B B A, 32 processes", "MEANINGLESS as cycles: an emulator's clock"],
			"running": [{"name": "null call", "B - A": 8.1, "noise floor": 1.5}, {"name": "unknown call", "B - A": "none seen", "noise floor": 1.2}]}`
		second = `, {"name": "unknown call", "B - A": "none seen", "noise floor": 1.2}`
	)
	for _, row := range []struct{ name, old, new, want string }{
		{"well", "", "", ""},
		{"another order", "A B B A", "A B A B", "no "},
		{"an emulator's cycles pass for cycles", "MEANINGLESS", "cycles", "no "},
		{"one operation", second, "", "1 operations are compared"},
		{"no floor", `, "noise floor": 1.2`, "", "no noise floor"},
		{"a difference below the floor", "8.1", "-1.4", "a difference below the floor"},
	} {
		faults := runningFaults(t, []byte(strings.Replace(well, row.old, row.new, 1)))
		if got := strings.Join(faults, "\n"); (len(faults) == 0) != (row.want == "") || !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, faults, row.want)
		}
	}
}
