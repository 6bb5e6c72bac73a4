package bisect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bisect-test-")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} { // they stay where they are
		path, err := exec.Command("go", "env", name).Output()
		if err != nil {
			panic(err)
		}
		os.Setenv(name, strings.TrimSpace(string(path)))
	}
	os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	os.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	os.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// git runs git in a folder.
func git(t *testing.T, dir, stdin string, args ...string) string {
	t.Helper()
	need.Tool(t, "git")
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit is one of a test's repository. Its name is a tag.
type commit struct {
	name    string
	parents []string
	files   map[string]string
}

// repositoryOf makes a repository of commits, each after its parents, and checks out the
// last one.
func repositoryOf(t *testing.T, commits ...commit) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "", "init", "-q", "-b", "main")
	marks := map[string]int{}
	var in strings.Builder
	for i, c := range commits {
		marks[c.name] = i + 1
		// By the mark no two commits are equal.
		message := fmt.Sprintf("commit %s\n\nthe body", c.name)
		fmt.Fprintf(&in, "reset refs/heads/main\ncommit refs/heads/main\nmark :%d\ncommitter Test <test@localhost> %d +0000\ndata %d\n%s\n",
			i+1, 1_700_000_000+i, len(message), message)
		for j, p := range c.parents {
			fmt.Fprintf(&in, "%s :%d\n", []string{"from", "merge"}[min(j, 1)], marks[p])
		}
		in.WriteString("deleteall\n")
		for name, text := range c.files {
			fmt.Fprintf(&in, "M 100644 inline %s\ndata %d\n%s\n", name, len(text), text)
		}
		fmt.Fprintf(&in, "reset refs/tags/%s\nfrom :%d\n", c.name, i+1)
	}
	git(t, dir, in.String(), "fast-import", "--quiet")
	git(t, dir, "", "reset", "-q", "--hard", "main")
	return dir
}

// row returns a history without branches: c1, c2 and so on, each with a file of its value.
func row(values ...string) []commit {
	var all []commit
	for i, v := range values {
		c := commit{name: fmt.Sprintf("c%d", i+1), files: map[string]string{"value": v}}
		if i > 0 {
			c.parents = []string{all[i-1].name}
		}
		all = append(all, c)
	}
	return all
}

// valued measures a revision by its file "value": a number, or "broken" for one that
// does not build.
type valued struct{ measured int }

func (v *valued) build(_ context.Context, tree string) (string, error) {
	file := filepath.Join(tree, "value")
	text, err := os.ReadFile(file)
	if err != nil || string(text) == "broken\n" {
		return "", errors.New("it is broken")
	}
	return file, nil
}

