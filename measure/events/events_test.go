package events

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
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

// swept sweeps a variant in a kernel that patch, if not nil, has changed.
func swept(t *testing.T, n stubs.Variant, patch func(*testing.T, *text)) *Result {
	t.Helper()
	need.QEMU(t)
	m, err := Prepare(t.Context(), n, vm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if patch != nil {
		m.Kernel = patched(t, m.Kernel, patch)
	}
	res, err := Sweep(t.Context(), n, m)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestSweep: every event arrives at every instruction of the oldest path and of
// the newest, and nothing is lost.
func TestSweep(t *testing.T) {
	for _, name := range []string{"linux-3.19", "linux-6.12+pti"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := swept(t, preset(t, name), nil)
			for _, l := range res.Lost {
				t.Error(l)
			}
			for _, s := range res.Swept {
				for k, kind := range Kinds {
					if kind.applies == nil && s.Events[k] != s.Instructions {
						t.Errorf("%s: %d of %s arrived at %d instructions", s.Call, s.Events[k], kind.Name, s.Instructions)
					} else if s.Events[k] < s.Instructions/3 {
						t.Errorf("%s: only %d of %s arrived at %d instructions", s.Call, s.Events[k], kind.Name, s.Instructions)
					}
				}
			}
		})
	}
}

// text is a kernel's file, and its functions in it.
type text struct {
	file      []byte
	functions map[string]elf.Symbol
	off       func(addr uint64) uint64
}

// code is a function's bytes.
func (x *text) code(t *testing.T, name string) []byte {
	t.Helper()
	f, ok := x.functions[name]
	if !ok {
		t.Fatalf("no function %s", name)
	}
	return x.file[x.off(f.Value):][:f.Size]
}

// redirect makes the JMP at the end of a function go to another one.
func (x *text) redirect(t *testing.T, from, to string) {
	t.Helper()
	code := x.code(t, from)
	if code[len(code)-5] != 0xe9 {
		t.Fatalf("%s does not end with a JMP: % x", from, code)
	}
	f := x.functions[from]
	binary.LittleEndian.PutUint32(code[len(code)-4:], uint32(x.functions[to].Value-f.Value-f.Size))
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
	section := f.Section(".text")
	x.off = func(addr uint64) uint64 { return addr - section.Addr + section.Offset }
	patch(t, x)
	path := filepath.Join(t.TempDir(), "kernel.elf")
	if err := os.WriteFile(path, x.file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCatches: for each kind there is a kernel or a stub that is wrong with it
// alone, and is found.
func TestCatches(t *testing.T) {
	ordinary := func(entry string) func(*testing.T, *text) {
		return func(t *testing.T, x *text) { x.redirect(t, entry, "error_entry") }
	}
	for _, row := range []struct {
		name  string
		patch func(*testing.T, *text)
		stub  func(*testing.T) stubs.Variant // nil: linux-3.19
		want  string
	}{
		{"an NMI that trusts CS for SWAPGS", ordinary("asm_exc_nmi"), nil, "NMI at entry_SYSCALL_64.linux-3.19+0x0: GS is based on"},
		{"a machine check that trusts CS", ordinary("asm_exc_machine_check"), nil, "#MC at entry_SYSCALL_64.linux-3.19+0x0: GS is based on"},
		{"a #DB that trusts CS", ordinary("asm_exc_debug"), nil, "#DB of code at entry_SYSCALL_64.linux-3.19+0x0: GS is based on"},
		{"a #DB without RF", func(t *testing.T, x *text) {
			code := string(x.code(t, "debug_kernel"))
			i := strings.Index(code, "\x00\x00\x01\x00") // RF as an immediate
			if i < 0 {
				t.Fatal("debug_kernel sets no RF")
			}
			x.code(t, "debug_kernel")[i+2] = 0
		}, nil, "#DB of code at entry_SYSCALL_64.linux-3.19+0x0: vector 1 arrives again"},
		{"a word below RSP", nil, belowRSP, "interrupt: back in ring 3"},
		{"the user's stack with interrupts on", nil, func(t *testing.T) stubs.Variant { return stub(t, cases+"b27-sti-before-exit.S") }, "interrupt at"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := preset(t, "linux-3.19")
			if row.stub != nil {
				n = row.stub(t)
			}
			res := swept(t, n, row.patch)
			if !strings.Contains(strings.Join(res.Lost, "\n"), row.want) {
				t.Errorf("lost is\n%s\nwant %q in it", strings.Join(res.Lost, "\n"), row.want)
			}
		})
	}
}

// stub is the variant of a file.
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

// belowRSP is the case of a word below RSP, 8 bytes lower: an interrupt aligns the
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
