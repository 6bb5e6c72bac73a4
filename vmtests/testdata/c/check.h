// check.h: a test program prints one line for each part and exits with the
// number of those that failed. It behaves the same on Linux.
#ifndef _GNU_SOURCE // g++ defines it
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int failed; // volatile, as a part may leave by longjmp
static __attribute__((unused)) const char *part;

// CHECK goes on after a failure, so that one fault shows all that follows from it.
#define CHECK(cond, ...)                                            \
	do {                                                        \
		if (!(cond)) {                                      \
			failed = failed + 1; /* C++ warns of ++ */  \
			printf("FAILED %s: line %d: ", part, __LINE__); \
			printf(__VA_ARGS__);                        \
			printf("\n");                               \
		}                                                   \
	} while (0)

// WITHOUT in the environment names parts to leave out, divided by commas.
static inline int wanted(const char *name)
{
	const char *without = getenv("WITHOUT");
	size_t n = strlen(name);
	for (const char *at = without; at && (at = strstr(at, name)); at += n)
		if ((at == without || at[-1] == ',') && (at[n] == 0 || at[n] == ','))
			return 0;
	return 1;
}

#define RUN(f)                                       \
	do {                                         \
		int before = failed;                 \
		part = #f;                           \
		if (!wanted(part))                   \
			break;                       \
		f();                                 \
		if (failed == before)                \
			printf("ok %s\n", part);     \
	} while (0)

static inline int finish(void)
{
	printf("done, %d failed\n", failed);
	return failed;
}

static inline int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline double now(void)
{
	return now_ns() * 1e-9;
}