func (v *valued) measure(_ context.Context, file string) (point, error) {
	v.measured++
	text, err := os.ReadFile(file)
	if err != nil {
		return point{}, err
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	return point{value: Value{Figure: n, Unit: "instructions"}, listing: "same\n" + string(text) + "\n"}, err
}

// searched looks for a change in the files "value" of a repository.
func searched(t *testing.T, dir, good, bad string, by source) (*Result, error) {
	t.Helper()
	s := Search{Repository: dir, Good: good, Bad: bad, Progress: func(string) {}, Step: func(Step) {}}
	return s.search(t.Context(), "series", func(string, []string) source { return by })
}

// names returns the names of the commits, as their subjects have them.
func names(commits ...Commit) []string {
	var all []string
	for _, c := range commits {
		all = append(all, strings.TrimPrefix(c.Subject, "commit "))
	}
	return all
}

// fan returns a history in which of m2 come a long branch that is good and one that is bad,
// s1, which m9 merges.
func fan(m2 string) []commit {
	file := func(v string) map[string]string { return map[string]string{"value": v} }
	all := []commit{{"m1", nil, file("1")}, {"m2", []string{"m1"}, file(m2)}}
	last := "m2"
	for i := range 6 {
		name := fmt.Sprintf("g%d", i)
		all, last = append(all, commit{name, []string{last}, file("1")}), name
	}
	return append(all, commit{"s1", []string{"m2"}, file("2")}, commit{"m9", []string{last, "s1"}, file("2")})
}

func TestSearch(t *testing.T) {
	// A side branch s1, s2 leaves main after m1 and is merged by m3, into which m2 goes
	// as well.
	branches := func(m2, s1, s2, m3 string) []commit {
		file := func(v string) map[string]string { return map[string]string{"value": v} }
		return []commit{
			{"m1", nil, file("1")},
			{"m2", []string{"m1"}, file(m2)},
			{"s1", []string{"m1"}, file(s1)},
			{"s2", []string{"s1"}, file(s2)},
			{"m3", []string{"m2", "s2"}, file(m3)},
			{"m4", []string{"m3"}, file(m3)},
		}
	}
	for _, tt := range []struct {
		name      string
		commits   []commit
		good, bad string
		first     string // empty: not found
		before    string
		possible  []string
		text      string // in the result's text
	}{
		{"the next one", row("1", "2"), "c1", "c2", "c2", "c1", nil, "series: 1 instructions before and 2 instructions since"},
		{"in a row", row("1", "1", "1", "2", "2", "2", "2"), "c1", "c7", "c4", "c3", nil, "    commit c4\n\nvalue\n"},
		{"what is better is found, too", row("3", "3", "2", "2"), "c1", "c4", "c3", "c2", nil, "-3\n+2\n"},
		{"by other names", row("1", "1", "2", "2"), "main~3", "HEAD", "c3", "c2", nil, ""},
		{"a part of the history", row("5", "1", "1", "2", "2", "9"), "c2", "c5", "c4", "c3", nil, ""},
		{"on a branch", branches("1", "1", "2", "2"), "m1", "m4", "s2", "s1", nil, ""},
		{"in main beside a branch", branches("2", "1", "1", "2"), "m1", "m4", "m2", "m1", nil, ""},
		{"by the merge itself", branches("1", "1", "1", "2"), "m1", "m4", "m3", "m2", nil, ""},
		{"from a branch", branches("1", "1", "1", "2"), "s1", "m4", "m3", "m2", nil, ""},
		{"it changed twice", row("1", "1", "2", "2", "3"), "c1", "c5", "c3", "c2", nil, "It changed again later: it is 3 instructions at "},
		{"broken before it", row("1", "broken\n", "1", "2", "2", "2"), "c1", "c6", "c4", "c3", nil, ""},
		{"broken behind it", row("1", "1", "1", "2", "broken\n", "2"), "c1", "c6", "c4", "c3", nil, ""},
		{"broken where it is", row("1", "1", "broken\n", "2", "2"), "c1", "c5", "", "", []string{"c3", "c4"}, "Not found: only skipped commits are left"},
		{"all are broken", row("1", "broken\n", "broken\n", "broken\n", "2"), "c1", "c5", "", "", []string{"c2", "c3", "c4", "c5"}, ""},
		// The one that is good beside it leaves its parent unmeasured.
		{"a parent of two", fan("1"), "m1", "m9", "s1", "m2", nil, ""},
		{"a parent of two is broken", fan("broken\n"), "m1", "m9", "s1", "", nil, "None of its parents has a value"},
		{"a root", []commit{
			{"m1", nil, map[string]string{"value": "1"}}, {"r1", nil, map[string]string{"value": "2"}}, {"m2", []string{"m1", "r1"}, map[string]string{"value": "2"}},
		}, "m1", "m2", "r1", "", nil, "None of its parents has a value"},
		{"not a number", row("1", "1", "x", "2", "2", "2"), "c1", "c6", "", "", []string{"c3", "c4"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			by := &valued{}
			r, err := searched(t, repositoryOf(t, tt.commits...), tt.good, tt.bad, by)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := r.Write(&text, "text"); err != nil || !strings.Contains(text.String(), tt.text) {
				t.Errorf("%v: no %q in\n%s", err, tt.text, text.String())
			}
			if tt.first == "" {
				possible := names(r.Possible...)
				slices.Sort(possible)
				if r.First != nil || !slices.Equal(possible, tt.possible) {
					t.Errorf("first is %+v, possible are %q, want %q", r.First, possible, tt.possible)
				}
				return
			}
			if r.First == nil {
				t.Fatalf("not found: possible are %q", names(r.Possible...))
			}
			before := ""
			if r.Before != nil {
				before = names(r.Before.Commit)[0]
			}
			if first := names(r.First.Commit)[0]; first != tt.first || before != tt.before {
				t.Errorf("first and before are %q and %q, want %q and %q", first, before, tt.first, tt.before)
			}
			// Two values: equal files are measured once.
			values := map[string]bool{}
			for _, s := range r.Steps {
				if s.Value != nil {
					values[s.Value.String()] = true
				}
			}
			if by.measured != len(values) {
				t.Errorf("%d files were measured, want %d", by.measured, len(values))
			}
		})
	}
}

// TestRandom searches histories with merges at random, where some commits do not build,
// for a commit that is known.
func TestRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 6 {
		const n = 24
		culprit := 1 + random.IntN(n-2)
		var all []commit
		bad := map[int]bool{culprit: true}
		broken := map[int]bool{}
		for i := range n {
			c := commit{name: fmt.Sprintf("c%d", i)}
			parents := []int{}
			if i > 0 {
				parents = append(parents, max(0, i-1-random.IntN(3)))
				if other := random.IntN(i); random.IntN(3) == 0 && other != parents[0] {
					parents = append(parents, other)
				}
			}
			if i == n-1 && !slices.Contains(parents, culprit) { // the end knows it
				parents = append(parents, culprit)
			}
			for _, p := range parents {
				c.parents = append(c.parents, all[p].name)
				bad[i] = bad[i] || bad[p]
			}
			value := "1"
			if bad[i] {
				value = "2"
			}
			if i > 0 && i < n-1 && random.IntN(6) == 0 {
				value, broken[i] = "broken\n", true
			}
			c.files = map[string]string{"value": value}
			all = append(all, c)
		}
		r, err := searched(t, repositoryOf(t, all...), all[0].name, all[n-1].name, &valued{})
		if err != nil {
			t.Fatal(err)
		}
		want := all[culprit].name
		if r.First == nil {
			if !slices.Contains(names(r.Possible...), want) {
				t.Errorf("it is %s, possible are %q", want, names(r.Possible...))
			}
			continue
		}
		found++
		if got := names(r.First.Commit)[0]; got != want || broken[culprit] {
			t.Errorf("found is %s, want %s", got, want)
		}
		if most := 2 + 8 + len(broken); len(r.Steps) > most {
			t.Errorf("it took %d steps, want %d at most", len(r.Steps), most)
		}
	}
	if found == 0 {
		t.Error("none was found")
	}
}

