// timers: interval timers, POSIX timers, and the clocks of CPU time. Times are held
// against a bound below only: a machine may be as slow as it likes.
#include "check.h"
#include <limits.h>
#include <sys/resource.h>
#include <sys/times.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { MS = 1000000 };

static volatile int count, code, overrun, value, on_thread;

static void note(int signo, siginfo_t *info, void *uc)
{
	(void)signo, (void)uc;
	count++;
	code = info->si_code;
	value = info->si_value.sival_int;
	overrun = info->si_overrun;
	on_thread = syscall(SYS_gettid);
}

static void install(int signo)
{
	struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	sigaction(signo, &a, NULL);
	count = code = value = overrun = on_thread = 0;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts = {-1, 0};
	CHECK(clock_gettime(id, &ts) == 0, "clock %d: %m", id);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void spin(int64_t ns)
{
	int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

// wait_for sleeps until so many signals have come, also if the last comes at once.
static void wait_for(int n)
{
	while (count < n)
		usleep(1000);
}

static struct itimerval every(int us) { return (struct itimerval){{0, us}, {0, us}}; }

static void real_interval(void)
{
	struct itimerval v = every(2000), old, none = {0};
	install(SIGALRM);
	int64_t start = now_ns();
	CHECK(setitimer(ITIMER_REAL, &v, &old) == 0 && old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0, "%m");
	wait_for(5);
	CHECK(now_ns() - start >= 10 * MS, "%ld ns", (long)(now_ns() - start));
	CHECK(code == SI_KERNEL, "code %d", code);
	CHECK(getitimer(ITIMER_REAL, &v) == 0 && v.it_interval.tv_usec == 2000 && v.it_value.tv_usec <= 2000, "%ld us left",
	      (long)v.it_value.tv_usec);
	CHECK(setitimer(ITIMER_REAL, &none, &old) == 0 && old.it_interval.tv_usec == 2000, "%m");
	int n = count;
	usleep(10000);
	CHECK(count == n, "it goes on");
	CHECK(getitimer(ITIMER_REAL, &v) == 0 && v.it_value.tv_sec == 0 && v.it_value.tv_usec == 0 && v.it_interval.tv_usec == 0, "left");
}

static void once_and_blocked(void)
{
	struct itimerval v = {{0, 0}, {0, 1000}};
	sigset_t alrm, old;
	install(SIGALRM);
	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	sigprocmask(SIG_BLOCK, &alrm, &old);
	setitimer(ITIMER_REAL, &v, NULL);
	usleep(5000);
	v = every(1000);
	setitimer(ITIMER_REAL, &v, NULL); // anew, while the first still waits
	usleep(20000);
	CHECK(count == 0, "%d", count);
	sigset_t waiting;
	sigpending(&waiting);
	CHECK(sigismember(&waiting, SIGALRM), "not pending");
	v = (struct itimerval){0};
	setitimer(ITIMER_REAL, &v, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(count == 1, "%d came", count);
}

static void alarms(void)
{
	install(SIGALRM);
	CHECK(alarm(100) == 0, "before");
	unsigned left = alarm(5);
	CHECK(left >= 99 && left <= 100, "%u s left", left);
	struct itimerval v;
	getitimer(ITIMER_REAL, &v);
	CHECK(v.it_value.tv_sec == 4 && v.it_value.tv_usec > 0 && v.it_interval.tv_sec == 0, "%ld s", (long)v.it_value.tv_sec);
	v = (struct itimerval){{0, 0}, {0, 300000}};
	setitimer(ITIMER_REAL, &v, NULL);
	CHECK(alarm(1) == 1, "a part of a second is no 0");
	wait_for(1);
	CHECK(alarm(0) == 0, "after");
}

static void cpu_intervals(void)
{
	static const struct { int which, signo; } kinds[] = {{ITIMER_PROF, SIGPROF}, {ITIMER_VIRTUAL, SIGVTALRM}};
	for (int i = 0; i < 2; i++) {
		struct itimerval v = every(5000), none = {0};
		install(kinds[i].signo);
		CHECK(setitimer(kinds[i].which, &v, NULL) == 0, "%m");
		usleep(50000); // sleeping does not count
		int early = count;
		int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		while (count < early + 5)
			;
		CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start >= 15 * MS, "%d: 5 in %ld ns", i,
		      (long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start));
		CHECK(early <= 2, "%d: %d while it slept", i, early);
		CHECK(code == SI_KERNEL, "%d: code %d", i, code);
		setitimer(kinds[i].which, &none, NULL);
	}
}

static timer_t make(clockid_t clock, int notify, int signo, int v)
{
	struct sigevent e = {.sigev_notify = notify, .sigev_signo = signo, .sigev_value.sival_int = v};
	if (notify == SIGEV_THREAD_ID)
		e.sigev_notify_thread_id = syscall(SYS_gettid);
	timer_t id = NULL;
	CHECK(timer_create(clock, &e, &id) == 0, "timer_create(%d): %m", clock);
	return id;
}

static struct itimerspec spec(long first, long then) { return (struct itimerspec){{0, then}, {0, first}}; }

static void periodic(void)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI};
	for (int i = 0; i < 4; i++) {
		install(SIGRTMIN);
		timer_t id = make(clocks[i], SIGEV_SIGNAL, SIGRTMIN, 7 + i);
		struct itimerspec v = spec(2 * MS, 3 * MS), now;
		int64_t start = now_ns();
		CHECK(timer_settime(id, 0, &v, NULL) == 0, "%m");
		wait_for(3);
		CHECK(now_ns() - start >= 8 * MS, "%ld ns", (long)(now_ns() - start));
		CHECK(code == SI_TIMER && value == 7 + i, "code %d, value %d", code, value);
		CHECK(timer_gettime(id, &now) == 0 && now.it_interval.tv_nsec == 3 * MS && now.it_value.tv_nsec <= 3 * MS, "%ld", now.it_value.tv_nsec);
		CHECK(timer_delete(id) == 0, "%m");
		CHECK(timer_delete(id) == -1 && errno == EINVAL, "twice: %m");
	}
}

