package replay

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// named parses variants.
func named(t testing.TB, names ...string) []stubs.Variant {
	t.Helper()
	var list []stubs.Variant
	for _, name := range names {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// edited returns linux-3.19 with items in front of its entry.
func edited(t testing.TB, name string, items ...Item) stubs.Variant {
	n := named(t, "linux-3.19")[0]
	n.Name = name
	n.Edit = func(p *Program) error {
		for i := range p.Funcs {
			if p.Funcs[i].Name == stubs.FuncName(stubs.Entry, name) {
				p.Funcs[i].Body = append(append(Block{}, items...), p.Funcs[i].Body...)
			}
		}
		return nil
	}
	return n
}

// all returns the presets that ring 3 can replay, the variants of axes, and the floor.
func all(t testing.TB) []stubs.Variant {
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		// The floor cannot be the first, and ring 3 may neither load CR3 nor return by FRED.
		if !p.Axes.Bare && p.Axes.Is(stubs.CR3Keep) && !p.Axes.Is(stubs.EntryFRED) {
			list = append(list, p.Variant)
		}
	}
	return append(list, named(t, append(axes, "bare")...)...)
}

var axes = []string{
	"linux-6.12+returns=calldepth", // whose CALLs the kernel counts
	"sp=frame,flags=flags,top=eager,build=push,regs=full,exit=iret,irq=off,work=test",
	"sp=frame,flags=flags,top=eager,build=mov,regs=full,exit=opportunistic,irq=frame",
	"sp=frame,flags=flags,top=eager,build=mov,regs=room,exit=iret,irq=frame",
}

// once makes the calls that are checked, and one placement.
func once(t *testing.T, list []stubs.Variant, tamper func(*job)) error {
	t.Helper()
	r, err := Prepare(Config{Variants: list, Budget: 1, Processes: 1, Seed: 1, tamper: tamper})
	if err != nil {
		t.Fatal(err)
	}
	return r.sampleAll(context.Background())
}

// TestState: after a call, registers and frame are what the variant promises.
func TestState(t *testing.T) {
	if err := once(t, all(t), nil); err != nil {
		t.Error(err)
	}
}

// TestStateOfAxes: the same for variants from all over the axes.
func TestStateOfAxes(t *testing.T) {
	const groups, size = 4, 12
	var together, apart []stubs.Variant // apart are those that cannot share an image with linux-3.19
	for v := range stubs.All() {
		n := stubs.Variant{Name: v.String(), Axes: v}
		switch {
		case v == (stubs.Axes{}) || !v.Is(stubs.CR3Keep) || v.Is(stubs.EntryFRED):
		case v.Is(stubs.SPPerCPU) && !v.Is(stubs.ScratchPerCPU):
			apart = append(apart, n)
		default:
			together = append(together, n)
		}
	}
	for g := range groups {
		list := named(t, "linux-3.19")
		for i := range size {
			list = append(list, together[(i*groups+g)*(len(together)-1)/(groups*size)])
		}
		if err := once(t, list, trim); err != nil {
			t.Error(err)
		}
	}
	if err := once(t, apart, trim); err != nil {
		t.Error(err)
	}
}

// TestBrokenState: a variant that does not keep its promise is not measured.
func TestBrokenState(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"r10-not-restored", []string{"variant r10-not-restored: R10 is 0x54540004 after a call, want 0x55550005"}},
		{"kernel-word-in-rdx", []string{"variant kernel-word-in-rdx: RDX is"}},
		{"flags-lost", []string{"R11 is 0x202", "want 0x246"}},
		{"orig-ax-slot-wrong", []string{"slot orig_ax is 0x52520002"}},
		{"cx-slot-written", []string{"slot cx is", "want 0x504f49534f4e0058"}},
		{"cx-not-fixed-up", []string{"slot cx is 0x504f49534f4e0058, want 0xffffffffffffffff"}},
		{"ss-slot-wrong", []string{"slot ss is 0x18, want 0x2b"}},
		{"rbx-clobbered", []string{"variant rbx-clobbered: the replayed code did not return within 10000 instructions; the last was at "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := broken.Find(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			err = once(t, append(named(t, v.Base), v.Variant), trim)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v, want it to say %q", err, want)
				}
			}
		})
	}
}

