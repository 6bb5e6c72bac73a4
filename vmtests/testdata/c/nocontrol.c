// Makes the calls from number ARGV[1] to ARGV[2] with a bad argument, by SYSCALL and
// by the software interrupt ARGV[3], 0x81: prints how many of them exist.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int exist = 0;
	if (argc < 4 || strtol(argv[3], NULL, 0) != 0x81)
		return 2;
	for (long nr = atol(argv[1]); nr <= atol(argv[2]); nr++) {
		long result;
		__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(1L << 20), "S"(0L), "d"(0L) : "rcx", "r11", "memory");
		exist += result != -ENOSYS;
		__asm__ volatile("int $0x81" : "=a"(result) : "a"(nr), "D"(1L << 20), "S"(0L), "d"(0L) : "memory");
		exist += result != -ENOSYS;
	}
	printf("%d\n", exist);
	return 0;
}
