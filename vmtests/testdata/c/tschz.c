// On the host: prints the TSC's rate in Hz by the clock that QEMU takes the
// machine's time from, over a second.
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct point {
	unsigned long long tsc, ns;
};

// The closest of many readings: the two are not read at the same time.
static struct point now(void)
{
	struct point best = {0, 0};
	unsigned long long least = ~0ULL;
	for (int i = 0; i < 10000; i++) {
		struct timespec t;
		unsigned long long before = __rdtsc(), after;
		clock_gettime(CLOCK_MONOTONIC, &t);
		after = __rdtsc();
		if (after - before < least) {
			least = after - before;
			best.tsc = before + least / 2;
			best.ns = t.tv_sec * 1000000000ULL + t.tv_nsec;
		}
	}
	return best;
}

int main(void)
{
	struct point start = now(), end;
	struct timespec second = {1, 0};
	nanosleep(&second, NULL);
	end = now();
	printf("%.0f\n", (end.tsc - start.tsc) * 1e9 / (end.ns - start.ns));
	return 0;
}
