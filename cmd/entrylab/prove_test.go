package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestProve: a line for each variant, in the order asked for; with -v each claim
// with its instruction and line.
func TestProve(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		lines int
		want  []string // regular expressions
	}{
		{"presets", nil, len(stubs.Presets()) + 1, []string{
			`(?m)^linux-3\.19: proved: \d+ claims proved; \d+ paths, \d+ instructions$`, `(?m)^linux-6\.12: proved: `, `\nthe kernel's own entries of interrupts: proved: `,
		}},
		{"named", []string{"linux-4.1", "sp=frame,irq=frame"}, 2, []string{`^linux-4\.1: proved: .*\nlinux-3\.19\+a: proved: .*\n$`}},
		{"pairs", []string{"-all"}, len(stubs.Pairwise()), []string{`(?m)^linux-3\.19: proved: `, `(?m)^linux-6\.12: proved: `}},
		{"asked of a solver", []string{"-smt", "bare"}, 0, []string{
			`(?s)^\(set-logic QF_ABV\)\n.*\(assert .*\n\(check-sat\) ; unsat\n`,
			`(?m)^; bare: proved: .*\n; bare: z3 agrees: \d+ claims on paths in \d+ questions`,
		}},
		{"run", []string{"-confirm", "bare"}, 3, []string{
			`(?m)^  in QEMU: 40 of 40 paths, each with a random model: \d+ instructions, \d+ returns to ring 3; \d+ words and flags compared, 0 paths differ$`,
			`(?m)^  on this CPU in ring 3: 40 of 40 paths`,
		}},
		{"run, as a table", []string{"-confirm", "-format", "json", "bare"}, 0, []string{`"machine": "in QEMU",\s*"outcome": "proved",\s*"paths": 4`}},
		{"in full", []string{"-v", "linux-3.19"}, 0, []string{
			`(?m)^  entry_SYSCALL_64\.linux-3\.19\+0x[0-9a-f]+ SYSRETQ \(stubs/axis_exit\.go:\d+\): proved: RCX is canonical$`,
			`(?m)^kernel: current_user_stack_pointer\+0x[0-9a-f]+ MOVQ PerCPU\.RSPScratch\(GS\), RAX \(.*\) reads PerCPU\.RSPScratch$`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if slices.Contains(tt.args, "-smt") {
				need.Tool(t, "z3")
			}
			status, stdout, stderr := played(t, append([]string{"prove"}, tt.args...)...)
			if status != 0 || stderr != "" {
				t.Fatalf("status %d, stderr %q", status, stderr)
			}
			if n := strings.Count(stdout, "\n"); tt.lines != 0 && n != tt.lines {
				t.Errorf("%d lines, want %d", n, tt.lines)
			}
			for _, want := range tt.want {
				if !regexp.MustCompile(want).MatchString(stdout) {
					t.Errorf("no match of %s in\n%s", want, stdout)
				}
			}
		})
	}
}

func TestProveBadInput(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown", []string{"linux-2.4"}, `variant "linux-2.4": no such preset`},
		{"impossible", []string{"sp=frame"}, "impossible"},
		{"two opinions", []string{"-smt", "-confirm", "bare"}, "want -smt or -confirm, not both"},
		{"both", []string{"-all", "bare"}, "want -all or variants, not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if slices.Contains(tt.args, "-smt") {
				need.Tool(t, "z3")
			}
			status, stdout, stderr := played(t, append([]string{"prove"}, tt.args...)...)
			if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("status %d, stdout %q, stderr %q; want %q", status, stdout, stderr, tt.want)
			}
		})
	}
}

// TestProveWithoutSolver: without a solver there is an error that says which to
// install; with one that dies, one that tells of which variant, and no output that
// looks as if it had agreed.
func TestProveWithoutSolver(t *testing.T) {
	for _, tt := range []struct{ name, solver, want string }{
		{"missing", "", "no SMT solver: install z3 or cvc5"},
		{"dies", "#!/bin/sh\nread line\necho unsat\nexit 3\n", "bare: z3 ended before it had answered (exit status 3)"},
		{"unknown", "#!/bin/sh\necho unknown\nexec cat\n", "bare: z3 does not know the answer of check-sat 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.solver != "" {
				if err := os.WriteFile(filepath.Join(dir, "z3"), []byte(tt.solver), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir)
			if tt.solver != "" {
				t.Setenv("PATH", dir+":/bin:/usr/bin")
			}
			status, stdout, stderr := played(t, "prove", "-smt", "bare")
			if status != exitError || strings.Contains(stdout, "agrees") || !strings.Contains(stderr, tt.want) {
				t.Errorf("status %d, stderr %q; want %q", status, stderr, tt.want)
			}
		})
	}
}
