package trace

import (
	"debug/elf"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/entrylab/entrylab/boot/linux"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
)

// TestName: a step has the name that the vmlinux has for it, or that the guest has, or
// none; and what is inlined there, where there is DWARF.
func TestName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vmlinux")
	out, err := exec.CommandContext(t.Context(), need.Tool(t, "gcc"), "-O2", "-gdwarf-5", "-static", "-nostdlib", "-mcmodel=kernel", "-fno-pic", "-no-pie",
		"-Wl,-Ttext=0xffffffff81000000,--build-id=none", "-o", path, filepath.Join("..", "..", "boot", "linux", "testdata", "vmlinux.c")).CombinedOutput()
	if err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]uint64{}
	for _, s := range table {
		at[s.Name] = s.Value
	}
	image, err := linux.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := image.Symbols(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const module = 0xffffffffc0000000
	said := []wire.Symbol{{Addr: module + 4, Name: "in_a_module", Start: module}, {Addr: at["in_inner"], Name: "kallsyms_name", Start: at["in_inner"]}}
	for _, row := range []struct {
		symbols *linux.Symbols
		want    string
	}{
		{symbols, "[ring 3 entry_SYSCALL_64+0x0 in_inner+0x0 (inner in middle in in_inner) in_a_module+0x2 in_a_module+0x4 0xffffffffd0000000]"},
		{nil, fmt.Sprintf("[ring 3 %#x kallsyms_name+0x0 in_a_module+0x2 in_a_module+0x4 0xffffffffd0000000]", at["entry_SYSCALL_64"])},
	} {
		p := Path{Steps: []Step{{Func: Ring3}}}
		for _, addr := range []uint64{at["entry_SYSCALL_64"], at["in_inner"], module + 2, module + 4, module + 1<<28} {
			p.Steps = append(p.Steps, Step{Addr: addr})
		}
		p.name(row.symbols, said)
		if row.symbols != nil {
			if err := p.Inline(t.Context(), path); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, s := range p.Steps {
			got = append(got, s.Place())
			if len(s.Inlined) > 0 {
				got = append(got, "("+s.Within()+")")
			}
		}
		if fmt.Sprint(got) != row.want {
			t.Errorf("%v, want %s", got, row.want)
		}
	}
}
