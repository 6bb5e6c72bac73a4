package vmtests

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// TestPanic has the guest check variants whose entry makes the kernel panic:
// there is no verdict, and the report says where it happened by symbol and
// offset.
func TestPanic(t *testing.T) {
	t.Parallel()
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	for _, tt := range []struct {
		name   string
		before asm.Ins // the first such instruction of the entry
		insert asm.Block
		base   string // linux-3.19
		cpu    string
		reason string // regular expression
		dump   string // a line of it
	}{
		{
			name: "on the kernel's stack", before: saveNumber, insert: asm.Block{asm.UD2()},
			reason: `^panic: #UD at entry_SYSCALL_64\.panic\+0x[1-9a-f][0-9a-f]*$`,
		},
		{
			name: "with a return address on the stack", before: saveNumber,
			insert: asm.Block{asm.LEAQ(asm.Sym("schedule"), asm.RAX), asm.PUSHQ(asm.RAX), asm.UD2()},
			reason: `^panic: #UD at entry_SYSCALL_64\.panic\+0x[1-9a-f][0-9a-f]*$`,
			dump:   "entrylab:   schedule+0x0",
		},
		{
			name: "wild address", before: saveNumber, insert: asm.Block{asm.MOVQ(uint64(1)<<62, asm.RDI), asm.MOVQ(asm.RDI.At(0), asm.RDI)},
			reason: `^panic: #GP at entry_SYSCALL_64\.panic\+0x[1-9a-f][0-9a-f]*$`,
		},
		{
			name: "wild jump to where nothing is", before: saveNumber, insert: jump(0x1234_5678_9abc),
			reason: `^panic: #PF\[not present,fetch\] at 0x123456789abc$`,
		},
		{
			name: "wild jump to the kernel's half", before: saveNumber, insert: jump(0xffff_c900_0000_0000),
			reason: `^panic: #PF\[not present,fetch\] at 0xffffc90000000000$`,
		},
		{
			name: "wild jump to data", before: saveNumber,
			insert: asm.Block{asm.LEAQ(asm.Sym("percpu"), asm.RAX), asm.CALL(asm.RAX)},
			reason: `^panic: #PF\[protection,fetch\] at 0xffffffff[0-9a-f]{8}$`,
		},
		{
			name: "wild jump to user memory", before: saveNumber, insert: asm.Block{asm.CALL(asm.RCX)},
			reason: `^panic: #PF\[protection,fetch\] at 0x[0-9a-f]{6}$`,
		},
		{
			name: "wild jump, page tables isolated", base: "linux-6.12+pti", before: asm.MOVQ(asm.RSP, asm.RDI), insert: jump(0x1234_5678_9abc),
			reason: `^panic: #PF\[not present,fetch\] at 0x123456789abc$`,
		},
		{
			name: "on the user's stack", before: asm.SWAPGS(), insert: asm.Block{asm.UD2()},
			reason: `^panic: #DF at entry_SYSCALL_64\.panic\+0x0$`,
		},
		{
			name: "on the user's stack without SMAP", before: asm.SWAPGS(), insert: asm.Block{asm.UD2()}, cpu: "qemu64",
			reason: `^panic: #UD at entry_SYSCALL_64\.panic\+0x0$`,
		},
		{
			name: "over the stack's end", before: saveNumber, insert: asm.Block{asm.LOOP(asm.PUSHQ(asm.RAX))},
			reason: `^panic: kernel stack overflow: #DF at entry_SYSCALL_64\.panic\+0x[1-9a-f][0-9a-f]*$`,
		},
		{
			name: "a per-CPU word that the user's page table does not map", base: "linux-6.12+pti",
			before: asm.MOVQ(asm.CR3, asm.RSP), insert: asm.Block{asm.MOVQ(gs.TopOfStack, asm.RSP)},
			reason: `^panic: #DF at entry_SYSCALL_64\.panic\+0x[1-9a-f][0-9a-f]*$`,
		},
		{
			name: "a stack that it does not map", base: "linux-6.12+pti",
			before: asm.MOVQ(asm.RSP, asm.CR3), insert: asm.Block{asm.MOVQ(asm.CR3, asm.RSP)},
			reason: `^panic: #DF at entry_SYSCALL_64\.panic\+0x[1-9a-f][0-9a-f]*$`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			base := variant(t, cmp.Or(tt.base, "linux-3.19"))
			m := machine(t, vm.TCG)
			m.CPU = tt.cpu
			run, err := boot.RunGuest(t.Context(), boot.Config{
				Variants: []stubs.Variant{base, {Name: "panic", Axes: base.Axes, Edit: insertBefore(tt.before, tt.insert)}},
				Args:     []string{"verify", "-variants=panic"},
				VM:       m,
			}, nil)
			if !errors.Is(err, boot.ErrNoVerdict) {
				t.Fatalf("error %v, want %v", err, boot.ErrNoVerdict)
			}
			if run.VM.Outcome != vm.Panic || !regexp.MustCompile(tt.reason).MatchString(run.VM.Reason) {
				t.Errorf("%v: %s\nwant a panic with %s", run.VM.Outcome, run.VM.Reason, tt.reason)
			}
			dump := strings.Join(run.VM.Tail, "\n")
			if m := wildAt.FindStringSubmatch(run.VM.Reason); m != nil {
				// The dump is of the jump's target, not of who looked at it.
				want := fmt.Sprintf("%016s", m[1])
				if !strings.Contains(dump, "rip "+want) || !strings.Contains(dump, "cr2 "+want) {
					t.Errorf("the dump has no rip and cr2 of %s\n%s", want, dump)
				}
			}
			for _, want := range []string{"rip ", "rsp ", "r15 ", "cr2 ", "cr3 ", tt.dump, "entrylab: end of panic"} {
				if !strings.Contains(dump, want) {
					t.Errorf("the dump has no %q\n%s", want, run.VM.Report())
				}
			}
		})
	}
}

