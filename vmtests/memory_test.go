package vmtests

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestMemory runs testdata/memory, which checks what the memory calls do, on
// machines that differ in what the kernel's memory management heeds; and on
// the host, to show that what it expects is what Linux does.
func TestMemory(t *testing.T) {
	t.Parallel()
	path := program(t, "memory")
	t.Run("host", func(t *testing.T) {
		if out, err := exec.CommandContext(t.Context(), path, "300").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, tt := range []struct {
		name   string
		cpu    string
		memory int // MiB
		model  vm.Machine
		rounds string // of churn; as many as give a small machine all of its RAM often
	}{
		{name: "plain"},
		{name: "no SMAP and SMEP", cpu: "qemu64"},
		{name: "little RAM", memory: 8, rounds: "3000"},
		{name: "RAM above 4 GiB", memory: 5000},
		{name: "q35", model: vm.Q35},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.CPU, m.MemoryMiB, m.Machine = tt.cpu, tt.memory, tt.model
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: path, Args: []string{cmp.Or(tt.rounds, "300")}, VM: m})
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Errorf("%v, status %d: %s\n%s%s", res.Outcome, res.Status, res.Reason, console, res.Report())
			}
		})
	}
}

// TestMuchMemory boots machines with little and with much RAM, whose memory is a file of the
// host: the program's argument, which is on its stack, is there above 4 GiB if there is any
// such RAM, and the guest's checks pass, whose stacks and page tables are there too.
func TestMuchMemory(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, tt := range []struct {
		name    string
		machine vm.Machine
		memory  int // MiB
		format  image.Format
		uefi    bool
		always  bool  // not with -boots alone
		above   int64 // where in the file the RAM above 4 GiB begins
	}{
		{name: "1 GiB", machine: vm.MicroVM, memory: 1 << 10, always: true},
		{name: "64 GiB", machine: vm.MicroVM, memory: 64 << 10, always: true, above: 3 * gib},
		{name: "64 GiB by a BIOS", machine: vm.PC, format: image.BIOS, memory: 64 << 10, above: 3 * gib},
		{name: "64 GiB by UEFI", machine: vm.Q35, format: image.EFI, uefi: true, memory: 64 << 10, above: 2 * gib},
		{name: "600 GiB", machine: vm.Q35, memory: 600 << 10, above: 2 * gib},
	} {
		if !tt.always && !*allBoots {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.uefi {
				needOVMF(t)
			}
			m := machine(t, vm.TCG)
			m.Machine, m.MemoryMiB, m.UEFI = tt.machine, tt.memory, tt.uefi
			const mark = "argument that is looked for in the machine's memory"
			ram := filepath.Join(t.TempDir(), "ram")
			c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: tt.format, Init: program(t, "words"), Args: []string{mark}, VM: m}
			c.VM.Extra = []string{
				"-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dM,share=on,mem-path=%s", tt.memory, ram),
				"-machine", "memory-backend=ram",
			}
			res, console := bootInit(t, c)
			if res.Outcome != vm.Exited || !strings.Contains(console, "\n"+mark+"\n") {
				t.Fatalf("console is %q\n%s", console, res.Report())
			}
			found := findInFile(t, ram, mark)
			if len(found) == 0 {
				t.Fatalf("the argument is nowhere in the %d MiB", tt.memory)
			}
			if last := found[len(found)-1]; (tt.above > 0) != (last >= max(tt.above, gib)) {
				t.Errorf("the argument is last at %#x of the RAM; the part above 4 GiB begins at %#x (0: there is none)", last, tt.above)
			}

			c.Init, c.Args, c.VM.Extra = "", []string{"verify"}, []string{
				"-object", fmt.Sprintf("memory-backend-ram,id=ram,size=%dM,reserve=off", tt.memory), "-machine", "memory-backend=ram",
			}
			report(t, runGuest(t, c))
		})
	}
}

// findInFile returns where in a sparse file the mark is, in order.
func findInFile(t *testing.T, path, mark string) []int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const seekData, seekHole = 3, 4 // Linux's lseek
	var found []int64
	for at := int64(0); ; {
		start, err := f.Seek(at, seekData)
		if err != nil {
			return found // no data is left
		}
		end, err := f.Seek(start, seekHole)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, end-start)
		if _, err := f.ReadAt(data, start); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; {
			next := bytes.Index(data[i:], []byte(mark))
			if next < 0 {
				break
			}
			found = append(found, start+int64(i+next))
			i += next + 1
		}
		at = end
	}
}
