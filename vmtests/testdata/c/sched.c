// sched: what the C library's own primitives leave out: futex operations and
// their errors, sleeps to a point in time, many threads, segment bases.
#include "check.h"

enum { ROUNDS = 2000, PRIVATE = 128, WAKE = 1, CMP_REQUEUE = 4, WAIT_BITSET = 9, WAKE_BITSET = 10 };

static void start_all(pthread_t *t, int n, void *(*f)(void *))
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	for (long i = 0; i < n; i++)
		CHECK(pthread_create(&t[i], &a, f, (void *)i) == 0, "create %ld: %m", i);
}

static void join_all(pthread_t *t, int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static long futex(void *addr, int op, int val, const void *timeout, void *addr2, int val3)
{
	return syscall(SYS_futex, addr, op | PRIVATE, val, timeout, addr2, val3);
}

static void futex_errors(void)
{
	int word = 0;
	struct timespec ts = {0, 20000000};
	int64_t start = now_ns();
	long r = futex(&word, 0, 0, &ts, NULL, 0);
	int64_t d = now_ns() - start;
	CHECK(r == -1 && errno == ETIMEDOUT && d >= 20000000, "%ld %m after %ld ns", r, d);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	r = futex(&word, WAIT_BITSET, 0, &ts, NULL, -1);
	CHECK(r == -1 && errno == ETIMEDOUT, "a time gone by: %ld %m", r);
	r = futex(&word, WAIT_BITSET, 0, NULL, NULL, 0);
	CHECK(r == -1 && errno == EINVAL, "no bits: %ld %m", r);
	ts = (struct timespec){-1, 0};
	r = futex(&word, 0, 0, &ts, NULL, 0);
	CHECK(r == -1 && errno == EINVAL, "negative: %ld %m", r);
	ts = (struct timespec){0, 1000000000};
	r = futex(&word, 0, 0, &ts, NULL, 0);
	CHECK(r == -1 && errno == EINVAL, "a second of ns: %ld %m", r);
	r = futex(&word, 0, 0, (void *)16, NULL, 0);
	CHECK(r == -1 && errno == EFAULT, "no time there: %ld %m", r);
	r = futex(&word, 0, 1, NULL, NULL, 0);
	CHECK(r == -1 && errno == EAGAIN, "another value: %ld %m", r);
	r = futex((char *)&word + 1, 0, 0, NULL, NULL, 0);
	CHECK(r == -1 && errno == EINVAL, "crooked: %ld %m", r);
	r = futex((void *)16, 0, 0, NULL, NULL, 0);
	CHECK(r == -1 && errno == EFAULT, "nowhere: %ld %m", r);
	r = futex((void *)0xffff888000000000, 0, 0, NULL, NULL, 0);
	CHECK(r == -1 && errno == EFAULT, "the kernel: %ld %m", r);
	r = futex(&word, 99, 0, NULL, NULL, 0);
	CHECK(r == -1 && errno == ENOSYS, "operation 99: %ld %m", r);
}

static int word, other;
static long counter;

static void *bits_body(void *arg)
{
	long r = futex(&word, WAIT_BITSET, 0, NULL, NULL, 1 << (long)arg);
	CHECK(r == 0, "wait for bit %ld: %m", (long)arg);
	__atomic_or_fetch(&counter, 1 << (long)arg, __ATOMIC_SEQ_CST);
	return NULL;
}

static void bitsets(void)
{
	pthread_t t[4];
	counter = 0;
	start_all(t, 4, bits_body);
	usleep(10000);
	long r = futex(&word, WAKE_BITSET, 10, NULL, NULL, 0x10);
	CHECK(r == 0, "nobody waits for bit 4: %ld", r);
	r = futex(&word, WAKE_BITSET, 10, NULL, NULL, 0x6);
	CHECK(r == 2, "bits 1 and 2: %ld", r);
	usleep(10000);
	CHECK(counter == 6, "woken: %lx", counter);
	r = futex(&word, WAKE, 10, NULL, NULL, 0);
	CHECK(r == 2, "the rest: %ld", r);
	join_all(t, 4);
}

static void *wait_body(void *arg)
{
	futex(&word, 0, 0, NULL, NULL, 0);
	__atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void requeue(void)
{
	pthread_t t[4];
	counter = 0;
	start_all(t, 4, wait_body);
	usleep(10000);
	long r = futex(&word, CMP_REQUEUE, 1, (void *)10, &other, 7);
	CHECK(r == -1 && errno == EAGAIN, "another value: %ld %m", r);
	r = futex(&word, CMP_REQUEUE, 1, (void *)2, &other, 0);
	CHECK(r == 3, "one woken, two moved: %ld", r);
	usleep(10000);
	CHECK(counter == 1, "%ld woke", counter);
	r = futex(&word, WAKE, 10, NULL, NULL, 0);
	CHECK(r == 1, "one stayed: %ld", r);
	r = futex(&other, WAKE, 10, NULL, NULL, 0);
	CHECK(r == 2, "two wait at the other: %ld", r);
	join_all(t, 4);
}

// Two threads hand a token to and fro; the stack of each must stay its own.
static int token;

static void *pingpong_body(void *arg)
{
	int me = (int)(long)arg;
	volatile uint64_t canary[64];
	for (int i = 0; i < 64; i++)
		canary[i] = 0x5a5a0000 + me;
	for (int i = 0; i < ROUNDS; i++) {
		while (__atomic_load_n(&token, __ATOMIC_SEQ_CST) != me)
			futex(&token, 0, !me, NULL, NULL, 0);
		__atomic_store_n(&token, !me, __ATOMIC_SEQ_CST);
		futex(&token, WAKE, 1, NULL, NULL, 0);
	}
	for (int i = 0; i < 64; i++)
		CHECK(canary[i] == 0x5a5a0000u + me, "canary %d of %d: %lx", i, me, canary[i]);
	return NULL;
}

static void pingpong(void)
{
	pthread_t t[2];
	token = 0;
	start_all(t, 2, pingpong_body);
	join_all(t, 2);
}

// Many sleepers wake in the order of their times, as far as a busy machine
// allows to see it.
static int woken[32], nwoken;

static void *sleeper_body(void *arg)
{
	int ms = (int)(long)arg * 7 % 32;
	usleep(20000 + 1000 * ms);
	woken[__atomic_fetch_add(&nwoken, 1, __ATOMIC_SEQ_CST)] = ms;
	return NULL;
}

static void sleepers(void)
{
	pthread_t t[32];
	int wrong = 0;
	nwoken = 0;
	start_all(t, 32, sleeper_body);
	join_all(t, 32);
	for (int i = 1; i < 32; i++)
		wrong += woken[i] < woken[i - 1] - 20;
	CHECK(nwoken == 32 && !wrong, "%d woke, %d far out of order", nwoken, wrong);
}

static void until(void)
{
	struct timespec ts;
	for (int clock = 0; clock < 2; clock++) {
		int64_t start = now_ns();
		clock_gettime(clock, &ts);
		ts.tv_nsec += 5000000;
		if (ts.tv_nsec >= 1000000000)
			ts.tv_nsec -= 1000000000, ts.tv_sec++;
		CHECK(clock_nanosleep(clock, TIMER_ABSTIME, &ts, NULL) == 0, "clock %d", clock);
		int64_t d = now_ns() - start;
		CHECK(d >= 4900000, "clock %d: slept %ld ns", clock, d);
		ts = (struct timespec){0, 1};
		CHECK(clock_nanosleep(clock, TIMER_ABSTIME, &ts, NULL) == 0, "clock %d: a time gone by", clock);
	}
	ts = (struct timespec){0, 0};
	CHECK(clock_nanosleep(77, 0, &ts, NULL) == EINVAL, "clock 77");
	CHECK(clock_getres(CLOCK_MONOTONIC, &ts) == 0 && ts.tv_sec == 0 && ts.tv_nsec > 0, "resolution %ld", ts.tv_nsec);
}

static void *hold_body(void *arg)
{
	while (!__atomic_load_n(&token, __ATOMIC_SEQ_CST))
		futex(&token, 0, 0, NULL, NULL, 0);
	__atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static void many(void)
{
	enum { N = 150 };
	pthread_t t[N];
	token = 0;
	counter = 0;
	start_all(t, N, hold_body);
	__atomic_store_n(&token, 1, __ATOMIC_SEQ_CST);
	futex(&token, WAKE, INT32_MAX, NULL, NULL, 0);
	join_all(t, N);
	CHECK(counter == N, "%ld ran", counter);
}

static void *bases_body(void *arg)
{
	uint64_t got, here = 0xfeedface0000 + (long)arg;
	CHECK(syscall(SYS_arch_prctl, 0x1001, &here) == 0, "ARCH_SET_GS: %m");
	for (int i = 0; i < 20; i++) {
		usleep(100);
		asm volatile("mov %%gs:0, %0" : "=r"(got));
		CHECK(got == here, "GS:0 of thread %ld is %lx", (long)arg, got);
	}
	CHECK(syscall(SYS_arch_prctl, 0x1004, &got) == 0 && got == (uint64_t)&here, "ARCH_GET_GS: %lx", got);
	CHECK(syscall(SYS_arch_prctl, 0x1002, 1UL << 63) == -1 && errno == EPERM, "a kernel FS base: %m");
	CHECK(syscall(SYS_arch_prctl, 0x1001, 1UL << 63) == -1 && errno == EPERM, "a kernel GS base: %m");
	return NULL;
}

static void bases(void)
{
	pthread_t t[4];
	start_all(t, 4, bases_body);
	join_all(t, 4);
}

static void affinity(void)
{
	uint64_t mask[128] = {0};
	long r = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	CHECK(r >= 8 && mask[0] & 1, "%ld, mask %lx", r, mask[0]);
	mask[0] = 1;
	CHECK(syscall(SYS_sched_setaffinity, 0, 8, mask) == 0, "%m");
	mask[0] = 0;
	CHECK(syscall(SYS_sched_setaffinity, 0, 8, mask) == -1 && errno == EINVAL, "no CPU: %m");
	CHECK(syscall(SYS_sched_getaffinity, 0, 4, mask) == -1 && errno == EINVAL, "too short: %m");
	CHECK(syscall(SYS_sched_getaffinity, 99999, 128, mask) == -1 && errno == ESRCH, "no such thread: %m");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(futex_errors);
	RUN(bitsets);
	RUN(requeue);
	RUN(pingpong);
	RUN(sleepers);
	RUN(until);
	RUN(many);
	RUN(bases);
	RUN(affinity);
	return finish();
}
