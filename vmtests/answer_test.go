package vmtests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/stubs"
)

// answerWritten is what the console says in the end of a boot from a stick under UEFI.
const answerWritten = "\r\nentrylab: the answer is in \\entrylab\\console.txt on the medium\r\n"

// resultsWritten is what the console says before, if init had results.
const resultsWritten = "\r\nentrylab: the results are in \\entrylab\\results.jsonl on the medium"

// Where a stick has its volume, in bytes, and what is on it.
const (
	volumeStart = 1 << 20
	volumeSize  = 16 << 20
	application = "EFI/BOOT/BOOTX64.EFI"
	answerFile  = "entrylab/console.txt"
	resultsFile = "entrylab/results.jsonl"
)

// volume opens the volume of the image of a stick.
func volume(t *testing.T, path string) *fat16.FileSystem {
	t.Helper()
	b, err := file.OpenFromPath(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	fs, err := fat16.Read(b, volumeSize, volumeStart, 512)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// newFile makes a file on the volume.
func newFile(t *testing.T, fs *fat16.FileSystem, name string, content []byte) filesystem.File {
	t.Helper()
	f, err := fs.OpenFile("/"+name, os.O_CREATE|os.O_RDWR)
	if err == nil {
		_, err = f.Write(content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// stick makes a stick, and returns the machine that boots it under UEFI and keeps what
// is written to it.
func stick(t *testing.T, c boot.Config) vm.Config {
	t.Helper()
	needOVMF(t)
	c.Variants, c.Format, c.VM = []stubs.Variant{linux319(t)}, image.Disk, machine(t, vm.TCG)
	m, err := boot.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(m.Disk)
	if err != nil {
		t.Fatal(err)
	}
	m.Machine, m.UEFI, m.Media, m.Keep, m.MemoryMiB = vm.Q35, true, vm.Stick, true, 256
	m.Disk = filepath.Join(t.TempDir(), "stick.img")
	if err := os.WriteFile(m.Disk, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAnswer boots the guest under UEFI from a stick: what it says must be in a file on
// the stick, the next boot behind the first, and nothing else on it must be different.
func TestAnswer(t *testing.T) {
	t.Parallel()
	boots := 1
	if *allBoots {
		boots = 2
	}
	m := stick(t, boot.Config{Args: []string{"verify", "sample", "-samples=50"}})
	before, err := volume(t, m.Disk).ReadFile(application)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for range boots {
		var log bytes.Buffer
		m.Log = &log
		res, console := bootMachine(t, m)
		if res.Outcome != vm.Exited || !strings.HasSuffix(console, resultsWritten+answerWritten) {
			t.Fatalf("console is %q\n%s", console, res.Report())
		}
		console = console[max(0, strings.Index(console, "INFO: ")):] // behind what the firmware says
		said = append(said, strings.TrimSuffix(console, resultsWritten+answerWritten)+log.String())
	}
	fs := volume(t, m.Disk)
	answer, err := fs.ReadFile(answerFile)
	if err != nil || string(answer) != strings.Join(said, "") {
		t.Errorf("the file has %d bytes, which are not the %d that came out of the machine (error %v)", len(answer), len(strings.Join(said, "")), err)
	}
	if after, err := fs.ReadFile(application); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the application has changed (error %v)", err)
	}
	results, err := wire.Parse(said[0])
	if err != nil || !results.Complete || results.Count("", wire.Pass) == 0 || results.Count("", wire.Fail)+results.Count("", wire.Error) > 0 {
		t.Errorf("checks %v, error %v", results.Checks, err)
	}
	objects, err := fs.ReadFile(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(objects) {
		if !json.Valid(line) {
			t.Errorf("among the results is %q", line)
		}
	}
	if pass := bytes.Count(objects, []byte(`{"kind":"PASS"`)); pass != strings.Count(string(answer), "PASS: ") || pass == 0 {
		t.Errorf("the results have %d checks that passed", pass)
	}
	// Both files have the same boots.
	var same [][]cycles.Boot
	for name, text := range map[string][]byte{"console.txt": answer, "results.jsonl": objects} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		found, damaged, err := engine.Consoles(t.Context(), []string{path})
		if err != nil || len(damaged) > 0 || len(found) != boots {
			t.Errorf("compare -from %s finds %d boots, %v damaged, error %v; want %d boots", name, len(found), damaged, err, boots)
		}
		for i := range found {
			found[i].Source = ""
		}
		same = append(same, found)
	}
	if diff := cmp.Diff(same[0], same[1]); diff != "" {
		t.Errorf("the files have different boots:\n%s", diff)
	}
}

// TestAnswerMachines boots sticks under UEFI on machines that differ in what is there
// beside the CPU. The file is all that comes back where there is no serial port.
func TestAnswerMachines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		always bool // not with -boots alone
		memory int  // MiB
		extra  []string
		silent bool // neither a serial port nor a debug console
	}{
		{name: "no serial port", always: true, memory: 256, silent: true},
		{name: "1 GiB", memory: 1024},
		{name: "64 GiB", memory: 64 << 10, extra: []string{"-object", "memory-backend-ram,id=ram,size=64G,reserve=off", "-machine", "memory-backend=ram"}},
		{name: "no PIT", memory: 256, extra: []string{"-machine", "pit=off"}},
		{name: "no HPET", memory: 256, extra: []string{"-machine", "hpet=off"}},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			init := program(t, "words")
			m := stick(t, boot.Config{Init: init})
			m.MemoryMiB, m.Extra = tt.memory, tt.extra
			if tt.silent {
				line, err := vm.CommandLine(m)
				if err != nil {
					t.Fatal(err)
				}
				line = strings.Replace(line, "-serial stdio -debugcon file:/dev/stderr", "-serial none", 1)
				cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+line)
				if out, err := cmd.CombinedOutput(); len(out) > 0 || cmd.ProcessState.ExitCode() != 1 {
					t.Fatalf("%s\nsays %q and ends with %v", line, out, err)
				}
			} else if res, console := bootMachine(t, m); res.Outcome != vm.Exited || !strings.HasSuffix(console, answerWritten) {
				t.Fatalf("console is %q\n%s", console, res.Report())
			}
			want := init + "\n\nHOME=/\nTERM=linux\nentrylab: init exited with status 0\n"
			if answer, err := volume(t, m.Disk).ReadFile(answerFile); err != nil || string(answer) != want {
				t.Errorf("the file has %q, want %q (error %v)", answer, want, err)
			}
		})
	}
}

// TestBoots has a stick boot a machine three times without a hand, each time with the entry
// path elsewhere. Where the boots cannot be counted, there is one.
func TestBoots(t *testing.T) {
	t.Parallel()
	needOVMF(t)
	const counter = "entrylab/boots.txt"
	archive, err := boot.Initramfs(t.Context(), program(t, "entry"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{linux319(t)}, Initramfs: archive, Cmdline: layout.ControlWord, Boots: 3})
	if err != nil {
		t.Fatal(err)
	}
	disk, err := kernel.File(image.Disk, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		always bool // not with -boots alone
		change func(t *testing.T, fs *fat16.FileSystem)
		copies []int  // by which SYSCALL enters in each boot
		last   string // on the console
	}{
		{name: "three", always: true, copies: []int{0, 1, 2}, last: "entrylab: boot 3 of 3, the last one\r\n"},
		{name: "the counter is write-protected", copies: []int{1}, last: "entrylab: there is no further boot: the boots cannot be counted on the medium\r\n", change: func(t *testing.T, fs *fat16.FileSystem) {
			if err := newFile(t, fs, counter, []byte(".")).(interface{ SetReadOnly(on bool) error }).SetReadOnly(true); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.Machine, m.UEFI, m.Media, m.Keep, m.MemoryMiB, m.Reboots = vm.Q35, true, vm.Stick, true, 256, true
			m.Disk = filepath.Join(t.TempDir(), "stick.img")
			if err := os.WriteFile(m.Disk, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(t, volume(t, m.Disk))
			}
			if res, console := bootMachine(t, m); res.Outcome != vm.Exited || !strings.HasSuffix(console, tt.last) {
				t.Errorf("the console is %q; want %q at its end\n%s", console, tt.last, res.Report())
			}
			fs := volume(t, m.Disk)
			want := ""
			for _, i := range tt.copies {
				at, ok := kernel.Object.Addr(linux319(t).FuncName(stubs.Entry) + stubs.CopyName(i))
				if !ok || strings.Contains(want, fmt.Sprintf("%#x\n", at)) {
					t.Fatalf("copy %d is at %#x, as another is", i, at)
				}
				want += fmt.Sprintf("%#x\nentrylab: init exited with status 0\n", at)
			}
			if answer, err := fs.ReadFile(answerFile); err != nil || string(answer) != want {
				t.Errorf("the file has %q, want %q (error %v)", answer, want, err)
			}
			if _, err := fs.Stat(counter); (err == nil) != (tt.change != nil) {
				t.Errorf("the counter's file: %v", err)
			}
		})
	}
}

// TestNoAnswer boots sticks that take no file, or that have no folder for it: nothing on
// them may change, and where there is the folder, one sentence says why.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	const log, console = "the answer will not be in a file: ", "the answer is not in a file: "
	for _, tt := range []struct {
		name   string
		always bool // not with -boots alone
		change func(t *testing.T, m *vm.Config)
		log    string // what the log says
		end    string // what the console says in the end
	}{
		{name: "no folder", change: func(t *testing.T, m *vm.Config) {
			if err := volume(t, m.Disk).Rename("/entrylab", "/other"); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "no room", always: true, log: log + "there is no room on the medium\n", change: func(t *testing.T, m *vm.Config) {
			fs := volume(t, m.Disk)
			files := 0
			for size := 4 << 20; size >= 16<<10; size /= 2 {
				for {
					f, err := fs.OpenFile(fmt.Sprintf("/%d", files), os.O_CREATE|os.O_RDWR)
					if err != nil {
						t.Fatal(err)
					}
					files++
					if _, err := f.Write(make([]byte, size)); err != nil {
						break // no room for one of this size
					}
				}
			}
		}},
		{name: "write-protected", log: log + "the medium is write-protected\n", change: func(t *testing.T, m *vm.Config) {
			m.Media, m.Keep = vm.HardDisk, false
			m.Extra = []string{
				"-device", "qemu-xhci", "-drive", "if=none,id=stick,format=raw,readonly=on,file=" + m.Disk,
				"-device", "usb-storage,drive=stick,removable=on,bootindex=1",
			}
			m.Disk = filepath.Join(t.TempDir(), "empty.img")
			if err := os.WriteFile(m.Disk, make([]byte, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a file that is write-protected", log: log + "the firmware denies access to the file\n", change: func(t *testing.T, m *vm.Config) {
			f := newFile(t, volume(t, m.Disk), answerFile, []byte("not to be changed\n"))
			if err := f.(interface{ SetReadOnly(on bool) error }).SetReadOnly(true); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "results that are write-protected", log: log + "the firmware denies access to the file\n", change: func(t *testing.T, m *vm.Config) {
			f := newFile(t, volume(t, m.Disk), resultsFile, []byte("not to be changed\n"))
			if err := f.(interface{ SetReadOnly(on bool) error }).SetReadOnly(true); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a folder of that name", end: console, change: func(t *testing.T, m *vm.Config) {
			if err := volume(t, m.Disk).Mkdir("/" + answerFile); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			init := program(t, "words")
			m := stick(t, boot.Config{Init: init})
			path := m.Disk
			tt.change(t, &m)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			m.Log = &said
			res, out := bootMachine(t, m)
			if res.Outcome != vm.Exited || !strings.Contains(out, init+"\n\nHOME=/\nTERM=linux\n") {
				t.Fatalf("console is %q\n%s", out, res.Report())
			}
			if !strings.Contains(said.String(), tt.log) || tt.log == "" && strings.Contains(said.String(), log) {
				t.Errorf("the log is %q, want %q in it", said.String(), tt.log)
			}
			if !strings.Contains(out, tt.end) || tt.end == "" && strings.Contains(out, console) {
				t.Errorf("the console is %q, want %q in it", out, tt.end)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the stick has changed (error %v)", err)
			}
		})
	}
}
