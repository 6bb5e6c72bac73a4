package vmtests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestMachines boots a hello-world on every kind of machine. Its output must
// come out byte for byte.
func TestMachines(t *testing.T) {
	t.Parallel()
	both, tcg := []vm.Engine{vm.ICount, vm.TCG}, []vm.Engine{vm.TCG}
	for _, tt := range []struct {
		name    string
		engines []vm.Engine
		machine vm.Machine
		cpu     string
		memory  int // MiB
	}{
		{name: "microvm", engines: both, machine: vm.MicroVM},
		{name: "pc", engines: both, machine: vm.PC},
		{name: "q35", engines: both, machine: vm.Q35},
		{name: "no SMAP, SMEP, RDRAND", engines: tcg, cpu: "qemu64"},
		{name: "an Intel of 2013", engines: tcg, cpu: "Haswell-noTSX"},
		{name: "no invariant TSC", engines: []vm.Engine{vm.ICount}, cpu: "max,invtsc=off"},
		{name: "five-level paging off", engines: tcg, cpu: "max,la57=off"},
		{name: "32 MiB", engines: tcg, memory: 32},
		{name: "2 GiB", engines: tcg, memory: 2048},
		{name: "4 GiB on microvm", engines: tcg, memory: 4096},
		{name: "4 GiB on pc", engines: tcg, machine: vm.PC, memory: 4096},
	} {
		for _, engine := range engines(tt.engines...) {
			t.Run(tt.name+"/"+string(engine), func(t *testing.T) {
				t.Parallel()
				m := machine(t, engine)
				m.Machine, m.CPU, m.MemoryMiB = tt.machine, tt.cpu, tt.memory
				res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "hello"), VM: m})
				if res.Outcome != vm.Exited || res.Status != 0 || console != "hello\n" {
					t.Errorf("console is %q\n%s", console, res.Report())
				}
			})
		}
	}
}

// TestByHand builds an image with the command and boots it by each line that
// images/README.md gives for it, with -boots on every machine.
func TestByHand(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
	const root = ".."
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	entrylab := filepath.Join(dir, "entrylab")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", entrylab, "./cmd/entrylab")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	for format, name := range map[string]string{"elf": "entrylab.elf", "efi": "entrylab.efi", "disk": "entrylab.img", "iso": "entrylab.iso", "bios": "bios.img"} {
		build := exec.CommandContext(t.Context(), entrylab, "build", "-format", format, "-o", filepath.Join(dir, "images", name), "-init", program(t, "hello"))
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build.Args, err, out)
		}
	}
	const log = "entrylab: init exited with status 0\n"
	const readme = "images/README.md"
	lines := commands(t, filepath.Join(root, readme), "qemu-system-x86_64 ")
	if len(lines) == 0 {
		t.Errorf("%s has no command that boots an image", readme)
	}
	for _, line := range lines {
		given, machines, kind := "microvm,acpi=off", []string{"microvm,acpi=off", "pc", "q35"}, ""
		uefi := strings.Contains(line, "-bios")
		switch {
		case uefi:
			needOVMF(t)
			given, machines, kind = "pc", []string{"q35"}, " by UEFI"
			if strings.Contains(line, "-drive") {
				machines, kind = []string{"pc"}, " from disk by UEFI"
			}
		case strings.Contains(line, "-drive"), strings.Contains(line, "-cdrom"):
			given, machines, kind = "pc", []string{"pc", "q35"}, " from "+filepath.Base(line)
		case strings.Contains(line, ".efi"):
			given, machines, kind = "pc", []string{"pc"}, " as a bzImage"
		}
		if !*allBoots { // TestMachines and TestMedia boot on the others
			machines = []string{given}
		}
		for _, machine := range machines {
			t.Run(readme+"/"+machine+kind, func(t *testing.T) {
				t.Parallel()
				line := strings.Replace(line, "-M "+given, "-M "+machine, 1)
				cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
				cmd.Dir = dir
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				_ = cmd.Run() // the status is looked at below
				if code := cmd.ProcessState.ExitCode(); code != 1 {
					t.Errorf("QEMU's exit status is %d, want 1", code)
				}
				wantOut, wantErr := "hello\n"+log, ""
				if strings.Contains(line, "-debugcon") {
					wantOut, wantErr = "hello\n", log
				}
				gotOut := stdout.String()
				if uefi { // the firmware talks on the console too, and moves the cursor
					gotOut = escapes.ReplaceAllString(gotOut, "")
					if strings.Contains(line, "-drive") {
						wantOut += answerWritten
					}
					wantOut = gotOut[:max(0, len(gotOut)-len(wantOut))] + wantOut
				}
				if gotOut != wantOut || stderr.String() != wantErr {
					t.Errorf("%s\ngives %q and %q, want %q and %q", line, gotOut, stderr.String(), wantOut, wantErr)
				}
			})
		}
	}
}

// escapes are what moves a terminal's cursor or changes its colours.
var escapes = regexp.MustCompile("\x1b\\[[0-9;=]*[A-Za-z]")

// commands returns the commands of a Markdown file that begin with prefix, behind
// a prompt, continued lines joined.
func commands(t *testing.T, path, prefix string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if command, ok := strings.CutPrefix(line, "$ "+prefix); ok {
			found = append(found, prefix+strings.TrimSuffix(command, "\n"))
		}
	}
	return found
}