func TestRefused(t *testing.T) {
	linear := row("1", "1", "2", "broken\n")
	fork := append(slices.Clone(linear), commit{"side", []string{"c1"}, map[string]string{"value": "2"}}, commit{"alone", nil, map[string]string{"value": "2"}})
	dir := repositoryOf(t, fork...)
	for _, tt := range []struct{ name, dir, good, bad, want string }{
		{"no repository", t.TempDir(), "c1", "c2", "no repository at"},
		{"no such folder", dir + "/x", "c1", "c2", "x: no such file or directory"},
		{"no such revision", dir, "c1", "c9", `no commit "c9" in`},
		{"a flag as revision", dir, "--all", "c2", `no commit "--all" in`},
		{"one commit", dir, "c1", "c2~1", "are one commit"},
		{"one value", dir, "c1", "c2", "nothing to find: series is 1 instructions at"},
		{"the other way round", dir, "c3", "c1", "the good revision is the older of the two"},
		{"a branch", dir, "side", "c3", "give a good revision that is, such as " + git(t, dir, "", "rev-parse", "c1")[:12]},
		{"no common history", dir, "alone", "c3", "have no common history"},
		{"it goes back in between", repositoryOf(t, fan("3")...), "m1", "m9", "changes more than once: "},
		{"the bad one is broken", dir, "c1", "c4", "does not build: it is broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := searched(t, tt.dir, tt.good, tt.bad, &valued{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("result %+v, error %v, want %q", r, err, tt.want)
			}
		})
	}
}

