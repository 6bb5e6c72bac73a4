// userrsp: makes a call that a fault ends, after it has told its RSP.
#include "check.h"

static unsigned long stack[512];

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	printf("rsp %016lx\n", (unsigned long)&stack[256]);
	asm volatile("mov %0, %%rsp\n\t"
		     "mov %1, %%eax\n\t"
		     "syscall" ::"r"(&stack[256]),
		     "i"(SYS_getppid)
		     : "rax", "rcx", "r11", "memory");
	return 1;
}
