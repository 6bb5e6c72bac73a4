package count

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

func named(t *testing.T, name string) stubs.Variant {
	t.Helper()
	n, err := stubs.ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func presets() []stubs.Variant {
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		list = append(list, p.Variant)
	}
	return list
}

func counted(t *testing.T, n stubs.Variant) Variant {
	t.Helper()
	list, err := Variants([]stubs.Variant{n})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// minus returns what a phase has in excess of another: the part of it that is not in
// the other.
func (c Counts) minus(d Counts) Counts {
	return Counts{
		Instructions: c.Instructions - d.Instructions, Bytes: c.Bytes - d.Bytes,
		Loads: c.Loads - d.Loads, Stores: c.Stores - d.Stores, GS: c.GS - d.GS,
		Forwards: c.Forwards - d.Forwards, Lines: c.Lines - d.Lines, LinesBeyond: c.LinesBeyond - d.LinesBeyond,
	}
}

// TestPublished checks the pieces of Linux's own paths, as GNU as assembles them from
// its sources: instructions, bytes, loads, stores, and how many of these are
// relative to GS.
func TestPublished(t *testing.T) {
	readsFlags := func(s prove.Step) bool {
		return slices.ContainsFunc(s.Accesses, func(a prove.Access) bool { return a.Area == prove.AreaThread })
	}
	entry := func(name string) Counts { // up to the test of the thread's flags
		w, err := prove.WalkVariant(named(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return of(w.Entry[:slices.IndexFunc(w.Entry, readsFlags)], nil)
	}
	exit := func(name string) Counts { // from behind the store of the result
		w, err := prove.WalkVariant(named(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return of(w.Exit[1:], nil)
	}
	// In heukelum-v2 the wrapper is all that is left of the fix-up.
	macro := func(phase string) Counts {
		return inPhase(counted(t, named(t, "linux-3.19")), phase).minus(inPhase(counted(t, named(t, "heukelum-v2")), phase))
	}
	for _, tt := range []struct {
		name string
		got  Counts
		want [5]int
	}{
		{"3.19: entry", entry("linux-3.19"), [5]int{15, 79, 1, 11, 2}},
		{"3.19: exit", exit("linux-3.19"), [5]int{17, 76, 11, 0, 1}},
		{"3.19: FIXUP_TOP_OF_STACK", macro("fix-up"), [5]int{7, 63, 2, 5, 1}},
		{"3.19: RESTORE_TOP_OF_STACK", macro("restore"), [5]int{4, 30, 2, 2, 1}},
		{"4.1: entry", entry("linux-4.1"), [5]int{20, 56, 2, 16, 3}},
		{"4.1: exit", exit("linux-4.1"), [5]int{15, 79 + 4, 11, 0, 0}}, // its JNE goes farther here
	} {
		if got := [5]int{tt.got.Instructions, tt.got.Bytes, tt.got.Loads, tt.got.Stores, tt.got.GS}; got != tt.want {
			t.Errorf("%s: instructions, bytes, loads, stores, relative to GS are %v, want %v", tt.name, got, tt.want)
		}
	}
}

// inPhase returns a variant's counts of a phase.
func inPhase(v Variant, phase string) Counts {
	return v.Counts[slices.IndexFunc(Phases, func(p Phase) bool { return p.Name == phase })]
}

// TestNullCall: entry, handler and exit add up to what a machine that counts
// instructions runs in a null call (README.md, from QEMU).
func TestNullCall(t *testing.T) {
	list := presets()
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		t.Fatal(err)
	}
	handler, ok := image.Object.Listing("sys_getppid")
	if !ok {
		t.Fatal("the kernel has no sys_getppid")
	}
	inKernel, err := Object(image.Object, list)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"bare": 3, "linux-3.19": 42, "heukelum-v2": 48, "linux-4.1": 45}
	for i, n := range list {
		if diff := cmp.Diff(counted(t, n), inKernel[i], cmpopts.IgnoreFields(Counts{}, "Steps")); diff != "" {
			t.Errorf("%s: alone it is not as in the kernel (-alone +kernel):\n%s", n.Name, diff)
		}
		got := inPhase(inKernel[i], "call").Instructions
		if !n.Axes.Bare {
			got += len(handler.Rows)
		}
		if w := want[n.Name]; w != 0 && got != w {
			t.Errorf("%s: a null call has %d instructions, want %d", n.Name, got, w)
		}
	}
}

// TestForwards: how often the user's RSP is loaded from where it was stored, in
// a call and in a context switch.
func TestForwards(t *testing.T) {
	for _, tt := range []struct {
		name               string
		entry, exit        int
		fixUp, restore     int
		switchOut, switchI int
	}{
		{"bare", 0, 0, 0, 0, 0, 0},
		{"linux-3.19", 0, 1, 1, 1, 2, 0},                                         // old_rsp, and back from there
		{"linux-3.19+a", 1, 1, 0, 0, 0, 0},                                       // old_rsp, the sp slot
		{"linux-4.1", 1, 1, 0, 0, 0, 0},                                          // the same by PUSH
		{"linux-6.12", 1, 2, 0, 0, 0, 0},                                         // and over the trampoline stack
		{"sp=frame,flags=flags,top=eager,irq=frame,exit=iret", 1, 1, 0, 0, 0, 0}, // IRETQ is the load
	} {
		v := counted(t, named(t, tt.name))
		got := [6]int{}
		for i, p := range []string{"entry", "exit", "fix-up", "restore", "switch-out", "switch-in"} {
			got[i] = inPhase(v, p).Forwards
		}
		if want := [6]int{tt.entry, tt.exit, tt.fixUp, tt.restore, tt.switchOut, tt.switchI}; got != want {
			t.Errorf("%s: forwards on entry, exit, fix-up, restore, switch out, in are %v, want %v", tt.name, got, want)
		}
	}
}

// TestLines: the slots that 3.19 leaves lazy lie in lines that it writes anyway;
// a whole frame has one more line; a scratch word in the TSS and a trampoline stack
// are two.
func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name          string
		lines, beyond int // of entry and exit
	}{
		{"bare", 0, 0},
		// RSPScratch; TopOfStack; two of the stack; the thread; the table.
		{"linux-3.19", 6, 0},
		{"linux-3.19+a", 6, 0},
		{"linux-3.19+b", 6, 0},
		{"linux-3.19+c", 6, 0},
		{"heukelum-v2", 6, 0},
		{"freebsd", 9, 3}, // and two of the thread: its PCB's flags, and where the frame is
	} {
		v := counted(t, named(t, tt.name))
		if c := inPhase(v, "call"); c.Lines != tt.lines || c.LinesBeyond != tt.beyond {
			t.Errorf("%s: %d lines, %d beyond, want %d, %d", tt.name, c.Lines, c.LinesBeyond, tt.lines, tt.beyond)
		}
	}
	// The switch's own lines are the stack's; the threads' were touched before.
	if c := inPhase(counted(t, named(t, "linux-3.19")), "switch-out"); c.Lines != 4 || c.LinesBeyond != 1 {
		t.Errorf("switch: %d lines, %d beyond, want 4, 1", c.Lines, c.LinesBeyond)
	}
}

// TestEdited: an added instruction counts in its phase and in no other.
func TestEdited(t *testing.T) {
	n := named(t, "linux-3.19")
	before := counted(t, n)
	n.Edit = func(p *asm.Program) error {
		for i, f := range p.Funcs {
			if f.Name == n.FuncName(stubs.Entry) {
				p.Funcs[i].Body = slices.Insert(slices.Clone(f.Body), 5, asm.Item(asm.MOVQ(asm.RDI, asm.RSP.At(-0x88))))
			}
		}
		return nil
	}
	after := counted(t, n)
	for i, p := range Phases {
		want := Counts{}
		switch p.Name {
		case "entry":
			want = Counts{Instructions: 1, Bytes: 8, Stores: 1, Lines: 1, LinesBeyond: 1}
		case "call":
			want = Counts{Instructions: 1, Bytes: 8, Stores: 1, Lines: 1, LinesBeyond: 1}
		}
		if diff := cmp.Diff(want, after.Counts[i].minus(before.Counts[i])); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", p.Name, diff)
		}
	}
}

