package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/measure/table"
)

func (e *env) versionCommand() *cli.Command {
	var format string
	return e.command(&cli.Command{
		Name:  "version",
		Usage: "print the version, the revision of its source and what built it",
		Description: `Example:

    entrylab version`,
		Flags: []cli.Flag{formatFlag(&format, table.Plain...)},
	}, func(_ context.Context, args []string) (int, error) {
		if err := noArgument(args); err != nil {
			return 0, err
		}
		i := build.Read()
		revision := i.Revision
		if i.Modified {
			revision += ", modified"
		}
		t := &table.Table{Name: "entrylab", Tall: true, Head: []string{"version", "revision", "built by", "for"}}
		t.Add(table.Cell{Text: "entrylab " + i.Version, Value: i.Version}, revision, i.Go, i.Platform)
		return 0, e.print(&table.Document{Title: "entrylab version", Blocks: []table.Block{{Table: t}}}, format)
	})
}