static void overruns(void)
{
	int s = SIGRTMIN + 1;
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, s);
	install(s);
	sigprocmask(SIG_BLOCK, &set, &old);
	timer_t id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, s, 0);
	struct itimerspec v = spec(1 * MS, 1 * MS);
	timer_settime(id, 0, &v, NULL);
	usleep(20000);
	CHECK(timer_getoverrun(id) == 0, "nothing has been taken");
	siginfo_t info;
	CHECK(sigwaitinfo(&set, &info) == s, "%m");
	CHECK(info.si_code == SI_TIMER && info.si_overrun >= 18 && timer_getoverrun(id) == info.si_overrun, "%d, %d", info.si_overrun,
	      timer_getoverrun(id));
	v = spec(0, 0);
	timer_settime(id, 0, &v, NULL);
	struct timespec none = {0, 0};
	sigtimedwait(&set, &info, &none);
	CHECK(sigtimedwait(&set, &info, &none) == -1 && errno == EAGAIN, "one waits at most: %m");
	// The smallest interval leaves the machine time.
	v = spec(1, 1);
	timer_settime(id, 0, &v, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	while (count < 100)
		;
	timer_delete(id);
}

static void absolute(void)
{
	install(SIGUSR1);
	for (int i = 0; i < 2; i++) {
		clockid_t clock = i ? CLOCK_REALTIME : CLOCK_MONOTONIC;
		timer_t id = make(clock, SIGEV_SIGNAL, SIGUSR1, 1);
		int64_t at = clock_ns(clock) + 5 * MS;
		struct itimerspec v = {{0, 0}, {at / 1000000000, at % 1000000000}}, old;
		count = 0;
		CHECK(timer_settime(id, TIMER_ABSTIME, &v, NULL) == 0, "%m");
		wait_for(1);
		CHECK(clock_ns(clock) >= at, "early");
		CHECK(timer_settime(id, TIMER_ABSTIME, &v, &old) == 0 && old.it_value.tv_sec == 0 && old.it_value.tv_nsec == 0, "%m"); // gone by
		wait_for(2);
		timer_delete(id);
	}
}

static void *to_itself(void *arg)
{
	(void)arg;
	install(SIGUSR2);
	int me = syscall(SYS_gettid);
	timer_t id = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR2, 3);
	struct itimerspec v = spec(1 * MS, 0);
	timer_settime(id, 0, &v, NULL);
	wait_for(1);
	CHECK(count == 1 && on_thread == me && value == 3, "%d on %d", count, on_thread);
	v = spec(5 * MS, 5 * MS);
	timer_settime(id, 0, &v, NULL); // and ends
	return NULL;
}

