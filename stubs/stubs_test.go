package stubs

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/golden"
	"pgregory.net/rapid"
)

// stubKernel defines what the stubs expect of the kernel.
func stubKernel() Program {
	var p Program
	names := []string{
		"schedule_user", "do_notify_resume", "sys_ni_syscall", "syscall_return_slowpath", "exit_to_user_mode_loop",
		traceEnterPhase1, traceEnter, traceLeave, "x64_sys_call", "x64_sys_call_switch", "fred_event_user", "fred_event_kernel",
		errorFromUser, errorFromKernel, paranoidBody, preemptSchedule, "__switch_to", "ret_from_fork",
	}
	for _, c := range layout.FullFrameCalls {
		names = append(names, c.Handler())
	}
	for _, name := range names {
		p.Funcs = append(p.Funcs, FUNC(name, "", UD2()))
	}
	p.Data = append(p.Data, BSS("sys_call_table", 8*(layout.SysCallMax+1), 64), BSS("x64_call_table", 8*(layout.SysCallMax+1), 64), BSS(percpuArea, 64, 64))
	return p
}

// link links variants with the stub kernel.
func link(t interface{ Fatal(...any) }, list ...Variant) *Object {
	p := stubKernel()
	stubs, err := ProgramOf(list)
	if err != nil {
		t.Fatal(err)
	}
	p.Add(stubs)
	obj, err := Link(p, layout.KernelBase+1<<20, layout.KernelBase)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// listings returns the listings of one variant.
func listings(obj *Object, suffix string) []Listing {
	return slices.DeleteFunc(slices.Clone(obj.Listings()), func(l Listing) bool {
		_, variant, _ := CutFuncName(l.Name)
		return variant != suffix
	})
}

func TestListings(t *testing.T) {
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			var b strings.Builder
			for _, l := range listings(link(t, p.Variant), p.Name) {
				b.WriteString(l.String())
				b.WriteByte('\n')
			}
			golden.Same(t, filepath.Join("testdata", p.Name+".lst"), b.String())
		})
	}
}

// TestAll links every variant that can be built. The assembler checks the slot
// of every push, load and store on the way.
func TestAll(t *testing.T) {
	// Variants with different scratch words cannot share an image.
	groups := map[uint64][]Variant{}
	for v := range All() {
		groups[v.scratchWord()] = append(groups[v.scratchWord()], Variant{Name: v.String(), Axes: v})
	}
	total := 0
	for _, list := range groups {
		obj := link(t, list...)
		t.Logf("%d variants, %d functions", len(list), len(obj.Listings()))
		total += len(list)
	}
	if possible := len(slices.Collect(All())); possible < 20 || possible != total {
		t.Errorf("%d variants can be built, %d were", possible, total)
	}
}