// trim leaves the cells that calls are checked in.
func trim(j *job) {
	var cells []cell
	for _, c := range j.Cells {
		if !c.Switch && c.Form == formSR1 {
			cells = append(cells, c)
		}
	}
	j.Cells = cells
}

// TestFault: a signal in the replayed code is reported with its place.
func TestFault(t *testing.T) {
	for _, tt := range []struct {
		name string
		item Item
		want FaultError
	}{
		{"illegal", UD2(), FaultError{Signal: syscall.SIGILL, Where: "entry_SYSCALL_64.illegal+0x0 (UD2"}},
		{"privileged", HLT(), FaultError{Signal: syscall.SIGSEGV, Where: "entry_SYSCALL_64.privileged+0x0 (HLT)", Privileged: true}},
		{"breakpoint", INT3(), FaultError{Signal: syscall.SIGTRAP, Where: "entry_SYSCALL_64.breakpoint+0x1 "}},
		{"unmapped", MOVQ(Mem{}.Add(0x10), RDI), FaultError{Signal: syscall.SIGSEGV, Where: "entry_SYSCALL_64.unmapped+0x0 (MOVQ", Addr: 0x10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := once(t, append(named(t, "heukelum-v2"), edited(t, tt.name, tt.item)), nil)
			var got *FaultError
			if !errors.As(err, &got) {
				t.Fatalf("error is %v, want a fault", err)
			}
			if got.Privileged != tt.want.Privileged || got.Variant != tt.name || got.Signal != tt.want.Signal || !strings.HasPrefix(got.Where, tt.want.Where) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
			if tt.want.Addr != 0 && got.Addr != tt.want.Addr {
				t.Errorf("the address is %#x, want %#x", got.Addr, tt.want.Addr)
			}
		})
	}
}

// replayed prepares and runs.
func replayed(ctx context.Context, c Config) (*Result, error) {
	r, err := Prepare(c)
	if err != nil {
		return nil, err
	}
	return r.Run(ctx)
}

// quiet asserts what Run may end with on a machine that is not known to be quiet:
// with a result, or with one that says why it must not be believed.
func quiet(t *testing.T, res *Result, err error) {
	t.Helper()
	refusal, refused := errors.AsType[*stats.RefusedError](err)
	switch {
	case err != nil && !refused:
		t.Fatal(err)
	case err != nil && refusal.Reason == "":
		t.Errorf("refused by %q, without a reason", err)
	}
	if all := res.Placements + res.Dropped + res.Moved.Placements; all < res.Processes || len(res.Process) != res.Placements {
		t.Errorf("%d placements of %d processes, %d of %d are known by theirs", all, res.Processes, len(res.Process), res.Placements)
	}
	if res.Moved.Of == 0 || res.Moved.Samples > res.Moved.Of {
		t.Errorf("%+v is no count of samples", res.Moved)
	}
}

// TestRun goes all the way on this CPU. What the figures are is not asserted:
// that is the machine's.
func TestRun(t *testing.T) {
	list := append(named(t, "linux-4.1"), edited(t, "delayed", LFENCE(), LFENCE()), named(t, axes[0])[0])
	res, err := replayed(context.Background(), Config{Variants: list, Budget: 2 * time.Second})
	quiet(t, res, err)
	for _, f := range res.Series {
		if len(f.Cycles) != res.Placements || slices.Min(f.Cycles) <= 0 {
			t.Errorf("%s %s of %s: %d placements, want %d, each with its cycles", f.Op, f.Form, f.Label, len(f.Cycles), res.Placements)
		}
	}
	if err == nil && len(res.Series) == 0 {
		t.Error("nothing was measured")
	}
}

