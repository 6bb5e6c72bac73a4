package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/internal/wholefile"
	"github.com/entrylab/entrylab/measure/dashboard"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/nightly"
	"github.com/entrylab/entrylab/measure/table"
)

// nightlyOptions are the flags of nightly.
type nightlyOptions struct {
	store, shard, junit, html, format string
	plan                              bool
	nightOptions
}

// nightOptions are the flags of all commands that do cells of a night.
type nightOptions struct{ matrix, night, machine string }

func (o *nightOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "matrix", Usage: "the matrix in `FILE`; without it the default", Destination: &o.matrix},
		&cli.StringFlag{Name: "night", Usage: "the night's `NAME`; without it today's date in UTC", Destination: &o.night},
		&cli.StringFlag{Name: "machine-name", Usage: "the `NAME` of this machine in the history; without it its host name", Destination: &o.machine},
	}
}

// read returns the matrix: the file's, or the default one if none is named.
func (o *nightOptions) read(ctx context.Context) (nightly.Matrix, error) {
	if o.matrix == "" {
		return nightly.Default(), nil
	}
	return nightly.ReadMatrix(ctx, o.matrix)
}

// here returns the night on this machine.
func (e *env) here(o nightOptions, store history.Store, p *progress) (*nightly.Night, error) {
	name, err := os.Hostname()
	if err != nil && o.machine == "" {
		return nil, fmt.Errorf("this machine has no name: give it one by -machine-name (%w)", err)
	}
	c := engine.HostConfig()
	return &nightly.Night{
		Name: cmp.Or(o.night, time.Now().UTC().Format(time.DateOnly)), Store: store,
		Machine: cmp.Or(o.machine, name), MachineID: host.ID(), CPU: c.Host, Build: c.Build,
		Progress: p.step, Now: time.Now,
		Found: func(f judge.Finding) {
			p.done()
			fmt.Fprintln(e.stderr, f)
		},
	}, nil
}

// storeFlag returns the flag for a history.
func storeFlag(url *string) cli.Flag {
	return &cli.StringFlag{
		Name: "store", Value: "nights", Destination: url,
		Usage: "the history at `URL`: a folder, sqlite:FILE or postgres://USER@HOST/DATABASE",
	}
}

func (e *env) nightlyCommand() *cli.Command {
	var o nightlyOptions
	return e.command(&cli.Command{
		Name:  "nightly",
		Usage: "measure and verify a matrix, keep the results, and judge them by the nights before",
		Description: `By default the matrix is every preset, counted from its code, and counted and
verified in QEMU and in Bochs. A TOML file can describe another, with the keys
subjects, base, engines, machines, cpus, hosts, verify and boots. A cell is done
once a night: an interrupted night goes on where it stopped, and several
machines can share a night by -shard and a common store, or by the command work.

The status is 0 if nothing is new, 1 if a check fails, a count differs from the
value that was accepted last or a sampled figure got worse, and 2 if a cell
could not be done.

Examples:

    entrylab nightly
    entrylab nightly -plan
    entrylab nightly -matrix lab.toml -store sqlite:lab.db -html pages
    entrylab nightly -shard 2/4 -store postgres://lab@db/nights`,
		Flags: append(o.flags(),
			storeFlag(&o.store),
			&cli.StringFlag{
				Name: "shard", Destination: &o.shard,
				Usage: "only the `PART` i/n of the cells; without it the part that a job array gives this job, if there is one (SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, CI_NODE_INDEX, BUILDKITE_PARALLEL_JOB, CIRCLE_NODE_INDEX)",
			},
			&cli.BoolFlag{Name: "plan", Usage: "print the cells, how long each took last and all will take, and do nothing else", Destination: &o.plan},
			&cli.StringFlag{Name: "junit", Usage: "also write JUnit's XML to `FILE`", Destination: &o.junit},
			&cli.StringFlag{Name: "html", Usage: "also write the matrix and the history of each series as pages into the folder `DIR`", Destination: &o.html},
			formatFlag(&o.format, nightly.Formats...),
		),
	}, func(ctx context.Context, args []string) (int, error) { return e.runNightly(ctx, o, args) })
}

