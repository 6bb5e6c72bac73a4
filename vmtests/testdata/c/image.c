// image: what a program is told of where it is loaded is so.
#include "check.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

extern const Elf64_Ehdr __ehdr_start;
extern char _start[], end[];

static int number = 7;
static int *const pointer = &number; // relocated, in RELRO
static char big[3 << 20] __attribute__((aligned(4096)));

static void auxv(void)
{
	const Elf64_Phdr *ph = (void *)getauxval(AT_PHDR);
	CHECK(ph == (void *)((char *)&__ehdr_start + __ehdr_start.e_phoff), "AT_PHDR is %p", (void *)ph);
	CHECK(getauxval(AT_PHNUM) == __ehdr_start.e_phnum, "AT_PHNUM is %lu", getauxval(AT_PHNUM));
	CHECK(getauxval(AT_ENTRY) == (unsigned long)_start, "AT_ENTRY is %#lx", getauxval(AT_ENTRY));
	CHECK(getauxval(AT_BASE) == 0, "AT_BASE is %#lx", getauxval(AT_BASE));
	unsigned long bias = (unsigned long)_start - __ehdr_start.e_entry;
	for (int i = 0; i < __ehdr_start.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			CHECK(bias % ph[i].p_align == 0, "segment %d, aligned to %#lx, is off by %#lx", i, ph[i].p_align, bias);
	CHECK((bias != 0) == (__ehdr_start.e_type == ET_DYN), "bias %#lx", bias);
}

static void memory(void)
{
	CHECK(*pointer == 7 && pointer == &number, "pointer %p to %d", (void *)pointer, *pointer);
	for (size_t i = 0; i < sizeof big; i += 4096)
		CHECK(big[i] == 0, "byte %zu is %d", i, big[i]);
	memset(big, 1, sizeof big);
	char *brk = sbrk(0);
	CHECK(brk >= end, "the heap begins at %p, the program ends at %p", brk, end);
	CHECK(sbrk(5 << 20) == brk, "sbrk: %s", strerror(errno));
	memset(brk, 2, 5 << 20);
	CHECK(big[sizeof big - 1] == 1, "the heap is in the program");
	CHECK(mprotect((void *)((unsigned long)big & -4096), 4096, PROT_READ) == 0, "mprotect: %s", strerror(errno));
}

int main(void)
{
	RUN(auxv);
	RUN(memory);
	return finish();
}
