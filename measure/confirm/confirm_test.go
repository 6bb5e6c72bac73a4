package confirm

import (
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
	"github.com/entrylab/entrylab/stubs/prove"
)

var every = flag.Bool("every", false, "confirm every preset on every path, every broken variant and every case, not a sample")

// sample is how many paths of a preset are run without -every.
const sample = 24

// sampleInBochs is how many of one that only Bochs runs, whose debugger takes its time.
const sampleInBochs = 5

// callDepth is a variant that counts the CALLs of the kernel's functions in front of them.
const callDepth = "linux-6.12+returns=calldepth"

// TestPresets: the machines agree with what is proved of a preset, and of callDepth, and
// come back to ring 3.
func TestPresets(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	depth, err := stubs.ParseVariant(callDepth)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(stubs.Presets(), stubs.Preset{Variant: depth}) {
		if !*every && !slices.Contains([]string{"bare", "linux-3.19", "linux-6.12+pti", "linux-6.12-skylake", "linux-6.12-alderlake", callDepth}, p.Name) {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			paths := sample
			switch {
			case *every:
				paths = 0
			case missing(p.Variant, notInQEMU) != "":
				paths = sampleInBochs
			}
			r, err := Variant(t.Context(), p.Variant, paths)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(strings.Join(r.Lines(), "\n"))
			if r.Proof.Outcome() != prove.Proved || !r.Agrees() {
				t.Errorf("it is %v, and the machines agree: %v", r.Proof.Outcome(), r.Agrees())
			}
			for _, run := range r.Runs {
				if run.Without != "" {
					continue
				}
				if run.Ran == 0 || run.Compared <= run.Instructions || run.Machine != onThis && run.Exits == 0 {
					t.Errorf("%s: too little was run: %+v", run.Machine, run)
				}
			}
		})
	}
}

// TestBroken: a machine confirms each witness of what is refuted.
func TestBroken(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	for _, b := range broken.Variants() {
		if *every || slices.Contains([]string{"rsp-off", "usersp-not-swapped", "cr3-not-switched-by-iret", "fred-tf-lost"}, b.Name) {
			t.Run(b.Name, func(t *testing.T) { confirmed(t, b.Variant) })
		}
	}
}

// TestBrokenInBochs: so does Bochs, of variants whose CPU QEMU has not: of what both could
// show, of a page table with PCIDs, and of SPEC_CTRL.
func TestBrokenInBochs(t *testing.T) {
	need.Tool(t, "bochs")
	for _, row := range []struct {
		name, base string
		was        asm.Ins
		items      []asm.Item
	}{
		{"R10 from another slot", "linux-6.12+pti+pcid", asm.PUSHQ(asm.R10), []asm.Item{asm.PUSHQ(asm.R9)}},
		{"ring 3 on the kernel's page table", "linux-4.1+scratch=sp2+leave=trampoline+cr3=pcid", asm.ORQ(0x1000, asm.RDI), nil},
		{"IBRS left set", "sp=frame,flags=flags,top=eager,irq=off,ibrs=entry", asm.ANDQ(-2, asm.RDX), nil},
	} {
		if !*every && row.was.Mnemonic() != "ANDQ" {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			n := parsed(t, row.base)
			n.Name, n.Edit = "broken-in-bochs", broken.Edit(stubs.Entry, row.was, row.items...)
			if r := confirmed(t, n); r.On != inBochs {
				t.Errorf("it is confirmed %s, want %s", r.On, inBochs)
			}
		})
	}
}

// TestFirstThread: of what would end the machine with its first thread too.
func TestFirstThread(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	n := parsed(t, "linux-3.19+newthread=fast")
	part := asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP.At(-asm.Slots[layout.PtRegs[asm.Slot]]().R11.Off))
	scratch := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS).RSPScratch
	n.Name, n.Edit = "unrestored", broken.Edit(stubs.Entry, asm.MOVQ(part.SP, asm.RDI), asm.MOVQ(scratch, asm.RDI))
	confirmed(t, n)
}

