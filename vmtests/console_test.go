package vmtests

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestConsole has a program write up to 8 MiB: every byte must come out.
func TestConsole(t *testing.T) {
	want := make([]byte, 8<<20)
	x := uint64(1)
	for i := range want {
		x = x*6364136223846793005 + 1442695040888963407
		want[i] = byte(x >> 56)
	}
	init := cProgram(t, "console")
	for engine, mib := range map[vm.Engine]int{vm.TCG: 8, vm.ICount: 1} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			want := want[:mib<<20]
			res, console := bootInit(t, boot.Config{
				Variants: []stubs.Variant{linux319(t)}, Init: init, Args: []string{strconv.Itoa(mib)}, VM: machine(t, engine),
			})
			t.Logf("%v", res.Elapsed.Round(100*time.Millisecond))
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Error(res.Reason)
			}
			if got := []byte(console); !bytes.Equal(got, want) {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				t.Errorf("%d bytes, want %d; they differ from byte %d on", len(got), len(want), at)
			}
		})
	}
}

// TestConsoleBeforeLog: all that init has written is out before the kernel's last
// line, however slow the serial port is.
func TestConsoleBeforeLog(t *testing.T) {
	for _, engine := range []vm.Engine{vm.ICount, vm.TCG, vm.Bochs} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			m := machine(t, engine)
			if engine == vm.Bochs {
				m = needBochs(t)
			}
			prepared, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "hello"), VM: m})
			if err != nil {
				t.Fatal(err)
			}
			var both bytes.Buffer
			prepared.Console, prepared.Log = &both, &both
			res, err := vm.Run(t.Context(), prepared)
			if err != nil {
				t.Fatal(err)
			}
			if want := "hello\nentrylab: init exited with status 0\n"; both.String() != want {
				t.Errorf("%q, want %q\n%s", both.String(), want, res.Report())
			}
		})
	}
}
