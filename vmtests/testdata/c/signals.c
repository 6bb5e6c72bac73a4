// signals: delivery, masks, stacks, restarts, and what sigreturn may restore.
#include "check.h"

static volatile sig_atomic_t count;
static volatile siginfo_t last;
static volatile int order[16], norder;
static ucontext_t context;
static sigjmp_buf out;

static void on_count(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	count++;
	memcpy((void *)&last, info, sizeof(last));
	memcpy(&context, uc, sizeof(context));
}

static void on_order(int sig, siginfo_t *info, void *uc)
{
	(void)info, (void)uc;
	order[norder++ & 15] = sig;
}

static void install(int sig, void (*f)(int, siginfo_t *, void *), int flags, uint64_t mask)
{
	struct sigaction sa = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
	for (int s = 1; s <= 64; s++)
		if (mask >> (s - 1) & 1)
			sigaddset(&sa.sa_mask, s);
	sigaction(sig, &sa, NULL);
	count = 0;
	norder = 0;
	memset((void *)&last, 0, sizeof(last));
}

static void codes(void)
{
	install(SIGUSR1, on_count, 0, 0);
	kill(getpid(), SIGUSR1);
	CHECK(count == 1 && last.si_code == SI_USER && last.si_pid == getpid(), "kill: %d signals, code %d, pid %d", count, last.si_code, last.si_pid);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	CHECK(count == 2 && last.si_code == SI_TKILL, "tgkill: %d signals, code %d", count, last.si_code);
	CHECK(last.si_signo == SIGUSR1, "signo %d", last.si_signo);
	CHECK(kill(getpid(), 0) == 0, "signal 0: %m");
	CHECK(kill(getpid(), 65) == -1 && errno == EINVAL, "signal 65");
	CHECK(syscall(SYS_tgkill, getpid(), 99999, 0) == -1 && errno == ESRCH, "no such thread");
}

static void masks(void)
{
	sigset_t set, old, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	install(SIGUSR1, on_count, 0, 0);
	sigprocmask(SIG_BLOCK, &set, &old);
	CHECK(!sigismember(&old, SIGUSR1), "blocked before");
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK(count == 0, "delivered while blocked");
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR1), "not pending");
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(count == 1, "%d delivered, want 1", count);

	// Ignored while pending: it is gone.
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	install(SIGUSR1, on_count, 0, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(count == 0, "a signal survived being ignored");

	sigset_t both;
	sigemptyset(&both);
	sigaddset(&both, SIGKILL);
	sigaddset(&both, SIGSTOP);
	sigprocmask(SIG_SETMASK, &both, NULL);
	sigprocmask(SIG_SETMASK, &old, &both);
	CHECK(!sigismember(&both, SIGKILL) && !sigismember(&both, SIGSTOP), "KILL or STOP blocked");
	struct sigaction sa = {.sa_handler = SIG_IGN};
	CHECK(sigaction(SIGKILL, &sa, NULL) == -1 && errno == EINVAL, "KILL ignored");
}

static void priority(void)
{
	sigset_t set, old;
	sigfillset(&set);
	install(SIGUSR1, on_order, 0, ~0ULL);
	install(SIGUSR2, on_order, 0, ~0ULL);
	install(SIGTERM, on_order, 0, ~0ULL);
	sigprocmask(SIG_SETMASK, &set, &old);
	kill(getpid(), SIGTERM); // 15, to the process
	raise(SIGUSR2);          // 12, to the thread
	raise(SIGUSR1);          // 10
	sigprocmask(SIG_SETMASK, &old, NULL);
	// The first of them interrupts the call's return; it blocks the others.
	CHECK(norder == 3 && order[0] == SIGUSR1 && order[1] == SIGUSR2 && order[2] == SIGTERM,
	      "%d came: %d %d %d", norder, order[0], order[1], order[2]);
}

static volatile int depth, deepest;

static void on_nested(int sig, siginfo_t *info, void *uc)
{
	(void)info, (void)uc;
	if (++depth > deepest)
		deepest = depth;
	if (deepest < 3 && count++ < 3)
		raise(sig);
	depth--;
}

static void nodefer(void)
{
	install(SIGUSR1, on_nested, 0, 0);
	depth = deepest = 0;
	raise(SIGUSR1);
	CHECK(deepest == 1 && count == 4, "blocked by itself: deepest %d, %d", deepest, count);
	install(SIGUSR1, on_nested, SA_NODEFER, 0);
	depth = deepest = 0;
	raise(SIGUSR1);
	CHECK(deepest == 3, "SA_NODEFER: deepest %d", deepest);
}

