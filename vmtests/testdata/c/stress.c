// stress: threads that do at random all that can block, wake, preempt or
// interrupt another, while others come and go. What is kept in registers must
// stay, and nobody may wait for ever.
#include "check.h"

enum { THREADS = 12, WORDS = 4, PRIVATE = 128 };

static volatile int tids[THREADS], stop;
static int words[WORDS];
static pthread_mutex_t locks[WORDS];
static pthread_cond_t conds[WORDS];
static long signals, steps;

// The handler leaves XMM registers other than it found them, and may yield.
static void on_signal(int sig)
{
	(void)sig;
	asm volatile("pcmpeqd %%xmm8, %%xmm8" ::: "xmm8");
	if (__atomic_add_fetch(&signals, 1, __ATOMIC_SEQ_CST) % 3 == 0)
		sched_yield();
}

static uint32_t next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	return *seed ^= *seed << 5;
}

static void timed_wait(int k)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 200000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_nsec -= 1000000000, ts.tv_sec++;
	pthread_mutex_lock(&locks[k]);
	pthread_cond_timedwait(&conds[k], &locks[k], &ts);
	pthread_mutex_unlock(&locks[k]);
}

static void step(int what, uint32_t *seed)
{
	struct timespec ts = {0, next(seed) % 300000};
	int k = next(seed) % WORDS, tid;
	switch (what) {
	case 0:
		sched_yield();
		break;
	case 1:
		nanosleep(&ts, NULL);
		break;
	case 2:
		syscall(SYS_futex, &words[k], PRIVATE, words[k], &ts, NULL, 0);
		break;
	case 3:
		words[k]++;
		syscall(SYS_futex, &words[k], PRIVATE | 1, 2, NULL, NULL, 0);
		break;
	case 4:
		pthread_mutex_lock(&locks[k]);
		if (ts.tv_nsec % 4 == 0)
			sched_yield();
		pthread_mutex_unlock(&locks[k]);
		break;
	case 5:
		timed_wait(k);
		break;
	case 6:
		pthread_cond_broadcast(&conds[k]);
		break;
	case 7:
		tid = tids[next(seed) % THREADS];
		if (tid)
			syscall(SYS_tgkill, getpid(), tid, ts.tv_nsec % 2 ? SIGUSR1 : SIGUSR2);
		break;
	case 8:
		kill(getpid(), SIGUSR2);
		break;
	default:
		for (volatile int i = ts.tv_nsec / 16; i > 0; i--)
			;
	}
}

static void *body(void *arg)
{
	uint32_t seed = 7919 * (uint32_t)(long)arg + 1;
	char stack[16384];
	stack_t st = {.ss_sp = stack, .ss_size = sizeof(stack)};
	sigaltstack(&st, NULL);
	tids[(long)arg] = syscall(SYS_gettid);
	while (!stop) {
		uint64_t want = (uint64_t)next(&seed) << 32 | (long)arg, got;
		int what = next(&seed) % 10;
		asm volatile("movq %0, %%xmm8" ::"r"(want) : "xmm8");
		step(what, &seed);
		asm volatile("movq %%xmm8, %0" : "=r"(got)::"xmm8");
		CHECK(got == want, "thread %ld, step %d: XMM8 is %lx, was %lx", (long)arg, what, got, want);
		__atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *passer(void *arg) { return arg; }

static void everything(void)
{
	pthread_t t[THREADS], p;
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	for (int i = 0; i < WORDS; i++) {
		pthread_mutex_init(&locks[i], NULL);
		pthread_cond_init(&conds[i], NULL);
	}
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, body, (void *)i) == 0, "create: %m");
	for (int64_t end = now_ns() + 150000000; now_ns() < end;) {
		CHECK(pthread_create(&p, NULL, passer, NULL) == 0, "create: %m");
		pthread_join(p, NULL);
		usleep(500);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	CHECK(steps > 1000 && signals > 100, "%ld steps, %ld signals", steps, signals);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(everything);
	return finish();
}
