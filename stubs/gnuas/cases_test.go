package gnuas

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// want returns the outcome that a case must have. Its name says which: a fault, as it was
// in the entry code of real kernels, begins with b, a sound stub with ok.
func want(name string) prove.Outcome {
	if strings.HasPrefix(name, "ok-") {
		return prove.Proved
	}
	return prove.Refuted
}

// causes holds, for some faults, what the first message says, and how many messages
// there are if not one.
var causes = map[string]struct {
	text   string
	faults int
}{
	"b08-pushfq":            {text: "b08-pushfq.S:34): refuted: the handler finds the user's word in the slot flags"},
	"b09-work-test-irqs-on": {text: "an interrupt comes behind entry_SYSCALL_64.b09-work-test-irqs-on+0x6b jnz slow"},
	"b10-swapgs-early":      {text: "off, as GS is the user's here\n\tbecause of entry_SYSCALL_64.b10-swapgs-early+0x1f swapgs"},
	"b12-xmm-scratch":       {text: "because of entry_SYSCALL_64.b12-xmm-scratch+0x54 movq %rax, %xmm0"},
	"b17-verw-register":     {text: "VERW of a register, which overwrites none"},
	"b20-ptrace-sysret":     {text: "the handler is stub_set_frame.b20-ptrace-sysret"},
	"b22-stac-left":         {text: "because of entry_SYSCALL_64.b22-stac-left+0x51 stac"},
	"b23-one-stack":         {text: "RSP is not on the thread's stack"},
	"b-arg-swap":            {text: "the handler gets its argument in RDI; it is user.RSI, want user.RDI\n\tbecause of entry_SYSCALL_64.b-arg-swap+0x54 xchgq %rdi, %rsi"},
	"b-cs-ss-swapped":       {text: "the handler finds the user's word in the slot cs; it is 0x2b, want 0x33"},
	"b-entry-subq":          {text: "RSP is where the frame of the stop says; it is stack.top-160, want stack.top-168\n\tbecause of entry_SYSCALL_64.b-entry-subq+0x34 subq $5*8, %rsp"},
	"b-exit-rsp-off":        {text: "RSP is where the frame of int_ret_from_sys_call says; it is stack.top-160, want stack.top-168\n\tbecause of entry_SYSCALL_64.b-exit-rsp-off+0x61 addq $8, %rsp"},
	"b-exit-rsp-off2":       {text: "stack.top-16392, memory that is not the variant's\n\tbecause of entry_SYSCALL_64.b-exit-rsp-off2+0x60 subq $8, %rsp"},
	"b-exit-rsp-off3":       {text: "7 registers from the slots 8 bytes above, as RSP is off by so much, want each from its own\n\tbecause of entry_SYSCALL_64.b-exit-rsp-off3+0x6e addq $8, %rsp"},
	"b-mask-df":             {text: "MSR_SYSCALL_MASK is what axis sfmask says; it is 0x47300, want 0x47700"},
	"b-misaligned-call":     {text: "RSP is where the frame of the handler says; it is stack.top-184, want stack.top-176\n\tbecause of entry_SYSCALL_64.b-misaligned-call+0x54 pushq %rax"},
	"b-rbp-clobber":         {text: "because of entry_SYSCALL_64.b-rbp-clobber+0x38 movq %rsp, %rbp"},
	"b-emms":                {text: "because of entry_SYSCALL_64.b-emms+0x61 emms"},
	"b-error-ip":            {text: "error_from_user is for the ring that the event came from"},
	"b-error-noswap":        {text: "GS is the kernel's at error_from_user; it is the user's"},
	"b-fldcw":               {text: "because of entry_SYSCALL_64.b-fldcw+0x66 fldcw (%rsp)"},
	"b-fninit":              {text: "because of entry_SYSCALL_64.b-fninit+0x61 fninit"},
	"b-fxsave-misaligned":   {text: "the operand lies at a multiple of 16; it is stack.top-696"},
	"b-hlt":                 {text: "HLT with interrupts off"},
	"b-loop-count":          {text: "the path ends: a loop without an exit"},
	"b-loop-pause":          {text: "the path ends: a loop that nothing ends"},
	"b-loop-self":           {text: "the path ends: a loop without an exit"},
	"b-movaps-misaligned":   {text: "the operand lies at a multiple of 16; it is stack.top-200"},
	"b-paranoid-cs":         {text: "as it is in ring 0 between SYSCALL and SWAPGS, and nothing has looked at the base itself"},
	"b-sysexit":             {text: "SYSEXIT, which raises #GP"},
}

// TestCases judges stubs from the field: faults of other kernels' entries, and
// sound stubs that do things in other ways than the presets. Those in cases are booted, too
// (package vmtests); of those in proof the proof alone is asked.
func TestCases(t *testing.T) {
	need.Tool(t, "as")
	paths, err := filepath.Glob("testdata/[cp]*/*.S")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".S")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proof := proved(t, path)
			if got, want := proof.Outcome(), want(name); got != want {
				t.Errorf("it is %v, want %v\n%v", got, want, proof.Err())
			}
			faults := proof.Faults()
			for _, f := range faults {
				if f.Outcome == prove.Refuted && f.Witness == nil {
					t.Errorf("there is no witness: %v", f)
				}
			}
			want, ok := causes[name]
			if ok && (len(faults) == 0 || !strings.Contains(faults[0].String(), want.text)) {
				t.Errorf("the first message has not %q: %v", want.text, faults)
			}
			if ok && len(faults) != max(want.faults, 1) {
				t.Errorf("%d messages, want %d: %v", len(faults), max(want.faults, 1), faults)
			}
		})
	}
}

// proved returns the proof of a file's variant, in a kernel of its own.
func proved(t *testing.T, path string) *prove.Proof {
	t.Helper()
	n, err := Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	image, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := prove.Object(image.Object, n)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}
