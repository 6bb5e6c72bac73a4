package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/certified"
	"github.com/entrylab/entrylab/stubs"
)

// TestVariantsCommand: a block for each preset, in order, with its history,
// axes and source; then the axes.
func TestVariantsCommand(t *testing.T) {
	status, stdout, stderr := played(t, "variants")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	var want, got []string
	row := func(texts ...string) {
		want = append(want, strings.Join(strings.Fields(strings.Join(texts, " ")), " "))
	}
	for _, p := range stubs.Presets() {
		row(p.Name)
		row("release", p.Release)
		if p.Adds != "" {
			row("adds", p.Adds)
		}
		row("axes", p.Axes.String())
		switch p.Name {
		case "linux-6.12+pti+pcid":
			row("needs", "PCID")
		case "linux-6.12-skylake", "linux-7.0-skylake":
			row("needs", "PCID, IBRS")
		case "linux-6.12-zen5", "linux-6.12-alderlake", "linux-7.0-alderlake":
			if f := p.Features(); f != 0 {
				row("needs", f.String())
			}
		case "linux-6.18+fred":
			row("needs", "FRED")
		}
		row("source", p.Source)
		if p.Follows != "" {
			row("follows", p.Follows)
			row("config", p.Config)
		}
		for _, c := range certified.Of(p.Name) {
			row("executed", c.String())
		}
		for _, left := range p.Left {
			row("not here", left)
		}
		row()
	}
	row("The axes, the value of Linux 3.19 first:")
	for _, a := range stubs.AllAxes() {
		row(a.Name + ": " + a.Doc)
		for _, c := range a.Values {
			row(c.Name(), c.Text())
		}
	}
	for line := range strings.Lines(stdout) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variants prints (-want +got):\n%s", diff)
	}
}

// TestList: a listing has its functions, and for each instruction the offset,
// the bytes, and what the proof knows: the slot that it fills, the registers.
func TestList(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []string // regular expressions
	}{
		{"linux-3.19", []string{
			`(?m)^entry_SYSCALL_64\.linux-3\.19:\n +0 +0f01f8 +SWAPGS`, `(?m)^ +[0-9a-f]+ +480f07 +SYSRETQ`,
			`^// linux-3\.19: .*\n// linux-3\.19: proved: `, `MOVQ +PerCPU\.RSPScratch\(GS\), RSP +// RSP = user\.RSP or 5 others\n`,
			`MOVQ +RCX, PtRegs\.IP\(RSP\)`, `(?m)^__switch_to.*\.linux-3\.19:$`, `(?m)^stub_rt_sigreturn\.linux-3\.19:$`,
			`(?m)^// follows: torvalds/linux b645af2d5905 `, `(?m)^// config: without CONFIG_X86_X32_ABI, `, `(?m)^// not here: in the context switch, the load of thread_info's address: `,
		}},
		{"linux-4.1", []string{`(?m)^ +[0-9a-f]+ +51 +PUSHQ +RCX +// ip = user\.RIP$`, `(?m)^ +[0-9a-f]+ +6a2b +PUSHQ +\$0x2b +// ss = 0x2b$`}},
		{"sp=frame,irq=frame", []string{`^// linux-3\.19\+a: sp=frame,`, `(?m)^entry_SYSCALL_64\.linux-3\.19\+a:$`}},
		{"bare", []string{`^// bare: bare\n`, `(?m)^entry_SYSCALL_64\.bare:$`, `SYSRETQ`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, "list", tt.name)
			if status != 0 || stderr != "" {
				t.Fatalf("status %d, stderr %q", status, stderr)
			}
			for _, want := range tt.want {
				if !regexp.MustCompile(want).MatchString(stdout) {
					t.Errorf("the listing has no %s", want)
				}
			}
			if t.Failed() {
				t.Log(stdout)
			}
		})
	}
}

