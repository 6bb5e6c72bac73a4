package vmtests

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// processVariants returns a path with each kind of wrapper, or with -programs all presets.
func processVariants(t *testing.T) []stubs.Variant {
	t.Helper()
	if *allPrograms {
		return programVariants(t)
	}
	return []stubs.Variant{variant(t, "linux-3.19"), variant(t, "linux-4.6"), variant(t, "linux-6.12+pti")}
}

// TestProcesses runs testdata/c/processes.c: fork, vfork, execve, wait and what processes
// share. The wrappers are the path's, so it runs on several. On the host it shows that
// what it expects is what Linux does.
func TestProcesses(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "processes")
	onHost(t, path)
	onLinux(t, path)
	variants := processVariants(t)
	if !*allPrograms { // one by whose thunk the kernel's functions return
		variants = append(variants, variant(t, "linux-7.0-zen3"))
	}
	for _, v := range variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.ICount)})
			reportParts(t, res, console)
		})
	}
}

// TestProcessesLoseNothing forks and runs programs, and then has as many free pages as
// before; with -programs, in 10,000 rounds. So it has when more children have lived at once
// than ever before, in RAM that nobody had used.
func TestProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	rounds := "500"
	if *allPrograms {
		rounds = "10000"
	}
	for _, tt := range []struct {
		part, number string
		variants     []string
	}{
		{"lost", rounds, []string{"linux-3.19", "linux-6.12"}},
		{"alive", "128", []string{"linux-3.19"}},
	} {
		for _, name := range tt.variants {
			t.Run(tt.part+"/"+name, func(t *testing.T) {
				t.Parallel()
				res, console := bootInit(t, boot.Config{
					Variants: []stubs.Variant{variant(t, name)}, Init: cProgram(t, "processes"), Args: []string{tt.part, tt.number}, VM: machine(t, vm.TCG),
				})
				reportParts(t, res, console)
			})
		}
	}
}

// TestExecOfNoProgram has processes execute files that are no programs: each is a clean error, with
// which the process goes on, or where that comes too late, as in Linux, its end. No page is lost.
func TestExecOfNoProgram(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "processes")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := []initramfs.File{fileOf(t, path, "init"), {Name: "no/mode", Mode: 0o644, Data: good}}
	for _, file := range noPrograms(good) {
		folder := "no/"
		if file.late {
			folder = "late/"
		}
		files = append(files, initramfs.File{Name: folder + file.name, Mode: 0o755, Data: file.change(bytes.Clone(good))})
	}
	res, console := bootFiles(t, 0, "-- refused /no /late", files...)
	reportParts(t, res, console)
}

// TestZombies leaves dead children, up to 100,000, until fork fails for lack of memory: the
// error is a clean one, every child is waited for, and no page is lost. Without -programs
// there is less memory.
func TestZombies(t *testing.T) {
	t.Parallel()
	m := machine(t, vm.TCG)
	m.MemoryMiB = 1024 // there is room for all
	if !*allPrograms {
		m.MemoryMiB = 16
	}
	res, console := bootInit(t, boot.Config{
		Variants: []stubs.Variant{linux319(t)}, Init: cProgram(t, "processes"), Args: []string{"zombies", "100000"}, VM: m,
	})
	reportParts(t, res, console)
}

// TestCrowd has as many children as there can be in 16 MiB, and more memory written to than
// there is: fork fails cleanly, what is killed for its memory is a child, and its parent and
// init live on.
func TestCrowd(t *testing.T) {
	t.Parallel()
	m := machine(t, vm.ICount)
	m.MemoryMiB = 16
	c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: cProgram(t, "processes"), Args: []string{"crowds"}, VM: m}
	res, console := bootInit(t, c)
	reportParts(t, res, console)
	t.Run("no child is killed", func(t *testing.T) {
		p, err := boot.Prepare(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		p.Kernel = patched(t, p.Kernel, "out_of_memory", "7406", "9090") // JE behind CMPQ Process.Threads, RAX; NOP
		if res, console := bootMachine(t, p); res.Outcome != vm.Signaled {
			t.Errorf("not caught: %v\n%s", res.Outcome, console)
		}
	})
}

