// robust: whoever takes the robust mutex of a dead thread is told.
#include "../c/check.h"

static pthread_mutex_t m;

static void *die(void *v)
{
	pthread_mutex_lock(&m);
	return 0;
}

static void robust(void)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &a);
	pthread_t t;
	pthread_create(&t, 0, die, 0);
	pthread_join(t, 0);
	int r = pthread_mutex_lock(&m);
	CHECK(r == EOWNERDEAD, "%s", strerror(r));
}

int main(void)
{
	RUN(robust);
	return finish();
}
