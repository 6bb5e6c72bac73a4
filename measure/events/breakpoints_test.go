package events

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

var every = flag.Bool("every", false, "let every kind of event arrive on every path, and in Bochs")

// TestBreakpoints: by the debug registers, events arrive on engines without a
// debugger as well.
func TestBreakpoints(t *testing.T) {
	need.QEMU(t)
	for _, row := range []struct {
		name   string
		vm     vm.Config
		places int // at least
		long   bool
	}{
		{name: "linux-6.12+pti", vm: vm.Config{Engine: vm.TCG}, places: 200},
		{name: "linux-6.12+pti+pcid", vm: vm.Config{Engine: vm.Bochs, CPU: vm.BochsFeaturesCPU}, places: 200, long: true},
		{name: "linux-6.12-skylake", vm: vm.Config{Engine: vm.Bochs, CPU: vm.BochsFeaturesCPU}, places: 200, long: true},
		{name: "linux-6.18+fred", vm: vm.Config{Engine: vm.Bochs, CPU: vm.BochsFREDCPU}, places: 100},
	} {
		if row.long && !*every {
			continue // it takes minutes
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			byFRED := row.vm.CPU == vm.BochsFREDCPU
			if byFRED {
				needFRED(t)
			}
			res, err := Breakpoints(t.Context(), preset(t, row.name), row.vm, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range res.Lost {
				t.Error(l)
			}
			s := res.Swept[0]
			t.Logf("%d places, events %v", s.Places, s.Events)
			if !slices.Equal(s.Due, s.Events) {
				t.Errorf("%v events arrived at %v places", s.Events, s.Due)
			}
			for k, kind := range Kinds {
				if want := kind.Name != kindMC && !kind.asks && (kind.Name != kindHeld || heldBack(row.vm.Engine) && !byFRED); (s.Events[k] > 0) != want {
					t.Errorf("%s arrived at %d places, want some: %v", kind.Name, s.Events[k], want)
				}
			}
			if s.Places < row.places {
				t.Errorf("%d places", s.Places)
			}
		})
	}
}

// needFRED skips the test if no Bochs with FRED is here.
func needFRED(t *testing.T) {
	t.Helper()
	if err := vm.BochsFRED(t.Context()); err != nil {
		need.Absent(t, need.FREDBochs, err.Error())
	}
}

// TestGaps: an instruction that no event came to is seen by those around it.
func TestGaps(t *testing.T) {
	kernel, err := boot.Kernel(boot.Config{Variants: []stubs.Variant{preset(t, "linux-3.19")}})
	if err != nil {
		t.Fatal(err)
	}
	l, ok := kernel.Object.Listing("error_entry")
	if !ok {
		t.Fatal("no error_entry")
	}
	met := map[uint64]bool{}
	for _, r := range l.Rows {
		if r.Label == "" {
			met[l.Addr+uint64(r.Off)] = true
		}
	}
	without := func(at uint64) []string {
		some := maps.Clone(met)
		delete(some, at)
		return gaps(kernel, some)
	}
	// The text behind its JMPs is not met.
	all := without(0)
	second := l.Addr + uint64(l.Rows[1].Off)
	said := without(second)
	if len(said) != len(all)+1 || !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, "no event came after error_entry+0x0 ") }) {
		t.Errorf("without the second instruction: %q, with it %q", said, all)
	}
	i := slices.IndexFunc(l.Rows, func(r asm.Row) bool { return len(r.Bytes) > 2 })
	met[l.Addr+1+uint64(l.Rows[i].Off)] = true
	if said := without(0); len(said) != len(all)+1 {
		t.Errorf("with a place where no instruction begins: %q", said)
	}
}