static void resethand(void)
{
	install(SIGWINCH, on_count, SA_RESETHAND, 0);
	raise(SIGWINCH);
	raise(SIGWINCH); // ignored by default
	struct sigaction sa;
	sigaction(SIGWINCH, NULL, &sa);
	CHECK(count == 1 && sa.sa_handler == SIG_DFL, "%d signals, handler %p", count, sa.sa_handler);
}

static void ignored(void)
{
	int sigs[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		signal(sigs[i], SIG_DFL);
		raise(sigs[i]);
		kill(getpid(), sigs[i]);
	}
}

static char stack[65536] __attribute__((aligned(16)));
static char *volatile handler_sp;

static void on_stack(int sig, siginfo_t *info, void *uc)
{
	char here;
	on_count(sig, info, uc);
	handler_sp = &here;
	stack_t now;
	sigaltstack(NULL, &now);
	order[0] = now.ss_flags;
	stack_t change = {.ss_sp = stack, .ss_size = 8192};
	order[1] = sigaltstack(&change, NULL) == -1 && errno == EPERM;
}

static void altstack(void)
{
	stack_t old, st = {.ss_sp = stack, .ss_size = sizeof(stack)};
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE, "at first: flags %d", old.ss_flags);
	stack_t small = {.ss_sp = stack, .ss_size = 2047};
	CHECK(sigaltstack(&small, NULL) == -1 && errno == ENOMEM, "too small");
	stack_t bad = {.ss_sp = stack, .ss_size = sizeof(stack), .ss_flags = 5};
	CHECK(sigaltstack(&bad, NULL) == -1 && errno == EINVAL, "bad flags");
	CHECK(sigaltstack(&st, NULL) == 0, "%m");
	install(SIGUSR1, on_stack, SA_ONSTACK, 0);
	raise(SIGUSR1);
	CHECK(handler_sp > stack && handler_sp < stack + sizeof(stack), "not on it");
	CHECK(order[0] == SS_ONSTACK && order[1], "in the handler: flags %d, change refused: %d", order[0], order[1]);
	CHECK(context.uc_stack.ss_sp == stack && context.uc_stack.ss_size == sizeof(stack), "the frame's stack");
	install(SIGUSR1, on_stack, 0, 0);
	raise(SIGUSR1);
	CHECK(!(handler_sp > stack && handler_sp < stack + sizeof(stack)), "on it without SA_ONSTACK");
	sigaltstack(NULL, &old);
	CHECK(old.ss_sp == stack && old.ss_flags == 0, "after: %p %d", old.ss_sp, old.ss_flags);
	st.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&st, NULL) == 0, "disable: %m");
}

// A signal in a leaf function must not touch the 128 bytes below RSP.
static void red_zone(void)
{
	uint64_t bad;
	install(SIGUSR1, on_count, 0, 0);
	asm volatile("mov $0x1122334455667788, %%rbx\n"
		     "mov $-16, %%rcx\n"
		     "1: mov %%rbx, (%%rsp,%%rcx,8)\n"
		     "inc %%rcx\n"
		     "jnz 1b\n"
		     "mov %[nr], %%eax\n"
		     "syscall\n"
		     "xor %%edx, %%edx\n"
		     "mov $-16, %%rcx\n"
		     "1: cmp %%rbx, (%%rsp,%%rcx,8)\n"
		     "je 2f\n"
		     "inc %%rdx\n"
		     "2: inc %%rcx\n"
		     "jnz 1b\n"
		     : "=d"(bad)
		     : [nr] "i"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
		     : "rax", "rbx", "rcx", "r11", "memory");
	CHECK(count == 1 && bad == 0, "%d signals, %lu words of the red zone changed", count, bad);
}

static pthread_t main_thread;

static void *interrupter(void *arg)
{
	usleep(20000);
	pthread_kill(main_thread, (int)(intptr_t)arg);
	return NULL;
}

