package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/internal/near"
)

// commands are the declarations of all commands: each gives the name, the summary
// in one line, what the command does with examples, and the flags. Parsing,
// help, completion and docs/commands.md are made from them.
var commands = []func(*env) *cli.Command{
	(*env).variantsCommand, (*env).listCommand, (*env).diffCommand, (*env).traceCommand, (*env).layoutCommand, (*env).proveCommand, (*env).auditCommand,
	(*env).buildCommand, (*env).bootCommand, (*env).verifyCommand,
	(*env).compareCommand, (*env).sweepCommand, (*env).benchMailCommand, (*env).studyCommand, (*env).reportCommand, (*env).baselineCommand,
	(*env).nightlyCommand, (*env).workCommand, (*env).resultsCommand, (*env).acceptCommand, (*env).bisectCommand,
	(*env).doctorCommand, (*env).cleanCommand, (*env).versionCommand, (*env).helpCommand, (*env).completionCommand, (*env).completeCommand, (*env).manCommand,
}

// root returns the whole command line.
func (e *env) root() *cli.Command {
	root := e.declared(&cli.Command{
		Name:      "entrylab",
		Usage:     "what does a system call's entry path cost, and is it right?",
		ArgsUsage: "COMMAND [ARGUMENTS]",
		Description: `entrylab generates tiny x86-64 kernels with a choice of SYSCALL entry paths,
boots them, proves that what the entry must keep is kept, and measures what
each path costs.

A variant is a preset (linux-4.1), a preset with axes changed
(linux-4.1+exit=iret), its axes alone (sp=frame,irq=frame), or a file for the
GNU assembler (./mine.S).

Flags take one dash or two; a flag's value follows a space or '='.

SIGINT and SIGTERM end every command at once, together with everything that it
has started; a second signal kills it.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: quietFlag, Usage: "print neither progress nor remarks on standard error, only errors; every command has this flag", Destination: &e.quiet},
		},
		HideHelpCommand: true, // one for each command would take the argument "help"
		Writer:          e.stdout,
		ErrWriter:       e.stderr,
		ExitErrHandler:  func(context.Context, *cli.Command, error) {}, // ends no process: main does
	})
	for _, declare := range commands {
		root.Commands = append(root.Commands, declare(e))
	}
	root.Action = func(_ context.Context, cmd *cli.Command) error {
		if cmd.NArg() > 0 {
			return unknownCommand(root, cmd.Args().First())
		}
		e.status = exitError
		printHelp(e.stderr, "", root)
		return nil
	}
	root.CommandNotFound = func(_ context.Context, _ *cli.Command, name string) { // -h NAME
		e.notFound = unknownCommand(root, name)
	}
	return root
}

// command completes the declaration of a command that run carries out: run gets
// its arguments and returns the exit status.
func (e *env) command(c *cli.Command, run func(ctx context.Context, args []string) (int, error)) *cli.Command {
	c.Action = func(ctx context.Context, cmd *cli.Command) (err error) {
		e.name = strings.TrimPrefix(cmd.FullName(), "entrylab ")
		if err := cache.Sweep(); err != nil {
			fmt.Fprintf(e.stderr, "entrylab: %v\n", err)
		}
		e.status, err = run(ctx, cmd.Args().Slice())
		return err
	}
	return e.declared(c)
}

// declared makes a wrong flag of a command an error that names the near miss.
func (e *env) declared(c *cli.Command) *cli.Command {
	c.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, sub bool) error {
		if sub {
			e.name = strings.TrimPrefix(cmd.FullName(), "entrylab ")
		}
		hint := ""
		if flag, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown {
			err = fmt.Errorf("no flag -%s", flag)
			var names []string
			for _, f := range cmd.VisibleFlags() {
				names = append(names, f.Names()...)
			}
			if meant := near.Of(flag, names); meant != "" {
				hint = fmt.Sprintf("did you mean -%s? ", meant)
			}
		}
		return fmt.Errorf("%w; %s`%s -h` lists the flags", err, hint, cmd.FullName())
	}
	c.CommandNotFound = func(_ context.Context, cmd *cli.Command, _ string) { // behind an argument stands -h
		printHelp(e.stdout, "", cmd)
	}
	return c
}

// unknownCommand returns the error of a command that is not there.
func unknownCommand(parent *cli.Command, name string) error {
	var names []string
	for _, c := range parent.VisibleCommands() {
		names = append(names, c.Name)
	}
	return fmt.Errorf("no command %q; %s`entrylab help` lists them", name, near.Hint(name, names))
}

// quietFlag is the flag that every command has.
const quietFlag = "q"

// noArgument refuses arguments.
func noArgument(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("takes no argument but flags, got %q", args[0])
	}
	return nil
}

// formatFlag chooses one of the formats that a command has, the first by default.
func formatFlag(format *string, formats ...string) cli.Flag {
	return &chosen{&cli.StringFlag{
		Name: "format", Usage: "print in the format `F`: " + orList(formats), Value: formats[0], Destination: format,
		Validator: oneOf(formats...),
	}, among(formats...)}
}

// oneOf accepts some words only.
func oneOf(words ...string) func(string) error {
	return func(word string) error {
		if !slices.Contains(words, word) {
			return errors.New(near.Hint(word, words) + "want " + orList(words))
		}
		return nil
	}
}

// orList joins words as a sentence does.
func orList(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (e *env) helpCommand() *cli.Command {
	return e.declared(&cli.Command{
		Name:      "help",
		Usage:     "list the commands, or explain one of them",
		ArgsUsage: "[COMMAND]",
		Description: `Examples:

    entrylab help
    entrylab help compare`,
		Action: func(_ context.Context, cmd *cli.Command) error {
			about := cmd.Root()
			for _, name := range cmd.Args().Slice() {
				parent := about
				if about = parent.Command(name); about == nil {
					return unknownCommand(parent, name)
				}
			}
			printHelp(e.stdout, "", about)
			return nil
		},
	})
}

func init() {
	cli.HelpPrinter = printHelp
}

// printHelp prints the page of a command. The library calls it for -h.
func printHelp(w io.Writer, _ string, data any) {
	c := data.(*cli.Command)
	fmt.Fprintf(w, "usage: %s\n\n", strings.TrimSpace(c.FullName()+" "+synopsis(c)))
	for _, line := range folded(sentence(c.Usage), helpWidth) {
		fmt.Fprintln(w, line)
	}
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", c.Description)
	}
	if commands := c.VisibleCommands(); len(commands) > 0 {
		fmt.Fprint(w, "\nCommands:\n\n")
		for _, sub := range commands {
			printItem(w, strings.TrimSpace(sub.Name+" "+sub.ArgsUsage), sub.Usage)
		}
	}
	fmt.Fprint(w, "\nFlags:\n\n")
	for _, f := range c.VisibleFlags() {
		printFlag(w, f)
	}
	if c.Root() == c {
		fmt.Fprintf(w, "\nExit status of all commands but boot:\n\n%s", statusesOf(c))
	} else {
		fmt.Fprintf(w, "\nExit status:\n\n%s", statusesOf(c))
	}
}

// synopsis returns what may follow the name of a command.
func synopsis(c *cli.Command) string {
	if c.Root() != c && slices.ContainsFunc(c.VisibleFlags(), func(f cli.Flag) bool { return f.Names()[0] != "help" }) {
		return strings.TrimSpace("[FLAGS] " + c.ArgsUsage)
	}
	return c.ArgsUsage
}

// statusesOf says what the exit statuses of a command mean.
func statusesOf(c *cli.Command) string {
	switch {
	case c.Root() == c:
		return statuses + "\nExit status of boot:\n\n" + bootStatuses
	case c.Name == "boot":
		return bootStatuses
	}
	return statuses
}

// printFlag prints a flag's names, what it does and its default.
func printFlag(w io.Writer, f cli.Flag) {
	if names, text, ok := flagWords(f); ok {
		printItem(w, names, text)
	}
}

// flagWords returns a flag's names with its value's, and what it does with its default; ok
// tells whether it has any.
func flagWords(f cli.Flag) (names, text string, ok bool) {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return "", "", false
	}
	before, rest, _ := strings.Cut(doc.GetUsage(), "`") // as in package flag: the value's name
	value, after, _ := strings.Cut(rest, "`")
	var dashed []string
	for _, name := range f.Names() {
		dashed = append(dashed, "-"+name)
	}
	text = before + value + after
	if d := doc.GetValue(); doc.IsDefaultVisible() && d != "" && d != "false" {
		text += fmt.Sprintf(" (default: %s)", d)
	}
	return strings.TrimSpace(strings.Join(dashed, ", ") + " " + value), text, true
}

// printItem prints a name and, below it, what it is.
func printItem(w io.Writer, name, text string) {
	fmt.Fprintf(w, "  %s\n", name)
	for _, line := range folded(text, helpWidth-8) {
		fmt.Fprintf(w, "        %s\n", line)
	}
}

// helpWidth is the width of the help, in columns.
const helpWidth = 78

// folded breaks a text into lines of at most so many columns.
func folded(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// sentence makes a sentence of a summary.
func sentence(s string) string {
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// statuses and bootStatuses are what the exit statuses mean.
const (
	statuses = `  0    all is well
  1    a check failed, a variant is refuted or not proved, a figure is worse
  2    the command could not do its job, a machine's time-out included
`
	bootStatuses = `  N    init's own; 128+N if signal N killed it
  1    the variant is refuted or not proved, and was not booted
  124  the machine timed out
  125  there is no verdict, for example after a kernel panic; or entrylab could
       not do its job
Init itself can end with any of these numbers; the last line on standard error
tells the difference. It is the kernel's if init ended,
  entrylab: init exited with status N
  entrylab: init killed by signal N ...
and otherwise one of
  entrylab boot: end: time-out: ...
  entrylab boot: end: no verdict: ...
  entrylab boot: end: refuted: ...
  entrylab boot: end: error: ...
  entrylab boot: end: interrupted
`
)
