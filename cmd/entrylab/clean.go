package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/measure/table"
)

func (e *env) cleanCommand() *cli.Command {
	var format string
	return e.command(&cli.Command{
		Name:  "clean",
		Usage: "empty the cache folder",
		Description: fmt.Sprintf(`The folder holds generated files, at most %d MiB of them (the least recently
used go first), and the Linux kernel that make linux fetched.

Example:

    entrylab clean`, cache.Bound>>20),
		Flags: []cli.Flag{formatFlag(&format, textFormats...)},
	}, func(_ context.Context, args []string) (int, error) { return e.runClean(format, args) })
}

func (e *env) runClean(format string, args []string) (int, error) {
	if err := noArgument(args); err != nil {
		return 0, err
	}
	c, err := cache.Clean()
	if err != nil {
		return 0, err
	}
	if format != "text" {
		t := &table.Table{Name: "cleaned", Head: []string{"folder", "bytes", "kept"}}
		t.Add(c.Dir, c.Bytes, c.Kept)
		return 0, e.printTable("entrylab clean", t, format)
	}
	fmt.Fprintf(e.stdout, "%s: %.1f MiB freed\n", c.Dir, float64(c.Bytes)/(1<<20))
	if c.Kept > 0 {
		fmt.Fprintf(e.stdout, "%d files and folders stay: commands that run use them\n", c.Kept)
	}
	return 0, nil
}
