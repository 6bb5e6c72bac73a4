// sig: signals that are queued, directed, waited for and sent by timers; faults and
// what their handlers are told; contexts.
#include "../c/check.h"
#include <ucontext.h>

static volatile sig_atomic_t cnt;
static volatile siginfo_t last;

// h counts the signals, and keeps what the last one told.
static void h(int s, siginfo_t *i, void *u)
{
	last = *i;
	cnt++;
}

// inst makes h the handler and starts the count anew.
static void inst(int s, int fl)
{
	struct sigaction a = {0};
	a.sa_sigaction = h;
	a.sa_flags = SA_SIGINFO | fl;
	sigaction(s, &a, 0);
	cnt = 0;
}

static void t_sigqueue(void)
{
	inst(SIGUSR1, 0);
	union sigval v = {.sival_int = 42};
	int r = sigqueue(getpid(), SIGUSR1, v);
	CHECK(r == 0, "it returns %d", r);
	CHECK(cnt == 1, "%d deliveries", (int)cnt);
	CHECK(last.si_value.sival_int == 42, "value %d", last.si_value.sival_int);
	CHECK(last.si_code == SI_QUEUE, "code %d", last.si_code);
}

static void t_rtqueue_kill(void)
{
	int s = SIGRTMIN + 1;
	inst(s, 0);
	sigset_t m, o;
	sigemptyset(&m);
	sigaddset(&m, s);
	sigprocmask(SIG_BLOCK, &m, &o);
	for (int i = 0; i < 5; i++)
		CHECK(kill(getpid(), s) == 0, "kill");
	sigprocmask(SIG_SETMASK, &o, 0);
	CHECK(cnt == 5, "RT signal sent 5 times while blocked came %d times", (int)cnt);
}

static void t_rtqueue_tgkill(void)
{
	int s = SIGRTMIN + 2;
	inst(s, 0);
	sigset_t m, o;
	sigemptyset(&m);
	sigaddset(&m, s);
	pthread_sigmask(SIG_BLOCK, &m, &o);
	for (int i = 0; i < 5; i++)
		CHECK(pthread_kill(pthread_self(), s) == 0, "kill");
	pthread_sigmask(SIG_SETMASK, &o, 0);
	CHECK(cnt == 5, "RT signal sent 5 times by tgkill while blocked came %d times", (int)cnt);
}

static void t_setitimer(void)
{
	inst(SIGALRM, 0);
	struct itimerval v = {{0, 10000}, {0, 10000}};
	int r = setitimer(ITIMER_REAL, &v, 0);
	CHECK(r == 0, "setitimer");
	double t = now();
	while (cnt < 5 && now() - t < 3)
		pause();
	CHECK(cnt >= 5, "%d deliveries", (int)cnt);
	memset(&v, 0, sizeof v);
	setitimer(ITIMER_REAL, &v, 0);
}

static void t_alarm(void)
{
	inst(SIGALRM, 0);
	CHECK(alarm(1) == 0, "alarm");
	double t = now();
	while (!cnt && now() - t < 3) {
		struct timespec ts = {0, 50000000};
		nanosleep(&ts, 0);
	}
	CHECK(cnt == 1, "%d deliveries", (int)cnt);
}

static void t_timer_create(void)
{
	inst(SIGRTMIN, 0);
	timer_t id;
	struct sigevent e = {0};
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = SIGRTMIN;
	e.sigev_value.sival_int = 7;
	int r = timer_create(CLOCK_MONOTONIC, &e, &id);
	CHECK(r == 0, "timer_create");
	struct itimerspec v = {{0, 10000000}, {0, 10000000}};
	timer_settime(id, 0, &v, 0);
	double t = now();
	while (cnt < 5 && now() - t < 3)
		pause();
	CHECK(cnt >= 5, "%d deliveries", (int)cnt);
	timer_delete(id);
}

static void t_itimer_prof(void)
{
	inst(SIGPROF, 0);
	struct itimerval v = {{0, 1000}, {0, 1000}};
	int r = setitimer(ITIMER_PROF, &v, 0);
	CHECK(r == 0, "setitimer PROF");
	double t = now();
	while (cnt < 5 && now() - t < 3)
		;
	CHECK(cnt >= 5, "%d deliveries", (int)cnt);
	memset(&v, 0, sizeof v);
	setitimer(ITIMER_PROF, &v, 0);
}

