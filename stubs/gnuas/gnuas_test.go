package gnuas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/stubstest"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// file writes a source file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoad compares a loaded file with the preset after which it was written: except for
// the fence both have the same bytes in their entry.
func TestLoad(t *testing.T) {
	need.Tool(t, "as")
	t.Chdir("../..")
	n, err := Load(t.Context(), "examples/fence.S")
	if err != nil {
		t.Fatal(err)
	}
	base, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	if n.Name != "fence" || n.Axes != base.Axes || n.Untraced {
		t.Errorf("got %s, %v, untraced %v", n.Name, n.Axes, n.Untraced)
	}
	im, err := image.Build(image.Config{Variants: []stubs.Variant{base, n}})
	if err != nil {
		t.Fatal(err)
	}
	// branches names the rows whose distances differ between the two.
	branches := func(r asm.Row) bool {
		if len(r.Ins.Operands()) != 1 {
			return false
		}
		switch r.Ins.Operands()[0].(type) {
		case string, asm.Place:
			return true
		}
		return false
	}
	var got, want strings.Builder
	l, _ := im.Object.Listing("entry_SYSCALL_64.fence")
	for _, r := range l.Rows {
		if r.Label == "" && !r.Ins.Equal(asm.LFENCE()) && !branches(r) {
			got.Write(r.Bytes)
		}
		if r.Label == "" && (r.File != "examples/fence.S" || r.Line == 0) {
			t.Errorf("%v is from %s:%d", r.Ins, r.File, r.Line)
		}
	}
	l, _ = im.Object.Listing("entry_SYSCALL_64.linux-4.1")
	for _, r := range l.Rows {
		if r.Label == "" && !branches(r) {
			want.Write(r.Bytes)
		}
	}
	if got.String() != want.String() {
		t.Errorf("the bytes are %x, want %x", got.String(), want.String())
	}
}

// TestReplaced: each function that a file may have takes the place of the
// base's, and its relocations of each kind resolve to what they name.
func TestReplaced(t *testing.T) {
	need.Tool(t, "as")
	n, err := Load(t.Context(), file(t, "mine.S", `# entrylab: base heukelum-v2
entry_SYSCALL_64:
	call	*sys_call_table(, %rax, 8)	# 32S
	movabs	$sys_call_table, %rax		# 64
	lea	schedule(%rip), %rcx		# PC32
	call	stub_clone			# PLT32, the base's
	movabs	$__switch_to_asm, %rdx		# of the file itself
	ud2
.globl __switch_to_asm
__switch_to_asm:
	ud2
`))
	if err != nil {
		t.Fatal(err)
	}
	im, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	o := im.Object
	l, _ := o.Listing("entry_SYSCALL_64.mine")
	word := func(row, from, n int) (v uint64) {
		for i := range n {
			v |= uint64(l.Rows[row].Bytes[from+i]) << (8 * i)
		}
		return v
	}
	addr := func(name string) uint64 {
		at, ok := o.Addr(name)
		if !ok {
			t.Errorf("no symbol %s", name)
		}
		return at
	}
	next := func(row int) uint64 { return l.Addr + uint64(l.Rows[row].Off+len(l.Rows[row].Bytes)) }
	for _, tt := range []struct {
		name      string
		got, want uint64
	}{
		{"32S", uint64(int32(word(0, 3, 4))), addr("sys_call_table")},
		{"64", word(1, 2, 8), addr("sys_call_table")},
		{"PC32", next(2) + uint64(int32(word(2, 3, 4))), addr("schedule")},
		{"PLT32", next(3) + uint64(int32(word(3, 1, 4))), addr("stub_clone.mine")},
		{"own", word(4, 2, 8), addr("__switch_to_asm.mine")},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, tt.got, tt.want)
		}
	}
	if at := addr("__switch_to_asm.mine"); at < l.Addr || at > l.Addr+100 {
		t.Errorf("__switch_to_asm is at %#x, not in the file's code at %#x", at, l.Addr)
	}
}

