package verify

import (
	"os"
	"runtime"
	"testing"

	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/report"
)

// TestLinux runs every check on the kernel under the test, which is Linux:
// what can be seen from user mode must pass there.
func TestLinux(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	r := report.New(os.Stdout)
	for _, v := range k.Variants {
		Run(r, k, v, 1)
	}
	if status := r.Summary(); status != report.ExitPass {
		t.Errorf("exit status %d, want %d", status, report.ExitPass)
	}
}
