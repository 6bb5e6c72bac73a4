// ptrace of a child, as tracers use it: registers of a thread that has stopped, what may be
// written into them, single steps, and the ends of both. It passes on Linux too.
#include "check.h"

#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#define REG(r) ((void *)offsetof(struct user, regs.r))

static long stack_word = 0x1234;

// stopped waits until the child has stopped, and returns the signal.
static int stopped(pid_t pid) {
	int status = 0;
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return -status;
	return WSTOPSIG(status);
}

static int ended(pid_t pid) {
	int status = 0;
	if (waitpid(pid, &status, __WALL) != pid)
		return -1;
	return status;
}

static long call(enum __ptrace_request r, pid_t pid, void *addr, void *data) {
	errno = 0;
	return ptrace(r, pid, addr, data);
}

// A child that stops itself by a signal, with RSP in R12 and marks in registers, and then
// exits with what is in RBX.
static pid_t child(void) {
	pid_t pid = fork();
	if (pid)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(90);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 || errno != EPERM)
		_exit(91);
	asm volatile("mov %%rsp, %%r12\n\t"
		     "mov $0x1111222233334444, %%r13\n\t"
		     "mov $5, %%rbx\n\t"
		     "mov %0, %%eax\n\t"
		     "mov %1, %%edi\n\t"
		     "mov $10, %%esi\n\t" // SIGUSR1, which nobody handles
		     "syscall\n\t"
		     "mov %%rbx, %%rdi\n\t"
		     "mov $231, %%eax\n\t"
		     "syscall" ::"i"(SYS_kill), "r"(getpid())
		     : "rax", "rbx", "rcx", "rdi", "rsi", "r11", "r12", "r13");
	_exit(92);
}

static void registers(void) {
	struct user_regs_struct r;
	pid_t pid = child();
	CHECK(stopped(pid) == SIGUSR1, "stop at SIGUSR1: errno %d", errno);
	CHECK(call(PTRACE_GETREGS, pid, 0, &r) == 0, "GETREGS: errno %d", errno);
	CHECK(r.rsp == r.r12, "rsp of a stopped thread is its own: errno %d", errno);
	CHECK(r.r13 == 0x1111222233334444, "r13: errno %d", errno);
	CHECK(r.cs == 0x33 && r.ss == 0x2b, "cs, ss: errno %d", errno);
	CHECK((int)r.orig_rax == SYS_kill, "orig_rax: errno %d", errno);
	CHECK(r.rax == 0, "rax: errno %d", errno);
	CHECK(call(PTRACE_PEEKUSER, pid, REG(rsp), 0) == (long)r.rsp, "PEEKUSER of rsp: errno %d", errno);
	CHECK(call(PTRACE_PEEKDATA, pid, &stack_word, 0) == 0x1234, "PEEKDATA: errno %d", errno);
	CHECK(call(PTRACE_PEEKDATA, pid, (void *)0xffffffff80000000, 0) == -1 && errno == EIO, "PEEKDATA of a kernel address: errno %d", errno);
	CHECK(call(PTRACE_PEEKUSER, pid, (void *)928, 0) == -1 && errno == EIO, "PEEKUSER beyond the structure: errno %d", errno);
	CHECK(call(PTRACE_PEEKUSER, pid, (void *)1, 0) == -1 && errno == EIO, "PEEKUSER between two registers: errno %d", errno);
	CHECK(call(PTRACE_POKEUSER, pid, REG(cs), (void *)0x10) == -1 && errno == EIO, "POKEUSER of cs with RPL 0: errno %d", errno);
	CHECK(call(PTRACE_POKEUSER, pid, REG(ss), 0) == -1 && errno == EIO, "POKEUSER of ss 0: errno %d", errno);
	CHECK(call(PTRACE_POKEUSER, pid, REG(fs_base), (void *)0xffff800000000000) == -1 && errno == EIO, "POKEUSER of fs_base in the kernel: errno %d", errno);
	CHECK(call(9999, pid, 0, 0) == -1 && errno == EIO, "an unknown request: errno %d", errno);
	CHECK(call(PTRACE_CONT, pid, 0, (void *)77) == -1 && errno == EIO, "CONT with a signal that does not exist: errno %d", errno);
	// IOPL and VM, which a program may not set, are not set; CF and NT are.
	CHECK(call(PTRACE_POKEUSER, pid, REG(eflags), (void *)(0x3000 | 0x20000 | 0x4202 | 1)) == 0, "POKEUSER of eflags: errno %d", errno);
	CHECK((call(PTRACE_PEEKUSER, pid, REG(eflags), 0) & 0x27001) == 0x4001, "eflags then: errno %d", errno);
	CHECK(call(PTRACE_POKEUSER, pid, REG(rbx), (void *)42) == 0, "POKEUSER of rbx: errno %d", errno);
	CHECK(call(PTRACE_CONT, pid, 0, 0) == 0, "CONT without the signal: errno %d", errno);
	int status = ended(pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42, "the child exits with the new rbx: errno %d", errno);
	CHECK(call(PTRACE_CONT, pid, 0, 0) == -1 && errno == ESRCH, "a child that is no more: errno %d", errno);
}

