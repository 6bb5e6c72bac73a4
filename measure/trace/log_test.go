package trace

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The lines that QEMU logs.
func ran(addr uint64) string {
	return fmt.Sprintf("Trace 0: 0x7f6734000100 [0000000000000000/%016x/00c0c290/ff020201] asm_exc_page_fault\n", addr)
}

func event(vector, software int, ip uint64) string {
	return fmt.Sprintf("     1: v=%02x e=0006 i=%d cpl=3 IP=0033:%016x pc=%016x SP=002b:000000c000001000 CR2=0000000000001000\nRAX=0000000000000000 RBX=0000000000000000\n", vector, software, ip, ip)
}

const hardware = "Servicing hardware INT=0xec\n"

// logOf returns the log with a text in it.
func logOf(t *testing.T, text string) (*logged, error) {
	t.Helper()
	l, err := newExecLog()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := os.Stat(l.path()); err != nil || l.args()[1] != l.path() {
		t.Fatalf("%v, %v", l.args(), err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := l.pipe.WriteString(text)
		if err == nil {
			err = l.end()
		}
		sent <- err
	}()
	got, failed := l.read()
	if failed == nil {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	l.pipe.Close()
	return got, failed
}

// TestLog: what has run is what was logged but for the instruction of an exception, which
// runs again, and for what QEMU takes back.
func TestLog(t *testing.T) {
	const user, kernel = 0x401000, 0xffffffff81000000
	for _, row := range []struct{ name, text, want, err string }{
		{"nothing", "", "[] map[]", ""},
		{"others' lines", "RAX=0\n" + ran(user), "[401000] map[]", ""},
		{"a fault", ran(user) + event(14, 0, user) + ran(kernel) + ran(user), "[ffffffff81000000 401000] map[0:#PF]", ""},
		{"a fault on the instruction's own page", ran(user) + event(14, 0, user+4) + ran(kernel), "[401000 ffffffff81000000] map[1:#PF]", ""},
		{"an interrupt", ran(user) + hardware + event(0xec, 0, user+1) + ran(kernel), "[401000 ffffffff81000000] map[1:interrupt 0xec]", ""},
		{"a fault behind an interrupt", hardware + event(0xec, 0, user) + ran(kernel) + event(13, 0, kernel) + ran(kernel+8), "[ffffffff81000008] map[0:#GP]", ""},
		{"an INT", ran(user) + event(0x81, 1, user) + ran(kernel), "[401000 ffffffff81000000] map[1:interrupt 0x81]", ""},
		{"one that is taken back", ran(user) + ran(kernel) + "Stopped execution of TB chain before 0x7f6734000100 [ffffffff81000000] name\n" + ran(kernel), "[401000 ffffffff81000000] map[]", ""},
		{"one that was not logged is taken back", ran(user) + "Stopped execution of TB chain before 0x7f6734000100 [ffffffff81000000] name\n", "[401000] map[]", ""},
		{"one that reaches a device", ran(kernel) + "cpu_io_recompile: rewound execution of TB to ffffffff81000000\n" + ran(kernel) + ran(kernel+4), "[ffffffff81000000 ffffffff81000004] map[]", ""},
		{"one that reaches a device, without an address", ran(kernel) + "cpu_io_recompile: rewound execution of TB to \n", "", "address"},
		{"no address", "Trace 0: nonsense\n", "", "Trace 0"},
		{"no vector", "  1: v=\n", "", "v="},
	} {
		got, err := logOf(t, row.text)
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: error %v, want %q in it", row.name, err, row.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if text := fmt.Sprintf("%x %v", got.addrs, got.events); text != row.want {
			t.Errorf("%s: %s, want %s", row.name, text, row.want)
		}
	}
}

// TestLogEnds: a round without an end is given up, and nothing is left of its log.
func TestLogEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l, err := newExecLog()
	if err != nil {
		t.Fatal(err)
	}
	l.most = 2
	if _, err := l.pipe.WriteString(strings.Repeat(ran(0x401000), 3)); err != nil {
		t.Fatal(err)
	}
	if got, err := l.read(); err == nil || err.Error() != "the round does not end within 2 instructions" {
		t.Errorf("%v and %v", got, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestCut: the round is the last loop of the guest that took as long as it says, and in which
// the kernel ran; loops that are not the one are no round.
func TestCut(t *testing.T) {
	g, err := readGuest()
	if err != nil {
		t.Fatal(err)
	}
	loops, err := g.loops()
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) loop {
		fn, err := g.function(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range loops {
			if fn.Entry <= l.begin && l.begin < fn.End {
				return l
			}
		}
		t.Fatalf("%s is no loop", name)
		return loop{}
	}
	pipes, alone := find("pipes"), find("spinAlone")
	const user, kernel = 0x401000, 0xffffffff81000000
	all := []uint64{
		pipes.begin, user, kernel, pipes.end, // warms up
		pipes.begin, user, kernel, kernel, user, pipes.end,
		user, kernel, // between
		pipes.begin, kernel, pipes.end, // lets the other process end
		alone.begin, user, alone.end,
	}
	for _, row := range []struct {
		ticks uint64
		want  string
	}{
		{5, fmt.Sprintf("%x map[2:#PF]", all[4:9])},
		{3, fmt.Sprintf("%x map[]", all[0:3])},
		{0, fmt.Sprintf("%x map[]", all[12:14])},
		{4, "none took the 4 instructions that the guest has counted: the last took 2"},
	} {
		got := &logged{addrs: all, events: map[int]string{6: "#PF", 11: "#GP"}}
		text := ""
		if err := got.cut(g, row.ticks); err != nil {
			text = err.Error()
		} else {
			text = fmt.Sprintf("%x %v", got.addrs, got.events)
		}
		if !strings.HasSuffix(text, row.want) {
			t.Errorf("%d: %s, want %s", row.ticks, text, row.want)
		}
	}
}

// TestWays: each way from ring 3 and back is one, with what came in it.
func TestWays(t *testing.T) {
	const user, kernel = 0x401000, 0xffffffff81000000
	got := &logged{
		addrs:  []uint64{user, user, kernel, kernel, kernel, user, kernel, user, user, user},
		events: map[int]string{4: "#PF", 6: "interrupt 0xec"},
	}
	ways, after := got.ways()
	if text, want := fmt.Sprintf("%+v %d", ways, after), "[{From:2 To:5 Event: Nested:[#PF] Before:2} {From:6 To:7 Event:interrupt 0xec Nested:[] Before:1}] 3"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	r := &Round{Path: Path{Steps: []Step{{Func: Ring3}, {Func: "entry"}, {Func: "__x64_sys_read"}, {Func: "ksys_read"}, {Func: "timer"}}}}
	for _, row := range []struct {
		way  Way
		want string
	}{
		{Way{From: 0, To: 4}, "__x64_sys_read"},
		{Way{From: 0, To: 4, Nested: []string{"#PF", "interrupt 0xec", "#PF"}}, "__x64_sys_read, in it 2 times #PF, interrupt 0xec"},
		{Way{From: 0, To: 2}, "a call without a handler"},
		{Way{From: 4, To: 5, Event: "interrupt 0xec"}, "interrupt 0xec"},
	} {
		if got := r.What(row.way); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}

// TestPreemptions: the last ways by the timer are left, one after the other.
func TestPreemptions(t *testing.T) {
	timer := func(at int) Way { return Way{From: at, To: at + 2, Event: "interrupt 0xec", Before: 10} }
	call := Way{From: 6, To: 8, Before: 1}
	steps := make([]Step, 8)
	r := &Round{Path: Path{Steps: steps}, Operations: 2, Ways: []Way{timer(0), timer(2), timer(4), call}, Ring3: 31}
	if err := r.preemptions(); err != nil || len(r.Steps) != 4 || len(r.Ways) != 2 || r.Ways[1].From != 2 || r.Ways[1].To != 4 || r.Ring3 != 10 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, ways := range [][]Way{nil, {timer(0)}, {timer(0), call, timer(4)}} {
		r := &Round{Path: Path{Steps: steps}, Operations: 2, Ways: ways}
		if err := r.preemptions(); err == nil || !strings.Contains(err.Error(), "did not take the CPU 2 times") {
			t.Errorf("%v: %v", ways, err)
		}
	}
}
