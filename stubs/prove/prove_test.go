package prove

import (
	"errors"
	"flag"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

func presets() []stubs.Variant {
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		list = append(list, p.Variant)
	}
	return list
}

// proved fails the test for whatever is not proved of a variant, or not reached
// in it: an instruction that no path comes to is one that nothing was proved of.
func proved(t *testing.T, n stubs.Variant) *Proof {
	t.Helper()
	proof, err := Prove(n)
	if err != nil {
		t.Error(err)
		return &Proof{}
	}
	if err := proof.Err(); err != nil {
		t.Error(err)
	}
	for _, w := range proof.Unreached {
		switch {
		case strings.HasPrefix(w.Func, "__x86_indirect_thunk_rax"): // only predicted to be come to
		case strings.HasPrefix(w.Func, "retbleed_untrain_ret") || strings.HasPrefix(w.Func, "srso_untrain_ret"):
			// With returns= alone nothing is untrained.
		case strings.HasPrefix(w.Func, "clear_bhb_inner") && w.Text == "NOP": // Linux has it behind a JMP
		case w.Text == "UD2" || w.Text == "INT3": // that no path comes to a stop is what is to be proved of it
		case n.Axes.Is(stubs.SlowC) && w.Text == "JMP fast_native_irq_return_iret":
			// The way for an SS of the LDT. With slow=c no call that may edit SS ends by
			// the fast exit, so that SS is what the entry has stored.
		default:
			t.Errorf("variant %s: not reached: %v", n.Name, w)
		}
	}
	return proof
}

func TestPresets(t *testing.T) {
	for _, n := range presets() {
		t.Run(n.Name, func(t *testing.T) { t.Log(proved(t, n)) })
	}
}

var every = flag.Bool("every", false, "TestAll: prove every combination of stubs.All and all of stubs.Pairwise")

// TestAll proves variants in which every two values of two axes stand together that can:
// without -every a few of them, as the test of `prove -all` proves them all.
func TestAll(t *testing.T) {
	list := stubs.Pairwise()
	if !*every {
		const step = 8
		for i := range len(list) / step {
			list[i] = list[i*step]
		}
		list = list[:len(list)/step]
	} else {
		for v := range stubs.All() {
			list = append(list, stubs.Variant{Name: v.Name(), Axes: v})
		}
	}
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(list) && !t.Failed(); i += workers {
				proved(t, list[i])
			}
		})
	}
	wg.Wait()
	t.Logf("%d variants proved", len(list))
}

// TestKernel proves the presets as they lie in one whole kernel: the same
// claims as of each alone.
func TestKernel(t *testing.T) {
	image, err := image.Build(image.Config{Variants: presets()})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range presets() {
		proof, err := Object(image.Object, n)
		if err != nil {
			t.Fatal(err)
		}
		if alone := proved(t, n); proof.String() != alone.String() {
			t.Errorf("in the kernel: %v\nalone: %v", proof, alone)
		}
	}
}

