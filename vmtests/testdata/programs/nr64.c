// nr64: getpid by a call number with a bit above the lower 32, which Linux since
// 5.14 takes as an int (entry_64.S: movslq), and compared as 64 bits before.
#include <stdio.h>

int main(void)
{
	long r;
	asm volatile("syscall" : "=a"(r) : "a"(1L << 32 | 39) : "rcx", "r11", "memory");
	printf("%ld\n", r);
	return r <= 0;
}