static sigjmp_buf jb;
static char alt[65536];
static volatile char *onalt;
static void segv(int s, siginfo_t *i, void *u)
{
	char c;
	onalt = &c;
	last = *i;
	siglongjmp(jb, 1);
}

// deep overflows the stack.
static int deep(int n)
{
	volatile char b[4096];
	b[0] = n;
	b[4095] = 1;
	return n < INT32_MAX ? deep(n + 1) + b[0] : 0;
}

static void t_stackoverflow(void)
{
	stack_t st = {.ss_sp = alt, .ss_size = sizeof alt};
	CHECK(sigaltstack(&st, 0) == 0, "sas");
	struct sigaction a = {0};
	a.sa_sigaction = segv;
	a.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &a, 0);
	for (int i = 0; i < 3; i++) { // 8 MiB of stack each
		onalt = 0;
		if (!sigsetjmp(jb, 1))
			deep(0);
		CHECK((char *)onalt >= alt && (char *)onalt < alt + sizeof alt, "on alt stack");
		stack_t q;
		sigaltstack(0, &q);
		CHECK(!(q.ss_flags & SS_ONSTACK), "flags %d", q.ss_flags);
	}
}

static void t_segvloop(void)
{
	struct sigaction a = {0};
	a.sa_sigaction = segv;
	a.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &a, 0);
	for (int i = 0; i < 20000; i++) {
		if (!sigsetjmp(jb, 1)) {
			*(volatile int *)(uintptr_t)(16 + i) = 1;
			CHECK(0, "no fault");
		}
	}
	CHECK(last.si_addr == (void *)(uintptr_t)(16 + 19999), "addr");
	CHECK(last.si_code == SEGV_MAPERR, "code %d", last.si_code);
	void *volatile p = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (!sigsetjmp(jb, 1))
		*(volatile char *)p = 1;
	CHECK(last.si_code == SEGV_ACCERR, "code %d", last.si_code);
	if (!sigsetjmp(jb, 1))
		*(volatile char *)0xffff888000000000ull = 1;
	CHECK(last.si_code == SEGV_MAPERR && last.si_addr == (void *)0xffff888000000000ull,
	      "kernel addr code %d addr %p", last.si_code, last.si_addr);
	last.si_addr = (void *)1;
	if (!sigsetjmp(jb, 1))
		*(volatile char *)0x8888000000000000ull = 1;
	CHECK(last.si_code == SI_KERNEL && last.si_addr == 0, "noncanonical code %d %p", last.si_code, last.si_addr);
}

static void t_faults(void)
{
	struct sigaction a = {0};
	a.sa_sigaction = segv;
	a.sa_flags = SA_SIGINFO;
	sigaction(SIGFPE, &a, 0);
	sigaction(SIGILL, &a, 0);
	sigaction(SIGBUS, &a, 0);
	sigaction(SIGTRAP, &a, 0);
	volatile int z = 0;
	volatile int one = 1;
	if (!sigsetjmp(jb, 1))
		one = one / z;
	CHECK(last.si_signo == SIGFPE && last.si_code == FPE_INTDIV, "fpe %d %d", last.si_signo, last.si_code);
	if (!sigsetjmp(jb, 1))
		asm volatile("ud2");
	CHECK(last.si_signo == SIGILL && last.si_code == ILL_ILLOPN, "ill %d %d", last.si_signo, last.si_code);
	if (!sigsetjmp(jb, 1))
		asm volatile("int3");
	CHECK(last.si_signo == SIGTRAP && last.si_code == SI_KERNEL, "trap %d %d", last.si_signo, last.si_code);
	if (!sigsetjmp(jb, 1))
		asm volatile("hlt");
	CHECK(last.si_signo == SIGSEGV && last.si_code == SI_KERNEL, "hlt %d %d", last.si_signo, last.si_code);
	// SSE's exceptions are left out: QEMU does not emulate them.
}

