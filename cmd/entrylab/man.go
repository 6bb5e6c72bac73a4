package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/internal/wholefile"
)

// manCommand writes the manual: a page for each command, from its declaration. It is
// for those who install entrylab.
func (e *env) manCommand() *cli.Command {
	return e.declared(&cli.Command{
		Name: "man", Hidden: true, Usage: "write a manual page for each command into a folder", ArgsUsage: "FOLDER",
		Action: func(_ context.Context, cmd *cli.Command) error {
			e.name = cmd.Name
			if cmd.NArg() != 1 {
				return errors.New("want a folder for the pages")
			}
			for _, c := range documented(cmd.Root()) {
				if err := wholefile.Write("manual page", filepath.Join(cmd.Args().First(), pageName(c)+".1"), []byte(manual(c))); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// documented returns a command and all below it that have a page.
func documented(c *cli.Command) []*cli.Command {
	list := []*cli.Command{c}
	for _, sub := range c.VisibleCommands() {
		list = append(list, documented(sub)...)
	}
	return list
}

// pageName returns the name of a command's page.
func pageName(c *cli.Command) string { return strings.ReplaceAll(c.FullName(), " ", "-") }

// manual returns the page of a command, in the macros of man(7).
func manual(c *cli.Command) string {
	var b strings.Builder
	macro := func(name, text string) { fmt.Fprintf(&b, ".%s %s\n", name, text) }
	macro("TH", fmt.Sprintf("%s 1 \"\" \"entrylab %s\" \"entrylab's commands\"", roff(strings.ToUpper(pageName(c))), roff(build.Version)))
	macro("SH", "NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(pageName(c)), roff(c.Usage))
	macro("SH", "SYNOPSIS")
	fmt.Fprintf(&b, ".B %s\n%s\n", roff(c.FullName()), roff(synopsis(c)))
	if c.Description != "" {
		macro("SH", "DESCRIPTION")
		b.WriteString(prose(c.Description))
	}
	if commands := c.VisibleCommands(); len(commands) > 0 {
		macro("SH", "COMMANDS")
		for _, sub := range commands {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(sub.Name+" "+sub.ArgsUsage)), roff(sub.Usage))
		}
	}
	if flags := c.VisibleFlags(); len(flags) > 0 {
		macro("SH", "OPTIONS")
		for _, f := range flags {
			if names, text, ok := flagWords(f); ok {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(names), roff(text))
			}
		}
	}
	macro("SH", "EXIT STATUS")
	fmt.Fprintf(&b, ".nf\n%s.fi\n", roff(statusesOf(c)))
	if c.Root() != c {
		macro("SH", "SEE ALSO")
		macro("BR", "entrylab (1)")
	}
	return b.String()
}

// prose returns a text of paragraphs for man(7), examples as they are.
func prose(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(text, "\n\n") {
		switch {
		case paragraph == "Examples:" || paragraph == "Example:":
			b.WriteString(".SH EXAMPLES\n")
		case strings.HasPrefix(paragraph, "    "):
			fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(paragraph))
		default:
			if i > 0 {
				b.WriteString(".PP\n")
			}
			fmt.Fprintf(&b, "%s\n", roff(paragraph))
		}
	}
	return b.String()
}

// roff returns a text in which roff finds nothing to carry out.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
