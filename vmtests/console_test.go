package vmtests

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// TestConsole has a program write 1 MiB, or with -programs 8: every byte must come out.
func TestConsole(t *testing.T) {
	t.Parallel()
	mib := 1
	if *allPrograms {
		mib = 8
	}
	want := make([]byte, mib<<20)
	x := uint64(1)
	for i := range want {
		x = x*6364136223846793005 + 1442695040888963407
		want[i] = byte(x >> 56)
	}
	init := cProgram(t, "console")
	for _, engine := range engines(vm.TCG, vm.ICount) {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
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
// line, however slow the port is. Bochs's serial port is as slow as a real one.
func TestConsoleBeforeLog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		engine vm.Engine
		serial bool // take Bochs's word for the parallel port away
	}{
		{"icount", vm.ICount, false},
		{"tcg", vm.TCG, false},
		{"bochs", vm.Bochs, false},
		{"bochs serial", vm.Bochs, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, tt.engine)
			if tt.engine == vm.Bochs {
				m = needBochs(t)
			}
			prepared, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "hello"), VM: m})
			if err != nil {
				t.Fatal(err)
			}
			if tt.serial {
				prepared.Disk = edited(t, prepared.Disk, layout.PrinterWord, "CONSOLE=com")
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

// TestPrinter has QEMU's parallel port for a console.
func TestPrinter(t *testing.T) {
	t.Parallel()
	m := machine(t, vm.TCG)
	path := filepath.Join(t.TempDir(), "printed")
	m.Append = layout.PrinterWord
	m.Extra = []string{"-chardev", "file,id=printer,path=" + path, "-device", "isa-parallel,chardev=printer"}
	res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "hello"), VM: m})
	printed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if console != "" || string(printed) != "hello\n" || res.Outcome != vm.Exited {
		t.Errorf("the printer has %q, the serial port %q\n%s", printed, console, res.Report())
	}
}

// edited returns the path of a copy of a disk image in whose command line a word is
// another one, of the same length.
func edited(t *testing.T, disk, was, becomes string) string {
	t.Helper()
	image, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	line := image[proto.CmdlineOffset:][:layout.CmdlineMax]
	at := bytes.Index(line, []byte(was))
	if at < 0 || len(was) != len(becomes) {
		t.Fatalf("cannot put %q in the place of %q in %.100q", becomes, was, line)
	}
	copy(line[at:], becomes)
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
