// control: control calls with arguments that they must refuse, and one that must
// hold to what the kernel counts as free. None may end the machine.
//
// Arguments: the numbers of the calls that set the time slice and fill the Stats,
// the longest time slice, and where in the Stats PagesFree is, in words.
#include "check.h"

enum { THREADS = 12, STATS_WORDS = 64, ROOM = 1 << 30, TABLES = 6 };

static long time_slice, stats, longest, pages_free;

// slices: what is refused changes nothing, least of all when the timer fires.
static void slices(void)
{
	long old = syscall(time_slice, longest);
	CHECK(old > 0, "the longest time slice: %m");
	static const long bad[] = {0, -1, 1, INT64_MIN, INT64_MAX};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		long is = syscall(time_slice, bad[i]);
		CHECK(is == -1 && errno == EINVAL, "time slice %ld: %ld, %m", bad[i], is);
	}
	long is = syscall(time_slice, longest + 1);
	CHECK(is == -1 && errno == EINVAL, "time slice %ld: %ld, %m", longest + 1, is);
	is = syscall(time_slice, old);
	CHECK(is == longest, "the time slice was %ld, not %ld", is, longest);
}

static long free_pages(void)
{
	long words[STATS_WORDS];
	return syscall(stats, words) == 0 ? words[pages_free] : -1;
}

static void *nothing(void *arg) { return arg; }

// last: the stacks of threads that have ended serve as pages when no others are
// left, so that mremap finds the page tables that it has counted.
static void last(void)
{
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, nothing, NULL) == 0, "create: %m");
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(room != MAP_FAILED, "mmap: %m");
	*room = 42;
	long n = 1;
	while (free_pages() > TABLES)
		room[n++ * 4096] = 1;
	char *far = (char *)(0x30UL << 39);
	CHECK(mremap(room, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, far) == far, "mremap: %m");
	CHECK(*far == 42, "what was moved is %d", *far);
	CHECK(munmap(room + 4096, ROOM - 4096) == 0, "munmap: %m");
	CHECK(free_pages() >= n, "%ld pages are free", free_pages());
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 5)
		return 100;
	time_slice = atol(argv[1]), stats = atol(argv[2]), longest = atol(argv[3]), pages_free = atol(argv[4]);
	RUN(slices);
	RUN(last);
	return finish();
}
