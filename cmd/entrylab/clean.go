package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/cache"
)

func (e *env) cleanCommand() *cli.Command {
	return e.command(&cli.Command{
		Name:  "clean",
		Usage: "empty the cache folder",
		Description: fmt.Sprintf(`The folder holds generated files, at most %d MiB of them (the least recently
used go first), and the Linux kernel that make linux fetched.

Example:

    entrylab clean`, cache.Bound>>20),
	}, e.runClean)
}

func (e *env) runClean(_ context.Context, args []string) (int, error) {
	if err := noArgument(args); err != nil {
		return 0, err
	}
	c, err := cache.Clean()
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(e.stdout, "%s: %.1f MiB freed\n", c.Dir, float64(c.Bytes)/(1<<20))
	if c.Kept > 0 {
		fmt.Fprintf(e.stdout, "%d files and folders stay: commands that run use them\n", c.Kept)
	}
	return 0, nil
}