// TestEndless: code that never returns ends the run after a number of
// instructions, in the first call and in the middle of a sample.
func TestEndless(t *testing.T) {
	for _, tt := range []struct {
		name  string
		items []Item
		want  string
	}{
		{"always", []Item{LABEL("endless"), JMP("endless")}, "within 10000 instructions; the last was at entry_SYSCALL_64.always+0x0 (JMP"},
		// A field that nobody uses counts the calls, of which the first few are
		// checked.
		{"later", []Item{
			INCQ(gs.NoResched), CMPQ(gs.NoResched, 5), JBE("good"), LABEL("endless"), JMP("endless"), LABEL("good"),
		}, "instructions; the last was at entry_SYSCALL_64.later+"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := once(t, append(named(t, "linux-4.1"), edited(t, tt.name, tt.items...)), func(j *job) {
				trim(j)
				for i := range j.Cells {
					j.Cells[i].Warm, j.Cells[i].Trips = 0, 2
				}
			})
			var endless *FaultError
			if !errors.As(err, &endless) || !endless.Endless || endless.Variant != tt.name || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// TestExcluded: a variant that cannot be replayed is left out, with the reason.
func TestExcluded(t *testing.T) {
	list := append(named(t, "linux-3.19"), edited(t, "paging", MOVQ(CR3, RSP)), named(t, "linux-4.1")[0], named(t, "linux-6.18+fred")[0])
	r, err := Prepare(Config{Variants: list, Budget: 1, Processes: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sampleAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	const want = "variant paging cannot be replayed: ring 3 may not run entry_SYSCALL_64.paging+0x0 (MOVQ CR3, RSP)"
	const fred = "variant linux-6.18+fred cannot be replayed: FRED delivers its calls, and ring 3 may not run ERETU"
	if len(r.excluded) != 2 || r.excluded[1] != want || r.excluded[3] != fred {
		t.Errorf("left out are %v, want %s and %s", r.excluded, want, fred)
	}
	for _, names := range [][]string{{"linux-6.18+fred", "linux-4.1"}, {"linux-4.1", "linux-6.18+fred"}} {
		if _, err := Prepare(Config{Variants: named(t, names...)}); err == nil || !strings.Contains(err.Error(), fred) {
			t.Errorf("of %v, error is %v, want %q", names, err, fred)
		}
	}
	if len(r.placements) == 0 || r.placements[0].Ticks[0][1] != 0 || r.placements[0].Ticks[0][2] == 0 {
		t.Error("the others were not measured, or it was")
	}
	list = list[:2]
	if _, err := replayed(context.Background(), Config{Variants: list}); err == nil || err.Error() != want {
		t.Errorf("with nothing left the error is %v, want %q", err, want)
	}
}

// TestBiasSeen: copies of the base that are not alike are seen on the machine itself.
func TestBiasSeen(t *testing.T) {
	list := append(named(t, "linux-3.19"), edited(t, "delayed", LFENCE(), LFENCE()))
	res, err := replayed(context.Background(), Config{
		Variants: list, Budget: time.Second,
		tamper: func(j *job) { trim(j); j.Streams[2].chunk = j.Streams[1].chunk },
	})
	if _, few := errors.AsType[*stats.RefusedError](err); few {
		t.Logf("not looked at: %v", err) // which refuses the run as well
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	find := func(label string) []float64 {
		i := slices.IndexFunc(res.Series, func(s Series) bool { return s.Label == label && s.Op == wire.OpNullCall && s.Form == formSR1 })
		return res.Series[i].Cycles
	}
	if d := stats.Mean(stats.Paired(find("linux-3.19"), find(wire.LabelAgain))); d < stats.Resolution {
		t.Errorf("the second copy, with two LFENCEs, takes %+.2f cycles", d)
	}
}

// TestNoDose: where the dose is left out, or is in its twin too, the first call
// finds it out.
func TestNoDose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tamper func(*job)
		want   string
	}{
		{"no dose", func(j *job) { j.PositiveControl = j.Kernel }, "variant the +1 control does not do in the replay what it promises: RAX is 0x1, want the result 0x2"},
		{"dose everywhere", func(j *job) { j.Kernel = j.PositiveControl }, "RAX is 0x2, want the result 0x1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := once(t, named(t, "linux-3.19", "linux-4.1"), func(j *job) { trim(j); tt.tamper(j) }); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// TestMovingHost: samples during which the CPU changes are dropped and counted,
// placements with too many are, and the run is refused only if too few are left
// or the CPUs are of two models.
func TestMovingHost(t *testing.T) {
	for _, tt := range []struct {
		name string
		host movingHost
		// moved tells which counts are right, want what the run is refused with.
		moved func(Moved) bool
		want  string
	}{
		{"never", movingHost{Every: 1 << 40}, func(m Moved) bool { return m.Placements == 0 }, ""},
		{"now and then", movingHost{Every: 100}, func(m Moved) bool { return m.Samples >= m.Of/200 && m.Placements == 0 }, ""},
		{"always", movingHost{Every: 1}, func(m Moved) bool { return m.Samples == m.Of && m.Placements > 0 }, "samples dropped because a hypervisor moved the CPU meanwhile"},
		{"to another model", movingHost{Every: 100, Model: "another"}, nil, "samples were taken on CPUs of two models, "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := replayed(context.Background(), Config{
				Variants: named(t, "linux-3.19", "linux-4.1"), Budget: 1, Processes: 4,
				tamper: func(j *job) { trim(j); j.Host = &tt.host },
			})
			if tt.moved == nil {
				if res != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "another, whose") {
					t.Errorf("error is %v, want it to say %q", err, tt.want)
				}
				return
			}
			quiet(t, res, err) // 4 placements are too few anyhow
			if !tt.moved(res.Moved) {
				t.Errorf("dropped are %+v", res.Moved)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// TestCPUChanges: a run at whose end the CPU is another one, or cannot be told,
// gives nothing.
func TestCPUChanges(t *testing.T) {
	unread := errors.New("/proc is gone")
	for _, tt := range []struct {
		name string
		cpus []CPU // as they are read
		want string
	}{
		{"never read", nil, "/proc is gone"},
		{"not read at the end", []CPU{{Model: "A"}}, "/proc is gone"},
		{"another", []CPU{{Model: "A", Microcode: "1"}, {Model: "B", Microcode: "1"}}, "the CPU changed under the run: it was A"},
		{"another microcode", []CPU{{Model: "A", Microcode: "1"}, {Model: "A", Microcode: "2"}}, "now it is A (family/model/stepping , microcode 2)"},
	} {
		res, err := replayed(context.Background(), Config{
			Variants: named(t, "linux-3.19", "linux-4.1"), Budget: 1, tamper: trim,
			readCPU: func() (CPU, error) {
				if len(tt.cpus) == 0 {
					return CPU{}, unread
				}
				first := tt.cpus[0]
				tt.cpus = tt.cpus[1:]
				return first, nil
			},
		})
		if res != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []stubs.Variant
		want string
	}{
		{"one variant", named(t, "linux-3.19"), "want at least two variants"},
		{"bare first", named(t, "bare", "linux-3.19"), "bare calls no handler"},
		{"twice", named(t, "linux-3.19", "linux-3.19"), "listed twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := replayed(context.Background(), Config{Variants: tt.list}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

// TestInterrupt: the child is gone when Run returns.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(500*time.Millisecond, cancel)
	_, err := replayed(ctx, Config{Variants: named(t, "linux-3.19", "linux-4.1"), Budget: time.Hour})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}

// TestChildInput: a child without a proper job, or whose parent is gone, ends by
// itself.
func TestChildInput(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Prepare(Config{Variants: named(t, "linux-3.19", "linux-4.1"), Budget: time.Hour, Processes: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(&r.job)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, job, want string }{
		{"no job", "", "reading the job: EOF"},
		{"bad job", "{\n", "reading the job: unexpected end of JSON input"},
		{"no parent", string(whole) + "\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), childEnv+"=1")
			cmd.Stdin = strings.NewReader(tt.job)
			out, err := cmd.Output()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("the child says %.200q and ends with %v, want %q", out, err, tt.want)
			}
		})
	}
}
