package vmtests

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

var (
	oneEngine = flag.String("engine", "", "boot all machines on this engine")
	builtDir  = flag.String("built", "", "the folder with the programs of testdata; nothing is compiled")
)

// on returns the engine that stands for one in this run.
func on(engine vm.Engine) vm.Engine {
	if *oneEngine == "" {
		return engine
	}
	return vm.Engine(*oneEngine)
}

// engines returns the engines of a list that are different ones in this run.
func engines(list ...vm.Engine) []vm.Engine {
	var different []vm.Engine
	for _, e := range list {
		if e = on(e); !slices.Contains(different, e) {
			different = append(different, e)
		}
	}
	return different
}

// machine returns the test's machine on the engine, or on the one that stands for it.
func machine(t testing.TB, engine vm.Engine) vm.Config {
	t.Helper()
	need.QEMU(t)
	return vm.Config{Engine: on(engine)}
}

// variant returns a variant by its name.
func variant(t testing.TB, name string) stubs.Variant {
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

// machineFor returns the machine for the variant: of the engine, if that can run it.
func machineFor(t *testing.T, n stubs.Variant, engine vm.Engine) vm.Config {
	t.Helper()
	switch {
	case n.Features()&^layout.FeatureFSGSBASE == 0: // which QEMU has
		return machine(t, engine)
	case *oneEngine != "":
		if why := lackOf(t, n, engine); why != "" {
			need.Absent(t, need.CPUFeature, why)
		}
		return machine(t, engine)
	}
	if lacks := n.Features() & vm.BochsLacks; lacks != 0 {
		need.Absent(t, need.CPUFeature, fmt.Sprintf("%s needs %v, which no emulated CPU has", n.Name, lacks))
	}
	if n.Features()&layout.FeatureFRED != 0 {
		return needFRED(t)
	}
	m := needBochs(t)
	m.CPU = featuresCPU
	return m
}

// lacking are, by the features that a variant needs, why the engine's CPU cannot run
// it.
var lacking sync.Map

// lackOf boots a machine, unless it is known, and returns why its CPU cannot run the
// variant, or nothing.
func lackOf(t *testing.T, n stubs.Variant, engine vm.Engine) string {
	t.Helper()
	if why, ok := lacking.Load(n.Features()); ok {
		return why.(string)
	}
	res, _ := bootInit(t, boot.Config{Variants: []stubs.Variant{n}, Init: program(t, "hello"), VM: machine(t, engine)})
	why := ""
	if res.Outcome == vm.Refused {
		why = res.Reason
	}
	lacking.Store(n.Features(), why)
	return why
}

// linux319 returns the variant of tests that are not about variants.
func linux319(t testing.TB) stubs.Variant { return variant(t, "linux-3.19") }

// bootMachine boots a machine and returns how it ended and what init wrote.
func bootMachine(t testing.TB, m vm.Config) (vm.Result, string) {
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
func bootInit(t testing.TB, c boot.Config) (vm.Result, string) {
	t.Helper()
	m, err := boot.Prepare(t.Context(), withImage(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return bootMachine(t, m)
}

// images are the kernels that this process has generated, by their variants: most
// tests boot one of a few.
var images sync.Map

// withImage gives c the kernel of an earlier test with the same variants.
func withImage(t testing.TB, c boot.Config) boot.Config {
	t.Helper()
	if c.Image != nil || c.Format != "" || c.VM.Engine == vm.Bochs || slices.ContainsFunc(c.Variants, func(v stubs.Variant) bool { return v.Edit != nil }) {
		return c
	}
	kernel, _ := images.LoadOrStore(fmt.Sprintf("%+v, placement %d", c.Variants, c.Placement), sync.OnceValues(func() (*image.Image, error) {
		return boot.Kernel(boot.Config{Variants: c.Variants, Placement: c.Placement})
	}))
	var err error
	if c.Image, err = kernel.(func() (*image.Image, error))(); err != nil {
		t.Fatal(err)
	}
	return c
}

// runGuest boots the guest and fails the test if there is no verdict.
func runGuest(t *testing.T, c boot.Config) *boot.Run {
	t.Helper()
	run, err := boot.RunGuest(t.Context(), withImage(t, c), nil)
	if errors.Is(err, boot.ErrNoVerdict) {
		t.Fatalf("CRASH: %v\n%s", err, run.VM.Report())
	}
	if err != nil {
		t.Fatalf("ERROR: %v", err)
	}
	return run
}

// report makes a subtest of each of the guest's checks, and on a failure shows
// the machine's last lines and how to repeat it.
func report(t *testing.T, run *boot.Run) {
	t.Helper()
	for _, c := range run.Checks {
		t.Run(strings.ReplaceAll(c.Name, ": ", "/"), func(t *testing.T) {
			switch c.Outcome {
			case wire.Skip:
				skipped(t, c.Detail)
			case wire.Fail, wire.Error:
				t.Errorf("%s: %s", c.Outcome, c.Detail)
			}
		})
	}
	if t.Failed() {
		t.Log(run.VM.Report())
	}
}

// notMade are the guest's reasons for not making a check that has no object on
// the machine at hand.
var notMade = regexp.MustCompile("^(" + strings.Join([]string{
	"the variant defines every slot that it has room for",
	"the variant keeps interrupts off while a handler runs",
	"Linux has no control interface",
	"Bochs takes the single-step trap in the kernel, although SFMASK clears TF",
}, "|") + ")$")

// skipped judges a check that the guest did not make: for lack of a feature of
// the CPU the test is skipped, for another reason than those of notMade it
// fails.
func skipped(t *testing.T, why string) {
	t.Helper()
	if strings.HasPrefix(why, "the CPU has no ") {
		need.Absent(t, need.CPUFeature, why)
	}
	if !notMade.MatchString(why) {
		t.Errorf("the guest did not make the check: %s", why)
	}
	t.Logf("no object: %s", why)
}

// program builds a Go program of testdata and returns its path.
func program(t testing.TB, name string) string {
	t.Helper()
	return command(t, "./testdata/"+name)
}

// builtProgram returns the path of a program that was built before this process started, or
// empty if programs are built now.
func builtProgram(name string) string {
	if *builtDir == "" {
		return ""
	}
	return filepath.Join(*builtDir, name)
}

// command builds a Go program and returns its path; one process builds each
// once.
func command(t testing.TB, pkg string) string {
	t.Helper()
	if path := builtProgram(filepath.Base(pkg)); path != "" {
		return path
	}
	p, _ := programs.LoadOrStore(pkg, &built{})
	b := p.(*built)
	b.once.Do(func() {
		b.path = filepath.Join(programDir, filepath.Base(pkg))
		b.err = initramfs.GoBuild(context.Background(), ".", pkg, b.path)
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
	flag.Parse()
	if err := vm.Engine(*oneEngine).Available(context.Background(), boot.ProbeKVM); *oneEngine != "" && err != nil {
		fmt.Fprintf(os.Stderr, "no test was run on engine %s: %v\n", *oneEngine, err)
		os.Exit(2)
	}
	dir, err := os.MkdirTemp("", "vmtests-")
	if err != nil {
		panic(err)
	}
	programDir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}
