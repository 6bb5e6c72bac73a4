package vmtests

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// timeout ends a machine of a test; on a busy host all take longer.
const timeout = 2 * time.Minute

// needQEMU skips the test where there is no QEMU.
func needQEMU(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("no qemu-system-x86_64: run `make deps`")
	}
}

// machine is the test's machine on the engine.
func machine(t testing.TB, engine vm.Engine) vm.Config {
	t.Helper()
	needQEMU(t)
	return vm.Config{Engine: engine, Timeout: timeout}
}

// variant returns a variant by its name.
func variant(t testing.TB, name string) stubs.Named {
	t.Helper()
	n, err := stubs.ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// featuresCPU is a model of Bochs that has all that a variant may need of the
// CPU, of which QEMU's emulator has nothing.
const featuresCPU = "tigerlake"

// machineFor is the machine for the variant: of the engine, if that can run it.
func machineFor(t *testing.T, n stubs.Named, engine vm.Engine) vm.Config {
	t.Helper()
	if n.Features() == 0 {
		return machine(t, engine)
	}
	m := needBochs(t)
	m.CPU = featuresCPU
	return m
}

// linux319 is the variant of tests that are not about variants.
func linux319(t testing.TB) stubs.Named { return variant(t, "linux-3.19") }

// boot boots a machine and returns how it ended and what init wrote.
func boot(t testing.TB, m vm.Config) (vm.Result, string) {
	t.Helper()
	var console bytes.Buffer
	m.Console = &console
	res, err := vm.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return res, console.String()
}

// bootInit boots a program as init.
func bootInit(t testing.TB, c lab.Config) (vm.Result, string) {
	t.Helper()
	m, err := lab.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return boot(t, m)
}

// runGuest boots the guest and fails the test if there is no verdict.
func runGuest(t *testing.T, c lab.Config) *lab.Run {
	t.Helper()
	run, err := lab.RunGuest(t.Context(), c, nil)
	if errors.Is(err, lab.ErrNoVerdict) {
		t.Fatalf("CRASH: %v\n%s", err, run.VM.Report())
	}
	if err != nil {
		t.Fatalf("ERROR: %v", err)
	}
	return run
}

// report makes a subtest of each of the guest's checks, and on a failure shows
// the machine's last lines and how to repeat it.
func report(t *testing.T, run *lab.Run) {
	t.Helper()
	for _, c := range run.Checks {
		t.Run(strings.ReplaceAll(c.Name, ": ", "/"), func(t *testing.T) {
			switch c.Outcome {
			case result.Skip:
				t.Skip(c.Detail)
			case result.Fail, result.Error:
				t.Errorf("%s: %s", c.Outcome, c.Detail)
			}
		})
	}
	if t.Failed() {
		t.Log(run.VM.Report())
	}
}

// program builds a Go program of testdata and returns its path; one process
// builds each once.
func program(t testing.TB, name string) string {
	t.Helper()
	p, _ := programs.LoadOrStore(name, &built{})
	b := p.(*built)
	b.once.Do(func() {
		b.path = filepath.Join(programDir, name)
		b.err = initramfs.GoBuild(context.Background(), ".", "./testdata/"+name, b.path)
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

type built struct {
	once sync.Once
	path string
	err  error
}

var (
	programs   sync.Map
	programDir string
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vmtests-")
	if err != nil {
		panic(err)
	}
	programDir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}
