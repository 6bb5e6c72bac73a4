package vmtests

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// spacesConfig has testdata/c/spaces.c, built at path, as init.
func spacesConfig(path string, n stubs.Variant, m vm.Config) boot.Config {
	m.Append = layout.ControlWord
	m.Instructions = 1_000_000_000 // some hundred times what it takes
	var s layout.Stats[layout.Word]
	var args []string
	for _, n := range []uintptr{
		layout.SysOwnMM, layout.SysStats, unsafe.Offsetof(s.MMSwitches) / 8, unsafe.Offsetof(s.PagesFree) / 8,
	} {
		args = append(args, strconv.Itoa(int(n)))
	}
	return boot.Config{Variants: []stubs.Variant{n}, Init: path, Args: args, VM: m}
}

// TestSpaces runs testdata/c/spaces.c: threads in address spaces of their own,
// which must all see the same memory. On the host, where they share one, it
// shows that what it expects is what Linux does.
func TestSpaces(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "spaces")
	t.Run("host", func(t *testing.T) {
		if out, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	for _, engine := range engines(vm.ICount, vm.TCG) {
		for _, name := range []string{"linux-3.19", "linux-6.12", "linux-6.12+pti"} {
			t.Run(name+"/"+string(engine), func(t *testing.T) {
				t.Parallel()
				res, console := bootInit(t, spacesConfig(path, variant(t, name), machine(t, engine)))
				reportParts(t, res, console)
			})
		}
	}
}

// TestSpacesCatches runs the same on kernels with a fault in the address
// spaces: none may end well.
func TestSpacesCatches(t *testing.T) {
	t.Parallel()
	path := cProgram(t, "spaces")
	for _, tt := range []struct {
		name, function string
		old, new       string // machine code, which the function has once
		want           vm.Outcome
		reason         string
	}{
		{
			"a top-level entry is set in init_mm alone", "set_pgd",
			"488b5210", "31d29090", // MOVQ MM.Next(RDX), RDX; XORL RDX, RDX
			vm.Signaled, "out of memory",
		},
		{
			"an address space is not loaded", "switch_mm",
			"0f22d8", "0f1f00", // MOVQ RAX, CR3; NOP
			vm.TimedOut, "",
		},
		{
			"an address space is freed with the first of its threads", "mm_put",
			"48ff4b08", "4831c090", // DECQ MM.Users(RBX); XORQ RAX, RAX
			vm.Panic, "#PF",
		},
		{
			"an address space is never freed", "mm_put",
			"74065b", "74005b", // JE over POPQ RBX and RET; JE to them
			vm.Exited, "status 1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			failsPatched(t, spacesConfig(path, linux319(t), machine(t, vm.ICount)), tt.function, tt.old, tt.new, tt.want, tt.reason)
		})
	}
}

// failsPatched boots the kernel with old replaced by new in a function, and
// fails the test if the machine does not end as wanted, with the reason.
func failsPatched(t *testing.T, c boot.Config, function, old, new string, want vm.Outcome, reason string) {
	t.Helper()
	m, err := boot.Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	m.Kernel = patched(t, m.Kernel, function, old, new)
	res, console := bootMachine(t, m)
	if res.Outcome != want || !strings.Contains(res.Reason, reason) {
		t.Errorf("%v: %s; want %v with %q\n%s", res.Outcome, res.Reason, want, reason, console)
	}
}

// patched returns the path of a copy of the kernel in which the bytes old in a function,
// both in hexadecimal, are replaced by new.
func patched(t *testing.T, kernel, function, old, new string) string {
	t.Helper()
	image, err := os.ReadFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	was, err1 := hex.DecodeString(old)
	is, err2 := hex.DecodeString(new)
	if err1 != nil || err2 != nil || len(was) != len(is) {
		t.Fatalf("bad patch: %s to %s", old, new)
	}
	for _, s := range symbols {
		if s.Name != function {
			continue
		}
		section := f.Sections[s.Section]
		start := s.Value - section.Addr + section.Offset
		code := image[start : start+s.Size]
		if n := bytes.Count(code, was); n != 1 {
			t.Fatalf("%s has %s %d times: %x", function, old, n, code)
		}
		copy(code[bytes.Index(code, was):], is)
		path := filepath.Join(t.TempDir(), "kernel.elf")
		if err := os.WriteFile(path, image, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Fatalf("the kernel has no function %s", function)
	return ""
}

// TestSpacesPCID runs the same in Bochs on a CPU with PCIDs, where translations
// outlive a write of CR3 unless they are dropped.
func TestSpacesPCID(t *testing.T) {
	t.Parallel()
	m := needBochs(t)
	m.CPU = "corei7_haswell_4770"
	res, console := bootInit(t, spacesConfig(cProgram(t, "spaces"), variant(t, "linux-6.12+pti+pcid"), m))
	reportParts(t, res, console)
}
