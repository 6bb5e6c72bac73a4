// queue: signals that wait with what was sent along: real-time ones come as often
// as they were sent, by number and then in order; the others once. And what is left
// when the process's first thread has ended.
#include "check.h"
#include <sys/resource.h>

enum { SENT = 20 };

static struct { int signo, code, value; pid_t pid; } got[SENT];
static volatile int count;

static void note(int signo, siginfo_t *info, void *uc)
{
	(void)uc;
	if (count < SENT) {
		got[count].signo = signo;
		got[count].code = info->si_code;
		got[count].value = info->si_value.sival_int;
		got[count].pid = info->si_pid;
	}
	count++;
}

static sigset_t all, before;

// hold installs note for the signals and blocks all.
static void hold(int first, int last)
{
	struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	sigfillset(&a.sa_mask); // one after the other
	for (int s = first; s <= last; s++)
		sigaction(s, &a, NULL);
	count = 0;
	memset(got, 0, sizeof got);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
}

static void let_go(void) { pthread_sigmask(SIG_SETMASK, &before, NULL); }

static int queue(int signo, int value) { return sigqueue(getpid(), signo, (union sigval){.sival_int = value}); }

static void by_number_then_in_order(void)
{
	hold(SIGRTMIN, SIGRTMIN + 3);
	for (int i = 0; i < 9; i++)
		CHECK(queue(SIGRTMIN + 2 - i % 3, i) == 0, "%d: %m", i);
	sigset_t waiting;
	sigpending(&waiting);
	CHECK(sigismember(&waiting, SIGRTMIN + 1) && !sigismember(&waiting, SIGRTMIN + 3), "pending");
	let_go();
	static const int want[9] = {2, 5, 8, 1, 4, 7, 0, 3, 6};
	CHECK(count == 9, "%d came", count);
	for (int i = 0; i < 9; i++)
		CHECK(got[i].signo == SIGRTMIN + i / 3 && got[i].value == want[i] && got[i].code == SI_QUEUE && got[i].pid == getpid(),
		      "number %d: signal %d, value %d, code %d", i, got[i].signo, got[i].value, got[i].code);
	sigpending(&waiting);
	CHECK(!sigismember(&waiting, SIGRTMIN + 1), "still pending");
}

static void mixed_senders(void)
{
	int s = SIGRTMIN + 1;
	hold(s, s);
	kill(getpid(), s);
	pthread_kill(pthread_self(), s);
	queue(s, 7);
	syscall(SYS_tkill, syscall(SYS_gettid), s);
	raise(s);
	let_go();
	// Those sent to the thread come first.
	static const int want[5] = {SI_TKILL, SI_TKILL, SI_TKILL, SI_USER, SI_QUEUE};
	CHECK(count == 5, "%d came", count);
	for (int i = 0; i < 5; i++)
		CHECK(got[i].code == want[i] && got[i].pid == getpid() && got[i].value == (i == 4 ? 7 : 0), "number %d: code %d, value %d",
		      i, got[i].code, got[i].value);
}

static void ordinary_once(void)
{
	hold(SIGUSR1, SIGUSR1);
	queue(SIGUSR1, 42);
	queue(SIGUSR1, 43);
	kill(getpid(), SIGUSR1);
	let_go();
	CHECK(count == 1 && got[0].value == 42 && got[0].code == SI_QUEUE, "%d, value %d, code %d", count, got[0].value, got[0].code);
	hold(SIGUSR1, SIGUSR1);
	kill(getpid(), SIGUSR1);
	queue(SIGUSR1, 42);
	let_go();
	CHECK(count == 1 && got[0].value == 0 && got[0].code == SI_USER, "%d, value %d, code %d", count, got[0].value, got[0].code);
}

static long queueinfo(pid_t pid, int signo, int code, int value)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_signo = 12345; // not looked at
	info.si_errno = 6;
	info.si_code = code;
	info.si_pid = 4711;
	info.si_uid = 42;
	info.si_value.sival_int = value;
	return syscall(SYS_rt_sigqueueinfo, pid, signo, &info);
}

