package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/internal/need"
)

// TestTrace: every instruction of a call is printed, and there are as many as the guest
// counts, on a generated kernel and on Linux.
func TestTrace(t *testing.T) {
	need.QEMU(t)
	kernel := need.Linux(t)
	for _, row := range []struct {
		name string
		args []string
		want []string
		same bool
	}{ // the null call of Linux: TestTraceSymbols, TestDiffExecuted
		{"a variant", []string{"trace", "-v", "linux-3.19"}, []string{
			"linux-3.19: getppid, 42 instructions", "the guest counts 42 in the same boot", "sys_getppid+0x9 ", "mov %rsp,%gs:0x0\n",
		}, true},
		{"the floor", []string{"trace", "bare"}, []string{"bare: getppid, 3 instructions", " sysretq\n"}, true},
		{"arguments", []string{"trace", "linux-6.12", "uname", "BUF"}, []string{"linux-6.12: uname BUF, ", "copy_to_user+0x"}, false},
		{"a read", []string{"trace", "linux-3.19", "--", "read", "0", "BUF", "1"}, []string{"linux-3.19: read 0 BUF 1, ", "copy_to_user+0x"}, false},
		{"a read of Linux", []string{"trace", kernel, "--", "read", "0", "BUF", "1"}, []string{": read 0 BUF 1, ", "pipe_read+0x", "copy_page_to_iter+0x"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out, said := played(t, row.args...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, said)
			}
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if verbose := slices.Contains(row.args, "-v"); strings.Contains(said, "qemu-system-x86_64") != verbose {
				t.Errorf("-v: %v, and standard error is %q", verbose, said)
			}
			_, rest, _ := strings.Cut(out, "getppid, ")
			total, _, _ := strings.Cut(rest, " ")
			if row.same && !strings.Contains(out, "the guest counts "+total+" in the same boot") {
				t.Errorf("%s instructions are followed, and the guest counts otherwise:\n%.300s", total, out)
			}
		})
	}
}

func TestTraceBad(t *testing.T) {
	need.QEMU(t)
	kernel := need.Linux(t)
	file := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(file, []byte("no kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "want a variant or the file of a Linux kernel"},
		{"an unknown variant", []string{"linux-6.2"}, "linux-6.12"},
		{"an unknown call", []string{"linux-3.19", "getpid2"}, `call "getpid2": did you mean`},
		{"too many arguments", []string{"linux-3.19", "getppid", "1", "2", "3", "4", "5", "6", "7"}, "at most 6"},
		{"arguments of an operation", []string{"linux-3.19", "pipe-round-trip", "1"}, "pipe-round-trip is an operation, and takes no arguments"},
		{"an unknown operation", []string{"linux-3.19", "pipe-round-trips"}, `did you mean pipe-round-trip`},
		{"an operation that the floor has not", []string{"bare", "pipe-round-trip"}, "bare answers the null call alone: entrylab trace bare"},
		{"an operation that Linux has not", []string{kernel, "full-frame-call"}, "full-frame-call: Linux has no control interface"},
		{"a bad argument", []string{"linux-3.19", "getppid", "x"}, `argument "x"`},
		{"words for no kernel", []string{"-append", "x", "linux-3.19"}, "-append is for a Linux kernel"},
		{"no file", []string{"./nowhere"}, "nowhere"},
		{"a call that does not return", []string{"linux-3.19", "exit_group", "0"}, "the machine ends in the call"},
		{"no kernel", []string{file}, "is not a Linux kernel image"},
		{"a call that waits", []string{"linux-3.19", "pause"}, "so one that waits never ends"},
		{"a call of Linux that waits", []string{kernel, "pause"}, "entrylab trace: trace: linux: the kernel waits at "},
	} {
		if slices.Contains(row.args, kernel) && !*allKernels {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out, said := played(t, append([]string{"trace"}, row.args...)...)
			if status != exitError || out != "" || !strings.Contains(said, row.want) {
				t.Errorf("status %d, output %q, error %q, want %q in it", status, out, said, row.want)
			}
		})
	}
}

