// fpu: x87 and SSE state belongs to its thread, through switches, preemption
// and signals.
#include "check.h"
#include <fenv.h>
#include <math.h>

enum { workers = 6 };

// pattern loads registers with what only this thread has, spins or yields, and
// compares. It returns the number of differences.
static int pattern(uint64_t value, int yields, long spins)
{
	uint64_t in[16], out[16];
	long double x87_in = (long double)value / 3, x87_out;
	for (int i = 0; i < 16; i++)
		in[i] = value * 0x0101010101010101 + i;
	asm volatile("movq 0(%[in]), %%xmm0; movq 8(%[in]), %%xmm1; movq 16(%[in]), %%xmm2; movq 24(%[in]), %%xmm3\n"
		     "movq 56(%[in]), %%xmm7; movq 64(%[in]), %%xmm8; movq 112(%[in]), %%xmm14; movq 120(%[in]), %%xmm15\n"
		     "fldt %[x]\n"
		     "1: test %[yields], %[yields]; jz 2f\n"
		     "mov $24, %%eax; syscall; dec %[yields]; jmp 1b\n" // sched_yield
		     "2: dec %[spins]; jns 2b\n"
		     "fstpt %[y]\n"
		     "movq %%xmm0, 0(%[out]); movq %%xmm1, 8(%[out]); movq %%xmm2, 16(%[out]); movq %%xmm3, 24(%[out])\n"
		     "movq %%xmm7, 56(%[out]); movq %%xmm8, 64(%[out]); movq %%xmm14, 112(%[out]); movq %%xmm15, 120(%[out])\n"
		     : [y] "=m"(x87_out), [yields] "+r"(yields), [spins] "+r"(spins)
		     : [in] "r"(in), [out] "r"(out), [x] "m"(x87_in)
		     : "rax", "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm7", "xmm8", "xmm14", "xmm15");
	int differ = x87_in != x87_out;
	int used[] = {0, 1, 2, 3, 7, 8, 14, 15};
	for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		differ += in[used[i]] != out[used[i]];
	return differ;
}

static int yields, differences[workers];
static long spins;

static void *keep(void *arg)
{
	long self = (long)arg;
	for (int i = 0; i < 20; i++)
		differences[self] += pattern(self + 1 + i * 10, yields, spins);
	return NULL;
}

static void all_keep(int with_yields, long with_spins)
{
	pthread_t t[workers];
	yields = with_yields;
	spins = with_spins;
	memset(differences, 0, sizeof(differences));
	for (long i = 0; i < workers; i++)
		pthread_create(&t[i], NULL, keep, (void *)i);
	for (int i = 0; i < workers; i++) {
		pthread_join(t[i], NULL);
		CHECK(differences[i] == 0, "thread %d: %d registers changed", i, differences[i]);
	}
}

static void switches(void) { all_keep(50, 0); }
static void preemption(void) { all_keep(0, 1000000); }

// A handler starts with a fresh x87 and ends with the state of before.
static volatile int handled;
static volatile int fresh_control;

static void on_signal(int sig)
{
	(void)sig;
	uint16_t control;
	asm volatile("fnstcw %0" : "=m"(control));
	fresh_control = control;
	handled++;
	asm volatile("fninit; fldpi; fldpi; pxor %%xmm0, %%xmm0; pxor %%xmm15, %%xmm15" ::: "xmm0", "xmm15");
	fesetround(FE_UPWARD);
}

static void signals(void)
{
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	signal(SIGALRM, on_signal);
	handled = 0;
	fesetround(FE_DOWNWARD);
	if (setitimer(ITIMER_REAL, &often, NULL) == 0) {
		for (int i = 0; i < 50 || (handled < 5 && i < 100000); i++) {
			int n = pattern(i + 1, 0, 100000);
			CHECK(n == 0, "%d registers changed by a signal", n);
		}
		setitimer(ITIMER_REAL, &never, NULL);
	} else {
		CHECK(errno == ENOSYS, "setitimer: %m");
	}
	raise(SIGALRM);
	CHECK(handled > 0, "no signal came");
	CHECK(fegetround() == FE_DOWNWARD, "rounding mode %#x after the handler", fegetround());
	CHECK((fresh_control & 0xc00) == 0 || (fresh_control & 0xc00) == 0x400, "control word %#x in the handler", fresh_control);
	fesetround(FE_TONEAREST);
	signal(SIGALRM, SIG_DFL);
}

// Each thread has a control word and MXCSR of its own; a new one inherits them.
static pthread_barrier_t gate;

static void *own_mode(void *arg)
{
	int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
	int mode = modes[(long)arg % 4];
	int inherited = fegetround();
	fesetround(mode);
	for (int i = 0; i < 50; i++) {
		pthread_barrier_wait(&gate);
		volatile double one = 1, ten = 10;
		volatile double tenth = one / ten;
		volatile long double wide = 1.0L;
		wide /= 10.0L;
		CHECK(fegetround() == mode, "thread %ld has rounding mode %#x, not %#x", (long)arg, fegetround(), mode);
		int down = mode == FE_DOWNWARD || mode == FE_TOWARDZERO;
		CHECK((tenth < 0.1) == down, "thread %ld: SSE rounds the other way", (long)arg);
		CHECK((wide < 0.1L) == (down || mode == FE_TOWARDZERO), "thread %ld: x87 rounds the other way", (long)arg);
	}
	return (void *)(long)inherited;
}

static void modes(void)
{
	pthread_t t[workers];
	pthread_barrier_init(&gate, NULL, workers);
	fesetround(FE_UPWARD);
	for (long i = 0; i < workers; i++)
		pthread_create(&t[i], NULL, own_mode, (void *)i);
	for (int i = 0; i < workers; i++) {
		void *inherited;
		pthread_join(t[i], &inherited);
		CHECK((long)inherited == FE_UPWARD, "thread %d began with rounding mode %#lx", i, (long)inherited);
	}
	CHECK(fegetround() == FE_UPWARD, "rounding mode %#x after the threads", fegetround());
	fesetround(FE_TONEAREST);
	pthread_barrier_destroy(&gate);
}

// An unmasked exception is the thread's own SIGFPE. That of SSE is left out:
// QEMU's emulator raises none.
static sigjmp_buf out;
static volatile int code, status;

static void on_fpe(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	code = info->si_code;
	status = ((ucontext_t *)uc)->uc_mcontext.fpregs->swd;
	siglongjmp(out, 1);
}

static void exceptions(void)
{
	struct sigaction sa = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO};
	sigaction(SIGFPE, &sa, NULL);
	volatile long double one = 1, zero = 0, x;
	x = one / zero;
	CHECK(isinf(x), "1/0 is %Lf", x);
	feclearexcept(FE_ALL_EXCEPT);
	feenableexcept(FE_DIVBYZERO | FE_INVALID);
	code = 0;
	if (!sigsetjmp(out, 1)) {
		x = one / zero;
		asm volatile("fwait");
	}
	CHECK(code == FPE_FLTDIV, "code %d, status word %#x", code, status);
	feclearexcept(FE_ALL_EXCEPT);
	fedisableexcept(FE_ALL_EXCEPT);
	signal(SIGFPE, SIG_DFL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	RUN(switches);
	RUN(preemption);
	RUN(signals);
	RUN(modes);
	RUN(exceptions);
	return finish();
}