static void whom_it_tells(void)
{
	pthread_t t;
	pthread_create(&t, NULL, to_itself, NULL);
	pthread_join(t, NULL);
	usleep(15000);
	CHECK(count == 1, "%d after its end", count);
	timer_t id = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	struct itimerspec v = spec(3 * MS, 0), now;
	timer_settime(id, 0, &v, NULL);
	timer_gettime(id, &now);
	CHECK(now.it_value.tv_nsec <= 3 * MS, "%ld", now.it_value.tv_nsec);
	usleep(5000);
	timer_gettime(id, &now);
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0, "%ld", now.it_value.tv_nsec);
	timer_delete(id);
	// Without a sigevent it is SIGALRM with the timer's number.
	install(SIGALRM);
	int raw = -1;
	CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &raw) == 0 && raw >= 0, "%m");
	v = spec(1, 0);
	CHECK(syscall(SYS_timer_settime, raw, 0, &v, NULL) == 0, "%m");
	wait_for(1);
	CHECK(value == raw, "%d of %d", value, raw);
	syscall(SYS_timer_delete, raw);
	// An ignored signal is lost, and the timer goes on.
	signal(SIGUSR1, SIG_IGN);
	id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	v = spec(1 * MS, 1 * MS);
	timer_settime(id, 0, &v, NULL);
	usleep(5000);
	install(SIGUSR1);
	wait_for(1);
	timer_delete(id);
}

static volatile int calls;
static void called(union sigval v) { __atomic_add_fetch(&calls, v.sival_int, __ATOMIC_SEQ_CST); }

static void library_thread(void)
{
	struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = called, .sigev_value.sival_int = 10};
	timer_t id;
	CHECK(timer_create(CLOCK_MONOTONIC, &e, &id) == 0, "%m");
	struct itimerspec v = spec(1 * MS, 1 * MS);
	timer_settime(id, 0, &v, NULL);
	while (calls < 50)
		usleep(1000);
	timer_delete(id);
}

static void cpu_timers(void)
{
	install(SIGUSR1);
	clockid_t mine;
	pthread_getcpuclockid(pthread_self(), &mine);
	clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, mine};
	for (int i = 0; i < 3; i++) {
		timer_t id = make(clocks[i], SIGEV_SIGNAL, SIGUSR1, 1);
		struct itimerspec v = spec(10 * MS, 10 * MS);
		count = 0;
		timer_settime(id, 0, &v, NULL);
		usleep(30000);
		CHECK(count <= 1, "%d while it slept", count);
		int64_t start = clock_ns(clocks[i]);
		int n = count;
		while (count < n + 3)
			;
		CHECK(clock_ns(clocks[i]) - start >= 20 * MS, "%ld ns", (long)(clock_ns(clocks[i]) - start));
		timer_delete(id);
	}
}

static void *burn(void *arg)
{
	spin((long)arg * MS);
	return NULL;
}

static void *sleeper(void *arg)
{
	int64_t *used = arg, start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	usleep(100000);
	*used = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	return NULL;
}

