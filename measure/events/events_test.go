package events

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

func preset(t *testing.T, name string) stubs.Variant {
	t.Helper()
	n, err := stubs.ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// swept sweeps a variant, as far as it is wanted, in a kernel that patch, if not
// nil, has changed.
func swept(t *testing.T, n stubs.Variant, patch func(*testing.T, *text), want func(path, kind string) bool) *Result {
	t.Helper()
	need.QEMU(t)
	m, err := Prepare(t.Context(), n, vm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if patch != nil {
		m.Kernel = patched(t, m.Kernel, patch)
	}
	res, err := sweepSome(t.Context(), n, m, nil, want)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// sampled reports whether an event of the kind is swept on the path in make test: all
// on a null call, and of the others a fifth, of each path and of each kind.
func sampled(p, kind string) bool {
	i := slices.IndexFunc(paths, func(q path) bool { return q.name == p })
	k := slices.IndexFunc(Kinds, func(q Kind) bool { return q.Name == kind })
	return *every || i == 0 || (i+k)%5 == 0
}

// TestSweep: events arrive everywhere, and nothing is lost: of all kinds on the oldest
// path, NMIs on the newest, and interrupts in a call whose stack is lowered at random, or by
// whose return thunk the interrupt's handler returns, too.
func TestSweep(t *testing.T) {
	for _, row := range []struct {
		name string
		want func(path, kind string) bool
	}{
		{"linux-3.19", sampled},
		{"linux-6.12+pti", func(path, kind string) bool { return kind == kindNMI && sampled(path, kind) }},
		{"linux-6.12+dispatch=tree+kstack=rdtsc", func(path, kind string) bool { return kind == kindInterrupt && path == "interrupt in a call" }},
		{"linux-6.12-icelake", func(path, kind string) bool { return kind == kindInterrupt && path == "null call" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			res := swept(t, preset(t, row.name), nil, row.want)
			for _, l := range res.Lost {
				t.Error(l)
			}
			for _, p := range paths {
				always := slices.ContainsFunc(Kinds, func(k Kind) bool {
					return k.applies == nil && row.want(p.name, k.Name) && !slices.Contains(p.without, k.Name)
				})
				if always && !slices.ContainsFunc(res.Swept, func(s Swept) bool { return s.Path == p.name }) {
					t.Errorf("%s was not swept", p.name)
				}
			}
			for _, s := range res.Swept {
				t.Logf("%s: %d places, events %v", s.Path, s.Places, s.Events)
				without := paths[slices.IndexFunc(paths, func(p path) bool { return p.name == s.Path })].without
				for k, kind := range Kinds {
					if n := s.Due[k]; kind.applies == nil && n != s.Places && row.want(s.Path, kind.Name) && !slices.Contains(without, kind.Name) {
						t.Errorf("%s: %s is due at %d of %d places", s.Path, kind.Name, n, s.Places)
					}
				}
			}
		})
	}
}

// TestShared: what a variant's kernel has in common with another's is swept once, and what
// is the variant's own with each.
func TestShared(t *testing.T) {
	need.QEMU(t)
	shared := &Shared{}
	places := func(name string, shared *Shared) (own, all int) {
		n := preset(t, name)
		m, err := Prepare(t.Context(), n, vm.Config{})
		if err != nil {
			t.Fatal(err)
		}
		want := func(path, kind string) bool { return kind == kindNMI && (path == "null call" || path == "INT n") }
		res, err := sweepSome(t.Context(), n, m, shared, want)
		if err != nil || res.Lost != nil {
			t.Fatalf("%s: %v, %v", name, err, res)
		}
		return res.Swept[0].Places, res.Places()
	}
	call, all := places("linux-3.19", shared)
	if call == 0 || all <= call {
		t.Fatalf("linux-3.19 has %d places in a call, and %d in all", call, all)
	}
	_, alone := places("heukelum-v2", nil)
	own, rest := places("heukelum-v2", shared)
	if own == 0 || rest != own || rest >= alone {
		t.Errorf("heukelum-v2 has %d places in a call, %d in all, and %d when it shares none", own, rest, alone)
	}
	if _, other := places("linux-3.19+intgs=cs", shared); other <= own {
		t.Errorf("%d places of a variant with another entry of interrupts are swept", other)
	}
}

// text is a kernel's file, and its functions in it.
type text struct {
	file      []byte
	functions map[string]elf.Symbol
	off       func(addr uint64) uint64 // in the file
}

// onStack puts a vector on another interrupt stack (0: on none).
func (x *text) onStack(t *testing.T, vector, stack uint32) {
	t.Helper()
	const row = 16 // number, type and stack, entry
	table := x.code(t, "vector_table")
	for ; len(table) >= row; table = table[row:] {
		if binary.LittleEndian.Uint32(table) == vector {
			table[4] = byte(stack)
			return
		}
	}
	t.Fatalf("the kernel has no vector %d", vector)
}

// nops takes these bytes, where they are first, out of a function.
func (x *text) nops(t *testing.T, function, bytes string) {
	t.Helper()
	x.replace(t, function, bytes, strings.Repeat("\x90", len(bytes)))
}

// replace puts other bytes in the place of these, where they are first in a function.
func (x *text) replace(t *testing.T, function, was, becomes string) {
	t.Helper()
	code := x.code(t, function)
	i := strings.Index(string(code), was)
	if i < 0 || len(was) != len(becomes) {
		t.Fatalf("%s has no % x for % x", function, was, becomes)
	}
	copy(code[i:], becomes)
}

// changesNMI puts an instruction into NMI's handler, in the place of a branch that a sound
// kernel does not take: the test for GS.
func (x *text) changesNMI(t *testing.T, code string) {
	t.Helper()
	const jne, size = "\x0f\x85", 6
	handler := x.code(t, "nmi_kernel")
	i := strings.Index(string(handler), jne)
	if i < 0 {
		t.Fatal("nmi_kernel tests nothing")
	}
	copy(handler[i:i+size], code+strings.Repeat("\x90", size-len(code)))
}

// Instructions that change the user's state, and nothing that the kernel uses.
const (
	onesInXMM0 = "\x66\x0f\x76\xc0" // PCMPEQD X0, X0
	oneOnX87   = "\xd9\xe8"         // FLD1
)

// code returns a function's bytes.
func (x *text) code(t *testing.T, name string) []byte {
	t.Helper()
	f, ok := x.functions[name]
	if !ok {
		t.Fatalf("no function %s", name)
	}
	return x.file[x.off(f.Value):][:f.Size]
}

// ordinary makes the code of a vector with a stack of its own go to error_entry: its last
// instruction is a JMP through the second word of trap_entries, and then through the first.
func (x *text) ordinary(t *testing.T, from string) {
	t.Helper()
	code := x.code(t, from)
	last := code[len(code)-6:]
	off := binary.LittleEndian.Uint32(last[2:])
	f := x.functions[from]
	if last[0] != 0xff || last[1] != 0x25 || f.Value+f.Size+uint64(int64(int32(off))) != x.functions["trap_entries"].Value+8 {
		t.Fatalf("%s does not end with a JMP through trap_entries: % x", from, code)
	}
	binary.LittleEndian.PutUint32(last[2:], off-8)
}

// patched returns the path of a changed copy of a kernel.
func patched(t *testing.T, kernel string, patch func(*testing.T, *text)) string {
	t.Helper()
	f, err := elf.Open(kernel)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x := &text{functions: map[string]elf.Symbol{}}
	if x.file, err = os.ReadFile(kernel); err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		x.functions[s.Name] = s
	}
	x.off = func(addr uint64) uint64 {
		for _, s := range f.Sections {
			if s.Type == elf.SHT_PROGBITS && s.Addr <= addr && addr < s.Addr+s.Size {
				return addr - s.Addr + s.Offset
			}
		}
		t.Fatalf("nothing is at %#x", addr)
		return 0
	}
	patch(t, x)
	path := filepath.Join(t.TempDir(), "kernel.elf")
	if err := os.WriteFile(path, x.file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCatches: for each kind, and for each group of paths, there is a kernel or a
// stub that is wrong there alone, and is found. In make test one for each kind, and
// a third of the others.
func TestCatches(t *testing.T) {
	const nullCall, clac = "null call", "\x0f\x01\xca"
	ordinary := func(entry string) func(*testing.T, *text) {
		return func(t *testing.T, x *text) { x.ordinary(t, entry) }
	}
	shares := func(vector, stack uint32) func(*testing.T, *text) {
		return func(t *testing.T, x *text) { x.onStack(t, vector, stack) }
	}
	const stackNMI, stackDB = 2, 3
	tried := map[string]bool{} // kinds
	for i, row := range []struct {
		name       string
		path, kind string
		patch      func(*testing.T, *text)
		stub       func(*testing.T) stubs.Variant // nil: linux-3.19
		want       string
	}{
		{"an NMI that trusts CS for SWAPGS", nullCall, kindNMI, ordinary("asm_exc_nmi"), nil, "NMI at entry_SYSCALL_64.linux-3.19+0x0: GS is based on"},
		{"a machine check that trusts CS", nullCall, kindMC, ordinary("asm_exc_machine_check"), nil, "#MC at entry_SYSCALL_64.linux-3.19+0x0: GS is based on"},
		{"a #DB that trusts CS", nullCall, kindDBCode, ordinary("asm_exc_debug"), nil, "#DB of code at entry_SYSCALL_64.linux-3.19+0x0: GS is based on"},
		{"an NMI that changes an XMM register", nullCall, kindNMI, func(t *testing.T, x *text) { x.changesNMI(t, onesInXMM0) }, nil, "NMI at entry_SYSCALL_64.linux-3.19+0x0: behind it XMM is"},
		{"a #DB without RF", nullCall, kindDBCode, func(t *testing.T, x *text) {
			code := string(x.code(t, "debug_kernel"))
			i := strings.Index(code, "\x00\x00\x01\x00") // RF as an immediate
			if i < 0 {
				t.Fatal("debug_kernel sets no RF")
			}
			x.code(t, "debug_kernel")[i+2] = 0
		}, nil, "#DB of code at entry_SYSCALL_64.linux-3.19+0x0: vector 1 arrives again"},
		{"an NMI's handler that an IRETQ of its own opens to the next", nullCall, kindNested, func(t *testing.T, x *text) {
			code := x.code(t, "nmi_kernel")
			const count = "\x65\x48\xff\x04\x25" // INCQ gs:NMIs
			i := strings.Index(string(code), count)
			if i < 0 {
				t.Fatal("nmi_kernel counts nothing")
			}
			copy(code[i:], "\xcd\xff\x90\x90\x90\x90\x90\x90\x90") // INT, of a vector that nothing is done for
		}, nil, "NMI in an NMI at entry_SYSCALL_64.linux-3.19+0x0"},
		{"an NMI that changes the x87 stack", nullCall, kindNMI, func(t *testing.T, x *text) { x.changesNMI(t, oneOnX87) }, nil, "NMI at entry_SYSCALL_64.linux-3.19+0x0: behind it X87 is"},
		{"a word below RSP", "full-frame call", kindInterrupt, nil, belowRSP, "interrupt: back in ring 3"},
		{
			"the user's stack with interrupts on", nullCall, kindInterrupt, nil,
			func(t *testing.T) stubs.Variant { return stub(t, cases+"b27-sti-before-exit.S") }, "interrupt at",
		},
		{
			"an interrupt that leaves SMAP off", "call that copies to a missing page", kindInterrupt,
			func(t *testing.T, x *text) {
				x.nops(t, "error_entry", clac)
				x.nops(t, "error_entry", clac)
				x.nops(t, "error_entry", clac)
			},
			nil, "are set in the handler",
		},
		{"a switch with interrupts on and a word below RSP", "thread switch", kindInterrupt, nil, loseUserSP(stubs.SwitchTo, RAX, STI(), CLI()), "thread switch: the round after an event begins differently"},
		{"the same, before a thread sleeps", "futex wait", kindInterrupt, nil, loseUserSP(stubs.SwitchTo, RAX, STI(), CLI()), "futex wait: the round after an event begins differently"},
		{
			"a preempted thread's return with interrupts on", "preempted in ring 3", kindInterrupt,
			func(t *testing.T, x *text) { x.replace(t, "retint_user", cli, sti) }, nil, "preempted in ring 3: interrupt at",
		},
		{"a word below RSP before a clone", "clone", kindInterrupt, nil, loseUserSP("stub_clone", R11, NOP(), NOP()), "clone: interrupt: back in ring 3"},
		{"a word below RSP before a signal", "signal", kindInterrupt, nil, loseUserSP(stubs.Entry, R11, NOP(), NOP()), "signal: the round after an event begins differently"},
		{
			"a thread's first return with interrupts on", "thread's first return", kindInterrupt,
			slowExitWithIRQs, nil, "thread's first return: interrupt at",
		},
		{"rt_sigreturn's exit with interrupts on", "rt_sigreturn", kindInterrupt, slowExitWithIRQs, nil, "rt_sigreturn: interrupt at"},
		{
			"rt_sigreturn's work tested with interrupts on", "rt_sigreturn", kindWork,
			func(t *testing.T, x *text) { x.nops(t, "int_ret_from_sys_call.linux-3.19", cli) }, nil, "what it asked for is not done in ring 3",
		},
		{
			"work tested before interrupts are off", nullCall, kindWork, nil,
			func(t *testing.T) stubs.Variant { return stub(t, cases+"b09-work-test-irqs-on.S") }, "what it asked for is not done in ring 3",
		},
		{"a page fault on NMI's stack", "page fault", kindNMI, shares(x86.X86_TRAP_PF, stackNMI), nil, "NMI at asm_exc_page_fault+0x"},
		{"a breakpoint's trap on #DB's stack", "INT3", kindDBCode, shares(x86.X86_TRAP_BP, stackDB), nil, "INT3: #DB of code at error_entry+0x"},
		{"a software interrupt on #DB's stack", "INT n", kindDBCode, shares(layout.ControlVector, stackDB), nil, "INT n: #DB of code at error_entry+0x"},
		{"#GP on NMI's stack", "rt_sigreturn that IRETQ refuses", kindNMI, shares(x86.X86_TRAP_GP, stackNMI), nil, "NMI at asm_exc_general_protection+0x"},
		{"a machine check on NMI's stack", "NMI in ring 3", kindMC, shares(x86.X86_TRAP_MC, stackNMI), nil, "NMI in ring 3: #MC at asm_exc_nmi+0x"},
		{
			"a GS base that a paranoid entry does not give back", nullCall, kindNMI, nil,
			edited("linux-3.19+paranoid=rdgsbase", stubs.ParanoidEntry, WRGSBASEQ(RBX)), "NMI at entry_SYSCALL_64.gives-wrong+0x0: behind it GSBase",
		},
		{ // which all checks of the guest pass
			"an interrupt taken for one of ring 3 while SMAP is off", "call that copies to a missing page", kindInterrupt, nil,
			edited("linux-3.19+intgs=cs", stubs.ErrorEntry, JE("from_kernel"), IF(E,
				TESTL(uint32(x86.X86_EFLAGS_AC), Fields[layout.PtRegs[Mem]](RSP).Flags),
				JE("from_kernel"),
				CMPL(RSI, uint32(x86.X86_TRAP_PF)), // of the copy itself
				JE("from_kernel"),
			)), "call that copies to a missing page: interrupt at copy_to_user+0x",
		},
		{"an NMI on #DB's stack", "#DB at a call's entry", kindNMI, shares(x86.X86_TRAP_NMI, stackDB), nil, "#DB at a call's entry: NMI at asm_exc_debug+0x"},
	} {
		if !*every && tried[row.kind] && i%5 != 0 {
			continue
		}
		tried[row.kind] = true
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := preset(t, "linux-3.19")
			if row.stub != nil {
				n = row.stub(t)
			}
			res := swept(t, n, row.patch, func(path, kind string) bool { return path == row.path && kind == row.kind })
			if !strings.Contains(strings.Join(res.Lost, "\n"), row.want) {
				t.Errorf("lost is\n%s\nwant %q in it", strings.Join(res.Lost, "\n"), row.want)
			}
		})
	}
}

const cli, sti = "\xfa", "\xfb"

// slowExitWithIRQs turns interrupts on in 3.19's slow exit.
func slowExitWithIRQs(t *testing.T, x *text) {
	const function, cliSWAPGS = "int_ret_from_sys_call.linux-3.19", cli + "\x0f\x01\xf8"
	x.replace(t, function, cli, sti)
	x.replace(t, function, cliSWAPGS, "\x90"+cliSWAPGS[1:])
}

// edited returns a variant with other instructions in the place of one.
func edited(name, function string, was Ins, items ...Item) func(*testing.T) stubs.Variant {
	return func(t *testing.T) stubs.Variant {
		n := preset(t, name)
		n.Name, n.Edit = "gives-wrong", broken.Edit(function, was, items...)
		return n
	}
}

// stub returns the variant of a file.
func stub(t *testing.T, path string) stubs.Variant {
	t.Helper()
	need.Tool(t, "as")
	n, err := gnuas.Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cases are stubs with the faults of real kernels.
const cases = "../../stubs/gnuas/testdata/cases/"

// belowRSP returns the case of a word below RSP, 8 bytes lower: an interrupt aligns the
// stack first, and leaves the case's own word alone.
func belowRSP(t *testing.T) stubs.Variant {
	t.Helper()
	source, err := os.ReadFile(cases + "b18-below-rsp-irqs-on.S")
	if err != nil {
		t.Fatal(err)
	}
	const was, becomes = "\tpushq\t%rax\n\taddq\t$8, %rsp\n\tmovq\t-8(%rsp)", "\tpushq\t%rax\n\tpushq\t%rax\n\taddq\t$16, %rsp\n\tmovq\t-16(%rsp)"
	if strings.Count(string(source), was) != 1 {
		t.Fatalf("the case has no %q", was)
	}
	path := filepath.Join(t.TempDir(), "below-rsp.S")
	if err := os.WriteFile(path, []byte(strings.Replace(string(source), was, becomes, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return stub(t, path)
}

// loseUserSP returns linux-3.19 with a function that keeps the user's RSP, on its way from
// RSPScratch by way of a register, in a word that an interrupt overwrites; on and off stand
// around that.
func loseUserSP(function string, by Reg, on, off Ins) func(*testing.T) stubs.Variant {
	gs := Fields[layout.PerCPU[Mem]](GS)
	return func(t *testing.T) stubs.Variant {
		n := preset(t, "linux-3.19")
		load := MOVQ(gs.RSPScratch, by)
		n.Name, n.Edit = "loses-user-sp", broken.Edit(function, load,
			load,
			on,
			MOVQ(by, RSP.At(-16)),
			XORL(by, by),
			MOVQ(RSP.At(-16), by),
			off,
		)
		return n
	}
}
