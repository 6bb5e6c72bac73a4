package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/internal/pages"
)

// allLines is set by `make pages`: the lines of pages that take minutes are run, too.
var allLines = flag.Bool("pages", false, "run also the command lines of pages that take minutes")

// generated is the page that help prints; TestDeclarations reads its examples.
const generated = "docs/commands.md"

// mostOfReadme is how many lines a reader takes in a minute.
const mostOfReadme = 100

// pageLine is a command line of a page, behind a prompt in a block that is a console.
type pageLine struct {
	number int    // of the page
	text   string // with the lines that continue it
	shown  []string
	// hand is why no test runs it: the comment behind it begins with "by hand:". long
	// says that it takes minutes, as a comment that begins with "takes" tells.
	hand string
	long bool
	// alone is set if the block shows commands alone, and no output of any.
	alone bool
	// start and end are where the page shows its output.
	start, end int
}

var (
	byHand = regexp.MustCompile(`# by hand: (.+)$`)
	takes  = regexp.MustCompile(`# (?:[^#]*; )?takes .* minutes?\b`)
	// commandLine begins a command line, which is in a console and nowhere else.
	commandLine = regexp.MustCompile(`(?m)^(?:\$ |# )?(?:sudo |source <\(|make |go |git |entrylab |gdb |qemu-system-x86_64 |bochs |dd |kexec |sbatch |apt-get |docker |podman )`)
)

