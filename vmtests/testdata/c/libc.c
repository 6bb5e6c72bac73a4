// libc: start-up, memory, files, jumps and time as the C library uses them.
#include "check.h"
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/utsname.h>

extern char **environ;
static int argc;
static char **argv;
static __thread int local = 42;

static void start(void)
{
	CHECK(argc == 1 && argv[1] == NULL && strcmp(strrchr(argv[0], '/'), "/libc") == 0, "%d arguments, first %s", argc, argv[0]);
	CHECK(getenv("HOME") != NULL && getenv("NOSUCH") == NULL, "environment");
	CHECK(getauxval(AT_PAGESZ) == 4096 && sysconf(_SC_PAGESIZE) == 4096, "page size %lu", getauxval(AT_PAGESZ));
	CHECK(getauxval(AT_RANDOM) != 0 && getauxval(AT_PHDR) != 0, "AT_RANDOM %lx, AT_PHDR %lx", getauxval(AT_RANDOM), getauxval(AT_PHDR));
	CHECK(local == 42, "thread-local variable is %d", local);
	CHECK((uintptr_t)__builtin_frame_address(0) % 16 == 0, "frame at %p", __builtin_frame_address(0));
	struct utsname name;
	CHECK(uname(&name) == 0 && strcmp(name.machine, "x86_64") == 0, "machine %s", name.machine);
}

static void print(void)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "%d %5.2f %s %#lx %c %-4d| %e %lld", -1, 3.14159, "word", 0xfeedfaceUL, 'x', 7, 1e-300, 1LL << 62);
	CHECK(strcmp(text, "-1  3.14 word 0xfeedface x 7   | 1.000000e-300 4611686018427387904") == 0, "%s (%d)", text, n);
	double x = 0;
	CHECK(sscanf("2.5e3 17", "%lf %d", &x, &n) == 2 && x == 2500 && n == 17, "read %f %d", x, n);
}

// Blocks from the heap and from maps of their own, in no order.
static void memory(void)
{
	enum { blocks = 400 };
	static unsigned char *block[blocks];
	static size_t size[blocks];
	uint32_t seed = 1;
	for (int round = 0; round < 4000; round++) {
		seed = seed * 1664525 + 1013904223;
		int i = (seed >> 8) % blocks;
		for (size_t k = 0; k < size[i]; k += 509)
			CHECK(block[i][k] == (unsigned char)i, "block %d of %zu holds %d at %zu", i, size[i], block[i][k], k);
		size[i] = (seed >> 16) % (round % 50 ? 3000 : 300000);
		block[i] = realloc(block[i], size[i] + 1);
		memset(block[i], i, size[i]);
	}
	for (int i = 0; i < blocks; i++)
		free(block[i]);
	unsigned char *zero = calloc(1 << 20, 1);
	for (int i = 0; i < 1 << 20; i += 4096)
		CHECK(zero[i] == 0, "calloc gives %d at %d", zero[i], i);
	free(zero);
	volatile size_t whole = (size_t)1 << 47;
	CHECK(malloc(whole) == NULL && errno == ENOMEM, "all there is: %m");
}

static void maps(void)
{
	char *p = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED, "mmap: %m");
	memset(p, 1, 5 * 4096);
	CHECK(munmap(p + 4096, 4096) == 0, "a hole: %m");
	CHECK(madvise(p + 2 * 4096, 4096, MADV_DONTNEED) == 0 && p[2 * 4096] == 0, "MADV_DONTNEED leaves %d", p[2 * 4096]);
	char *moved = mremap(p + 3 * 4096, 2 * 4096, 8 * 4096, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && moved[0] == 1 && moved[2 * 4096 - 1] == 1 && moved[2 * 4096] == 0, "mremap: %m");
	CHECK(mprotect(p, 4096, PROT_READ) == 0 && p[0] == 1, "mprotect: %m");
	CHECK(mprotect(p + 4096, 4096, PROT_READ) == -1 && errno == ENOMEM, "mprotect of a hole: %m");
	CHECK(munmap(moved, 8 * 4096) == 0 && munmap(p, 3 * 4096) == 0, "munmap: %m");
}

// The initramfs through stdio.
static void files(void)
{
	unsigned char head[20];
	FILE *f = fopen("/init", "rb");
	CHECK(f != NULL, "fopen: %m");
	if (f == NULL)
		return;
	CHECK(fread(head, 1, sizeof(head), f) == sizeof(head) && memcmp(head, "\177ELF", 4) == 0, "it begins with %d %d", head[0], head[1]);
	fseek(f, 0, SEEK_END);
	struct stat st;
	CHECK(fstat(fileno(f), &st) == 0 && st.st_size == ftell(f) && S_ISREG(st.st_mode), "size %ld, end %ld", (long)st.st_size, ftell(f));
	fclose(f);
	CHECK(fopen("/no/such", "r") == NULL && errno == ENOENT, "a missing file: %m");
	CHECK(open("/init/x", O_RDONLY) == -1 && errno == ENOTDIR, "a file as a folder: %m");
	CHECK(write(99, "x", 1) == -1 && errno == EBADF, "a closed descriptor: %m");
	char *volatile nowhere = (char *)8;
	CHECK(write(1, nowhere, 1) == -1 && errno == EFAULT, "a bad address: %m");
}

static jmp_buf env;

static void dive(int n)
{
	volatile char room[512];
	room[0] = n;
	if (n == 0)
		longjmp(env, 7);
	if (n > 0)
		dive(n - 1);
	CHECK(room[0] == n, "came back from %d", n); // after the call: no tail call
}

static void jumps(void)
{
	volatile int times = 0;
	int value = setjmp(env);
	if (times++ == 0)
		dive(100);
	CHECK(value == 7 && times == 2, "value %d, %d times", value, times);
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void sort(void)
{
	int n[500];
	for (int i = 0; i < 500; i++)
		n[i] = i * 7919 % 500;
	qsort(n, 500, sizeof(int), compare);
	for (int i = 0; i < 500; i++)
		CHECK(n[i] == i, "place %d holds %d", i, n[i]);
}

static void clocks(void)
{
	struct timespec sleep = {.tv_nsec = 3000000};
	int64_t before = now_ns();
	CHECK(nanosleep(&sleep, NULL) == 0, "nanosleep: %m");
	int64_t slept = now_ns() - before;
	CHECK(slept >= 3000000, "slept %ld ns, want 3000000", (long)slept);
	CHECK(usleep(1000) == 0, "usleep: %m");
	time_t t = time(NULL);
	struct tm *tm = gmtime(&t);
	CHECK(tm != NULL && tm->tm_year >= 120, "the year is %d", tm ? tm->tm_year + 1900 : 0);
	struct timespec bad = {.tv_nsec = 1000000000};
	CHECK(nanosleep(&bad, NULL) == -1 && errno == EINVAL, "a bad time: %m");
}

int main(int n, char **args)
{
	argc = n;
	argv = args;
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(start);
	RUN(print);
	RUN(memory);
	RUN(maps);
	RUN(files);
	RUN(jumps);
	RUN(sort);
	RUN(clocks);
	return finish();
}
