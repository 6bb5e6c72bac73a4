package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/measure/table"
)

// sampleRunning samples the kernel that runs and keeps its figures.
func (e *env) sampleRunning(ctx context.Context, en engine.Engine, o *compareOptions, args []string) (status int, failed error) {
	switch {
	case len(args) > 0 || len(o.from) > 0 || o.words != "":
		return 0, fmt.Errorf("-engine %s samples the kernel that runs: it takes no subjects, no -from and no -append", en.Name)
	case o.out == "" || o.out == toStdout:
		return 0, fmt.Errorf("-engine %s: want -o FILE to keep the figures in; compare -from FILE puts those of several boots together", en.Name)
	}
	if err := o.needless(); err != nil {
		return 0, err
	}
	k, err := e.openKeeper(ctx, o.out)
	if err != nil {
		return 0, err
	}
	defer k.close(&failed)
	for i := range k.old {
		if name := k.old[i].Engine; name != en.Name {
			return 0, fmt.Errorf("%s has figures of engine %s: give another file", o.out, name)
		}
	}
	p := e.progress()
	defer p.done()
	ran, err := en.Running(ctx, k.old, p.step)
	p.done()
	if err != nil {
		return 0, err
	}
	if err := k.keep(ran.Records); err != nil {
		return 0, err
	}
	return 0, e.print(table.Ran(en, ran), o.format)
}

// resultsFile is a file of which only the beginning is read.
var resultsFile = bounded.Kind{Thing: "file", Most: 64 << 20, Advice: "give what compare -engine host -o has kept, a console, or results.jsonl from a stick"}

// resultsFiles reports whether files are results files, each line of which is a record.
// Consoles are not, nor what a machine has left on its medium, and both together are an error.
func resultsFiles(ctx context.Context, paths []string) (bool, error) {
	results := 0
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			continue // a console may be a line, which is read once
		}
		f, err := resultsFile.Open(ctx, path)
		if err != nil {
			return false, err
		}
		var head [8]byte
		if n, _ := io.ReadFull(f, head[:]); n > 0 && head[0] == '{' && !cycles.IsResults(head[:]) {
			results++
		}
		if err := f.Close(); err != nil {
			return false, err
		}
	}
	if results > 0 && results < len(paths) {
		return false, errors.New("-from: some files are results and some are consoles: these cannot be put together")
	}
	return results > 0, nil
}

// compareRunning puts the files together that the engine host has made.
func (e *env) compareRunning(ctx context.Context, o *compareOptions, args []string) (int, error) {
	if len(args) > 0 || o.out != "" {
		return 0, errors.New("-from with files of -engine host takes no subjects and no -o: the kernels are those in the files")
	}
	var records []record.Record
	for _, path := range o.from {
		got, cut, err := store.ReadFile(ctx, path, engine.Known)
		if err != nil {
			return 0, err
		}
		if cut != "" {
			fmt.Fprintln(e.stderr, "entrylab:", cut)
		}
		records = append(records, got...)
	}
	if len(records) == 0 {
		return 0, errors.New("-from: no figures are in the files")
	}
	r, err := analysis.NewRunning(records)
	if err != nil {
		return 0, err
	}
	return 0, e.print(table.Running(r), o.format)
}
