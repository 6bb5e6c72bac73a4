// robust: locks whose owner ends without unlocking: by the C library's mutexes, and
// by lists of locks that no library would make.
#include "check.h"
#include <stddef.h>

enum { WAIT = 0, WAKE = 1, OWNER_DIED = 0x40000000, TID_MASK = 0x3fffffff };
#define WAITERS 0x80000000u

struct head { void *next; long offset; void *pending; };
struct lock { void *next; uint32_t word; };

static void run(void *(*f)(void *), void *arg)
{
	pthread_t t;
	CHECK(pthread_create(&t, NULL, f, arg) == 0, "create");
	pthread_join(t, NULL);
}

static pthread_mutex_t m;

static void *lock_and_end(void *arg)
{
	(void)arg;
	CHECK(pthread_mutex_lock(&m) == 0, "lock");
	usleep(20000);
	return NULL;
}

static void mutexes(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &a);
	run(lock_and_end, NULL);
	int r = pthread_mutex_trylock(&m);
	CHECK(r == EOWNERDEAD, "trylock: %s", strerror(r));
	CHECK(pthread_mutex_consistent(&m) == 0, "consistent");
	CHECK(pthread_mutex_unlock(&m) == 0, "unlock");
	pthread_t t;
	pthread_create(&t, NULL, lock_and_end, NULL);
	usleep(5000);
	r = pthread_mutex_lock(&m); // waits until the owner ends
	CHECK(r == EOWNERDEAD, "lock: %s", strerror(r));
	CHECK(pthread_mutex_unlock(&m) == 0, "unlock, not made consistent");
	pthread_join(t, NULL);
	r = pthread_mutex_lock(&m);
	CHECK(r == ENOTRECOVERABLE, "not recoverable: %s", strerror(r));
}

static uint32_t tid(void) { return syscall(SYS_gettid); }

static struct lock locks[3000];
static struct head list;

// end_with makes list the calling thread's own and ends, without the C library.
static void end_with(void)
{
	CHECK(syscall(SYS_set_robust_list, &list, sizeof list) == 0, "%m");
	syscall(SYS_exit, 0);
}

static void *own_three(void *arg)
{
	(void)arg;
	memset(locks, 0, sizeof locks);
	list = (struct head){&locks[0], offsetof(struct lock, word), NULL};
	locks[0] = (struct lock){&locks[1], tid()};
	locks[1] = (struct lock){&locks[2], tid() | WAITERS};
	locks[2] = (struct lock){&list, 77}; // another's
	locks[3].word = tid();
	list.pending = &locks[3];
	end_with();
	return NULL;
}

static void marks(void)
{
	run(own_three, NULL);
	CHECK(locks[0].word == OWNER_DIED, "%#x", locks[0].word);
	CHECK(locks[1].word == (OWNER_DIED | WAITERS), "%#x", locks[1].word);
	CHECK(locks[2].word == 77, "%#x", locks[2].word);
	CHECK(locks[3].word == OWNER_DIED, "pending: %#x", locks[3].word);
}

static void *circle_body(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3000; i++)
		locks[i] = (struct lock){&locks[(i + 1) % 3000], tid()};
	list = (struct head){&locks[0], offsetof(struct lock, word), NULL};
	end_with();
	return NULL;
}

// A list without an end is left after 2048 locks.
static void circle(void)
{
	run(circle_body, NULL);
	CHECK(locks[2047].word == OWNER_DIED, "%#x", locks[2047].word);
	CHECK(locks[2048].word != OWNER_DIED, "%#x", locks[2048].word);
}

static void *bad_body(void *arg)
{
	memset(locks, 0, sizeof locks);
	list = (struct head){&locks[0], offsetof(struct lock, word), &locks[5]};
	for (int i = 0; i < 6; i++)
		locks[i] = (struct lock){&locks[i + 1], tid()};
	switch ((long)arg) {
	case 0: // the list ends in nothing: what comes before is marked, the pending one is not
		locks[2].next = (void *)16;
		break;
	case 1:
		list.next = (void *)0xffff888000000000;
		break;
	case 2: // not a word
		list.offset++;
		break;
	}
	end_with();
	return NULL;
}

