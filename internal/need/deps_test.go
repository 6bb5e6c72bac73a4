package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// machine returns a folder with all programs that .ci's scripts use or look for, in place
// of those of this machine. gdb is missing.
func machine(t *testing.T, aptGet string) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for _, name := range []string{"sh", "uname", "id", "env", "mkdir", "flock", "rm", "sed", "head", "tail", "touch", "chmod", "cat"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	deps, err := os.ReadFile(root + "/.ci/deps")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*need (\S+) `).FindAllStringSubmatch(string(deps), -1) {
		if m[1] != "gdb" {
			script(t, bin, m[1], "echo /dev/null") // the file that gcc is asked for
		}
	}
	script(t, bin, "go", "")
	script(t, bin, "apt-get", aptGet)
	script(t, bin, "apt-cache", "echo '  Depends: linux-image-6.0'")
	return bin
}

func script(t *testing.T, bin, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// home returns the home folder on such a machine.
func home(bin string) string { return filepath.Join(bin, "home") }

// onMachine runs one of .ci's scripts there and returns its status and its last
// line.
func onMachine(t *testing.T, bin, name string, words ...string) (status int, last string) {
	t.Helper()
	path, err := filepath.Abs(root + "/.ci/" + name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{path}, words...)...)
	cmd.Env = []string{"PATH=" + bin, "BIN=" + bin, "HOME=" + home(bin)}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return cmd.ProcessState.ExitCode(), lines[len(lines)-1]
}

// TestDeps: .ci/deps and .ci/linux end with 1 and name what could not be had.
func TestDeps(t *testing.T) {
	const installs = `case "$*" in *" gdb"*) touch "$BIN/gdb"; chmod +x "$BIN/gdb";; esac`
	for _, tt := range []struct {
		name, script, aptGet string
		status               int
		last                 string
	}{
		{"installed", "deps", installs, 0, "deps: installing gdb (apt-get)"},
		{"not installed", "deps", "exit 100", 1, "deps: cannot install gdb: apt-get failed, see above"},
		{"installed to no avail", "deps", "", 1, "deps: cannot install gdb: it is still missing after apt-get installed it"},
		{"not fetched", "linux", "echo E: no net >&2; exit 100", 1, "linux: cannot fetch linux-image-6.0: E: no net"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := machine(t, tt.aptGet)
			if status, last := onMachine(t, bin, tt.script); status != tt.status || last != tt.last {
				t.Errorf("status %d, %q; want %d, %q", status, last, tt.status, tt.last)
			}
		})
	}
	t.Run("nothing missing", func(t *testing.T) {
		bin := machine(t, "exit 100")
		script(t, bin, "gdb", "")
		if status, last := onMachine(t, bin, "deps"); status != 0 || last != "deps: nothing missing" {
			t.Errorf("status %d, %q", status, last)
		}
	})
	t.Run("no apt-get", func(t *testing.T) {
		bin := machine(t, "")
		if err := os.Remove(filepath.Join(bin, "apt-get")); err != nil {
			t.Fatal(err)
		}
		if status, last := onMachine(t, bin, "deps"); status != 1 || !strings.HasPrefix(last, "deps: cannot install gdb: no apt-get here") {
			t.Errorf("status %d, %q", status, last)
		}
	})
}

// TestNewestLinux: where Debian unstable has no kernel to give, .ci/linux newest says why
// in one sentence and ends with 1, and what it has begun is gone.
func TestNewestLinux(t *testing.T) {
	const archive = "case \"$*\" in indextargets*) echo 'Debian Debian http://mirror/'; exit;; esac\n"
	for _, tt := range []struct{ name, aptGet, aptCache, last string }{
		{"no archive", "", "", "linux: no newest kernel: apt has no archive of Debian's here"},
		{
			"not reached", archive + "echo 'E: Failed to fetch http://mirror/InRelease' >&2; echo 'E: Some index files failed' >&2; exit 100", "",
			"linux: no newest kernel: Debian unstable cannot be read: Failed to fetch http://mirror/InRelease",
		},
		{"no such package", archive, "", "linux: no newest kernel: http://mirror/ unstable has no linux-image-cloud-amd64"},
		{
			"not fetched", archive + "case \"$*\" in *update*) exit 0;; esac\necho E: no net >&2; exit 100", "echo '  Depends: linux-image-7.2'",
			"linux: cannot fetch linux-image-7.2: E: no net",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := machine(t, tt.aptGet)
			script(t, bin, "apt-cache", tt.aptCache)
			cache := filepath.Join(home(bin), ".cache/entrylab/linux")
			if err := os.MkdirAll(filepath.Join(cache, "modules"), 0o755); err != nil {
				t.Fatal(err)
			}
			there := []string{"lock", "modules", "vmlinuz", "vmlinuz-6.12"}
			for _, name := range slices.Delete(slices.Clone(there), 1, 2) {
				if err := os.WriteFile(filepath.Join(cache, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if status, last := onMachine(t, bin, "linux", "newest"); status != 1 || last != tt.last {
				t.Errorf("status %d, %q; want 1, %q", status, last, tt.last)
			}
			left, err := os.ReadDir(cache)
			var names []string
			for _, f := range left {
				names = append(names, f.Name())
			}
			if err != nil || !slices.Equal(names, there) {
				t.Errorf("left are %q (%v), want %q", names, err, there)
			}
		})
	}
}

// TestStrictly: .ci/test runs tests strictly, passes their status on, and says at
// the end which were skipped.
func TestStrictly(t *testing.T) {
	for _, tt := range []struct {
		play   string
		status int
		end    string
	}{
		{"a tool", 0, "No test was skipped.\n"},
		{"no such tool", 1, "No test was skipped.\n"},
		{"two things", 0, "Skipped, as this host has no:\n  PMU: TestOutcomes: two\n  hardware KVM: TestOutcomes/sub: one\n"},
	} {
		t.Run(tt.play, func(t *testing.T) {
			tmp := t.TempDir()
			cmd := exec.CommandContext(t.Context(), root+"/.ci/test", os.Args[0], "-test.run=^TestOutcomes$")
			cmd.Env = append(os.Environ(), playVariable+"="+tt.play, "TMPDIR="+tmp, "CI=")
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tt.status || !strings.HasSuffix(string(out), tt.end) {
				t.Errorf("%v, want status %d and at the end %q:\n%s", err, tt.status, tt.end, out)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left are %v (%v)", left, err)
			}
		})
	}
}

// TestShellcheck: the scripts are such that a POSIX shell runs them as they read.
func TestShellcheck(t *testing.T) {
	check := Tool(t, "shellcheck")
	scripts, err := filepath.Glob(root + "/.ci/*")
	if err != nil || len(scripts) < 4 {
		t.Fatalf("the scripts are %q (%v)", scripts, err)
	}
	if out, err := exec.CommandContext(t.Context(), check, scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