// TestDiffExecuted: of a kernel and the same with two NOPs for one instruction of its
// entry, that is all that differs.
func TestDiffExecuted(t *testing.T) {
	need.QEMU(t)
	kernel := need.Linux(t)
	longer := longerEntry(t, kernel)
	for _, row := range []struct {
		name string
		args []string
		want []string
	}{
		{"nothing", []string{"linux-3.19", "linux-3.19"}, []string{"\nThey run the same instructions.\n"}},
		{"a variant", []string{"linux-3.19", "heukelum-v2"}, []string{"\nassembly entry: +6 instructions, +1 load, +5 stores, +1 access by GS\nassembly exit: -1 access by GS\n", "\nin all: +6 instructions"}},
		{"an operation", []string{"linux-3.19", "linux-3.19+a", "thread-switch-yield"}, []string{"\n__switch_to_asm: -8 instructions, -4 loads, -4 stores, -4 accesses by GS\n"}},
		{"a preset of Linux", []string{"linux-6.12", kernel}, []string{"\nlinux-6.12, as executed by Linux ", ": assembly entry ", ", assembly exit "}},
		{"one instruction of Linux", []string{kernel, longer}, []string{"\nin all: +1 instruction\n", "xor %esi,%esi", "\n>   entry_SYSCALL_64_after_hwframe"}},
	} {
		if slices.Contains(row.args, kernel) && !slices.Contains(row.args, longer) && !*allKernels {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			status, out, said := played(t, append([]string{"diff", "-executed"}, row.args...)...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, said)
			}
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
	if status, _, said := played(t, "diff", "-executed", "linux-3.19"); status != exitError || !strings.Contains(said, "want two subjects") {
		t.Errorf("one subject: status %d, %s", status, said)
	}
}

// namedEntry returns the vmlinux in a bzImage, with a symbol for its entry_SYSCALL_64
// alone.
func namedEntry(t *testing.T, bzImage, name string) (path string) {
	t.Helper()
	im, err := linux.Open(t.Context(), bzImage)
	if err != nil {
		t.Fatal(err)
	}
	data, err := im.Kernel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == ".text" })
	begin := []byte{0x0f, 0x01, 0xf8, 0x65, 0x48, 0x89, 0x24, 0x25} // SWAPGS, MOVQ RSP, GS:…
	at := bytes.Index(data[f.Sections[text].Offset:], begin)
	if at < 0 {
		t.Fatalf("%s has no entry_SYSCALL_64", bzImage)
	}
	put := func(what any) (offset uint64) {
		data = append(data, make([]byte, -len(data)&7)...)
		offset = uint64(len(data))
		if data, err = binary.Append(data, binary.LittleEndian, what); err != nil {
			t.Fatal(err)
		}
		return offset
	}
	var head elf.Header64
	var sections []elf.Section64
	if _, err := binary.Decode(data, binary.LittleEndian, &head); err != nil {
		t.Fatal(err)
	}
	sections = make([]elf.Section64, head.Shnum, head.Shnum+2)
	if _, err := binary.Decode(data[head.Shoff:], binary.LittleEndian, sections); err != nil {
		t.Fatal(err)
	}
	names := []byte("\x00" + name + "\x00")
	symbols := []elf.Sym64{{}, {Name: 1, Info: byte(elf.STB_GLOBAL) << 4, Shndx: uint16(text), Value: f.Sections[text].Addr + uint64(at)}}
	sections = append(sections,
		elf.Section64{Type: uint32(elf.SHT_SYMTAB), Off: put(symbols), Size: uint64(binary.Size(symbols)), Link: uint32(head.Shnum) + 1, Info: 1, Entsize: elf.Sym64Size},
		elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: put(names), Size: uint64(len(names))})
	head.Shoff, head.Shnum = put(sections), uint16(len(sections))
	if _, err := binary.Encode(data, binary.LittleEndian, head); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTraceSymbols: what a vmlinux names has its name, and what it does not, that of
// /proc/kallsyms; and there are as many instructions as the guest counts.
func TestTraceSymbols(t *testing.T) {
	need.QEMU(t)
	t.Parallel()
	const name = "entry_of_this_vmlinux"
	status, out, said := played(t, "trace", namedEntry(t, need.Linux(t), name))
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	_, rest, _ := strings.Cut(out, ": getppid, ")
	total, _, _ := strings.Cut(rest, " ")
	for _, want := range []string{
		name + "+0x0 ", "do_syscall_64+0x", "_sys_getppid+0x", "__task_pid_nr_ns", " sysretq\n", "\nassembly exit ",
		"the guest counts " + total + " in the same boot",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "entry_SYSCALL_64") {
		t.Errorf("the guest's name is not replaced in\n%s", out)
	}
}