// snapshot returns all that is in a folder, .git included.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = info.Mode().String()
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[path] += fmt.Sprintf(" %v %x", info.ModTime(), sha256.Sum256(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUntouched: a search changes no file of the repository, whose work tree and index
// have changes, also where it runs in a hook of it; and it runs no hooks.
func TestUntouched(t *testing.T) {
	dir := repositoryOf(t, row("1", "1", "2", "2")...)
	for name, text := range map[string]string{"value": "7", "staged": "8", "untracked": "9"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "", "add", "staged")
	hooks := t.TempDir()
	if err := os.WriteFile(filepath.Join(hooks, "post-checkout"), []byte("#!/bin/sh\ntouch "+dir+"/hook-ran\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(hooks, "config")
	if err := os.WriteFile(config, []byte("[core]\n\thooksPath = "+hooks+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	before := snapshot(t, dir)
	t.Setenv("GIT_DIR", filepath.Join(dir, ".git"))
	t.Setenv("GIT_WORK_TREE", dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(dir, ".git", "index"))
	r, err := searched(t, dir, "c1", "c4", &valued{})
	if err != nil || r.First == nil || r.First.Commit.Subject != "commit c3" {
		t.Fatalf("%+v, %v", r, err)
	}
	after := snapshot(t, dir)
	for path := range before {
		if after[path] != before[path] {
			t.Errorf("%s was %s and is %s", path, before[path], after[path])
		}
	}
	for path := range after {
		if before[path] == "" {
			t.Errorf("%s is new", path)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "entrylab", "run", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left are %q (%v)", left, err)
	}
}

// TestRepositories searches each kind of repository that git has.
func TestRepositories(t *testing.T) {
	dir := repositoryOf(t, commit{"c1", nil, map[string]string{"value": "1"}}, commit{"c2", []string{"c1"}, map[string]string{"value": "1"}},
		commit{"c3", []string{"c2"}, map[string]string{"value": "2", "sub/file": ""}})
	beside := func(name string, args ...string) string {
		path := filepath.Join(t.TempDir(), name)
		git(t, dir, "", append(args, path)...)
		return path
	}
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, dir, "", "worktree", "add", "-q", linked, "c3")
	git(t, dir, "", "checkout", "-q", "--detach", "main")
	for _, tt := range []struct{ name, dir string }{
		{"a folder in it", filepath.Join(dir, "sub")},
		{"its own folder", filepath.Join(dir, ".git")},
		{"a linked work tree", linked},
		{"bare", beside("bare", "clone", "-q", "--bare", ".")},
		{"shallow", beside("shallow", "clone", "-q", "--no-local", "--depth=3", ".")},
		{"sharing its objects", beside("shared", "clone", "-q", "--shared", ".")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := searched(t, tt.dir, "HEAD~2", "HEAD", &valued{})
			if err != nil || r.First == nil || r.First.Commit.Subject != "commit c3" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestAway: what was skipped is left, and what comes next is one of the others.
func TestAway(t *testing.T) {
	for n := 1; n <= 100; n++ {
		for skipped := range 200 {
			if i := away(n, skipped); i < 0 || i >= n {
				t.Fatalf("of %d, %d skipped: %d", n, skipped, i)
			}
		}
	}
	if away(100, 0) != 0 || away(100, 1) < 10 {
		t.Errorf("of 100 come %d and %d", away(100, 0), away(100, 1))
	}
}
