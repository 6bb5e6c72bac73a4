package vmtests

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// bootFiles boots an archive of files with the kernel's command line.
func bootFiles(t *testing.T, memory int, cmdline string, files ...initramfs.File) (vm.Result, string) {
	t.Helper()
	archive, err := initramfs.Build(files...)
	if err != nil {
		t.Fatal(err)
	}
	m := machine(t, vm.TCG)
	m.MemoryMiB, m.Append = memory, cmdline
	return bootArchive(t, archive, m)
}

// noProgram is a file that is none that can be run.
type noProgram struct {
	name   string
	change func([]byte) []byte // of a program
	want   string
	// late is set if that is found only once execve has given up the old memory, as in Linux.
	late bool
}

// noPrograms returns files made of a program.
func noPrograms(good []byte) []noProgram {
	// Offsets in the ELF header, and in the program header of a PT_LOAD.
	const (
		eType, eMachine, eEntry, ePHOff, ePHEntSize, ePHNum = 16, 18, 24, 32, 54, 56
		pOffset, pVAddr, pFileSize, pMemSize                = 8, 16, 32, 40
	)
	load := 64
	for binary.LittleEndian.Uint32(good[load:]) != 1 {
		load += 56
	}
	put16 := func(off int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint16(b[off:], v); return b }
	}
	put64 := func(off int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint64(b[off:], v); return b }
	}
	return []noProgram{
		{name: "empty", change: func([]byte) []byte { return nil }, want: "it is not an ELF file"},
		{name: "script", change: func([]byte) []byte { return []byte("#!/bin/sh\nexit 0\n" + strings.Repeat("#", 64)) }, want: "it is not an ELF file"},
		{name: "header cut off", change: func(b []byte) []byte { return b[:63] }, want: "it is not an ELF file"},
		{name: "32 bits", change: func(b []byte) []byte { b[4] = 1; return b }, want: "it is not a 64-bit x86 program"},
		{name: "arm64", change: put16(eMachine, 183), want: "it is not a 64-bit x86 program"},
		{name: "object file", change: put16(eType, 1), want: "it is not an executable (ET_EXEC or ET_DYN)"},
		{name: "program header size", change: put16(ePHEntSize, 32), want: "its program headers are not 56 bytes long"},
		{name: "program headers cut off", change: func(b []byte) []byte { return b[:100] }, want: "its program headers reach beyond the file's end"},
		{name: "program headers outside", change: put64(ePHOff, 1<<63), want: "its program headers reach beyond the file's end"},
		{name: "no program header", change: put16(ePHNum, 0), want: "it has no segment to load (PT_LOAD)"},
		{name: "no segment", change: func(b []byte) []byte { return withoutLoads(b) }, want: "it has no segment to load (PT_LOAD)", late: true},
		{name: "dynamic", change: func(b []byte) []byte { b[load] = 3; return b }, want: "it needs a dynamic linker (PT_INTERP)"},
		{name: "file cut off", change: func(b []byte) []byte { return b[:len(b)/4] }, want: "a segment reaches beyond the file's end: the file is truncated", late: true},
		{name: "segment outside the file", change: put64(load+pOffset, 1<<63), want: "a segment reaches beyond the file's end: the file is truncated", late: true},
		{name: "segment shrinks", change: put64(load+pMemSize, 1), want: "a segment is longer in the file than in memory", late: true},
		{name: "segment too long", change: put64(load+pMemSize, 1<<63), want: "a segment lies outside user memory", late: true},
		{name: "segment in the kernel", change: put64(load+pVAddr, 0xffff_ffff_8010_0000), want: "a segment lies outside user memory", late: true},
		{name: "segment at 0", change: put64(load+pVAddr, 0), want: "a segment lies outside user memory", late: true},
		{name: "segment askew", change: put64(load+pVAddr, 0x40_0010), want: "a segment's address and file offset do not agree within the page", late: true},
		{name: "entry nowhere", change: put64(eEntry, 0x10_0000), want: "its entry point is not in an executable segment", late: true},
	}
}

// withoutLoads makes every PT_LOAD a PT_NULL.
func withoutLoads(b []byte) []byte {
	for at := 64; binary.LittleEndian.Uint32(b[at:]) != 0 && at < 1024; at += 56 {
		if b[at] == 1 {
			b[at] = 0
		}
	}
	return b
}

