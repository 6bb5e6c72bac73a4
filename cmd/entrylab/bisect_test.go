package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/bisect"
)

// repositoryOf returns a repository of commits with these files, the last of which is
// checked out, and the IDs of the commits.
func repositoryOf(t *testing.T, commits ...map[string]string) (dir string, ids []string) {
	t.Helper()
	need.Tool(t, "git")
	dir = t.TempDir()
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@localhost",
			"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@localhost")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	for i, files := range commits {
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git("add", ".")
		git("commit", "-q", "-m", fmt.Sprintf("commit %d", i+1))
		ids = append(ids, git("rev-parse", "HEAD"))
	}
	return dir, ids
}

// kernelRepository returns a repository of commits with a script "build" each.
func kernelRepository(t *testing.T, scripts ...string) (dir string, ids []string) {
	t.Helper()
	var commits []map[string]string
	for _, s := range scripts {
		commits = append(commits, map[string]string{"build": s})
	}
	return repositoryOf(t, commits...)
}

// clearing is a part of entry_SYSCALL_64 in the image of Debian's kernel, whose
// compression, LZ4, leaves it as it is: PUSHQ RCX, PUSHQ -ENOSYS, PUSHQ R8 and so on to
// R15, and XORL ESI, ESI.
var clearing = []byte("\x51\x6a\xda\x41\x50\x41\x51\x41\x52\x41\x53\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x31\xf6")

// TestBisectLinux finds the commit that makes every call of Debian's kernel one
// instruction longer: two NOPs instead of XORL ESI, ESI. The build writes to files of the
// checkout and leaves others there.
func TestBisectLinux(t *testing.T) {
	t.Parallel()
	need.QEMU(t)
	kernel := need.Linux(t)
	image, err := os.ReadFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(image, clearing)
	if at < 0 {
		t.Fatalf("%s has no entry_SYSCALL_64 that is not compressed", kernel)
	}
	const start = "set -e\necho '# dirty' >>build\ntest ! -e left || test -w left\necho >left\ncp \"$KERNEL\" bzImage\n"
	good, longer := start, start+fmt.Sprintf("printf '\\220\\220' | dd of=bzImage bs=1 seek=%d conv=notrunc 2>/dev/null\n", at+len(clearing)-2)
	dir, ids := kernelRepository(t, good, good+"# no change\n", longer, "exit 1\n", longer+"# no change\n")
	command := "KERNEL='" + kernel + "' sh ./build && echo bzImage"
	status, stdout, stderr := played(t, "bisect", "-good", ids[0], "-bad", ids[4], "-repo", dir, "-build", command, "-format", "json", "icount linux: null-call")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var r bisect.Result
	var document map[string]any
	if err := json.Unmarshal([]byte(stdout), &document); err != nil {
		t.Fatal(err)
	}
	for _, problem := range unconfigured(document) {
		t.Error(problem)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.First == nil || r.Before == nil || r.First.Commit.ID != ids[2] || r.Before.Commit.ID != ids[1] {
		t.Fatalf("not %s is found:\n%s", ids[2], stdout)
	}
	before, after := r.Before.Value, r.First.Value
	if before.Unit != "instructions" || before.Figure < 100 || after.Figure != before.Figure+1 {
		t.Errorf("%v before and %v after", before, after)
	}
	if len(r.Files) != 1 || r.Files[0] != "build" || r.Series != "icount microvm max linux: null-call" {
		t.Errorf("files are %q, the series is %q", r.Files, r.Series)
	}
}

// TestBisectOwn: each revision is asked for a night as this one understands it. It is this
// command that answers, but for one count, before which revisions write a digit.
func TestBisectOwn(t *testing.T) {
	t.Setenv("SLURM_ARRAY_TASK_ID", "2") // as in the job of an array
	t.Setenv("SLURM_ARRAY_TASK_COUNT", "4")
	const source = `package main

import (
	"os"
	"os/exec"
	"strings"
)

func main() {
	cmd := exec.Command(%q, os.Args[1:]...)
	cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		panic(string(out))
	}
	path := os.Args[5] + "/results.jsonl"
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		if strings.Contains(l, "\"static linux-6.12: insns\"") {
			lines[i] = strings.Replace(l, "\"values\":[", "\"values\":[%s", 1)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		panic(err)
	}
}
`
	var commits []map[string]string
	for _, digit := range []string{"", "9", "x", "99"} { // x is none, and so the history is damaged
		commits = append(commits, map[string]string{
			"go.mod":               "module mini\n\ngo 1.26\n",
			"cmd/entrylab/main.go": fmt.Sprintf(source, os.Args[0], digit),
		})
	}
	dir, ids := repositoryOf(t, commits...)
	status, stdout, stderr := played(t, "bisect", "-good", ids[0], "-bad", ids[1], "-repo", dir, "static linux-6.12: insns")
	if status != 0 || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	found := regexp.MustCompile(`(?s)^good     [0-9a-f]{12}  (\d+) instructions    commit 1\nbad      [0-9a-f]{12}  9(\d+) instructions +commit 2\n\n` +
		`static linux-6.12: insns: .*\ncommit [0-9a-f]{40}\n.*\n\ncmd/entrylab/main.go\n.*\nThe code of the path is the same.\n$`).FindStringSubmatch(stdout)
	if found == nil || found[1] != found[2] {
		t.Errorf("it printed\n%s", stdout)
	}

	// Where only skipped ones are left, each that it may be is told, and the status is 2.
	status, stdout, stderr = played(t, "bisect", "-good", ids[1], "-bad", ids[3], "-repo", dir, "-format", "json", "static linux-6.12: insns")
	var r bisect.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	var possible []string
	for _, c := range r.Possible {
		possible = append(possible, c.ID)
	}
	slices.Sort(possible)
	want := slices.Sorted(slices.Values(ids[2:]))
	if status != exitError || r.First != nil || !slices.Equal(possible, want) || !strings.HasPrefix(stderr, "entrylab bisect: the commit is one of 2, of which all but the last were skipped") {
		t.Errorf("status %d, possible %q, want %q\n%s", status, possible, want, stderr)
	}
}

// TestBisectText: the steps are printed, and what was found; only skipped commits end
// with status 2.
func TestBisectText(t *testing.T) {
	const image = "printf '\\0' | dd of=image bs=1 count=1 2>/dev/null\n" // no kernel, and so not measured
	dir, ids := kernelRepository(t, image, "exit 1\n")
	for _, tt := range []struct{ name, good, bad, stdout, stderr string }{
		{"no kernel", ids[0], ids[1], "skipped  " + ids[0][:12] + "  -                   commit 1 (cannot be measured: ", "is not a Linux kernel image"},
		{"no commit", "nothing", ids[1], "", "entrylab bisect: no commit \"nothing\" in "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, "bisect", "-good", tt.good, "-bad", tt.bad, "-repo", dir, "-build", "sh ./build && echo image", "icount linux: null-call")
			if status != exitError || !strings.HasPrefix(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("status %d, stdout\n%s\nstderr\n%s", status, stdout, stderr)
			}
		})
	}
}

