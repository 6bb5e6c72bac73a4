package replay

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/trace"
)

// followed follows a null call of each variant.
func followed(t *testing.T, names ...string) []trace.Path {
	t.Helper()
	need.QEMU(t)
	list := named(t, names...)
	m, err := trace.Prepare(t.Context(), list, vm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := trace.Paths(t.Context(), list, m)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestCut: the assembly of paths is replayed as machines ran it, and gives back what a call
// gives back, whether it calls a C entry or the handler, and whatever ring 3 may not run. A
// path from which an instruction is missing, or that goes another way, ends in a fault that
// names the place.
func TestCut(t *testing.T) {
	paths := followed(t, "linux-3.19", "linux-4.1", "linux-6.12", "linux-6.12+pti")
	take := func(paths []trace.Path) (*Replay, error) {
		r, err := Prepare(Config{Paths: paths, Budget: 1, Processes: 1, Seed: 1})
		if err != nil {
			return nil, err
		}
		return r, r.sampleAll(context.Background())
	}
	r, err := take(paths)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"SWAPGS STI CLI SWAPGS SYSRETQ", "SWAPGS STI CLI SWAPGS SYSRETQ", "SWAPGS SWAPGS SYSRETQ", "SWAPGS MOV CR3 MOV CR3 MOV CR3 MOV CR3 SWAPGS SYSRETQ"}
	for i, c := range r.cuts {
		entry, handler, exit, err := paths[i].Phases()
		if err != nil || c.All != entry+handler+exit || c.Entry >= entry || c.Exit > exit || c.Entry+c.Exit < 30 {
			t.Errorf("%s: %d, %d of %d are replayed; the phases are %d, %d, %d (%v)", c.Label, c.Entry, c.Exit, c.All, entry, handler, exit, err)
		}
		if got := strings.Join(c.Replaced, " "); got != want[i] {
			t.Errorf("%s: replaced are %s, want %s", c.Label, got, want[i])
		}
	}
	res, _ := r.result(CPU{})
	for i, why := range []string{"", "", "", "it is MOV CR3, MOV CR3, MOV CR3, MOV CR3 here and nothing of linux-3.19"} {
		if got := res.Apart[paths[i].Subject]; (got == "") != (why == "") || !strings.Contains(got, why) {
			t.Errorf("%s is not compared because %q, want %q", paths[i].Subject, got, why)
		}
	}

	for _, tt := range []struct {
		name string
		edit func(p *trace.Path)
		want string
	}{
		{"a branch that goes elsewhere", func(p *trace.Path) {
			i := slices.IndexFunc(p.Steps, func(s trace.Step) bool { return s.Code[0] == 0x74 }) // JE
			p.Steps[i].Code = []byte{0x75, p.Steps[i].Code[1]}
		}, "SIGTRAP"},
		{"an instruction is missing", func(p *trace.Path) {
			p.Steps = slices.Delete(p.Steps, 4, 5)
		}, "code that the machine did not run"},
		{"a register is lost", func(p *trace.Path) {
			exit := p.Steps[len(p.Steps)-30:]
			i := slices.IndexFunc(exit, func(s trace.Step) bool { return bytes.Equal(s.Code, []byte{0x41, 0x5e}) }) // POPQ R14
			exit[i].Code = []byte{0x41, 0x5f}
		}, "R14 is 0x0"},
	} {
		other := paths[2]
		other.Subject, other.Steps = "edited", slices.Clone(other.Steps)
		tt.edit(&other)
		if _, err := take([]trace.Path{paths[2], other}); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "edited") {
			t.Errorf("%s: error is %v, want %q of the one that was edited", tt.name, err, tt.want)
		}
	}
}

// toy returns a path whose entry has this instruction at an address of the kernel.
func toy(code []byte, data []byte) trace.Path {
	const base, user, kernel = 0xffffffff81000000, 0x7fff0000, 0xffffc90000004000
	p := trace.Path{Subject: "toy", Steps: []trace.Step{{Addr: 0x1000, Code: []byte{0x0f, 0x05}, SP: user, Func: trace.Ring3}}}
	add := func(addr, sp uint64, function string, code, data []byte) {
		p.Steps = append(p.Steps, trace.Step{Addr: addr, Code: code, Data: data, SP: sp, Func: function, Start: addr})
	}
	at := uint64(base)
	add(at, kernel, "entry", code, data)
	at += uint64(len(code))
	add(at, kernel, "entry", []byte{0xe8, 0, 0, 0, 0}, nil)
	add(base+0x1000, kernel-8, "sys_toy", []byte{0xc3}, nil)
	add(at+5, kernel, "entry", []byte{0x48, 0x0f, 0x07}, nil)
	return p
}

