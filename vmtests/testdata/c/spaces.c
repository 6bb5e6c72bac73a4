// spaces: threads in address spaces of their own map, unmap, protect and move
// the same memory in turn, and each looks at all of it before and after its
// turn. Each piece has a top-level page-table entry of its own, so that those
// come and go; threads come and go as well, and some share the address space of
// the one that made them.
//
// Arguments: the numbers of the control calls that give a thread its own address
// space and fill the Stats, and where in those MMSwitches and PagesFree are, in
// words. Without arguments, as on Linux, all threads share one.
#include "check.h"

enum { PIECES = 6, THREADS = 5, ROUNDS = 60, GENERATIONS = 5, STATS_WORDS = 64, UNMAPPED = -1 };

static long own_mm, stats, mm_switches, pages_free;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int prot[PIECES]; // or UNMAPPED
static char value[PIECES];
static uint32_t seed = 1;

static __thread sigjmp_buf fault;

static uint32_t next(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	return (seed ^= seed << 5) % n;
}

static char *address(int i) { return (char *)((0x20UL + i) << 39); }

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

// readable and writable try it.
static int readable(int i)
{
	if (sigsetjmp(fault, 1))
		return 0;
	*(volatile char *)address(i);
	return 1;
}

static int writable(int i)
{
	if (sigsetjmp(fault, 1))
		return 0;
	*(volatile char *)address(i) = value[i];
	return 1;
}

static void look(const char *when)
{
	for (int i = 0; i < PIECES; i++) {
		int r = prot[i] != UNMAPPED && (prot[i] & PROT_READ), w = prot[i] != UNMAPPED && (prot[i] & PROT_WRITE);
		CHECK(readable(i) == r, "%s: piece %d, protection %d: readable is %d", when, i, prot[i], !r);
		if (r && readable(i))
			CHECK(*address(i) == value[i], "%s: piece %d holds %d, not %d", when, i, *address(i), value[i]);
		CHECK(writable(i) == w, "%s: piece %d, protection %d: writable is %d", when, i, prot[i], !w);
	}
}

static void change(void)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	int i = next(PIECES), to = next(PIECES);
	char *a = address(i);
	if (prot[i] == UNMAPPED) {
		CHECK(mmap(a, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a, "mmap: %m");
		prot[i] = PROT_READ | PROT_WRITE;
		value[i] = 0;
		return;
	}
	switch (next(5)) {
	case 0:
		CHECK(munmap(a, 4096) == 0, "munmap: %m");
		prot[i] = UNMAPPED;
		break;
	case 1:
		prot[i] = prots[next(3)];
		CHECK(mprotect(a, 4096, prot[i]) == 0, "mprotect: %m");
		break;
	case 2:
		CHECK(madvise(a, 4096, MADV_DONTNEED) == 0, "madvise: %m");
		value[i] = 0;
		break;
	case 3:
		if (prot[to] != UNMAPPED)
			break;
		CHECK(mremap(a, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, address(to)) == address(to), "mremap: %m");
		prot[to] = prot[i], value[to] = value[i];
		prot[i] = UNMAPPED;
		break;
	default:
		if (prot[i] & PROT_WRITE)
			*a = value[i] = 1 + next(100);
	}
}

static void rounds(int n)
{
	while (n-- > 0 && failed < 10) {
		pthread_mutex_lock(&turn);
		look("before");
		change();
		look("after");
		pthread_mutex_unlock(&turn);
		sched_yield();
	}
}

static void *child(void *arg)
{
	rounds(ROUNDS / 4);
	return arg;
}

static void *body(void *arg)
{
	pthread_t t;
	if ((long)arg > 0 && own_mm)
		CHECK(syscall(own_mm) == 0, "own address space: %m");
	rounds(ROUNDS / 2);
	if ((long)arg % 2) {
		CHECK(pthread_create(&t, NULL, child, NULL) == 0, "create: %m");
		pthread_join(t, NULL);
	}
	rounds(ROUNDS / 2);
	return arg;
}

static long stat(long word)
{
	long words[STATS_WORDS] = {0};
	if (stats)
		CHECK(syscall(stats, words) == 0, "stats: %m");
	return words[word];
}

static void generation(void)
{
	pthread_t t[THREADS];
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, body, (void *)i) == 0, "create: %m");
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < PIECES; i++) {
		munmap(address(i), 4096);
		prot[i] = UNMAPPED;
	}
}

static void spaces(void)
{
	struct sigaction sa = {.sa_handler = on_fault};
	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < PIECES; i++)
		prot[i] = UNMAPPED;
	generation();
	long before = stat(pages_free);
	for (int i = 1; i < GENERATIONS; i++)
		generation();
	// Each address space takes four pages. Some more or less are in use by chance:
	// how deep the stacks were that the C library keeps for other threads.
	long lost = before - stat(pages_free);
	CHECK(lost < 4 * (GENERATIONS - 1), "%ld pages were not given back", lost);
	if (own_mm)
		CHECK(stat(mm_switches) > ROUNDS, "%ld switches between address spaces", stat(mm_switches));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5)
		own_mm = atol(argv[1]), stats = atol(argv[2]), mm_switches = atol(argv[3]), pages_free = atol(argv[4]);
	RUN(spaces);
	return finish();
}
