// pi: futexes that have an owner: FUTEX_LOCK_PI and its kin, by hand and by the C
// library's mutexes.
#include "check.h"

enum { WAIT = 0, WAKE = 1, REQUEUE = 3, LOCK_PI = 6, UNLOCK_PI = 7, TRYLOCK_PI = 8, LOCK_PI2 = 13, REALTIME = 256, MS = 1000000 };
enum { OWNER_DIED = 0x40000000, TID_MASK = 0x3fffffff };
#define WAITERS 0x80000000u

static long futex(uint32_t *word, int op, uint32_t val, void *timeout) { return syscall(SYS_futex, word, op, val, timeout, NULL, 0); }

static uint32_t tid(void) { return syscall(SYS_gettid); }

#define FAILS(want, call)                                             \
	do {                                                          \
		errno = 0;                                            \
		long r_ = call;                                       \
		CHECK(r_ == -1 && errno == (want), #call ": %ld %m", r_); \
	} while (0)

static void errors(void)
{
	uint32_t word = 0;
	CHECK(futex(&word, LOCK_PI, 0, NULL) == 0 && word == tid(), "%#x", word);
	FAILS(EDEADLK, futex(&word, LOCK_PI, 0, NULL));
	FAILS(EDEADLK, futex(&word, TRYLOCK_PI, 0, NULL));
	CHECK(futex(&word, UNLOCK_PI, 0, NULL) == 0 && word == 0, "%#x", word);
	FAILS(EPERM, futex(&word, UNLOCK_PI, 0, NULL));
	CHECK(futex(&word, TRYLOCK_PI, 0, NULL) == 0 && word == tid(), "%#x", word);
	word |= WAITERS; // nobody does
	CHECK(futex(&word, UNLOCK_PI, 0, NULL) == 0 && word == 0, "%#x", word);
	word = 99999;
	FAILS(ESRCH, futex(&word, LOCK_PI, 0, NULL));
	CHECK(word == (99999 | WAITERS), "%#x", word);
	FAILS(ESRCH, futex(&word, TRYLOCK_PI, 0, NULL));
	FAILS(EPERM, futex(&word, UNLOCK_PI, 0, NULL));
	word = OWNER_DIED;
	CHECK(futex(&word, LOCK_PI, 0, NULL) == 0 && word == (OWNER_DIED | tid()), "%#x", word);
	CHECK(futex(&word, UNLOCK_PI, 0, NULL) == 0 && word == 0, "%#x", word);
	for (int op = LOCK_PI; op <= TRYLOCK_PI; op++) {
		FAILS(op == UNLOCK_PI ? EPERM : EINVAL, futex((uint32_t *)((char *)&word + 1), op, 0, NULL));
		FAILS(EFAULT, futex((uint32_t *)16, op, 0, NULL));
		FAILS(EFAULT, futex((uint32_t *)0xffff888000000000, op, 0, NULL));
		FAILS(ENOSYS, futex(&word, op | REALTIME, 0, NULL));
	}
	struct timespec bad = {0, 1000000000};
	FAILS(EINVAL, futex(&word, LOCK_PI, 0, &bad));
	FAILS(EFAULT, futex(&word, LOCK_PI, 0, (void *)16));
	CHECK(word == 0, "%#x", word);
}

static uint32_t lock, other;
static volatile int stage, order[8], taken;

static void *hold(void *arg)
{
	(void)arg;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	stage = 1;
	while (stage == 1)
		usleep(1000);
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	return NULL;
}

static void at_stage(int n)
{
	while (stage != n)
		usleep(1000);
}

static void timeouts(void)
{
	pthread_t t;
	lock = stage = 0;
	pthread_create(&t, NULL, hold, NULL);
	at_stage(1);
	FAILS(EAGAIN, futex(&lock, TRYLOCK_PI, 0, NULL));
	struct timespec ts;
	int64_t start = now_ns();
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 10 * MS;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	FAILS(ETIMEDOUT, futex(&lock, LOCK_PI, 0, &ts));
	CHECK(now_ns() - start >= 10 * MS, "early");
	FAILS(ETIMEDOUT, futex(&lock, LOCK_PI2 | REALTIME, 0, &ts));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	FAILS(ETIMEDOUT, futex(&lock, LOCK_PI2, 0, &ts));
	CHECK((lock & TID_MASK) != tid(), "%#x", lock);
	stage = 2;
	pthread_join(t, NULL);
	CHECK(lock == 0, "%#x", lock);
}

static void *in_turn(void *arg)
{
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	CHECK((lock & TID_MASK) == tid(), "%#x", lock);
	order[taken++] = (long)arg;
	usleep(1000);
	CHECK((lock & TID_MASK) == tid(), "%#x", lock);
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	return NULL;
}

static void first_come(void)
{
	pthread_t t[4];
	lock = taken = 0;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	for (long i = 0; i < 4; i++) {
		pthread_create(&t[i], NULL, in_turn, (void *)i);
		usleep(5000);
	}
	CHECK(lock == (tid() | WAITERS), "%#x", lock);
	FAILS(EINVAL, futex(&lock, WAKE, 1, NULL)); // only its owner lets one go
	FAILS(EINVAL, syscall(SYS_futex, &lock, REQUEUE, 1, 1, &other, 0));
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		CHECK(order[i] == i, "number %d was %d", i, order[i]);
	CHECK(lock == 0, "%#x", lock);
}

static void *other_then_lock(void *arg)
{
	(void)arg;
	CHECK(futex(&other, LOCK_PI, 0, NULL) == 0, "%m");
	stage = 1;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	CHECK(futex(&other, UNLOCK_PI, 0, NULL) == 0, "%m");
	return NULL;
}

static void circle(void)
{
	pthread_t t;
	lock = other = stage = 0;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	pthread_create(&t, NULL, other_then_lock, NULL);
	at_stage(1);
	usleep(20000);
	FAILS(EDEADLK, futex(&other, LOCK_PI, 0, NULL));
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	pthread_join(t, NULL);
	CHECK(lock == 0 && other == 0, "%#x %#x", lock, other);
}

static void *die_owning(void *arg)
{
	(void)arg;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	stage = 1;
	while (stage == 1)
		usleep(1000);
	return NULL;
}

static void *inherit(void *mixed)
{
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	CHECK((lock & (TID_MASK | OWNER_DIED)) == (tid() | OWNER_DIED), "%#x", lock);
	lock &= ~OWNER_DIED;
	taken++;
	if (mixed)
		FAILS(EINVAL, futex(&lock, UNLOCK_PI, 0, NULL));
	else
		CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	return NULL;
}

static void *after_that(void *arg)
{
	(void)arg;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	CHECK((lock & (TID_MASK | OWNER_DIED)) == tid(), "%#x", lock);
	taken++;
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	return NULL;
}

static void death(void)
{
	pthread_t t, heir, next;
	lock = stage = taken = 0;
	pthread_create(&t, NULL, die_owning, NULL);
	at_stage(1);
	pthread_create(&heir, NULL, inherit, NULL);
	usleep(10000);
	pthread_create(&next, NULL, after_that, NULL);
	usleep(10000);
	stage = 2;
	pthread_join(t, NULL);
	pthread_join(heir, NULL);
	pthread_join(next, NULL);
	CHECK(taken == 2 && lock == 0, "%d, %#x", taken, lock);
}

static void *plain_wait(void *arg)
{
	CHECK(futex(&lock, WAIT, *(uint32_t *)arg, NULL) == 0, "%m");
	taken++;
	return NULL;
}

// A thread that waits in the same queue without locking is not made the owner.
static void mixed(void)
{
	pthread_t t, plain, heir;
	lock = stage = taken = 0;
	pthread_create(&t, NULL, die_owning, NULL);
	at_stage(1);
	lock |= WAITERS;
	pthread_create(&plain, NULL, plain_wait, &lock);
	usleep(10000);
	FAILS(EINVAL, futex(&lock, LOCK_PI, 0, NULL));
	CHECK(futex(&lock, WAKE, 1, NULL) == 1, "%m");
	pthread_join(plain, NULL);
	pthread_create(&heir, NULL, inherit, &lock);
	usleep(10000);
	pthread_create(&plain, NULL, plain_wait, &lock);
	usleep(10000);
	stage = 2;
	pthread_join(t, NULL);
	pthread_join(heir, NULL);
	CHECK(taken == 2, "%d", taken);
	while (futex(&lock, WAKE, 1, NULL) == 0)
		usleep(1000);
	pthread_join(plain, NULL);
}

static volatile int hits;
static void hit(int signo) { (void)signo; hits++; }

static void *interrupted(void *arg)
{
	(void)arg;
	stage = 1;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "a signal does not end it: %m");
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	return NULL;
}