// TestCases: of the faults of real kernels too.
func TestCases(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	need.Tool(t, "as")
	paths, err := filepath.Glob("../../stubs/gnuas/testdata/cases/b*.S")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".S")
		if !*every && name != "b06-rsp-on-cpu" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			n, err := gnuas.Load(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			confirmed(t, n)
		})
	}
}

func parsed(t *testing.T, name string) stubs.Variant {
	t.Helper()
	n, err := stubs.ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// link returns a variant's paths, and its code as a process has it.
func link(t *testing.T, n stubs.Variant) (*prove.Trials, *asm.Object) {
	t.Helper()
	obj, err := prove.LinkAt(n, codeAddr)
	if err != nil {
		t.Fatal(err)
	}
	trials, err := prove.NewTrials(obj, n)
	if err != nil {
		t.Fatal(err)
	}
	return trials, obj
}

func confirmed(t *testing.T, n stubs.Variant) *Report {
	t.Helper()
	r, err := Variant(t.Context(), n, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(strings.Join(append(r.Lines(), r.Shown...), "\n"))
	if n.Axes.Is(stubs.EntryFRED) {
		if r.Proof.Outcome() != prove.Refuted || r.On != "" || slices.ContainsFunc(r.Runs, func(run Run) bool { return run.Without == "" }) {
			t.Errorf("it is %v, and was run: %+v", r.Proof.Outcome(), r.Runs)
		}
		return r
	}
	if r.Proof.Outcome() == prove.Undecided && r.Witnesses == 0 {
		return r // x87-reset: of what is followed there is no fault
	}
	if r.Witnesses == 0 || r.Confirmed != r.Witnesses || r.Proof.Outcome() != prove.Refuted {
		t.Errorf("%d of %d witnesses are confirmed, and it is %v:\n%v", r.Confirmed, r.Witnesses, r.Proof.Outcome(), r.Proof.Err())
	}
	return r
}

// otherCode changes one byte of a machine's code: the instruction then names another
// register.
func otherCode(t *testing.T, m prove.Machine, addr uint64, at int) {
	t.Helper()
	words, err := m.Read([]uint64{addr})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write([]uint64{addr}, []uint64{words[0] ^ 8<<(8*at)}); err != nil { // another register
		t.Fatal(err)
	}
}

// saves returns where linux-3.19's entry stores RDI: MOVQ RDI, disp(RSP), of which the
// third byte, ModRM, has the register.
func saves(t *testing.T, code []byte) int {
	t.Helper()
	i := strings.Index(string(code), "\x48\x89\x7c\x24")
	if i < 0 {
		t.Fatal("the entry does not store RDI")
	}
	return i
}

// other is a machine that has something otherwise from one of its stops on.
type other struct {
	prove.Machine
	stops     int
	registers func(*prove.Registers)
	msr       uint32 // that it has otherwise
}

func (m *other) Registers() (prove.Registers, error) {
	r, err := m.Machine.Registers()
	if m.stops--; m.stops < 0 && m.registers != nil {
		m.registers(&r)
	}
	return r, err
}

func (m *other) MSR(number uint32) (uint64, bool) {
	n, ok := m.Machine.MSR(number)
	if number == m.msr {
		n ^= 1 << 8
	}
	return n, ok
}

// TestOtherRegister: a register or MSR that is otherwise is found out, and named.
func TestOtherRegister(t *testing.T) {
	const stops = 10
	for _, row := range []struct {
		name, variant string
		change        func(*prove.Registers)
		msr           uint32
		want          string
	}{
		{"DS", "linux-3.19", func(r *prove.Registers) { r.DS ^= 1 }, 0, "DS is 1, want 0 = user.DS"},
		{"an XMM register", "linux-3.19", func(r *prove.Registers) { r.XMM[3][1]++ }, 0, "XMM3, upper half is "},
		{"the last XMM register", "linux-3.19", func(r *prove.Registers) { r.XMM[15][0]++ }, 0, "XMM15, lower half is "},
		{"MXCSR", "linux-3.19", func(r *prove.Registers) { r.MXCSR ^= 1 << 15 }, 0, "MXCSR is "},
		{"an x87 register", "linux-3.19", func(r *prove.Registers) { r.X87.ST[7][9] ^= 1 }, 0, "the x87 state is "},
		{"the x87 unit's status", "linux-3.19", func(r *prove.Registers) { r.X87.Status ^= 1 << 14 }, 0, "the x87 state is "},
		{"MSR_FS_BASE", "linux-3.19", func(r *prove.Registers) { r.FSBase++ }, 0, "the base of FS is "},
		{"MSR_GS_BASE", "linux-3.19", func(r *prove.Registers) { r.GSBase++ }, 0, "the base of GS is "},
		{"MSR_KERNEL_GS_BASE", "linux-3.19", func(r *prove.Registers) { r.OtherGSBase++ }, 0, "MSR_KERNEL_GS_BASE is "},
		{"SPEC_CTRL", "linux-6.12-skylake", func(r *prove.Registers) { r.SpecCtrl ^= 2 }, 0, "SPEC_CTRL is "},
		{"IA32_PL3_SSP", "linux-6.12+cet=user", func(r *prove.Registers) { r.PL3SSP ^= 8 }, 0, "IA32_PL3_SSP is "},
		{"MSR_STAR", "linux-3.19", nil, x86.MSR_STAR, "MSR_STAR is "},
		{"MSR_LSTAR", "linux-3.19", nil, x86.MSR_LSTAR, "MSR_LSTAR is "},
		{"MSR_SYSCALL_MASK", "linux-3.19", nil, x86.MSR_SYSCALL_MASK, "MSR_SYSCALL_MASK is "},
		{"EFER", "linux-3.19", nil, x86.MSR_EFER, "EFER is "},
	} {
		t.Run(row.name, func(t *testing.T) {
			trials, obj := link(t, parsed(t, row.variant))
			err := onCPU(obj, func(m prove.Machine) error {
				var said []string
				found := func(s string) bool { return strings.Contains(s, ": "+row.want) }
				for i := 0; i < trials.Len() && !slices.ContainsFunc(said, found); i++ {
					on := &other{Machine: m, stops: stops, registers: row.change, msr: row.msr}
					trial, err := trials.Run(i, on, rand.New(rand.NewPCG(1, 2)))
					if err != nil {
						return err
					}
					if trial.Differs != "" {
						said = append(said, trial.Differs)
					}
				}
				if !slices.ContainsFunc(said, found) {
					t.Errorf("it says %q, want %q", said, row.want)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOtherCode: a machine that runs other code than was proved is found out.
func TestOtherCode(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	n := parsed(t, "linux-3.19")
	found := func(trials *prove.Trials, addr uint64, code []byte) func(prove.Machine) error {
		off := saves(t, code)
		return func(m prove.Machine) error {
			otherCode(t, m, addr+uint64(off), 2)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range trials.Len() {
				trial, err := trials.Run(i, m, rng)
				if err != nil {
					return err
				}
				if trial.Differs != "" {
					t.Log(trial.Differs)
					if !strings.Contains(trial.Differs, "the stack's di is") {
						t.Errorf("it differs otherwise than it should: %s", trial.Differs)
					}
					return nil
				}
			}
			t.Error("nothing differs")
			return nil
		}
	}
	t.Run("ring 3", func(t *testing.T) {
		trials, obj := link(t, n)
		addr, ok := obj.Addr(n.FuncName(stubs.Entry))
		if !ok {
			t.Fatal("no entry")
		}
		if err := onCPU(obj, found(trials, addr, obj.Sections[0].Bytes[addr-obj.Sections[0].Addr:])); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("QEMU", func(t *testing.T) {
		kernel, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
		if err != nil {
			t.Fatal(err)
		}
		trials, err := prove.NewTrials(kernel.Object, n)
		if err != nil {
			t.Fatal(err)
		}
		addr, _ := kernel.Object.Addr(n.FuncName(stubs.Entry))
		i := slices.IndexFunc(kernel.Object.Sections, func(s asm.Section) bool { return addr-s.Addr < uint64(len(s.Bytes)) })
		s := kernel.Object.Sections[i]
		if err := onQEMU(t.Context(), n, []stubs.Variant{n}, kernel, found(trials, addr, s.Bytes[addr-s.Addr:])); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOtherCodeInBochs: so is Bochs with a variant that has another instruction of the
// same length than the one that was proved.
func TestOtherCodeInBochs(t *testing.T) {
	need.Tool(t, "bochs")
	n, room := parsed(t, "linux-3.19"), parsed(t, "linux-6.12")
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{n, room}})
	if err != nil {
		t.Fatal(err)
	}
	trials, err := prove.NewTrials(kernel.Object, n)
	if err != nil {
		t.Fatal(err)
	}
	wrong := n
	partial := asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP.At(-asm.Slots[layout.PtRegs[asm.Slot]]().R11.Off))
	wrong.Edit = broken.Edit(stubs.Entry, asm.MOVQ(asm.R9, partial.R9), asm.MOVQ(asm.R8, partial.R9))
	err = onBochs(t.Context(), n, []stubs.Variant{wrong, room}, kernel, func(m prove.Machine) error {
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range trials.Len() {
			trial, err := trials.Run(trials.Len()-1-i, m, rng) // calls come last
			if err != nil {
				return err
			}
			if trial.Differs != "" {
				if !strings.Contains(trial.Differs, "the stack's r9 is") {
					t.Errorf("it differs otherwise than it should: %s", trial.Differs)
				}
				return nil
			}
		}
		t.Error("nothing differs")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rightRSP is a machine that gives ring 3 the RSP that a variant gets wrong.
type rightRSP struct {
	prove.Machine
}

func (m *rightRSP) Registers() (prove.Registers, error) {
	r, err := m.Machine.Registers()
	const rsp = 4
	if r.General[rsp] < layout.KernelBase && r.General[rsp]>>47 != 0x1ffff && r.General[rsp] > 7 {
		r.General[rsp] -= 8
	}
	return r, err
}

// TestUnconfirmed: what a machine does not confirm is undecided, and says why.
func TestUnconfirmed(t *testing.T) {
	all := broken.Variants()
	n := all[slices.IndexFunc(all, func(b broken.Variant) bool { return b.Name == "rsp-off" })].Variant
	trials, obj := link(t, n)
	if trials.Proof.Outcome() != prove.Refuted {
		t.Fatalf("it is %v before it is run", trials.Proof.Outcome())
	}
	err := onCPU(obj, func(m prove.Machine) error {
		list, err := trials.Confirm(&rightRSP{Machine: m}, rand.New(rand.NewPCG(1, 2)))
		for _, c := range list {
			if c.Confirmed() {
				t.Errorf("it is confirmed: %+v", c)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := trials.Proof.Outcome(); got != prove.Undecided {
		t.Errorf("it is %v, want undecided", got)
	}
	failed := trials.Proof.Failed()
	if len(failed) == 0 || !strings.Contains(failed[0].String(), "\n\tnot confirmed: ") {
		t.Errorf("the failure is %v", failed)
	}
}

// TestRefused: an instruction that this CPU refuses is a difference, not the end of
// the test.
func TestRefused(t *testing.T) {
	_, obj := link(t, parsed(t, "linux-3.19"))
	err := onCPU(obj, func(m prove.Machine) error {
		r, err := m.Registers()
		if err != nil {
			return err
		}
		r.RIP = m.Places().Elsewhere // UD2
		if err := m.SetRegisters(r); err != nil {
			return err
		}
		if err := m.Step(); err == nil || !strings.Contains(err.Error(), "SIGILL") {
			t.Errorf("the step says %v, want SIGILL", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
