package main

import (
	"encoding/json"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
)

// TestTraceOperation: of an operation's round each way through the kernel is printed, the
// instructions of ring 3 are told apart, and QEMU has counted as many. What the guest counts
// as its median is the same, and on Linux, whose rounds differ, nearly so.
func TestTraceOperation(t *testing.T) {
	need.QEMU(t)
	kernel := need.Linux(t)
	for _, row := range []struct {
		operation string
		ways      string // of a generated kernel, and of Linux
		sample    bool
	}{
		{wire.OpNullCall, "getppid", false},
		{wire.OpUnknownCall, "a call without a handler", false},
		{wire.OpFullFrameCall, "(sys|stub)_full_frame", false},
		{wire.OpSignalRoundTrip, "sys_tgkill, .*_rt_sigreturn", true},
		{wire.OpThreadSwitchYield, "sched_yield, .*sched_yield", false},
		{wire.OpThreadSwitchMM, "sched_yield, .*sched_yield", false},
		{wire.OpThreadSwitchPreempted, "interrupt 0x[0-9a-f]+, interrupt 0x[0-9a-f]+", true},
		{wire.OpFutexRoundTrip, "sys_futex, .*sys_futex, .*sys_futex, .*sys_futex", false},
		{wire.OpPipeRoundTrip, "sys_write, .*sys_read, .*sys_write, .*sys_read", true},
		{wire.OpForkExit, ".*_fork, .*sys_wait4.*, .*sys_exit_group.*, #PF", false},
		{wire.OpForkExecExit, ".*_fork, .*sys_wait4.*, .*_execve, in it .*#PF.*, .*sys_exit_group.*, #PF", true},
		{wire.OpTracedCall, "sys_ptrace, .*sys_wait4, .*sys_ptrace, .*sys_wait4, .*", false},
	} {
		for _, subject := range []string{"linux-3.19", "linux-6.12+pti", kernel} {
			linux := subject == kernel
			if linux && (row.operation == wire.OpFullFrameCall || row.operation == wire.OpThreadSwitchPreempted) ||
				!*allKernels && (!row.sample || subject != "linux-3.19") && !(linux && row.operation == wire.OpPipeRoundTrip) {
				continue
			}
			t.Run(row.operation+"/"+filepath.Base(subject), func(t *testing.T) {
				t.Parallel()
				status, out, said := played(t, "trace", "-format", "json", subject, row.operation)
				if status != 0 {
					t.Fatalf("status %d: %s", status, said)
				}
				most := 0.0
				if linux { // whose rounds differ: of difference from the median
					most = 0.15
				}
				checkRound(t, out, row.ways, most)
			})
		}
	}
}

// headOfRound says how much a round is, in the document's lines.
var headOfRound = regexp.MustCompile(`, (\d+) instructions(?: for (\d+) operations, [0-9.]+ for one)?, in \d+ lines of 64 bytes of code; ring 3 runs (\d+) besides
the guest counts ([0-9.]+) in the same boot`)

// checkRound checks what trace prints of a round, as JSON: the ways that it goes, that the
// sums are those of the steps, and that the guest's median differs from them by no more than
// that part.
func checkRound(t *testing.T, out, ways string, most float64) {
	t.Helper()
	var d struct {
		Lines []string
		Ways  []struct {
			Name         string `json:"from ring 3 and back"`
			Instructions int
		}
		Steps []struct{ Address, Function, Instruction string }
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	head := headOfRound.FindStringSubmatch(strings.Join(d.Lines, "\n"))
	if head == nil {
		t.Fatalf("no sum in %q", d.Lines)
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	operations := 1.0
	if head[2] != "" {
		operations = number(head[2])
	}
	total, ring3, counted := number(head[1]), number(head[3]), number(head[4])
	var names []string
	sum := 0
	for _, w := range d.Ways {
		names, sum = append(names, w.Name), sum+w.Instructions
	}
	if got := strings.Join(names, ", "); !regexp.MustCompile("^.*" + ways + "$").MatchString(got) {
		t.Errorf("it goes by %s, want %s", got, ways)
	}
	steps, user := 0, 0.0
	for _, s := range d.Steps {
		if n, ok := strings.CutSuffix(s.Instruction, " instructions"); ok && s.Address == "" {
			user += number(n)
			continue
		}
		steps++
		if s.Function == "" || s.Instruction == "" {
			t.Fatalf("a step is %+v", s)
		}
	}
	if float64(sum) != total || float64(steps) != total || user != ring3 {
		t.Errorf("%v and %v in ring 3, and the ways have %d, the steps %d and %v", total, ring3, sum, steps, user)
	}
	if one := total / operations; math.Abs(one-counted) > most*counted {
		t.Errorf("%v instructions for one, and the guest counts %v", one, counted)
	}
}
