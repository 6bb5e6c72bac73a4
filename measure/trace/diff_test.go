package trace

import (
	"encoding/hex"
	"testing"
)

// pathOf is a path through one function, of instructions in hex.
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
		{"another offset", []string{"488b4708"}, []string{"488b4710"}, "as many of everything, 1 of them other ones"},
		{"another constant", []string{"83f801"}, []string{"83f802"}, "as many of everything, 1 of them other ones"},
	} {
		pairs, err := Diff(pathOf(t, 0, row.left...), pathOf(t, 64, row.right...))
		if err != nil {
			t.Fatal(err)
		}
		list, all := ByFunc(pairs)
		if got := all.String(); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if (len(list) == 1) != (row.want != "") || len(list) == 1 && list[0].Func != "f" {
			t.Errorf("%s: functions are %+v", row.name, list)
		}
	}
	long := Path{Steps: make([]Step, 10_000)}
	if _, err := Diff(long, long); err == nil {
		t.Error("paths of any length are compared")
	}
}