static void t_sigwait(void)
{
	sigset_t m, o;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigaddset(&m, SIGUSR2);
	sigprocmask(SIG_BLOCK, &m, &o);
	kill(getpid(), SIGUSR2);
	int s;
	CHECK(sigwait(&m, &s) == 0 && s == SIGUSR2, "s=%d", s);
	raise(SIGUSR1);
	siginfo_t i;
	CHECK(sigwaitinfo(&m, &i) == SIGUSR1, "info");
	CHECK((i.si_code == SI_TKILL || i.si_code == SI_USER) && i.si_pid == getpid(), "code %d pid %d", i.si_code,
	      i.si_pid);
	struct timespec ts = {0, 20000000};
	double t = now();
	CHECK(sigtimedwait(&m, 0, &ts) == -1 && errno == EAGAIN, "to");
	CHECK(now() - t >= 0.019, "waited %f", now() - t);
	sigprocmask(SIG_SETMASK, &o, 0);
}

static void t_flags(void)
{
	inst(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	struct sigaction a;
	sigaction(SIGUSR1, 0, &a);
	CHECK(a.sa_handler == SIG_DFL, "reset");
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	CHECK(cnt == 1, "cnt");
	raise(SIGCHLD);
	raise(SIGWINCH);
	raise(SIGURG);
	sigset_t p;
	sigpending(&p);
	CHECK(!sigismember(&p, SIGUSR1), "pend");
}

static void *killer(void *v)
{
	struct timespec ts = {0, 30000000};
	nanosleep(&ts, 0);
	pthread_kill(*(pthread_t *)v, SIGUSR1);
	nanosleep(&ts, 0);
	return 0;
}

static void t_eintr(void)
{
	pthread_t me = pthread_self(), k;
	inst(SIGUSR1, 0);
	struct timespec ts = {5, 0}, rem = {0};
	pthread_create(&k, 0, killer, &me);
	int r = nanosleep(&ts, &rem);
	CHECK(r == -1 && errno == EINTR, "r %d", r);
	CHECK(rem.tv_sec == 4, "rem %ld.%09ld", rem.tv_sec, rem.tv_nsec);
	pthread_join(k, 0);
	int p[2];
	CHECK(pipe(p) == 0, "pipe");
	char c;
	inst(SIGUSR1, 0);
	pthread_create(&k, 0, killer, &me);
	r = read(p[0], &c, 1);
	CHECK(r == -1 && errno == EINTR, "read no restart r=%d", r);
	pthread_join(k, 0);
	inst(SIGUSR1, 0);
	pthread_create(&k, 0, killer, &me);
	r = pause();
	CHECK(r == -1 && errno == EINTR, "pause");
	pthread_join(k, 0);
}

static int pp[2];
static void *kw(void *v)
{
	killer(v);
	write(pp[1], "x", 1);
	return 0;
}

static void t_restart(void)
{
	pthread_t me = pthread_self(), k;
	CHECK(pipe(pp) == 0, "pipe");
	inst(SIGUSR1, SA_RESTART);
	pthread_create(&k, 0, kw, &me);
	char c = 0;
	int r = read(pp[0], &c, 1);
	CHECK(r == 1 && c == 'x', "read restart r=%d", r);
	CHECK(cnt == 1, "cnt");
	pthread_join(k, 0);
}

static void fixrip(int s, siginfo_t *i, void *u)
{
	ucontext_t *c = u;
	c->uc_mcontext.gregs[REG_RIP] += 2;
	c->uc_mcontext.gregs[REG_RBX] = 0x1234;
}

static void t_ucontext(void)
{
	struct sigaction a = {0};
	a.sa_sigaction = fixrip;
	a.sa_flags = SA_SIGINFO;
	sigaction(SIGILL, &a, 0);
	unsigned long b = 0;
	for (int i = 0; i < 1000; i++) {
		asm volatile("xor %%ebx,%%ebx; ud2; mov %%rbx,%0" : "=r"(b)::"rbx");
		CHECK(b == 0x1234, "b=%lx", b);
	}
}

static ucontext_t u1, u2;
static int co;
static void cf(void)
{
	for (int i = 0; i < 1000; i++) {
		co++;
		swapcontext(&u2, &u1);
	}
}

static void t_makecontext(void)
{
	static char st[65536];
	getcontext(&u2);
	u2.uc_stack.ss_sp = st;
	u2.uc_stack.ss_size = sizeof st;
	u2.uc_link = &u1;
	makecontext(&u2, cf, 0);
	for (int i = 0; i < 1000; i++)
		swapcontext(&u1, &u2);
	CHECK(co == 1000, "co %d", co);
}

static volatile int depth, maxd;
static void nested(int s)
{
	depth++;
	if (depth > maxd)
		maxd = depth;
	if (depth < 50)
		raise(s);
	depth--;
}

static void t_nest(void)
{
	struct sigaction a = {0};
	a.sa_handler = nested;
	a.sa_flags = SA_NODEFER;
	sigaction(SIGUSR2, &a, 0);
	raise(SIGUSR2);
	CHECK(maxd == 50, "nested %d", maxd);
}

static volatile int thr_hits;
static __thread volatile int mine;
static void th(int s)
{
	mine++;
	__sync_fetch_and_add(&thr_hits, 1);
}

static volatile int stop;
static void *spin(void *v)
{
	while (!stop)
		;
	return (void *)(long)mine;
}

static void t_thrkill(void)
{
	signal(SIGUSR1, th);
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], 0, spin, 0);
	for (int i = 0; i < 80; i++) {
		pthread_kill(t[i % 8], SIGUSR1);
		if (i % 8 == 7)
			sched_yield();
	}
	struct timespec ts = {0, 100000000};
	nanosleep(&ts, 0);
	stop = 1;
	long sum = 0;
	for (int i = 0; i < 8; i++) {
		void *r;
		pthread_join(t[i], &r);
		CHECK((long)r > 0, "thread %d got none", i);
		sum += (long)r;
	}
	CHECK(sum == thr_hits, "sum");
}