// TestBroken: of each broken variant a claim fails at the instruction where the
// fault shows, and tells the one that made it if there is one.
func TestBroken(t *testing.T) {
	type want struct {
		outcome           Outcome
		where, what, from string // parts of the claim's; from "" is no matter
	}
	wants := map[string]want{
		"star-without-rpl":         {Refuted, "RET", "SYSRETQ loads USER_CS and USER_DS, with RPL 3; it is 0x30 and 0x28, want 0x33 and 0x2b", "MOVL $0x200010, RDX"},
		"ac-not-masked":            {Refuted, "CALL *sys_call_table(RAX*8)", "AC is clear at the handler; it is the user's, as SYSCALL does not clear it", ""},
		"r10-not-passed":           {Refuted, "CALL *sys_call_table(RAX*8)", "argument in RCX; it is RCX after syscall_trace_enter_phase1, want user.R10", ""},
		"r10-not-restored":         {Refuted, "SYSRETQ", "R10 returns right by SYSRETQ; it is user.R9", "MOVQ PtRegs.R9(RSP), R10"},
		"rbx-clobbered":            {Refuted, "SYSRETQ", "RBX returns right by SYSRETQ; it is 0", "XORL RBX, RBX"},
		"kernel-word-in-rdx":       {Refuted, "SYSRETQ", "RDX returns right by SYSRETQ; it is stack.top-16384", "MOVQ PerCPU.Current(GS), RDX"},
		"flags-lost":               {Refuted, "SYSRETQ", "RFLAGS returns right by SYSRETQ; it is 0x202", "MOVL $0x202, R11"},
		"rsp-off":                  {Refuted, "SYSRETQ", "RSP returns right by SYSRETQ; it is user.RSP+8", "LEAQ 8(RSP), RSP"},
		"red-zone-written":         {Refuted, "MOVQ RAX, -64(RSP)", "only memory of the variant is touched: user.RSP-64, the user's memory", ""},
		"ac-left":                  {Refuted, "CALL *sys_call_table(RAX*8)", "AC is clear at the handler", "STAC"},
		"x87-reset":                {Refuted, "SYSRETQ", "the x87 unit's control, status and tags, is the user's at SYSRETQ; it is 0x37f", "FNINIT"},
		"enosys-missing":           {Refuted, "SYSRETQ", "RAX returns right by SYSRETQ; it is 0, want -38", "MOVQ $0, PtRegs.AX(RSP)"},
		"x32-bit-kept":             {Undecided, "SYSRETQ", "only numbers beyond the table have no handler", ""},
		"x32-bit-tested-twice":     {Undecided, "SYSRETQ", "only numbers beyond the table have no handler", ""},
		"orig-ax-slot-wrong":       {Refuted, "CALL *sys_call_table(RAX*8)", "slot orig_ax; it is user.RDX, want user.RAX", "MOVQ RDX, PtRegs.OrigAX(RSP)"},
		"ss-slot-wrong":            {Refuted, "CALL sys_full_frame", "slot ss; it is 0x18, want 0x2b", "MOVQ $0x18, PtRegs.SS(RSP)"},
		"cx-slot-written":          {Refuted, "CALL *sys_call_table(RAX*8)", "the slot cx as it was on the stack; it is user.RIP", "MOVQ RCX, PtRegs.CX(RSP)"},
		"cx-not-fixed-up":          {Refuted, "CALL sys_full_frame", "slot cx; it is a word that others use too, want -1", ""},
		"flags-not-restored":       {Refuted, "SYSRETQ", "RFLAGS returns right by SYSRETQ; it is user.RFLAGS, want sys_set_frame.flags", "MOVQ PtRegs.R11(RSP), R11"},
		"iopl-not-restored":        {Refuted, "SYSRETQ", "RFLAGS returns right by SYSRETQ; it is user.RFLAGS, want sys_iopl.flags", "MOVQ PtRegs.R11(RSP), R11"},
		"ip-from-cx-slot":          {Refuted, "SYSRETQ", "RIP returns right by SYSRETQ; it is user.RIP, want sys_set_frame.ip", "MOVQ PtRegs.CX(RSP), RCX"},
		"sp-not-restored":          {Refuted, "SYSRETQ", "RSP returns right by SYSRETQ; it is user.RSP, want sys_set_frame.sp", "MOVQ PerCPU.RSPScratch(GS), RSP"},
		"result-cut":               {Refuted, "SYSRETQ", "RAX returns right by SYSRETQ; it is", "MOVSLQ RAX, RAX"},
		"flags-not-compared":       {Refuted, "SYSRETQ", "RFLAGS returns right by SYSRETQ; it is", ""},
		"tf-by-sysret":             {Refuted, "SYSRETQ", "SYSRETQ does what IRETQ would, RF and TF are clear", ""},
		"tf-by-slow-sysret":        {Refuted, "SYSRETQ", "SYSRETQ does what IRETQ would, RF and TF are clear", ""},
		"single-step-not-told":     {Refuted, "SYSRETQ", "TF is clear, or SYSRETQ would trap before the next instruction; it is user.RFLAGS, want TF clear", ""},
		"full-iret-not-tested":     {Refuted, "SYSRETQ", "RBX returns right by SYSRETQ; it is user.RBX, want do_notify_resume.bx", ""},
		"sigreturn-via-sysret":     {Refuted, "SYSRETQ", "RCX is canonical; it is sys_rt_sigreturn.ip", "MOVQ PtRegs.IP(RSP), RCX"},
		"stack-not-erased":         {Refuted, "SYSRETQ", "the thread's stack is erased below the frame at SYSRETQ", ""},
		"stack-not-erased-by-iret": {Refuted, "IRETQ", "the thread's stack is erased below the frame at IRETQ", ""},
		"stack-skipped":            {Refuted, "CALL x64_sys_call", "no run of words that ends the search for what is to be erased is above RSP at the handler", ""},
		"cr3-not-switched-back":    {Refuted, "SYSRETQ", "CR3 is the user's at SYSRETQ; it is (CR3 after the handler & 0x7fffffffffffe7ff), want ((CR3 after the handler & 0x7fffffffffffe7ff) | 0x1800)", ""},
		"cr3-not-switched-by-iret": {Refuted, "IRETQ", "CR3 is the user's at IRETQ; it is", ""},
		"usersp-not-swapped":       {Refuted, "RET", "RSPScratch is the thread's own after the switch; it is another thread's", ""},
		"rsp-from-scratch":         {Refuted, "MOVQ PerCPU.RSPScratch(GS), RSP", "a scratch word is read only while no other thread can have written it", ""},
		"fred-rcx-by-syscall":      {Refuted, "ERETU", "RCX returns right by ERETU; it is user.RIP, want user.RCX", "MOVQ RAX, PtRegs.CX(RDI)"},
		"fred-orig-ax-lost":        {Refuted, "CALL x64_sys_call", "slot orig_ax; it is -1, want user.RAX", "MOVQ $-1, PtRegs.OrigAX(RDI)"},
		"fred-tf-lost":             {Refuted, "ERETU", "RFLAGS returns right by ERETU", "ANDQ $-257, PtRegs.Flags(RDI)"},
		"new-thread-rbx-lost":      {Refuted, "IRETQ", "RBX returns right by IRETQ; it is kernel.RBX, want clone.bx", ""},
		"early-irq":                {Refuted, "MOVQ PerCPU.RSPScratch(GS), RCX", "a scratch word is read only while no other thread can have written it", ""},
	}
	for _, b := range broken.Variants() {
		t.Run(b.Name, func(t *testing.T) {
			want, ok := wants[b.Name]
			if !ok {
				t.Fatal("the test does not say which claim of it fails")
			}
			proof, err := Prove(b.Variant)
			if err != nil {
				t.Fatal(err)
			}
			if proof.Outcome() != want.outcome {
				t.Errorf("it is %v, want %v", proof.Outcome(), want.outcome)
			}
			for _, c := range proof.Failed() {
				from := want.from == ""
				for _, w := range c.From {
					from = from || w.Text == want.from
				}
				if c.Outcome == want.outcome && c.Where.Text == want.where && strings.Contains(c.String(), want.what) && from {
					t.Log(c)
					return
				}
			}
			t.Errorf("no claim like %+v fails:\n%v", want, proof.Err())
		})
	}
}