// TestRefused: a variant that the proof cannot follow has no counts, and the error says
// where.
func TestRefused(t *testing.T) {
	for _, b := range broken.Variants() {
		if b.Name != "red-zone-written" && b.Name != "x87-reset" {
			continue
		}
		_, err := Variants([]stubs.Variant{b.Variant})
		if err == nil || !strings.Contains(err.Error(), b.Name) || !strings.Contains(err.Error(), "entry_SYSCALL_64."+b.Name+"+0x") {
			t.Errorf("%s: error is %v", b.Name, err)
		}
	}
}

// TestAll: every variant that can be built can be counted, and each of its phases has
// instructions, unless it lacks that phase.
func TestAll(t *testing.T) {
	var list []stubs.Variant
	for v := range stubs.All() {
		list = append(list, stubs.Variant{Name: v.Name(), Axes: v})
	}
	all, err := Variants(list)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range all {
		v := list[i].Axes
		for j, p := range Phases {
			some := p.Name != "fix-up" && p.Name != "restore" || !v.Bare && !v.Is(stubs.SlowOnly) && !v.Is(stubs.SlowDoreti)
			if p.Name == "restore" && c.Counts[j].Instructions == 0 && v.Is(stubs.SPFrame) && !v.Is(stubs.FlagsR11) && !v.Is(stubs.RegsPartial) {
				some = false // the handler returns to the entry directly
			}
			if got := c.Counts[j]; (got.Instructions > 0) != some ||
				got.Bytes < got.Instructions || got.GS > got.Loads+got.Stores || got.LinesBeyond > got.Lines {
				t.Errorf("%s: %s: %+v", c.Name, p.Name, got)
			}
		}
	}
	t.Logf("%d variants", len(all))
}