static void taken(void)
{
	int s = SIGRTMIN + 4;
	hold(s, s);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, s);
	sigaddset(&set, SIGUSR2);
	CHECK(queueinfo(getpid(), s, -5, 1) == 0, "%m");
	CHECK(queueinfo(getpid(), s, SI_QUEUE, 2) == 0, "%m");
	CHECK(kill(getpid(), SIGUSR2) == 0, "%m");
	siginfo_t info;
	struct timespec none = {0, 0};
	CHECK(sigtimedwait(&set, &info, &none) == SIGUSR2 && info.si_code == SI_USER && info.si_pid == getpid(), "code %d", info.si_code);
	CHECK(sigtimedwait(&set, &info, &none) == s && info.si_signo == s && info.si_errno == 6 && info.si_code == -5 &&
		      info.si_pid == 4711 && info.si_uid == 42 && info.si_value.sival_int == 1,
	      "signal %d, code %d, pid %d, value %d", info.si_signo, info.si_code, info.si_pid, info.si_value.sival_int);
	CHECK(sigtimedwait(&set, &info, &none) == s && info.si_code == SI_QUEUE && info.si_value.sival_int == 2, "code %d", info.si_code);
	CHECK(sigtimedwait(&set, &info, &none) == -1 && errno == EAGAIN, "%m");
	// A signal that was ignored while it waited is forgotten, with its values.
	queue(s, 1);
	pthread_kill(pthread_self(), s);
	signal(s, SIG_IGN);
	signal(s, SIG_DFL);
	CHECK(sigtimedwait(&set, &info, &none) == -1 && errno == EAGAIN, "%m");
	let_go();
	CHECK(count == 0, "%d came", count);
}

static void errors(void)
{
	siginfo_t info;
	memset(&info, 0, sizeof info);
	info.si_code = SI_QUEUE;
#define FAILS(want, ...)                                                          \
	do {                                                                      \
		errno = 0;                                                        \
		long r = syscall(__VA_ARGS__);                                    \
		CHECK(r == -1 && errno == want, "%s: %ld %m", #__VA_ARGS__, r); \
	} while (0)
	FAILS(EFAULT, SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8);
	FAILS(EFAULT, SYS_rt_sigqueueinfo, 99999, 99, 8);
	FAILS(EINVAL, SYS_rt_sigqueueinfo, getpid(), 65, &info);
	FAILS(EINVAL, SYS_rt_sigqueueinfo, getpid(), -1, &info);
	FAILS(ESRCH, SYS_rt_sigqueueinfo, 99999, 65, &info);
	FAILS(ESRCH, SYS_rt_sigqueueinfo, -1, SIGUSR1, &info);
	FAILS(ESRCH, SYS_rt_sigqueueinfo, 0, SIGUSR1, &info);
	FAILS(EFAULT, SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, 8);
	FAILS(EINVAL, SYS_rt_tgsigqueueinfo, 0, getpid(), SIGUSR1, &info);
	FAILS(EINVAL, SYS_rt_tgsigqueueinfo, getpid(), 0, SIGUSR1, &info);
	FAILS(EINVAL, SYS_rt_tgsigqueueinfo, getpid(), getpid(), 65, &info);
	FAILS(ESRCH, SYS_rt_tgsigqueueinfo, getpid(), 99999, SIGUSR1, &info);
	FAILS(ESRCH, SYS_rt_tgsigqueueinfo, 99999, getpid(), SIGUSR1, &info);
	FAILS(ESRCH, SYS_tgkill, getpid(), 99999, 65);
	FAILS(EINVAL, SYS_tgkill, getpid(), getpid(), 65);
	FAILS(EINVAL, SYS_tgkill, 99999, -1, SIGUSR1);
	FAILS(EINVAL, SYS_tgkill, -1, getpid(), SIGUSR1);
	FAILS(ESRCH, SYS_tkill, 99999, 65);
	FAILS(EINVAL, SYS_tkill, 0, SIGUSR1);
	FAILS(ESRCH, SYS_kill, 99999, 65);
	FAILS(EINVAL, SYS_kill, getpid(), 65);
	FAILS(ESRCH, SYS_kill, -99999, 0);
	FAILS(ESRCH, SYS_kill, 0x80000000, SIGUSR1);
	CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info) == 0, "signal 0: %m");
	CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info) == 0, "signal 0: %m");
	info.si_code = -100; // of no known kind: nothing may be lost
	((char *)&info)[100] = 1;
	FAILS(E2BIG, SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info);
}

static void *pretend(void *arg)
{
	(void)arg;
	// Only to itself may a thread pretend that a signal is the kernel's.
	CHECK(queueinfo(getpid(), SIGURG, SI_USER, 0) == -1 && errno == EPERM, "%m");
	CHECK(queueinfo(getpid(), SIGURG, SI_KERNEL, 0) == -1 && errno == EPERM, "%m");
	CHECK(queueinfo(getpid(), SIGURG, SI_TKILL, 0) == -1 && errno == EPERM, "%m");
	CHECK(queueinfo(getpid(), SIGURG, SI_TIMER, 0) == 0, "%m");
	return NULL;
}

