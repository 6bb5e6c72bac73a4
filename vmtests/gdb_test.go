package vmtests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/work"
	"github.com/entrylab/entrylab/stubs"
)

// TestGDB stops a machine at the entry by gdb, through QEMU's gdb stub: gdb
// must know the entry's name, the Go line behind each instruction, and the text
// of that line.
func TestGDB(t *testing.T) {
	t.Parallel()
	need.Tool(t, "gdb")
	dir, err := os.MkdirTemp("", "gdb") // short: a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "stub")

	m := machine(t, vm.TCG)
	m.Extra = []string{"-gdb", "unix:" + socket + ",server=on,wait=off", "-S"}
	m, err = boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "hello"), VM: m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var console strings.Builder
	m.Console = &console
	type end struct {
		res vm.Result
		err error
	}
	ended := make(chan end, 1)
	go func() {
		res, err := vm.Run(ctx, m)
		ended <- end{res, err}
	}()
	for {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		select {
		case got := <-ended:
			t.Fatalf("%v\n%s", got.err, got.res.Report())
		case <-time.After(work.Turn):
		}
	}

	args := []string{"-batch", "-nx", m.Kernel}
	for _, command := range []string{
		"target remote " + socket,
		"hbreak start_kernel", "continue", // as docs/boot.md tells
		"hbreak entry_SYSCALL_64.linux-3.19", "continue",
		"stepi", "info symbol $pc", "info line *$pc", "list *$pc,+0",
		"delete", "detach",
	} {
		args = append(args, "-ex", command)
	}
	gdb := exec.CommandContext(t.Context(), "gdb", args...)
	gdb.Dir = ".." // where the sources are
	var said bytes.Buffer
	gdb.Stdout, gdb.Stderr = &said, &said
	err = work.Run(gdb, time.Minute)
	out := said.Bytes()
	if err != nil {
		t.Errorf("gdb: %v", err)
	}
	for _, want := range []string{
		`(?m)^Breakpoint 1, .*start_kernel \(\) at gen/kernel/kernel\.go:\d+$`,
		`(?m)^Breakpoint 2, .*entry_SYSCALL_64\.linux-3\.19 \(\) at stubs/entry\.go:\d+$`,
		`(?m)^entry_SYSCALL_64\.linux-3\.19 \+ 3 in section \.text$`,
		`Line \d+ of "stubs/entry\.go" starts at address 0x[0-9a-f]+ <entry_SYSCALL_64\.linux-3\.19\+3>`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("gdb does not say %s", want)
		}
	}
	// The line that gdb names is that of the entry's second instruction.
	source, err := os.ReadFile("../stubs/entry.go")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`Line (\d+) of "stubs/entry\.go" starts`).FindSubmatch(out); found != nil {
		n, _ := strconv.Atoi(string(found[1]))
		line := strings.TrimSpace(strings.Split(string(source), "\n")[n-1])
		if !strings.HasPrefix(line, "MOVQ(RSP, ") || !strings.Contains(string(out), line) {
			t.Errorf("line %d is %q, and gdb lists another", n, line)
		}
	}
	if t.Failed() {
		t.Logf("gdb says:\n%s", out)
		stop()
	}
	got := <-ended
	if !t.Failed() && (got.err != nil || got.res.Outcome != vm.Exited || console.String() != "hello\n") {
		t.Errorf("after gdb has gone: %v, console %q\n%s", got.err, console.String(), got.res.Report())
	}
}
