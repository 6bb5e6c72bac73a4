package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// tabs are lines, and what a shell makes of each when its user types a tab; a
// line that is completed as a whole gets a space.
var tabs = []struct{ name, line, want string }{
	{"command", "entrylab pro", "entrylab prove "},
	{"several commands", "entrylab comp", "entrylab comp"},
	{"no command", "entrylab zzz", "entrylab zzz"},
	{"command of a command", "entrylab results ex", "entrylab results export "},
	{"command to explain", "entrylab help doc", "entrylab help doctor "},
	{"flag with one dash", "entrylab compare -fo", "entrylab compare -format "},
	{"flag with two", "entrylab compare --fo", "entrylab compare --format "},
	{"flag behind others", "entrylab prove -v -a", "entrylab prove -v -all "},
	{"no flag", "entrylab prove -zz", "entrylab prove -zz"},
	{"engine", "entrylab compare -engine ic", "entrylab compare -engine icount "},
	{"engine behind =", "entrylab compare -engine=ic", "entrylab compare -engine=icount "},
	{"engines", "entrylab study -engines static,repl", "entrylab study -engines static,replay "},
	{"machine", "entrylab verify -machine mi", "entrylab verify -machine microvm "},
	{"format", "entrylab nightly -format mark", "entrylab nightly -format markdown "},
	{"kind of image", "entrylab build -format di", "entrylab build -format disk "},
	{"variant", "entrylab compare linux-4.1 heuk", "entrylab compare linux-4.1 heukelum-v2 "},
	{"axis", "entrylab list linux-6.12+exi", "entrylab list linux-6.12+exit"},
	{"value", "entrylab list linux-6.12+exit=ir", "entrylab list linux-6.12+exit=iret "},
	{"value behind others", "entrylab list linux-6.12+buffers=verw+branch=retp", "entrylab list linux-6.12+buffers=verw+branch=retpoline "},
	{"value of axes alone", "entrylab list sp=frame,exit=opp", "entrylab list sp=frame,exit=opportunistic "},
	{"variant of a list", "entrylab verify -variants linux-3.19,free", "entrylab verify -variants linux-3.19,freebsd "},
	{"variant to boot", "entrylab boot -variant heuk", "entrylab boot -variant heukelum-v2 "},
	{"argument of init", "entrylab boot -- -m", "entrylab boot -- -m"},
	{"argument of init behind a word", "entrylab boot x -m", "entrylab boot x -m"},
	{"shell", "entrylab completion zs", "entrylab completion zsh "},
	{"file", "entrylab build -init ./prog", "entrylab build -init ./program "},
}

