package kernel

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/golden"
)

// TestListings compares each subsystem with its listing in testdata: without
// addresses and bytes, so that a change shows where it was made alone.
func TestListings(t *testing.T) {
	obj := linked(t)
	for _, s := range subsystems {
		t.Run(s.name, func(t *testing.T) {
			var b strings.Builder
			for _, f := range s.program().Funcs {
				l, ok := obj.Listing(f.Name)
				if !ok {
					t.Fatalf("the kernel has no %s", f.Name)
				}
				if b.Len() > 0 {
					b.WriteByte('\n')
				}
				write(&b, f, l)
			}
			golden.Same(t, filepath.Join("testdata", s.name+".lst"), b.String())
		})
	}
}

// write prints a function: what it promises, then its instructions.
func write(b *strings.Builder, f Func, l Listing) {
	for line := range strings.Lines(f.Doc) {
		fmt.Fprintf(b, "// %s\n", strings.TrimSuffix(line, "\n"))
	}
	if c := f.Contract(); c != "" {
		fmt.Fprintf(b, "// It %s.\n", c)
	}
	fmt.Fprintf(b, "%s:\n", f.Name)
	for _, r := range l.Rows {
		switch {
		case r.Label == f.Name:
		case r.Label != "":
			fmt.Fprintf(b, "%s:\n", r.Label)
		case r.Ins.Claim() != "":
			fmt.Fprintf(b, "\t%-40v // %s\n", r.Ins, r.Ins.Claim())
		default:
			fmt.Fprintf(b, "\t%v\n", r.Ins)
		}
	}
}

// linked returns the kernel without the boot protocols and the stubs, of which only the
// names are there.
func linked(t *testing.T) *Object {
	t.Helper()
	p := Body()
	p.Late = nil
	for _, d := range []Data{
		bootInfoData, bootHandoff, bootParser, gdt, gdtEnd, initPgDir, physmapPdpt, kernelPDPT, kernelPd, kernelPageTable,
		builtinInitramfs, builtinCmdline, builtinArgs, kernelBuild, answerBoots,
		variants, variantsCount, variantsCopies, mdsVerwSel, entryRodataEnd,
		kallsymsData, kallsymsNames,
	} {
		p.Data = append(p.Data, BSS(d.Name, 8, 8))
	}
	entry := FUNC("entry", "", UD2())
	entry.Group = "entry"
	p.Funcs = append(p.Funcs, entry)
	obj, err := Link(p, layout.KernelBase+1<<20, layout.KernelBase)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// TestContracts checks that every function declares what it does with registers, but for
// those that are entered with an interrupted program's, and the one that ends on another
// stack than it begins on.
func TestContracts(t *testing.T) {
	entered := map[string]bool{
		"error_entry": true, "paranoid_entry": true, "paranoid_body": true, "return_to_usermode": true, "ignore_sysret": true,
		"syscall_other_mode": true, "fred_other_user": true, "fred_other_kernel": true,
		"switch_variants": true,
	}
	for _, v := range vectors {
		entered["asm_"+v.name] = true
	}
	for _, f := range Body().Funcs {
		if has := f.Contract() != ""; has == entered[f.Name] {
			t.Errorf("%s: contract %q; only what is entered with an interrupted program's registers, or changes stacks, has none", f.Name, f.Contract())
		}
	}
}
