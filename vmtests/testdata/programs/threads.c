// threads: 1000 threads at once, asleep when the process ends.
#include "../c/check.h"

static void *f(void *v)
{
	for (;;)
		pause();
	return 0;
}

static void thousand(void)
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	for (int i = 0; i < 1000; i++) {
		pthread_t t;
		int r = pthread_create(&t, &a, f, 0);
		CHECK(r == 0, "thread %d: %s", i, strerror(r));
	}
}

int main(void)
{
	RUN(thousand);
	return finish();
}
