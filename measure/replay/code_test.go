package replay

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

func build(t *testing.T, list []stubs.Variant) *asm.Object {
	t.Helper()
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		t.Fatal(err)
	}
	return image.Object
}

// compare compares a stub with the build, instruction by instruction, and
// returns the replaced ones and what is wrong.
func compare(obj *asm.Object, s *stub, variant string) (replacements []string, wrong []string) {
	text := obj.Sections[0]
	for _, l := range obj.Listings() {
		if name, of, _ := stubs.CutFuncName(l.Name); of != variant || name == stubs.SyscallInit {
			continue
		}
		for _, row := range l.Rows {
			if row.Label != "" {
				continue
			}
			at := l.Addr + uint64(row.Off)
			was := text.Bytes[at-text.Addr:][:len(row.Bytes)]
			is := slices.Clone(s.Code[at-s.start:][:len(row.Bytes)])
			place := fmt.Sprintf("%s+%#x %s", l.Name, row.Off, row.Ins)
			if want := replacement(row.Ins); want != nil {
				replacements = append(replacements, row.Ins.Mnemonic())
				if !bytes.Equal(is, want) {
					wrong = append(wrong, fmt.Sprintf("%s: is %x, want %x in its place", place, is, want))
				}
				continue
			}
			linked := slices.Clone(s.kept)
			for _, r := range s.Relocs {
				linked = append(linked, r.Off)
			}
			for _, off := range linked {
				if off -= int(at - s.start); 0 <= off && off < len(is) {
					copy(is[off:], was[off:off+4])
				}
			}
			if !bytes.Equal(is, was) {
				wrong = append(wrong, fmt.Sprintf("%s: is %x, the build has %x", place, is, was))
			}
		}
	}
	return replacements, wrong
}

// TestIsTheBuild: what is replayed are the build's bytes but for the
// instructions that ring 3 may not execute, and addresses.
func TestIsTheBuild(t *testing.T) {
	list := all(t)
	obj := build(t, list)
	for _, n := range list {
		t.Run(n.Name, func(t *testing.T) {
			s, err := stubOf(obj, n.Name)
			if err != nil {
				t.Fatal(err)
			}
			replacements, wrong := compare(obj, s, n.Name)
			for _, w := range wrong {
				t.Error(w)
			}
			if len(replacements) != len(s.replacements) {
				t.Errorf("%d instructions are replaced, %d are said to be", len(replacements), len(s.replacements))
			}
			for _, name := range []string{"MOV", "PUSH", "IRETQ"} {
				if slices.Contains(replacements, name) {
					t.Errorf("%s is replaced", name)
				}
			}
			t.Log(replacements)
		})
	}
}

// TestIsTheBuildCanFail: a single changed bit is found.
func TestIsTheBuildCanFail(t *testing.T) {
	list := named(t, "linux-3.19")
	obj := build(t, list)
	s, err := stubOf(obj, "linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	s.Code[s.Defs["entry_SYSCALL_64"]+8] ^= 0x40 // in the displacement of MOVQ RSP, PerCPU.RSPScratch(GS)
	if _, wrong := compare(obj, s, "linux-3.19"); len(wrong) != 1 {
		t.Errorf("found %q, want one difference", wrong)
	}
}

// TestRelocs: everything outside of the stub that it names is linked anew.
func TestRelocs(t *testing.T) {
	obj := build(t, named(t, "linux-3.19"))
	s, err := stubOf(obj, "linux-3.19")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, r := range s.Relocs {
		targets[r.Target] = true
		if r.Abs != (r.Target == callTable) {
			t.Errorf("%s: absolute %v", r.Target, r.Abs)
		}
	}
	want := []string{"__switch_to", "do_notify_resume", "ret_from_fork", "schedule_user", "sys_call_table", "syscall_trace_enter", "syscall_trace_enter_phase1", "syscall_trace_leave"}
	for _, c := range layout.FullFrameCalls {
		want = append(want, c.Handler())
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(targets)); !slices.Equal(got, want) {
		t.Errorf("targets are %q, want %q", got, want)
	}
}

// TestReplacedLength: a replacement is as long as what it replaces, or all that
// follows would move.
func TestReplacedLength(t *testing.T) {
	for _, r := range replaced {
		obj, err := asm.Link(asm.Program{Funcs: []asm.Func{asm.FUNC("f", "", r.was, asm.UD2())}}, 1<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		if was := obj.Listings()[0].Rows[0].Bytes; len(r.is) != len(was) {
			t.Errorf("%v: %x has %d bytes, want %d", r.was, r.is, len(r.is), len(was))
		}
	}
}

func TestNoSuchVariant(t *testing.T) {
	if _, err := stubOf(build(t, named(t, "linux-3.19")), "linux-2.4"); err == nil {
		t.Error("a variant that is not in the build has code")
	}
}

func TestWhere(t *testing.T) {
	s, err := stubOf(build(t, named(t, "linux-4.1")), "linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	entry := s.Defs["entry_SYSCALL_64"]
	for _, tt := range []struct {
		off  int
		want string
	}{
		{entry + 3, "entry_SYSCALL_64.linux-4.1+0x3 (MOVQ RSP, PerCPU.RSPScratch(GS))"},
		{entry + 4, "entry_SYSCALL_64.linux-4.1+0x4"},
	} {
		if got, _ := s.where(tt.off); got != tt.want {
			t.Errorf("%d is %q, want %q", tt.off, got, tt.want)
		}
	}
}