static void signals(void)
{
	struct sigaction a = {.sa_handler = hit}; // without SA_RESTART
	sigaction(SIGUSR1, &a, NULL);
	pthread_t t;
	lock = stage = hits = 0;
	CHECK(futex(&lock, LOCK_PI, 0, NULL) == 0, "%m");
	pthread_create(&t, NULL, interrupted, NULL);
	at_stage(1);
	usleep(10000);
	pthread_kill(t, SIGUSR1);
	while (hits == 0)
		usleep(1000);
	CHECK((lock & TID_MASK) == tid(), "%#x", lock);
	CHECK(futex(&lock, UNLOCK_PI, 0, NULL) == 0, "%m");
	pthread_join(t, NULL);
}

static pthread_mutex_t m;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int sum, ready;

static void *add(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		CHECK(pthread_mutex_lock(&m) == 0, "lock");
		int v = sum;
		if (i % 50 == 0)
			sched_yield();
		sum = v + 1;
		CHECK(pthread_mutex_unlock(&m) == 0, "unlock");
	}
	return NULL;
}

static void *wait_ready(void *arg)
{
	pthread_mutex_lock(&m);
	while (!ready)
		CHECK(pthread_cond_wait(&c, &m) == 0, "wait");
	sum++;
	pthread_mutex_unlock(&m);
	return arg;
}