// TestCostsOfMany counts what calls about one dead child cost beside 10 others and beside
// 10,000: the same, unless all processes are in one bucket.
func TestCostsOfMany(t *testing.T) {
	t.Parallel()
	c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: cProgram(t, "processes"), Args: []string{"costs", "10000"}, VM: machine(t, vm.ICount)}
	c.VM.MemoryMiB = 128
	res, console := bootInit(t, c)
	reportParts(t, res, console)
	t.Run("one bucket", func(t *testing.T) {
		c.Args = []string{"costs", "200"}
		m, err := boot.Prepare(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		m.Kernel = patched(t, m.Kernel, "process_make", "25ff0f0000", "2500000000")         // ANDL ProcessBuckets-1, RAX; ANDL 0
		m.Kernel = patched(t, m.Kernel, "find_process", "4181e1ff0f0000", "4181e100000000") // ANDL ProcessBuckets-1, R9; ANDL 0
		res, console := bootMachine(t, m)
		for _, call := range []string{"kill", "getpgid", "wait4"} {
			if !strings.Contains(console, ": "+call+": ") || !strings.Contains(console, "FAILED costs: ") {
				t.Errorf("%s: not caught: %v\n%s", call, res.Outcome, console)
			}
		}
	})
}

// TestExecs runs a Go program that starts itself by os/exec; with -programs on Linux, too.
func TestExecs(t *testing.T) {
	t.Parallel()
	path := program(t, "execs")
	variants := []stubs.Variant{linux319(t)}
	if *allPrograms {
		variants = programVariants(t)
	}
	for _, v := range variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{v}, Init: path, VM: machineFor(t, v, vm.TCG)})
			reportParts(t, res, console)
		})
	}
	onHost(t, path)
	onLinux(t, path)
}

// script is what a shell can do here: everything but to write files.
const script = `
echo one two three | tr a-z A-Z | cat
for i in 3 1 2; do echo $i; done | sort | head -n 2
(exit 5); echo status $?
false || echo "not true"
x=$(echo sub $(echo sub)); echo "$x"
ls "$BIN" | grep -c e
sleep 0.01 & wait $!; echo waited $?
sh -c 'kill -9 $$'; echo $?
seq 1 300 | while read n; do echo $((n * n)); done | tail -n 1
seq 1 20000 | tail -n 1
cat /no/such 2>/dev/null || echo missing
echo 'echo from standard input' | sh
yes | head -n 3
. "$BIN/more"
exec echo the end
`

// TestShell runs a script by busybox, whose applets are programs of the initramfs: what
// it prints on the host is what it must print.
func TestShell(t *testing.T) {
	t.Parallel()
	busybox := need.Tool(t, "busybox")
	dir := t.TempDir()
	more := []byte("echo from a file\n")
	files := []initramfs.File{fileOf(t, busybox, "bin/busybox"), {Name: "bin/more", Mode: 0o644, Data: more}, {Name: "script", Mode: 0o644, Data: []byte(script)}}
	links := map[string]string{"busybox": busybox}
	for _, name := range []string{"tr", "cat", "sort", "head", "ls", "grep", "sleep", "sh", "seq", "tail", "yes", "echo", "false"} {
		files = append(files, initramfs.File{Name: "bin/" + name, Mode: fs.ModeSymlink | 0o777, Data: []byte("busybox")})
		links[name] = "busybox"
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"more": more, "script": []byte(script)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host := exec.CommandContext(t.Context(), filepath.Join(dir, "sh"), filepath.Join(dir, "script"))
	host.Env = []string{"PATH=" + dir, "BIN=" + dir}
	want, err := host.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	res, console := bootFiles(t, 0, "init=/bin/sh PATH=/bin BIN=/bin -- /script", files...)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(console, "\n")); diff != "" || res.Outcome != vm.Exited || res.Status != 0 {
		t.Errorf("the shell prints other things than on the host (-host +entrylab):\n%s\n%s", diff, res.Report())
	}
}