// TestCombinations: for every combination of values, possible or not, the name
// reads back as the same variant, or as the reason why it is impossible.
func TestCombinations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v Axes
		for _, a := range AllAxes() {
			v = v.Set(rapid.SampledFrom(a.Values).Draw(t, a.Name).Value)
		}
		if back, err := parseAxes(v.String()); err != nil || back != v {
			t.Fatalf("%v reads back as %v, %v", v, back, err)
		}
		n, err := ParseVariant(v.String())
		if invalid := v.Validate(); invalid != nil {
			if err == nil || !strings.Contains(err.Error(), invalid.Error()) {
				t.Fatalf("%v: error is %v, want %v", v, err, invalid)
			}
			if _, err := v.Program("x"); err == nil {
				t.Fatalf("%v: built though impossible: %v", v, invalid)
			}
			return
		}
		if err != nil || n.Axes != v {
			t.Fatalf("%v reads back as %v, %v", v, n, err)
		}
		if again, err := ParseVariant(n.Name); err != nil || again.Axes != v {
			t.Fatalf("name %s reads back as %v, %v", n.Name, again, err)
		}
		if _, err := v.Program("x"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestParseVariant(t *testing.T) {
	for _, tt := range []struct {
		name, want, err string
	}{
		{name: "linux-3.19", want: "linux-3.19"},
		{name: "bare", want: "bare"},
		{name: "linux-3.19+a", want: "linux-3.19+a"},
		{name: "linux-3.19+c+a", want: "linux-3.19+a+c"},
		{name: "linux-3.19+a+b+c", want: "heukelum-v2"},
		{name: "sp=frame,irq=frame", want: "linux-3.19+a"},
		{name: "work=test", want: "sp=percpu,flags=r11,top=lazy,build=mov,regs=partial,exit=sysret,irq=early,work=test"},
		{name: "linux-2.4", err: `variant "linux-2.4": no such preset: did you mean linux-4.0? `},
		{name: "", err: `variant "": no such preset`},
		{name: "linux-3.19+d", err: `no change "d": want a, b, b-linux, c or axis=value`},
		{name: "linux-3.19+", err: `no change ""`},
		{name: "sp=stack", err: `axis sp has no value "stack": want one of percpu, frame`},
		{name: "rsp=frame", err: "no axis \"rsp\": did you mean rsb? `entrylab variants` lists them"},
		{name: "work=test,slow=sysret,traps=sysret", want: "linux-4.0"},
		{name: "work=test,slow=sysret,branch=retpoline,traps=sysret", want: "linux-4.0+branch=retpoline"},
		{name: "linux-6.12+buffers=verw+clear=none", want: "linux-6.12+clear=none+buffers=verw"},
		{name: "linux-4.2+stack=percpu+iptest=half", want: "linux-4.1"},
		{name: "linux-3.19+a+scratch=sp2", want: "linux-3.19+a+scratch=sp2"},
		{name: "linux-6.12+a", err: `no change "a": want axis=value`},
		{name: "bare+leave=trampoline", err: "bare keeps nothing"},
		{name: "linux-4.1+buffers=no", err: `axis buffers has no value "no": want one of kept, verw`},
		{name: "linux-6.2+exit=iret", err: `no such preset: did you mean linux-6.12? `},
		{name: "linux-6.12+exti=iret", err: `no axis "exti": did you mean exit? `},
		{name: "exit=iert", err: `axis exit has no value "iert": did you mean iret? want one of sysret`},
		{name: "moon", err: `no such preset: want a preset, or axes such as sp=frame,irq=frame`},
		{name: "sp=frame,sp=frame", err: "axis sp is given twice"},
		{name: "sp=frame", err: `variant "sp=frame" is impossible: sp=frame with irq=early`},
		{name: "linux-4.1,exit=iret", err: `no axis "linux-4.1"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := ParseVariant(tt.name)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || n.Name != tt.want {
				t.Errorf("got %s, %v, want %s", n.Name, err, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	whole := Of(SPFrame, FlagsSlot, TopEager, IRQFrame)
	for _, tt := range []struct {
		name string
		v    Axes
		errs []string // parts of the error, in its order; none: possible
	}{
		{name: "3.19", v: Axes{}},
		{name: "interrupts before RSP is safe", v: Of(SPFrame), errs: []string{"overwrite"}},
		{name: "interrupts off", v: Of(SPFrame, IRQOff)},
		{name: "late interrupts", v: Of(IRQFrame)},
		{name: "iret of a lazy frame", v: Of(ExitIRET), errs: []string{"sp slot", "flags slot", "no CS and SS"}},
		{name: "iret", v: whole.Set(ExitIRET)},
		{name: "opportunistic of a lazy frame", v: Of(ExitOpportunistic), errs: []string{"sp slot", "flags slot", "reads their slots"}},
		{name: "push of a lazy frame", v: Of(BuildPush), errs: []string{"sp slot", "flags slot", "ss, cs and cx"}},
		{name: "push", v: whole.Set(BuildPush)},
		{name: "bare", v: Axes{Bare: true}},
		{name: "bare with an axis", v: Axes{Bare: true}.Set(WorkTest), errs: []string{"nothing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.v.Validate()
			if len(tt.errs) == 0 {
				if err != nil {
					t.Errorf("impossible: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.errs) {
				t.Fatalf("%d reasons, want %d:\n%v", len(lines), len(tt.errs), err)
			}
			for i, want := range tt.errs {
				if !strings.Contains(lines[i], want) {
					t.Errorf("reason %d is %q, want it to say %q", i, lines[i], want)
				}
			}
		})
	}
}

// count returns the instructions and bytes of the rows from the label (the
// start if it is "") up to, but not including, the row at which end is true.
func count(t *testing.T, l Listing, from string, end func(Row) bool) (instructions, size int) {
	t.Helper()
	counting := from == ""
	for _, r := range l.Rows {
		switch {
		case r.Label != "":
			counting = counting || r.Label == from
		case !counting:
		case end(r):
			return instructions, size
		default:
			instructions++
			size += len(r.Bytes)
		}
	}
	t.Fatalf("%s: no end of the part behind %q", l.Name, from)
	return 0, 0
}

// TestSizes compares the parts of the paths with those of Linux, assembled with
// the same addressing.
func TestSizes(t *testing.T) {
	upToWorkTest := func(r Row) bool { return r.Ins.Mnemonic() == "TESTL" }
	behindSYSRETQ := func() func(Row) bool {
		seen := false
		return func(r Row) bool {
			was := seen
			seen = seen || r.Ins.Equal(SYSRETQ())
			return was
		}
	}
	for _, tt := range []struct {
		name, preset, from string
		end                func(Row) bool
		instructions, size int
	}{
		{"3.19 entry", "linux-3.19", "", upToWorkTest, 15, 79},
		{"3.19 exit", "linux-3.19", "ret_from_sys_call", behindSYSRETQ(), 17, 76},
		{"4.1 entry", "linux-4.1", "", upToWorkTest, 20, 56},
		{"4.1 exit", "linux-4.1", "ret_from_sys_call", behindSYSRETQ(), 15, 79 + 4}, // the slow path is further away than in the piece
		{"4.0 exit", "linux-4.0", "ret_from_sys_call", behindSYSRETQ(), 15, 0},
		{"4.6 entry", "linux-4.6", "", upToWorkTest, 19, 0}, // interrupts come on later
		{"(a) entry", "linux-3.19+a", "", upToWorkTest, 15 + 2, 0},
		{"(a) exit", "linux-3.19+a", "ret_from_sys_call", behindSYSRETQ(), 17, 0},
		{"(b) entry", "linux-3.19+b", "", upToWorkTest, 15 + 1, 0},
		{"(b) exit", "linux-3.19+b", "ret_from_sys_call", behindSYSRETQ(), 17, 0},
		{"(b) of Linux, entry", "linux-3.19+b-linux", "", upToWorkTest, 15, 0},
		{"(b) of Linux, exit", "linux-3.19+b-linux", "ret_from_sys_call", behindSYSRETQ(), 17, 0},
		{"(c) entry", "linux-3.19+c", "", upToWorkTest, 15 + 3, 0},
		{"(c) exit", "linux-3.19+c", "ret_from_sys_call", behindSYSRETQ(), 17, 0},
		{"(a)+(b)+(c) entry", "heukelum-v2", "", upToWorkTest, 15 + 6, 0},
		{"(a)+(b)+(c) exit", "heukelum-v2", "ret_from_sys_call", behindSYSRETQ(), 17, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := ParseVariant(tt.preset)
			if err != nil {
				t.Fatal(err)
			}
			l, ok := link(t, n).Listing(n.FuncName(Entry))
			if !ok {
				t.Fatal("no such listing")
			}
			instructions, size := count(t, l, tt.from, tt.end)
			if instructions != tt.instructions || tt.size != 0 && size != tt.size {
				t.Errorf("%d instructions, %d bytes, want %d, %d", instructions, size, tt.instructions, tt.size)
			}
		})
	}
}

// TestFixup counts what each change leaves of FIXUP_TOP_OF_STACK and
// RESTORE_TOP_OF_STACK.
func TestFixup(t *testing.T) {
	for _, tt := range []struct {
		preset         string
		fixup, restore int
	}{
		{"linux-3.19", 7, 4},
		{"linux-3.19+a", 5, 2},
		{"linux-3.19+b", 5, 2},
		{"linux-3.19+b-linux", 7, 2},
		{"linux-3.19+c", 4, 4},
		{"linux-3.19+a+b", 3, 0}, // "makes RESTORE_TOP_OF_STACK needless"
		{"linux-3.19+a+c", 2, 2},
		{"linux-3.19+b+c", 2, 2},
		{"heukelum-v2", 0, 0},
		{"linux-4.0", 8, 4},
		{"linux-4.1", 0, 0},
		{"linux-6.12", 0, 0},
	} {
		t.Run(tt.preset, func(t *testing.T) {
			n, err := ParseVariant(tt.preset)
			if err != nil {
				t.Fatal(err)
			}
			size := func(b Block) int {
				obj, err := Link(Program{Funcs: []Func{FUNC("f", "", FRAME(-8), b, UD2())}}, layout.KernelBase, layout.KernelBase)
				if err != nil {
					t.Fatal(err)
				}
				return len(obj.Listings()[0].Rows) - 1
			}
			fixup, restore := size(n.Axes.fixup(regsAt(-8), R11)), size(n.Axes.restore(regsAt(-8), R11))
			if fixup != tt.fixup || restore != tt.restore {
				t.Errorf("fix-up of %d instructions, restore of %d, want %d, %d", fixup, restore, tt.fixup, tt.restore)
			}
		})
	}
}

// TestWrongSlot: a push or store into another slot than it names is refused.
func TestWrongSlot(t *testing.T) {
	for _, tt := range []struct {
		name string
		body Block
		want string
	}{
		{"push", Block{PUSHQ(0x2b).Is(pt.SP)}, "push is PtRegs.SP (+152), but RSP is at +160"},
		{"one push too few", Block{PUSHQ(0x2b).Is(pt.SS), PUSHQ(R11).Is(pt.Flags)}, "push is PtRegs.Flags (+144), but RSP is at +152"},
		{"store", Block{SUBQ(112, RSP), MOVQ(RDI, regsAt(pt.R11.Off).DI)}, "operand is PtRegs.DI (+112), but RSP+64 is at +120"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Link(Program{Funcs: []Func{FUNC("f", "", FRAME(regsSize), tt.body, UD2())}}, layout.KernelBase, layout.KernelBase)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "stubs_test.go:") {
				t.Errorf("error is %v, want the listing's line and %q", err, tt.want)
			}
		})
	}
}

func TestProgramOf(t *testing.T) {
	v319, err := ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		list []Variant
		want []string
	}{
		{"nothing", nil, []string{"at least one variant"}},
		{"twice", []Variant{v319, v319}, []string{"linux-3.19 is listed twice"}},
		{"two that are impossible", []Variant{{Name: "x", Axes: Of(SPFrame)}, v319, {Name: "y", Axes: Of(ExitIRET)}}, []string{"variant x is impossible", "variant y is impossible"}},
		{"two scratch words", []Variant{v319, {Name: "sp2", Axes: Of(ScratchSP2)}}, []string{"variants linux-3.19 and sp2 cannot share an image"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ProgramOf(tt.list)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v, want it to say %q", err, want)
				}
			}
		})
	}
}

// TestDescriptor reads the kernel's table back from the linked image.
func TestDescriptor(t *testing.T) {
	var list []Variant
	for _, p := range Presets() {
		list = append(list, p.Variant)
	}
	obj := link(t, list...)
	at, _ := obj.Addr("variants")
	size := uint64(SizeOf[layout.VariantDesc[Mem]]())
	for i, n := range list {
		desc := Slots[layout.VariantDesc[Slot]]()
		read := func(s Slot) uint64 { return readWord(t, obj, at+uint64(i)*size+uint64(s.Off)) }
		if entry, _ := obj.Addr(n.FuncName(n.Axes.EntryName())); read(desc.Entry) != entry {
			t.Errorf("%s: Entry is %#x, want %#x", n.Name, read(desc.Entry), entry)
		}
		var axes strings.Builder
		for _, s := range desc.Info.Axes {
			for w := read(s); w != 0; w >>= 8 {
				axes.WriteByte(byte(w))
			}
		}
		if axes.String() != n.Axes.String() {
			t.Errorf("%s: Axes is %q, want %q", n.Name, axes.String(), n.Axes)
		}
		if n.Axes.Bare != (read(desc.Info.Bare) == 1) || n.Axes.usesScratch() != (read(desc.UsesScratch) == 1) {
			t.Errorf("%s: Bare is %d, UsesScratch is %d", n.Name, read(desc.Info.Bare), read(desc.UsesScratch))
		}
	}
	if n := readWord(t, obj, must(obj.Addr("variants_count"))); n != uint64(len(list)) {
		t.Errorf("variants_count is %d, want %d", n, len(list))
	}
}

func must(addr uint64, ok bool) uint64 {
	if !ok {
		panic("no such symbol")
	}
	return addr
}

func readWord(t *testing.T, obj *Object, addr uint64) (word uint64) {
	t.Helper()
	for _, s := range obj.Sections {
		if s.Addr <= addr && addr+8 <= s.Addr+uint64(len(s.Bytes)) {
			for i := range 8 {
				word |= uint64(s.Bytes[addr-s.Addr+uint64(i)]) << (8 * i)
			}
			return word
		}
	}
	t.Fatalf("%#x is in no section", addr)
	return 0
}

func TestPromises(t *testing.T) {
	top := layout.SlotSet(layout.SlotSS, layout.SlotCS, layout.SlotCX)
	for _, tt := range []struct {
		preset        string
		defined, room layout.Slots
		fullCX        uint64
	}{
		{"linux-3.19", argSlots, layout.SlotsAll &^ layout.SlotsCalleeSaved, ^uint64(0)},
		{"work=test", argSlots, layout.SlotsAll &^ layout.SlotsCalleeSaved, 0},
		{"linux-3.19+a", argSlots | layout.SlotSet(layout.SlotSP), layout.SlotsAll &^ layout.SlotsCalleeSaved, ^uint64(0)},
		{"linux-3.19+b", argSlots | layout.SlotSet(layout.SlotFlags), layout.SlotsAll &^ layout.SlotsCalleeSaved, ^uint64(0)},
		{"linux-3.19+b-linux", argSlots&^layout.SlotSet(layout.SlotR11) | layout.SlotSet(layout.SlotFlags), layout.SlotsAll &^ layout.SlotsCalleeSaved, ^uint64(0)},
		{"linux-3.19+c", argSlots | top, layout.SlotsAll &^ layout.SlotsCalleeSaved, 0},
		{"heukelum-v2", layout.SlotsAll &^ layout.SlotsCalleeSaved, layout.SlotsAll &^ layout.SlotsCalleeSaved, 0},
		{"linux-4.0", argSlots, layout.SlotsAll &^ layout.SlotsCalleeSaved, 0},
		{"linux-4.1", layout.SlotsAll &^ layout.SlotsCalleeSaved, layout.SlotsAll, 0},
		{"linux-6.12", layout.SlotsAll, layout.SlotsAll, 0},
		{"linux-6.18+fred", layout.SlotsAll, layout.SlotsAll, 0},
		{"freebsd", layout.SlotsAll, layout.SlotsAll, 0},
		{"bare", 0, 0, 0},
	} {
		t.Run(tt.preset, func(t *testing.T) {
			n, err := ParseVariant(tt.preset)
			if err != nil {
				t.Fatal(err)
			}
			info := n.Axes.info(n.Name)
			if info.Defined != uint64(tt.defined) || info.Room != uint64(tt.room) || info.FullCX != tt.fullCX {
				t.Errorf("Defined %#x, Room %#x, FullCX %#x, want %#x, %#x, %#x", info.Defined, info.Room, info.FullCX, tt.defined, tt.room, tt.fullCX)
			}
		})
	}
}

func TestWith(t *testing.T) {
	var v Axes
	for _, a := range AllAxes() {
		if w, err := v.With(a.Values[0].Value); err != nil || w != v {
			t.Errorf("%s is %v, %v; want that of 3.19", a.Values[0].Value, w, err)
		}
	}
	if w, err := v.With(ScratchSP2); err != nil || !w.Is(ScratchSP2) {
		t.Errorf("scratch=sp2 is %v, %v", w, err)
	}
	if _, err := v.With(SPFrame); err == nil || !strings.Contains(err.Error(), "sp=frame with irq=early") {
		t.Errorf("sp=frame: error is %v", err)
	}
	if _, err := v.With("scratch=no"); err == nil {
		t.Error("scratch=no is taken")
	}
}
