package bisect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/group"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/nightly"
)

// point is what was measured at a revision.
type point struct {
	value Value
	// detail is what a check says, listing the code of the path.
	detail, listing string
}

// source builds and measures revisions.
type source interface {
	// build builds what is checked out in a folder and returns the file it made.
	build(ctx context.Context, tree string) (string, error)
	// measure measures such a file.
	measure(ctx context.Context, file string) (point, error)
}

// own is a source of entrylab's revisions: each measures with its own command nightly.
type own struct {
	series
	// dir is the folder for what it builds, and for what that writes.
	dir string
	env []string
}

func (o *own) build(ctx context.Context, tree string) (string, error) {
	file := filepath.Join(o.dir, "entrylab")
	return file, initramfs.GoBuild(ctx, tree, "./cmd/entrylab", file)
}

func (o *own) measure(ctx context.Context, file string) (point, error) {
	m := nightly.Default()
	m.Subjects, m.Engines, m.Verify = []string{o.cell.Subject}, []string{o.cell.Engine.Name}, o.verify()
	if o.cell.Engine.VM != "" {
		m.Machines, m.CPUs = []string{o.cell.Machine}, []string{o.cell.CPU}
	}
	text, err := toml.Marshal(m)
	if err != nil {
		return point{}, err
	}
	dir, err := os.MkdirTemp(o.dir, "night-")
	if err != nil {
		return point{}, err
	}
	defer os.RemoveAll(dir)
	matrix, store := filepath.Join(dir, "matrix.toml"), filepath.Join(dir, "store")
	if err := os.WriteFile(matrix, text, 0o644); err != nil {
		return point{}, err
	}
	// All of the matrix, even in a job of an array.
	cmd := exec.CommandContext(ctx, file, "nightly", "-matrix", matrix, "-store", store, "-night", night, "-shard", "1/1", "-machine-name", "bisect")
	cmd.Dir, cmd.Env = dir, append(slices.Clone(o.env), "XDG_CACHE_HOME="+filepath.Join(o.dir, "cache"))
	var said tail
	cmd.Stderr = &said
	// Status 1 means a failed check, status 2 may mean a crashed cell: the entries that
	// it keeps decide.
	failed := group.Run(cmd)
	if ctx.Err() != nil {
		return point{}, ctx.Err()
	}
	if _, err := os.Stat(store); err != nil {
		return point{}, fmt.Errorf("its command nightly keeps nothing (%v): %s", cmp.Or(failed, errors.New("status 0")), said)
	}
	return o.read(ctx, store)
}

// night is the name of the night that a revision measures.
const night = "bisect"

// read reads the series' value from the history of one night.
func (o *own) read(ctx context.Context, url string) (p point, failed error) {
	store, err := history.Open(ctx, url)
	if err != nil {
		return point{}, err
	}
	defer func() { failed = errors.Join(failed, store.Close()) }()
	found := false
	why := "no such series"
	for e, err := range store.Entries(ctx, history.Query{Night: night}) {
		switch {
		case err != nil:
			return point{}, err
		case e.Kind == history.Code:
			p.listing = e.Detail
		case e.Kind == history.Cell && e.Outcome != nightly.Pass && e.Outcome != nightly.Fail:
			why = e.Outcome + ": " + e.Detail
		}
		if e.Series != o.name() {
			continue
		}
		switch {
		case e.Kind == history.Sample:
			return point{}, errNotExact
		case e.Kind == history.Count:
			p.value, found = Value{Figure: e.Values[0], Unit: e.Unit}, true
		case e.Outcome == nightly.Skip:
			why = nightly.Skip + ": " + e.Detail
		default:
			p.value, p.detail, found = Value{Outcome: e.Outcome}, e.Detail, true
		}
	}
	if !found {
		return point{}, errors.New(why)
	}
	return p, nil
}

// errNotExact means that a count cannot be compared exactly.
var errNotExact = errors.New("the count is not the same each time, so one run cannot show a difference")

// linux is a source of revisions of a Linux kernel, which the user's command builds.
type linux struct {
	series
	command string
	env     []string
}

func (l *linux) build(ctx context.Context, tree string) (string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", l.command)
	cmd.Dir, cmd.Env = tree, l.env
	var out, said tail
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := group.Run(cmd); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	path := strings.TrimSpace(lines[len(lines)-1])
	if path == "" {
		return "", errors.New("the command prints no path of an image as its last line")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(tree, path)
	}
	return path, nil
}

func (l *linux) measure(ctx context.Context, file string) (point, error) {
	kernel, err := engine.NewLinux(ctx, file, "")
	if err != nil {
		return point{}, err
	}
	job := engine.Job{
		Kernels: []*engine.Linux{kernel}, Verify: l.verify(),
		Machine: vm.Config{Machine: vm.Machine(l.cell.Machine), CPU: l.cell.CPU},
	}
	out, err := engine.Runner{Job: job, Judge: analysis.Judge, Note: func(string) {}}.Run(ctx, l.cell.Engine)
	switch {
	case ctx.Err() != nil:
		return point{}, ctx.Err()
	case len(out.Skipped) > 0:
		return point{}, errors.New(out.Skipped[0].Reason)
	case l.point == "" && err != nil:
		return point{value: Value{Outcome: nightly.Crash}, detail: err.Error()}, nil
	case l.point == "":
		for _, c := range out.Checks {
			if c.Outcome == wire.Fail || c.Outcome == wire.Error {
				return point{value: Value{Outcome: nightly.Fail}, detail: c.String()}, nil
			}
		}
		return point{value: Value{Outcome: nightly.Pass}}, nil
	}
	for _, r := range out.Records {
		if r.Op != l.point {
			continue
		}
		if !r.Exact() {
			return point{}, errNotExact
		}
		return point{value: Value{Figure: r.Median, Unit: r.Unit}}, nil
	}
	for _, c := range out.Checks {
		if c.Name == kernel.Name()+": "+l.point && c.Outcome != wire.Skip {
			return point{value: Value{Outcome: string(c.Outcome)}, detail: c.Detail}, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("no operation or check %q", l.point)
	}
	return point{}, err
}

// tail keeps the end of what a program prints.
type tail []byte

// mostTail is how much is kept; when there is more, it is cut to half.
const mostTail = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if len(*t) > mostTail {
		*t = slices.Clone((*t)[len(*t)-mostTail/2:])
	}
	return len(p), nil
}

func (t tail) String() string { return strings.TrimSpace(string(t)) }