func TestLoadErrors(t *testing.T) {
	need.Tool(t, "as")
	const (
		code  = "entry_SYSCALL_64:\n\tud2\n"
		base  = "# entrylab: base linux-3.19\n"
		entry = base + code
	)
	for _, tt := range []struct{ name, file, text, err string }{
		{"as's own message", "x.S", entry + "\tpushq %foo\n", "x.S:4: Error: bad register name `%foo'"},
		{"two of them", "x.S", base + "\tbogus\n\tpushq %foo\n", "x.S:2: Error: no such instruction"},
		{"a preset's name", "bare.S", entry, "bare.S: the file's name is the variant's, and bare is a preset's"},
		{"a release's name", "linux-6.2.S", entry, "and linux-6.2 is a preset's or looks like one's"},
		{"no entry", "x.S", base + "other:\n\tud2\n", "no symbol entry_SYSCALL_64 in .text"},
		{"entry elsewhere", "x.S", base + ".data\nentry_SYSCALL_64: .quad 1\n", "section .data has 8 bytes"},
		{"entry not first", "x.S", base + "\tnop\n" + code, "entry_SYSCALL_64 is at +0x1"},
		{"nothing", "x.S", base, ".text is empty"},
		{"memory", "x.S", entry + ".bss\n.skip 16\n", "section .bss has 16 bytes"},
		{"constants", "x.S", entry + ".section .rodata\n.quad 1\n", "section .rodata has 8 bytes"},
		{"a relocation that cannot be", "x.S", entry + "\tmovl $schedule, %eax\n", "x.S: line 4: movl $schedule, %eax: R_X86_64_32 of schedule: kernel addresses take"},
		{"a table that is no kernel's", "x.S", entry + "\tcall *schedule@GOTPCREL(%rip)\n", "x.S: line 4: call *schedule@GOTPCREL(%rip): R_X86_64_GOTPCRELX of schedule"},
		{"a short branch out of the file", "x.S", entry + "\tjrcxz schedule\n", "x.S: line 4: jrcxz schedule: R_X86_64_PC8 of schedule"},
		{"an address by its number", "x.S", entry + "\tcall 0x1000\n", "x.S: line 4: call 0x1000: it uses an address as a number"},
		{"a place in an empty section", "x.S", entry + "\tmovq word(%rip), %rax\n.data\nword:\n", "x.S: line 4: movq word(%rip), %rax: it refers to another section"},
		{"common memory", "x.S", entry + "\tmovq word(%rip), %rax\n.comm word, 8\n", "x.S: line 4: movq word(%rip), %rax: word needs memory of its own (.comm)"},
		{"no text", "x.S", "\x7fELF\x02\x01\x00", "x.S: this is not text: it has a zero byte at +0x6"},
		{"another language", "x.S", base + "package main\n\nfunc main() {}\n", "x.S:2: Error: no such instruction: `package main'"},
		{"the C preprocessor", "x.S", "# as\n#include <asm/calling.h>\n" + entry, "x.S:2: #include <asm/calling.h> is for the C preprocessor"},
		{"a macro of the C preprocessor", "x.S", entry + "  #define SP %rsp\n", "x.S:4: #define SP %rsp is for the C preprocessor"},
		{"alignment", "x.S", base + ".p2align 13\n" + code, "aligned to 8192 bytes"},
		{"unknown base", "x.S", "# entrylab: base linux-1.0\n" + code, "no such preset"},
		{"a wrapper where there is none", "x.S", "# entrylab: base bare\n" + code + "stub_clone:\n\tud2\n", "nothing would reach stub_clone: bare has no wrappers"},
		{"a wrapper of do_syscall_64", "x.S", "# entrylab: base linux-6.12\n" + code + "stub_poison:\n\tud2\n", "nothing would reach stub_poison: linux-6.12 has no wrappers"},
		{"a place in the entry that wrappers need", "x.S", "# entrylab: base linux-4.6\n" + code, "no symbol entry_SYSCALL_64_after_fastpath_call in .text, which the wrappers of linux-4.6 need"},
		{"a base with FRED", "x.S", "# entrylab: base linux-6.18+fred\n" + code, "x.S:1: base: linux-6.18+fred enters by FRED"},
		{"an impossible base", "x.S", "# entrylab: base linux-3.19+exit=iret\n" + code, "impossible: exit=iret with sp=percpu"},
		{"no base", "x.S", code, "x.S: no comment names the variant whose conventions the file follows"},
		{"two bases", "x.S", base + "\n" + entry, "x.S:3: a second comment names a base; line 1 has named one"},
		{"an include that is not there", "x.S", base + ".include \"other.inc\"\n" + code, "x.S:2: there is no file other.inc, which .include names"},
		{"the include is left out", "x.S", entry + "\tmovq PT_REGS_IP(%rsp), %rcx\n", "x.S: line 4: movq PT_REGS_IP(%rsp), %rcx: PT_REGS_IP is from entrylab.inc, which the file does not include"},
		{"a message behind a byte-order mark", "x.S", "\xef\xbb\xbf" + entry + "\tpushq %foo\n", "/x.S:4: Error: bad register name `%foo'"},
		{"text of 16-bit characters", "x.S", "\xff\xfe#\x00", "this is not text"},
		{"a name that begins with a dot", ".S", entry, "the file's name is the variant's"},
		{"a name that cannot be a variant's", "a b.S", entry, "want letters, digits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Load(t.Context(), file(t, tt.file, tt.text)); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want it to say %q", err, tt.err)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		if _, err := Load(t.Context(), "nowhere.S"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("no as", func(t *testing.T) {
		path := file(t, "x.S", entry)
		t.Setenv("PATH", "")
		if _, err := Load(t.Context(), path); err == nil || !strings.Contains(err.Error(), "install binutils") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a symbol that nobody has", func(t *testing.T) {
		n, err := Load(t.Context(), file(t, "x.S", "# entrylab: base linux-3.19\nentry_SYSCALL_64:\n\tnop\n\tjmp no_such_place\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := image.Build(image.Config{Variants: []stubs.Variant{n}}); err == nil || !strings.Contains(err.Error(), "x.S:4: ") || !strings.Contains(err.Error(), "no_such_place is not a function or data") {
			t.Errorf("error is %v", err)
		}
	})
}

// TestNames: which names a file may have, and how its text may begin.
func TestNames(t *testing.T) {
	need.Tool(t, "as")
	preset, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	source, err := stubstest.Source(preset)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file, text, variant string }{
		{"dots", "my.entry-6.1.S", source, "my.entry-6.1"},
		{"another extension", "entry.asm", source, "entry"},
		{"a byte-order mark", "marked.S", "\xef\xbb\xbf" + source, "marked"},
		{"an alignment", "aligned.S", strings.Replace(source, ".text", ".text\n.p2align 6", 1), "aligned"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !IsFile(tt.file) {
				t.Error("that is not taken for a file")
			}
			n, err := Load(t.Context(), file(t, tt.file, tt.text))
			if err != nil {
				t.Fatal(err)
			}
			im, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
			if err != nil {
				t.Fatal(err)
			}
			proof, err := prove.Object(im.Object, n)
			if err != nil {
				t.Fatal(err)
			}
			if n.Name != tt.variant || proof.Err() != nil || len(proof.Claims) < 100 {
				t.Errorf("%s: %v: %v", n.Name, proof, proof.Err())
			}
		})
	}
}

// TestEndless: a file that has no end, or that makes as run without end, is refused.
func TestEndless(t *testing.T) {
	need.Tool(t, "as")
	for _, tt := range []struct{ name, text, err string }{
		{"include", ".include \"/dev/zero\"", "as was ended"},
		{"incbin", ".incbin \"/dev/zero\"", "unable to include"},
		{"space", ".space 0x7fffffff", "as was ended"},
		{"rept", ".rept 0x7fffffff\nnop\n.endr", "as was ended"},
		{"messages", ".rept 100000\n.warning \"again and again\"\n.endr", "as was ended"},
		{"while", ".macro again\nnop\nagain\n.endm\nagain", "macros nested too deeply"},
		{"long", strings.Repeat("\tnop\n", 1<<18), "is too long: it has more than 1 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(t.Context(), file(t, "x.S", "# entrylab: base linux-3.19\nentry_SYSCALL_64:\n"+tt.text+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.err) || len(err.Error()) > 2000 {
				t.Errorf("error is %.2000v, want it to say %q", err, tt.err)
			}
		})
	}
	t.Run("devices and pipes", func(t *testing.T) {
		dir := t.TempDir()
		device, pipe := filepath.Join(dir, "device.S"), filepath.Join(dir, "pipe.S")
		if err := errors.Join(os.Symlink("/dev/zero", device), syscall.Mkfifo(pipe, 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{device, pipe} {
			if _, err := Load(t.Context(), path); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
				t.Errorf("%s: error is %v", path, err)
			}
		}
	})
	t.Run("a pipe that is included", func(t *testing.T) {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // until as has it open
			cancel()
			if err == nil {
				f.Close()
			}
		}()
		if _, err := Load(ctx, file(t, "x.S", "# entrylab: base linux-3.19\nentry_SYSCALL_64:\n.include \""+pipe+"\"\n")); err != context.Canceled {
			t.Errorf("error is %v", err)
		}
	})
}

