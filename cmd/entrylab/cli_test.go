package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/golden"
)

// tried makes a command's arguments and flags, as they were read, its output.
type tried struct {
	Args         []string
	Text         string
	Number       int
	Word, Switch bool
	From         []string
}

// parsed reads a command line with a command of the library's that declares its
// flags as ours do. It returns what was read.
func parsed(t *testing.T, flagsEnd *int, args ...string) (got tried, err error) {
	t.Helper()
	e := &env{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}
	c := e.command(&cli.Command{
		Name: "try", Usage: "be tried", StopOnNthArg: flagsEnd, DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "text", Value: "default", Destination: &got.Text},
			&cli.IntFlag{Name: "number", Destination: &got.Number},
			&cli.BoolFlag{Name: "w", Destination: &got.Word},
			&cli.BoolFlag{Name: "switch", Value: true, Destination: &got.Switch},
			&cli.StringSliceFlag{Name: "from", Destination: &got.From},
		},
	}, func(_ context.Context, args []string) (int, error) {
		got.Args = args
		return 0, nil
	})
	root := e.root()
	root.Commands = []*cli.Command{c}
	err = root.Run(t.Context(), append([]string{"entrylab", "try"}, args...))
	return got, err
}

// TestFlagHabits: flags are read as Go's package flag reads them, and behind
// arguments too.
func TestFlagHabits(t *testing.T) {
	one := 1
	for _, tt := range []struct {
		name     string
		flagsEnd *int
		args     []string
		want     tried
		err      string
	}{
		{name: "none", want: tried{Text: "default", Switch: true}},
		{name: "one dash", args: []string{"-text", "x"}, want: tried{Text: "x", Switch: true}},
		{name: "two dashes", args: []string{"--text", "x"}, want: tried{Text: "x", Switch: true}},
		{name: "one dash and =", args: []string{"-text=x=y"}, want: tried{Text: "x=y", Switch: true}},
		{name: "two dashes and =", args: []string{"--text=x"}, want: tried{Text: "x", Switch: true}},
		{name: "empty value", args: []string{"-text", ""}, want: tried{Switch: true}},
		{name: "empty value and =", args: []string{"-text="}, want: tried{Switch: true}},
		{name: "value with a dash", args: []string{"-number", "-1", "-text", "-w"}, want: tried{Text: "-w", Number: -1, Switch: true}},
		{name: "letters are no group", args: []string{"-wt", "x"}, err: "no flag -wt"},
		{name: "switched off", args: []string{"-switch=false"}, want: tried{Text: "default"}},
		{name: "last one holds", args: []string{"-text", "x", "-text", "y"}, want: tried{Text: "y", Switch: true}},
		{name: "repeated", args: []string{"-from", "a,b", "--from=c"}, want: tried{Text: "default", Switch: true, From: []string{"a,b", "c"}}},
		{name: "behind an argument", args: []string{"a", "-w", "b"}, want: tried{Args: []string{"a", "b"}, Text: "default", Word: true, Switch: true}},
		{name: "behind --", args: []string{"-w", "--", "-text", "--", "x"}, want: tried{Args: []string{"-text", "--", "x"}, Text: "default", Word: true, Switch: true}},
		{name: "of init", flagsEnd: &one, args: []string{"-w", "sh", "-c", "x"}, want: tried{Args: []string{"sh", "-c", "x"}, Text: "default", Word: true, Switch: true}},
		{name: "of init behind --", flagsEnd: &one, args: []string{"--", "-text", "-h"}, want: tried{Args: []string{"-text", "-h"}, Text: "default", Switch: true}},
		{name: "value is missing", args: []string{"-text"}, err: "flag needs an argument: -text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parsed(t, tt.flagsEnd, tt.args...)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestDeclarations: each command has a summary of one line, a page no wider than
// a terminal, and examples that can be read.
func TestDeclarations(t *testing.T) {
	for _, c := range (&env{}).root().VisibleCommands() {
		t.Run(c.Name, func(t *testing.T) {
			if problems := undeclared(c); len(problems) > 0 {
				t.Errorf("%s", strings.Join(problems, "\n"))
			}
		})
	}
	t.Run("a bad one is found", func(t *testing.T) {
		bad := &cli.Command{
			Name: "bad", Usage: "two\nlines",
			Description: strings.Repeat("x", 81) + "\n\nExamples:\n\n    entrylab list -x\n    entrylab nothing",
			Flags:       []cli.Flag{&cli.BoolFlag{Name: "silent"}},
		}
		want := []string{"summary", "81 columns", "no flag -x", `no command "nothing"`, "-silent says nothing"}
		got := undeclared(bad)
		if len(got) != len(want) {
			t.Fatalf("%q, want %q", got, want)
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%q, want %q", got[i], want[i])
			}
		}
		if got := undeclared(&cli.Command{Name: "bare", Usage: "x"}); len(got) != 1 || !strings.Contains(got[0], "no example") {
			t.Errorf("without examples: %q", got)
		}
	})
}

// undeclared returns what a declaration lacks.
func undeclared(c *cli.Command) (problems []string) {
	if c.Usage == "" || strings.ContainsAny(c.Usage, "\n") || strings.HasSuffix(c.Usage, ".") {
		problems = append(problems, "the summary is no line without a full stop")
	}
	for line := range strings.Lines("usage: entrylab " + c.Name + " [FLAGS] " + c.ArgsUsage + "\n" + c.Description) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			problems = append(problems, "a line of 81 columns or more: "+line)
		}
	}
	examples := regexp.MustCompile(`(?m)^    (?:source <\()?entrylab ([^|>#)\n]*)`).FindAllStringSubmatch(c.Description, -1)
	for _, example := range examples {
		if err := readable(strings.Fields(example[1])); err != nil {
			problems = append(problems, "the example "+example[0]+": "+err.Error())
		}
	}
	if len(examples) == 0 {
		problems = append(problems, "no example")
	}
	for _, f := range c.Flags {
		if doc := f.(cli.DocGenerationFlag); doc.GetUsage() == "" {
			problems = append(problems, "-"+f.Names()[0]+" says nothing")
		}
	}
	return problems
}

// readable reads a command line of which nothing is carried out.
func readable(args []string) error {
	e := &env{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}
	root := e.root()
	for _, c := range root.Commands {
		for _, c := range append(c.Commands, c) {
			c.Action = func(context.Context, *cli.Command) error { return nil }
		}
	}
	return root.Run(context.Background(), append([]string{"entrylab"}, args...))
}

// TestCommandsDoc: docs/commands.md is what help prints.
func TestCommandsDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("# entrylab's commands\n\nMade by `go test ./cmd/entrylab -run TestCommandsDoc -update` from what `entrylab help` prints.\n")
	page := func(args ...string) {
		status, stdout, stderr := played(t, args...)
		if status != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
		b.WriteString("\n## " + strings.Join(append([]string{"entrylab"}, args[1:]...), " ") + "\n\n```\n" + stdout + "```\n")
	}
	page("help")
	for _, c := range (&env{}).root().VisibleCommands() {
		page("help", c.Name)
		for _, sub := range c.Commands {
			page("help", c.Name, sub.Name)
		}
	}
	golden.Same(t, "../../docs/commands.md", b.String())
}
