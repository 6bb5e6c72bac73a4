package vmtests

import (
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/entrylab/entrylab/boot/vm"
)

// TestStandardLibrary runs Go's own tests of the packages that lean most on
// the kernel; those that take longest only with -programs. Left out is what opens a socket,
// writes a file or sets its user.
func TestStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkg, run, skip string
		reads          string // a source file that the tests read
		long           bool
	}{
		{pkg: "sync", long: true, skip: "TestMutexMisuse|TestIssue76126|ExampleOnceValues"},
		{pkg: "os/signal", skip: "TestAtomicStop|TestNotifyContextNotifications|TestAllThreadsSyscallSignals"},
		{pkg: "internal/poll", long: true},
		{
			pkg:   "os/exec",
			long:  true,
			run:   ".", // without it, what only a test that is left out uses is an error
			skip:  "TestLookPath$|TestLookPathUnixEmptyPath|TestExplicitPWD|TestExtraFilesRace|TestCredentialNoSetGroups",
			reads: "exec_test.go",
		},
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
			records := []cpio.Record{initRecord(t, path), cpio.Directory("tmp", 0o755)}
			if c.reads != "" {
				text, err := os.ReadFile(filepath.Join(build.Default.GOROOT, "src", filepath.FromSlash(c.pkg), c.reads))
				if err != nil {
					t.Fatal(err)
				}
				records = append(records, cpio.StaticFile(c.reads, string(text), 0o644))
			}
			res, console := bootArchive(t, archive(t, records...), m)
			if res.Outcome != vm.Exited || res.Status != 0 || !strings.HasSuffix(console, "PASS\n") {
				t.Errorf("%s\n%s", console, res.Report())
			}
		})
	}
}