// TestNoTemporaryFolder: the message says which variable to set.
func TestNoTemporaryFolder(t *testing.T) {
	need.Tool(t, "as")
	file := filepath.FromSlash("../../examples/fence.S")
	t.Setenv("XDG_CACHE_HOME", file)
	if _, err := Load(t.Context(), file); err == nil || !strings.Contains(err.Error(), "set XDG_CACHE_HOME") {
		t.Errorf("error is %v", err)
	}
}

// TestInclude spot-checks names and values: all come from one walk.
func TestInclude(t *testing.T) {
	text := Include()
	for _, want := range []string{
		".set PT_REGS_R15, 0\n", ".set PT_REGS_ORIG_AX, 120\n", ".set PT_REGS_SIZE, 168\n", ".set PERCPU_RSP_SCRATCH, 0\n",
		".set PERCPU_TOP_OF_STACK, 64\n", ".set PERCPU_TSS_SP0, 136\n", ".set THREAD_USER_SP, 24\n", ".set THREAD_FX, ", ".set USER_CS, 51\n",
		".set PERCPU_SPEC_CTRL, ", ".set MSR_IA32_SPEC_CTRL, 72\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, ".set PT_REGS_"); n != int(layout.NumSlots)+1 {
		t.Errorf("%d slots", n)
	}
}

