package elfimg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// writeTree writes the sample image, and numbered lines for its sources, into
// a new directory that stands for the module's root.
func writeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.elf"), mustBytes(t, sample()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"boot/proto/pvh.go", "stubs/entry.go"} {
		var text strings.Builder
		for i := range 60 {
			fmt.Fprintf(&text, "%s line %d\n", file, i+1)
		}
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAddr2line(t *testing.T) {
	need.Tool(t, "addr2line")
	cmd := exec.Command("addr2line", "-f", "-e", "x.elf", "0x100001", "0xffffffff80101002", "0xffffffff80101010", "0xffffffff80101025", "0xffffffff80103000")
	cmd.Dir = writeTree(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := `pvh_start
./boot/proto/pvh.go:11
entry_SYSCALL_64
./stubs/entry.go:31
entry_SYSCALL_64
./boot/proto/pvh.go:4000
helper
./stubs/entry.go:2
counter
??:0
`
	// Older releases print ?? for the name of data.
	if got := strings.ReplaceAll(string(out), "??\n??:0", "counter\n??:0"); got != want {
		t.Errorf("addr2line\n got %s\nwant %s", got, want)
	}
}

// TestGdb asks gdb what a user of its QEMU stub asks.
func TestGdb(t *testing.T) {
	need.Tool(t, "gdb")
	dir := writeTree(t)
	for _, row := range []struct {
		command string
		want    string // a part of the answer
	}{
		{"info line entry_SYSCALL_64", `Line 31 of "stubs/entry.go" starts at address 0xffffffff80101000 <entry_SYSCALL_64> and ends at 0xffffffff80101003`},
		{"info line pvh_start", `Line 10 of "boot/proto/pvh.go" starts at address 0x100000 <pvh_start>`},
		{"info line *0xffffffff8010103f", `Line 3 of "stubs/entry.go" starts at address 0xffffffff8010103f`},
		{"list entry_SYSCALL_64", "\n31\tstubs/entry.go line 31\n"},
		// At the function's very first instruction: no prologue is skipped.
		{"break entry_SYSCALL_64", "at 0xffffffff80101000: file stubs/entry.go, line 31."},
		{"break helper", "at 0xffffffff80101020: file stubs/entry.go, line 2."},
		{"break pvh_start", "at 0x100000: file boot/proto/pvh.go, line 10."},
		{"break stubs/entry.go:31", "at 0xffffffff80101000: file stubs/entry.go, line 31."},
		{"info symbol 0xffffffff80103012", "buffer + 2 in section .data.bss"},
		{"info address stack", `Symbol "stack" is at 0xffffffff80104000`},
	} {
		cmd := exec.Command("gdb", "-nx", "-batch", "-ex", row.command, "x.elf")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains("\n"+string(out), row.want) {
			t.Errorf("%s: %v\n got %s\nwant %s", row.command, err, out, row.want)
		}
	}
}

// bootable returns an image of a few instructions, all of it 32-bit code. It wants the
// magic number of hvm_start_info at (EBX), prints .rodata to the debug console, and leaves
// with the sum of a word of .data and of a word of the zeros behind it.
func bootable() *Image {
	const text, rodata, data = 0x100000, 0x101000, 0x102000
	code := []byte{
		0x81, 0x3b, 0x78, 0xc5, 0x6e, 0x33, // cmpl $0x336ec578, (%ebx)
		0x75, 0x20, // jne to the hlt
		0xfc, // cld
		0xbe, // mov $rodata, %esi
		rodata & 0xff, rodata >> 8 & 0xff, rodata >> 16, 0,
		0xac,       // lodsb
		0x84, 0xc0, // test %al, %al
		0x74, 0x04, // je past the loop
		0xe6, 0xe9, // out %al, $0xe9
		0xeb, 0xf7, // jmp to the lodsb
		0xa1, // mov data, %eax
		data & 0xff, data >> 8 & 0xff, data >> 16, 0,
		0x03, 0x05, // add data+4, %eax
		data&0xff + 4, data >> 8 & 0xff, data >> 16, 0,
		0xe7, 0xf4, // out %eax, $0xf4
		0x90, 0x90, 0x90, 0x90,
		0xf4,       // hlt
		0xeb, 0xfd, // jmp to the hlt
	}
	return &Image{
		Entry: text,
		Sections: []Section{
			{Name: ".text", Addr: high + text, Phys: text, Data: code, Exec: true},
			{Name: ".rodata", Addr: high + rodata, Phys: rodata, Data: []byte("entrylab: hello\n\x00")},
			{Name: ".data", Addr: high + data, Phys: data, Data: []byte{exitValue, 0, 0, 0}, Size: 8, Write: true},
		},
		Symbols: []Symbol{{Name: "pvh_start", Addr: high + text, Size: uint64(len(code)), Func: true}},
		Lines:   []Line{{high + text, "boot/elfimg/tools_test.go", 1}},
		Notes:   []Note{{"entrylab", 1, make([]byte, 12)}},
	}
}

const exitValue = 0x2a

// TestBoot boots images on the machines that the kernel is for. The two that
// QEMU refuses show that what this package promises is needed.
func TestBoot(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "timeout")
	data := mustBytes(t, bootable())

	note := binary.LittleEndian.AppendUint32(nil, xenNotePhys32Entry)
	note = append(note, "Xen\x00"...)
	noPVH := bytes.Replace(data, note, append([]byte{xenNotePhys32Entry + 1}, note[1:]...), 1)

	var header []byte
	for _, word := range []uint32{0x1badb002, 0, 0xe4524ffe} {
		header = binary.LittleEndian.AppendUint32(header, word)
	}
	desc := append([]byte("entrylab\x00\x00\x00\x00"), make([]byte, len(header))...)
	multiboot := bytes.Replace(data, desc, append(desc[:12:12], header...), 1)
	if err := checkNoMultiboot(multiboot); err == nil {
		t.Error("the Multiboot header goes unseen")
	}

	for _, machine := range []string{"microvm,acpi=off", "pc", "q35"} {
		for _, row := range []struct {
			name string
			file []byte
			code int
			want string
		}{
			{"image", data, exitValue<<1 | 1, "entrylab: hello\n"},
			{"no PVH note", noPVH, 1, "PVH ELF Note"},
			{"Multiboot header", multiboot, 1, "Cannot load x86-64 image"},
		} {
			t.Run(machine+"/"+row.name, func(t *testing.T) {
				if row.code == 1 && bytes.Equal(row.file, data) {
					t.Fatal("the file was not changed")
				}
				path := filepath.Join(t.TempDir(), "x.elf")
				if err := os.WriteFile(path, row.file, 0o644); err != nil {
					t.Fatal(err)
				}
				out, code := runQEMU(t, machine, path)
				if code != row.code || !strings.Contains(out, row.want) {
					t.Errorf("exit code %d, want %d; output %q, want %q", code, row.code, out, row.want)
				}
			})
		}
	}
}

// runQEMU returns what the debug console and QEMU itself printed, and QEMU's
// exit code, which is 124 if it had to be stopped.
func runQEMU(t *testing.T, machine, kernel string) (string, int) {
	t.Helper()
	cmd := exec.Command("timeout", "20", "qemu-system-x86_64",
		"-accel", "tcg", "-M", machine, "-m", "32", "-nic", "none", "-no-reboot",
		"-display", "none", "-monitor", "none", "-serial", "none", "-debugcon", "stdio",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", kernel)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
