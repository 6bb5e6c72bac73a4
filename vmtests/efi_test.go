package vmtests

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// allBoots makes tests boot in every way on every machine, with all checks.
var allBoots = flag.Bool("boots", false, "boot in every way, where else a few do")

// needOVMF asks for the UEFI firmware of machines.
func needOVMF(t testing.TB) {
	t.Helper()
	if _, err := vm.CommandLine(vm.Config{Machine: vm.Q35, UEFI: true, Kernel: "x"}); err != nil {
		need.Missing(t, err.Error())
	}
}

// efiBoot is a way to boot an EFI image.
type efiBoot struct {
	name    string
	machine vm.Machine
	uefi    bool
	memory  int  // MiB
	always  bool // not with -boots alone
}

var efiBoots = []efiBoot{
	{name: "real mode, pc", machine: vm.PC, always: true},
	{name: "real mode, q35", machine: vm.Q35},
	{name: "real mode, 6 GiB", machine: vm.PC, memory: 6144},
	{name: "UEFI, pc", machine: vm.PC, uefi: true},
	{name: "UEFI, q35", machine: vm.Q35, uefi: true, always: true},
	{name: "UEFI, 1 GiB", machine: vm.Q35, uefi: true, memory: 1024},
	{name: "UEFI, 6 GiB", machine: vm.Q35, uefi: true, memory: 6144},
}

// chosenBoots returns the boots of this run.
func chosenBoots() []efiBoot {
	return slices.DeleteFunc(slices.Clone(efiBoots), func(b efiBoot) bool { return !b.always && !*allBoots })
}

// TestEFI boots the guest from an EFI image in each of the ways that it has: the
// checks that pass with the ELF file must pass.
func TestEFI(t *testing.T) {
	t.Parallel()
	c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Args: []string{"verify"}, VM: machine(t, vm.TCG)}
	want := runGuest(t, c)
	for _, b := range chosenBoots() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if b.uefi {
				needOVMF(t)
			}
			c := c
			c.Format, c.VM.Machine, c.VM.UEFI, c.VM.MemoryMiB = image.EFI, b.machine, b.uefi, b.memory
			run := runGuest(t, c)
			report(t, run)
			if len(run.Checks) == 0 || len(run.Checks) != len(want.Checks) {
				t.Fatalf("%d checks, want the %d of the ELF file", len(run.Checks), len(want.Checks))
			}
			for i, c := range run.Checks {
				if c != want.Checks[i] {
					t.Errorf("%v, want %v", c, want.Checks[i])
				}
			}
		})
	}
}

// TestEFIWords: the words of the loader reach init by each of the ways.
func TestEFIWords(t *testing.T) {
	t.Parallel()
	for _, b := range chosenBoots() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if b.uefi {
				needOVMF(t)
			}
			m := machine(t, vm.TCG)
			m.Machine, m.UEFI, m.MemoryMiB, m.Append = b.machine, b.uefi, b.memory, "A=2"
			init := program(t, "words")
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: image.EFI, Init: init, Args: []string{"one", "two words"}, VM: m})
			if want := init + "\none\ntwo words\n\nHOME=/\nTERM=linux\nA=2\n"; res.Outcome != vm.Exited || !strings.HasSuffix(console, want) {
				t.Errorf("console is %q, want %q at its end\n%s", console, want, res.Report())
			}
		})
	}
}

// TestEFIDamaged boots EFI images that are not whole, by a loader that does not notice: the
// kernel says so.
func TestEFIDamaged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"cut short", func(b []byte) []byte { return b[:len(b)/2] }},
		{"a bit", func(b []byte) []byte { b[len(b)-len(b)/8] ^= 1; return b }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.Machine = vm.PC
			m, err := boot.Prepare(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Format: image.EFI, Init: program(t, "words"), VM: m})
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(m.Kernel)
			if err != nil {
				t.Fatal(err)
			}
			m.Kernel = filepath.Join(t.TempDir(), "damaged.efi")
			if err := os.WriteFile(m.Kernel, tt.change(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if res, console := bootMachine(t, m); res.Outcome != vm.Refused || !strings.Contains(res.Reason, "the image is cut short or damaged") {
				t.Errorf("console %q; want a refusal\n%s", console, res.Report())
			}
		})
	}
}
