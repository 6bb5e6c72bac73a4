package vmtests

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// callParts are the parts of the program testdata/calls.
var callParts = []string{"files", "readonly", "events", "pipes", "selects", "descriptors", "process", "timers", "memory", "status", "memfds"}

// newerPart is the one that the golden files' Linux cannot run.
const newerPart = "newer"

// tree returns what the program calls looks at, beside itself as init.
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

// initRecord returns the program at path as init.
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
	m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{variant(t, "linux-3.19"), variant(t, "bare")}, Init: program(t, "hello"), VM: c})
	if err != nil {
		t.Fatal(err)
	}
	m.Append = c.Append
	m.Initrd = filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(m.Initrd, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return bootMachine(t, m)
}

// TestCalls compares what system calls return with what they return on Linux.
func TestCalls(t *testing.T) {
	t.Parallel()
	if *golden.Update {
		updateCalls(t)
	}
	data := archive(t, append(tree(), initRecord(t, program(t, "calls")))...)
	for _, part := range append(callParts, newerPart) {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(goldenFile(part))
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

func goldenFile(part string) string { return filepath.Join("testdata", "calls", part+".golden") }

// TestCallsOnLinux shows that the golden files are what Linux does.
func TestCallsOnLinux(t *testing.T) {
	if *golden.Update { // they have been written anew just now
		return
	}
	t.Parallel()
	for part, got := range callsOnLinux(t) {
		want, err := os.ReadFile(goldenFile(part))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s is not what Linux does (-golden +Linux), write it anew with -update:\n%s", goldenFile(part), diff)
		}
	}
}

// updateCalls writes the golden files.
func updateCalls(t *testing.T) {
	for part, text := range callsOnLinux(t) {
		if err := os.WriteFile(goldenFile(part), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var partOnLinux = regexp.MustCompile(`(?s)-- begin (\w+)\n(.*?)-- end (.*?)\n`)

// callsOnLinux returns what the program calls prints on Linux, in a root that is
// read-only, by part.
func callsOnLinux(t *testing.T) map[string]string {
	t.Helper()
	m := machine(t, vm.ICount)
	m.Kernel, m.MemoryMiB, m.CPU = need.Linux(t), 512, "max,la57=off"
	m.Append = linux.Words + " -- " + strings.Join(callParts, " ")
	m.Initrd = filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(m.Initrd, linuxArchive(t), 0o600); err != nil {
		t.Fatal(err)
	}
	res, console := bootMachine(t, m)
	outputs := map[string]string{}
	for _, match := range partOnLinux.FindAllStringSubmatch(strings.ReplaceAll(console, "\r\n", "\n"), -1) {
		if match[3] != "<nil>" {
			t.Errorf("calls %s: %s", match[1], match[3])
		}
		outputs[match[1]] = match[2]
	}
	if len(outputs) != len(callParts) {
		t.Fatalf("%d of %d parts have run\n%s", len(outputs), len(callParts), res.Report())
	}
	return outputs
}

// linuxArchive returns the tree below /tree and the program onlinux as init. Linux unpacks
// nothing into a directory that has not come before.
func linuxArchive(t *testing.T) []byte {
	t.Helper()
	records := []cpio.Record{initRecord(t, program(t, "onlinux"))}
	seen := map[string]bool{}
	directory := func(name string) {
		for i := 1; i <= len(name); i++ {
			if i == len(name) || name[i] == '/' {
				if dir := name[:i]; !seen[dir] {
					seen[dir] = true
					records = append(records, cpio.Directory(dir, 0o755))
				}
			}
		}
	}
	directory("tree/dev")
	directory("tree/proc")
	for _, r := range append(tree(), initRecord(t, program(t, "calls"))) {
		r.Name = path.Join("tree", r.Name)
		directory(path.Dir(r.Name))
		if r.Mode&cpio.S_IFMT == cpio.S_IFDIR {
			directory(r.Name)
		} else {
			records = append(records, r)
		}
	}
	return archive(t, records...)
}
