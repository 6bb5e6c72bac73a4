package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/measure/bisect"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
)

func (e *env) bisectCommand() *cli.Command {
	var s bisect.Search
	var format string
	return e.command(&cli.Command{
		Name:      "bisect",
		Usage:     "find the commit by which a count or the outcome of a check changed",
		ArgsUsage: "SERIES",
		Description: `The series is named as nightly prints it, where a machine and a CPU may be left
out; without an operation or a check it is whether the whole cell passes. The
good and the bad revision are measured first, and must differ; then the history
between them is halved as git does it. What counts is whether a value is that of
the good revision, exactly. Sampled figures are refused: a single run does not
tell two of them apart. Revisions that do not build or cannot be measured are
skipped.

Without -build the repository is entrylab's, and each revision measures itself.
With it the repository is that of a Linux kernel, and the series' subject is
"linux": the command is run by /bin/sh in a checkout of each revision, in which
what earlier builds made is still there, and prints the path of the image as its
last line.

The repository is only read. Builds and checkouts are in a temporary folder,
which is removed.

The status is 0 if the commit is found and 2 otherwise.

Examples:

    entrylab bisect -good HEAD~20 -bad HEAD "static linux-6.12: insns"
    entrylab bisect -good v1 -bad main "icount linux-6.12: registers: null call"
    entrylab bisect -good v6.11 -bad v6.12 -repo ~/linux \
        -build "cp ~/config .config && make -s olddefconfig bzImage >&2 &&
                echo arch/x86/boot/bzImage" "icount linux: null-call"`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "good", Usage: "the `REVISION` with the value that is right", Destination: &s.Good, Required: true},
			&cli.StringFlag{Name: "bad", Usage: "a later `REVISION` with another value", Destination: &s.Bad, Required: true},
			&cli.StringFlag{Name: "repo", Usage: "the repository in `DIR`", Value: ".", Destination: &s.Repository},
			&cli.StringFlag{Name: "build", Usage: "`COMMAND` that builds a Linux kernel and prints the path of its image", Destination: &s.Build},
			formatFlag(&format, bisect.Formats...),
		},
	}, func(ctx context.Context, args []string) (int, error) { return e.runBisect(ctx, s, format, args) })
}

func (e *env) runBisect(ctx context.Context, s bisect.Search, format string, args []string) (int, error) {
	if len(args) != 1 {
		return 0, errors.New("want the name of one series, as nightly prints it")
	}
	p := e.progress()
	defer p.done()
	s.Series, s.Progress = args[0], p.step
	s.Step = func(step bisect.Step) {
		p.done()
		if format == "text" {
			fmt.Fprintln(e.stdout, step)
		}
	}
	r, err := s.Run(ctx)
	p.done()
	if err != nil {
		return 0, err
	}
	r.Config = table.ConfigOf(engine.HostConfig())
	if err := r.Write(e.stdout, format); err != nil {
		return 0, err
	}
	if r.First == nil {
		return 0, fmt.Errorf("the commit is one of %d, of which all but the last were skipped", len(r.Possible))
	}
	return 0, nil
}
