package kernel

import . "github.com/entrylab/entrylab/gen/asm"

// Symbols that other parts of the program define.
var (
	// Link
	textStart     = EXTERNDATA("__text_start")
	textEnd       = EXTERNDATA("__text_end")
	entryStart    = EXTERNDATA("__entry_start")
	entryEnd      = EXTERNDATA("__entry_end")
	irqentryStart = EXTERNDATA("__irqentry_start")
	irqentryEnd   = EXTERNDATA("__irqentry_end")
	exTable       = EXTERNDATA("__ex_table")
	exTableEnd    = EXTERNDATA("__ex_table_end")

	returnSites      = EXTERNDATA("__return_sites")
	returnSitesFlags = EXTERNDATA("__return_sites_flags")
	returnSitesEnd   = EXTERNDATA("__return_sites_end")
	callSites        = EXTERNDATA("__call_sites")
	callSitesEnd     = EXTERNDATA("__call_sites_end")
	callPrefixSize   = EXTERNDATA("__call_prefix_size")
	kernelEnd        = EXTERNDATA("__kernel_end")

	// boot/proto
	bootInfoData    = EXTERNDATA("boot_info")
	bootHandoff     = EXTERNDATA("boot_handoff")
	bootParser      = EXTERNDATA("boot_parser")
	gdt             = EXTERNDATA("gdt")
	gdtEnd          = EXTERNDATA("gdt_end")
	initPgDir       = EXTERNDATA("init_pg_dir")
	physmapPdpt     = EXTERNDATA("physmap_pdpt")
	kernelPDPT      = EXTERNDATA("kernel_pdpt")
	kernelPd        = EXTERNDATA("kernel_pd")
	kernelPageTable = EXTERNDATA("kernel_page_table")

	// boot/image
	builtinInitramfs = EXTERNDATA("builtin_initramfs")
	builtinCmdline   = EXTERNDATA("builtin_cmdline")
	builtinArgs      = EXTERNDATA("builtin_args")
	kernelBuild      = EXTERNDATA("kernel_build")
	answerBoots      = EXTERNDATA("answer_boots")

	// stubs
	variants       = EXTERNDATA("variants")
	variantsCount  = EXTERNDATA("variants_count")
	variantsCopies = EXTERNDATA("variants_copies")
	mdsVerwSel     = EXTERNDATA("mds_verw_sel")
	entryRodataEnd = EXTERNDATA("entry_rodata_end")

	// what kallsyms makes once all functions have addresses
	kallsymsData  = EXTERNDATA("kallsyms")
	kallsymsNames = EXTERNDATA("kallsyms_names")
)
