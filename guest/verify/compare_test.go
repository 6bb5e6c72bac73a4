package verify

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/regs"
)

// Stacks of the two lanes in these tests.
const stack0, stack1 = 0x10_0000, 0x20_0000

func testOwner(sp layout.Word) (int, bool) {
	return int(sp>>20) - 1, sp>>20 == 1 || sp>>20 == 2
}

func testState() regs.State {
	var s regs.State
	s.Fill(rand.New(rand.NewPCG(1, 1)).Uint64)
	s.SP, s.IP, s.Flags = stack0, 0x40_1000, flagsIdle|x86.X86_EFLAGS_DF
	s.FSWord, s.GSWord = 1, 2
	return s
}

func TestCompareNamesEachRegister(t *testing.T) {
	want := testState()
	if err := compare(&want, &want, 0, testOwner); err != nil {
		t.Fatalf("equal states differ: %v", err)
	}
	names := 0
	for _, r := range regs.Registers() {
		name := r.Name
		got := testState()
		words := []*layout.Word{
			&got.AX, &got.BX, &got.CX, &got.DX, &got.SI, &got.DI, &got.BP, &got.SP, &got.R8, &got.R9, &got.R10, &got.R11,
			&got.R12, &got.R13, &got.R14, &got.R15, &got.IP, &got.Flags, &got.FSWord, &got.GSWord,
			&got.CS, &got.SS, &got.DS, &got.ES, &got.FS, &got.GS, &got.FX[0], &got.FX[3],
		}
		for i := 4; i < 52; i++ {
			words = append(words, &got.FX[i])
		}
		*words[names] ^= 1
		names++
		if err := compare(&want, &got, 0, testOwner); err == nil || !strings.HasPrefix(err.Error(), name+" is ") {
			t.Errorf("%s changed: got %v", name, err)
		}
	}
}

func TestCompareNamesTheFault(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*regs.State)
		want   string
	}{
		{"another thread's stack", func(s *regs.State) { s.SP = stack1 + 8 }, "RIP right, RSP another thread's"},
		{"no stack at all", func(s *regs.State) { s.SP = 0x3333 }, "RIP right, RSP wrong"},
		{"kernel address in a register", func(s *regs.State) { s.R10 = 0xffff_8880_0000_1000 }, "kernel word leaked"},
		{"kernel address in XMM7", func(s *regs.State) { s.FX[20+2*7] = 0xffff_ffff_8010_0000 }, "XMM7[0] is 0xffffffff80100000"},
		{"an error for a result", func(s *regs.State) { s.AX = failure(syscall.EINVAL) }, "invalid argument"},
		{"kernel stack in RSP", func(s *regs.State) { s.SP = 0xffff_8880_0000_1000 }, "kernel word leaked"},
		{"flag lost", func(s *regs.State) { s.Flags &^= x86.X86_EFLAGS_DF }, "[DF] differ"},
		{"many", func(s *regs.State) { *s = regs.State{} }, "more"},
	} {
		want, got := testState(), testState()
		row.change(&got)
		if err := compare(&want, &got, 0, testOwner); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q in it", row.name, err, row.want)
		}
	}
}

func TestCompareStack(t *testing.T) {
	const insn = 0x40_2000
	for _, row := range []struct {
		name string
		word int // relative to RSP
		to   layout.Word
		want string // "": no error
	}{
		{"untouched", -1, insn, ""},
		{"entered elsewhere", -1, 0x1234, "RSP-8 is 0x1234, want 0x1ca0a00ff: red zone written"},
		{"top of the red zone", -2, 0, "RSP-16 is 0x0, want 0x1ca0a00fe: red zone written"},
		{"bottom of the red zone", -16, 0, "red zone written"},
		{"below the red zone", -17, 0, "RSP-136 is 0x0, want 0x1ca0a00ef"},
		{"below the word that enters the call", -18, 0, "RSP-144 is 0x0, want 0x1ca0a00ee"},
		{"at RSP", 0, 0, "RSP+0 is 0x0, want 0x1ca0a0100"},
		{"above RSP", 5, 0xffff_ffff_8000_0000, "RSP+40 is 0xffffffff80000000, want 0x1ca0a0105: kernel word leaked"},
	} {
		stack := make([]layout.Word, stackWords)
		for j := range stack {
			stack[j] = canary(0, j)
		}
		stack[stackWords/2-1] = insn
		stack[stackWords/2+row.word] = row.to
		err := compareStack(stack, 0, insn)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.HasSuffix(err.Error(), row.want)) {
			t.Errorf("%s: got %v, want it to end in %q", row.name, err, row.want)
		}
	}
}