static void *no_head(void *arg)
{
	CHECK(syscall(SYS_set_robust_list, arg, sizeof list) == 0, "%m");
	syscall(SYS_exit, 0);
	return NULL;
}

static void bad_lists(void)
{
	run(bad_body, (void *)0);
	CHECK(locks[0].word == OWNER_DIED && locks[2].word == OWNER_DIED, "%#x %#x", locks[0].word, locks[2].word);
	CHECK(locks[5].word != OWNER_DIED, "%#x", locks[5].word);
	run(bad_body, (void *)1);
	CHECK(locks[0].word != OWNER_DIED && locks[5].word != OWNER_DIED, "%#x", locks[5].word);
	run(bad_body, (void *)2);
	CHECK(locks[0].word != OWNER_DIED, "%#x", locks[0].word);
	run(no_head, (void *)8);
	run(no_head, (void *)0xffff888000000000);
	run(no_head, (void *)~0ul);
}

static int woken;

static void *wait_for_word(void *arg)
{
	uint32_t *word = arg;
	long r = syscall(SYS_futex, word, WAIT, *word, NULL, NULL, 0);
	CHECK(r == 0, "wait: %m");
	woken++;
	return NULL;
}

static void *end_owning(void *arg)
{
	memset(locks, 0, sizeof locks);
	if (arg) {
		list = (struct head){&locks[0], offsetof(struct lock, word), NULL};
		locks[0] = (struct lock){&list, tid() | WAITERS};
	} else { // unlocked, but nobody has been woken yet
		list = (struct head){&list, offsetof(struct lock, word), &locks[0]};
	}
	pthread_t t[2];
	woken = 0;
	for (int i = 0; i < 2; i++) {
		pthread_create(&t[i], NULL, wait_for_word, &locks[0].word);
		pthread_detach(t[i]);
	}
	usleep(20000);
	end_with();
	return NULL;
}

static void wakes(void)
{
	for (long owned = 0; owned < 2; owned++) {
		run(end_owning, (void *)owned);
		usleep(20000);
		CHECK(woken == 1, "%d woken", woken);
		syscall(SYS_futex, &locks[0].word, WAKE, 10, NULL, NULL, 0);
		usleep(20000);
		CHECK(woken == 2, "%d woken", woken);
	}
}

static void *get_mine(void *arg)
{
	(void)arg;
	struct head h = {&h, 0, NULL}, *p = NULL;
	size_t len = 0;
	CHECK(syscall(SYS_set_robust_list, &h, sizeof h) == 0, "%m");
	CHECK(syscall(SYS_get_robust_list, 0, &p, &len) == 0 && p == &h && len == sizeof h, "%p %zu", p, len);
	p = NULL;
	CHECK(syscall(SYS_get_robust_list, tid(), &p, &len) == 0 && p == &h, "%p", p);
	syscall(SYS_exit, 0);
	return NULL;
}

static void calls(void)
{
	struct head *p;
	size_t len;
	CHECK(syscall(SYS_set_robust_list, &list, 23) == -1 && errno == EINVAL, "%m");
	CHECK(syscall(SYS_set_robust_list, &list, 0) == -1 && errno == EINVAL, "%m");
	CHECK(syscall(SYS_get_robust_list, 99999, &p, &len) == -1 && errno == ESRCH, "%m");
	CHECK(syscall(SYS_get_robust_list, 0, 8, &len) == -1 && errno == EFAULT, "%m");
	CHECK(syscall(SYS_get_robust_list, 0, &p, 8) == -1 && errno == EFAULT, "%m");
	run(get_mine, NULL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(mutexes);
	RUN(marks);
	RUN(circle);
	RUN(bad_lists);
	RUN(wakes);
	RUN(calls);
	return finish();
}
