// threads: pthreads, which stand on clone, futexes and thread-local storage.
#include "check.h"

enum { workers = 12 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void start(void *(*f)(void *), pthread_t *t, int n)
{
	for (long i = 0; i < n; i++) {
		int err = pthread_create(&t[i], NULL, f, (void *)i);
		CHECK(err == 0, "thread %ld: %s", i, strerror(err));
	}
}

static void *identity(void *arg) { return arg; }

static void join(void)
{
	for (int round = 0; round < 20; round++) {
		pthread_t t[workers];
		start(identity, t, workers);
		for (long i = 0; i < workers; i++) {
			void *got = NULL;
			CHECK(pthread_join(t[i], &got) == 0 && got == (void *)i, "thread %ld gave %p", i, got);
		}
	}
}

static int counter;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&lock);
		int n = counter;
		if (i % 500 == 0)
			sched_yield();
		counter = n + 1;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void mutex(void)
{
	pthread_t t[workers];
	counter = 0;
	start(count, t, workers);
	for (int i = 0; i < workers; i++)
		pthread_join(t[i], NULL);
	CHECK(counter == workers * 3000, "counted %d, want %d", counter, workers * 3000);
	CHECK(pthread_mutex_trylock(&lock) == 0 && pthread_mutex_trylock(&lock) == EBUSY, "trylock");
	pthread_mutex_unlock(&lock);
}

static int turn;

static void *in_turn(void *arg)
{
	int self = (int)(long)arg;
	for (int round = 0; round < 50; round++) {
		pthread_mutex_lock(&lock);
		while (turn % workers != self)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void condition(void)
{
	pthread_t t[workers];
	turn = 0;
	start(in_turn, t, workers);
	for (int i = 0; i < workers; i++)
		pthread_join(t[i], NULL);
	CHECK(turn == workers * 50, "%d turns", turn);
}

static pthread_barrier_t gate;
static int arrived[workers];

static void *at_gate(void *arg)
{
	for (int round = 1; round <= 20; round++) {
		arrived[(long)arg] = round;
		pthread_barrier_wait(&gate);
		for (int i = 0; i < workers; i++)
			CHECK(arrived[i] == round, "thread %d has arrived %d times, not %d", i, arrived[i], round);
		pthread_barrier_wait(&gate);
	}
	return NULL;
}

static void barrier(void)
{
	pthread_t t[workers];
	pthread_barrier_init(&gate, NULL, workers);
	start(at_gate, t, workers);
	for (int i = 0; i < workers; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&gate);
}

static __thread long own = 5;
static __thread char own_array[3000];
static pthread_key_t key;
static int destroyed;

static void destroy(void *value) { destroyed += (int)(long)value; }

static void *storage(void *arg)
{
	long self = (long)arg;
	CHECK(own == 5 && own_array[2999] == 0, "starts with %ld and %d", own, own_array[2999]);
	own = self;
	memset(own_array, (int)self, sizeof(own_array));
	pthread_setspecific(key, (void *)1);
	for (int i = 0; i < 20; i++)
		sched_yield();
	CHECK(own == self && own_array[0] == self && own_array[2999] == self, "thread %ld holds %ld", self, own);
	return NULL;
}

static void local(void)
{
	pthread_t t[workers];
	pthread_key_create(&key, destroy);
	destroyed = 0;
	start(storage, t, workers);
	for (int i = 0; i < workers; i++)
		pthread_join(t[i], NULL);
	CHECK(own == 5 && destroyed == workers, "own %ld, %d destroyed", own, destroyed);
	pthread_key_delete(key);
}

static struct timespec in_ms(clockid_t clock, int ms)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	int64_t ns = ts.tv_nsec + ms * 1000000LL;
	ts.tv_sec += ns / 1000000000;
	ts.tv_nsec = ns % 1000000000;
	return ts;
}

static void *hold(void *arg)
{
	pthread_mutex_lock(&lock);
	pthread_barrier_wait(&gate);
	usleep((useconds_t)(long)arg);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void timed_waits(void)
{
	int64_t begin = now_ns();
	struct timespec until = in_ms(CLOCK_REALTIME, 5);
	pthread_mutex_lock(&lock);
	int err = pthread_cond_timedwait(&changed, &lock, &until);
	pthread_mutex_unlock(&lock);
	CHECK(err == ETIMEDOUT && now_ns() - begin >= 5000000, "condition: %s after %ld ns", strerror(err), (long)(now_ns() - begin));

	pthread_condattr_t attr;
	pthread_cond_t monotonic;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&monotonic, &attr);
	begin = now_ns();
	until = in_ms(CLOCK_MONOTONIC, 5);
	pthread_mutex_lock(&lock);
	err = pthread_cond_timedwait(&monotonic, &lock, &until);
	pthread_mutex_unlock(&lock);
	CHECK(err == ETIMEDOUT && now_ns() - begin >= 5000000, "monotonic condition: %s after %ld ns", strerror(err), (long)(now_ns() - begin));

	pthread_t t;
	pthread_barrier_init(&gate, NULL, 2);
	pthread_create(&t, NULL, hold, (void *)30000);
	pthread_barrier_wait(&gate);
	until = in_ms(CLOCK_REALTIME, 2);
	CHECK(pthread_mutex_timedlock(&lock, &until) == ETIMEDOUT, "a held lock was taken");
	until = in_ms(CLOCK_REALTIME, 60000);
	CHECK(pthread_mutex_timedlock(&lock, &until) == 0, "a lock that is given back was not taken");
	pthread_mutex_unlock(&lock);
	pthread_join(t, NULL);
	pthread_barrier_destroy(&gate);
}

static volatile int cleaned;

static void clean(void *arg) { cleaned += (int)(long)arg; }

static void *wait_for_ever(void *arg)
{
	pthread_cleanup_push(clean, (void *)1);
	pthread_barrier_wait(&gate);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return arg;
}

static void cancel(void)
{
	pthread_t t;
	void *got = NULL;
	cleaned = 0;
	pthread_barrier_init(&gate, NULL, 2);
	pthread_create(&t, NULL, wait_for_ever, NULL);
	pthread_barrier_wait(&gate);
	pthread_cancel(t);
	pthread_join(t, &got);
	CHECK(got == PTHREAD_CANCELED && cleaned == 1, "ended with %p, cleaned %d", got, cleaned);
	pthread_barrier_destroy(&gate);
}

static void *small_stack(void *arg)
{
	volatile char room[8000];
	memset((void *)room, 1, sizeof(room));
	return room[7999] == 1 ? arg : NULL;
}

static void stacks(void)
{
	pthread_attr_t attr;
	pthread_t t;
	void *got = NULL;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	CHECK(pthread_create(&t, &attr, small_stack, &lock) == 0 && pthread_join(t, &got) == 0 && got == &lock, "a small stack");
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	CHECK(pthread_create(&t, &attr, small_stack, NULL) == 0, "a detached thread");
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void increment(void) { counter++; }
static void *call_once(void *arg)
{
	pthread_once(&once, increment);
	return arg;
}

static void only_once(void)
{
	pthread_t t[workers];
	counter = 0;
	start(call_once, t, workers);
	for (int i = 0; i < workers; i++)
		pthread_join(t[i], NULL);
	CHECK(counter == 1, "called %d times", counter);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(join);
	RUN(mutex);
	RUN(condition);
	RUN(barrier);
	RUN(local);
	RUN(timed_waits);
	RUN(cancel);
	RUN(stacks);
	RUN(only_once);
	return finish();
}