static void interrupts(void)
{
	pthread_t t;
	main_thread = pthread_self();
	install(SIGUSR1, on_count, 0, 0);
	pthread_create(&t, NULL, interrupter, (void *)SIGUSR1);
	struct timespec want = {5, 0}, rest = {0, 0};
	int64_t start = now_ns();
	int r = nanosleep(&want, &rest);
	CHECK(r == -1 && errno == EINTR, "nanosleep: %d %m", r);
	int64_t slept = now_ns() - start, left = rest.tv_sec * 1000000000LL + rest.tv_nsec;
	CHECK(left > 0 && left <= 5000000000LL && slept + left > 4900000000LL, "slept %ld, %ld left", slept, left);
	CHECK(count == 1, "%d signals", count);
	pthread_join(t, NULL);

	// A futex without a time: -EINTR, or again with SA_RESTART.
	int word = 0;
	pthread_create(&t, NULL, interrupter, (void *)SIGUSR1);
	r = syscall(SYS_futex, &word, 128, 0, NULL, NULL, 0);
	CHECK(r == -1 && errno == EINTR, "futex: %d %m", r);
	pthread_join(t, NULL);
}

static int shared_word;

static void *restarter(void *arg)
{
	usleep(20000);
	pthread_kill(main_thread, SIGUSR1);
	usleep(20000);
	__atomic_store_n(&shared_word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &shared_word, 128 | 1, 1, NULL, NULL, 0);
	return arg;
}

static void restart(void)
{
	pthread_t t;
	install(SIGUSR1, on_count, SA_RESTART, 0);
	shared_word = 0;
	pthread_create(&t, NULL, restarter, NULL);
	int r = syscall(SYS_futex, &shared_word, 128, 0, NULL, NULL, 0);
	CHECK(r == 0 && count == 1 && shared_word == 1, "futex: %d %m, %d signals, word %d", r, count, shared_word);
	pthread_join(t, NULL);
}

static void *sender(void *arg)
{
	usleep(20000);
	kill(getpid(), (int)(intptr_t)arg);
	return NULL;
}

static void suspend(void)
{
	sigset_t set, old, now, empty;
	pthread_t t;
	sigemptyset(&set);
	sigemptyset(&empty);
	sigaddset(&set, SIGUSR1);
	install(SIGUSR1, on_count, SA_RESTART, 0);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	pthread_create(&t, NULL, sender, (void *)SIGUSR1); // it blocks the signal too
	int r = sigsuspend(&empty);
	CHECK(r == -1 && errno == EINTR && count == 1, "%d %m, %d signals", r, count);
	sigset_t saved;
	memcpy(&saved, &context.uc_sigmask, 8);
	CHECK(sigismember(&saved, SIGUSR1), "the frame has the temporary mask");
	pthread_sigmask(SIG_SETMASK, &old, &now);
	CHECK(sigismember(&now, SIGUSR1), "the mask was not put back");
	pthread_join(t, NULL);
}

