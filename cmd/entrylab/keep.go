package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/store"
)

// keeper appends what is measured to the results file that was asked for, and
// knows what is in it. Without a file it keeps nothing.
type keeper struct {
	path  string
	store *store.Store
	old   []record.Record
}

// openKeeper opens the results file at path; empty: none.
func (e *env) openKeeper(ctx context.Context, path string) (*keeper, error) {
	switch path {
	case "":
		return &keeper{}, nil
	case toStdout: // what else would go there goes to standard error
		k := &keeper{store: store.Stream("standard output", e.stdout)}
		e.stdout = e.stderr
		return k, nil
	}
	store, old, cut, err := store.Open(ctx, path, engine.Known)
	if err != nil {
		return nil, err
	}
	if cut != "" {
		fmt.Fprintln(e.stderr, "entrylab:", cut)
	}
	e.sayMemory(path, old)
	return &keeper{path, store, old}, nil
}

// manyFigures take more than 200 MiB.
const manyFigures = 50_000

// sayMemory says of a large results file what it takes.
func (e *env) sayMemory(path string, records []record.Record) {
	const each = 4 // KiB
	if n := len(records); n > manyFigures {
		e.remark("%s has %d figures, which take about %d MiB of memory", path, n, n*each>>10)
	}
}

// keep appends records, if there is a file.
func (k *keeper) keep(records []record.Record) error {
	if k.store == nil {
		return nil
	}
	return k.store.Append(records...)
}

// say puts what the proofs say into the records that follow.
func (k *keeper) say(p proofs) {
	if k.store != nil {
		k.store.Proofs = p
	}
}

// close ends the file; err is what the work ended with.
func (k *keeper) close(err *error) {
	if k.store != nil {
		*err = errors.Join(*err, k.store.Close())
	}
}

// runner runs engines for a job and keeps what they find. note is told what the user
// should know.
func (k *keeper) runner(job engine.Job, note func(string)) engine.Runner {
	return engine.Runner{Job: job, Store: k.store, Old: k.old, Judge: analysis.Judge, Note: note}
}
