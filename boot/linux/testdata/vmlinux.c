/* What a vmlinux has, as small as can be: the banner, the PVH note, a label of the
 * assembler, and functions of which some are inlined. */

__attribute__((used)) static const char banner[] = "Linux version 6.12.9-test (builder)";

asm(".pushsection .notes, \"a\", @note\n"
    "	.long 4, 8, 18\n" /* XEN_ELFNOTE_PHYS32_ENTRY */
    "	.asciz \"Xen\"\n"
    "	.quad 0x1000000\n"
    ".popsection\n"
    ".pushsection .text\n"
    "border_of_a_section:\n"
    "	.type entry_SYSCALL_64, @notype\n"
    "entry_SYSCALL_64:\n"
    "	nop\n"
    "entry_SYSCALL_64_after_hwframe:\n"
    "	nop\n"
    "	ret\n"
    "	.size entry_SYSCALL_64, . - entry_SYSCALL_64\n"
    ".popsection\n");

/* A label shows which instructions the compiler has put where. */
#define LABEL(name) asm volatile(#name ": nop")
#define INLINE static inline __attribute__((always_inline))

INLINE void inner(void) { LABEL(in_inner); }

INLINE void middle(void)
{
	LABEL(in_middle);
	inner();
	LABEL(behind_inner);
}

void _start(void)
{
	LABEL(in_start);
	{
		middle();
	}
	LABEL(behind_middle);
}
