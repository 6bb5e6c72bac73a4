package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/entrylab/entrylab/internal/need"
)

// TestProgress: the running step is shown on a terminal, and taken away again;
// elsewhere nothing is shown.
func TestProgress(t *testing.T) {
	need.QEMU(t)
	boot := func(more ...string) *exec.Cmd {
		args := append([]string{"boot", "-engine", "tcg", "-init", filepath.Join(programDir, "hello")}, more...)
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1")
		return cmd
	}
	const log = "entrylab: init exited with status 0\n"
	t.Run("pipe", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		cmd := boot()
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stdout.String() != "hello\n" || stderr.String() != log {
			t.Errorf("error %v, stdout %q, stderr %q", err, stdout.String(), stderr.String())
		}
	})
	const clear = "\r\x1b[K"
	step := func(most int) string { return regexp.QuoteMeta(clear) + fmt.Sprintf(`[^\r\n\x1b]{0,%d}`, most) }
	steps := func(most int) string {
		return `^(` + step(most) + `)+` + regexp.QuoteMeta(clear+strings.TrimSuffix(log, "\n")) + `\r\n$`
	}
	none := `^` + regexp.QuoteMeta(strings.TrimSuffix(log, "\n")) + `\r\n$`
	for _, tt := range []struct {
		name, term string
		args       []string
		width      uint16
		want       string
	}{
		{"terminal", "vt100", nil, 80, steps(79)},
		{"narrow terminal", "vt100", nil, 12, steps(11)},
		{"terminal of one column", "vt100", nil, 1, steps(0)},
		{"wide terminal", "vt100", nil, 300, steps(299)},
		{"terminal that does not tell its width", "vt100", nil, 0, steps(79)},
		{"dumb terminal", "dumb", nil, 80, none},
		{"unknown terminal", "", nil, 80, none},
		{"quiet", "vt100", []string{"-q"}, 80, none},
	} {
		t.Run(tt.name, func(t *testing.T) { onTerminal(t, boot(tt.args...), tt.term, tt.width, tt.want) })
	}
}

// onTerminal runs the command, which boots hello, on a terminal of that kind and
// width; what that shows must match want.
func onTerminal(t *testing.T, cmd *exec.Cmd, term string, width uint16, want string) {
	t.Helper()
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	shown, err := screenOf(t, cmd, term, width)
	if err != nil || stdout.String() != "hello\n" {
		t.Errorf("error %v, stdout %q", err, stdout.String())
	}
	if !regexp.MustCompile(want).MatchString(shown) {
		t.Errorf("the terminal shows %q, want %s", shown, want)
	}
}

// screenOf runs the command on a terminal, which takes what it prints and nothing else
// takes, and returns what is shown and how the command ended.
func screenOf(t *testing.T, cmd *exec.Cmd, term string, width uint16) (shown string, ended error) {
	t.Helper()
	screen, terminal, err := pty.Open()
	if err != nil {
		t.Fatalf("no terminal to be had: %v", err)
	}
	defer screen.Close()
	if err := pty.Setsize(screen, &pty.Winsize{Rows: 24, Cols: width}); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "TERM="+term)
	cmd.Stderr = terminal
	if cmd.Stdout == nil {
		cmd.Stdout = terminal
	}
	var all bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = all.ReadFrom(screen) // ends with EIO
	}()
	ended = cmd.Run()
	terminal.Close()
	_ = screen.SetReadDeadline(time.Now().Add(time.Minute)) // if somebody still holds it
	<-read
	return all.String(), ended
}

// TestFitted: a step takes no more columns than there are, whatever letters it has.
func TestFitted(t *testing.T) {
	for _, tt := range []struct {
		text string
		most int
		want string
	}{
		{"booting", 7, "booting"},
		{"booting", 6, "boo..."},
		{"booting", 3, "..."},
		{"booting", 2, ".."},
		{"booting", 0, ""},
		{"booting", -1, ""},
		{"ääää", 4, "ääää"},
		{"試験試験", 8, "試験試験"},
		{"試験試験", 7, "試験..."},
		{"試験試験", 6, "試..."},
		{"a\x1b[2J\nb", 80, "a?[2J?b"},
		{"", 5, ""},
	} {
		if got := fitted(tt.text, tt.most); got != tt.want {
			t.Errorf("%q in %d columns: %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}

// TestNoColor: nothing that goes to a terminal has a colour, whatever NO_COLOR says.
func TestNoColor(t *testing.T) {
	for _, args := range [][]string{{"doctor"}, {"help"}, {"variants"}, {"list", "linux-3.19"}, {"nothing"}} {
		for _, variable := range []string{"NO_COLOR=", "NO_COLOR=1"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
			cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", variable)
			shown, _ := screenOf(t, cmd, "xterm-256color", 80) // the last command fails
			if colour := regexp.MustCompile(`\x1b\[[0-9;]*m`).FindString(shown); colour != "" || shown == "" {
				t.Errorf("%q, %s: shows the colour %q in %.300q", args, variable, colour, shown)
			}
		}
	}
}