// TestExecRefuses boots programs that cannot be run: each must be refused with
// what is wrong, before a single instruction of it.
func TestExecRefuses(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(program(t, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name   string
		change func([]byte) []byte
		memory int // MiB
		mode   os.FileMode
		path   string
		append string
		want   string
	}
	rows := []row{
		{name: "mode", mode: 0o644, want: "its mode says that it is not executable"},
		{name: "name", path: "sbin/init", want: "/init cannot be run: there is no such regular file in the initramfs"},
		{name: "init=", append: "init=/sbin/init", want: "/sbin/init cannot be run: there is no such regular file in the initramfs"},
		{name: "RAM", memory: 4, want: "too little memory: "},
		{name: "command line", append: strings.Repeat("x ", 63) + "x", want: "the command line has more than 63 arguments for init"},
	}
	for _, file := range noPrograms(good) {
		rows = append(rows, row{name: file.name, change: file.change, want: file.want})
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			init := initramfs.Init(bytes.Clone(good))
			if tt.change != nil {
				init.Data = tt.change(init.Data)
			}
			if tt.mode != 0 {
				init.Mode = tt.mode
			}
			if tt.path != "" {
				init.Name = tt.path
			}
			res, console := bootFiles(t, tt.memory, tt.append, init)
			if res.Outcome != vm.Refused || !strings.Contains(res.Reason, tt.want) || console != "" {
				t.Errorf("%v: %s\nconsole %q\nwant it refused with %q\n%s", res.Outcome, res.Reason, console, tt.want, res.Report())
			}
		})
	}
}

// initDefaults is the environment that init has anyway.
const initDefaults = "HOME=/\nTERM=linux\n"

// commandLines are kernel command lines, and what the program words prints when
// it is init.
var commandLines = []struct {
	name, append string
	ours         bool // not what Linux does with an initramfs
	want         string
}{
	{
		name: "all", append: `"one two" A=1 A="b c" "D=e f" HOME=/root a.b=c E=b.c -- k="l m" "n o" p"q r"s "" A=b a.b init=/x`,
		want: "/init\none two\nk=l m\nn o\np\"q r\"s\n\nA=b\na.b\ninit=/x\n\nHOME=/root\nTERM=linux\nA=b c\nD=e f\nE=b.c\n",
	},
	{name: "nothing", want: "/init\n\n" + initDefaults},
	{name: "arguments", append: "one  two -x", want: "/init\none\ntwo\n-x\n\n" + initDefaults},
	{name: "environment", append: "A=b one C=d=e", want: "/init\none\n\n" + initDefaults + "A=b\nC=d=e\n"},
	{name: "environment replaced", append: "HOME=/root A=1 A=2", want: "/init\n\nHOME=/root\nTERM=linux\nA=2\n"},
	{name: "a dot is a module's", append: "a.b=c a.b one A=b.c", want: "/init\none\n\n" + initDefaults + "A=b.c\n"},
	{name: "after --", append: "one -- two A=b a.b init=/x", want: "/init\none\ntwo\nA=b\na.b\ninit=/x\n\n" + initDefaults},
	// Linux drops a second -- and what follows it.
	{name: "after -- twice", ours: true, append: "-- one -- two --", want: "/init\none\n--\ntwo\n--\n\n" + initDefaults},
	{name: "quotes", append: `"one two" A="b c" "D=e f" -- k="l m" "n o" p"q r"s ""`, want: "/init\none two\nk=l m\nn o\np\"q r\"s\n\n\n" + initDefaults + "A=b c\nD=e f\n"},
	{name: "init=", ours: true, append: "lost init=/bin/other one", want: "/bin/other\none\n\n" + initDefaults},
	{name: "argv0=", ours: true, append: "argv0=sh one", want: "sh\none\n\n" + initDefaults},
	{name: "argv0= of another program", ours: true, append: "argv0=sh init=/bin/other", want: "/bin/other\n\n" + initDefaults},
	{name: "the kernel's own", ours: true, append: "control variant=linux-3.19 one", want: "/init\none\n\n" + initDefaults},
}

// TestArgv0: init's argv[0] is the program as it was given.
func TestArgv0(t *testing.T) {
	init := program(t, "words")
	t.Chdir(filepath.Dir(init))
	for _, path := range []string{init, "./words", "words"} {
		res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: path, Args: []string{"one"}, VM: machine(t, vm.ICount)})
		if want := path + "\none\n\n" + initDefaults; res.Outcome != vm.Exited || console != want {
			t.Errorf("console is %q, want %q\n%s", console, want, res.Report())
		}
	}
}

// TestBusybox boots busybox, which takes the applet from argv[0], or if that is
// its own name from its first argument.
func TestBusybox(t *testing.T) {
	t.Parallel()
	res, console := bootInit(t, boot.Config{
		Variants: []stubs.Variant{linux319(t)}, Init: need.Tool(t, "busybox"),
		Args: []string{"sh", "-c", "echo a b; exit 7"}, VM: machine(t, vm.ICount),
	})
	if res.Outcome != vm.Exited || res.Status != 7 || console != "a b\n" {
		t.Errorf("console is %q\n%s", console, res.Report())
	}
}

// TestCommandLine checks what of the kernel's command line becomes init's.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(program(t, "words"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range commandLines {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			other := initramfs.Init(data)
			other.Name = "bin/other"
			res, console := bootFiles(t, 0, tt.append, initramfs.Init(data), other)
			if res.Outcome != vm.Exited || console != tt.want {
				t.Errorf("%v, console:\n%q, want\n%q\n%s", res.Outcome, console, tt.want, res.Report())
			}
		})
	}
}
