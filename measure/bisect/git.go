package bisect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/internal/group"
)

// mostOutput is the most that git may print: a million commits.
const mostOutput = 64 << 20

// repository is a git repository on this machine.
type repository struct {
	dir string
	// common is the folder of its objects and references.
	common string
	// env is the environment for git and for builds: without the variables that would
	// make git use another repository, which are set in a hook.
	env []string
}

// open finds the repository that contains the folder.
func open(ctx context.Context, dir string) (*repository, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("git not found: install it, or put it into PATH")
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("no repository: %w", err)
	}
	r := &repository{dir: dir, env: os.Environ()}
	local, err := r.git(ctx, "rev-parse", "--local-env-vars")
	if err != nil {
		return nil, err
	}
	r.env = slices.DeleteFunc(r.env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(strings.Fields(local), name)
	})
	if r.common, err = r.git(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir"); err != nil {
		return nil, fmt.Errorf("no repository at %s: %w", dir, err)
	}
	return r, nil
}

// git runs git in the repository and returns what it prints.
func (r *repository) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = r.dir, append(slices.Clone(r.env), "LC_ALL=C")
	out, said := bounded.Buffer{Most: mostOutput}, bounded.Buffer{Most: mostOutput}
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := group.Run(cmd); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if _, exit := errors.AsType[*exec.ExitError](err); exit {
			return "", &gitError{args[0], err, string(bytes.TrimSpace(said.Bytes()))}
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// gitError is an error that git itself reported.
type gitError struct {
	command string
	exit    error
	said    string
}

func (e *gitError) Error() string {
	return fmt.Sprintf("git %s: %s", e.command, cmp.Or(e.said, e.exit.Error()))
}

// commit returns the ID of the commit that a revision names.
func (r *repository) commit(ctx context.Context, revision string) (string, error) {
	id, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if _, ok := errors.AsType[*gitError](err); ok {
		return "", fmt.Errorf("no commit %q in %s", revision, r.dir)
	}
	return id, err
}

// ancestor returns an error unless one commit is an ancestor of the other.
func (r *repository) ancestor(ctx context.Context, good, bad string) error {
	_, err := r.git(ctx, "merge-base", "--is-ancestor", good, bad)
	if _, ok := errors.AsType[*gitError](err); !ok {
		return err
	}
	base, err := r.git(ctx, "merge-base", good, bad)
	if _, ok := errors.AsType[*gitError](err); err != nil && !ok {
		return err
	}
	switch base {
	case "":
		return fmt.Errorf("%.12s and %.12s have no common history", good, bad)
	case bad:
		return fmt.Errorf("%.12s is after %.12s: the good revision is the older of the two, even if its value is the worse one", good, bad)
	}
	return fmt.Errorf("%.12s is not an ancestor of %.12s: give a good revision that is, such as %.12s, the last common one", good, bad, base)
}

// between returns the commits of bad's history that are in the history of no good one:
// the one that halves them best first, and bad last.
func (r *repository) between(ctx context.Context, bad string, good []string) ([]string, error) {
	out, err := r.git(ctx, slices.Concat([]string{"rev-list", "--bisect-all", bad, "--not"}, good)...)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(out) {
		id, _, _ := strings.Cut(line, " ")
		all = append(all, id)
	}
	return all, nil
}

// Commit is a commit for people.
type Commit struct {
	ID      string `json:"id"`
	Author  string `json:"author"`
	Date    string `json:"date"`
	Subject string `json:"subject"`

	parents []string
}

func (r *repository) show(ctx context.Context, id string) (Commit, error) {
	out, err := r.git(ctx, "show", "--no-patch", "--no-show-signature", "--format=%an%n%aI%n%P%n%s", id)
	if err != nil {
		return Commit{}, err
	}
	lines := append(strings.SplitN(out, "\n", 4), "", "", "", "")
	return Commit{id, lines[0], lines[1], lines[3], strings.Fields(lines[2])}, nil
}

// files returns the names of the files that differ between two commits.
func (r *repository) files(ctx context.Context, from, to string) ([]string, error) {
	out, err := r.git(ctx, "diff-tree", "-r", "--name-only", "-z", from, to)
	return strings.FieldsFunc(out, func(c rune) bool { return c == 0 }), err
}

// copyInto makes a copy of the repository without a checkout, which shares its objects.
// Hooks do not run in it.
func (r *repository) copyInto(ctx context.Context, dir string) (*repository, error) {
	if _, err := r.git(ctx, "clone", "--quiet", "--shared", "--no-checkout", "--template=", "--config", "core.hooksPath=/dev/null", r.common, dir); err != nil {
		return nil, err
	}
	return &repository{dir: dir, env: r.env}, nil
}

// checkout checks out a commit. Files that builds made stay, unless they are in the way
// and must be replaced.
func (r *repository) checkout(ctx context.Context, id string) error {
	_, err := r.git(ctx, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--force", "--detach", id)
	return err
}
