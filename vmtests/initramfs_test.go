package vmtests

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestInitramfs boots archives that are as they should be, and archives that
// are damaged in one place each: the kernel must name the place.
func TestInitramfs(t *testing.T) {
	t.Parallel()
	hello := initRecord(t, program(t, "hello"))
	small := archive(t, cpio.StaticFile("a", "12345", 0o644))
	good := archive(t, hello)
	const (
		header   = 110
		nameSize = 94
		fileSize = 54
	)
	second := header + 4 + 8 - 2 // of small: header and "a" padded to 112, data to 120
	at := func(off int, text string) []byte {
		b := bytes.Clone(small)
		copy(b[off:], text)
		return b
	}
	zipped := func(data []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
		return b.Bytes()
	}
	refused := func(off int, what string) string {
		return fmt.Sprintf("initramfs: offset %d: expected %s", off, what)
	}
	const magic = "the magic 070701 of an uncompressed newc archive"
	for _, c := range []struct {
		name string
		data []byte
		want string // the reason of a refusal; empty: hello runs
	}{
		{name: "good", data: good},
		{name: "two archives", data: append(append(bytes.Clone(small), make([]byte, 300)...), good...)},
		{name: "zeros behind", data: append(bytes.Clone(good), make([]byte, 1001)...)},
		{name: "last of a name", data: append(archive(t, cpio.StaticFile("init", "not a program", 0o755)), good...)},
		{name: "leading slash", data: archive(t, renamed(hello, "/init"))},
		{name: "leading dot", data: archive(t, renamed(hello, "./init"))},
		{name: "symbolic link", data: archive(t, renamed(hello, "bin/hello"), cpio.Symlink("init", "bin/./hello"))},

		{name: "text", data: []byte(strings.Repeat("a text, no archive\n", 20)), want: refused(0, magic)},
		{name: "gzip", data: zipped(good), want: refused(0, magic)},
		{name: "gzip behind", data: append(bytes.Clone(small), zipped(good)...), want: refused(len(small), magic)},
		{name: "one byte", data: []byte("0"), want: refused(0, "a header of 110 bytes, not the archive's end")},
		{name: "cut in a header", data: small[:second+50], want: refused(second, "a header of 110 bytes, not the archive's end")},
		{name: "cut before the trailer", data: small[:second], want: refused(second, "TRAILER!!!, not the archive's end")},
		{name: "cut in the trailer's name", data: small[:second+header+3], want: refused(second+nameSize, "the size of a name inside the archive")},
		{name: "cut in data", data: good[:100000], want: refused(fileSize, "the size of a file inside the archive")},
		{name: "magic of the next", data: at(second, "07070x"), want: refused(second, magic)},
		{name: "old magic", data: at(0, "070707"), want: refused(0, magic)},
		{name: "digit", data: at(22, "0000000g"), want: refused(22, "eight hexadecimal digits")},
		{name: "digit above", data: at(38, "0000:000"), want: refused(38, "eight hexadecimal digits")},
		{name: "digit below", data: at(38, "000 0000"), want: refused(38, "eight hexadecimal digits")},
		{name: "capital", data: at(6, "0000ABCD"), want: "/init cannot be run: there is no such regular file in the initramfs"},
		{name: "no name", data: at(nameSize, "00000000"), want: refused(nameSize, "the size of a name, 1 to 4096")},
		{name: "long name", data: at(nameSize, "00001001"), want: refused(nameSize, "the size of a name, 1 to 4096")},
		{name: "huge name", data: at(nameSize, "ffffffff"), want: refused(nameSize, "the size of a name, 1 to 4096")},
		{name: "name without end", data: at(header, "ab"), want: refused(header+1, "the NUL of a name")},
		{name: "huge file", data: at(fileSize, "ffffffff"), want: refused(fileSize, "the size of a file inside the archive")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, console := bootArchive(t, c.data, machine(t, vm.TCG))
			if c.want == "" {
				if res.Outcome != vm.Exited || console != "hello\n" {
					t.Error(res.Report())
				}
				return
			}
			if res.Outcome != vm.Refused || !strings.Contains(res.Reason, c.want) {
				t.Errorf("want a refusal with %q\n%s", c.want, res.Report())
			}
		})
	}
}

func renamed(r cpio.Record, name string) cpio.Record {
	r.Name = name
	return r
}

// TestNoInitramfs boots a kernel and nothing else.
func TestNoInitramfs(t *testing.T) {
	t.Parallel()
	m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{variant(t, "linux-3.19")}, Init: program(t, "hello"), VM: machine(t, vm.TCG)})
	if err != nil {
		t.Fatal(err)
	}
	m.Initrd = ""
	res, err := vm.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome != vm.Refused || !strings.Contains(res.Reason, "no initramfs: give one with -initrd") {
		t.Error(res.Report())
	}
}

// TestBootVariant boots with variant= on the command line.
func TestBootVariant(t *testing.T) {
	t.Parallel()
	data := archive(t, initRecord(t, program(t, "hello")))
	for _, c := range []struct{ name, append, want string }{
		{name: "none"},
		{name: "first", append: "variant=linux-3.19"},
		{name: "first word", append: "variant=linux-3.19 x=y quiet"},
		{name: "last word", append: "x=y  quiet variant=linux-3.19"},
		{name: "within another", append: "myvariant=nope"},
		{name: "unknown", append: "variant=nope", want: "no variant nope; the image has linux-3.19, bare"},
		{name: "beginning", append: "variant=linux-3.1", want: "no variant linux-3.1; the image has linux-3.19, bare"},
		{name: "longer", append: "variant=linux-3.19+ x", want: "no variant linux-3.19+; the image has linux-3.19, bare"},
		{name: "empty", append: "variant=", want: "no variant ; the image has linux-3.19, bare"},
		{name: "bare", append: "variant=bare", want: "init cannot run with the variant bare, which answers only the null call"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.Append = c.append
			res, console := bootArchive(t, data, m)
			switch {
			case c.want == "" && (res.Outcome != vm.Exited || console != "hello\n"):
				t.Error(res.Report())
			case c.want != "" && (res.Outcome != vm.Refused || !strings.Contains(res.Reason, c.want)):
				t.Errorf("want a refusal with %q\n%s", c.want, res.Report())
			}
		})
	}
}
