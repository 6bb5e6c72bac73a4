package bisect

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/cache"
	"github.com/entrylab/entrylab/measure/history"
)

// Search says what to look for, and where.
type Search struct {
	// Repository is a folder of the repository.
	Repository string
	// Good and Bad are revisions, as git names them. Good is an ancestor of Bad.
	Good, Bad string
	// Series is the name of the series, as a night prints it.
	Series string
	// Build, if not empty, is a shell command that builds the Linux kernel of a revision
	// and prints the path of its image as the last line. Empty: the repository is
	// entrylab's own.
	Build string
	// Progress is called with what is being done, Step with each step as soon as it is
	// done.
	Progress func(string)
	Step     func(Step)
}

// Verdict is the result for a revision.
type Verdict string

// The verdicts: a revision with the good one's value, one with another value, and
// one without a value, because it does not build or cannot be measured.
const (
	Good    Verdict = "good"
	Bad     Verdict = "bad"
	Skipped Verdict = "skipped"
)

// Step is a revision that was built and measured.
type Step struct {
	Verdict Verdict `json:"verdict"`
	Commit  Commit  `json:"commit"`
	// Value is nil if the revision was skipped. Detail says why, or what a check said.
	Value  *Value `json:"value,omitempty"`
	Detail string `json:"detail,omitempty"`

	listing string
}

// Run searches. It ends with an error if the two revisions have the same value, or one
// of them has none.
func (s Search) Run(ctx context.Context) (*Result, error) {
	wanted, err := parse(s.Series)
	if err != nil {
		return nil, err
	}
	if err := wanted.check(s.Build); err != nil {
		return nil, err
	}
	return s.search(ctx, wanted.name(), func(dir string, env []string) source {
		if s.Build != "" {
			return &linux{wanted, s.Build, env}
		}
		return &own{wanted, dir, env}
	})
}

// search works like Run, but with a source that builds and measures in the folder dir, with
// the environment env.
func (s Search) search(ctx context.Context, name string, by func(dir string, env []string) source) (*Result, error) {
	repo, err := open(ctx, s.Repository)
	if err != nil {
		return nil, err
	}
	good, err := repo.commit(ctx, s.Good)
	if err != nil {
		return nil, err
	}
	bad, err := repo.commit(ctx, s.Bad)
	if err != nil {
		return nil, err
	}
	if good == bad {
		return nil, fmt.Errorf("the good and the bad revision are one commit, %.12s", good)
	}
	if err := repo.ancestor(ctx, good, bad); err != nil {
		return nil, err
	}
	dir, remove, err := cache.Temp("bisect")
	if err != nil {
		return nil, err
	}
	defer remove()
	tree, err := repo.copyInto(ctx, filepath.Join(dir, "tree"))
	if err != nil {
		return nil, err
	}
	w := &walk{Search: s, source: by(dir, repo.env), tree: tree, measured: map[[sha256.Size]byte]point{}}
	w.result = Result{Series: name, Repository: s.Repository}
	return w.run(ctx, good, bad)
}

// walk is a search in progress.
type walk struct {
	Search
	source
	tree *repository
	// measured holds the points of files that were built, by their hashes: equal files
	// are measured once.
	measured map[[sha256.Size]byte]point
	result   Result
}

func (w *walk) run(ctx context.Context, good, bad string) (*Result, error) {
	r := &w.result
	for _, id := range []string{good, bad} {
		step, err := w.step(ctx, id)
		if err != nil {
			return nil, err
		}
		if step.Verdict == Skipped {
			return nil, fmt.Errorf("nothing to start from: %.12s %s", id, step.Detail)
		}
	}
	first := r.Steps[1]
	if first.Verdict == Good {
		return nil, fmt.Errorf("nothing to find: %s is %s at %.12s and at %.12s", r.Series, first.Value, good, bad)
	}
	goods := []string{good}
	for {
		left, err := w.tree.between(ctx, first.Commit.ID, goods)
		if err != nil {
			return nil, err
		}
		others := slices.DeleteFunc(slices.Clone(left), func(id string) bool { return id == first.Commit.ID || r.has(id, Skipped) })
		if len(others) == 0 && len(left) > 1 {
			return r, w.skipped(ctx, left)
		}
		if len(others) == 0 {
			// A parent that is an ancestor of a good one need not have been measured.
			parents := first.Commit.parents
			if len(parents) > 0 && !slices.ContainsFunc(parents, w.known) && !r.has(parents[0], Skipped) {
				before, err := w.step(ctx, parents[0])
				if err != nil {
					return nil, err
				}
				if before.Verdict == Bad {
					return nil, fmt.Errorf("%s changes more than once: %.12s has %s, and a later commit %s again; give two revisions between which it changes once",
						r.Series, parents[0], before.Value, r.Steps[0].Value)
				}
			}
			return r, w.found(ctx, first)
		}
		step, err := w.step(ctx, others[away(len(others), len(left)-1-len(others))])
		switch {
		case err != nil:
			return nil, err
		case step.Verdict == Good:
			goods = append(goods, step.Commit.ID)
		case step.Verdict == Bad:
			first = step
		}
	}
}

