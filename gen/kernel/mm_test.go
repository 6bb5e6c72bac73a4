package kernel

import (
	"testing"

	. "github.com/entrylab/entrylab/gen/asm"
)

// TestMemoryLinks links the memory manager and the loader with nothing but
// what they may ask of the rest of the kernel.
func TestMemoryLinks(t *testing.T) {
	p := Program{}
	for _, part := range []func() Program{
		messages, pages, slabs, threadStacks, pageTables, addressSpaces, areas, mmap, mprotect, mremap, faults, uaccess, spaces, cmdline, elf, exec,
	} {
		p.Add(part())
	}
	all := map[string]Func{}
	for _, f := range Body().Funcs {
		all[f.Name] = f
	}
	for _, name := range []string{
		"boot_fail", "die", "fd_file", "fixup_exception", "force_sig_fault", "fput", "group_exit", "initrd_lookup", "kill_forced", "machine_exit", "memfd_page",
		"printk", "printk_dec", "process_load", "set_comm", "set_variant", "strlen", "thread_alloc", "thread_join", "wake_up", "wake_up_new",
	} {
		f := all[name]
		f.Saves, f.Body = nil, Block{UD2()}
		p.Funcs = append(p.Funcs, f)
	}
	for _, name := range []string{"boot_info", "builtin_args", "builtin_cmdline", "control_on", "cpu_smap", "memfd_ops", "physmap_pdpt", "regular_ops", "sched", "to_printer"} {
		p.Data = append(p.Data, BSS(name, 8, 8))
	}
	if _, err := Link(p, 0xffff_ffff_8010_0000, 0xffff_ffff_8000_0000); err != nil {
		t.Error(err)
	}
}
