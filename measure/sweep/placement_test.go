package sweep

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/trace"
)

// called returns a call of a kernel whose entry and C entry begin at these addresses.
func called(name string, entry, c uint64, further ...string) trace.Path {
	const stack, user = 0xffffc90000004000, 0x7fff0000
	call, ret, nop := []byte{0xe8, 0, 0, 0, 0}, []byte{0xc3}, []byte{0x90}
	p := trace.Path{Subject: name, Steps: []trace.Step{
		{Func: trace.Ring3, Code: []byte{0x0f, 0x05}, SP: user},
		{Func: "entry_SYSCALL_64", Start: entry, Addr: entry, Code: call, SP: stack - 8},
		{Func: "do_syscall_64", Start: c, Addr: c, Code: call, SP: stack - 16},
		{Func: "__x64_sys_getppid", Start: 0x1008, Addr: 0x1008, Code: ret, SP: stack - 24},
	}}
	for _, f := range further {
		p.Steps = append(p.Steps, trace.Step{Func: f, Start: 0x2028, Addr: 0x2028, Code: nop, SP: stack - 16})
	}
	return trace.Path{Subject: name, Steps: append(p.Steps,
		trace.Step{Func: "do_syscall_64", Start: c, Addr: c + 5, Code: ret, SP: stack - 16},
		trace.Step{Func: "entry_SYSCALL_64", Start: entry, Addr: entry + 5, Code: nop, SP: stack - 8})}
}

// TestPlacements: functions lie side by side, and what moved is said.
func TestPlacements(t *testing.T) {
	for _, row := range []struct {
		name  string
		paths []trace.Path
		want  []string
	}{
		{"one", []trace.Path{called("A", 0x1c0, 0x230)}, []string{"entry_SYSCALL_64   assembly entry   +0\n", "do_syscall_64      C entry          +48\n"}},
		{"the same, moved by lines", []trace.Path{called("A", 0x1c0, 0x230), called("B", 0x4001c0, 0x400230)}, []string{"All of them lie at the same places in a line.\n"}},
		{"moved", []trace.Path{called("A", 0x1c0, 0x230), called("B", 0x1d0, 0x230)}, []string{"+0    +16\n", "1 lie at other places in a line, and 0 are not run by all kernels.\n"}},
		{"one more", []trace.Path{called("A", 0x1c0, 0x230), called("B", 0x1c0, 0x230, "exit_work")}, []string{"exit_work", "-     +40\n", "0 lie at other places in a line, and 1 are not run by all kernels.\n"}},
	} {
		var list []Placement
		for _, p := range row.paths {
			placed, err := Placed(p)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, placed)
		}
		var b bytes.Buffer
		if err := Placements(list).Write(&b, "text"); err != nil {
			t.Fatal(err)
		}
		for _, want := range row.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", row.name, want, b.String())
			}
		}
		if strings.Contains(b.String(), "getppid ") {
			t.Errorf("%s: the handler is among them:\n%s", row.name, b.String())
		}
	}
	if _, err := Placed(trace.Path{Subject: "A", Steps: []trace.Step{{Func: "f"}}}); !errors.Is(err, trace.ErrNoHandler) {
		t.Errorf("without a handler: error is %v", err)
	}
}
