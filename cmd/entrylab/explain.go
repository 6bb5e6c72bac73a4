package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/entrylab/entrylab/gen"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/explain"
)

// runList prints the listings of a variant, with what the proof knows of each
// instruction.
func runList(_ context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() != 1 {
		return 0, errors.New("want one variant; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(fs.Args())
	if err != nil {
		return 0, err
	}
	explained, err := explainAll(list)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(e.stdout, "// %s: %v\n%v", list[0].Name, list[0].Variant, explained[0])
	return 0, err
}

// runDiff prints two variants side by side.
func runDiff(_ context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() != 2 {
		return 0, errors.New("want two variants; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(fs.Args())
	if err != nil {
		return 0, err
	}
	explained, err := explainAll(list)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprint(e.stdout, explain.Text(explained[0], explained[1]))
	return 0, err
}

// explainAll builds a kernel of the variants and explains each.
func explainAll(list []stubs.Named) ([]*explain.Variant, error) {
	image, err := gen.Build(gen.Config{Variants: list})
	if err != nil {
		return nil, err
	}
	var out []*explain.Variant
	for _, n := range list {
		v, err := explain.Object(image.Object, n)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
