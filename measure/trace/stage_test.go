package trace

import (
	"errors"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/gdb"
)

// gone is a stub whose machine takes a breakpoint and ends.
type gone struct{ strings.Reader }

func (*gone) Write(p []byte) (int, error) { return len(p), nil }

// codes are instructions of toy paths.
var codes = map[string][]byte{
	"call": {0xe8, 0, 0, 0, 0}, "ret": {0xc3}, "nop": {0x90}, "jmp": {0xff, 0xe0}, "syscall": {0x0f, 0x05}, "mov": {0x48, 0x89, 0x04, 0x24},
}

// path makes a path of lines "function instruction depth": the depth is how many words
// are on the kernel's stack before it, and user where that of ring 3 is used.
func path(text string) Path {
	p := Path{Steps: []Step{{Func: Ring3, Code: codes["syscall"], SP: 0x7fff0000}}}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		f := strings.Fields(line)
		s := Step{Func: f[0], Addr: uint64(len(p.Steps)), Code: codes[f[1]], SP: 0x7fff0000}
		if f[2] != "user" {
			s.SP = 0xffffc90000004000 - 8*uint64(len(f[2])) // a bar for each word
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

// TestStages: a call is cut where its functions call and return, whatever they are named
// and however they are reached.
func TestStages(t *testing.T) {
	for _, row := range []struct {
		name, path, want string // a letter for each step, by stage
		err              string
	}{
		{"assembly calls the handler", `
			entry nop user
			entry call |
			sys_x nop ||
			sys_x ret ||
			entry nop |`, "aaahhz", ""},
		{"through a thunk that replaces its return address", `
			entry call |
			thunk call ||
			thunk mov |||
			thunk ret |||
			sys_x ret ||
			entry nop |`, "aadddhz", ""},
		{"a C entry, which calls others, with a dispatch", `
			entry nop user
			entry call |
			do_syscall_64 call ||
			trace_enter ret |||
			do_syscall_64 call ||
			x64_sys_call nop |||
			x64_sys_call call |||
			__x64_sys_x call ||||
			helper ret |||||
			__x64_sys_x ret ||||
			x64_sys_call ret |||
			do_syscall_64 call ||
			exit_to_user ret |||
			do_syscall_64 ret ||
			entry nop |
			entry nop user`, "aaaccc" + "dd" + "hhh" + "xxxx" + "zz", ""},
		{"a dispatch that jumps", `
			entry call |
			do_syscall_64 call ||
			x64_sys_call jmp |||
			__x64_sys_x ret |||
			do_syscall_64 ret ||
			entry nop |`, "aacdhxz", ""},
		{"a function that only jumps to the handler", `
			entry call |
			x64_sys_call jmp ||
			__x64_sys_x jmp ||
			sys_x nop ||
			sys_x ret ||
			entry nop |`, "aaddhhz", ""},
		{"a function between that came back", `
			entry call |
			untrain ret ||
			entry call |
			do_syscall_64 call ||
			__x64_sys_x ret |||
			do_syscall_64 ret ||
			entry nop |`, "aaaachxz", ""},
		{"no handler", "entry nop user\nentry nop |", "", ErrNoHandler.Error()},
		{"nothing calls it", "entry nop |\nsys_x nop |", "", "nothing calls the handler sys_x"},
		{"no return", "entry call |\nsys_x nop ||", "", "does not come back"},
	} {
		p := path(row.path)
		all, err := p.Stages()
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: error is %v, want %q in it", row.name, err, row.err)
			}
			continue
		}
		var got strings.Builder
		for _, s := range all {
			got.WriteByte("acdhxz"[s])
		}
		if err != nil || got.String() != row.want {
			t.Errorf("%s: stages are %s and %v, want %s", row.name, got.String(), err, row.want)
		}
		entry, handler, exit, err := p.Phases()
		if want := strings.Count(row.want, "h"); err != nil || handler != want || entry != strings.Index(row.want, "h") || entry+handler+exit != len(p.Steps) {
			t.Errorf("%s: phases are %d, %d, %d and %v", row.name, entry, handler, exit, err)
		}
		work, err := p.ByStage()
		sum := 0
		for _, w := range work {
			sum += w.Instructions
		}
		if err != nil || sum != len(p.Steps) {
			t.Errorf("%s: the stages have %d instructions of %d (%v)", row.name, sum, len(p.Steps), err)
		}
	}
	if entry, handler, exit, err := path("entry nop user\nentry nop user").Phases(); entry != 2 || handler != 0 || exit != 1 || err != nil {
		t.Errorf("the floor's phases are %d, %d, %d and %v", entry, handler, exit, err)
	}
	f := follower{gdb.New(&gone{*strings.NewReader("+$OK#9a+$W00#b7")}), 1, nil}
	if err := f.follow(make([]Path, 1), false); !errors.Is(err, gdb.ErrEnded) {
		t.Errorf("a machine that ends early: error is %v", err)
	}
}

// TestStageText: a stage is read as it is written, and no other word is one.
func TestStageText(t *testing.T) {
	for s := range stages {
		var got Stage
		text, err := s.MarshalText()
		if err == nil {
			err = got.UnmarshalText(text)
		}
		if err != nil || got != s {
			t.Errorf("%v is read as %v, %v", s, got, err)
		}
	}
	var s Stage
	if err := s.UnmarshalText([]byte("assembly")); err == nil {
		t.Errorf("a word that is no stage is %v", s)
	}
}