// TestCutRefused: what of a path cannot run in ring 3 is said, with its place.
func TestCutRefused(t *testing.T) {
	far := slices.Repeat([]byte{0x90}, 1)
	for _, tt := range []struct {
		name string
		path trace.Path
		want string
	}{
		{"a per-CPU word by a register", toy([]byte{0x65, 0x48, 0x8b, 0x00}, nil), "the address of its per-CPU word is in a register"},
		{"a jump by a register", toy([]byte{0xff, 0xe0}, nil), "where it goes is in a register or in memory"},
		{"an unknown instruction", toy([]byte{0x0f, 0x04}, nil), "what it does is not known"},
		{"data that was not read", toy([]byte{0x48, 0x8b, 0x05, 0, 0, 0, 0}, nil), "it uses the kernel's data"},
		{"data at an address", toy([]byte{0x8b, 0x04, 0x25, 0, 0, 0, 0}, nil), "it uses the kernel's data"},
		{"no handler", func() trace.Path { p := toy(far, nil); p.Steps[3].Func = "f"; return p }(), "where its assembly ends is not known"},
	} {
		_, _, _, err := cutOf(tt.path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "toy cannot be replayed") {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := Prepare(Config{Paths: []trace.Path{toy(far, nil)}}); err == nil {
		t.Error("one path is compared with nothing")
	}
}

// TestCutWords: an instruction keeps its bytes but for where its per-CPU word or its constant
// is, and words keep their places in lines.
func TestCutWords(t *testing.T) {
	for _, tt := range []struct {
		name string
		code []byte
		disp int // where its displacement is
		want int // of the word in its line
	}{
		{"mov %rsp,%gs:0x6014", []byte{0x65, 0x48, 0x89, 0x24, 0x25, 0x14, 0x60, 0, 0}, 5, 0x14},
		{"mov %rsp,%gs:0x76a05f85(%rip)", []byte{0x65, 0x48, 0x89, 0x25, 0x85, 0x5f, 0xa0, 0x76}, 4, 0x0d},
		{"btq $1,%gs:0x10(%rip)", []byte{0x65, 0x48, 0x0f, 0xba, 0x25, 0x10, 0, 0, 0, 0x01}, 5, 0x1a},
		{"mov %rsp,%gs:-0x28(%rip)", []byte{0x65, 0x48, 0x89, 0x25, 0xd8, 0xff, 0xff, 0xff}, 4, 0x20},
	} {
		s, words, _, err := cutOf(toy(tt.code, nil))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		at := s.Defs["entry_SYSCALL_64"]
		got := slices.Clone(s.Code[at:][:len(tt.code)])
		in, err := x86asm.Decode(got, 64)
		if err != nil {
			t.Fatal(err)
		}
		is := int(int32(in.Args[0].(x86asm.Mem).Disp))
		for _, r := range s.Relocs {
			if r.Target == gsWord { // as if the code were at address 0
				is = int(r.Add) + in.Len - in.PCRelOff - 4
			}
		}
		if is < int(kernelWords) || (is-int(kernelWords))%lineSize != tt.want {
			t.Errorf("%s: its word is at %d, want one of a path's words, %#x in its line", tt.name, is, tt.want)
		}
		copy(got[tt.disp:], tt.code[tt.disp:tt.disp+4])
		if !bytes.Equal(got, tt.code) || len(words.Stack)+len(words.Trampoline) != 0 {
			t.Errorf("%s is now %x; words %+v", tt.name, got, words)
		}
	}
}

// TestCutLeaves: what ring 3 may not run is replaced by as many bytes.
func TestCutLeaves(t *testing.T) {
	for _, tt := range []struct {
		name     string
		code, is []byte
	}{
		{"WRMSR", []byte{0x0f, 0x30}, []byte{0x66, 0x90}},
		{"CLI", []byte{0xfa}, []byte{0x90}},
		{"MOV CR3", []byte{0x0f, 0x22, 0xdc}, []byte{0x0f, 0x1f, 0x00}},
		{"", []byte{0x0f, 0x22, 0xe0}, nil}, // MOV CR4
		{"", []byte{0x0f, 0x01, 0xf9}, nil}, // RDTSCP
	} {
		s, _, cut, err := cutOf(toy(tt.code, nil))
		if err != nil {
			t.Errorf("% x: %v", tt.code, err)
			continue
		}
		got, is := "", tt.is
		if len(cut.Replaced) > 1 { // behind it is SYSRETQ
			got = cut.Replaced[0]
		}
		if is == nil {
			is = tt.code
		}
		if code := s.Code[s.Defs["entry_SYSCALL_64"]:]; got != tt.name || !bytes.HasPrefix(code, is) {
			t.Errorf("% x is %q and % x, want %q and % x", tt.code, got, code[:4], tt.name, is)
		}
	}
}

// TestCutConstant: an operand in the kernel's data is a copy of it.
func TestCutConstant(t *testing.T) {
	data := []byte("0123456789abcdef")
	s, _, _, err := cutOf(toy([]byte{0x0f, 0x00, 0x2d, 0x78, 0xfe, 0xff, 0xff}, data)) // verw -0x188(%rip)
	if err != nil {
		t.Fatal(err)
	}
	at := s.Defs["entry_SYSCALL_64"]
	in, err := x86asm.Decode(s.Code[at:], 64)
	if err != nil {
		t.Fatal(err)
	}
	to := at + in.Len + int(int32(in.Args[0].(x86asm.Mem).Disp))
	if to < 0 || to+len(data) > len(s.Code) || !bytes.Equal(s.Code[to:][:len(data)], data) {
		t.Errorf("its operand is at %d of %d, and not the data", to, len(s.Code))
	}
}
