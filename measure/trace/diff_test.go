package trace

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// pathOf returns a path through one function, of instructions in hex.
func pathOf(t *testing.T, at uint64, list ...string) Path {
	t.Helper()
	p := Path{Subject: "v"}
	for _, text := range list {
		code, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Steps = append(p.Steps, Step{Addr: at, Code: code, Func: "f.v", Start: at})
		at += uint64(len(code))
	}
	return p
}

func TestDiff(t *testing.T) {
	const load, other, store, branch, near, gs, gsMoved = "488b4708", "488b4e08", "48894708", "7510", "75f0", "65488b042540000000", "65488b042580000000"
	for _, row := range []struct {
		name        string
		left, right []string
		want        string
	}{
		{"the same elsewhere", []string{load, branch, gs}, []string{load, near, gsMoved}, ""},
		{"other registers", []string{load}, []string{other}, "other registers in 1"},
		{"one more", []string{load, branch}, []string{load, store, branch}, "+1 instruction, +1 store"},
		{"two less", []string{load, gs, gs}, []string{load}, "-2 instructions, -2 loads, -2 accesses by GS"},
		{"another one", []string{load, "90"}, []string{load, "f8"}, "as many of everything, 1 of them other ones"},
		{"a NOP of another length", []string{load, "6690"}, []string{load, "0f1f440000"}, ""},
		{"another offset", []string{"488b4708"}, []string{"488b4710"}, "as many of everything, 1 of them other ones"},
		{"another constant", []string{"83f801"}, []string{"83f802"}, "as many of everything, 1 of them other ones"},
	} {
		pairs, err := Diff(pathOf(t, 0, row.left...), pathOf(t, 64, row.right...))
		if err != nil {
			t.Fatal(err)
		}
		list, all := ByPart(pairs)
		if got := all.String(); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if (len(list) == 1) != (row.want != "") || len(list) == 1 && list[0].Part != "f" {
			t.Errorf("%s: parts are %+v", row.name, list)
		}
	}
	long := Path{Steps: make([]Step, 10_000)}
	if _, err := Diff(long, long); err == nil {
		t.Error("paths of any length are compared")
	}
}

// TestAgree: in the assembly registers are a part of what an instruction does, in C they
// are not, and labels and the handler are neither's.
func TestAgree(t *testing.T) {
	real := path(`
		entry_SYSCALL_64 mov user
		entry_after_hwframe nop |
		entry_after_hwframe call |
		do_syscall_64 mov ||
		do_syscall_64 call ||
		__x64_sys_x ret |||
		do_syscall_64 nop ||
		do_syscall_64.cold ret ||
		return_via_sysret nop |
		return_via_sysret mov |`)
	preset := path(`
		entry_SYSCALL_64.v mov user
		entry_SYSCALL_64.v call |
		do_syscall_64.v mov ||
		do_syscall_64.v call ||
		sys_x nop |||
		sys_x ret |||
		do_syscall_64.v ret ||
		entry_SYSCALL_64.v mov |`)
	for name, row := range map[string]struct {
		rcx  string // where the preset has RCX instead of RAX
		want string
	}{
		"the same":                       {"", "[assembly entry 3 of 4 (3 here) C entry 2 of 2 exit work 1 of 2 (1 here, do_syscall_64 -1) assembly exit 1 of 2 (1 here)]"},
		"another register in assembly":   {"entry_SYSCALL_64.v", "[assembly entry 2 of 4 (3 here) C entry 2 of 2 exit work 1 of 2 (1 here, do_syscall_64 -1) assembly exit 0 of 2 (1 here)]"},
		"another register in the C code": {"do_syscall_64.v", "[assembly entry 3 of 4 (3 here) C entry 2 of 2 exit work 1 of 2 (1 here, do_syscall_64 -1) assembly exit 1 of 2 (1 here)]"},
	} {
		p := Path{Steps: slices.Clone(preset.Steps)}
		for i, s := range p.Steps {
			if s.Func == row.rcx && bytes.Equal(s.Code, codes["mov"]) {
				p.Steps[i].Code = []byte{0x48, 0x89, 0x0c, 0x24}
			}
		}
		list, err := Agree(real, p)
		if got := fmt.Sprint(list); err != nil || got != row.want {
			t.Errorf("%s: %s and %v, want %s", name, got, err, row.want)
		}
	}
	if _, err := Agree(path("entry nop |"), preset); !errors.Is(err, ErrNoHandler) {
		t.Errorf("without a handler: error is %v", err)
	}
}

// TestDiffInlined: what is inlined names the part that a change is in, and does not keep
// steps apart of which one kernel tells it and another does not.
func TestDiffInlined(t *testing.T) {
	left, right := pathOf(t, 0, "488b4708", "c3"), pathOf(t, 64, "488b4708", "48894708", "c3")
	right.Steps[0].Inlined, right.Steps[1].Inlined = []string{"outer"}, []string{"inner", "outer"}
	pairs, err := Diff(left, right)
	if err != nil {
		t.Fatal(err)
	}
	list, all := ByPart(pairs)
	if len(list) != 1 || list[0].Part != "inner in outer in f" || all.String() != "+1 instruction, +1 store" {
		t.Errorf("changes are %+v, in all %v", list, all)
	}
	work := right.ByInlined()
	if len(work) != 2 || work[0].Func != "outer in f" || work[1].Func != "inner in outer in f" || work[0].Loads != 1 || work[1].Stores != 1 {
		t.Errorf("inlined work is %+v", work)
	}
	if none := left.ByInlined(); len(none) != 0 {
		t.Errorf("nothing is inlined, and %+v", none)
	}
}
