package vmtests

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

var allPrograms = flag.Bool("programs", false, "run all of each program, on every preset that it is for, and on Linux too")

// compile runs the compiler at the path and returns the path of the program it makes, static
// and for Linux; it must have nothing to say. The argument OUT stands for the
// path.
func compile(t *testing.T, compiler string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	for i, a := range args {
		if a == "OUT" {
			args[i] = path
		}
	}
	cmd := exec.CommandContext(t.Context(), compiler, args...)
	cmd.Dir = filepath.Join("testdata", "programs")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return path
}

// gcc, gpp, musl and rust make a program of a file in testdata/programs.
func gcc(t *testing.T, file string) string {
	t.Helper()
	return compile(t, need.Tool(t, "gcc"), "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-clobbered", "-static", "-pthread", "-o", "OUT", file, "-lm")
}

func gpp(t *testing.T, file string) string {
	t.Helper()
	return compile(t, need.Tool(t, "g++"), "-std=c++20", "-O0", "-Wall", "-Wextra", "-static", "-pthread", "-o", "OUT", file)
}

func musl(t *testing.T, file string) string {
	t.Helper()
	return compile(t, need.Tool(t, "musl-gcc"), "-O2", "-Wall", "-static", "-pthread", "-o", "OUT", file, "-lm")
}

func rust(t *testing.T, file string) string {
	t.Helper()
	rustc := need.Tool(t, "rustc")
	if exec.Command(rustc, "--version").Run() != nil {
		rustc = "/usr/bin/rustc" // the other is rustup's, which has no toolchain in this HOME
	}
	return compile(t, rustc, "-C", "opt-level=1", "-C", "target-feature=+crt-static", "-C", "relocation-model=static", "-o", "OUT", file)
}

func goProgram(t *testing.T, name string) string {
	t.Helper()
	return program(t, name)
}

// foreign are programs of many libraries that check themselves. All pass on
// Linux.
var foreign = []struct {
	name  string
	build func(t *testing.T, file string) string
	file  string
	cpu   string
}{
	{name: "a thread goes on without the main thread", build: gcc, file: "leaderexit.c"},
	{name: "real-time signals", build: gcc, file: "rtsig.c"},
	{name: "robust mutex", build: gcc, file: "robust.c"},
	{name: "1000 threads", build: gcc, file: "threads.c"},
	{name: "1000 threads of Rust", build: rust, file: "rustthreads.rs"},
	{name: "65000 areas", build: gcc, file: "maps.c"},
	{name: "signals", build: gcc, file: "sig.c"},
	{name: "threads", build: gcc, file: "thr.c"},
	{name: "memory", build: gcc, file: "mm.c"},
	{name: "files", build: gcc, file: "fil.c"},
	{name: "1000 descriptors", build: goProgram, file: "pipes"},
	{name: "C++", build: gpp, file: "cpp.cc"},
	{name: "Rust", build: rust, file: "r.rs"},
	// QEMU 7.2 emulates LRET in ring 3 with a load that SMAP refuses, for ever.
	{name: "far returns", build: gcc, file: "ss2.c", cpu: "max,smap=off"},
	{name: "musl, real-time signals", build: musl, file: "rtsig.c"},
	{name: "musl, robust mutex", build: musl, file: "robust.c"},
	{name: "musl, 1000 threads", build: musl, file: "threads.c"},
	{name: "musl, a thread goes on without the main thread", build: musl, file: "leaderexit.c"},
}

// foreignVariants are the oldest entry path, the mail's and the newest.
var foreignVariants = []string{"linux-3.19", "heukelum-v2", "linux-6.12"}

// programVariants returns the entry paths that a program runs on: foreignVariants, or with
// -programs all presets.
func programVariants(t *testing.T) []stubs.Variant {
	t.Helper()
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		if !p.Axes.Bare && (*allPrograms || slices.Contains(foreignVariants, p.Name)) {
			list = append(list, p.Variant)
		}
	}
	return list
}

// TestForeign runs programs of C, C++, Rust and Go, on the usual libraries, as
// init: each on one of the entry paths, which take turns. With -programs each runs
// on all of these, and on Linux too: what they expect is what it does.
func TestForeign(t *testing.T) {
	t.Parallel()
	for i, tt := range foreign {
		variants := foreignVariants
		if !*allPrograms {
			turn := i % len(variants)
			variants = variants[turn : turn+1]
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.build(t, tt.file)
			for _, name := range variants {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					m := machine(t, vm.ICount)
					m.CPU = tt.cpu
					res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{variant(t, name)}, Init: path, VM: m})
					reportParts(t, res, console)
				})
			}
			if *allPrograms {
				t.Run("Linux", func(t *testing.T) {
					t.Parallel()
					foreignLinux(t, path, tt.cpu)
				})
			}
		})
	}
}

// onHost runs the program on this host, where what it expects must hold, too.
func onHost(t *testing.T, path string) {
	t.Run("host", func(t *testing.T) {
		t.Parallel()
		if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// onLinux runs the program as init of the pinned Linux, with -programs.
func onLinux(t *testing.T, path string) {
	if !*allPrograms {
		return
	}
	t.Run("Linux", func(t *testing.T) {
		t.Parallel()
		foreignLinux(t, path, "")
	})
}

// foreignLinux boots Linux on the CPU, if one is named, with the program as init, which finds
// /proc and /dev as here.
func foreignLinux(t *testing.T, path, cpu string) {
	data, err := boot.Initramfs(t.Context(), program(t, "mounted"), fileOf(t, path, "program"))
	if err != nil {
		t.Fatal(err)
	}
	if cpu == "" {
		cpu = vm.DefaultCPU
	}
	m := machine(t, vm.ICount)
	m.Kernel, m.Initrd = need.Linux(t), filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(m.Initrd, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m.MemoryMiB, m.CPU, m.Append = 512, cpu+",la57=off", linux.Words
	m.Instructions = 10 * vm.DefaultInstructions
	// Linux ends by a reset, which is no verdict: the program's last line is.
	_, console := bootMachine(t, m)
	if console = strings.ReplaceAll(console, "\r\n", "\n"); !strings.Contains(console, "\ndone, 0 failed\n") {
		t.Error(console)
	}
}

// TestCallNumber makes a call whose number has a bit above the lower 32.
func TestCallNumber(t *testing.T) {
	t.Parallel()
	path := gcc(t, "nr64.c")
	for _, tt := range []struct {
		variant, console string
		status           int
	}{
		{"linux-3.19", "-38\n", 1},
		{"heukelum-v2", "-38\n", 1},
		{"linux-6.12", "1\n", 0},
	} {
		t.Run(tt.variant, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{variant(t, tt.variant)}, Init: path, VM: machine(t, vm.ICount)})
			if console != tt.console || res.Outcome != vm.Exited || res.Status != tt.status {
				t.Errorf("console %q, status %d, want %q, %d\n%s", console, res.Status, tt.console, tt.status, res.Report())
			}
		})
	}
}

// TestMissingCalls compares the calls that the kernel does not have with those
// that it is known not to.
func TestMissingCalls(t *testing.T) {
	t.Parallel()
	path := gcc(t, "enosys.c")
	const list = "testdata/programs/enosys.golden"
	res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: path, VM: machine(t, vm.ICount)})
	if res.Outcome != vm.Exited || res.Status != 0 || !strings.HasSuffix(console, "end\n") {
		t.Fatalf("%s\n%s", console, res.Report())
	}
	golden.Same(t, list, console)
}
