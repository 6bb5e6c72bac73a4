// thr: what the C library makes of threads: up to 2000 of them, cancellation,
// every kind of lock, thread-local storage.
#include "../c/check.h"
#include <semaphore.h>
#include <sys/resource.h>
#include <threads.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int g;
static void *idle(void *v)
{
	pthread_mutex_lock(&m);
	g++;
	pthread_cond_broadcast(&c);
	while (g >= 0)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	return v;
}

// many has n threads at once, with stacks of stk bytes or the usual ones.
static void many(int n, int stk)
{
	pthread_t *t = malloc(n * sizeof *t);
	g = 0;
	int i, r = 0;
	pthread_attr_t a;
	pthread_attr_init(&a);
	if (stk)
		pthread_attr_setstacksize(&a, stk);
	for (i = 0; i < n; i++) {
		r = pthread_create(&t[i], &a, idle, (void *)(long)i);
		if (r)
			break;
	}
	CHECK(i == n, "pthread_create number %d of %d failed: %s", i, n, strerror(r));
	pthread_mutex_lock(&m);
	while (g < i)
		pthread_cond_wait(&c, &m);
	g = -1;
	pthread_cond_broadcast(&c);
	pthread_mutex_unlock(&m);
	for (int k = 0; k < i; k++) {
		void *v;
		pthread_join(t[k], &v);
		CHECK(v == (void *)(long)k, "thread %d returns %p", k, v);
	}
	free(t);
}

static void t_many200(void)
{
	many(200, 0);
}

static void t_many300(void)
{
	many(300, 0);
}

static void t_many1000(void)
{
	many(1000, 65536);
}

static void t_many2000(void)
{
	many(2000, 65536);
}

static int cleaned;
static void cleanup(void *v)
{
	cleaned++;
}

static void *canc(void *v)
{
	pthread_cleanup_push(cleanup, 0);
	for (;;)
		sleep(100);
	pthread_cleanup_pop(0);
	return 0;
}

static void *acanc(void *v)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
	for (;;)
		;
	return 0;
}

static void *rdcanc(void *v)
{
	int p[2];
	pipe(p);
	char b;
	read(p[0], &b, 1);
	return 0;
}

static void unlock(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

static void *cvcanc(void *v)
{
	pthread_mutex_lock(&m);
	pthread_cleanup_push(unlock, &m);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
	return 0;
}

static void t_cancel(void)
{
	struct timespec ts = {0, 20000000};
	void *(*f[])(void *) = {canc, acanc, rdcanc, cvcanc};
	for (int i = 0; i < 40; i++) {
		pthread_t t;
		pthread_create(&t, 0, f[i % 4], 0);
		if (i % 8 < 4)
			nanosleep(&ts, 0);
		CHECK(pthread_cancel(t) == 0, "cancel");
		void *r = 0;
		CHECK(pthread_join(t, &r) == 0 && r == PTHREAD_CANCELED, "joined %p in kind %d", r, i % 4);
	}
	CHECK(cleaned == 10, "%d of 10 clean-ups", cleaned);
	CHECK(pthread_mutex_trylock(&m) == 0, "a cancelled wait keeps the mutex");
	pthread_mutex_unlock(&m);
}

static pthread_mutex_t rm;
static void *die(void *v)
{
	pthread_mutex_lock(&rm);
	return 0;
}

static void t_robust(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	int r = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	CHECK(r == 0, "setrobust %d", r);
	r = pthread_mutex_init(&rm, &a);
	CHECK(r == 0, "init %d", r);
	pthread_t t;
	pthread_create(&t, 0, die, 0);
	pthread_join(t, 0);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 2;
	r = pthread_mutex_timedlock(&rm, &ts);
	CHECK(r == EOWNERDEAD, "lock of a dead owner's robust mutex: %d %s", r, strerror(r));
	CHECK(pthread_mutex_consistent(&rm) == 0, "consistent");
	pthread_mutex_unlock(&rm);
}

static void t_pi(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	int r = pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	CHECK(r == 0, "proto");
	pthread_mutex_t p;
	r = pthread_mutex_init(&p, &a);
	CHECK(r == 0, "init PI: %s", strerror(r));
	r = pthread_mutex_lock(&p);
	CHECK(r == 0, "lock %s", strerror(r));
	r = pthread_mutex_unlock(&p);
	CHECK(r == 0, "unlock %s", strerror(r));
}

static int cnt;
static void *inc(void *v)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&m);
		cnt++;
		pthread_mutex_unlock(&m);
	}
	return 0;
}

