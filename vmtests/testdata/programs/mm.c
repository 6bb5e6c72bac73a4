// mm: areas of memory, made and taken at random and by the thousand; malloc.
#include "../c/check.h"
#include <malloc.h>

// FUZZ_HASH is what t_fuzz comes to on Linux 6.1 and 6.18.
#define FUZZ_HASH 0xb63d3e9fa5b2ab67

static uint64_t s = 88172645463325252ull;
static uint64_t rnd(void)
{
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

static sigjmp_buf jb;
static volatile int fcode, fsig;
static void flt(int n, siginfo_t *i, void *u)
{
	fcode = i->si_code;
	fsig = n;
	siglongjmp(jb, 1);
}

static uint64_t H = 1469598103934665603ull;
static void hash(uint64_t v)
{
	for (int i = 0; i < 8; i++) {
		H ^= (v >> (8 * i)) & 255;
		H *= 1099511628211ull;
	}
}

// t_fuzz does at random what can be done with areas, and hashes all results. Left
// out is what goes by which neighbours are one area, as releases differ in that.
static void t_fuzz(void)
{
	struct sigaction a = {0};
	a.sa_sigaction = flt;
	a.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGSEGV, &a, 0);
	sigaction(SIGBUS, &a, 0);
	char *A = (char *)0x200000000000ull;
	int N = 64;
	char *r = mmap(A, N * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
	CHECK(r == A, "arena");
	munmap(A, N * 4096);
	for (int it = 0; it < 60000; it++) {
		int op = rnd() % 12;
		int p = rnd() % N, n = 1 + rnd() % 8;
		if (p + n > N)
			n = N - p;
		int pr = (int[]){0, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
				 PROT_READ | PROT_EXEC}[rnd() % 5];
		long v = 0;
		errno = 0;
		int p2 = rnd() % N, n2 = 1 + rnd() % 8;
		if (p2 + n2 > N)
			n2 = N - p2;
		char *P = A + p * 4096L;
		switch (op) {
		case 0:
		case 1:
			v = (long)mmap(P, n * 4096, pr, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
			break;
		case 2:
			v = munmap(P, n * 4096);
			break;
		case 3:
		case 4:
			v = mprotect(P, n * 4096, pr);
			break;
		case 5:
			v = (long)mremap(P, n * 4096, n2 * 4096, 0);
			break;
		case 6:
			v = madvise(P, n * 4096, MADV_DONTNEED);
			break;
		case 7:
			v = (long)mmap(P, n * 4096, pr, MAP_PRIVATE | MAP_ANON | MAP_FIXED_NOREPLACE, -1, 0);
			break;
		case 8:
		case 9: {
			uint64_t w = rnd();
			fsig = fcode = 0;
			if (!sigsetjmp(jb, 1))
				*(volatile uint64_t *)(P + (w % 512) * 8) = w;
			v = fsig * 16 + fcode;
			break;
		}
		case 10:
		case 11: {
			uint64_t w = rnd();
			fsig = fcode = 0;
			if (!sigsetjmp(jb, 1))
				v = *(volatile uint64_t *)(P + (w % 512) * 8);
			else
				v = fsig * 16 + fcode;
			break;
		}
		}
		hash(op);
		hash(v);
		if (op != 5) // EFAULT or ENOMEM
			hash(errno);
	}
	// What is left in memory.
	for (int p = 0; p < N; p++) {
		fsig = 0;
		volatile uint64_t x = 0;
		if (!sigsetjmp(jb, 1))
			for (int k = 0; k < 512; k++)
				x = x * 31 + ((volatile uint64_t *)(A + p * 4096L))[k];
		else
			x = fsig;
		hash(x);
	}
	CHECK(H == FUZZ_HASH, "hash %#lx", H);
	munmap(A, N * 4096);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
}

static void *mf(void *v)
{
	unsigned sd = (long)v;
	char *p[64] = {0};
	for (int i = 0; i < 20000; i++) {
		int k = rand_r(&sd) % 64;
		size_t z = 1 << (rand_r(&sd) % 17);
		if (p[k]) {
			if (p[k][0] != (char)k)
				return (void *)1;
		}
		p[k] = realloc(p[k], z);
		if (!p[k])
			return (void *)2;
		p[k][0] = k;
		p[k][z - 1] = z == 1 ? k : 1;
		if (i % 97 == 0) {
			free(p[k]);
			p[k] = 0;
		}
	}
	for (int k = 0; k < 64; k++)
		free(p[k]);
	return 0;
}

static void t_malloc(void)
{
	pthread_t t[8];
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], 0, mf, (void *)(i + 1));
	for (int i = 0; i < 8; i++) {
		void *r;
		pthread_join(t[i], &r);
		CHECK(r == 0, "malloc %p", r);
	}
	malloc_trim(0);
}

static void t_bigmalloc(void)
{
	for (int i = 0; i < 5; i++) {
		char *p = malloc(20 << 20);
		CHECK(p != 0, "malloc");
		for (int k = 0; k < 20 << 20; k += 4096)
			p[k] = 1;
		p = realloc(p, 40 << 20);
		CHECK(p && p[0] == 1 && p[19 << 20] == 1, "realloc");
		free(p);
	}
}