// playedProgram returns a folder with a program entrylab, which is this test.
func playedProgram(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "entrylab"), []byte("#!/bin/sh\nPLAY_ENTRYLAB=1 exec "+os.Args[0]+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCompletionLine: a tab in bash and in zsh, each on a terminal with the script that
// the command prints, makes of a line what it should.
func TestCompletionLine(t *testing.T) {
	program := playedProgram(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "program"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	result := filepath.Join(home, "line")
	// Control-O writes the line down, so that nobody waits for a prompt.
	rc := func(name, text string) {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rc("bashrc", `
source <(entrylab completion bash)
bind 'set bell-style none'
down() { printf '%s\n' "$READLINE_LINE" >>"$RESULT"; READLINE_LINE= READLINE_POINT=0; }
bind -x '"\C-o": down'
`)
	rc(".zshrc", `
autoload -Uz compinit && compinit -u -D
source <(entrylab completion zsh)
unsetopt beep list_beep
setopt no_always_last_prompt
down() { print -r -- "$BUFFER" >>"$RESULT"; BUFFER= }
zle -N down
bindkey '^O' down
`)
	for _, shell := range [][]string{
		{need.Tool(t, "bash"), "--noprofile", "--rcfile", filepath.Join(home, "bashrc"), "-i"},
		{need.Tool(t, "zsh"), "-d", "-i"},
	} {
		t.Run(filepath.Base(shell[0]), func(t *testing.T) {
			os.Remove(result)
			cmd := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
			cmd.Dir = folder
			cmd.Env = append(os.Environ(), "PATH="+program+":"+os.Getenv("PATH"), "HOME="+home, "ZDOTDIR="+home, "RESULT="+result, "TERM=vt100", "INPUTRC=/dev/null")
			screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
			if err != nil {
				t.Fatal(err)
			}
			defer screen.Close()
			go func() {
				for _, c := range tabs {
					fmt.Fprintf(screen, "%s\t\x0f", c.line)
				}
				fmt.Fprint(screen, "exit\r")
			}()
			var shown strings.Builder
			buffer := make([]byte, 4096)
			for { // ends with EIO, when the shell is gone
				n, err := screen.Read(buffer)
				shown.Write(buffer[:n])
				if err != nil {
					break
				}
			}
			_ = cmd.Wait() // a shell's status is that of its last command
			text, err := os.ReadFile(result)
			if err != nil {
				t.Fatalf("%v; the terminal shows %q", err, shown.String())
			}
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			if len(lines) != len(tabs) {
				t.Fatalf("%d lines, want %d; the terminal shows %q", len(lines), len(tabs), shown.String())
			}
			for i, c := range tabs {
				if lines[i] != c.want {
					t.Errorf("%s: %q becomes %q, want %q", c.name, c.line, lines[i], c.want)
				}
			}
		})
	}
}

// TestCompletionFish asks fish itself what each line may become.
func TestCompletionFish(t *testing.T) {
	fish := need.Tool(t, "fish")
	program, folder := playedProgram(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "program"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	script := "entrylab completion fish | source\n"
	for _, c := range tabs {
		script += fmt.Sprintf("echo \"== $(complete -C %q | cut -f 1 | string join '|')\"\n", c.line)
	}
	cmd := exec.CommandContext(t.Context(), fish, "--no-config", "-c", script)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+program+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(tabs) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(tabs), out)
	}
	for i, c := range tabs {
		found := strings.Split(strings.TrimPrefix(lines[i], "== "), "|")
		before := c.line[:strings.LastIndex(c.line, " ")+1]
		switch whole := strings.HasSuffix(c.want, " "); {
		case whole && (len(found) != 1 || before+found[0]+" " != c.want):
			t.Errorf("%s: %q may become %q, want %q", c.name, c.line, found, c.want)
		case !whole && c.want != c.line && len(found) < 2:
			t.Errorf("%s: %q may become %q, want several", c.name, c.line, found)
		}
	}
}

// TestCandidates: what a tab lists, with what each means.
func TestCandidates(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  []string // among them
		not   []string
	}{
		{[]string{""}, []string{"compare", "doctor", "completion"}, []string{"complete"}},
		{[]string{"compare", ""}, []string{"linux-6.12", "bare", "exit=iret"}, []string{"compare"}},
		{[]string{"compare", "-engine", ""}, []string{"icount", "auto", "static", "host"}, []string{"tcg"}},
		{[]string{"verify", "-engine", ""}, []string{"tcg", "host"}, []string{"static"}},
		{[]string{"verify", "-variants", ""}, []string{"all", "linux-6.12"}, nil},
		{[]string{"variants", "-format", ""}, []string{"text", "json", "html"}, []string{"csv"}},
		{[]string{"list", "-"}, []string{"-q"}, nil},
		{[]string{"results", "x", ""}, nil, []string{"list"}},
		{[]string{"build", "-o", ""}, nil, []string{"linux-6.12"}},
	} {
		status, stdout, stderr := played(t, append([]string{"complete", "--"}, tt.words...)...)
		if status != 0 || stderr != "" {
			t.Fatalf("%q: status %d, %s", tt.words, status, stderr)
		}
		got := map[string]string{}
		for line := range strings.Lines(stdout) {
			text, about, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !ok {
				t.Errorf("%q: %q has no tab", tt.words, line)
			}
			got[text] = about
		}
		for _, want := range tt.want {
			if _, ok := got[want]; !ok {
				t.Errorf("%q: no %s among %q", tt.words, want, stdout)
			}
		}
		for _, not := range tt.not {
			if _, ok := got[not]; ok {
				t.Errorf("%q: %s is offered", tt.words, not)
			}
		}
	}
	// Every preset, and every value of every axis.
	var all []string
	for _, c := range variants("linux-6.12+") {
		all = append(all, c.text)
	}
	for _, p := range stubs.Presets() {
		if !slices.Contains(all, p.Name) {
			t.Errorf("preset %s is not offered", p.Name)
		}
	}
	for _, a := range stubs.AllAxes() {
		for _, c := range a.Values {
			if !slices.Contains(all, "linux-6.12+"+string(c.Value)) {
				t.Errorf("value %s is not offered", c.Value)
			}
		}
	}
}

// counted makes the played command say, as the last line of its errors, how many bytes it
// has allocated from its start.
const counted = "COUNT_ALLOCATED"

// countAllocated does main's work for a command that is counted.
func countAllocated() {
	status := run(context.Background(), &env{stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintln(os.Stderr, m.TotalAlloc)
	os.Exit(status)
}

// TestQuick: what people wait for at a prompt does little, from the start of the process:
// the packages' variables included, and among them those that the tests alone have.
// Allocated bytes tell that, however slow the host is (make bench has the times): to build
// and prove one kernel takes more than ten times as many.
func TestQuick(t *testing.T) {
	allocated := func(args ...string) int {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", counted+"=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, said.String())
		}
		n, err := strconv.Atoi(strings.TrimSpace(said.String()))
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		t.Logf("%q: %d KiB", args, n>>10)
		return n
	}
	const most = 8 << 20
	for _, args := range [][]string{
		{"version"},
		{"complete", "--", "list", "linux-6.12+"},
		{"completion", "bash"},
	} {
		if n := allocated(args...); n > most {
			t.Errorf("%q allocates %d bytes, want at most %d", args, n, most)
		}
	}
	if n := allocated("list", "linux-6.12"); n <= most {
		t.Errorf("building and proving a kernel allocates %d bytes: this counts nothing", n)
	}
}
