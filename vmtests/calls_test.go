package vmtests

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

var update = flag.Bool("update", false, "write testdata/calls/*.golden anew with what this Linux does (needs root)")

// callParts are the parts of the program testdata/calls.
var callParts = []string{"files", "readonly", "events", "pipes", "process"}

// tree is what the program calls looks at, beside itself as init.
func tree() []cpio.Record {
	var big bytes.Buffer
	for i := range 9000 {
		fmt.Fprintf(&big, "%d in the big file\n", i*i)
	}
	linked := cpio.StaticFile("hard", "", 0o644)
	linked.NLink, linked.Ino = 2, 7
	data := cpio.StaticFile("hard2", "one file, two names\n", 0o644)
	data.NLink, data.Ino = 2, 7
	return []cpio.Record{
		cpio.StaticFile("etc/motd", "welcome\nto this\n", 0o644),
		cpio.Directory("etc", 0o755), // after its first member
		cpio.Symlink("etc/abs", "/etc/motd"),
		cpio.Symlink("link", "etc/motd"),
		cpio.Symlink("dirlink", "etc"),
		cpio.Symlink("loop", "loop"),
		cpio.Symlink("dangling", "nowhere"),
		cpio.StaticFile("implied/a/b/c", "ccc", 0o644), // no directory is named
		cpio.StaticFile("./implied/a/d", "ddd", 0o644),
		cpio.StaticFile("/implied/x", "xxx", 0o644),
		cpio.Directory("empty", 0o755),
		linked, data,
		cpio.StaticFile("big", big.String(), 0o644),
	}
}

// archive packs records as they are.
func archive(t *testing.T, records ...cpio.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	for _, r := range records {
		if err := w.WriteRecord(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// initRecord is the program at path as init.
func initRecord(t *testing.T, path string) cpio.Record {
	t.Helper()
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return cpio.StaticFile("init", string(program), 0o755)
}

// bootArchive boots the archive with a kernel of one variant and returns the
// result and what came out on the console.
func bootArchive(t *testing.T, data []byte, c vm.Config) (vm.Result, string) {
	t.Helper()
	m, err := lab.Prepare(t.Context(), lab.Config{Variants: []stubs.Named{variant(t, "linux-3.19"), variant(t, "bare")}, Init: program(t, "hello"), VM: c})
	if err != nil {
		t.Fatal(err)
	}
	m.Initrd = filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(m.Initrd, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return boot(t, m)
}

// TestCalls compares what system calls return with what they return on Linux.
func TestCalls(t *testing.T) {
	if *update {
		updateCalls(t)
	}
	data := archive(t, append(tree(), initRecord(t, program(t, "calls")))...)
	for _, part := range callParts {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(golden(part))
			if err != nil {
				t.Fatal(err)
			}
			c := machine(t, vm.TCG)
			c.Append = part
			res, got := bootArchive(t, data, c)
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("calls return other things than on Linux (-Linux +entrylab):\n%s", diff)
			}
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Error(res.Report())
			}
		})
	}
}

func golden(part string) string { return filepath.Join("testdata", "calls", part+".golden") }

// inTree runs the program in a read-only copy of the tree, as PID 1.
const inTree = `set -e
cd "$1"
mkdir dev proc
for n in 3:null 5:zero 9:urandom; do mknod -m 666 dev/${n#*:} c 1 ${n%:*}; done
mount --bind . .
mount -t proc proc "$1"/proc
mount -o remount,ro,bind "$1"
exec chroot "$1" /init "$2" </dev/null
`

// updateCalls runs the program on this Linux.
func updateCalls(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can make the tree that the golden files are of")
	}
	for _, part := range callParts {
		dir := t.TempDir()
		for _, r := range append(tree(), initRecord(t, program(t, "calls"))) {
			path := filepath.Join(dir, r.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			text := make([]byte, r.FileSize)
			if len(text) > 0 {
				_, err = r.ReadAt(text, 0)
			}
			switch {
			case err != nil:
			case r.Mode&cpio.S_IFMT == cpio.S_IFDIR:
				err = os.MkdirAll(path, 0o755)
			case r.Mode&cpio.S_IFMT == cpio.S_IFLNK:
				err = os.Symlink(string(text), path)
			case r.Name == "hard":
			default:
				err = os.WriteFile(path, text, fs.FileMode(r.Mode&0o777))
			}
			if err == nil && r.Name == "hard2" {
				err = os.Link(path, filepath.Join(dir, "hard"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		out, err := os.Create(golden(part)) // not a pipe: writing half a buffer to that fails as a whole
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", inTree, "sh", dir, part)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
