package prove

import (
	"testing"

	"github.com/entrylab/entrylab/stubs"
)

// TestPhaseCounts holds 6.12 with its C to what Debian's 6.12.107 executes for getppid
// on a CPU that needs no mitigation, function by function: within 5 % or 3
// instructions. x64_sys_call is gen/kernel's, and its TestTree counts it.
func TestPhaseCounts(t *testing.T) {
	n, err := stubs.ParseVariant("linux-6.12")
	if err != nil {
		t.Fatal(err)
	}
	w, err := WalkVariant(n)
	if err != nil {
		t.Fatal(err)
	}
	executed := map[string]int{}
	for _, part := range []struct {
		name  string
		steps []Step
	}{{"entry", w.Entry}, {"exit", w.Exit}} {
		for _, s := range part.steps {
			function, _, _ := stubs.CutFuncName(s.Func)
			if function == stubs.Entry {
				function += ", " + part.name
			}
			executed[function]++
		}
	}
	for _, c := range []struct {
		phase  string
		debian int
	}{
		{"entry_SYSCALL_64, entry", 47}, // without SYSCALL
		{"do_syscall_64", 60},
		{"syscall_exit_to_user_mode", 24},
		{"syscall_exit_to_user_mode_prepare", 14},
		{"arch_exit_to_user_mode_prepare", 20},
		{"fpregs_assert_state_consistent", 15},
		{"entry_SYSCALL_64, exit", 28},
	} {
		if !near(executed[c.phase], c.debian) {
			t.Errorf("%s: %d instructions, Debian's 6.12.107 executes %d", c.phase, executed[c.phase], c.debian)
		}
		delete(executed, c.phase)
	}
	if len(executed) > 0 {
		t.Errorf("executed beside that: %v", executed)
	}
}

// near reports whether a count is within 5 % or 3 instructions of another.
func near(n, want int) bool {
	off := max(n-want, want-n)
	return off <= 3 || 20*off <= want
}

func TestNear(t *testing.T) {
	for _, c := range []struct {
		name    string
		n, want int
		is      bool
	}{
		{"the same", 20, 20, true},
		{"three off", 17, 20, true},
		{"four off", 24, 20, false},
		{"5 %", 105, 100, true},
		{"6 %", 94, 100, false},
	} {
		if near(c.n, c.want) != c.is {
			t.Errorf("%s: near(%d, %d) is not %v", c.name, c.n, c.want, c.is)
		}
	}
}
