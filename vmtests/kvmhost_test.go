package vmtests

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/ldd"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
)

// kvmHost is a Linux with QEMU on a CPU that QEMU emulates. If that CPU has SVM, it has
// a /dev/kvm, which works as that of a real CPU does, but slowly.
type kvmHost struct {
	cpu     string
	command []string
	// programs are the paths of programs of this host, by their names there.
	programs map[string]string
	files    []initramfs.File
}

// firmware are the files that QEMU boots the machines of this project with; which it
// has depends on its version.
var firmware = []string{
	"bios-256k.bin", "bios-microvm.bin", "qboot.rom", "kvmvapic.bin",
	"linuxboot.bin", "linuxboot_dma.bin", "multiboot.bin", "multiboot_dma.bin", "pvh.bin",
}

// run boots the host and returns the command's exit status; each is called with every
// line that comes out of it.
func (h *kvmHost) run(t *testing.T, each func(string)) (status int) {
	t.Helper()
	init, err := os.ReadFile(program(t, "kvmhost"))
	if err != nil {
		t.Fatal(err)
	}
	files := []initramfs.File{
		initramfs.Init(init),
		{Name: "command", Mode: 0o644, Data: []byte(strings.Join(h.command, "\n") + "\n")},
	}
	files = append(files, folderFiles(t, need.LinuxModules(t), "modules")...)
	files = append(files, h.programFiles(t)...)
	files = append(files, h.files...)
	archive, err := initramfs.Build(files...)
	if err != nil {
		t.Fatal(err)
	}
	initrd := filepath.Join(t.TempDir(), "initramfs.cpio")
	if err := os.WriteFile(initrd, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	console := &hostConsole{each: each}
	// On the other engine QEMU's timers run in another thread than the CPU, and a #VMEXIT
	// changes the CPU's pending interrupts without their lock (do_vmexit of QEMU 7.2's
	// svm_helper.c): in one of some thirty boots an interrupt was lost, and Linux, or the
	// machine in it, then waited for ever. With icount one thread does both, and each run
	// is the same.
	res, err := vm.Run(t.Context(), vm.Config{
		Engine: vm.ICount, Machine: vm.Q35, CPU: h.cpu, MemoryMiB: 3072, Kernel: need.Linux(t), Initrd: initrd,
		// Linux looks, by the host's clock, whether timers work, which they do.
		Append:  linux.Words + " mitigations=off tsc=reliable no_timer_check transparent_hugepage=never",
		Console: console, Instructions: 1000 * vm.DefaultInstructions,
	})
	if err != nil {
		t.Fatal(err)
	}
	// Linux ends by a reset, which is no verdict: init's last line is.
	if !console.ended {
		t.Fatalf("the machine with KVM did not finish\n%s", res.Report())
	}
	return console.status
}

// hostConsole calls each with every whole line, but for that in which the program
// kvmhost tells the exit status.
type hostConsole struct {
	each   func(string)
	rest   []byte
	status int
	ended  bool
}

func (c *hostConsole) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	for {
		line, rest, whole := bytes.Cut(c.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		c.rest = rest
		text := strings.TrimSuffix(string(line), "\r")
		if _, err := fmt.Sscanf(text, "kvmhost: exit status %d", &c.status); err == nil {
			c.ended = true
		} else {
			c.each(text)
		}
	}
}

// fileOf returns the entry of a file of this host.
func fileOf(t *testing.T, path, name string) initramfs.File {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return initramfs.File{Name: strings.TrimPrefix(name, "/"), Mode: info.Mode().Perm(), Data: data}
}

// folderFiles returns the files below a folder of this host, to be those of the folder
// name.
func folderFiles(t *testing.T, folder, name string) []initramfs.File {
	t.Helper()
	var files []initramfs.File
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		files = append(files, fileOf(t, path, filepath.Join(name, rel)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no files", folder)
	}
	return files
}

// programFiles returns the host's own programs, busybox as its shell, QEMU with what it
// boots machines with, and the libraries of all.
func (h *kvmHost) programFiles(t *testing.T) []initramfs.File {
	t.Helper()
	qemu := need.Tool(t, "qemu-system-x86_64")
	// The emulator may be a file of its own.
	paths, err := filepath.Glob("/usr/lib/*/qemu/accel-tcg-x86_64.so")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, qemu, need.Tool(t, "setpriv"))
	var files []initramfs.File
	for _, path := range paths {
		files = append(files, fileOf(t, path, path))
	}
	for name, path := range h.programs {
		paths = append(paths, path)
		files = append(files, fileOf(t, path, name))
	}
	libraries, err := ldd.FList(paths...)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range libraries {
		files = append(files, fileOf(t, path, path))
	}
	files = append(files, fileOf(t, need.Tool(t, "busybox"), "bin/busybox"))
	for _, name := range []string{"sh", "env"} {
		files = append(files, initramfs.File{Name: "bin/" + name, Mode: fs.ModeSymlink | 0o777, Data: []byte("busybox")})
	}
	folders, err := exec.CommandContext(t.Context(), qemu, "-L", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range firmware {
		for folder := range strings.Lines(string(folders)) {
			path := filepath.Join(strings.TrimSpace(folder), name)
			if _, err := os.Stat(path); err == nil {
				files = append(files, fileOf(t, path, "usr/share/qemu/"+name))
				break
			}
		}
	}
	slices.SortFunc(files, func(a, b initramfs.File) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(files, func(a, b initramfs.File) bool { return a.Name == b.Name })
}

// builtFiles returns the programs that tests under KVM boot, built now: that of kvmSample,
// or with -kvm all.
func builtFiles(t *testing.T, folder string) []initramfs.File {
	t.Helper()
	if !*allKVM {
		return []initramfs.File{fileOf(t, program(t, "hello"), filepath.Join(folder, "hello"))}
	}
	var files []initramfs.File
	mains, err := filepath.Glob("testdata/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no programs of Go: %v", err)
	}
	for _, path := range mains {
		name := filepath.Base(filepath.Dir(path))
		files = append(files, fileOf(t, program(t, name), filepath.Join(folder, name)))
	}
	for _, pkg := range []string{"../cmd/entrylab", "../guest/fuzz"} {
		files = append(files, fileOf(t, command(t, pkg), filepath.Join(folder, filepath.Base(pkg))))
	}
	sources, err := filepath.Glob("testdata/c/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no programs of C: %v", err)
	}
	for _, path := range sources {
		name := strings.TrimSuffix(filepath.Base(path), ".c")
		files = append(files, fileOf(t, cProgram(t, name), filepath.Join(folder, cName(name, nil))))
	}
	return files
}
