package main

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/near"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// scripts are for shells, by their names. Each asks `entrylab complete`.
//
//go:embed completion
var scripts embed.FS

// shells are those that there is a script for.
var shells = []string{"bash", "zsh", "fish"}

// completionCommand prints a script.
func (e *env) completionCommand() *cli.Command {
	return e.command(&cli.Command{
		Name:      "completion",
		Usage:     "print a script that makes a shell complete commands, flags, variants and other values",
		ArgsUsage: strings.Join(shells, "|"),
		Description: `Examples:

    source <(entrylab completion bash)      # in ~/.bashrc
    source <(entrylab completion zsh)       # in ~/.zshrc
    entrylab completion fish > ~/.config/fish/completions/entrylab.fish`,
		Metadata: completes(among(shells...)),
	}, func(_ context.Context, args []string) (int, error) {
		if len(args) != 1 {
			return 0, fmt.Errorf("want the shell: %s", orList(shells))
		}
		if !slices.Contains(shells, args[0]) {
			return 0, fmt.Errorf("no completion for %q: %swant %s", args[0], near.Hint(args[0], shells), orList(shells))
		}
		script, err := scripts.ReadFile("completion/" + args[0])
		if err != nil {
			return 0, err
		}
		_, err = e.stdout.Write(script)
		return 0, err
	})
}

// completion is what a word may become, and what that means.
type completion struct{ text, about string }

// completeCommand returns the command that the scripts run: it prints what the last of the
// words may become, a line for each, with what it means behind a tab.
func (e *env) completeCommand() *cli.Command {
	return e.declared(&cli.Command{
		Name: "complete", Hidden: true, Usage: "print what the last of the words may become", SkipFlagParsing: true,
		Action: func(_ context.Context, cmd *cli.Command) error {
			words := cmd.Args().Slice()
			if len(words) > 0 && words[0] == "--" {
				words = words[1:]
			}
			if len(words) == 0 {
				return nil
			}
			for _, c := range completions(cmd.Root(), words) {
				if strings.HasPrefix(c.text, words[len(words)-1]) {
					fmt.Fprintf(e.stdout, "%s\t%s\n", c.text, c.about)
				}
			}
			return nil
		},
	})
}

// values are the completions for a value, of which the user has typed a part.
type values func(part string) []completion

// chosen is a flag whose values can be completed.
type chosen struct {
	*cli.StringFlag
	values values
}

// completes returns the metadata of a command whose arguments can be completed.
func completes(v values) map[string]any { return map[string]any{completed: v} }

const completed = "completed"

// completions returns what the last word may become, behind those before it; root is the
// whole command line.
func completions(root *cli.Command, words []string) []completion {
	before, word := words[:len(words)-1], words[len(words)-1]
	cmd, arguments := root, 0
	flagOf := func(word string) cli.Flag {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		for _, f := range append(slices.Clone(cmd.Flags), root.Flags...) {
			if slices.Contains(f.Names(), name) {
				return f
			}
		}
		return nil
	}
	for i := 0; i < len(before); i++ {
		b := before[i]
		switch sub := cmd.Command(b); {
		case b == "--":
			return nil
		case strings.HasPrefix(b, "-"):
			if f, ok := flagOf(b).(cli.DocGenerationFlag); ok && f.TakesValue() && !strings.Contains(b, "=") {
				if i++; i == len(before) {
					return valuesOf(flagOf(b), "", word)
				}
			}
		case sub != nil && arguments == 0:
			cmd = sub
		case cmd.StopOnNthArg != nil: // what follows is init's
			return nil
		default:
			arguments++
		}
	}
	if flag, part, ok := strings.Cut(word, "="); ok && strings.HasPrefix(word, "-") {
		return valuesOf(flagOf(word), flag+"=", part)
	}
	if strings.HasPrefix(word, "-") {
		return flagsOf(cmd, root, word)
	}
	var list []completion
	commands := cmd.VisibleCommands()
	if cmd.Name == "help" {
		commands = root.VisibleCommands()
	}
	for _, c := range commands {
		if arguments == 0 {
			list = append(list, completion{c.Name, c.Usage})
		}
	}
	if v, ok := cmd.Metadata[completed].(values); ok {
		list = append(list, v(word)...)
	}
	return list
}

// flagsOf returns the flags of a command, with as many dashes as the word has.
func flagsOf(cmd, root *cli.Command, word string) (list []completion) {
	dashes := "-"
	if strings.HasPrefix(word, "--") {
		dashes = "--"
	}
	all := cmd.VisibleFlags()
	if cmd != root {
		all = append(all, root.Flags...)
	}
	for _, f := range all {
		name := dashes + f.Names()[0]
		known := slices.ContainsFunc(list, func(c completion) bool { return c.text == name })
		if doc, ok := f.(cli.DocGenerationFlag); ok && !known {
			list = append(list, completion{name, strings.ReplaceAll(doc.GetUsage(), "`", "")})
		}
	}
	return list
}

// valuesOf returns the values of a flag, behind a prefix.
func valuesOf(f cli.Flag, prefix, part string) []completion {
	c, ok := f.(*chosen)
	if !ok {
		return nil
	}
	list := c.values(part)
	for i := range list {
		list[i].text = prefix + list[i].text
	}
	return list
}

// among completes a word to one of the words.
func among(words ...string) values {
	return func(string) (list []completion) {
		for _, w := range words {
			list = append(list, completion{w, ""})
		}
		return list
	}
}

// engines completes a word to the name of one of the engines.
func engines(some ...engine.Engine) values {
	return func(string) (list []completion) {
		for _, en := range some {
			list = append(list, completion{en.Name, en.About})
		}
		return list
	}
}

// listOf completes a list of values separated by commas; alone is one that stands alone.
func listOf(v values, alone completion) values {
	return func(part string) []completion {
		at := strings.LastIndex(part, ",") + 1
		list := v(part[at:])
		for i := range list {
			list[i].text = part[:at] + list[i].text
		}
		if at == 0 {
			list = append(list, alone)
		}
		return list
	}
}

// variants returns presets, presets with axes changed, and variants given by their axes.
func variants(part string) (list []completion) {
	if at := strings.LastIndexAny(part, "+,") + 1; at > 0 {
		list = axisValues(part[:at])
	}
	for _, p := range stubs.Presets() {
		about := p.Adds
		if about == "" {
			about = p.Release
		}
		list = append(list, completion{p.Name, strings.ReplaceAll(about, "\n", " ")})
	}
	return append(list, axisValues("")...)
}

// axisValues returns every value of every axis, behind a prefix.
func axisValues(prefix string) (list []completion) {
	for _, a := range stubs.AllAxes() {
		for _, c := range a.Values {
			list = append(list, completion{prefix + string(c.Value), c.Text()})
		}
	}
	return list
}