// TestBisectInterrupted: on SIGTERM the build ends, and nothing is left of the search.
func TestBisectInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			dir, ids := kernelRepository(t, "sleep 1000.75 & wait\n", "exit 1\n")
			before := tree(t, dir)
			tmp, mark := t.TempDir(), fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
			cmd := exec.CommandContext(t.Context(), os.Args[0], "bisect", "-good", ids[0], "-bad", ids[1], "-repo", dir, "-build", "sh ./build", "icount linux: null-call")
			cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", markVariable+"="+mark, "XDG_CACHE_HOME="+tmp)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for names := []string(nil); !hasAll(names, []string{"sleep"}); _, names = marked(t, mark) {
				select {
				case err := <-ended:
					t.Fatalf("it ended (%v) before it built:\n%s", err, said.String())
				case <-time.After(5 * time.Millisecond):
				}
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			<-ended
			if status := cmd.ProcessState.ExitCode(); status != exitError || said.String() != "entrylab bisect: interrupted\n" {
				t.Errorf("status %d, %q", status, said.String())
			}
			for start := time.Now(); ; time.Sleep(5 * time.Millisecond) { // the kernel ends them one by one
				_, left := marked(t, mark)
				if len(left) == 0 {
					break
				}
				if time.Since(start) > time.Minute {
					t.Fatalf("a minute after it ended %q still run", left)
				}
			}
			if left, err := filepath.Glob(filepath.Join(tmp, "entrylab", "run", "*")); err != nil || len(left) > 0 {
				t.Errorf("left are %q (%v)", left, err)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("the repository was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// tree returns the files of a folder and when they were changed.
func tree(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "find", dir, "-printf", "%p %s %T@\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
