// Package need is how a test asks for something that not every machine has.
//
// In CI and in `make test`, programs that can be installed and files that can be
// fetched must be there: a missing one fails the test. Elsewhere it skips the test.
// What cannot be installed is listed in Things; a test that needs one of these is
// skipped everywhere, and `make test` names it at the end. No test is skipped for any
// other reason or in any other way (TestOneWayToSkip).
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

// Thing is what a host may lack without a fault of anyone.
type Thing string

// What may be absent. There is no other list.
const (
	CPUFeature Thing = "CPU feature"              // of this CPU, or of the model that an emulator has of one
	KVM        Thing = "hardware KVM"             // a CPU with VMX or SVM, and a /dev/kvm that is theirs
	PMU        Thing = "PMU"                      // performance counters that a guest may use
	FREDBochs  Thing = "Bochs with FRED"          // Debian 12 has Bochs 2.7
	NewLinux   Thing = "kernel of a newer Debian" // the archive of this one has its own alone
)

// Things are all that may be absent.
var Things = []Thing{CPUFeature, KVM, PMU, FREDBochs, NewLinux}

// listVariable names the file to which each test that was skipped for a Thing
// adds a line.
const listVariable = "ENTRYLAB_SKIPPED"

// Strict reports whether a missing tool fails a test: the variable CI is true,
// as `make test` sets it.
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

// QEMU is Tool for what most tests boot machines with.
func QEMU(t testing.TB) {
	t.Helper()
	Tool(t, "qemu-system-x86_64")
}

// userCache is the user's, also where tests have a cache of their own later.
var userCache, errUserCache = os.UserCacheDir()

// Linux returns the path of the Linux kernel that .ci/linux fetches.
func Linux(t testing.TB) string {
	t.Helper()
	return linux(t, "vmlinuz")
}

// LinuxModules returns the path of the folder with the modules that give this kernel a
// /dev/kvm: they are to be loaded by the order of their names.
func LinuxModules(t testing.TB) string {
	t.Helper()
	return linux(t, "modules")
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

// Missing ends the test for lack of something that can be installed, which what
// names together with how: it fails if Strict, else it is skipped.
func Missing(t testing.TB, what string) {
	t.Helper()
	if Strict() {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Absent skips the test because the host lacks the thing; why is what was seen
// of it.
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

// add appends a line in one write, as other processes do too.
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
