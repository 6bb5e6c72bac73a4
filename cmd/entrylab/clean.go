package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/entrylab/entrylab/internal/cache"
)

// runClean empties the cache folder.
func runClean(_ context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() > 0 {
		return 0, errors.New("takes no argument")
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
