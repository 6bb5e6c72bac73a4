package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/table"
)

func (e *env) resultsCommand() *cli.Command {
	sub := func(c *cli.Command, formats []string, run func(ctx context.Context, url, format string, args []string) error) *cli.Command {
		var url, format string
		c.Flags = append(c.Flags, formatFlag(&format, formats...))
		if c.Name != "merge" { // its histories are arguments
			c.Flags = append(c.Flags, storeFlag(&url))
		}
		return e.command(c, func(ctx context.Context, args []string) (int, error) { return 0, run(ctx, url, format, args) })
	}
	return e.declared(&cli.Command{
		Name:  "results",
		Usage: "list, show, export and merge the histories of nights",
		Description: `Examples:

    entrylab results list -store nights
    entrylab results show "static linux-6.12: insns"
    entrylab results export -format csv > nights.csv
    entrylab results merge postgres://lab@db/nights nights`,
		Commands: []*cli.Command{
			sub(&cli.Command{
				Name: "list", Usage: "list the series of a history, or those whose names contain all the words", ArgsUsage: "[WORD...]",
				Description: "Example:\n\n    entrylab results list -store nights linux-6.12",
			}, table.Plain, e.listSeries),
			sub(&cli.Command{
				Name: "show", Usage: "print every entry of one series", ArgsUsage: "SERIES",
				Description: "Example:\n\n    entrylab results show \"static linux-6.12: insns\"",
			}, table.Plain, e.showSeries),
			sub(&cli.Command{
				Name: "export", Usage: "print a whole history",
				Description: "Example:\n\n    entrylab results export -format bench > nights.txt",
			}, []string{"jsonl", "csv", "bench"}, e.export),
			sub(&cli.Command{
				Name: "merge", Usage: "copy all entries of other histories into the first; it keeps what it has", ArgsUsage: "INTO FROM...",
				Description: "Example:\n\n    entrylab results merge sqlite:lab.db nights",
			}, textFormats, func(ctx context.Context, _, format string, args []string) error { return e.merge(ctx, format, args) }),
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.NArg() > 0 {
				return unknownCommand(cmd, cmd.Args().First())
			}
			e.status = exitError
			printHelp(e.stderr, "", cmd)
			return nil
		},
	})
}

// withStore opens a history that must be there, and closes it behind f.
func withStore(ctx context.Context, url string, f func(history.Store) error) (failed error) {
	if !strings.Contains(url, ":") {
		if _, err := os.Stat(url); err != nil {
			return fmt.Errorf("no history at %s: %w", url, err)
		}
	}
	s, err := history.Open(ctx, url)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, s.Close()) }()
	return f(s)
}

func (e *env) listSeries(ctx context.Context, url, format string, args []string) error {
	return withStore(ctx, url, func(s history.Store) error {
		all, err := s.Series(ctx)
		if err != nil {
			return err
		}
		t := &table.Table{Name: "series", Head: []string{"series", "entries", "last"}}
		for _, one := range all {
			if containsAll(one.Name, args) {
				t.Add(one.Name, one.Entries, one.Last)
			}
		}
		return e.printTable("entrylab results list", t, format)
	})
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (e *env) showSeries(ctx context.Context, url, format string, args []string) error {
	if len(args) != 1 {
		return errors.New("want the name of one series, as `entrylab results list` prints it")
	}
	return withStore(ctx, url, func(s history.Store) error {
		t := &table.Table{Name: "entries", Head: []string{"night", "value", "machine", "build"}, Words: true}
		for entry, err := range s.Entries(ctx, history.Query{Series: args[0]}) {
			if err != nil {
				return err
			}
			t.Add(entry.Night, valueOf(entry), entry.Machine, entry.Build)
		}
		if len(t.Rows) == 0 {
			return fmt.Errorf("%s has no series %q: `entrylab results list` prints them", s.Name(), args[0])
		}
		return e.printTable("entrylab results show", t, format)
	})
}

// valueOf returns what an entry says, for people.
func valueOf(entry history.Entry) string {
	switch entry.Kind {
	case history.Accept:
		return "accepted: " + entry.Detail
	case history.Code:
		return "\n" + entry.Detail
	case history.Check, history.Cell:
		text := entry.Outcome
		if entry.Detail != "" {
			text += ": " + entry.Detail
		}
		return text
	}
	var values []string
	for _, v := range entry.Values {
		values = append(values, strconv.FormatFloat(v, 'g', 6, 64))
	}
	return strings.Join(values, " ") + " " + entry.Unit
}

// printTable prints a document that is one table.
func (e *env) printTable(title string, t *table.Table, format string) error {
	return e.print(&table.Document{Title: title, Blocks: []table.Block{{Table: t}}}, format)
}

func (e *env) export(ctx context.Context, url, format string, args []string) error {
	if err := noArgument(args); err != nil {
		return err
	}
	write := map[string]func(io.Writer) (each func(history.Entry) error, end func() error){
		"jsonl": exportLines, "csv": exportCSV, "bench": exportBench,
	}[format]
	return withStore(ctx, url, func(s history.Store) error {
		each, end := write(e.stdout)
		for entry, err := range s.Entries(ctx, history.Query{}) {
			if err != nil {
				return err
			}
			if err := each(entry); err != nil {
				return err
			}
		}
		return end()
	})
}

func nothing() error { return nil }

func exportLines(w io.Writer) (each func(history.Entry) error, end func() error) {
	out := json.NewEncoder(w)
	return func(entry history.Entry) error { return out.Encode(entry) }, nothing
}

// exportCSV has a row for each value.
func exportCSV(w io.Writer) (each func(history.Entry) error, end func() error) {
	out := csv.NewWriter(w)
	head := []string{"night", "time", "kind", "series", "machine", "build", "boot", "value", "unit", "outcome", "detail"}
	first := true
	each = func(entry history.Entry) error {
		if first {
			first = false
			if err := out.Write(head); err != nil {
				return err
			}
		}
		row := []string{entry.Night, entry.Time.Format(time.RFC3339Nano), string(entry.Kind), entry.Series, entry.Machine, entry.Build, "", "", entry.Unit, entry.Outcome, entry.Detail}
		if len(entry.Values) == 0 {
			return out.Write(row)
		}
		for i, v := range entry.Values {
			row[6], row[7] = strconv.Itoa(i), strconv.FormatFloat(v, 'g', -1, 64)
			if err := out.Write(row); err != nil {
				return err
			}
		}
		return nil
	}
	return each, func() error {
		out.Flush()
		return out.Error()
	}
}

// exportBench has a line of Go's benchmark format for each value of a figure, with
// the night as the configuration that benchstat can compare by.
func exportBench(w io.Writer) (each func(history.Entry) error, end func() error) {
	night := ""
	return func(entry history.Entry) error {
		if entry.Kind != history.Count && entry.Kind != history.Sample {
			return nil
		}
		var b strings.Builder
		if entry.Night != night {
			night = entry.Night
			fmt.Fprintf(&b, "night: %s\n", night)
		}
		for _, v := range entry.Values {
			fmt.Fprintf(&b, "Benchmark/%s 1 %v %s/op\n", strings.ReplaceAll(entry.Series, " ", "_"), v, strings.ReplaceAll(entry.Unit, " ", "-"))
		}
		_, err := io.WriteString(w, b.String())
		return err
	}, nothing
}

func (e *env) merge(ctx context.Context, format string, args []string) (failed error) {
	if len(args) < 2 {
		return errors.New("want a history to merge into, and one or more to merge from")
	}
	into, err := history.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, into.Close()) }()
	t := &table.Table{Name: "merged", Head: []string{"from", "entries"}}
	for _, url := range args[1:] {
		if err := withStore(ctx, url, func(from history.Store) error {
			n, err := history.Merge(ctx, into, from)
			if err == nil {
				t.Add(from.Name(), n)
			}
			if err == nil && format == "text" {
				fmt.Fprintf(e.stdout, "%s: %d entries\n", from.Name(), n)
			}
			return err
		}); err != nil {
			return err
		}
	}
	if format == "text" {
		return nil
	}
	return e.printTable("entrylab results merge", t, format)
}

