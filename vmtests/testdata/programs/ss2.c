// ss2: 32-bit code in a 64-bit process, called and left by far returns.
#include "../c/check.h"

// to_32 runs 32-bit code on a stack below 4 GiB and returns its EAX.
long to_32(void *stack);

asm(".pushsection .text\n"
    "to_32:\n"
    "	push %rbx\n"
    "	push %rbp\n"
    "	mov %rsp, stack_64\n"
    "	lea -8(%rdi), %rsp\n"
    "	movl $in_64, (%rsp)\n"
    "	movl $0x33, 4(%rsp)\n" // USER_CS
    "	push $0x23\n"          // USER32_CS
    "	push $in_32\n"
    "	lretq\n"
    ".code32\n"
    "in_32:\n"
    "	push $42\n"
    "	pop %eax\n"
    "	lret\n"
    ".code64\n"
    "in_64:\n"
    "	mov stack_64, %rsp\n"
    "	pop %rbp\n"
    "	pop %rbx\n"
    "	mov %eax, %eax\n"
    "	ret\n"
    ".popsection\n"
    ".local stack_64\n"
    ".comm stack_64, 8\n");

static void far_returns(void)
{
	char *stack = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_32BIT | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	CHECK(stack != MAP_FAILED && (uintptr_t)stack < 1L << 32, "stack at %p", stack);
	for (int i = 0; i < 1000; i++) {
		long r = to_32(stack + 4096);
		CHECK(r == 42, "round %d returns %ld", i, r);
	}
}

int main(void)
{
	RUN(far_returns);
	return finish();
}