static void cpu_time(void)
{
	int64_t process = clock_ns(CLOCK_PROCESS_CPUTIME_ID), thread = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	pthread_t t[3];
	int64_t slept;
	pthread_create(&t[0], NULL, burn, (void *)50);
	pthread_create(&t[1], NULL, burn, (void *)30);
	pthread_create(&t[2], NULL, sleeper, &slept);
	clockid_t his;
	CHECK(pthread_getcpuclockid(t[0], &his) == 0, "getcpuclockid");
	CHECK(clock_ns(his) <= clock_ns(CLOCK_PROCESS_CPUTIME_ID), "a part is more than all");
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	process = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - process;
	thread = clock_ns(CLOCK_THREAD_CPUTIME_ID) - thread;
	CHECK(process >= 80 * MS, "the process had %ld ns", (long)process);
	CHECK(thread < process - 80 * MS + 1 * MS, "the thread that waited had %ld of %ld ns", (long)thread, (long)process);
	CHECK(slept < 50 * MS, "the one that slept had %ld ns", (long)slept);
	struct rusage all, mine, none;
	CHECK(getrusage(RUSAGE_SELF, &all) == 0 && getrusage(RUSAGE_THREAD, &mine) == 0 && getrusage(RUSAGE_CHILDREN, &none) == 0, "%m");
	CHECK(none.ru_utime.tv_sec == 0 && none.ru_utime.tv_usec == 0, "children");
	int64_t sum = (all.ru_utime.tv_sec + all.ru_stime.tv_sec) * 1000000000LL + (all.ru_utime.tv_usec + all.ru_stime.tv_usec) * 1000LL;
	CHECK(sum >= 80 * MS && sum <= clock_ns(CLOCK_PROCESS_CPUTIME_ID), "%ld", (long)sum);
	CHECK(all.ru_nvcsw >= mine.ru_nvcsw && mine.ru_nvcsw >= 1, "%ld %ld switches", all.ru_nvcsw, mine.ru_nvcsw);
	CHECK(all.ru_minflt >= mine.ru_minflt && mine.ru_minflt >= 1, "%ld %ld faults", all.ru_minflt, mine.ru_minflt);
	struct tms tms;
	clock_t ticks = times(&tms);
	CHECK(ticks != (clock_t)-1 && tms.tms_utime + tms.tms_stime >= 7 && tms.tms_cutime == 0, "%ld", (long)(tms.tms_utime + tms.tms_stime));
	CHECK(syscall(SYS_times, NULL) >= ticks, "times(NULL)");
	int64_t last = 0;
	for (int i = 0; i < 1000; i++) { // never back
		int64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		CHECK(now >= last, "%ld after %ld", (long)now, (long)last);
		last = now;
		if (i % 10 == 0)
			sched_yield();
	}
}

static void *stop_spinning(void *arg)
{
	usleep(30000);
	*(volatile int *)arg = 1;
	return NULL;
}

static void *cpu_sleeper(void *arg)
{
	struct timespec ts = {0, 20 * MS};
	int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	CHECK(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, NULL) == 0, "clock_nanosleep");
	CHECK(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start >= 20 * MS, "early");
	*(volatile int *)arg = 1;
	return NULL;
}

static void cpu_sleep(void)
{
	volatile int stop = 0;
	pthread_t t;
	pthread_create(&t, NULL, cpu_sleeper, (void *)&stop);
	while (!stop)
		;
	pthread_join(t, NULL);
	struct timespec ts = {0, 1};
	CHECK(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL) != 0, "of the own thread");
	CHECK(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &ts, NULL) == 0, "a time gone by");
	stop = 0;
	pthread_create(&t, NULL, stop_spinning, (void *)&stop);
	while (!stop)
		;
	pthread_join(t, NULL);
}

// Many timers whose signals nobody takes leave the machine its time, and go on when
// somebody does.
static void ignored(void)
{
	static timer_t ids[300];
	signal(SIGUSR2, SIG_IGN);
	for (int i = 0; i < 300; i++) {
		ids[i] = make(i % 2 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR2, 0);
		struct itimerspec v = spec(1, 1);
		timer_settime(ids[i], 0, &v, NULL);
	}
	spin(50 * MS);
	usleep(10000);
	struct itimerspec slower = spec(20 * MS, 20 * MS);
	for (int i = 0; i < 300; i++)
		timer_settime(ids[i], 0, &slower, NULL);
	usleep(30000);
	install(SIGUSR2);
	wait_for(10);
	for (int i = 0; i < 300; i++)
		timer_delete(ids[i]);
}

static void many(void)
{
	static timer_t ids[200];
	install(SIGRTMIN + 2);
	for (int i = 0; i < 200; i++) {
		ids[i] = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 2, i);
		struct itimerspec v = spec(1 * MS + i * 1000, 0);
		timer_settime(ids[i], 0, &v, NULL);
	}
	wait_for(200);
	for (int i = 0; i < 200; i++)
		CHECK(timer_delete(ids[i]) == 0, "%m");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(real_interval);
	RUN(once_and_blocked);
	RUN(alarms);
	RUN(cpu_intervals);
	RUN(periodic);
	RUN(overruns);
	RUN(absolute);
	RUN(whom_it_tells);
	RUN(library_thread);
	RUN(cpu_timers);
	RUN(cpu_time);
	RUN(cpu_sleep);
	RUN(ignored);
	RUN(many);
	return finish();
}
