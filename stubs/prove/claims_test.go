package prove

import (
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// first puts items before a function's own.
func first(function string, items ...asm.Item) func(*asm.Program) error {
	return func(p *asm.Program) error {
		f := find(p, function)
		f.Body = slices.Concat(asm.Block(items), f.Body)
		return nil
	}
}

// last puts items in the place of a function's last.
func last(function string, items ...asm.Item) func(*asm.Program) error {
	return func(p *asm.Program) error {
		f := find(p, function)
		f.Body = slices.Concat(f.Body[:len(f.Body)-1], asm.Block(items))
		return nil
	}
}

func find(p *asm.Program, function string) *asm.Func {
	return &p.Funcs[slices.IndexFunc(p.Funcs, func(f asm.Func) bool { return strings.HasPrefix(f.Name, function+".") })]
}

// codeOf takes the functions of another variant.
func codeOf(name string) func(*asm.Program) error {
	return func(p *asm.Program) error {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			return err
		}
		_, suffix, _ := strings.Cut(p.Funcs[0].Name, ".")
		*p, err = n.Variant.Program(suffix)
		return err
	}
}

// TestClaims: each claim that no broken variant shows can fail, and what the
// proof cannot follow is undecided.
func TestClaims(t *testing.T) {
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	next := asm.Fields[layout.Thread[asm.Mem]](asm.RSI)
	prev := asm.Fields[layout.Thread[asm.Mem]](asm.RDI)
	for _, tt := range []struct {
		name, variant string
		edit          func(*asm.Program) error
		outcome       Outcome
		want          string // part of a claim that fails
	}{
		{"DF set", "linux-4.1", first("entry_SYSCALL_64", asm.STD()), Refuted, "DF is clear at the handler; it is set or unknown"},
		{"AC set", "linux-4.1", first("stub_clone", asm.STAC()), Refuted, "AC is clear at sys_clone"},
		{"SWAPGS twice", "sp=frame,irq=off", first("stub_clone", asm.SWAPGS()), Refuted, "GS is the kernel's at sys_clone; it is the user's"},
		{"interrupts in the switch", "linux-4.1", first("__switch_to_asm", asm.STI()), Refuted, "interrupts are off here; it is on, want off"},
		{"interrupts with the user's GS", "linux-4.1", first("entry_SYSCALL_64", asm.STI()), Refuted, "interrupts are off here"},
		{"no switch", "linux-4.1", first("__switch_to_asm", asm.RET()), Refuted, "the next thread goes on at its Thread.IP; it is the return address, want next.IP"},
		{"another thread", "linux-4.1", last("__switch_to_asm", asm.XCHGQ(asm.RSI, asm.RDI), asm.JMP(prev.IP)), Refuted, "the next thread is in RSI; it is thread, want next"},
		{"RSP off", "linux-4.1", last("__switch_to_resume", asm.RETN(8)), Refuted, "RSP is kept over the switch; it is kernel.RSP+16, want kernel.RSP+8"},
		{"the next thread's words", "linux-4.1", first("__switch_to_asm", asm.MOVQ(asm.RAX, next.UserSP)), Refuted, "next+24, a word of the thread that is not the variant's"},
		{"the next thread's stack", "linux-4.1", last("__switch_to_asm", asm.POPQ(asm.RBX), asm.JMP(next.IP)), Refuted, "next.SP, the next thread's stack"},
		{"a word of the thread", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RAX, asm.RSP.At(0xb0-layout.ThreadSize))), Refuted, "a word of the thread that is not the variant's"},
		{"a word of the per-CPU area", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RAX, gs.Current)), Refuted, "a word of the per-CPU area that is not the variant's"},
		{"beyond the per-CPU area", "linux-4.1", first("stub_clone", asm.MOVQ(gs.RSPScratch.Add(1<<20), asm.RAX)), Refuted, "outside the per-CPU area"},
		{"the user's GS", "linux-4.1", first("entry_SYSCALL_64", asm.MOVQ(gs.Current, asm.RBX)), Refuted, "through the user's GS"},
		{"above the stack", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RSP.At(0xb0), asm.RAX)), Refuted, "stack.top, memory that is not the variant's"},
		{"a jump to the user's address", "linux-4.1", first("stub_clone", asm.JMP(asm.RDI)), Refuted, "it is user.RDI, want an address in the kernel"},
		{"a breakpoint", "linux-4.1", first("stub_clone", asm.INT3()), Refuted, "want no breakpoint"},
		{"no VERW", "linux-4.1+buffers=verw", codeOf("linux-4.1"), Refuted, "VERW has overwritten the CPU's buffers"},
		{"no retpoline", "linux-4.1+branch=retpoline", codeOf("linux-4.1"), Refuted, "the branch is not indirect"},
		{"no landing", "linux-4.1+landing=endbr", codeOf("linux-4.1"), Refuted, "the entry begins with ENDBR64"},
		{"no trampoline", "linux-6.12", codeOf("linux-6.12+leave=stack"), Refuted, "the last word that is touched is on the trampoline stack"},
		{"not cleared", "linux-6.12", codeOf("linux-6.12+clear=none"), Refuted, "R15 holds nothing of the user's at the function; it is user.R15"},

		{"a loop without end", "linux-4.1", first("stub_clone", asm.LOOP(asm.NOP())), Undecided, "the path ends: a loop"},
		{"a loop over an unknown number", "linux-4.1", first("stub_clone", asm.DO(asm.DECQ(asm.RAX)).WHILE(asm.NE)), Undecided, "the path ends: "},
		{"an unknown instruction", "linux-4.1", first("stub_clone", asm.CPUID()), Undecided, "the proof knows the instruction: what CPUID does"},
		{"a repeated instruction", "linux-4.1", first("stub_clone", asm.REP(asm.MOVSQ())), Undecided, "no instruction that the proof knows"},
		{"all flags at once", "linux-4.1", first("stub_clone", asm.PUSHFQ(), asm.POPFQ()), Undecided, "it may set any flag"},
		{"an unknown jump", "linux-4.1", first("stub_clone", asm.MOVQ(gs.Idle, asm.RAX), asm.JMP(asm.RAX)), Undecided, "execution goes on where the proof can follow: PerCPU.Idle"},
		{"an unknown pointer", "linux-4.1", first("stub_clone", asm.MOVQ(gs.Idle, asm.RAX), asm.MOVQ(asm.RAX.At(0), asm.RAX)), Undecided, "PerCPU.Idle, an address that the proof does not know"},
		{"an absolute address", "linux-4.1", first("stub_clone", asm.MOVQ(asm.Abs(0x1000), asm.RAX)), Undecided, "0x1000, an address that the proof knows nothing of"},
		{"two words at once", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RSP.At(4), asm.RAX)), Undecided, "two words at once"},
		{"deep on the stack", "linux-4.1", first("stub_clone", asm.MOVQ(asm.RSP.At(-4096), asm.RAX)), Undecided, "deeper on the stack than the proof looks"},
		{"a segment", "linux-4.1", first("stub_clone", asm.MOVQ(asm.FS.At(0), asm.RAX)), Undecided, "a place in a segment that the proof does not know"},
		{"a function without a contract", "linux-4.1", first("stub_clone", asm.CALL("sys_ni_syscall")), Undecided, "the proof knows sys_ni_syscall only by sys_call_table"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := stubs.ParseVariant(tt.variant)
			if err != nil {
				t.Fatal(err)
			}
			n.Edit = tt.edit
			proof, err := Variant(n)
			if err != nil {
				t.Fatal(err)
			}
			if proof.Outcome() != tt.outcome {
				t.Errorf("it is %v, want %v", proof.Outcome(), tt.outcome)
			}
			if !slices.ContainsFunc(proof.Failed(), func(c Claim) bool { return c.Outcome == tt.outcome && strings.Contains(c.String(), tt.want) }) {
				t.Errorf("no claim fails with %q:\n%v", tt.want, proof.Err())
			}
		})
	}
}