func (e *env) acceptCommand() *cli.Command {
	var url, reason, night, format string
	return e.command(&cli.Command{
		Name:      "accept",
		Usage:     "accept a changed value as right, and say why",
		ArgsUsage: "SERIES...",
		Description: `Later nights are compared with the last value of each series. The reason is
kept.

Example:

    entrylab accept -reason "slot cx is filled" "static linux-6.12: insns"`,
		Flags: []cli.Flag{
			formatFlag(&format, textFormats...),
			storeFlag(&url),
			&cli.StringFlag{Name: "reason", Usage: "`TEXT` that says why it is right", Destination: &reason, Required: true},
			&cli.StringFlag{Name: "night", Usage: "accept the value of the night `NAME` instead of the last one", Destination: &night},
		},
	}, func(ctx context.Context, args []string) (int, error) {
		if len(args) == 0 {
			return 0, errors.New("want the name of a series, as nightly prints it")
		}
		if strings.TrimSpace(reason) == "" {
			return 0, errors.New("-reason: want words")
		}
		return 0, withStore(ctx, url, func(s history.Store) error { return e.accept(ctx, s, night, reason, format, args) })
	})
}

func (e *env) accept(ctx context.Context, s history.Store, night, reason, format string, names []string) error {
	machine, err := os.Hostname()
	if err != nil {
		return err
	}
	var words []history.Entry
	t := &table.Table{Name: "accepted", Head: []string{"series", "value", "night"}}
	for _, name := range names {
		var last *history.Entry
		for entry, err := range s.Entries(ctx, history.Query{Series: name, Night: night}) {
			if err != nil {
				return err
			}
			if entry.Kind == history.Count || entry.Kind == history.Sample {
				last = &entry
			}
		}
		if last == nil {
			in := ""
			if night != "" {
				in = " in the night " + night
			}
			return fmt.Errorf("%s has no figure of the series %q%s: `entrylab results list` prints what it has; nothing is accepted", s.Name(), name, in)
		}
		words = append(words, history.Entry{
			Format: history.Format, Kind: history.Accept, Time: time.Now().UTC(), Night: last.Night, Series: name,
			Machine: machine, MachineID: host.ID(), Build: engine.HostConfig().Build, Detail: reason,
		})
		t.Add(name, valueOf(*last), last.Night)
	}
	if err := s.Append(ctx, words...); err != nil {
		return err
	}
	if format != "text" {
		return e.printTable("entrylab accept", t, format)
	}
	for _, r := range t.Rows {
		fmt.Fprintf(e.stdout, "%s: %s of %s\n", r.Cells[0].Text, r.Cells[1].Text, r.Cells[2].Text)
	}
	return nil
}
