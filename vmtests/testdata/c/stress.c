// stress: threads that do at random all that can block, wake, preempt or
// interrupt another, while others come and go. What is kept in registers must
// stay, and nobody may wait for ever.
#include "check.h"
#include <poll.h>
#include <sys/timerfd.h>

enum { THREADS = 12, WORDS = 4, PRIVATE = 128, STEPS = 17 };

static volatile int tids[THREADS], stop;
static int words[WORDS];
static pthread_mutex_t locks[WORDS];
static pthread_cond_t conds[WORDS];
static pthread_mutex_t inherits[WORDS]; // PTHREAD_PRIO_INHERIT
static pthread_mutex_t robust[WORDS];   // of threads that may have died
static long signals, steps, sent, queued, deaths;

// The handler leaves XMM registers other than it found them, and may yield.
static void on_signal(int sig)
{
	(void)sig;
	asm volatile("pcmpeqd %%xmm8, %%xmm8" ::: "xmm8");
	if (__atomic_add_fetch(&signals, 1, __ATOMIC_SEQ_CST) % 3 == 0)
		sched_yield();
}

// on_queued counts the signals that carry a value.
static void on_queued(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	__atomic_add_fetch(&queued, info->si_value.sival_int, __ATOMIC_SEQ_CST);
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

// one_shot_timer signals the calling thread, or is deleted before it does.
static void one_shot_timer(struct timespec after, int yields)
{
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	e._sigev_un._tid = syscall(SYS_gettid);
	struct itimerspec its = {.it_value = after};
	timer_t id;
	CHECK(timer_create(CLOCK_MONOTONIC, &e, &id) == 0, "timer_create: %m");
	CHECK(timer_settime(id, 0, &its, NULL) == 0, "timer_settime: %m");
	while (yields-- > 0)
		sched_yield();
	CHECK(timer_delete(id) == 0, "timer_delete: %m");
}

// wait_for_timerfd waits for a timer by its descriptor.
static void wait_for_timerfd(struct timespec after)
{
	struct itimerspec its = {.it_value = after};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n = 0;
	its.it_value.tv_nsec++; // 0 would stop it
	CHECK(timerfd_settime(fd, 0, &its, NULL) == 0, "timerfd_settime: %m");
	while (poll(&p, 1, -1) == -1 && errno == EINTR)
		;
	CHECK(read(fd, &n, sizeof(n)) == sizeof(n) && n == 1, "%lu expirations: %m", n);
	close(fd);
}

// areas maps pages, takes some of them back, and looks at what is left.
static void areas(uint32_t *seed)
{
	enum { PAGES = 16, PAGE = 4096 };
	int from = next(seed) % PAGES, n = 1 + next(seed) % (PAGES - from);
	uint64_t value = next(seed);
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < PAGES; i++)
		*(volatile uint64_t *)(p + i * PAGE) = value + i;
	CHECK(mprotect(p + from * PAGE, n * PAGE, PROT_READ) == 0, "mprotect: %m");
	sched_yield();
	CHECK(munmap(p + from * PAGE, n * PAGE) == 0, "munmap: %m");
	for (int i = 0; i < PAGES; i++)
		if (i < from || i >= from + n)
			CHECK(*(volatile uint64_t *)(p + i * PAGE) == value + i, "page %d is another", i);
	// What was taken back may be another thread's by now.
	if (from > 0)
		munmap(p, from * PAGE);
	if (from + n < PAGES)
		munmap(p + (from + n) * PAGE, (PAGES - from - n) * PAGE);
}

// lock_robust takes a robust mutex, also from a thread that has died.
static void lock_robust(pthread_mutex_t *m)
{
	int r = pthread_mutex_lock(m);
	if (r == EOWNERDEAD) {
		__atomic_add_fetch(&deaths, 1, __ATOMIC_SEQ_CST);
		r = pthread_mutex_consistent(m);
	}
	CHECK(r == 0, "robust mutex: %s", strerror(r));
}

static void step(int what, uint32_t *seed)
{
	struct itimerval soon = {.it_value.tv_usec = 1 + next(seed) % 300};
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
	case 9:
		one_shot_timer((struct timespec){0, 1 + ts.tv_nsec}, ts.tv_nsec % 4);
		break;
	case 10:
		setitimer(ITIMER_REAL, &soon, NULL); // everybody's
		break;
	case 11:
		wait_for_timerfd(ts);
		break;
	case 12:
		pthread_mutex_lock(&inherits[k]);
		if (ts.tv_nsec % 4 == 0)
			sched_yield();
		pthread_mutex_unlock(&inherits[k]);
		break;
	case 13:
		lock_robust(&robust[k]);
		if (ts.tv_nsec % 4 == 0)
			sched_yield();
		pthread_mutex_unlock(&robust[k]);
		break;
	case 14:
		areas(seed);
		break;
	case 15:
		if (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = k + 1}) == 0)
			__atomic_add_fetch(&sent, k + 1, __ATOMIC_SEQ_CST);
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
		int what = next(&seed) % STEPS;
		asm volatile("movq %0, %%xmm8" ::"r"(want) : "xmm8");
		step(what, &seed);
		asm volatile("movq %%xmm8, %0" : "=r"(got)::"xmm8");
		CHECK(got == want, "thread %ld, step %d: XMM8 is %lx, was %lx", (long)arg, what, got, want);
		__atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

// passer dies with a robust mutex.
static void *passer(void *arg)
{
	lock_robust(&robust[(long)arg]);
	return arg;
}

static void everything(void)
{
	pthread_t t[THREADS], p;
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_sigaction = on_queued;
	sa.sa_flags = SA_ONSTACK | SA_RESTART | SA_SIGINFO;
	sigaction(SIGRTMIN + 1, &sa, NULL);
	pthread_mutexattr_t inherit, outlive;
	pthread_mutexattr_init(&inherit);
	pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT);
	pthread_mutexattr_init(&outlive);
	pthread_mutexattr_setrobust(&outlive, PTHREAD_MUTEX_ROBUST);
	for (int i = 0; i < WORDS; i++) {
		CHECK(pthread_mutex_init(&inherits[i], &inherit) == 0, "PRIO_INHERIT");
		pthread_mutex_init(&robust[i], &outlive);
		pthread_mutex_init(&locks[i], NULL);
		pthread_cond_init(&conds[i], NULL);
	}
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, body, (void *)i) == 0, "create: %m");
	for (int64_t end = now_ns() + 50000000; now_ns() < end;) {
		CHECK(pthread_create(&p, NULL, passer, (void *)(now_ns() % WORDS)) == 0, "create: %m");
		pthread_join(p, NULL);
		usleep(500);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	CHECK(steps > 1000 && signals > 100 && deaths > 10, "%ld steps, %ld signals, %ld deaths", steps, signals, deaths);
	CHECK(queued == sent && sent > 100, "%ld of the %ld that were queued came", queued, sent);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(everything);
	return finish();
}