// wildAt finds the address that a jump has gone to, in the reason of a panic.
var wildAt = regexp.MustCompile(`fetch\] at 0x([0-9a-f]+)$`)

// jump goes to an address by CALL, as the assembler takes nothing to follow a JMP.
func jump(to uint64) asm.Block { return asm.Block{asm.MOVQ(to, asm.RAX), asm.CALL(asm.RAX)} }

// TestIdleOverflow has the idle thread, whose stack is in the kernel's image, run
// over it.
func TestIdleOverflow(t *testing.T) {
	t.Parallel()
	m, err := boot.Prepare(t.Context(), boot.Config{
		Variants: []stubs.Variant{linux319(t)}, Init: cProgram(t, "libc"), VM: machine(t, vm.ICount),
	})
	if err != nil {
		t.Fatal(err)
	}
	// STI; HLT; JMP: PUSHQ RAX; JMP to it
	m.Kernel = patched(t, m.Kernel, "cpu_idle", "fbf4eb", "50ebfd")
	res, console := bootMachine(t, m)
	if res.Outcome != vm.Panic || !strings.HasPrefix(res.Reason, "panic: kernel stack overflow: #DF at cpu_idle+") {
		t.Errorf("%v: %s\n%s", res.Outcome, res.Reason, console)
	}
	if dump := strings.Join(res.Tail, "\n"); !strings.Contains(dump, "entrylab: end of panic") {
		t.Errorf("the dump has no end\n%s", dump)
	}
}

// TestSignalDump has an entry that returns to 32-bit code, by SYSRET without its
// suffix: the dump of the dead init tells it by CS, and whose entry it was.
func TestSignalDump(t *testing.T) {
	t.Parallel()
	base := linux319(t)
	run, err := boot.RunGuest(t.Context(), boot.Config{
		Variants: []stubs.Variant{base, {Name: "sysretl", Axes: base.Axes, Edit: broken.Edit(stubs.Entry, asm.SYSRETQ(), asm.SYSRETL())}},
		Args:     []string{"verify", "-variants=sysretl"},
		VM:       machine(t, vm.ICount),
	}, nil)
	if !errors.Is(err, boot.ErrNoVerdict) {
		t.Fatalf("error %v, want %v", err, boot.ErrNoVerdict)
	}
	if run.VM.Outcome != vm.Signaled {
		t.Errorf("%v: %s\nwant a signal", run.VM.Outcome, run.VM.Reason)
	}
	dump := strings.Join(run.VM.Tail, "\n")
	for _, want := range []string{" cs 0000000000000023 ", " ss 000000000000002b", "entrylab: variant sysretl\n"} {
		if !strings.Contains(dump, want) {
			t.Errorf("the dump has no %q\n%s", want, run.VM.Report())
		}
	}
}

// TestTripleFault has an entry that takes the IDT away. QEMU then ends with
// status 0, which must not count as success.
func TestTripleFault(t *testing.T) {
	t.Parallel()
	base := linux319(t)
	noIDT := asm.Block{asm.PUSHQ(0), asm.PUSHQ(0), asm.LIDT(asm.RSP.At(0)), asm.UD2()}
	run, err := boot.RunGuest(t.Context(), boot.Config{
		Variants: []stubs.Variant{base, {Name: "reset", Axes: base.Axes, Edit: insertBefore(saveNumber, noIDT)}},
		Args:     []string{"verify", "-variants=reset"},
		VM:       machine(t, vm.TCG),
	}, nil)
	if !errors.Is(err, boot.ErrNoVerdict) {
		t.Fatalf("error %v, want %v", err, boot.ErrNoVerdict)
	}
	if run.VM.Outcome != vm.Crash || !strings.Contains(run.VM.Reason, "triple fault") {
		t.Errorf("want a crash with a triple fault\n%s", run.VM.Report())
	}
}

// saveNumber is the instruction by which linux-3.19 puts the call's number into the
// partial frame.
var saveNumber = asm.MOVQ(asm.RAX, asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP.At(-asm.Slots[layout.PtRegs[asm.Slot]]().R11.Off)).OrigAX)

// insertBefore puts items before the first instruction of a variant's entry that
// is the given one.
func insertBefore(before asm.Ins, items asm.Block) func(*asm.Program) error {
	return func(p *asm.Program) error {
		for i, fn := range p.Funcs {
			if name, _, _ := stubs.CutFuncName(fn.Name); name != stubs.Entry {
				continue
			}
			done := false
			if p.Funcs[i].Body = inserted(fn.Body, before, items, &done); done {
				return nil
			}
		}
		return fmt.Errorf("no entry with %v", before)
	}
}

func inserted(b asm.Block, before asm.Ins, items asm.Block, done *bool) asm.Block {
	var out asm.Block
	for _, item := range b {
		switch i := item.(type) {
		case asm.Block:
			item = inserted(i, before, items, done)
		case asm.Ins:
			if !*done && i.Equal(before) {
				*done = true
				out = append(out, items)
			}
		}
		out = append(out, item)
	}
	return out
}