func TestCompareFrame(t *testing.T) {
	c := &regs.Context{In: testState()}
	want := wantFrame(c, 0)
	for s := range layout.NumSlots {
		got := want
		slots(&got)[s]++
		set := layout.SlotSet(s)
		if err := compareFrame(&want, &got, set); err == nil || !strings.HasPrefix(err.Error(), "slot "+s.String()+" is ") {
			t.Errorf("wrong slot %v: got %v", s, err)
		}
		if err := compareFrame(&want, &got, layout.SlotsAll&^set); err != nil {
			t.Errorf("slot %v is not in the set, yet: %v", s, err)
		}
	}
}

func TestComparePoison(t *testing.T) {
	var f frame
	for s := range layout.NumSlots {
		slots(&f)[s] = layout.Poison + 8*layout.Word(s)
	}
	if err := comparePoison(&f, layout.SlotsAll); err != nil {
		t.Errorf("untouched poison: %v", err)
	}
	f.SS = x86.USER_DS
	if err := comparePoison(&f, layout.SlotsAll); err == nil || !strings.Contains(err.Error(), "slot ss is 0x2b") {
		t.Errorf("a written slot: got %v", err)
	}
}

func TestCheckSteps(t *testing.T) {
	const insn = 0x40_0000
	trap := func(ip layout.Word) regs.Trap {
		var t regs.Trap
		t.Regs[regs.GregIP], t.Regs[regs.GregFlags], t.Regs[regs.GregCS] = ip, flagsIdle|x86.X86_EFLAGS_TF, x86.USER_CS
		return t
	}
	lost, inKernel := trap(insn+2), trap(0xffff_ffff_8000_0000)
	lost.Regs[regs.GregFlags] = flagsIdle
	inKernel.Regs[regs.GregCS] = 0x10
	for _, row := range []struct {
		name  string
		traps []regs.Trap
		want  string // "": no error
	}{
		{"SYSRET", []regs.Trap{trap(1), trap(insn), trap(insn + 2), trap(insn + 9)}, ""},
		{"IRET", []regs.Trap{trap(1), trap(insn), trap(insn + 9)}, ""},
		{"SYSRET where IRET is due", []regs.Trap{trap(1), trap(insn), trap(insn + 2), trap(insn + 9)}, "as after IRET"},
		{"IRET where FRED is due", []regs.Trap{trap(1), trap(insn), trap(insn + 9)}, "as with FRED"},
		{"none behind", []regs.Trap{trap(insn)}, "no trap after SYSCALL"},
		{"late", []regs.Trap{trap(insn), trap(insn + 16)}, "the trap after SYSCALL is at"},
		{"stuck before", []regs.Trap{trap(insn), trap(insn), trap(insn + 2)}, "2 traps at SYSCALL"},
		{"stuck behind", []regs.Trap{trap(insn), trap(insn + 2), trap(insn + 2)}, "2 after it"},
		{"TF lost", []regs.Trap{trap(insn), lost}, "TF was lost"},
		{"in the kernel", []regs.Trap{trap(insn), inKernel}, "has CS 0x10"},
		{"none", nil, "0 traps at SYSCALL"},
	} {
		end := map[string]stepEnd{"SYSRET where IRET is due": stepAfter, "IRET where FRED is due": stepBefore}[row.name]
		err := checkSteps(row.traps, insn, end)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: got %v, want %q in it", row.name, err, row.want)
		}
	}
}

func TestCompareTrap(t *testing.T) {
	s := testState()
	good := regs.Trap{}
	copy(good.Regs[:], []layout.Word{
		s.R8, s.R9, s.R10, s.R11, s.R12, s.R13, s.R14, s.R15, s.DI, s.SI, s.BP, s.BX, s.DX, s.AX, s.CX,
		s.SP, s.IP, s.Flags, x86.USER_CS,
	})
	if err := compareTrap(&s, &good); err != nil {
		t.Errorf("right frame: %v", err)
	}
	for i := range regs.GregCS + 1 {
		bad := good
		bad.Regs[i]++
		if compareTrap(&s, &bad) == nil {
			t.Errorf("word %d of the signal frame is wrong, and nothing was said", i)
		}
	}
}