// TestProcessesCatches runs testdata/c/processes.c on kernels with a fault: it must tell
// of it, or not come to its end.
func TestProcessesCatches(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "processes")
	files := binary.LittleEndian.AppendUint32(nil, uint32(asm.Fields[layout.PerCPU[asm.Mem]](asm.GS).Files.Disp()))
	for _, tt := range []struct {
		name, function string
		old, new       string // machine code, which the function has once
		args           []string
		part           string // that fails; empty: the program does not come to its end
	}{
		{
			name: "after a fork both write to the same pages", function: "pages_copy",
			old: "49836500fd", new: "49836500ff", // ANDQ ^PAGE_RW, 0(R13); ANDQ -1
			part: "forks",
		},
		{
			name: "a copied page keeps its count", function: "cow_break",
			old: "41832e01", new: "90909090", // SUBL 1, 0(R14)
			args: []string{"lost", "200"}, part: "lost",
		},
		{
			name: "an unmapped page keeps its count", function: "page_put",
			old: "832c9101", new: "90909090", // SUBL 1, 0(RCX)(RDX*4)
			args: []string{"lost", "200"}, part: "lost",
		},
		{
			name: "the table of descriptors is not switched", function: "process_load",
			old: "6548890425" + hex.EncodeToString(files), new: "660f1f840000000000", // MOVQ RAX, PerCPU.Files(GS); NOP
			part: "",
		},
		{
			name: "descriptors stay open at execve", function: "files_close_on_exec",
			old: "48837a08007407", new: "48837a0800eb07", // JE behind CMPQ FD.CloExec, 0; JMP
			part: "execs",
		},
		{
			name: "a new program's stack pointer is not set", function: "start_regs",
			old: "49898098000000", new: "0f1f8000000000", // MOVQ RAX, PtRegs.SP(R8); NOP
			part: "", // init is a new program, too
		},
		{
			name: "handlers stay at execve", function: "exec_reset",
			old: "48833a017407", new: "48833a01eb07", // JE behind CMPQ SigAction.Handler, SIG_IGN; JMP
			part: "execs",
		},
		{
			name: "processes share their futexes", function: "futex_wait",
			old: "480b05", new: "483b05", // ORQ Memory.Own.FutexTag, RAX; CMPQ
			part: "futexes",
		},
		{
			name: "a memfd is cut off in init alone", function: "memfd_unmap",
			old: "4d8b7610", new: "4d31f690", // MOVQ MM.Next(R14), R14; XORQ R14, R14
			part: "shared_memory",
		},
		{
			name: "a parent waits for ever", function: "wake_waiter",
			old: "740a", new: "eb0a", // JE behind CMPQ Thread.ChildWait, 0; JMP
			part: "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: path, Args: tt.args, VM: machine(t, vm.ICount)})
			if err != nil {
				t.Fatal(err)
			}
			m.Kernel = patched(t, m.Kernel, tt.function, tt.old, tt.new)
			m.Instructions = 2_000_000_000
			if tt.args == nil {
				m.Append = "WITHOUT=many,times_of_children,threads_of_processes,pipes,sigchld" // they take long
			}
			res, console := bootMachine(t, m)
			if tt.part != "" && !strings.Contains(console, "FAILED "+tt.part+": ") || strings.Contains(console, "done, 0 failed") {
				t.Errorf("not caught: %v\n%s\n%s", res.Outcome, console, res.Report())
			}
		})
	}
}

// TestForkReaders: a child's first registers are what the parent's wrapper has put in the
// frame, with the slots that 3.19 leaves alone in other calls. Each case leaves one of them
// as it was.
func TestForkReaders(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "processes")
	base := linux319(t)
	frame := asm.Fields[layout.PtRegs[asm.Mem]](asm.RSP.At(8)) // at a wrapper's return address
	for _, tt := range []struct {
		name, stub string
		slot       asm.Mem
		part       string // that fails; empty: the program does not come to its end
	}{
		{"fork, sp", "stub_fork", frame.SP, ""}, // the parent gets it as well
		{"clone, sp", "stub_clone", frame.SP, "forks"},
		{"vfork, sp", "stub_vfork", frame.SP, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := stubs.Variant{Name: "stale", Axes: base.Axes, Edit: broken.Edit(tt.stub, asm.MOVQ(asm.R11, tt.slot))}
			m := machine(t, vm.ICount)
			m.Instructions = 2_000_000_000
			m.Append = "WITHOUT=many,times_of_children,threads_of_processes,pipes,sigchld"
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{n}, Init: path, VM: m})
			if tt.part != "" && !strings.Contains(console, "FAILED "+tt.part+": ") || strings.Contains(console, "done, 0 failed") {
				t.Errorf("not caught: %v\n%s\n%s", res.Outcome, console, res.Report())
			}
		})
	}
}