// TestBases: any preset but FRED's can be the base. For a file with a preset's own entry the proof
// is the same as for that entry: each instruction leaves the same in each register
// and slot, and as many claims hold on as many paths. A file alone is held to one claim more,
// about RSP where it goes to its base's slow exit, if the base has one.
func TestBases(t *testing.T) {
	need.Tool(t, "as")
	for _, p := range stubs.Presets() {
		if p.Axes.Is(stubs.EntryFRED) {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			source, err := stubstest.Source(p.Variant)
			if err != nil {
				t.Fatal(err)
			}
			n, err := Load(t.Context(), file(t, "copy.S", source))
			if err != nil {
				t.Fatal(err)
			}
			want, size := proofOfEntry(t, p.Variant, 0)
			got, _ := proofOfEntry(t, n, size)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the file is not the preset's entry:\n%s", diff)
			}
		})
	}
}

// kernelAddress is a return address, which depends on where the code is linked.
var kernelAddress = regexp.MustCompile(`0xffffffff8[0-9a-f]{7}`)

// proofOfEntry returns what is known about the entry's instructions, by their offsets, the
// figures of the proof, and the entry's size. In a file, labels take the place of
// functions, so the entry is the code within the given size; 0 means its whole function.
func proofOfEntry(t *testing.T, n stubs.Variant, size uint64) ([]string, uint64) {
	t.Helper()
	proof, err := prove.Prove(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Err(); err != nil {
		t.Error(err)
	}
	list := proof.Known()
	entry := slices.IndexFunc(list, func(k prove.Known) bool { return strings.HasPrefix(k.Func, "entry_SYSCALL_64.") })
	if entry < 0 {
		t.Fatalf("%s: nothing is known of the entry", n.Name)
	}
	var known []string
	end := size
	for _, k := range list[entry:] {
		off := k.Addr - list[entry].Addr
		if size == 0 && !strings.HasPrefix(k.Func, "entry_SYSCALL_64.") || size != 0 && off >= size {
			break
		}
		end = max(end, off+1)
		text := fmt.Sprintf("+%#x: %s = %q, %q", off, k.Defines, k.Values, k.RegValues)
		known = append(known, kernelAddress.ReplaceAllString(text, "an address"))
	}
	all, want := len(proof.Claims), 0
	if size != 0 && slices.ContainsFunc(list, func(k prove.Known) bool { return strings.HasPrefix(k.Func, stubs.SlowExit+".") }) {
		want = 1
	}
	proof.Claims = slices.DeleteFunc(proof.Claims, func(c prove.Claim) bool {
		return c.What == "RSP is where the frame of "+stubs.SlowExit+" says"
	})
	if got := all - len(proof.Claims); got != want {
		t.Errorf("%s: %d claims about RSP where the entry goes to %s, want %d", n.Name, got, stubs.SlowExit, want)
	}
	_, figures, _ := strings.Cut(proof.String(), ": ")
	return append(known, figures), end
}