func (e *env) runNightly(ctx context.Context, o nightlyOptions, args []string) (status int, failed error) {
	if err := noArgument(args); err != nil {
		return 0, err
	}
	m, err := o.read(ctx)
	if err != nil {
		return 0, err
	}
	cells, err := m.Cells()
	if err != nil {
		return 0, err
	}
	i, n, err := shard(o.shard, os.Getenv)
	if err != nil {
		return 0, err
	}
	matrix := cells
	cells = nightly.Shard(cells, i, n)
	store, err := history.Open(ctx, o.store)
	if err != nil {
		return 0, err
	}
	defer func() { failed = errors.Join(failed, store.Close()) }()
	if o.plan {
		if !slices.Contains(table.Plain, o.format) {
			return 0, fmt.Errorf("-plan -format %s: want text, json or csv", o.format)
		}
		return 0, e.printPlan(ctx, store, cells, o.format)
	}
	p := e.progress()
	defer p.done()
	night, err := e.here(o.nightOptions, store, p)
	if err != nil {
		return 0, err
	}
	r := nightly.Result{Night: night.Name, Config: table.ConfigOf(engine.HostConfig()), Store: store.Name(), Machine: night.Machine, Build: night.Build}
	if r.Cells, err = night.Run(ctx, cells); err != nil {
		return 0, fmt.Errorf("%w; the same command goes on with the cells that are not done", err)
	}
	if r.Findings, err = night.Judge(ctx); err != nil {
		return 0, err
	}
	p.done()
	if o.junit != "" {
		var b bytes.Buffer
		if err := r.Write(&b, "junit"); err != nil {
			return 0, err
		}
		if err := wholefile.Write("JUnit file", o.junit, b.Bytes()); err != nil {
			return 0, err
		}
	}
	if o.html != "" {
		if err := dashboard.Write(ctx, o.html, store, matrix, &r); err != nil {
			return 0, err
		}
	}
	if err := r.Write(e.stdout, o.format); err != nil {
		return 0, err
	}
	switch crashed := r.Crashed(); {
	case len(crashed) > 0:
		return exitError, fmt.Errorf("%d of %d cells could not be done, the first %s: %s; the same command tries them again", len(crashed), len(cells), crashed[0].Cell, crashed[0].Detail)
	case r.Bad():
		return exitFail, nil
	}
	return 0, nil
}

// printPlan prints the cells with the seconds that they took last, and how long they
// will take.
func (e *env) printPlan(ctx context.Context, store history.Store, cells []nightly.Cell, format string) error {
	times, err := nightly.ReadTimes(ctx, store, cells)
	if err != nil {
		return err
	}
	d := &table.Document{Title: "entrylab nightly"}
	t := &table.Table{Name: "cells", Head: []string{"cell", "took last"}}
	for _, c := range cells {
		seconds := table.Cell{Text: "never done"}
		if s, ok := times.Took(c); ok {
			seconds = table.Cell{Text: fmt.Sprintf("%.1f s", s), Value: s}
		}
		t.Add(c.Name, seconds)
	}
	d.Add(table.Block{Table: t}, table.Line("%s", times.Words(cells)))
	return e.print(d, format)
}

// arrays are the variables by which job arrays tell a job its part, and how many
// parts there are; from is the number of the first.
var arrays = []struct {
	index, count string
	from         int
}{
	{"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", -1}, // from SLURM_ARRAY_TASK_MIN
	{"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0},
	{"CI_NODE_INDEX", "CI_NODE_TOTAL", 1},
	{"BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0},
	{"CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0},
}

// shard reads the part i of n, counted from 1: the flag's, else that of a job array,
// else all.
func shard(flag string, getenv func(string) string) (i, n int, err error) {
	if flag != "" {
		a, b, ok := strings.Cut(flag, "/")
		i, errI := strconv.Atoi(a)
		n, errN := strconv.Atoi(b)
		if !ok || errI != nil || errN != nil || i < 1 || i > n {
			return 0, 0, fmt.Errorf("-shard %q: want i/n, as 2/4 for the second of four parts", flag)
		}
		return i, n, nil
	}
	for _, a := range arrays {
		index := getenv(a.index)
		if index == "" {
			continue
		}
		from := a.from
		if from < 0 {
			if from, err = strconv.Atoi(cmp.Or(getenv("SLURM_ARRAY_TASK_MIN"), "0")); err != nil {
				return 0, 0, fmt.Errorf("SLURM_ARRAY_TASK_MIN is %q: want a number", getenv("SLURM_ARRAY_TASK_MIN"))
			}
		}
		i, errI := strconv.Atoi(index)
		n, errN := strconv.Atoi(getenv(a.count))
		if i -= from; errI != nil || errN != nil || i < 0 || i >= n {
			return 0, 0, fmt.Errorf("%s is %q and %s is %q: want the number of a part and how many there are; or give -shard i/n", a.index, index, a.count, getenv(a.count))
		}
		return i + 1, n, nil
	}
	return 1, 1, nil
}
