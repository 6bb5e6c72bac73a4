// Prints words ARGV[2] to ARGV[4] of what the control call ARGV[1] tells: the
// TSC's rate in Hz, what the kernel knows it by, and the timer's rate.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static unsigned long stats[64];
	if (argc != 5 || syscall(atol(argv[1]), stats)) {
		perror("stats");
		return 1;
	}
	printf("%lu %lu %lu\n", stats[atol(argv[2])], stats[atol(argv[3])], stats[atol(argv[4])]);
	return 0;
}