// shownLines returns the lines of a page's consoles; stray are the command lines that stand
// in another block, where no test would see them.
func shownLines(p pages.Page) (lines []pageLine, stray []string) {
	for _, b := range p.Blocks {
		text := p.Text[b.Start:b.End]
		switch b.Info {
		case "console":
		case "go", "asm", "diff", "yaml", "toml", "sh":
			continue
		default:
			for _, m := range commandLine.FindAllStringIndex(text, -1) {
				rest, _, _ := strings.Cut(text[m[0]:], "\n")
				stray = append(stray, fmt.Sprintf("%s:%d: %s", p.Path, p.Line(b.Start+m[0]), rest))
			}
			continue
		}
		first, at, continued := len(lines), b.Start, false
		for row := range strings.Lines(text) {
			row = strings.TrimSuffix(row, "\n")
			prompt, isCommand := strings.CutPrefix(row, "$ ")
			at += len(row) + 1
			switch {
			case isCommand:
				lines = append(lines, pageLine{number: p.Line(at - 1), text: prompt, start: at, end: at})
			case len(lines) == first:
				stray = append(stray, fmt.Sprintf("%s:%d: a console begins with a command: %s", p.Path, p.Line(at-1), row))
				continue
			case continued:
				l := &lines[len(lines)-1]
				l.text, l.start, l.end = l.text+"\n"+row, at, at
			default:
				l := &lines[len(lines)-1]
				l.shown, l.end = append(l.shown, row), at
			}
			l := &lines[len(lines)-1]
			continued = (isCommand || continued) && strings.HasSuffix(row, `\`)
			if m := byHand.FindStringSubmatch(l.text); m != nil {
				l.hand = m[1]
			}
			l.long = takes.MatchString(l.text)
		}
		alone := !slices.ContainsFunc(lines[first:], func(l pageLine) bool { return len(l.shown) > 0 })
		for i := range lines[first:] {
			lines[first+i].alone = alone
		}
	}
	return lines, stray
}

// matches compares an output with the one that the page shows, in which a line ...
// stands for any number of lines, and … for any text in a line.
func matches(shown, printed []string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, l := range shown {
		if l == "..." {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(l, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern.WriteString(strings.Join(parts, ".*") + `\n`)
	}
	text := ""
	for _, l := range printed {
		text += l + "\n"
	}
	return regexp.MustCompile(pattern.String() + `\z`).MatchString(text)
}

// kept returns what was printed, with the lines that the page shows shortened as they are
// there.
func kept(shown, printed []string) []string {
	list := slices.Clone(printed)
	for i, row := range printed {
		j := slices.IndexFunc(shown, func(s string) bool { return s != "..." && matches([]string{s}, []string{row}) })
		if j >= 0 {
			list[i], shown = shown[j], shown[j+1:]
		}
	}
	return list
}

// done is what a line printed, on standard output and error, and how it ended.
type done struct {
	printed []string
	status  int
}

// session runs lines in one shell. Their folder has the module's files, images
// apart, which are made there; go runs in the module itself, so that its cache knows
// the files.
func session(t *testing.T, root string, lines []pageLine) []done {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "images" && name != ".git" {
			if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(lines, func(l pageLine) bool { return strings.Contains(l.text, "entrylab/linux/vmlinuz") }) {
		kernel := need.Linux(t)
		cache := filepath.Join(home, ".cache/entrylab/linux")
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(kernel, filepath.Join(cache, "vmlinuz")); err != nil {
			t.Fatal(err)
		}
	}
	var script strings.Builder
	fmt.Fprintf(&script, "exec 2>&1\ngo() { command go \"$1\" -C %q \"${@:2}\"; }\n", root)
	for _, l := range lines {
		// The status stays for a line that prints it.
		script.WriteString(l.text + "\n" + `ended=$?; printf '\001%d\n' "$ended"; (exit "$ended")` + "\n")
	}
	path := filepath.Join(home, "script")
	if err := os.WriteFile(path, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), need.Tool(t, "bash"), path)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+home, "GOBIN="+filepath.Join(home, "bin"), "ENTRYLAB_SOURCES="+root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A pipe, as some lines open their standard error anew, which would empty a file.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd.Stdout = write
	err = cmd.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		all, err := io.ReadAll(read)
		if err != nil {
			t.Error(err)
		}
		text <- string(all)
	}()
	err = cmd.Wait()
	// What the lines have left in the background ends with them.
	if kill := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); kill != nil && kill != syscall.ESRCH {
		t.Error(kill)
	}
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	rest := <-text
	var all []done
	for _, m := range regexp.MustCompile(`(?s)(.*?)\x01(\d+)\n`).FindAllStringSubmatch(rest, -1) {
		status, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		d := done{status: status}
		for row := range strings.Lines(m[1]) {
			d.printed = append(d.printed, strings.TrimRight(row, " \n"))
		}
		all = append(all, d)
	}
	if len(all) != len(lines) {
		t.Fatalf("%d of %d lines ended:\n%s", len(all), len(lines), rest)
	}
	return all
}

// wrong compares what the lines of a page printed with what it shows. A line that
// does not end with status 0 is followed by one that prints the status.
func wrong(lines []pageLine, all []done) (problems map[int]string) {
	problems = map[int]string{}
	for i, d := range all {
		l := lines[i]
		told := i+1 < len(lines) && lines[i+1].text == printStatus
		switch {
		case d.status != 0 && !told:
			problems[i] = fmt.Sprintf("%s ends with status %d:\n%s", l.text, d.status, strings.Join(d.printed, "\n"))
		case !l.alone && !matches(l.shown, d.printed):
			problems[i] = fmt.Sprintf("%s prints otherwise (-page +printed):\n%s", l.text, cmp.Diff(l.shown, d.printed))
		}
	}
	return problems
}

// TestPages runs every command line of every page, and compares what it prints with
// what the page shows. With -update the page then shows what was printed.
func TestPages(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	need.Tool(t, "gdb")
	need.Tool(t, "z3")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var hand strings.Builder
	for _, p := range pages.All(t, root) {
		if p.Path == generated {
			continue
		}
		if n := strings.Count(p.Text, "\n"); p.Path == "README.md" && n > mostOfReadme {
			t.Errorf("README.md has %d lines, and may have %d", n, mostOfReadme)
		}
		lines, stray := shownLines(p)
		for _, s := range stray {
			t.Errorf("%s: put it in a block that begins with ```console, behind \"$ \"", s)
		}
		for _, l := range lines {
			if l.hand != "" {
				fmt.Fprintf(&hand, "%s: %s\n", p.Path, l.text)
			}
		}
		lines = toRun(lines, *allLines)
		if len(lines) == 0 {
			continue
		}
		t.Run(p.Path, func(t *testing.T) {
			t.Parallel()
			all := session(t, root, lines)
			problems := wrong(lines, all)
			if *golden.Update && len(problems) > 0 {
				text := p.Text
				for i := len(lines) - 1; i >= 0; i-- {
					if l := lines[i]; problems[i] != "" {
						shown := strings.Join(kept(l.shown, all[i].printed), "\n")
						text = text[:l.start] + strings.TrimLeft(shown+"\n", "\n") + text[l.end:]
					}
				}
				if err := os.WriteFile(filepath.Join(root, p.Path), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for i := range lines {
				if problems[i] != "" {
					t.Errorf("%s:%d: %s", p.Path, lines[i].number, problems[i])
				}
			}
		})
	}
	t.Run("by hand", func(t *testing.T) { golden.Same(t, "testdata/byhand.golden", hand.String()) })
}

// toRun returns the lines that are run: with all those too that take minutes. What prints
// the status of one that is not is not run either.
func toRun(lines []pageLine, all bool) (run []pageLine) {
	left := false
	for _, l := range lines {
		left = l.hand != "" || l.long && !all || left && l.text == printStatus
		if !left {
			run = append(run, l)
		}
	}
	return run
}

// printStatus is the line that shows how the one before it ended.
const printStatus = "echo $?"

// TestPagesFinds: what a page shows and a command does not print is found, and so is a
// status that is not told, and a command that no test would run.
func TestPagesFinds(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, block string
		want        string // a problem, or a line that is stray; empty: none
	}{
		{"as shown", "```console\n$ printf 'a\\nb\\n'\na\nb\n```\n", ""},
		{"some lines", "```console\n$ seq 9\n1\n...\n8\n9\n```\n", ""},
		{"part of a line", "```console\n$ echo about 12 s\nabout … s\n```\n", ""},
		{"a line of two", "```console\n$ echo a \\\n    b\na b\n```\n", ""},
		{"a status that is told", "```console\n$ false\n$ echo $?\n1\n```\n", ""},
		{"commands alone", "```console\n$ echo a\n$ echo b\n```\n", ""},
		{"in the background", "```console\n$ sleep 1000 &\n$ echo a\na\n```\n", ""},
		{"the module's files", "```console\n$ head -1 LICENSE\nBSD 3-Clause …\n```\n", ""},
		{"other output", "```console\n$ echo a\nb\n```\n", "prints otherwise"},
		{"more output", "```console\n$ seq 3\n1\n2\n```\n", "prints otherwise"},
		{"no output", "```console\n$ true\na\n```\n", "prints otherwise"},
		{"output that is not shown", "```console\n$ echo a\n$ echo b\nb\n```\n", "prints otherwise"},
		{"dots stand for no text before", "```console\n$ seq 3\n...\n2\n```\n", "prints otherwise"},
		{"standard error opened anew", "```console\n$ echo a; echo b >/dev/stderr; echo c\na\nb\nc\n```\n", ""},
		{"standard error", "```console\n$ echo a; echo b >&2\na\n```\n", "prints otherwise"},
		{"a status", "```console\n$ false\n```\n", "ends with status 1"},
		{"another status", "```console\n$ (exit 3)\n$ echo $?\n1\n```\n", "prints otherwise"},
		{"set in", "\n\tentrylab variants\n", "entrylab variants"},
		{"another block", "```\nmake run\n```\n", "make run"},
		{"no command", "```console\nentrylab\n```\n", "begins with a command"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, got := shownLines(pages.Parse("page.md", tt.block))
			if len(lines) > 0 {
				for _, problem := range wrong(lines, session(t, root, lines)) {
					got = append(got, problem)
				}
			}
			if text := strings.Join(got, "\n"); len(got) > 1 || (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
	if got, want := kept([]string{"at … s", "x", "…b"}, []string{"at 12 s", "y", "ab"}), []string{"at … s", "y", "…b"}; !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
	lines, _ := shownLines(pages.Parse("page.md", "```console\n$ true # takes 2 minutes\n$ echo $?\n1\n$ echo $?\n0\n$ true\n$ echo $?\n0\n```\n"))
	if n, m := len(toRun(lines, false)), len(toRun(lines, true)); n != 2 || m != len(lines) {
		t.Errorf("%d lines run, and %d of all, want 2 and %d", n, m, len(lines))
	}
	lines, _ = shownLines(pages.Parse("page.md", "```console\n$ reboot   # by hand: ends this machine\n$ make test   # all; takes 10 minutes\n```\n"))
	if len(lines) != 2 || lines[0].hand != "ends this machine" || !lines[1].long {
		t.Errorf("the marks are not seen: %+v", lines)
	}
}