// A RIP, an RSP or a frame that ring 3 cannot have kills the child, and nobody else.
static void hostile(void) {
	for (int n = 0; n < 4; n++) {
		struct user_regs_struct r;
		pid_t pid = child();
		CHECK(stopped(pid) == SIGUSR1, "stop at SIGUSR1: errno %d", errno);
		CHECK(call(PTRACE_GETREGS, pid, 0, &r) == 0, "GETREGS: errno %d", errno);
		switch (n) {
		case 0:
			r.rip = 1UL << 47;
			break;
		case 1:
			r.rip = 0xffffffff80100000;
			break;
		case 2:
			r.rip = 1UL << 63;
			r.rsp = 1UL << 62;
			break;
		case 3:
			r.rip = 0;
		}
		CHECK(call(PTRACE_SETREGS, pid, 0, &r) == 0, "SETREGS: errno %d", errno);
		CHECK(call(PTRACE_CONT, pid, 0, 0) == 0, "CONT: errno %d", errno);
		CHECK(stopped(pid) == SIGSEGV, "stop at SIGSEGV: errno %d", errno);
		CHECK(call(PTRACE_CONT, pid, 0, (void *)SIGSEGV) == 0, "CONT with it: errno %d", errno);
		int status = ended(pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "the child dies by SIGSEGV: errno %d", errno);
	}
}

static void steps(void) {
	pid_t pid = child();
	CHECK(stopped(pid) == SIGUSR1, "stop at SIGUSR1: errno %d", errno);
	long rip = call(PTRACE_PEEKUSER, pid, REG(rip), 0);
	for (int n = 0; n < 2; n++) { // MOV RBX, RDI; MOV EAX
		CHECK(call(PTRACE_SINGLESTEP, pid, 0, 0) == 0, "SINGLESTEP: errno %d", errno);
		CHECK(stopped(pid) == SIGTRAP, "stop at SIGTRAP: errno %d", errno);
		long next = call(PTRACE_PEEKUSER, pid, REG(rip), 0);
		CHECK(next == rip + (n ? 5 : 3), "one instruction further: errno %d", errno);
		rip = next;
	}
	CHECK((call(PTRACE_PEEKUSER, pid, REG(eflags), 0) & 0x100) == 0, "TF is not seen: errno %d", errno);
	CHECK(call(PTRACE_CONT, pid, 0, 0) == 0, "CONT: errno %d", errno);
	int status = ended(pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5, "the child exits: errno %d", errno);
}

static void attach(void) {
	pid_t pid = fork();
	if (!pid)
		for (;;)
			pause();
	CHECK(call(PTRACE_CONT, pid, 0, 0) == -1 && errno == ESRCH, "a child that is not traced: errno %d", errno);
	CHECK(call(PTRACE_ATTACH, pid, 0, 0) == 0, "ATTACH: errno %d", errno);
	CHECK(stopped(pid) == SIGSTOP, "stop at SIGSTOP: errno %d", errno);
	CHECK(call(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM, "ATTACH twice: errno %d", errno);
	CHECK(call(PTRACE_ATTACH, getpid(), 0, 0) == -1 && errno == EPERM, "ATTACH of oneself: errno %d", errno);
	CHECK(call(PTRACE_DETACH, pid, 0, 0) == 0, "DETACH: errno %d", errno);
	CHECK(kill(pid, SIGTERM) == 0, "kill: errno %d", errno);
	int status = ended(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "the child dies untraced: errno %d", errno);

	pid = child(); // a stopped thread dies by SIGKILL
	CHECK(stopped(pid) == SIGUSR1, "stop at SIGUSR1: errno %d", errno);
	CHECK(kill(pid, SIGKILL) == 0, "kill: errno %d", errno);
	status = ended(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the stopped child dies: errno %d", errno);
}

// The tracer dies: its stopped child goes on, with the signal that it stopped at.
static void orphan(void) {
	int p[2];
	char c = 0;
	CHECK(pipe(p) == 0, "pipe: errno %d", errno);
	pid_t tracer = fork();
	if (!tracer) {
		pid_t pid = fork();
		if (!pid) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			signal(SIGUSR2, SIG_IGN);
			kill(getpid(), SIGUSR2); // a tracer sees what is ignored, too
			c = write(p[1], "x", 1);
			_exit(0);
		}
		_exit(stopped(pid) == SIGUSR2 ? 0 : 1);
	}
	int status = ended(tracer);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the tracer has seen an ignored signal: errno %d", errno);
	close(p[1]);
	CHECK(read(p[0], &c, 1) == 1 && c == 'x', "its child goes on: errno %d", errno);
	close(p[0]);
}

// A handler that the child has set runs if its tracer lets the signal through.
static volatile int handled;
static void handler(int sig) { handled = sig; }

static void handlers(void) {
	pid_t pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		signal(SIGUSR1, handler);
		kill(getpid(), SIGUSR1);
		if (handled)
			_exit(1);
		kill(getpid(), SIGUSR1);
		_exit(handled == SIGUSR1 ? 7 : 2);
	}
	CHECK(stopped(pid) == SIGUSR1, "stop: errno %d", errno);
	CHECK(call(PTRACE_CONT, pid, 0, 0) == 0, "CONT without: errno %d", errno);
	CHECK(stopped(pid) == SIGUSR1, "stop again: errno %d", errno);
	CHECK(call(PTRACE_CONT, pid, 0, (void *)SIGUSR1) == 0, "CONT with: errno %d", errno);
	int status = ended(pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the handler has run once: errno %d", errno);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0); // a child must not print what its parent has not
	RUN(registers);
	RUN(hostile);
	RUN(steps);
	RUN(attach);
	RUN(orphan);
	RUN(handlers);
	return finish();
}
