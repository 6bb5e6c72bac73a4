// leaderexit: the main thread ends and another goes on. The process is still
// there, and signals that are sent to it reach the thread that is left.
#include "../c/check.h"

static volatile int got;

static void h(int s)
{
	got++;
}

static void alone(void)
{
	struct timespec ts = {0, 50000000};
	nanosleep(&ts, 0); // the main thread is gone then
	CHECK(kill(getpid(), SIGUSR1) == 0, "kill: %s", strerror(errno));
	nanosleep(&ts, 0);
	CHECK(got == 1, "the handler ran %d times", got);
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0, "tgkill to the main thread: %s", strerror(errno));
	CHECK(syscall(SYS_gettid) != getpid(), "thread %ld of process %d", syscall(SYS_gettid), getpid());
}

static void *f(void *v)
{
	RUN(alone);
	exit(finish());
}

int main(void)
{
	signal(SIGUSR1, h);
	pthread_t t;
	pthread_create(&t, 0, f, 0);
	pthread_exit(0);
}
