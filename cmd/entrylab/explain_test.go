package main

import (
	"strings"
	"testing"
)

// TestDiffCommand: two variants side by side; what is the same is one line.
func TestDiffCommand(t *testing.T) {
	status, stdout, stderr := played(t, "diff", "linux-3.19", "linux-3.19+c")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	for _, want := range []string{
		"\n__switch_to_asm: the same, 26 instructions, 90 bytes\n",
		"\nentry_SYSCALL_64: -3 +3 instructions\n", // filled at entry, not before a signal
		">      MOVQ RCX, PtRegs.CX(RSP)  // cx = user.RIP\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, stdout)
		}
	}
}
