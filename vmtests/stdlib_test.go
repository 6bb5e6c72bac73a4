package vmtests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
)

// TestStandardLibrary runs Go's own tests of the packages that lean most on
// the kernel; sync and runtime, which take longest, only with -programs. Left out is what
// starts another process, opens a socket or writes a file.
func TestStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkg, run, skip string
		long           bool
	}{
		{pkg: "sync", long: true, skip: "TestMutexMisuse|TestIssue76126|ExampleOnceValues"},
		{pkg: "os/signal", skip: "TestAtomicStop|TestNotifyContextNotifications|TestAllThreadsSyscallSignals"},
		{pkg: "internal/poll", long: true},
		{
			pkg:  "runtime",
			long: true,
			run:  "Chan|Select|GC|Defer|Timer|Panic|Stop|Futex|Semaphore|Yield|Lock|Preempt|Signal",
			skip: "RuntimePanic|G0Stack|Memmove",
		},
	} {
		if c.long && !*allPrograms {
			continue
		}
		t.Run(c.pkg, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "test")
			cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", path, c.pkg)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", cmd, err, out)
			}
			m := machine(t, vm.TCG)
			m.MemoryMiB = 512
			m.Append = "-- -test.short -test.run=" + c.run + " -test.skip=" + c.skip
			res, console := bootArchive(t, archive(t, initRecord(t, path)), m)
			if res.Outcome != vm.Exited || res.Status != 0 || !strings.HasSuffix(console, "PASS\n") {
				t.Errorf("%s\n%s", console, res.Report())
			}
		})
	}
}
