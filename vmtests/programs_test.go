package vmtests

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestProgram runs a whole Go program, and makes a subtest of each of its parts.
func TestProgram(t *testing.T) {
	t.Parallel()
	type row struct {
		name    string
		variant string
		engine  vm.Engine
		memory  int      // MiB
		without []string // parts
	}
	rows := []row{
		{name: "counted", variant: "heukelum-v2", engine: vm.ICount},
		{name: "32 MiB", variant: "linux-3.19", engine: vm.TCG, memory: 32, without: []string{"churn"}},
	}
	for _, v := range programVariants(t) {
		r := row{name: v.Name, variant: v.Name, engine: vm.TCG}
		if v.Features() != 0 { // Bochs takes thirty times as long
			r.without = []string{"churn", "threads", "deep panic"}
		}
		rows = append(rows, r)
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := variant(t, tt.variant)
			m := machineFor(t, n, tt.engine)
			m.MemoryMiB = tt.memory
			res, console := bootInit(t, boot.Config{
				Variants: []stubs.Variant{n}, Init: program(t, "program"), Args: tt.without, VM: m,
			})
			reportParts(t, res, console)
		})
	}
}

var partLine = regexp.MustCompile(`^(ok|FAILED) ([a-z0-9_ -]+)(.*)$`)

// reportParts makes a subtest of each part that a program of testdata tells of
// (see its main and c/check.h), and requires that it went on to its end.
func reportParts(t *testing.T, res vm.Result, console string) {
	t.Helper()
	ok := 0
	for line := range strings.Lines(console) {
		m := partLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		t.Run(strings.TrimSpace(m[2]), func(t *testing.T) {
			if m[1] == "ok" {
				ok++
			} else {
				t.Error(m[3])
			}
		})
	}
	if res.Outcome != vm.Exited || res.Status != 0 || ok == 0 || !strings.HasSuffix(console, "\ndone, 0 failed\n") {
		t.Errorf("%d parts are well\n%s\nconsole:\n%s", ok, res.Report(), console)
	}
}

// TestEnding ends a program in every way that there is. The console must hold
// what the program itself said, and nothing else.
func TestEnding(t *testing.T) {
	t.Parallel()
	megabyte := make([]byte, 1<<20)
	for i := range megabyte {
		megabyte[i] = 'a' + byte(i%26)
	}
	const trace = `\n\ngoroutine 1 \[running\]:\nmain\.main\(\)\n\t.*/ending/main\.go:\d+ \+0x[0-9a-f]+\n`
	for _, tt := range []struct {
		name    string
		args    []string
		outcome vm.Outcome
		status  int
		reason  string // a part of it
		console string // a regular expression for all of it
	}{
		{name: "status 0", args: []string{"exit", "0"}, outcome: vm.Exited},
		{name: "status 1", args: []string{"exit", "1"}, outcome: vm.Exited, status: 1},
		{name: "status 7", args: []string{"exit", "7"}, outcome: vm.Exited, status: 7},
		{name: "status 255", args: []string{"exit", "255"}, outcome: vm.Exited, status: 255},
		{name: "status 256", args: []string{"exit", "256"}, outcome: vm.Exited},
		{name: "power off", args: []string{"poweroff"}, outcome: vm.Exited},
		{name: "panic", args: []string{"panic"}, outcome: vm.Exited, status: 2, console: `panic: on purpose` + trace},
		{
			name: "nil dereference", args: []string{"nil"}, outcome: vm.Exited, status: 2,
			console: `panic: runtime error: invalid memory address or nil pointer dereference\n` +
				`\[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x[0-9a-f]+\]` + trace,
		},
		{
			name: "deadlock", args: []string{"deadlock"}, outcome: vm.Exited, status: 2,
			console: `fatal error: all goroutines are asleep - deadlock!\n(.*\n)+`,
		},
		{name: "signal", args: []string{"segv"}, outcome: vm.Signaled, status: 11, reason: "init killed by signal 11 (SIGSEGV)"},
		{name: "out of memory", args: []string{"memory"}, outcome: vm.Signaled, status: 9, reason: "out of memory"},
		{name: "no line break", args: []string{"lines"}, outcome: vm.Exited, console: string(megabyte)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.MemoryMiB = 32
			res, console := bootInit(t, boot.Config{
				Variants: []stubs.Variant{linux319(t)}, Init: program(t, "ending"), Args: tt.args, VM: m,
			})
			if res.Outcome != tt.outcome || res.Status != tt.status || !strings.Contains(res.Reason, tt.reason) {
				t.Errorf("%v %d, want %v %d with %q\n%s", res.Outcome, res.Status, tt.outcome, tt.status, tt.reason, res.Report())
			}
			if console != tt.console && !regexp.MustCompile("^"+tt.console+"$").MatchString(console) {
				t.Errorf("console is %.2000q, want %.2000q", console, tt.console)
			}
		})
	}
}

// TestHang boots programs that never end: the time-out must say what came last
// and leave no QEMU.
func TestHang(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		way, console string
		engines      []vm.Engine
	}{
		{"hang", "hanging", []vm.Engine{vm.ICount}},
		{"spin", "spinning", []vm.Engine{vm.ICount, vm.TCG}},
	} {
		for _, engine := range engines(tt.engines...) {
			if tt.way == "hang" && engine != vm.ICount {
				continue // there a sleep takes its time, and ends after ten minutes
			}
			t.Run(tt.way+"/"+string(engine), func(t *testing.T) {
				t.Parallel()
				m := machine(t, engine)
				m.Instructions = 100_000_000
				m.Append = "mark=TestHang-" + tt.way + "-" + string(engine)
				res, console := bootInit(t, boot.Config{
					Variants: []stubs.Variant{linux319(t)}, Init: program(t, "ending"), Args: []string{tt.way}, VM: m,
				})
				if res.Outcome != vm.TimedOut || !strings.HasPrefix(res.Reason, "no end after the work of 100 million instructions (time-out)") {
					t.Errorf("%v: %s", res.Outcome, res.Reason)
				}
				if console != tt.console+"\n" || !strings.Contains(res.Report(), "    "+tt.console+"\n") {
					t.Errorf("console %q\n%s", console, res.Report())
				}
				if left := processes(t, m.Append); len(left) > 0 {
					t.Errorf("still running: %s", left)
				}
			})
		}
	}
}

// processes returns the command lines of the processes that hold word.
func processes(t *testing.T, word string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	var found []string
	for _, f := range files {
		line, _ := os.ReadFile(f) // gone meanwhile
		if bytes.Contains(line, []byte(word)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
