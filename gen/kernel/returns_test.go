package kernel

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/gen/asm"
)

// TestUncounted: a function whose CALLs the call depth counts ends by a RET that is
// counted, too: it jumps to no function whose RETs are not, but where a trap of ring 0 is
// told apart.
func TestUncounted(t *testing.T) {
	byName := map[string]asm.Func{}
	for _, f := range Body().Funcs {
		byName[f.Name] = f
	}
	counted := func(name string) bool { return byName[name].ReturnSites && !byName[name].ReturnsFlags() }
	obj, found := linked(t), []string(nil)
	for _, f := range Body().Funcs {
		if !counted(f.Name) {
			continue
		}
		l, ok := obj.Listing(f.Name)
		if !ok {
			t.Fatalf("the kernel has no %s", f.Name)
		}
		for _, r := range l.Rows {
			if r.Label != "" || r.Ins.Mnemonic() == "CALL" {
				continue
			}
			for _, arg := range r.Ins.Operands() {
				if to, ok := arg.(string); ok && byName[to].Name != "" && !counted(to) {
					found = append(found, f.Name+" "+to)
				}
			}
		}
	}
	if want := []string{"do_trap_kernel nmi_kernel", "do_trap_kernel machine_check", "do_trap_kernel debug_kernel"}; !slices.Equal(found, want) {
		t.Errorf("these jump to functions whose RETs are not counted: %q, want %q", found, want)
	}
}