func TestParseVariants(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{name: "all", text: "all", want: namesOf(presets())},
		{name: "one", text: "linux-4.1", want: []string{"linux-4.1"}},
		{name: "names", text: "linux-4.1,bare,linux-3.19+a+b", want: []string{"linux-4.1", "bare", "linux-3.19+a+b"}},
		{name: "axes", text: "sp=frame,irq=frame", want: []string{"linux-3.19+a"}},
		{name: "axes between names", text: "bare,sp=frame,irq=frame,linux-3.19", want: []string{"bare", "linux-3.19+a", "linux-3.19"}},
		{name: "no preset", text: "top=eager,irq=off", want: []string{stubs.Of(stubs.TopEager, stubs.IRQOff).String()}},
		{name: "twice", text: "linux-3.19+a,sp=frame,irq=frame", err: "variant linux-3.19+a is named twice"},
		{name: "empty", text: "", err: `variant ""`},
		{name: "comma at the end", text: "bare,", err: `variant ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := parseVariants(t.Context(), tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, namesOf(list)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHelp: help goes with success, no command at all does not.
func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		want   string // on stdout if it was asked for, else on stderr
	}{
		{"no command", nil, exitError, "usage: entrylab COMMAND"},
		{"help", []string{"help"}, 0, "usage: entrylab COMMAND"},
		{"-h", []string{"-h"}, 0, "usage: entrylab COMMAND"},
		{"without arguments", []string{"clean", "-h"}, 0, "usage: entrylab clean [FLAGS]\n"},
		{"-help", []string{"--help"}, 0, "usage: entrylab COMMAND"},
		{"of a command", []string{"boot", "-h"}, 0, "usage: entrylab boot [FLAGS]"},
		{"of a command in the middle", []string{"boot", "-engine", "tcg", "-help"}, 0, "usage: entrylab boot [FLAGS]"},
		{"of a command behind an argument", []string{"list", "linux-3.19", "-h"}, 0, "usage: entrylab list [FLAGS] VARIANT"},
		{"of a command by help", []string{"help", "boot"}, 0, "usage: entrylab boot [FLAGS]"},
		{"of a command by -h", []string{"-h", "boot"}, 0, "usage: entrylab boot [FLAGS]"},
		{"of help", []string{"help", "-h"}, 0, "usage: entrylab help [COMMAND]"},
		{"of completion", []string{"help", "completion"}, 0, "usage: entrylab completion bash|zsh|fish\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, tt.args...)
			asked, other := stdout, stderr
			if tt.status != 0 {
				asked, other = stderr, stdout
			}
			if status != tt.status || other != "" || !strings.HasPrefix(asked, tt.want) {
				t.Errorf("status %d, stdout %q, stderr %q; want status %d and %q", status, stdout, stderr, tt.status, tt.want)
			}
		})
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestFullOutput: what cannot be written is no success.
func TestFullOutput(t *testing.T) {
	need.QEMU(t)
	hello := filepath.Join(programDir, "hello")
	for _, args := range [][]string{
		{"variants"},
		{"list", "linux-4.1"},
		{"build", "-o", filepath.Join(t.TempDir(), "x.elf"), "-init", hello},
		{"boot", "-engine", "tcg", "-init", hello},
	} {
		t.Run(args[0], func(t *testing.T) {
			var stderr bytes.Buffer
			status := run(t.Context(), &env{stdout: full{}, stderr: &stderr}, args)
			want := exitError
			if args[0] == "boot" {
				want = exitNothing
			}
			if status != want || !strings.Contains(stderr.String(), "no space left on device") {
				t.Errorf("status %d, stderr %q", status, stderr.String())
			}
		})
	}
}

// TestSeries: an image starts several times without being asked to only if the guest
// samples, and its medium can count that.
func TestSeries(t *testing.T) {
	for _, tt := range []struct {
		o    buildOptions
		want int
	}{
		{buildOptions{format: "disk", words: "-- sample"}, sampledBoots},
		{buildOptions{format: "efi", words: "variant=linux-4.1 -- verify sample -samples=9"}, sampledBoots},
		{buildOptions{format: "iso", words: "-- sample", boots: 3}, 3},
		{buildOptions{format: "disk", words: "-- verify"}, 1},
		{buildOptions{format: "disk", words: "sample"}, 1},
		{buildOptions{format: "disk", words: "-- sample", init: "prog"}, 1},
		{buildOptions{format: "bios", words: "-- sample"}, sampledBoots},
		{buildOptions{format: "elf", words: "-- sample"}, 1},
	} {
		if got := tt.o.series(); got != tt.want {
			t.Errorf("%+v: %d boots, want %d", tt.o, got, tt.want)
		}
	}
}
