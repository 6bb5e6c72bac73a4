package vmtests

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// userMapped are the parts of the image that the user's page table may map of
// the kernel: the text of entries and exits, and what the CPU itself touches on
// the way, from one symbol up to another. All else is to be out of reach.
var userMapped = [][2]string{
	{"__entry_start", "__entry_end"},
	{"__irqentry_start", "__irqentry_end"},
	{"mds_verw_sel", "entry_rodata_end"},
	{"gdt", "gdt_end"},
	{"trap_entries", "idt_end"},
	{"percpu_tss", "percpu_end"},
	{"trampoline_stack", "trampoline_stack_end"},
	{"ist_stacks", "ist_stacks_end"},
}

// TestIsolation has the kernel walk the page table that ring 3 runs on, and holds
// what it finds against the image's symbols, page by page.
func TestIsolation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		variant  string
		engine   vm.Engine
		isolated bool
	}{
		{"linux-6.12+pti", vm.ICount, true},
		{"linux-6.12+pti+pcid", vm.Bochs, true},
		{"linux-6.12", vm.ICount, false}, // the walk sees more if there is more
	} {
		t.Run(tt.variant, func(t *testing.T) {
			t.Parallel()
			m := machine(t, tt.engine)
			if tt.engine == vm.Bochs {
				m = needBochs(t)
			}
			m.Append = layout.ControlWord
			list := []stubs.Variant{variant(t, tt.variant)}
			res, console := bootInit(t, boot.Config{Variants: list, Init: program(t, "usermap"), VM: m})
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Fatal(res.Report())
			}
			var got []string
			for line := range strings.Lines(console) {
				var start, end uint64
				if _, err := fmt.Sscanf(line, "%x %x", &start, &end); err != nil {
					t.Fatalf("line %q: %v", line, err)
				}
				if !tt.isolated && start < layout.KernelBase {
					got = append(got, "RAM")
					continue
				}
				for at := start; at < end; at += layout.PageSize {
					got = append(got, fmt.Sprintf("%x", at))
				}
			}
			c := image.Config{Variants: list}
			if tt.engine == vm.Bochs { // its image has an initramfs of its own
				c.Initramfs = []byte{0}
			}
			image, err := image.Build(c)
			if err != nil {
				t.Fatal(err)
			}
			want := pagesOf(t, image.Object)
			if tt.isolated {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the user's page table maps other pages (-allowed +mapped):\n%s", diff)
				}
				return
			}
			if !slices.Contains(got, "RAM") || len(got) < 2*len(want) {
				t.Errorf("%d pages, and RAM: %v; want all of the kernel", len(got), slices.Contains(got, "RAM"))
			}
		})
	}
}

// pagesOf lists the addresses of the allowed pages.
func pagesOf(t *testing.T, obj *asm.Object) []string {
	t.Helper()
	var pages []string
	for _, r := range userMapped {
		start, ok := obj.Addr(r[0])
		end, ok2 := obj.Addr(r[1])
		if !ok || !ok2 {
			t.Fatalf("the image has no %v", r)
		}
		for at := start &^ (layout.PageSize - 1); at < end; at += layout.PageSize {
			pages = append(pages, fmt.Sprintf("%x", at))
		}
	}
	slices.Sort(pages)
	return pages
}

// TestTrapInWindow makes traps strike where RSP, GS or CR3 is the user's in ring
// 0, or none's: the vector of the NMI, before each instruction that changes one of
// them. Every check must pass all the same.
func TestTrapInWindow(t *testing.T) {
	t.Parallel()
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	pushed := asm.Fields[layout.PtRegs[asm.Mem]](asm.RDI.At(-asm.Slots[layout.PtRegs[asm.Slot]]().DI.Off))
	places := []asm.Ins{
		asm.SWAPGS(), asm.MOVQ(asm.CR3, asm.RSP), asm.MOVQ(asm.RSP, asm.CR3), asm.MOVQ(gs.TopOfStack, asm.RSP),
		asm.MOVQ(gs.TSS.SP1, asm.RSP), asm.PUSHQ(pushed.DI), asm.MOVQ(asm.RDI, asm.CR3), asm.POPQ(asm.RSP), asm.SYSRETQ(), asm.IRETQ(),
	}
	for _, tt := range []struct {
		base   string
		engine vm.Engine
	}{
		{"linux-6.12+pti", vm.ICount},
		{"linux-6.12+pti+pcid", vm.Bochs},
	} {
		t.Run(tt.base, func(t *testing.T) {
			t.Parallel()
			m := machine(t, tt.engine)
			if tt.engine == vm.Bochs {
				m = needBochs(t)
			}
			n := variant(t, tt.base)
			n.Name = "trapped"
			n.Edit = func(p *asm.Program) error {
				for _, place := range places {
					if err := insertBefore(place, asm.Block{asm.INT(x86.X86_TRAP_NMI)})(p); err != nil {
						return err
					}
				}
				return nil
			}
			report(t, runGuest(t, boot.Config{Variants: []stubs.Variant{n}, Args: []string{"verify"}, VM: m}))
		})
	}
}