static void *lock_and_end(void *arg)
{
	pthread_mutex_lock(&m);
	usleep(20000);
	return arg;
}

static void mutexes(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	CHECK(pthread_mutex_init(&m, &a) == 0, "init");
	pthread_t t[8];
	sum = 0;
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, add, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	CHECK(sum == 16000, "%d", sum);
	sum = 0;
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, wait_ready, NULL);
	usleep(10000);
	pthread_mutex_lock(&m);
	ready = 1;
	pthread_cond_broadcast(&c);
	pthread_mutex_unlock(&m);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	CHECK(sum == 8, "%d", sum);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &a);
	CHECK(pthread_mutex_unlock(&m) == EPERM, "unlock of a free one");
	pthread_mutex_lock(&m);
	CHECK(pthread_mutex_lock(&m) == EDEADLK, "twice");
	pthread_mutex_unlock(&m);
	// Robust too: with a thread that waits when the owner ends, and without.
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	for (int wait = 0; wait < 2; wait++) {
		pthread_mutex_init(&m, &a);
		pthread_create(&t[0], NULL, lock_and_end, NULL);
		usleep(5000);
		if (!wait)
			pthread_join(t[0], NULL);
		int r = pthread_mutex_lock(&m);
		CHECK(r == EOWNERDEAD, "%d: %s", wait, strerror(r));
		CHECK(pthread_mutex_consistent(&m) == 0, "consistent");
		CHECK(pthread_mutex_unlock(&m) == 0, "unlock");
		if (wait)
			pthread_join(t[0], NULL);
		CHECK(pthread_mutex_trylock(&m) == 0, "trylock");
		pthread_mutex_unlock(&m);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(errors);
	RUN(timeouts);
	RUN(first_come);
	RUN(circle);
	RUN(death);
	RUN(mixed);
	RUN(signals);
	RUN(mutexes);
	return finish();
}
