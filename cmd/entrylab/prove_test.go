package main

import (
	"regexp"
	"strings"
	"testing"

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
		{"presets", nil, len(stubs.Presets()), []string{`(?m)^linux-3\.19: proved: \d+ claims proved; \d+ paths, \d+ instructions$`, `(?m)^linux-6\.12: proved: `}},
		{"named", []string{"linux-4.1", "sp=frame,irq=frame"}, 2, []string{`^linux-4\.1: proved: .*\nlinux-3\.19\+a: proved: .*\n$`}},
		{"pairs", []string{"-all"}, len(stubs.Pairwise()), []string{`(?m)^linux-3\.19: proved: `, `(?m)^linux-6\.12: proved: `}},
		{"in full", []string{"-v", "linux-3.19"}, 0, []string{
			`(?m)^  entry_SYSCALL_64\.linux-3\.19\+0x[0-9a-f]+ SYSRETQ \(stubs/axis_exit\.go:\d+\): proved: RCX is canonical$`,
			`(?m)^kernel: user_sp\+0x[0-9a-f]+ MOVQ PerCPU\.RSPScratch\(GS\), RAX \(.*\) reads PerCPU\.RSPScratch$`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
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
		{"both", []string{"-all", "bare"}, "want -all or variants, not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, append([]string{"prove"}, tt.args...)...)
			if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("status %d, stdout %q, stderr %q; want %q", status, stdout, stderr, tt.want)
			}
		})
	}
}