// TestBreakpointsCatchFRED: an entry of ring 0 that is wrong for NMIs alone does not go
// unnoticed.
func TestBreakpointsCatchFRED(t *testing.T) {
	needFRED(t)
	t.Parallel()
	vector := int(unsafe.Offsetof(layout.PtRegs[uint64]{}.SS)) + x86.FREDSSVector/8
	frame := asm.MOVQ(asm.RSP, asm.RDI)
	n := edited("linux-6.18+fred", stubs.FREDKernelEntry, frame,
		frame, asm.CMPB(asm.RDI.At(vector), x86.X86_TRAP_NMI), asm.IF(asm.E, asm.ADDQ(8, asm.RDI)),
	)(t)
	res, err := Breakpoints(t.Context(), n, vm.Config{Engine: vm.Bochs, CPU: vm.BochsFREDCPU}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(res.Lost, "\n"); !strings.Contains(said, "panic: ") {
		t.Errorf("lost is %q, want that the kernel ended", res.Lost)
	}
}

// TestNotDelivered: what cannot be delivered in Bochs, or with FRED, is named where a
// variant runs so.
func TestNotDelivered(t *testing.T) {
	const atINT, byFRED = kindHeld + " at INT n and INT3", kindHeld + " with FRED"
	for _, row := range []struct {
		name   string
		result Result
		want   []string
	}{
		{"SYSCALL", Result{Engine: vm.Bochs}, []string{atINT + " on bochs"}},
		{"FRED", Result{Engine: vm.Bochs, FRED: true}, []string{atINT + " on bochs", byFRED + " on bochs"}},
		{"QEMU", Result{Engine: vm.TCG}, []string{kindHeld + " on tcg"}},
		{"KVM", Result{Engine: vm.KVM}, nil},
	} {
		var has []string
		for _, u := range NotDelivered([]*Result{&row.result}) {
			if strings.HasPrefix(u.Name, kindHeld) {
				has = append(has, u.Name)
			}
		}
		if !slices.Equal(has, row.want) {
			t.Errorf("%s: not delivered are %q, want %q", row.name, has, row.want)
		}
	}
}

// TestHeld: a #DB behind MOV SS that arrives elsewhere, or nowhere, is lost.
func TestHeld(t *testing.T) {
	n := preset(t, "linux-3.19")
	kernel, err := boot.Kernel(boot.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	at := func(kind int, name string) wire.Event {
		addr, ok := kernel.Object.Addr(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		return wire.Event{Variant: n.Name, Kind: kind, At: addr, Made: 1, Came: 1}
	}
	entry := n.FuncName(stubs.Entry)
	hit := at(layout.EventBreakpoint, entry)
	syscall, intn, int3 := at(layout.EventHeld, entry), at(layout.EventHeld, "asm_int_control"), at(layout.EventHeld, "asm_exc_int3")
	for _, row := range []struct {
		name   string
		engine vm.Engine
		events []wire.Event
		lost   string
	}{
		{"Bochs", vm.Bochs, []wire.Event{hit, syscall}, ""},
		{"Bochs, elsewhere", vm.Bochs, []wire.Event{hit, int3}, "it arrived at "},
		{"Bochs, nowhere", vm.Bochs, []wire.Event{hit}, "made none arrive at " + entry},
		{"KVM", vm.KVM, []wire.Event{hit, syscall, intn, int3}, ""},
		{"KVM, not at INT3", vm.KVM, []wire.Event{hit, syscall, intn}, "made none arrive at asm_exc_int3"},
		{"QEMU", vm.TCG, []wire.Event{hit, int3}, ""},
	} {
		r := &Result{Variant: n.Name, Engine: row.engine}
		if _, err := r.count(kernel, row.events, heldBack(row.engine)); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if said := strings.Join(r.Lost, "\n"); (said == "") != (row.lost == "") || !strings.Contains(said, row.lost) {
			t.Errorf("%s: lost is %q, want %q", row.name, r.Lost, row.lost)
		}
	}
}

// TestBreakpointsCatch: what the guest lets arrive finds broken kernels.
func TestBreakpointsCatch(t *testing.T) {
	need.QEMU(t)
	for _, row := range []struct {
		name  string
		patch func(*testing.T, *text)
		want  string
	}{
		{"an NMI that trusts CS for SWAPGS", func(t *testing.T, x *text) { x.ordinary(t, "asm_exc_nmi") }, "after NMI at "},
		{"an NMI that changes an XMM register", func(t *testing.T, x *text) { x.changesNMI(t, onesInXMM0) }, "XMM0[0] is 0xffffffffffffffff"},
		{"an NMI that changes the x87 stack", func(t *testing.T, x *text) { x.changesNMI(t, oneOnX87) }, "FCW/FSW/FTW is"},
		{"a #DB that trusts CS", func(t *testing.T, x *text) { x.ordinary(t, "asm_exc_debug") }, "before the first event: CRASH: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			res, err := Breakpoints(t.Context(), preset(t, "linux-3.19"), vm.Config{Engine: vm.TCG}, func(m *vm.Config) error {
				m.Kernel = patched(t, m.Kernel, row.patch)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(res.Lost, "\n"), row.want) {
				t.Errorf("lost is %q, want %q in it", res.Lost, row.want)
			}
		})
	}
}
