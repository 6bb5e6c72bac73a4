package vmtests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
)

const pipeline = "echo one two three | tr eno ENO | cat\n"

// goshScript is what u-root's shell does by u-root's commands, each of which is a Go program
// that it starts by os/exec, in a pipeline many at once.
const goshScript = pipeline + `for i in 3 1 2; do seq $i $i; done | sort | head -n 2
seq 1 300 | grep 7 | wc -l
ls "$BIN" | sort | tail -n 3
x=$(seq 1 3 | tail -n 1); echo "$x"
(exit 5); echo status $?
cat /no/such 2>/dev/null || echo missing
no-such-command 2>/dev/null; echo $?
seq 1 4 | while read n; do seq $n $n | tr 1234 abcd; done
seq 1 2000 | sort -n -r | uniq | head -n 1
sleep 0.01 & wait; echo waited
seq 1 100000 | tail -n 1
gosh -c 'seq 1 3 | sort -r | head -n 1; exit 7'; echo $?
exit 3
`

// TestURoot runs a script by u-root's gosh as init and u-root's commands: what they
// print on the host is what they must print. Without -programs it has only the script's first
// pipeline and what that needs, as every command takes time to build.
func TestURoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, names := goshScript, []string{"gosh", "cat", "tr", "grep", "head", "ls", "seq", "sleep", "sort", "tail", "uniq", "wc"}
	if !*allPrograms {
		text, names = pipeline+"exit 3\n", names[:3]
	}
	var files []initramfs.File
	for _, name := range names {
		path := filepath.Join(dir, name)
		modules := "go.mod"
		if name == "gosh" {
			modules = "tools.mod" // what it needs is of no other use here
		}
		cmd := exec.CommandContext(t.Context(), "go", "build", "-modfile="+modules, "-trimpath", "-ldflags=-s -w",
			"-tags=goshsmall", "-o", path, "github.com/u-root/u-root/cmds/core/"+name)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		files = append(files, fileOf(t, path, "bin/"+name))
	}
	files = append(files, initramfs.File{Name: "script", Mode: 0o644, Data: []byte(text)})
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	host := exec.CommandContext(t.Context(), filepath.Join(dir, "gosh"), script)
	host.Env = []string{"PATH=" + dir, "BIN=" + dir}
	want, err := host.CombinedOutput()
	if host.ProcessState.ExitCode() != 3 {
		t.Fatalf("on the host: %v\n%s", err, want)
	}
	res, console := bootFiles(t, 512, "init=/bin/gosh PATH=/bin BIN=/bin -- /script", files...)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(console, "\n")); diff != "" || res.Outcome != vm.Exited || res.Status != 3 {
		t.Errorf("the shell prints other things than on the host (-host +entrylab):\n%s\n%s", diff, res.Report())
	}
}