static void t_siginfo_kill(void)
{
	inst(SIGUSR1, 0);
	kill(getpid(), SIGUSR1);
	CHECK(last.si_code == SI_USER && last.si_pid == getpid() && last.si_uid == getuid(), "code %d pid %d",
	      last.si_code, last.si_pid);
	CHECK(kill(getpid(), 0) == 0, "kill 0");
	CHECK(kill(getpid(), 65) == -1 && errno == EINVAL, "65");
	CHECK(kill(99999, 0) == -1 && errno == ESRCH, "esrch");
	CHECK(kill(0, 0) == 0, "kill(0,0)");
	CHECK(killpg(0, 0) == 0, "killpg");
	CHECK(syscall(SYS_tgkill, getpid(), 99999, 0) == -1 && errno == ESRCH, "tgkill");
}

static void t_sigsuspend(void)
{
	inst(SIGUSR1, 0);
	sigset_t m, o;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigprocmask(SIG_BLOCK, &m, &o);
	raise(SIGUSR1);
	CHECK(cnt == 0, "blk");
	sigset_t p;
	sigpending(&p);
	CHECK(sigismember(&p, SIGUSR1), "pending");
	sigdelset(&o, SIGUSR1);
	CHECK(sigsuspend(&o) == -1 && errno == EINTR, "ss");
	CHECK(cnt == 1, "c");
	sigset_t q;
	sigprocmask(SIG_BLOCK, 0, &q);
	CHECK(sigismember(&q, SIGUSR1), "mask restored");
	sigprocmask(SIG_UNBLOCK, &m, 0);
}

static void t_fpu(void)
{
	inst(SIGUSR1, 0);
	for (int i = 0; i < 1000; i++) {
		long x = i * 0x123456789, r;
		asm volatile("movq %0,%%xmm7" ::"r"(x));
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
		asm volatile("movq %%xmm7,%0" : "=r"(r));
		CHECK(r == x, "XMM7 is %lx, want %lx", r, x);
	}
	CHECK(cnt == 1000, "cnt");
}

int main(void)
{
	RUN(t_siginfo_kill);
	RUN(t_sigsuspend);
	RUN(t_fpu);
	RUN(t_segvloop);
	RUN(t_stackoverflow);
	RUN(t_faults);
	RUN(t_sigwait);
	RUN(t_flags);
	RUN(t_eintr);
	RUN(t_restart);
	RUN(t_ucontext);
	RUN(t_makecontext);
	RUN(t_nest);
	RUN(t_thrkill);
	RUN(t_rtqueue_kill);
	RUN(t_rtqueue_tgkill);
	RUN(t_sigqueue);
	RUN(t_setitimer);
	RUN(t_alarm);
	RUN(t_timer_create);
	RUN(t_itimer_prof);
	return finish();
}
