package vmtests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/work"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

// TestGDB stops a machine at the entry by gdb, through QEMU's gdb stub, whatever its
// variant: gdb must know the entry's name, the Go line behind each instruction, and the
// text of that line.
func TestGDB(t *testing.T) {
	t.Parallel()
	need.Tool(t, "gdb")
	out := underGDB(t, linux319(t),
		"hbreak start_kernel", "continue", // as docs/boot.md tells
		"hbreak entry_SYSCALL_64", "continue",
		"stepi", "info symbol $pc", "info line *$pc", "list *$pc,+0")
	says(t, out,
		`(?m)^Breakpoint 1, .*start_kernel \(\) at gen/kernel/kernel\.go:\d+$`,
		`(?m)^Breakpoint 2, .*entry_SYSCALL_64\.linux-3\.19 \(\) at stubs/entry\.go:\d+$`,
		`(?m)^entry_SYSCALL_64\.linux-3\.19 \+ 3 in section \.text$`,
		`Line \d+ of "stubs/entry\.go" starts at address 0x[0-9a-f]+ <entry_SYSCALL_64\.linux-3\.19\+3>`)
	// The line that gdb names is that of the entry's second instruction.
	source, err := os.ReadFile("../stubs/entry.go")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`Line (\d+) of "stubs/entry\.go" starts`).FindStringSubmatch(out); found != nil {
		n, _ := strconv.Atoi(found[1])
		line := strings.TrimSpace(strings.Split(string(source), "\n")[n-1])
		if !strings.HasPrefix(line, "MOVQ(RSP, ") || !strings.Contains(out, line) {
			t.Errorf("line %d is %q, and gdb lists another", n, line)
		}
	}
}

// TestGDBEntry: a breakpoint at the entry's name without its variant stops at the entry
// of a preset, of axes and of a file.
func TestGDBEntry(t *testing.T) {
	t.Parallel()
	need.Tool(t, "gdb")
	need.Tool(t, "as")
	file, err := gnuas.Load(t.Context(), "../examples/fence.S")
	if err != nil {
		t.Fatal(err)
	}
	variants := []stubs.Variant{file}
	for _, name := range []string{"linux-6.12", "linux-4.1+exit=iret"} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		variants = append(variants, n)
	}
	for _, n := range variants {
		t.Run(n.Name, func(t *testing.T) {
			t.Parallel()
			out := underGDB(t, n, "hbreak entry_SYSCALL_64", "continue", "info symbol $pc", "x/i $pc")
			says(t, out, `(?m)^Breakpoint 1, .*entry_SYSCALL_64\.`+regexp.QuoteMeta(n.Name), `(?m)^`+regexp.QuoteMeta(n.FuncName(stubs.Entry))+` in section \.text$`)
			if strings.Contains(out, "not defined") {
				t.Errorf("gdb says:\n%s", out)
			}
		})
	}
}

// says wants gdb to have said all of the regular expressions.
func says(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("gdb does not say %s:\n%s", want, out)
		}
	}
}

// underGDB runs hello on a machine of the variant under gdb, which carries out the
// commands and then lets the machine go on to its end. It returns what gdb says.
func underGDB(t *testing.T, n stubs.Variant, commands ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gdb") // short: a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "stub")

	m := machine(t, vm.TCG)
	m.Extra = []string{"-gdb", "unix:" + socket + ",server=on,wait=off", "-S"}
	m, err = boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{n}, Init: program(t, "hello"), VM: m})
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
	for _, command := range slices.Concat([]string{"target remote " + socket}, commands, []string{"delete", "detach"}) {
		args = append(args, "-ex", command)
	}
	gdb := exec.CommandContext(t.Context(), "gdb", args...)
	gdb.Dir = ".." // where the sources are
	var said bytes.Buffer
	gdb.Stdout, gdb.Stderr = &said, &said
	if err := work.Run(gdb, time.Minute); err != nil {
		stop()
		t.Errorf("gdb: %v\n%s", err, &said)
	}
	got := <-ended
	if !t.Failed() && (got.err != nil || got.res.Outcome != vm.Exited || console.String() != "hello\n") {
		t.Errorf("after gdb has gone: %v, console %q\n%s", got.err, console.String(), got.res.Report())
	}
	return said.String()
}
