package vmtests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

// TestOwnGo builds and runs the README's example of a variant in a Go file, in a
// module of its own.
func TestOwnGo(t *testing.T) {
	needQEMU(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	read := func(path string) string {
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_, requires, _ := strings.Cut(read("go.mod"), "\n")
	for name, text := range map[string]string{
		"own.go": read("stubs/testdata/own/own.go"),
		"go.mod": "module example.com/own\n" + requires +
			"\nrequire github.com/entrylab/entrylab v0.0.0\nreplace github.com/entrylab/entrylab => " + root + "\n",
		"go.sum": read("go.sum"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"fenced: proved: ", "linux-4.1: 46 checks pass, 0 fail; null call 45\n", "fenced: 46 checks pass, 0 fail; null call 46\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in the output:\n%s", want, out)
		}
	}
	_, example, _ := strings.Cut(read("stubs/testdata/own/own.go"), "\n// fenced is")
	example, _, _ = strings.Cut(example, "\n}\n")
	if example == "" || !strings.Contains(read("README.md"), "\n// fenced is"+example+"\n}\n") {
		t.Error("the README's example is not this one")
	}
}

// TestOwnAs boots a file for the GNU assembler, and one that is broken.
func TestOwnAs(t *testing.T) {
	needQEMU(t)
	if _, err := exec.LookPath("as"); err != nil {
		t.Skip("no as: install binutils")
	}
	const path = "../stubs/gnuas/testdata/fence.S"
	n, err := gnuas.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	list := []stubs.Named{linux319(t), n}
	report(t, runGuest(t, lab.Config{Variants: list, Args: []string{"verify", "-variants=fence"}, VM: machine(t, vm.ICount)}))

	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	crash := filepath.Join(t.TempDir(), "crash.S")
	if err := os.WriteFile(crash, []byte(strings.Replace(string(source), "\tswapgs\n", "\tnop\n", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if list[1], err = gnuas.Load(crash); err != nil {
		t.Fatal(err)
	}
	run, err := lab.RunGuest(t.Context(), lab.Config{Variants: list, Args: []string{"verify", "-variants=crash"}, VM: machine(t, vm.ICount)}, nil)
	if err == nil || run == nil || run.VM.Outcome != vm.Panic || !strings.Contains(run.VM.Reason, "entry_SYSCALL_64.crash") {
		t.Errorf("a stub without SWAPGS: error is %v", err)
	}
}