static void t_mutex(void)
{
	cnt = 0;
	pthread_t t[16];
	for (int i = 0; i < 16; i++)
		pthread_create(&t[i], 0, inc, 0);
	for (int i = 0; i < 16; i++)
		pthread_join(t[i], 0);
	CHECK(cnt == 320000, "%d", cnt);
}

static int turn;
static void *ping(void *v)
{
	long me = (long)v;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&m);
		while (turn != me)
			pthread_cond_wait(&c, &m);
		turn = !me;
		pthread_cond_signal(&c);
		pthread_mutex_unlock(&m);
	}
	return 0;
}

static void t_pingpong(void)
{
	turn = 0;
	pthread_t a, b;
	pthread_create(&a, 0, ping, (void *)0);
	pthread_create(&b, 0, ping, (void *)1);
	pthread_join(a, 0);
	pthread_join(b, 0);
}

static void t_timed(void)
{
	struct timespec ts;
	pthread_cond_t mc;
	pthread_condattr_t a;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&mc, &a);
	pthread_mutex_lock(&m);
	double t = now();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	int r = pthread_cond_timedwait(&mc, &m, &ts);
	CHECK(r == ETIMEDOUT, "r %d", r);
	CHECK(now() - t >= 0.0499 && now() - t < 2, "%f", now() - t);
	t = now();
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	r = pthread_cond_timedwait(&c, &m, &ts);
	CHECK(r == ETIMEDOUT, "r %d", r);
	CHECK(now() - t >= 0.0499 && now() - t < 2, "%f", now() - t);
	ts.tv_sec = 1;
	ts.tv_nsec = 0;
	CHECK(pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT, "past");
	ts.tv_sec = -5;
	CHECK(pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT, "negative");
	pthread_mutex_unlock(&m);
	sem_t s;
	sem_init(&s, 0, 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec -= 1;
	CHECK(sem_timedwait(&s, &ts) == -1 && errno == ETIMEDOUT, "sem");
	sem_post(&s);
	CHECK(sem_wait(&s) == 0, "sem");
}

static pthread_barrier_t bar;
static int bs;
static void *barf(void *v)
{
	for (int i = 0; i < 500; i++) {
		if (pthread_barrier_wait(&bar) == PTHREAD_BARRIER_SERIAL_THREAD)
			bs++;
	}
	return 0;
}

static void t_barrier(void)
{
	pthread_barrier_init(&bar, 0, 8);
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], 0, barf, 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], 0);
	CHECK(bs == 500, "%d", bs);
}

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static volatile int rwv, rwbad; // what the lock guards, and how often it did not
static void *rwf(void *v)
{
	for (int i = 0; i < 3000; i++) {
		if ((i + (long)v) % 5 == 0) {
			pthread_rwlock_wrlock(&rw);
			rwv++;
			int x = rwv;
			sched_yield();
			if (x != rwv)
				rwbad++;
			pthread_rwlock_unlock(&rw);
		} else {
			pthread_rwlock_rdlock(&rw);
			int x = rwv;
			if (x != rwv)
				rwbad++;
			pthread_rwlock_unlock(&rw);
		}
	}
	return 0;
}

static void t_rwlock(void)
{
	pthread_t t[8];
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], 0, rwf, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], 0);
	CHECK(rwbad == 0 && rwv == 8 * 600, "bad %d v %d", rwbad, rwv);
}

static __thread char tls[10000];
static __thread int tv = 77;
static pthread_key_t key;
static int destr;
static void kd(void *v)
{
	destr++;
}

static void *tlsf(void *v)
{
	if (tv != 77)
		return (void *)1;
	tv = (long)v;
	memset(tls, (int)(long)v, sizeof tls);
	pthread_setspecific(key, v);
	for (int i = 0; i < 20; i++) {
		sched_yield();
		if (tv != (long)v || tls[9999] != (char)(long)v)
			return (void *)2;
	}
	return 0;
}