static void timedwait(void)
{
	sigset_t set, old;
	siginfo_t info;
	pthread_t t;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	install(SIGUSR1, on_count, 0, 0);
	signal(SIGCHLD, SIG_DFL);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	struct timespec ts = {0, 10000000};
	int r = sigtimedwait(&set, &info, &ts);
	CHECK(r == -1 && errno == EAGAIN, "nothing sent: %d %m", r);
	raise(SIGUSR1);
	r = sigwaitinfo(&set, &info);
	CHECK(r == SIGUSR1 && info.si_signo == SIGUSR1, "%d %m", r);
	pthread_create(&t, NULL, sender, (void *)SIGUSR1);
	r = sigwaitinfo(&set, &info);
	CHECK(r == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid(), "%d %m, code %d", r, info.si_code);
	pthread_join(t, NULL);
	pthread_create(&t, NULL, sender, (void *)SIGCHLD); // its default is to be ignored
	r = sigwaitinfo(&set, &info);
	CHECK(r == SIGCHLD, "%d %m", r);
	pthread_join(t, NULL);
	CHECK(count == 0, "the handler ran");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

// Process-directed: the thread that does not block it.
static volatile pthread_t ran_on;

static void on_thread(int sig, siginfo_t *info, void *uc)
{
	on_count(sig, info, uc);
	ran_on = pthread_self();
}

static void *idler(void *arg)
{
	sigset_t set;
	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	*(volatile int *)arg = 1;
	for (int i = 0; i < 200 && count == 0; i++)
		usleep(1000);
	return NULL;
}

static void directed(void)
{
	sigset_t set, old;
	pthread_t t;
	volatile int ready = 0;
	install(SIGUSR1, on_thread, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1); // nobody takes it yet
	CHECK(count == 0, "blocked");
	pthread_create(&t, NULL, idler, (void *)&ready);
	pthread_join(t, NULL);
	CHECK(ready && count == 1 && ran_on == t, "%d signals, on the other thread: %d", count, ran_on == t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	CHECK(count == 1, "%d signals", count);
}

// A signal that its thread blocks before it is delivered goes to another.
static volatile pthread_t took;

static void on_other(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)info, (void)uc;
	took = pthread_self();
}

static void on_waiting(int sig, siginfo_t *info, void *uc)
{
	on_count(sig, info, uc);
	for (int i = 0; i < 100 && !took; i++)
		usleep(1000);
}

static void *send_both(void *arg)
{
	usleep(10000);
	kill(getpid(), SIGUSR1); // both for the first thread, which has not run since
	kill(getpid(), SIGUSR2);
	for (int i = 0; i < 200 && !took; i++)
		usleep(1000);
	return arg;
}

static void retarget(void)
{
	pthread_t t;
	took = 0;
	install(SIGUSR2, on_other, 0, 0);
	install(SIGUSR1, on_waiting, 0, 1 << (SIGUSR2 - 1));
	pthread_create(&t, NULL, send_both, NULL);
	usleep(1000000);
	CHECK(count == 1 && took == t, "%d signals, the other thread took the second: %d", count, took == t);
	pthread_join(t, NULL);
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	on_count(sig, info, uc);
	siglongjmp(out, 1);
}

static void faults(void)
{
	install(SIGSEGV, on_fault, 0, 0);
	if (!sigsetjmp(out, 1))
		asm volatile("movl $1, 16" ::: "memory");
	CHECK(count == 1 && last.si_code == SEGV_MAPERR && last.si_addr == (void *)16, "code %d, address %p", last.si_code, last.si_addr);
	CHECK(context.uc_mcontext.gregs[REG_TRAPNO] == 14 && context.uc_mcontext.gregs[REG_ERR] == 6 && context.uc_mcontext.gregs[REG_CR2] == 16,
	      "trap %lld, error %lld, cr2 %lld", context.uc_mcontext.gregs[REG_TRAPNO], context.uc_mcontext.gregs[REG_ERR], context.uc_mcontext.gregs[REG_CR2]);
	char *ro = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sigsetjmp(out, 1))
		*(volatile char *)ro;
	CHECK(last.si_code == SEGV_ACCERR && last.si_addr == ro, "no access: code %d", last.si_code);
	if (!sigsetjmp(out, 1))
		*(volatile int *)0x8000000000000000 = 1; // not canonical
	CHECK(last.si_code == SI_KERNEL && last.si_addr == NULL && context.uc_mcontext.gregs[REG_TRAPNO] == 13, "not canonical: code %d, address %p, trap %lld",
	      last.si_code, last.si_addr, context.uc_mcontext.gregs[REG_TRAPNO]);
	if (!sigsetjmp(out, 1))
		asm volatile("hlt");
	CHECK(last.si_code == SI_KERNEL, "hlt: code %d", last.si_code);
	install(SIGILL, on_fault, 0, 0);
	if (!sigsetjmp(out, 1))
		asm volatile("ud2");
	CHECK(count == 1 && last.si_signo == SIGILL && last.si_code == ILL_ILLOPN && last.si_addr == (void *)context.uc_mcontext.gregs[REG_RIP], "ud2: signal %d, code %d",
	      last.si_signo, last.si_code);
	install(SIGFPE, on_fault, 0, 0);
	if (!sigsetjmp(out, 1))
		asm volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx" ::: "rax", "rcx", "rdx");
	CHECK(count == 1 && last.si_code == FPE_INTDIV, "division: code %d", last.si_code);
	install(SIGTRAP, on_count, 0, 0);
	asm volatile("int3");
	CHECK(count == 1 && last.si_code == SI_KERNEL, "int3: %d signals, code %d", count, last.si_code);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGILL, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
}

static int steps;

static void on_step(int sig, siginfo_t *info, void *uc)
{
	on_count(sig, info, uc);
	steps++;
}

static void single_step(void)
{
	install(SIGTRAP, on_step, 0, 0);
	steps = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n"
		     "nop\n"
		     "nop\n"
		     "pushfq; andq $~0x100, (%%rsp); popfq\n" ::
			     : "memory", "cc");
	CHECK(steps == 5 && last.si_code == TRAP_TRACE, "%d steps, code %d", steps, last.si_code);
}

// Registers come back as the frame has them, all of them.
struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

