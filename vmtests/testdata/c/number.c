// A system call's number with a bit of RAX's upper half set, at both ends of
// it: prints what getpid and an unknown number return.
#include <stdio.h>

static long call(unsigned long number)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
	return result;
}

int main(void)
{
	const unsigned long getpid = 39, none = 2000;
	printf("%ld %ld %ld %ld %ld\n", call(getpid), call(1UL << 32 | getpid), call(1UL << 63 | getpid),
	       call(1UL << 32 | none), call(0xffffffffUL << 32 | 0x80000000UL | getpid));
	return 0;
}
