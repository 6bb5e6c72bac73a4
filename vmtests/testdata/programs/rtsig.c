// rtsig: real-time signals that are sent while blocked come as often as they were
// sent.
#include "../c/check.h"

static volatile int n;

static void h(int s)
{
	n++;
}

static void by(int (*send)(void))
{
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGRTMIN + 1);
	signal(SIGRTMIN + 1, h);
	sigprocmask(SIG_BLOCK, &m, 0);
	n = 0;
	for (int i = 0; i < 5; i++)
		CHECK(send() == 0, "signal %d", i);
	sigprocmask(SIG_UNBLOCK, &m, 0);
	CHECK(n == 5, "%d of 5 came", n);
}

static int to_process(void)
{
	return kill(getpid(), SIGRTMIN + 1);
}

static int to_thread(void)
{
	return pthread_kill(pthread_self(), SIGRTMIN + 1);
}

static void process(void)
{
	by(to_process);
}

static void thread(void)
{
	by(to_thread);
}

int main(void)
{
	RUN(process);
	RUN(thread);
	return finish();
}
