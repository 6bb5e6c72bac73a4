package measure

import (
	"os"
	"runtime"
	"testing"

	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/report"
)

func TestLinux(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	r := report.New(os.Stdout)
	Run(r, k, k.Variants, 1)
	if status := r.Summary(); status != report.ExitPass {
		t.Errorf("exit status %d, want %d", status, report.ExitPass)
	}
}