// away returns the index of the next of n commits, of which the first is the best, when
// some were skipped: another place each time, as a commit that does not build often has
// neighbours that do not either, and seldom far from the best.
func away(n, skipped int) int {
	const golden = 0.6180339887
	_, at := math.Modf(float64(skipped) * golden)
	return int(at * at * float64(n))
}

// step builds and measures a revision. The first one is the good one.
func (w *walk) step(ctx context.Context, id string) (Step, error) {
	s := Step{Verdict: Skipped}
	var err error
	if s.Commit, err = w.tree.show(ctx, id); err != nil {
		return s, err
	}
	w.Progress(fmt.Sprintf("building %.12s (%s)", id, s.Commit.Subject))
	if err := w.tree.checkout(ctx, id); err != nil {
		return s, err
	}
	file, err := w.build(ctx, w.tree.dir)
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	var p point
	if err != nil {
		s.Detail = "does not build: " + err.Error()
	} else {
		w.Progress(fmt.Sprintf("measuring %.12s (%s)", id, s.Commit.Subject))
		if p, err = w.point(ctx, file); err != nil {
			s.Detail = "cannot be measured: " + err.Error()
		}
	}
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	if err == nil {
		s.Value, s.Detail, s.listing = &p.value, p.detail, p.listing
		s.Verdict = Bad
		if len(w.result.Steps) == 0 || *w.result.Steps[0].Value == p.value {
			s.Verdict = Good
		}
	}
	w.result.Steps = append(w.result.Steps, s)
	w.Step(s)
	return s, nil
}

// built is the file that a build made.
var built = bounded.Kind{Most: 1 << 30, Regular: true, Advice: "the build should make it"}

// point measures a file unless an equal one was measured before.
func (w *walk) point(ctx context.Context, file string) (point, error) {
	f, err := built.Open(ctx, file)
	if err != nil {
		return point{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return point{}, err
	}
	key := [sha256.Size]byte(sum.Sum(nil))
	p, ok := w.measured[key]
	if !ok {
		if p, err = w.measure(ctx, file); err == nil {
			w.measured[key] = p
		}
	}
	return p, err
}

// known reports whether a commit was measured.
func (w *walk) known(id string) bool { return w.result.has(id, Good) }

// skipped fills in the commits among which the first one with another value is.
func (w *walk) skipped(ctx context.Context, left []string) error {
	for _, id := range left {
		c, err := w.tree.show(ctx, id)
		if err != nil {
			return err
		}
		w.result.Possible = append(w.result.Possible, c)
	}
	return nil
}

// found fills in what is known about the first commit with another value.
func (w *walk) found(ctx context.Context, first Step) error {
	r := &w.result
	r.First = &first
	parents := first.Commit.parents
	if len(parents) == 0 {
		return nil // a root commit, in which everything is new
	}
	parent := parents[0]
	if i := slices.IndexFunc(parents, w.known); i >= 0 {
		parent = parents[i]
		at := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Commit.ID == parent })
		r.Before = &r.Steps[at]
		if before, after := r.Before.listing, first.listing; before != "" && after != "" {
			r.Code, r.SameCode = history.DiffCode(before, after), before == after
		}
	}
	var err error
	r.Files, err = w.tree.files(ctx, parent, first.Commit.ID)
	return err
}