// TestRefused: what is not in the program, or cannot be built, is an error.
func TestRefused(t *testing.T) {
	v319, err := stubs.ParseVariant("linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	obj, err := link(v319)
	if err != nil {
		t.Fatal(err)
	}
	other := v319
	other.Name = "other"
	if _, err := Object(obj, other); err == nil || !strings.Contains(err.Error(), "variant other: the program has no entry_SYSCALL_64.other") {
		t.Errorf("error is %v", err)
	}
	if _, err := Prove(stubs.Variant{Name: "x", Axes: stubs.Of(stubs.SPFrame)}); err == nil || !strings.Contains(err.Error(), "impossible") {
		t.Errorf("error is %v", err)
	}
}

// TestKnown spot-checks what listings are explained with.
func TestKnown(t *testing.T) {
	n, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	proof := proved(t, n)
	for _, tt := range []struct {
		text, defines, value string
		reg                  reg
		holds                string
	}{
		{"MOVQ RSP, PerCPU.RSPScratch(GS)", "", "", rSP, "user.RSP"},
		{"MOVQ PerCPU.TopOfStack(GS), RSP", "", "", rSP, "stack.top"},
		{"PUSHQ $0x2b", "ss", "0x2b", rSP, "stack.top-8"},
		{"PUSHQ PerCPU.RSPScratch(GS)", "sp", "user.RSP", rCX, "user.RIP"},
		{"MOVQ R10, RCX", "", "", rCX, "user.R10"},
		{"MOVQ RAX, PtRegs.AX(RSP)", "ax", "the result", rAX, "the result"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			for _, k := range proof.Known() {
				if k.Text == tt.text && strings.HasPrefix(k.Func, "entry_") {
					if k.Defines != tt.defines || k.Value != tt.value || k.Regs[tt.reg] != tt.holds {
						t.Errorf("defines %q as %q, %v is %q; want %q, %q, %q", k.Defines, k.Value, tt.reg, k.Regs[tt.reg], tt.defines, tt.value, tt.holds)
					}
					if at, ok := proof.At(k.Addr); !ok || at.Where != k.Where {
						t.Errorf("At(%#x) is %v, %v", k.Addr, at.Where, ok)
					}
					return
				}
			}
			t.Error("no such instruction")
		})
	}
}

// TestStart: each variant has its own proof, in the order of the list, and an error
// stays with the variant that made it.
func TestStart(t *testing.T) {
	bad := errors.New("bad")
	list := presets()
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		t.Fatal(err)
	}
	waits := Start(list, func(n stubs.Variant) (*Proof, error) {
		if n.Name == "linux-4.1" {
			return nil, bad
		}
		return Object(image.Object, n)
	})
	for i, wait := range waits {
		proof, err := wait()
		if list[i].Name == "linux-4.1" {
			if !errors.Is(err, bad) {
				t.Errorf("linux-4.1: error %v", err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(proof.String(), list[i].Name+": ") {
			t.Errorf("%s has the proof %v (%v)", list[i].Name, proof, err)
		}
	}
	if got := Start(nil, Prove); len(got) != 0 {
		t.Errorf("%d proofs of nothing", len(got))
	}
}

// BenchmarkPresets proves all presets as they lie in one kernel.
func BenchmarkPresets(b *testing.B) {
	list := presets()
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var claims int
	for b.Loop() {
		claims = 0
		for _, wait := range Start(list, func(n stubs.Variant) (*Proof, error) { return Object(image.Object, n) }) {
			proof, err := wait()
			if err != nil {
				b.Fatal(err)
			}
			claims += len(proof.Claims)
		}
	}
	b.ReportMetric(float64(claims), "claims")
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(mem.Sys)/1e6, "MB-from-system")
}
