// ptrace of system calls: stops where a call begins and ends, what a tracer may change there,
// and tracers that are not the parent. It passes on Linux too.
#include "check.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#define REG(r) ((void *)offsetof(struct user, regs.r))
#define CALL (SIGTRAP | 0x80) // a stop at a call, with PTRACE_O_TRACESYSGOOD
#define ERESTARTSYS 512

static int event(pid_t pid) { // the signal of a stop, or minus the status of an end
	int status = 0;
	if (waitpid(pid, &status, __WALL) != pid)
		return -1;
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -status;
}

static long call(enum __ptrace_request r, pid_t pid, void *addr, long data) {
	errno = 0;
	return ptrace(r, pid, addr, data);
}

static long peek(pid_t pid, void *reg) { return call(PTRACE_PEEKUSER, pid, reg, 0); }
static int poke(pid_t pid, void *reg, long v) { return call(PTRACE_POKEUSER, pid, reg, v); }

// next lets the child go on to its next stop.
static int next(pid_t pid, int sig) {
	if (call(PTRACE_SYSCALL, pid, 0, sig))
		return -1000 - errno;
	return event(pid);
}

static long raw(long nr, long a, long b, long c) {
	long rax;
	asm volatile("syscall" : "=a"(rax) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return rax;
}

// traced makes a child that stops itself and then runs body; its tracer has been told.
static pid_t traced(void (*body)(void)) {
	pid_t pid = fork();
	if (!pid) {
		raw(SYS_ptrace, PTRACE_TRACEME, 0, 0);
		raw(SYS_kill, raw(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
		body();
		raw(SYS_exit_group, 77, 0, 0);
	}
	int sig = event(pid);
	CHECK(sig == SIGUSR1, "the child stops itself: %d", sig);
	CHECK(call(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0, "SETOPTIONS: errno %d", errno);
	return pid;
}

// enters expects the beginning of a call, leaves its end with a result.
static void enters(pid_t pid, int sig, long nr) {
	int got = next(pid, sig);
	CHECK(got == CALL, "stop where a call begins: %d", got);
	CHECK(peek(pid, REG(orig_rax)) == nr, "its number: %ld", peek(pid, REG(orig_rax)));
	CHECK(peek(pid, REG(rax)) == -ENOSYS, "rax: %ld", peek(pid, REG(rax)));
}

static void leaves(pid_t pid, long result) {
	int got = next(pid, 0);
	CHECK(got == CALL, "stop where a call ends: %d", got);
	CHECK(peek(pid, REG(rax)) == result, "its result: %ld, want %ld", peek(pid, REG(rax)), result);
}

static void exits(pid_t pid, int status) {
	CHECK(call(PTRACE_CONT, pid, 0, 0) == 0, "CONT: errno %d", errno);
	int got = event(pid);
	CHECK(got == -(status << 8), "it exits with %d: %d", status, got);
}

// The registers of a call, with RSP in RBX and marks where C keeps nothing.
static void marked(void) {
	asm volatile("mov %%rsp, %%rbx\n\t"
		     "mov $0x1515, %%r15\n\t"
		     "mov $0x1212, %%r12\n\t"
		     "mov $3, %%edi\n\t"
		     "mov $4, %%esi\n\t"
		     "mov $5, %%edx\n\t"
		     "mov $6, %%r10d\n\t"
		     "mov $7, %%r8d\n\t"
		     "mov $8, %%r9d\n\t"
		     "mov %0, %%eax\n\t"
		     "syscall\n\t"
		     "mov %%rax, %%rdi\n\t"
		     "cmp $0x1516, %%r15\n\t"
		     "je 1f\n\t"
		     "mov $99, %%edi\n\t"
		     "1: cmp %%rsp, %%rbx\n\t"
		     "je 2f\n\t"
		     "mov $98, %%edi\n\t"
		     "2: mov $231, %%eax\n\t"
		     "syscall" ::"i"(SYS_getppid)
		     : "rax", "rbx", "rcx", "rdi", "rsi", "rdx", "r8", "r9", "r10", "r11", "r12", "r15");
}

static void registers(void) {
	struct user_regs_struct r, s;
	pid_t pid = traced(marked);
	enters(pid, 0, SYS_getppid);
	CHECK(call(PTRACE_GETREGS, pid, 0, (long)&r) == 0, "GETREGS: errno %d", errno);
	CHECK(r.rsp == r.rbx, "rsp where a call begins: %llx, want %llx", r.rsp, r.rbx);
	CHECK(r.r15 == 0x1515 && r.r12 == 0x1212, "r15, r12: %llx, %llx", r.r15, r.r12);
	CHECK(r.rdi == 3 && r.rsi == 4 && r.rdx == 5 && r.r10 == 6 && r.r8 == 7 && r.r9 == 8, "arguments: errno %d", errno);
	CHECK(r.cs == 0x33 && r.ss == 0x2b, "cs, ss: %llx, %llx", r.cs, r.ss);
	CHECK((r.eflags & 0x202) == 0x202 && !(r.eflags & 0x100), "eflags: %llx", r.eflags);
	CHECK(poke(pid, REG(r15), 0x1516) == 0, "POKEUSER of r15: errno %d", errno);
	leaves(pid, getpid());
	CHECK(call(PTRACE_GETREGS, pid, 0, (long)&s) == 0, "GETREGS: errno %d", errno);
	CHECK(s.rip == r.rip && s.rsp == r.rsp && s.r15 == 0x1516 && s.orig_rax == SYS_getppid, "registers where it ends: rip %llx, rsp %llx, r15 %llx", s.rip, s.rsp, s.r15);
	CHECK(poke(pid, REG(rax), 23) == 0, "POKEUSER of rax: errno %d", errno);
	enters(pid, 0, SYS_exit_group);
	CHECK(peek(pid, REG(rdi)) == 23, "the child has the result that its tracer gave it: %ld", peek(pid, REG(rdi)));
	CHECK(poke(pid, REG(rdi), 24) == 0, "POKEUSER of an argument: errno %d", errno);
	exits(pid, 24);
}

static void pids(void) { raw(SYS_exit_group, raw(SYS_getppid, 0, 0, 0) & 0xff, 0, 0); }

// The number: another call, one beyond the table, and none at all.
static void number(void) {
	pid_t pid = traced(pids);
	enters(pid, 0, SYS_getppid);
	CHECK(poke(pid, REG(orig_rax), SYS_getpid) == 0, "POKEUSER of orig_rax: errno %d", errno);
	leaves(pid, pid);
	enters(pid, 0, SYS_exit_group);
	exits(pid, pid & 0xff);

	pid = traced(pids);
	enters(pid, 0, SYS_getppid);
	CHECK(poke(pid, REG(orig_rax), 0x12345) == 0, "POKEUSER of orig_rax: errno %d", errno);
	leaves(pid, -ENOSYS);
	enters(pid, 0, SYS_exit_group);
	exits(pid, -ENOSYS & 0xff);

	pid = traced(pids);
	enters(pid, 0, SYS_getppid);
	CHECK(poke(pid, REG(orig_rax), -1) == 0, "POKEUSER of orig_rax: errno %d", errno);
	CHECK(poke(pid, REG(rax), 55) == 0, "POKEUSER of rax: errno %d", errno);
	leaves(pid, 55);
	enters(pid, 0, SYS_exit_group);
	exits(pid, 55);

	pid = traced(pids);
	enters(pid, 0, SYS_getppid);
	CHECK(poke(pid, REG(orig_rax), -1) == 0, "POKEUSER of orig_rax: errno %d", errno);
	leaves(pid, -ENOSYS);
	exits(pid, -ENOSYS & 0xff);
}

static void unknown(void) { raw(SYS_exit_group, raw(4444, 0, 0, 0) & 0xff, 0, 0); }

static void unknowns(void) {
	pid_t pid = traced(unknown);
	enters(pid, 0, 4444);
	leaves(pid, -ENOSYS);
	enters(pid, 0, SYS_exit_group);
	CHECK(poke(pid, REG(orig_rax), SYS_getpid) == 0, "POKEUSER of orig_rax: errno %d", errno);
	leaves(pid, pid); // it lives on
	enters(pid, 0, SYS_exit_group);
	exits(pid, 77);

	pid = traced(unknown);
	enters(pid, 0, 4444);
	CHECK(poke(pid, REG(orig_rax), SYS_getpid) == 0, "POKEUSER of orig_rax: errno %d", errno);
	leaves(pid, pid);
	exits(pid, pid & 0xff);
}

// Calls whose handlers need the whole frame. A fork's child is not traced.
static volatile int handled;
static void handler(int sig) { handled = sig; }

static void wholes(void) {
	int status = 0;
	pid_t pid = raw(SYS_fork, 0, 0, 0);
	if (!pid) { // not before its parent waits
		struct timespec t = {0, 50000000};
		raw(SYS_nanosleep, (long)&t, 0, 0);
		raw(SYS_exit_group, 3, 0, 0);
	}
	raw(SYS_wait4, pid, (long)&status, 0);
	raw(SYS_kill, raw(SYS_getpid, 0, 0, 0), SIGUSR2, 0);
	raw(SYS_exit_group, WEXITSTATUS(status) + handled, 0, 0);
}

static void whole(void) {
	signal(SIGUSR2, handler);
	pid_t pid = traced(wholes);
	enters(pid, 0, SYS_fork);
	int got = next(pid, 0);
	long child = peek(pid, REG(rax));
	CHECK(got == CALL && child > pid, "fork: %d, %ld", got, child);
	enters(pid, 0, SYS_wait4);
	// The child's end may interrupt the wait, as SIGCHLD stops its parent.
	got = next(pid, 0);
	long result = peek(pid, REG(rax));
	CHECK(got == CALL && (result == child || result == -ERESTARTSYS), "wait4: %d, %ld", got, result);
	got = next(pid, 0);
	CHECK(got == SIGCHLD, "stop at SIGCHLD: %d", got);
	if (result != child) {
		enters(pid, SIGCHLD, SYS_wait4);
		leaves(pid, child);
	}
	enters(pid, 0, SYS_getpid);
	leaves(pid, pid);
	enters(pid, 0, SYS_kill);
	leaves(pid, 0);
	got = next(pid, 0);
	CHECK(got == SIGUSR2, "stop at SIGUSR2: %d", got);
	enters(pid, SIGUSR2, SYS_rt_sigreturn);
	leaves(pid, 0); // what kill has returned
	enters(pid, 0, SYS_exit_group);
	exits(pid, 3 + SIGUSR2);
	signal(SIGUSR2, SIG_DFL);
}

static char self[256];
static void runs(void) {
	char *argv[] = {self, "7", 0}, *envp[] = {0};
	raw(SYS_execve, (long)self, (long)argv, (long)envp);
}

static void exec(void) {
	pid_t pid = traced(runs);
	enters(pid, 0, SYS_execve);
	leaves(pid, 0);
	CHECK(peek(pid, REG(rsp)) % 16 == 0, "rsp of a new program: %lx", peek(pid, REG(rsp)));
	int got = next(pid, 0);
	CHECK(got == SIGTRAP, "stop at SIGTRAP behind it: %d", got);
	exits(pid, 7);
}

// A call that a signal interrupts ends with -ERESTARTSYS, and begins again.
static int ends[2];
static void reads(void) {
	char c = 0;
	long n = raw(SYS_read, ends[0], (long)&c, 1);
	raw(SYS_exit_group, n == 1 ? c : 66, 0, 0);
}

static void restart(void) {
	CHECK(pipe(ends) == 0, "pipe: errno %d", errno);
	pid_t pid = traced(reads);
	enters(pid, 0, SYS_read);
	long rip = peek(pid, REG(rip));
	CHECK(call(PTRACE_SYSCALL, pid, 0, 0) == 0, "SYSCALL: errno %d", errno);
	kill(pid, SIGUSR1);
	int got = event(pid);
	CHECK(got == CALL && peek(pid, REG(rax)) == -ERESTARTSYS, "interrupted: %d, %ld", got, peek(pid, REG(rax)));
	got = next(pid, 0);
	CHECK(got == SIGUSR1, "stop at the signal: %d", got);
	enters(pid, 0, SYS_read); // without the signal
	CHECK(peek(pid, REG(rip)) == rip, "it is the same call: %lx, want %lx", peek(pid, REG(rip)), rip);
	CHECK(write(ends[1], "!", 1) == 1, "write: errno %d", errno);
	leaves(pid, 1);
	exits(pid, '!');
	close(ends[0]);
	close(ends[1]);
}

// A step over a call stops behind it, before the next instruction.
static void steps(void) {
	pid_t pid = traced(pids);
	enters(pid, 0, SYS_getppid);
	long rip = peek(pid, REG(rip));
	CHECK(call(PTRACE_SINGLESTEP, pid, 0, 0) == 0, "SINGLESTEP: errno %d", errno);
	int got = event(pid);
	CHECK(got == SIGTRAP, "stop at SIGTRAP: %d", got);
	CHECK(peek(pid, REG(rip)) == rip && peek(pid, REG(rax)) == getpid(), "the call has ended: rip %lx, want %lx, rax %ld", peek(pid, REG(rip)), rip, peek(pid, REG(rax)));
	for (int n = 0; n < 100 && peek(pid, REG(orig_rax)) != SYS_exit_group; n++) {
		if (call(PTRACE_SINGLESTEP, pid, 0, 0) || (got = event(pid)) != SIGTRAP)
			break;
		CHECK((peek(pid, REG(eflags)) & 0x100) == 0, "TF is the tracer's: %lx", peek(pid, REG(eflags)));
	}
	CHECK(got == -((getpid() & 0xff) << 8), "the child steps to its end: %d", got);
}

// What ring 3 cannot have, at both stops: the child dies, nobody else.
static void hostile(void) {
	static const long rips[] = {1L << 47, (long)0xffffffff80100000, (long)(1UL << 63), 0};
	for (unsigned n = 0; n < 2 * sizeof rips / sizeof *rips; n++) {
		pid_t pid = traced(pids);
		enters(pid, 0, SYS_getppid);
		if (n % 2)
			leaves(pid, getpid());
		CHECK(poke(pid, REG(rip), rips[n / 2]) == 0, "POKEUSER of rip: errno %d", errno);
		CHECK(poke(pid, REG(rsp), (long)0xffff800000000000) == 0, "POKEUSER of rsp: errno %d", errno);
		CHECK(poke(pid, REG(eflags), 0x3000 | 0x4000 | 0x20000 | 0x202) == 0, "POKEUSER of eflags: errno %d", errno);
		CHECK((peek(pid, REG(eflags)) & 0x23000) == 0, "IOPL and VM are not set: %lx", peek(pid, REG(eflags)));
		CHECK(poke(pid, REG(cs), 0x10) == -1 && errno == EIO, "POKEUSER of cs with RPL 0: errno %d", errno);
		CHECK(poke(pid, REG(ss), 0x18) == -1 && errno == EIO, "POKEUSER of ss with RPL 0: errno %d", errno);
		CHECK(call(PTRACE_CONT, pid, 0, 0) == 0, "CONT: errno %d", errno);
		int got = event(pid);
		CHECK(got == SIGSEGV, "stop at SIGSEGV: %d", got);
		CHECK(call(PTRACE_CONT, pid, 0, SIGSEGV) == 0, "CONT with it: errno %d", errno);
		got = event(pid);
		CHECK((-got & 0x7f) == SIGSEGV, "the child dies by SIGSEGV: %d", got);
	}
	// IOPL by way of R11, which a fix-up makes flags of.
	pid_t pid = traced(wholes);
	enters(pid, 0, SYS_fork);
	CHECK(poke(pid, REG(r11), 0x3202) == 0, "POKEUSER of r11: errno %d", errno);
	int got = next(pid, 0);
	CHECK(got == CALL && (peek(pid, REG(eflags)) & 0x3000) == 0, "IOPL is not set: %d, %lx", got, peek(pid, REG(eflags)));
	CHECK(kill(pid, SIGKILL) == 0, "kill: errno %d", errno);
	got = event(pid);
	CHECK(got == -SIGKILL, "a child that has stopped at a call dies: %d", got);
}

// A tracer that is not the parent: a sibling, which the parent may be told by.
static void loops(void) {
	for (;;)
		raw(SYS_getppid, 0, 0, 0);
}

static void pauses(void) {
	for (;;)
		raw(SYS_pause, 0, 0, 0);
}

static pid_t spawn(void (*body)(void)) {
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); // where Yama asks for it
		body();
		_exit(77);
	}
	return pid;
}

// as runs fn in a process of its own, which ends with its result.
static int as(int (*fn)(pid_t), pid_t pid) {
	pid_t tracer = fork();
	if (!tracer)
		_exit(fn(pid));
	return -event(tracer) >> 8;
}

static int attaches(pid_t pid) {
	if (call(PTRACE_ATTACH, pid, 0, 0))
		return errno == EPERM ? 100 : 1;
	return event(pid) == SIGSTOP ? 0 : 2;
}

static int detaches(pid_t pid) {
	int got = attaches(pid);
	if (got)
		return got;
	if (call(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD))
		return 3;
	if (next(pid, 0) != CALL) // the call that it was in begins again, or its next
		return 4;
	if (peek(pid, REG(rax)) != -ENOSYS)
		return 5;
	return call(PTRACE_DETACH, pid, 0, 0) ? 6 : 0;
}

static int kills(pid_t pid) {
	int got = attaches(pid);
	if (got)
		return got;
	if (kill(pid, SIGKILL))
		return 3;
	return event(pid) == -SIGKILL ? 0 : 4; // and then its parent is told
}

static int leavesIt(pid_t pid) { return attaches(pid); } // and dies

static int diesAtCall(pid_t pid) {
	int got = attaches(pid);
	if (got)
		return got;
	return next(pid, 0) == SIGTRAP ? 0 : 3;
}

static void others(void) {
	int status = 0;
	pid_t pid = spawn(pauses);
	int got = as(detaches, pid);
	if (got == 100) { // Yama, in its strictest mode
		kill(pid, SIGKILL);
		event(pid);
		return;
	}
	CHECK(got == 0, "attached and detached by a sibling: %d", got);
	CHECK(waitpid(pid, &status, WNOHANG) == 0, "the child runs: %d", status);
	got = as(leavesIt, pid);
	CHECK(got == 0, "attached by a sibling that dies: %d", got);
	kill(pid, SIGKILL);
	CHECK(event(pid) == -SIGKILL, "the parent is told of its end: errno %d", errno);

	pid = spawn(loops);
	got = as(kills, pid);
	CHECK(got == 0, "attached by a sibling, and killed: %d", got);
	CHECK(event(pid) == -SIGKILL, "the parent is told, too: errno %d", errno);
	CHECK(waitpid(pid, &status, __WALL) == -1 && errno == ECHILD, "nothing is left: errno %d", errno);

	pid = spawn(loops);
	got = as(diesAtCall, pid);
	CHECK(got == 0, "attached by a sibling that dies with the child at a call: %d", got);
	kill(pid, SIGKILL);
	got = event(pid);
	CHECK(got == -SIGKILL, "the parent is told of its end: %d", got);
}

// A child that was asleep when its tracer came: its registers, and its sleep afterwards.
static void asleep(void) {
	CHECK(pipe(ends) == 0, "pipe: errno %d", errno);
	pid_t pid = spawn(reads);
	usleep(20000);
	CHECK(call(PTRACE_ATTACH, pid, 0, 0) == 0, "ATTACH: errno %d", errno);
	int got = event(pid);
	CHECK(got == SIGSTOP, "stop at SIGSTOP: %d", got);
	struct user_regs_struct r;
	CHECK(call(PTRACE_GETREGS, pid, 0, (long)&r) == 0, "GETREGS: errno %d", errno);
	CHECK(r.orig_rax == SYS_read && (long)r.rax == -ERESTARTSYS, "the call: %lld, %lld", r.orig_rax, r.rax);
	CHECK(r.rsp - (unsigned long)&got + 65536 < 131072, "rsp: %llx", r.rsp);
	CHECK(call(PTRACE_DETACH, pid, 0, 0) == 0, "DETACH: errno %d", errno);
	CHECK(write(ends[1], "?", 1) == 1, "write: errno %d", errno);
	got = event(pid);
	CHECK(got == -('?' << 8), "it reads on: %d", got);
	close(ends[0]);
	close(ends[1]);
}

static void childSignal(int sig, siginfo_t *info, void *context) {
	(void)sig, (void)context;
	handled = info->si_code << 8 | info->si_status;
}

// The tracer gets SIGCHLD of a stop.
static void told(void) {
	struct sigaction a = {.sa_sigaction = childSignal, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
	sigaction(SIGCHLD, &a, &old);
	handled = 0;
	pid_t pid = traced(pids);
	CHECK(handled == (CLD_TRAPPED << 8 | SIGUSR1), "SIGCHLD of the stop: %x", handled);
	exits(pid, getpid() & 0xff);
	sigaction(SIGCHLD, &old, 0);
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] == '7')
		return 7;
	setvbuf(stdout, NULL, _IONBF, 0); // a child must not print what its parent has not
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		strcpy(self, "/init");
	RUN(registers);
	RUN(number);
	RUN(unknowns);
	RUN(whole);
	RUN(exec);
	RUN(restart);
	RUN(steps);
	RUN(hostile);
	RUN(others);
	RUN(asleep);
	RUN(told);
	return finish();
}