static void t_tls(void)
{
	pthread_key_create(&key, kd);
	pthread_t t[50];
	for (long i = 1; i <= 50; i++)
		pthread_create(&t[i - 1], 0, tlsf, (void *)i);
	for (int i = 0; i < 50; i++) {
		void *r;
		pthread_join(t[i], &r);
		CHECK(r == 0, "tls %p", r);
	}
	CHECK(destr == 50, "destr %d", destr);
}

static void *nul(void *v)
{
	__sync_fetch_and_add(&cnt, 1);
	return 0;
}

static void t_detach(void)
{
	cnt = 0;
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 3000; i++) {
		pthread_t t;
		CHECK(pthread_create(&t, &a, nul, 0) == 0, "thread %d", i);
		if (i % 50 == 49)
			while (*(volatile int *)&cnt < i - 10)
				sched_yield();
	}
	for (int i = 0; i < 1000 && *(volatile int *)&cnt < 3000; i++)
		usleep(1000);
	CHECK(cnt == 3000, "%d of 3000 ran", cnt);
}

static void *big(void *v)
{
	volatile char b[60 << 20];
	for (size_t i = 0; i < sizeof b; i += 4096 * 16)
		b[i] = 1;
	return 0;
}

static void t_bigstack(void)
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	CHECK(pthread_attr_setstacksize(&a, 64 << 20) == 0, "ss");
	pthread_t t;
	int r = pthread_create(&t, &a, big, 0);
	CHECK(r == 0, "create %d", r);
	pthread_join(t, 0);
}

static void t_misc(void)
{
	CHECK(sched_getcpu() >= 0, "sched_getcpu %d", sched_getcpu());
	cpu_set_t s;
	CHECK(sched_getaffinity(0, sizeof s, &s) == 0 && CPU_COUNT(&s) >= 1, "aff");
	struct sched_param sp;
	int pol;
	int r = pthread_getschedparam(pthread_self(), &pol, &sp);
	CHECK(r == 0, "getschedparam %s", strerror(r));
	char n[16];
	pthread_setname_np(pthread_self(), "hello");
	r = pthread_getname_np(pthread_self(), n, 16);
	CHECK(r == 0 && !strcmp(n, "hello"), "name %s", strerror(r));
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1, "nproc %ld", sysconf(_SC_NPROCESSORS_ONLN));
	clockid_t cid;
	struct timespec ts;
	r = pthread_getcpuclockid(pthread_self(), &cid);
	CHECK(r == 0 && clock_gettime(cid, &ts) == 0, "cpuclock");
	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0, "CLOCK_PROCESS_CPUTIME_ID");
	CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0, "CLOCK_THREAD_CPUTIME_ID");
	CHECK(clock() != (clock_t)-1, "clock()");
	errno = 0;
	CHECK(getpriority(0, 0) >= -20 && errno == 0, "getpriority");
	CHECK(sched_get_priority_max(SCHED_FIFO) == 99, "prio max");
}

static int c11(void *v)
{
	return 5;
}

static void t_c11(void)
{
	thrd_t t;
	CHECK(thrd_create(&t, c11, 0) == thrd_success, "c");
	int r;
	thrd_join(t, &r);
	CHECK(r == 5, "r");
	mtx_t x;
	mtx_init(&x, mtx_timed);
	struct timespec ts;
	timespec_get(&ts, TIME_UTC);
	mtx_lock(&x);
	CHECK(mtx_timedlock(&x, &ts) == thrd_timedout, "timedlock");
	mtx_unlock(&x);
	thrd_sleep(&(struct timespec){0, 1000}, 0);
}

int main(void)
{
	RUN(t_mutex);
	RUN(t_pingpong);
	RUN(t_timed);
	RUN(t_barrier);
	RUN(t_rwlock);
	RUN(t_tls);
	RUN(t_detach);
	RUN(t_bigstack);
	RUN(t_c11);
	RUN(t_cancel);
	RUN(t_many200);
	RUN(t_many300);
	RUN(t_many1000);
	RUN(t_many2000);
	RUN(t_robust);
	RUN(t_pi);
	RUN(t_misc);
	return finish();
}