// TestDispatch: a table leads to every handler in as many instructions as the walk has;
// a tree takes more the deeper a number lies, and its getppid as many as Debian's.
func TestDispatch(t *testing.T) {
	table := named(t, "linux-6.12+dispatch=table+nospec=none+kstack=none+exitwork=inlined+nops=none")
	tree := named(t, "linux-6.12")
	built, err := image.Build(image.Config{Variants: []stubs.Variant{table, tree}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		variant stubs.Variant
		own     int // of the tree and of what loads getppid's arguments, of which there are none
	}{{table, 0}, {tree, 23 + 1}} {
		counts, err := Dispatch(built.Object, tt.variant)
		if err != nil {
			t.Fatal(err)
		}
		w, err := prove.WalkObject(built.Object, tt.variant)
		if err != nil {
			t.Fatal(err)
		}
		if got := counts[NullCall] - len(w.Entry) - 1; got != tt.own {
			t.Errorf("%s: %d instructions behind the entry, want %d", tt.variant.Name, got, tt.own)
		}
		if same := slices.Min(counts) == slices.Max(counts); same != (tt.own == 0) {
			t.Errorf("%s: %d to %d instructions", tt.variant.Name, slices.Min(counts), slices.Max(counts))
		}
	}
	if _, err := Dispatch(&asm.Object{}, tree); err == nil {
		t.Error("a program without the variant is no error")
	}
}

// TestUserSP: the lines that a switch touches for the user's RSP alone, wherever in a line
// thread_struct begins. Those of Linux 3.19's thread_struct have other words that the
// switch touches, and the per-CPU line is that of any call.
func TestUserSP(t *testing.T) {
	for _, tt := range []struct {
		name string
		want UserSP
	}{
		{"bare", UserSP{}},
		{"linux-3.19", UserSP{Lines: 1, OwnLines: 3, OwnBeyond: 2}},
		{"linux-3.19+b", UserSP{Lines: 1, OwnLines: 3, OwnBeyond: 2}},
		{"linux-3.19+a", UserSP{}},
		{"linux-4.1", UserSP{}},
		{"freebsd", UserSP{}},
	} {
		n := named(t, tt.name)
		if got := counted(t, n).UserSP; got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		w, err := prove.WalkVariant(n)
		if err != nil {
			t.Fatal(err)
		}
		for start := int64(0); start < 1<<lineShift; start += threadAlign {
			var got UserSP
			got.Lines, _ = userSPOf(w, false, start, nil)
			got.OwnLines, _ = userSPOf(w, true, start, nil)
			if got.Lines != tt.want.Lines || got.OwnLines != tt.want.OwnLines {
				t.Errorf("%s, thread_struct %d bytes into a line: %+v, want %+v", tt.name, start, got, tt.want)
			}
		}
	}
	// If __switch_to touched nothing of thread_struct but sp, one place of eight would cost a line.
	defer func(both []int64) { threadBoth = both }(threadBoth)
	threadBoth = nil
	w, err := prove.WalkVariant(named(t, "linux-3.19"))
	if err != nil {
		t.Fatal(err)
	}
	if lines, _ := userSPOf(w, false, 1<<lineShift-threadUserSP, nil); lines != 3 {
		t.Errorf("usersp alone in its line: %d lines, want 3", lines)
	}
}