static void pretence(void)
{
	pthread_t t;
	pthread_create(&t, NULL, pretend, NULL);
	pthread_join(t, NULL);
	hold(SIGRTMIN, SIGRTMIN);
	CHECK(queueinfo(getpid(), SIGRTMIN, SI_KERNEL, 5) == 0, "%m");
	let_go();
	CHECK(count == 1 && got[0].code == SI_KERNEL && got[0].pid == 4711, "%d, code %d", count, got[0].code);
}

static void full(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_SIGPENDING, &limit);
	int s = SIGRTMIN, n = 0;
	for (int round = 0; round < 2; round++) { // the second finds all of them free again
		hold(s, s);
		signal(SIGUSR1, SIG_IGN);
		for (n = 0; queue(s, n) == 0; n++)
			;
		CHECK(errno == EAGAIN && (rlim_t)n <= limit.rlim_cur && n >= 32, "%d of %ld waited: %m", n, (long)limit.rlim_cur);
		CHECK(pthread_kill(pthread_self(), s) == EAGAIN, "pthread_kill");
		CHECK(kill(getpid(), SIGRTMIN + 1) == 0, "kill goes without: %m");
		CHECK(queue(SIGUSR1, 1) == 0, "an ordinary one goes without: %m");
		let_go();
		CHECK(count == n + 1, "%d of %d came", count, n + 1);
		CHECK(got[SENT - 1].value == SENT - 1, "value %d", got[SENT - 1].value);
	}
}

static void *waiter(void *arg)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	long sum = 0;
	for (int i = 0; i < 1000; i++) {
		siginfo_t info;
		int r = sigwaitinfo(&set, &info);
		CHECK(r == SIGRTMIN + 5 && info.si_value.sival_int == i, "%d: signal %d, value %d", i, r, info.si_value.sival_int);
		sum += info.si_value.sival_int;
	}
	*(long *)arg = sum;
	return NULL;
}

static void waited_for(void)
{
	hold(SIGRTMIN + 5, SIGRTMIN + 5);
	long sum = 0;
	pthread_t t;
	pthread_create(&t, NULL, waiter, &sum);
	for (int i = 0; i < 1000; i++) {
		CHECK(pthread_sigqueue(t, SIGRTMIN + 5, (union sigval){.sival_int = i}) == 0, "%d", i);
		if (i % 7 == 0)
			sched_yield();
	}
	pthread_join(t, NULL);
	CHECK(sum == 999 * 1000 / 2, "%ld", sum);
	let_go();
}

static pthread_t leader;

// without_leader goes on when main has ended: the process is still PID getpid().
static void *without_leader(void *arg)
{
	(void)arg;
	pthread_join(leader, NULL);
	pid_t pid = getpid();
	count = 0;
	struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGRTMIN, &a, NULL);
	CHECK(kill(pid, SIGUSR1) == 0 && count == 1, "kill: %d came, %m", count);
	CHECK(queue(SIGRTMIN, 9) == 0 && count == 2 && got[1].value == 9, "sigqueue: %d came, %m", count);
	CHECK(kill(0, SIGUSR1) == 0 && count == 3, "kill of the group: %d came, %m", count);
	CHECK(syscall(SYS_tgkill, pid, pid, 0) == 0, "tgkill of the zombie: %m");
	CHECK(syscall(SYS_tgkill, pid, pid, SIGUSR1) == 0 && count == 3, "tgkill of the zombie: %m, %d came", count);
	CHECK(syscall(SYS_tkill, pid, SIGUSR1) == 0, "tkill of the zombie: %m");
	CHECK(syscall(SYS_tgkill, pid, pid, 65) == -1 && errno == EINVAL, "signal 65 to the zombie: %m");
	CHECK(getpid() == pid && syscall(SYS_gettid) != pid, "pid %d, tid %ld", getpid(), syscall(SYS_gettid));
	return NULL;
}

static void *last(void *arg)
{
	part = "without_leader";
	without_leader(arg);
	if (!failed)
		printf("ok %s\n", part);
	exit(finish());
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(by_number_then_in_order);
	RUN(mixed_senders);
	RUN(ordinary_once);
	RUN(taken);
	RUN(errors);
	RUN(pretence);
	RUN(full);
	RUN(waited_for);
	leader = pthread_self();
	pthread_t t;
	pthread_create(&t, NULL, last, NULL);
	pthread_exit(NULL);
}