static void on_regs(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	on_count(sig, info, uc);
	greg_t *g = uc->uc_mcontext.gregs;
	g[REG_RIP] += 2; // over the ud2
	g[REG_RAX] = 1, g[REG_RBX] = 2, g[REG_RCX] = 3, g[REG_RDX] = 4, g[REG_RSI] = 5, g[REG_RDI] = 6;
	g[REG_R8] = 8, g[REG_R9] = 9, g[REG_R10] = 10, g[REG_R11] = 11, g[REG_R12] = 12, g[REG_R13] = 13;
	g[REG_R14] = 14, g[REG_R15] = 15;
	g[REG_EFL] = 0x7cd5; // of these a user may set CF PF AF ZF SF DF OF, not IOPL NT, nor clear IF
	uc->uc_mcontext.fpregs->mxcsr = 0xffbf;
	uc->uc_mcontext.fpregs->_xmm[3].element[0] = 0x33333333;
}

static void registers(void)
{
	struct regs r;
	uint32_t mxcsr, xmm3;
	install(SIGILL, on_regs, 0, 0);
	asm volatile("push %%rbx; push %%rbp\n"
		     "mov %[r], %%rbp\n"
		     "ud2\n"
		     "mov %%rax, 0(%%rbp); mov %%rbx, 8(%%rbp); mov %%rcx, 16(%%rbp); mov %%rdx, 24(%%rbp)\n"
		     "mov %%rsi, 32(%%rbp); mov %%rdi, 40(%%rbp); mov %%r8, 56(%%rbp); mov %%r9, 64(%%rbp)\n"
		     "mov %%r10, 72(%%rbp); mov %%r11, 80(%%rbp); mov %%r12, 88(%%rbp); mov %%r13, 96(%%rbp)\n"
		     "mov %%r14, 104(%%rbp); mov %%r15, 112(%%rbp)\n"
		     "pushfq; pop %%rax; mov %%rax, 120(%%rbp); cld\n"
		     "pop %%rbp; pop %%rbx\n" ::[r] "r"(&r)
		     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm3", "memory", "cc");
	asm volatile("stmxcsr %0; movd %%xmm3, %1" : "=m"(mxcsr), "=r"(xmm3));
	uint32_t reset = 0x1f80;
	asm volatile("ldmxcsr %0" ::"m"(reset));
	CHECK(r.rax == 1 && r.rbx == 2 && r.rcx == 3 && r.rdx == 4 && r.rsi == 5 && r.rdi == 6 && r.r8 == 8 && r.r9 == 9 && r.r10 == 10 &&
		      r.r11 == 11 && r.r12 == 12 && r.r13 == 13 && r.r14 == 14 && r.r15 == 15,
	      "general registers");
	CHECK(r.flags == 0xed7, "flags %#lx", r.flags);
	CHECK(mxcsr == 0xffbf, "MXCSR %#x", mxcsr);
	CHECK(xmm3 == 0x33333333, "XMM3 %#x", xmm3);
}

// The state that FXSAVE holds survives a handler that uses it.
static void on_fpu(int sig, siginfo_t *info, void *uc)
{
	on_count(sig, info, uc);
	asm volatile("pcmpeqd %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm15; fninit; fldpi" ::: "xmm0", "xmm15");
}

static void fpu(void)
{
	uint64_t lo = 0x0123456789abcdef, got0, got15;
	double x = 0;
	install(SIGUSR1, on_fpu, 0, 0);
	asm volatile("movq %[v], %%xmm0; movq %[v], %%xmm15; fld1\n"
		     "syscall\n"
		     "movq %%xmm0, %[a]; movq %%xmm15, %[b]; fstpl %[x]\n"
		     : [a] "=r"(got0), [b] "=r"(got15), [x] "=m"(x)
		     : [v] "r"(lo), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
		     : "rcx", "r11", "memory", "xmm0", "xmm15");
	CHECK(count == 1 && got0 == lo && got15 == lo && x == 1.0, "%d signals, %lx %lx %f", count, got0, got15, x);
}

// What IRETQ refuses is the user's fault, at the place asked for.
static greg_t bad_value;
static int bad_what;
static volatile uint64_t fault_rip, fault_cs;
static volatile int segv;

static void on_bad(int sig, siginfo_t *info, void *uc_)
{
	(void)sig, (void)info;
	ucontext_t *uc = uc_;
	greg_t *g = uc->uc_mcontext.gregs;
	memcpy(&context, uc, sizeof(context));
	if (bad_what == 0)
		g[REG_RIP] = bad_value;
	if (bad_what == 1) // CS
		g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffLL) | bad_value;
	if (bad_what == 2) // SS
		g[REG_CSGSFS] = (g[REG_CSGSFS] & 0xffffffffffffLL) | bad_value << 48;
}

