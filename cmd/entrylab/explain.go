package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/explain"
	"github.com/entrylab/entrylab/stubs/prove"
)

// runList prints the listings of a variant, with what the proof knows of each
// instruction.
func runList(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() != 1 {
		return 0, errors.New("want one variant; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(ctx, fs.Args())
	if err != nil {
		return 0, err
	}
	explained, err := explainAll(ctx, list)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(e.stdout, "// %s: %v\n%v", list[0].Name, list[0].Variant, explained[0])
	return refuted(explained), err
}

// runDiff prints two variants side by side.
func runDiff(ctx context.Context, e *env, args []string) (int, error) {
	fs := e.flags()
	if err := fs.Parse(args); err != nil {
		return 0, err
	}
	if fs.NArg() != 2 {
		return 0, errors.New("want two variants; `entrylab variants` lists the presets")
	}
	list, err := eachVariant(ctx, fs.Args())
	if err != nil {
		return 0, err
	}
	explained, err := explainAll(ctx, list)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprint(e.stdout, explain.Text(explained[0], explained[1]))
	return refuted(explained), err
}

// explainAll builds a kernel of the variants and explains each.
func explainAll(ctx context.Context, list []stubs.Named) ([]*explain.Variant, error) {
	return computed(ctx, func() (out []*explain.Variant, err error) {
		image, err := image.Build(image.Config{Variants: list})
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			v, err := explain.Object(image.Object, n)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	})
}

// refuted is the exit status of a command that has shown variants: a listing says
// itself what the proof cannot decide.
func refuted(list []*explain.Variant) int {
	if slices.ContainsFunc(list, func(v *explain.Variant) bool { return v.Proof.Outcome() == prove.Refuted }) {
		return exitFail
	}
	return 0
}
