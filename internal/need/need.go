// Package need is for tests that need something that not every machine has.
//
// In CI and in `make test`, programs that can be installed and files that can be
// fetched must be there: a missing one fails the test. Elsewhere it skips the test.
// What cannot be installed is listed in Things: without it, a test is skipped everywhere,
// and `make test` names the test at the end. No test is skipped for any other reason or in
// any other way (TestOneWayToSkip).
package need

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// Thing is something that a host may lack without anyone being at fault.
type Thing string

// The things that may be absent. There is no other list.
const (
	CPUFeature Thing = "CPU feature"     // of this CPU, or of the model that an emulator has of one
	KVM        Thing = "hardware KVM"    // a CPU with VMX or SVM, and a /dev/kvm that is theirs
	PMU        Thing = "PMU"             // performance counters that a guest may use
	FREDBochs  Thing = "Bochs with FRED" // Debian 12 has Bochs 2.7
)

// Things are all things that may be absent.
var Things = []Thing{CPUFeature, KVM, PMU, FREDBochs}

// listVariable names the file to which each test that was skipped for a Thing
// adds a line.
const listVariable = "ENTRYLAB_SKIPPED"

// Strict reports whether a missing tool fails a test: whether the variable CI is true, as
// `make test` sets it.
func Strict() bool {
	strict, err := strconv.ParseBool(os.Getenv("CI"))
	return strict && err == nil
}

// Tool returns the path of a program that `make deps` installs.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name+" is not installed: run `make deps`")
	}
	return path
}

// QEMU asks, as Tool does, for QEMU, with which most tests boot machines.
func QEMU(t testing.TB) {
	t.Helper()
	Tool(t, "qemu-system-x86_64")
}

// userCache is the user's cache folder, before a test sets one of its own.
var userCache, errUserCache = os.UserCacheDir()

// Linux returns the path of the Linux kernel that .ci/linux fetches.
func Linux(t testing.TB) string {
	t.Helper()
	return linux(t, "vmlinuz")
}

// LinuxModules returns the path of the folder with the modules that give this kernel a
// /dev/kvm. They must be loaded in the order of their names.
func LinuxModules(t testing.TB) string {
	t.Helper()
	return linux(t, "modules")
}

// NewerLinux returns the paths of the newer Linux kernels that .ci/linux fetches where
// the archive has them: 6.12, and the newest of Debian unstable; those that are there.
func NewerLinux() []string {
	var list []string
	for _, name := range []string{"vmlinuz-6.12", "vmlinuz-newest"} {
		path := filepath.Join(userCache, "entrylab", "linux", name)
		if _, err := os.Stat(path); err == nil {
			list = append(list, path)
		}
	}
	return list
}

// linux returns the path of something that .ci/linux fetches.
func linux(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(userCache, "entrylab", "linux", name)
	err := errUserCache
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		Missing(t, fmt.Sprintf("no Linux kernel: run `make linux` (%v)", err))
	}
	return path
}

// Missing ends the test because something is missing that can be installed; what names it,
// and says how to install it. The test fails if Strict, otherwise it is skipped.
func Missing(t testing.TB, what string) {
	t.Helper()
	if Strict() {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Absent skips the test because the host lacks a thing; why says how that was seen.
func Absent(t testing.TB, thing Thing, why string) {
	t.Helper()
	if !slices.Contains(Things, thing) {
		t.Fatalf("a test may not be skipped for lack of %q (%s): need.Things does not have it", thing, why)
	}
	if path := os.Getenv(listVariable); path != "" {
		if err := add(path, fmt.Sprintf("%s: %s: %s\n", thing, t.Name(), why)); err != nil {
			t.Fatalf("%s: %v", listVariable, err)
		}
	}
	t.Skipf("no %s: %s", thing, why)
}

// add appends a line in one write, as other processes append to the file too.
func add(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