static void on_segv(int sig, siginfo_t *info, void *uc_)
{
	ucontext_t *uc = uc_;
	segv = sig;
	last = *info;
	fault_rip = uc->uc_mcontext.gregs[REG_RIP];
	fault_cs = uc->uc_mcontext.gregs[REG_CSGSFS] & 0xffff;
	memcpy(&uc->uc_mcontext, &context.uc_mcontext, sizeof(uc->uc_mcontext)); // back to where all was well
	uc->uc_mcontext.fpregs = context.uc_mcontext.fpregs;
}

static void bad_return(void)
{
	static char sstack[65536] __attribute__((aligned(16)));
	stack_t st = {.ss_sp = sstack, .ss_size = sizeof(sstack)};
	sigaltstack(&st, NULL);
	install(SIGUSR1, on_bad, 0, 0);
	install(SIGSEGV, on_segv, SA_ONSTACK, 0);
	install(SIGBUS, on_segv, SA_ONSTACK, 0);
	for (int bit = 47; bit < 64; bit++) {
		bad_what = 0;
		bad_value = 1LL << bit;
		segv = 0;
		raise(SIGUSR1);
		CHECK(segv == SIGSEGV && fault_rip == (uint64_t)bad_value, "RIP %#llx: signal %d at %#lx", bad_value, segv, fault_rip);
	}
	int cs[] = {0x10, 0x18, 0x2b, 0x43, 0xfff3, 0};
	for (unsigned i = 0; i < sizeof(cs) / sizeof(cs[0]); i++) {
		bad_what = 1;
		bad_value = cs[i];
		segv = 0;
		raise(SIGUSR1);
		CHECK(segv != 0, "CS %#x: no signal", cs[i]);
	}
	int ss[] = {0x10, 0x18, 0x33, 0x43, 0xfff3};
	for (unsigned i = 0; i < sizeof(ss) / sizeof(ss[0]); i++) {
		bad_what = 2;
		bad_value = ss[i];
		segv = 0;
		raise(SIGUSR1);
		CHECK(segv != 0, "SS %#x: no signal", ss[i]);
	}
	st.ss_flags = SS_DISABLE;
	sigaltstack(&st, NULL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
}

// SYSCALL from a 32-bit segment: there are no such calls, and on AMD it arrives
// at an entry of its own, with the user's stack and GS. On Intel it faults,
// with the upper half of RSP undefined (SDM volume 1, 3.4.1.1): the signal needs a
// stack of its own.
static void compat_syscall(void)
{
	stack_t st = {.ss_sp = stack, .ss_size = sizeof(stack)};
	sigaltstack(&st, NULL);
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(code != MAP_FAILED, "mmap: %m");
	struct {
		uint32_t off;
		uint16_t sel;
	} __attribute__((packed)) far = {(uint32_t)(uintptr_t)code, 0x23}, back = {far.off + 14, 0x33};
	memcpy(code, "\xb8\x27\0\0\0" // mov $39, %eax
		     "\x0f\x05"          // syscall
		     "\xea",             // ljmp back
	       8);
	memcpy(code + 8, &back, 6);
	memcpy(code + 14, "\x4c\x89\xc4\xc3", 4); // mov %r8, %rsp; ret
	install(SIGSEGV, on_fault, SA_ONSTACK, 0);
	install(SIGILL, on_fault, SA_ONSTACK, 0);
	int64_t r = 0;
	if (!sigsetjmp(out, 1))
		asm volatile("lea -256(%%rsp), %%rsp\n"
			     "lea 1f(%%rip), %%rcx\n"
			     "push %%rcx\n"
			     "mov %%rsp, %%r8\n"
			     "ljmp *(%[far])\n"
			     "1: lea 256(%%rsp), %%rsp\n"
			     : "=a"(r)
			     : [far] "r"(&far)
			     : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	CHECK(count == 1 || (int)r == -ENOSYS, "%d signals, returned %ld", count, r);
	st.ss_flags = SS_DISABLE;
	sigaltstack(&st, NULL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGILL, SIG_DFL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(codes);
	RUN(masks);
	RUN(priority);
	RUN(nodefer);
	RUN(resethand);
	RUN(ignored);
	RUN(altstack);
	RUN(red_zone);
	RUN(interrupts);
	RUN(restart);
	RUN(suspend);
	RUN(timedwait);
	RUN(directed);
	RUN(retarget);
	RUN(faults);
	RUN(single_step);
	RUN(registers);
	RUN(fpu);
	RUN(bad_return);
	RUN(compat_syscall);
	return finish();
}