static void t_manymaps(void)
{
	void *p[1000];
	int n;
	for (n = 0; n < 1000; n++) {
		p[n] = mmap(0, 4096 * 2, n % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
		if (p[n] == MAP_FAILED)
			break;
	}
	CHECK(n == 1000, "mmap %d of 1000 alternating areas failed", n);
	for (int i = 0; i < n; i++)
		munmap(p[i], 8192);
	char *q = mmap(0, 4096 * 2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	int k;
	for (k = 0; k < 1000; k++)
		if (mprotect(q + k * 8192, 4096, PROT_READ))
			break;
	CHECK(k == 1000, "mprotect of every other page failed at %d", k);
	munmap(q, 4096 * 2000);
}

static void t_sparse(void)
{
	char *p = mmap(0, 1ul << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED, "1 TiB");
	for (unsigned long i = 0; i < 1ul << 40; i += 1ul << 33)
		p[i] = 1;
	CHECK(p[1ul << 33] == 1 && p[(1ul << 33) + 1] == 0, "v");
	munmap(p, 1ul << 40);
}

static void t_ptleak(void)
{
	for (int i = 0; i < 3000; i++) {
		char *p = mmap((void *)(0x100000000000ull + i * (1ul << 30)), 1 << 21, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANON, -1, 0);
		CHECK(p != MAP_FAILED, "mmap %d", i);
		p[0] = 1;
		munmap(p, 1 << 21);
	}
}

static void t_leak(void)
{
	for (int i = 0; i < 100; i++) {
		char *p = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
		for (int k = 0; k < 4 << 20; k += 4096)
			p[k] = 1;
		if (i % 2)
			munmap(p, 4 << 20);
		else {
			madvise(p, 4 << 20, MADV_DONTNEED);
			CHECK(p[4096] == 0, "z");
			munmap(p, 4 << 20);
		}
	}
}

static void t_misc(void)
{
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
	CHECK(p != MAP_FAILED, "shared anon");
	p[0] = 1;
	CHECK(msync(p, 8192, MS_SYNC) == 0, "msync");
	unsigned char v[2];
	CHECK(mincore(p, 8192, v) == 0, "mincore");
	CHECK(mlock(p, 8192) == 0, "mlock");
	CHECK(munlock(p, 8192) == 0, "munlock");
	CHECK(mlockall(MCL_CURRENT) == 0, "mlockall");
	munlockall();
	CHECK(posix_madvise(p, 8192, POSIX_MADV_WILLNEED) == 0, "pm");
	CHECK(madvise(p, 8192, MADV_HUGEPAGE) == 0, "MADV_HUGEPAGE");
	munmap(p, 8192);
	CHECK(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0) == MAP_FAILED && errno == EINVAL, "zero");
	CHECK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF, "badf");
	CHECK(mmap(0, 1ul << 48, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0) == MAP_FAILED && errno == ENOMEM,
	      "too large");
	CHECK(mprotect((void *)1, 4096, 0) == -1 && errno == EINVAL, "unaligned");
	CHECK(mprotect((void *)0x4242000, 4096, 0) == -1 && errno == ENOMEM, "hole");
	void *b = sbrk(0);
	CHECK(sbrk(1 << 20) == b, "sbrk");
	memset(b, 1, 1 << 20);
	CHECK(sbrk(-(1 << 20)) != (void *)-1, "shrink");
	CHECK(sbrk(0) == b, "brk");
	void *m = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANON, -1, 0);
	memcpy(m, "\xb8\x2a\0\0\0\xc3", 6);
	CHECK(((int (*)(void))m)() == 42, "jit");
	CHECK(mprotect(m, 4096, PROT_READ | PROT_EXEC) == 0 && ((int (*)(void))m)() == 42, "jit rx");
	munmap(m, 4096);
	char *g = mmap((void *)0x300000000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_GROWSDOWN,
		       -1, 0);
	CHECK(g != MAP_FAILED, "gd");
	g[-4096] = 1;
	CHECK(g[-4096] == 1, "grew");
	void *al = aligned_alloc(1 << 21, 1 << 22);
	CHECK(al && !((long)al & ((1 << 21) - 1)), "al");
	memset(al, 5, 1 << 22);
	free(al);
	int fd = memfd_create("x", 0);
	CHECK(fd >= 0, "memfd_create");
}

static int rec(int n)
{
	volatile char b[8192];
	b[0] = n;
	return n ? rec(n - 1) + b[0] * 0 + 1 : 0;
}

static void t_mainstack(void)
{
	CHECK(rec(800) == 800, "6.5 MB of main stack");
}

int main(void)
{
	RUN(t_fuzz);
	RUN(t_malloc);
	RUN(t_bigmalloc);
	RUN(t_leak);
	RUN(t_ptleak);
	RUN(t_sparse);
	RUN(t_mainstack);
	RUN(t_manymaps);
	RUN(t_misc);
	return finish();
}
