package vmtests

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/stubstest"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

// TestOwnGo builds and runs the example of a variant of docs/own-stub.md in a Go file, in a
// module of its own.
func TestOwnGo(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
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
		"own.go": read("examples/fenced/fenced.go"),
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
		`fenced \(on linux-4.1\): proved: `,
		`(?m)^linux-4.1: [1-9][0-9]+ checks pass, 0 fail; null call 45$`, `(?m)^fenced: [1-9][0-9]+ checks pass, 0 fail; null call 46$`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %s in the output:\n%s", want, out)
		}
	}
	_, example, _ := strings.Cut(read("examples/fenced/fenced.go"), "\n// fenced returns")
	example, _, _ = strings.Cut(example, "\n}\n")
	if example == "" || !strings.Contains(read("docs/own-stub.md"), "\n// fenced returns"+example+"\n}\n") {
		t.Error("the example of docs/own-stub.md is not this one")
	}
}

// TestOwnAs boots a file for the GNU assembler, and one that is broken.
func TestOwnAs(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
	need.Tool(t, "as")
	const path = "../examples/fence.S"
	n, err := gnuas.Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	list := []stubs.Variant{linux319(t), n}
	report(t, runGuest(t, boot.Config{Variants: list, Args: []string{"verify", "-variants=fence"}, VM: machine(t, vm.ICount)}))

	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	crash := filepath.Join(t.TempDir(), "crash.S")
	if err := os.WriteFile(crash, []byte(strings.Replace(string(source), "\tswapgs\n", "\tnop\n", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if list[1], err = gnuas.Load(t.Context(), crash); err != nil {
		t.Fatal(err)
	}
	run, err := boot.RunGuest(t.Context(), boot.Config{Variants: list, Args: []string{"verify", "-variants=crash"}, VM: machine(t, vm.ICount)}, nil)
	if err == nil || run == nil || run.VM.Outcome != vm.Panic || !strings.Contains(run.VM.Reason, "entry_SYSCALL_64.crash") {
		t.Errorf("a stub without SWAPGS: error is %v", err)
	}
}

// TestOwnBases boots files that have a preset's entry and are based on it: they
// are checked, and cost what the preset does.
func TestOwnBases(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	t.Parallel()
	var list []stubs.Variant
	of := map[string]string{}
	for _, base := range []string{"linux-3.19", "linux-4.6", "linux-6.12", "freebsd", "bare"} {
		n := variant(t, base)
		source, err := stubstest.Source(n)
		if err != nil {
			t.Fatal(err)
		}
		name := "copy-" + strings.ReplaceAll(base, ".", "-")
		path := filepath.Join(t.TempDir(), name+".S")
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		own, err := gnuas.Load(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		list, of[name] = append(list, n, own), base
	}
	run := runGuest(t, boot.Config{
		Variants: list, VM: machine(t, vm.ICount),
		Args: []string{"verify", "measure", "-variants=" + strings.Join(append(slices.Collect(maps.Keys(of)), slices.Collect(maps.Values(of))...), "/")},
	})
	report(t, run)
	costs := map[string]float64{}
	for _, m := range run.Measures {
		costs[m.Variant+" "+m.Op] = m.Median
	}
	compared := 0
	for name, base := range of {
		for _, op := range record.Operations {
			got, ok := costs[name+" "+op.Op]
			if want, both := costs[base+" "+op.Op]; got != want || ok != both {
				t.Errorf("%s: %v instructions (%v), %s takes %v (%v)", name, got, ok, base, want, both)
			}
			if ok {
				compared++
			}
		}
	}
	if want := len(run.Measures) / 2; compared != want || compared < 4*len(of) {
		t.Errorf("%d figures compared, want half of %d", compared, len(run.Measures))
	}
}
