package measure

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
)

// blocked does not move, as a variable on a stack would.
var blocked uint64

// TestTraceBlocksSignals has the traced call tell which signals it finds blocked: the Go
// runtime's must be, as no handler can return under the floor.
func TestTraceBlocksSignals(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k, err := control.Open()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	Trace(lines.New(&text), k, k.Variants, &wire.Call{Number: syscall.SYS_RT_SIGPROCMASK, Args: []wire.Argument{
		{}, {}, {Value: uint64(uintptr(unsafe.Pointer(&blocked)))}, {Value: 8},
	}})
	if !strings.Contains(text.String(), "PASS: "+wire.CheckTrace) {
		t.Fatal(text.String())
	}
	for _, tt := range []struct {
		signal syscall.Signal
		want   bool
	}{{syscall.SIGURG, true}, {syscall.SIGPROF, true}, {syscall.SIGSEGV, false}} {
		if got := blocked>>(tt.signal-1)&1 == 1; got != tt.want {
			t.Errorf("%v is blocked: %v, want %v", tt.signal, got, tt.want)
		}
	}
}
