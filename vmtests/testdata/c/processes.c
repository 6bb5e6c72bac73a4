// processes: fork, vfork, clone, execve and their like, and what they do to memory,
// descriptors and signals. It runs itself as the other program.
#include "check.h"

#include <dirent.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <x86intrin.h>

#define SELF "/proc/self/exe"

static char **environment;

// status waits for a child and returns its status, or -errno.
static int status(pid_t pid)
{
	int st = -1;
	pid_t got = waitpid(pid, &st, 0);
	if (got != pid)
		return got < 0 ? -errno : -1000;
	return st;
}

// run makes a child that runs this program with a word, and returns its status.
static int run(const char *word, const char *more)
{
	char *argv[] = {"name of its own", (char *)word, (char *)more, NULL};
	char *envp[] = {"COLOUR=blue", NULL};
	pid_t pid = fork();
	if (pid == 0) {
		execve(SELF, argv, envp);
		_exit(100);
	}
	return status(pid);
}

static volatile int word = 1;
static volatile char page[3 * 4096] __attribute__((aligned(4096)));

// on_stack fails if its frame is not just below the address.
static int on_stack(void *top)
{
	long distance = (char *)top - (char *)__builtin_frame_address(0);
	return distance < 0 || distance > 500;
}

static void forks(void)
{
	volatile int local = 1;
	volatile char *heap = malloc(100000);
	memset((void *)heap, 7, 100000);
	page[0] = page[4096] = 5;
	pid_t parent = getpid(), pid = fork();
	CHECK(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		int bad = getpid() == parent || getppid() != parent || getpid() != gettid();
		bad |= (word != 1 || local != 1 || page[0] != 5) << 1;
		word = local = 2;
		page[0] = page[8192] = 6;
		for (int i = 0; i < 100000; i++) {
			bad |= (heap[i] != 7) << 2;
			heap[i] = 8;
		}
		_exit(bad);
	}
	page[4096] = 9;
	int st = status(pid);
	CHECK(st == 0, "child: %x", st);
	CHECK(word == 1 && local == 1 && page[0] == 5 && page[8192] == 0, "the child has written to the parent's memory");
	for (int i = 0; i < 100000; i++)
		if (heap[i] != 7) {
			CHECK(0, "the heap at %d is %d", i, heap[i]);
			break;
		}
	free((void *)heap);
}

// A child begins with its parent's stack pointer, or on the stack that clone names: what
// copy_thread makes of the frame.
static void stacks(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	for (int clones = 0; clones < 2; clones++) {
		long pid, before, after;
		// With clone the arguments are: no flags but the signal, the stack, no TIDs.
		register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
		__asm__ volatile("mov %%rsp, %1\n\tsyscall\n\tmov %%rsp, %2"
				 : "=&a"(pid), "=&r"(before), "=&r"(after)
				 : "0"((long)(clones ? SYS_clone : SYS_fork)), "D"((long)SIGCHLD), "S"(0L), "d"(0L), "r"(r10), "r"(r8)
				 : "rcx", "r11", "memory", "cc");
		if (pid == 0)
			_exit(before == after ? 40 : 41); // on another stack it may end somewhere else
		CHECK(before == after, "the parent's RSP is %lx, before %lx", after, before);
		int st = status(pid);
		CHECK(st == 40 << 8, "child of %s: %x", clones ? "clone" : "fork", st);
	}
	pid_t pid = clone(on_stack, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof stack);
	int st = status(pid);
	CHECK(st == 0, "child on another stack: %x", st);
}

// The kernel writes to memory as well: a page that is shared after a fork must become
// the caller's own then, too.
static void kernel_writes(void)
{
	int p[2];
	CHECK(pipe(p) == 0, "pipe: %s", strerror(errno));
	page[10] = 'a';
	pid_t pid = fork();
	if (pid == 0) {
		if (write(p[1], "x", 1) != 1 || read(p[0], (char *)page + 10, 1) != 1)
			_exit(1);
		_exit(page[10] != 'x');
	}
	int st = status(pid);
	CHECK(st == 0 && page[10] == 'a', "child: %x, the parent has %c", st, page[10]);
	close(p[0]);
	close(p[1]);
}

static void protections(void)
{
	char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a[0] = a[4096] = 1;
	pid_t pid = fork();
	if (pid == 0) {
		mprotect(a, 8192, PROT_READ);
		mprotect(a, 8192, PROT_READ | PROT_WRITE);
		a[0] = 2;
		char *b = mremap(a, 8192, 16384, MREMAP_MAYMOVE);
		b[4096] = 2;
		munmap(b, 4096);
		_exit(b[4096] != 2);
	}
	mprotect(a, 4096, PROT_READ);
	mprotect(a, 4096, PROT_READ | PROT_WRITE);
	int st = status(pid);
	CHECK(st == 0 && a[0] == 1 && a[4096] == 1, "child: %x, the parent has %d and %d", st, a[0], a[4096]);
	pid = fork();
	if (pid == 0) { // a page without access stays so
		mprotect(a, 4096, PROT_NONE);
		if (fork() == 0)
			a[0] = 3;
		int s;
		wait(&s);
		_exit(s != SIGSEGV);
	}
	st = status(pid);
	CHECK(st == 0, "child: %x", st);
	munmap(a, 8192);
}

static void shared_memory(void)
{
	volatile char *a = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("m", 0);
	CHECK(ftruncate(fd, 8192) == 0, "ftruncate: %s", strerror(errno));
	volatile char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	volatile char *c = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	a[0] = m[0] = 1;
	c[0] = 1;
	pid_t pid = fork();
	if (pid == 0) {
		a[0]++, a[4096] = 5, m[0]++, m[4096] = 5, c[0]++, c[4096] = 7;
		mprotect((void *)a, 4096, PROT_READ);
		mprotect((void *)a, 4096, PROT_READ | PROT_WRITE);
		a[1] = 3;
		_exit(0);
	}
	int st = status(pid);
	CHECK(st == 0, "child: %x", st);
	CHECK(a[0] == 2 && a[1] == 3 && a[4096] == 5, "anonymous: %d %d %d", a[0], a[1], a[4096]);
	CHECK(m[0] == 2 && m[4096] == 5, "memfd: %d %d", m[0], m[4096]);
	CHECK(c[0] == 1 && c[4096] == 5, "private memfd: %d %d", c[0], c[4096]);
	// A page that is cut off is gone in all processes.
	int p[2];
	char byte = 0;
	CHECK(pipe(p) == 0, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		byte = read(p[0], &byte, 1);
		m[4096]++;
		_exit(byte);
	}
	CHECK(ftruncate(fd, 4096) == 0, "ftruncate: %s", strerror(errno));
	close(p[1]);
	st = status(pid);
	CHECK(st == SIGBUS, "child, behind the end of the memfd: %x", st);
	close(p[0]);
	munmap((void *)a, 3 * 4096);
	munmap((void *)m, 8192);
	munmap((void *)c, 8192);
	close(fd);
}

static void vforks(void)
{
	word = 1;
	pid_t pid = vfork();
	if (pid == 0) {
		struct timespec ts = {0, 20000000};
		syscall(SYS_nanosleep, &ts, NULL); // the parent waits all the same
		word = 2;
		_exit(3);
	}
	CHECK(word == 2, "the parent goes on before the child has ended");
	int st = status(pid);
	CHECK(st == 3 << 8, "child: %x", st);
	char *argv[] = {"x", "exit", "4", NULL};
	pid = vfork();
	if (pid == 0) {
		execve(SELF, argv, environment);
		_exit(100);
	}
	st = status(pid);
	CHECK(st == 4 << 8, "child: %x", st);
	word = 1;
}

static void execs(void)
{
	int st = run("args", "a b");
	CHECK(st == 0, "arguments: %x", st);
	// Descriptors, signals and memory.
	int keep = dup2(1, 50), away = fcntl(1, F_DUPFD_CLOEXEC, 60);
	CHECK(keep == 50 && away == 60, "dup: %d %d", keep, away);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))execs);
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, &old);
	st = run("state", NULL);
	CHECK(st == 0, "state: %x", st);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	close(50);
	close(60);
}

static void bad_execs(void)
{
	char *argv[] = {"x", NULL}, *none[] = {NULL};
	static char long_name[5000];
	memset(long_name, 'x', sizeof long_name - 1);
	CHECK(execve("/no/such", argv, none) == -1 && errno == ENOENT, "missing: %s", strerror(errno));
	CHECK(execve("", argv, none) == -1 && errno == ENOENT, "empty: %s", strerror(errno));
	CHECK(execve("/", argv, none) == -1 && errno == EACCES, "directory: %s", strerror(errno));
	CHECK(execve("/dev/null", argv, none) == -1 && errno == EACCES, "device: %s", strerror(errno));
	CHECK(execve(SELF "/x", argv, none) == -1 && errno == ENOTDIR, "below a file: %s", strerror(errno));
	CHECK(execve(long_name, argv, none) == -1 && errno == ENAMETOOLONG, "long name: %s", strerror(errno));
	CHECK(syscall(SYS_execve, 8, argv, none) == -1 && errno == EFAULT, "path: %s", strerror(errno));
	CHECK(syscall(SYS_execve, SELF, 8, none) == -1 && errno == EFAULT, "argv: %s", strerror(errno));
	char *bad[] = {(char *)8, NULL};
	CHECK(execve(SELF, argv, bad) == -1 && errno == EFAULT, "envp: %s", strerror(errno));
	size_t big = 64 << 20;
	char *huge = malloc(big);
	memset(huge, 'x', big - 1);
	huge[big - 1] = 0;
	char *much[] = {"x", huge, NULL};
	CHECK(execve(SELF, much, none) == -1 && errno == E2BIG, "64 MiB of arguments: %s", strerror(errno));
	free(huge);
	CHECK(syscall(SYS_execveat, AT_FDCWD, SELF, argv, none, 1 << 20) == -1 && errno == EINVAL, "flags: %s", strerror(errno));
	CHECK(syscall(SYS_execveat, 999, "x", argv, none, 0) == -1 && errno == EBADF, "dirfd: %s", strerror(errno));
	int fd = open(SELF, O_RDONLY);
	pid_t pid = fork();
	if (pid == 0) {
		char *args[] = {"x", "exit", "6", NULL};
		syscall(SYS_execveat, fd, "", args, none, AT_EMPTY_PATH);
		_exit(100);
	}
	int st = status(pid);
	CHECK(st == 6 << 8, "execveat of a descriptor: %x", st);
	close(fd);
}

static void waits(void)
{
	int st;
	siginfo_t si;
	CHECK(waitpid(-1, &st, 0) == -1 && errno == ECHILD, "no children: %s", strerror(errno));
	int p[2];
	CHECK(pipe(p) == 0, "pipe: %s", strerror(errno));
	pid_t first = fork();
	if (first == 0) {
		char c;
		_exit(read(p[0], &c, 1) == 1 ? c : 99);
	}
	CHECK(waitpid(first, &st, WNOHANG) == 0, "WNOHANG of a child that lives");
	memset(&si, 1, sizeof si);
	CHECK(waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == 0 && si.si_pid == 0 && si.si_signo == 0, "waitid: %d", si.si_pid);
	CHECK(waitpid(first + 1000, &st, 0) == -1 && errno == ECHILD, "another's: %s", strerror(errno));
	CHECK(write(p[1], "\x07", 1) == 1, "write: %s", strerror(errno));
	CHECK(waitid(P_PID, first, &si, WEXITED | WNOWAIT) == 0, "waitid: %s", strerror(errno));
	CHECK(si.si_pid == first && si.si_signo == SIGCHLD && si.si_code == CLD_EXITED && si.si_status == 7, "waitid: pid %d code %d status %d", si.si_pid, si.si_code, si.si_status);
	CHECK(kill(first, 0) == 0 && kill(first, SIGTERM) == 0, "a zombie takes signals: %s", strerror(errno));
	struct rusage ru;
	CHECK(wait4(first, &st, 0, &ru) == first && st == 7 << 8, "wait4: %x", st);
	CHECK(kill(first, 0) == -1 && errno == ESRCH, "gone: %s", strerror(errno));
	CHECK(wait4(first, &st, 0, NULL) == -1 && errno == ECHILD, "again: %s", strerror(errno));

	static const int signals[] = {SIGKILL, SIGTERM, SIGUSR1, SIGSEGV};
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			if (signals[i] == SIGSEGV)
				*(volatile int *)(intptr_t)word = 1;
			for (;;)
				pause();
		}
		if (signals[i] != SIGSEGV)
			kill(pid, signals[i]);
		st = status(pid);
		CHECK((st & 0x7f) == signals[i], "signal %d: %x", signals[i], st);
	}
	pid_t pid = fork();
	if (pid == 0)
		abort();
	CHECK(waitid(P_ALL, 0, &si, WEXITED) == 0 && si.si_pid == pid && si.si_status == SIGABRT, "abort: %d", si.si_status);
	close(p[0]);
	close(p[1]);
}

static volatile sig_atomic_t children, child_pid, child_status, child_code;

static void on_child(int sig, siginfo_t *si, void *context)
{
	(void)sig, (void)context;
	children++;
	child_pid = si->si_pid;
	child_status = si->si_status;
	child_code = si->si_code;
}

static void sigchld(void)
{
	struct sigaction sa = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO}, old;
	sigaction(SIGCHLD, &sa, &old);
	pid_t pid = fork();
	if (pid == 0)
		_exit(9);
	while (children == 0)
		usleep(1000);
	CHECK(child_pid == pid && child_status == 9 && child_code == CLD_EXITED, "pid %d status %d code %d", child_pid, child_status, child_code);
	int st = status(pid);
	CHECK(st == 9 << 8, "status %x", st);
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0)
		_exit(9);
	CHECK(waitpid(pid, &st, 0) == -1 && errno == ECHILD, "with SIG_IGN: %s", strerror(errno));
	sa.sa_flags |= SA_NOCLDWAIT;
	sigaction(SIGCHLD, &sa, NULL);
	pid = fork();
	if (pid == 0)
		_exit(9);
	int got;
	do
		got = waitpid(pid, &st, 0);
	while (got == -1 && errno == EINTR);
	CHECK(got == -1 && errno == ECHILD, "with SA_NOCLDWAIT: %s", strerror(errno));
	sigaction(SIGCHLD, &old, NULL);
}

static void orphans(void)
{
	int p[2], st;
	pid_t self = getpid();
	CHECK(pipe(p) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		pid_t child = getpid();
		if (fork() == 0) {
			while (getppid() == child)
				usleep(1000);
			pid_t parent = getppid();
			if (write(p[1], &parent, sizeof parent) < 0)
				_exit(1);
			_exit(8);
		}
		if (fork() == 0) // a zombie by the time that its parent ends
			_exit(0);
		usleep(10000);
		_exit(0);
	}
	CHECK(status(pid) == 0, "child");
	pid_t parent = 0;
	CHECK(read(p[0], &parent, sizeof parent) == sizeof parent && parent == self, "its parent is %d", parent);
	int sum = 0;
	for (int i = 0; i < 2; i++)
		if (wait(&st) > 0)
			sum += st;
	CHECK(sum == 8 << 8, "the orphans' status: %x", sum);
	CHECK(wait(&st) == -1 && errno == ECHILD, "another child: %s", strerror(errno));
	close(p[0]);
	close(p[1]);
}

static void pipes(void)
{
	int p[2], q[2];
	char buf[100000];
	CHECK(pipe(p) == 0 && pipe(q) == 0, "pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		close(p[1]);
		close(q[0]);
		ssize_t n;
		while ((n = read(p[0], buf, sizeof buf)) > 0) {
			for (ssize_t i = 0; i < n; i++)
				buf[i]++;
			for (ssize_t done = 0, m; done < n; done += m)
				if ((m = write(q[1], buf + done, n - done)) < 0)
					_exit(1);
		}
		_exit(n != 0);
	}
	close(p[0]);
	close(q[1]);
	static char out[300000], in[300000];
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = i * 7;
	pid_t writer = fork();
	if (writer == 0) {
		close(q[0]);
		for (size_t done = 0; done < sizeof out;) {
			ssize_t m = write(p[1], out + done, sizeof out - done);
			if (m < 0)
				_exit(1);
			done += m;
		}
		_exit(0);
	}
	close(p[1]);
	size_t got = 0;
	for (ssize_t n; (n = read(q[0], in + got, sizeof in - got)) > 0;)
		got += n;
	size_t wrong = 0;
	for (size_t i = 0; i < got; i++)
		wrong += in[i] != (char)(out[i] + 1);
	CHECK(got == sizeof in && wrong == 0, "%zu bytes came through, %zu of them wrong", got, wrong);
	CHECK(status(writer) == 0 && status(pid) == 0, "the children");
	close(q[0]);
	// A pipe that no process reads.
	CHECK(pipe(p) == 0, "pipe: %s", strerror(errno));
	close(p[0]);
	pid = fork();
	if (pid == 0) {
		ssize_t n = write(p[1], "x", 1);
		_exit(n);
	}
	int st = status(pid);
	CHECK(st == SIGPIPE, "without a reader: %x", st);
	close(p[1]);
}

static void groups(void)
{
	pid_t group = getpgrp(), self = getpid();
	int p[2];
	char c;
	CHECK(getpgid(0) == group && getpgid(self) == group, "own group");
	CHECK(pipe(p) == 0, "pipe: %s", strerror(errno));
	pid_t a = fork();
	if (a == 0) {
		setpgid(0, 0);
		if (write(p[1], "a", 1) == 1)
			for (;;)
				pause();
	}
	CHECK(read(p[0], &c, 1) == 1, "read: %s", strerror(errno));
	pid_t b = fork();
	if (b == 0)
		for (;;)
			pause();
	CHECK(getpgid(a) == a && getpgid(b) == group, "groups %d %d", getpgid(a), getpgid(b));
	CHECK(setpgid(b, a) == 0 && getpgid(b) == a, "setpgid: %s", strerror(errno));
	CHECK(setpgid(b, 1 << 30) == -1 && errno == EPERM, "a group that is not there: %s", strerror(errno));
	CHECK(setpgid(1 << 30, 0) == -1 && errno == ESRCH, "a process that is not there: %s", strerror(errno));
	int st;
	CHECK(waitpid(0, &st, WNOHANG) == -1 && errno == ECHILD, "none of the group: %s", strerror(errno));
	CHECK(kill(-a, SIGTERM) == 0, "kill: %s", strerror(errno));
	int n = 0;
	while (waitpid(-a, &st, 0) > 0)
		n += st == SIGTERM;
	CHECK(n == 2 && errno == ECHILD, "%d of the group have ended: %s", n, strerror(errno));
	CHECK(kill(-a, 0) == -1 && errno == ESRCH, "the group is empty: %s", strerror(errno));
	pid_t s = fork();
	if (s == 0)
		_exit(setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid() || setsid() != -1);
	st = status(s);
	CHECK(st == 0, "setsid: %x", st);
	close(p[0]);
	close(p[1]);
}

static void *forever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void *spin(void *arg)
{
	for (;;)
		++*(volatile long *)arg;
	return NULL;
}

static void *exit_thread(void *arg)
{
	usleep(2000);
	exit((int)(long)arg);
	return NULL;
}

static void *exec_thread(void *arg)
{
	char *argv[] = {"x", "pid", (char *)arg, NULL};
	usleep(2000);
	execve(SELF, argv, environment);
	_exit(100);
	return NULL;
}

// thread_ends makes a child with threads of which one ends the process.
static int thread_ends(void *(*how)(void *), void *arg)
{
	pid_t pid = fork();
	if (pid == 0) {
		static long count;
		static char number[20];
		pthread_t t;
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, forever, NULL);
		pthread_create(&t, NULL, spin, &count);
		if (arg == NULL) {
			snprintf(number, sizeof number, "%d", getpid());
			arg = number;
		}
		pthread_create(&t, NULL, how, arg);
		for (;;)
			pause();
	}
	return status(pid);
}

static void threads_of_processes(void)
{
	int st = thread_ends(exit_thread, (void *)11);
	CHECK(st == 11 << 8, "exit by a thread: %x", st);
	st = thread_ends(exec_thread, NULL);
	CHECK(st == 0, "exec by a thread: %x", st);
	pid_t pid = fork();
	if (pid == 0) { // the first thread ends before the others
		pthread_t t;
		pthread_create(&t, NULL, exit_thread, (void *)12);
		pthread_exit(NULL);
	}
	st = status(pid);
	CHECK(st == 12 << 8, "after the first thread's end: %x", st);
}

static int futex_word;

static void futexes(void)
{
	int p[2];
	CHECK(pipe(p) == 0, "pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		struct timespec ts = {0, 30000000};
		if (write(p[1], "x", 1) < 0)
			_exit(1);
		long r = syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
		_exit(r == -1 && errno == ETIMEDOUT ? 0 : 2);
	}
	char c;
	CHECK(read(p[0], &c, 1) == 1, "read: %s", strerror(errno));
	usleep(5000);
	long woken = syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
	CHECK(woken == 0, "%ld of another process woken", woken);
	int st = status(pid);
	CHECK(st == 0, "child: %x", st);
	close(p[0]);
	close(p[1]);
}

static void own_state(void)
{
	mode_t before = umask(022);
	char cwd[100];
	pid_t pid = fork();
	if (pid == 0) {
		umask(077);
		struct itimerval it = {.it_value = {1000, 0}}, got;
		int bad = getitimer(ITIMER_REAL, &got) != 0 || got.it_value.tv_sec != 0;
		bad |= setitimer(ITIMER_REAL, &it, NULL) != 0;
		bad |= chdir("/proc") != 0 || getcwd(cwd, sizeof cwd) == NULL || strcmp(cwd, "/proc") != 0;
		signal(SIGTERM, SIG_IGN);
		close(1);
		_exit(bad);
	}
	struct itimerval it = {.it_value = {100, 0}}, got;
	setitimer(ITIMER_REAL, &it, NULL);
	int st = status(pid);
	CHECK(st == 0, "child: %x", st);
	CHECK(umask(before) == 022, "umask");
	CHECK(getcwd(cwd, sizeof cwd) != NULL && strcmp(cwd, "/proc") != 0, "the directory is %s", cwd);
	struct sigaction sa;
	sigaction(SIGTERM, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL, "the child's handler");
	CHECK(getitimer(ITIMER_REAL, &got) == 0 && got.it_value.tv_sec > 1 && got.it_value.tv_sec <= 100, "the timer has %ld s left", (long)got.it_value.tv_sec);
	memset(&it, 0, sizeof it);
	setitimer(ITIMER_REAL, &it, NULL);
}

static void times_of_children(void)
{
	struct rusage before, after;
	getrusage(RUSAGE_CHILDREN, &before);
	pid_t pid = fork();
	if (pid == 0) {
		for (int64_t end = now_ns() + 30000000; now_ns() < end;)
			;
		_exit(0);
	}
	CHECK(status(pid) == 0, "child");
	getrusage(RUSAGE_CHILDREN, &after);
	long us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec +
		  (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
	CHECK(us > 0, "the child's time is %ld us", us);
}

static void many(void)
{
	enum { n = 100 };
	pid_t pids[n];
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			usleep(i * 100 % 7000);
			_exit(i);
		}
		CHECK(pids[i] > 0, "fork %d: %s", i, strerror(errno));
	}
	for (int i = n - 1; i >= 0; i--) {
		int st = status(pids[i]);
		CHECK(st == i << 8, "child %d: %x", i, st);
	}
}

static long free_pages(void)
{
	struct sysinfo s;
	sysinfo(&s);
	return s.freeram * s.mem_unit / 4096;
}

static void one_of_each(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		page[0]++;
		pid = fork(); // of which the child has more pages than its parent
		if (pid == 0)
			_exit(0);
		_exit(status(pid));
	}
	CHECK(status(pid) == 0, "fork");
	pid = vfork();
	if (pid == 0)
		_exit(0);
	CHECK(status(pid) == 0, "vfork");
}

// lost counts free pages: only on entrylab do they not change by themselves.
static void lost(int rounds)
{
	for (int i = 0; i < 20; i++)
		one_of_each();
	run("exit", "0");
	run("exit", "0");
	long before = free_pages();
	for (int i = 0; i < rounds; i++)
		one_of_each();
	for (int i = 0; i < rounds / 100; i++)
		run("exit", "0");
	long after = free_pages();
	CHECK(after == before, "%ld pages are free, before %ld", after, before);
}

// zombies leaves as many dead children as there can be, up to a limit, until fork fails for
// lack of memory, and waits for all. A kernel stack needs four pages beside each other: once all
// memory was taken, entrylab has room for fewer. From the second time on no page is lost.
static void zombies(int limit)
{
	long before = 0;
	for (int time = 0; time < 3; time++) {
		int n = 0, err = 0;
		while (n < limit) {
			pid_t pid = fork();
			if (pid == 0)
				_exit(n & 0x7f);
			if (pid < 0) {
				err = errno;
				break;
			}
			n++;
		}
		CHECK(n == limit || err == EAGAIN || err == ENOMEM, "fork %d: %s", n, strerror(err));
		CHECK(n > (time == 0 ? 1000 : 0), "only %d children", n);
		int waited = 0, st;
		while (wait(&st) > 0) {
			CHECK(WIFEXITED(st), "status %x", st);
			waited++;
		}
		CHECK(errno == ECHILD && waited == n, "%d of %d waited for: %s", waited, n, strerror(errno));
		long after = free_pages();
		CHECK(time < 2 || after == before, "%ld pages are free, before %ld", after, before);
		before = after;
	}
	for (int i = 0; i < 20; i++)
		one_of_each();
}

// alive has more and more children live at once, the later ones in RAM that none had before.
// What the kernel then comes to keep about that RAM was never free: no page is lost.
static void alive(int most)
{
	long before = 0;
	for (int n = 1; n <= most; n *= 2) {
		int end[2], st;
		CHECK(pipe(end) == 0, "pipe");
		for (int i = 0; i < n; i++) {
			pid_t pid = fork();
			if (pid == 0) {
				char c;
				close(end[1]);
				_exit(read(end[0], &c, 1)); // until the parent closes its end
			}
			CHECK(pid > 0, "fork %d of %d: %s", i, n, strerror(errno));
		}
		close(end[0]);
		close(end[1]);
		for (int i = 0; i < n; i++)
			CHECK(wait(&st) > 0 && st == 0, "status %x", st);
		long after = free_pages();
		CHECK(n == 1 || after == before, "after %d at once %ld pages are free, before %ld", n, after, before);
		before = after;
	}
}

// crowd has more and more children live at once, each of which writes to pages that it has
// from its parent, until fork fails for lack of memory, and then writes to all pages of the
// parent that they have as well. A child may be killed meanwhile for its memory: its parent
// lives, and no page is lost.
static void crowd(void)
{
	enum { own = 200, of_child = 16, most = 4096 };
	int all_killed = 0;
	static char pages[own][4096];
	long least = LONG_MAX; // one page more or less may hold the last of the kernel's small objects
	for (int time = 1; time <= 8; time++) {
		int end[2], st, n = 0, err = 0, waited = 0, killed = 0;
		CHECK(pipe(end) == 0, "pipe");
		for (int i = 0; i < own; i++)
			pages[i][0] = time;
		while (n < most) {
			pid_t pid = fork();
			if (pid == 0) {
				char c;
				int bad = close(end[1]) != 0;
				for (int i = 0; i < of_child; i++)
					pages[i][0] = -time;
				bad |= read(end[0], &c, 1) != 0; // until the parent closes its end
				for (int i = 0; i < own; i++)
					bad |= pages[i][0] != (i < of_child ? -time : time);
				_exit(bad);
			}
			if (pid < 0) {
				err = errno;
				break;
			}
			n++;
		}
		CHECK(err == ENOMEM && n > 10, "fork %d: %s", n, strerror(err));
		for (int i = 0; i < own; i++)
			pages[i][1] = time;
		close(end[0]);
		close(end[1]);
		while (wait(&st) > 0) {
			CHECK(st == 0 || st == SIGKILL, "status %x", st);
			killed += st != 0;
			waited++;
		}
		CHECK(errno == ECHILD && waited == n && killed < n, "%d of %d waited for, %d were killed: %s", waited, n, killed, strerror(errno));
		for (int i = 0; i < own; i++)
			CHECK(pages[i][0] == time && pages[i][1] == time, "page %d is %d, %d", i, pages[i][0], pages[i][1]);
		one_of_each(); // frees what the last of them had
		long after = free_pages();
		printf("%d children, of whom %d were killed; %ld pages are free\n", n, killed, after);
		all_killed += killed;
		if (time > 4)
			CHECK(after >= least, "%ld pages are free, before %ld", after, least);
		else if (time > 1 && after < least)
			least = after;
	}
	CHECK(all_killed > 0, "there was memory for all");
}

// crowds does so as init, and as a child of init, which lives as well.
static void crowds(void)
{
	static char pages[300][4096];
	crowd();
	memset(pages, 1, sizeof pages);
	pid_t pid = fork();
	if (pid == 0) {
		crowd();
		_exit(failed);
	}
	int st = status(pid);
	CHECK(st == 0, "child: %x", st);
	memset(pages, 2, sizeof pages);
	one_of_each();
}

// costs counts, by a TSC that counts instructions, what one child's calls cost while there are
// few others and while there are many: all dead, the first ones asked for. No cost grows with
// their number, but for the few steps of a list that is one of thousands.
static void costs(int many)
{
	enum { calls = 5, tries = 3, slack = 100 };
	static const char *names[calls] = {"fork and exit", "kill", "getpgid", "wait4", "wait4 for any"};
	unsigned long cost[3][calls];
	int number[3] = {10, 10, many}; // the first for what is dear once alone
	pid_t *pids = malloc(many * sizeof *pids);
	memset(pids, 1, many * sizeof *pids); // a fork copies as many pages both times
	for (int time = 0; time < 3; time++) {
		for (int c = 0; c < calls; c++)
			cost[time][c] = -1UL;
		for (int i = 0; i < number[time]; i++) {
			unsigned long before = __rdtsc();
			pids[i] = fork();
			if (pids[i] == 0)
				_exit(0);
			siginfo_t si;
			int got = waitid(P_PID, pids[i], &si, WEXITED | WNOWAIT); // it has ended
			unsigned long took = __rdtsc() - before;
			CHECK(got == 0, "fork %d: %s", i, strerror(errno));
			if (i >= number[time] - tries && took < cost[time][0])
				cost[time][0] = took;
		}
		for (int i = 0; i < tries; i++) { // the least: a tick of the clock may be in one
			int results[calls] = {0};
			for (int c = 1; c < calls; c++) {
				unsigned long before = __rdtsc();
				switch (c) {
				case 1: results[c] = kill(pids[i], 0); break;
				case 2: results[c] = getpgid(pids[i]); break;
				case 3: results[c] = wait4(pids[i], NULL, 0, NULL); break;
				case 4: results[c] = wait4(-1, NULL, 0, NULL); break;
				}
				unsigned long took = __rdtsc() - before;
				if (took < cost[time][c])
					cost[time][c] = took;
			}
			CHECK(results[1] == 0 && results[2] == getpgrp() && results[3] == pids[i] && results[4] > 0,
			      "child %d: %d %d %d %d", pids[i], results[1], results[2], results[3], results[4]);
		}
		while (wait(NULL) > 0)
			;
	}
	free(pids);
	for (int c = 0; c < calls; c++) {
		printf("%s: %lu instructions beside %d, %lu beside %d\n", names[c], cost[1][c], number[1], cost[2][c], number[2]);
		CHECK(cost[2][c] <= cost[1][c] + slack, "%s: %lu instructions beside %d, %lu beside %d",
		      names[c], cost[1][c], number[1], cost[2][c], number[2]);
	}
}

// refuses executes the files of a folder, which are no programs, and returns how many there are.
static int refuses(const char *folder, int late)
{
	DIR *dir = opendir(folder);
	CHECK(dir != NULL, "%s: %s", folder, strerror(errno));
	struct dirent *entry;
	int files = 0;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char path[300], *argv[] = {"x", NULL}, *none[] = {NULL};
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		pid_t pid = fork();
		if (pid == 0) {
			execve(path, argv, none);
			_exit(errno);
		}
		int st = status(pid), want = strcmp(entry->d_name, "mode") == 0      ? EACCES
					     : strcmp(entry->d_name, "dynamic") == 0 ? ENOENT
										     : ENOEXEC;
		CHECK(st == (late ? SIGKILL : want << 8), "%s: status %x", path, st);
		files++;
	}
	closedir(dir);
	return files;
}

static void refused(const char *early, const char *late)
{
	long before = 0;
	for (int time = 0; time < 3; time++) {
		int some = refuses(early, 0) > 1, others = refuses(late, 1) > 1;
		CHECK(some && others, "files are missing");
		long after = free_pages();
		CHECK(time == 0 || after == before, "%ld pages are free, before %ld", after, before);
		before = after;
	}
	one_of_each();
}

// other is this program as another one, started with a word.
static int other(int argc, char **argv, char **envp)
{
	if (strcmp(argv[1], "exit") == 0)
		return atoi(argv[2]);
	if (strcmp(argv[1], "pid") == 0)
		return getpid() != atoi(argv[2]) || gettid() != getpid();
	if (strcmp(argv[1], "args") == 0) {
		char name[16] = "";
		prctl(PR_GET_NAME, name);
		return argc != 3 || strcmp(argv[0], "name of its own") != 0 || strcmp(argv[2], "a b") != 0 ||
		       envp[0] == NULL || strcmp(envp[0], "COLOUR=blue") != 0 || envp[1] != NULL || page[0] != 0 || word != 1 ||
		       strcmp(name, "exe") != 0;
	}
	if (strcmp(argv[1], "state") == 0) {
		struct sigaction ignored, handled;
		sigset_t set;
		sigaction(SIGUSR1, NULL, &ignored);
		sigaction(SIGUSR2, NULL, &handled);
		sigprocmask(SIG_SETMASK, NULL, &set);
		return fcntl(50, F_GETFD) != 0 || fcntl(60, F_GETFD) != -1 || ignored.sa_handler != SIG_IGN ||
		       handled.sa_handler != SIG_DFL || !sigismember(&set, SIGHUP) || sigismember(&set, SIGINT);
	}
	return 101;
}

int main(int argc, char **argv, char **envp)
{
	environment = envp;
	if (argc > 2 && strcmp(argv[1], "lost") == 0) {
		part = "lost";
		lost(atoi(argv[2]));
		if (!failed)
			printf("ok lost\n");
		return finish();
	}
	if (argc > 3 && strcmp(argv[1], "refused") == 0) {
		part = "refused";
		refused(argv[2], argv[3]);
		if (!failed)
			printf("ok refused\n");
		return finish();
	}
	if (argc > 2 && strcmp(argv[1], "alive") == 0) {
		part = "alive";
		alive(atoi(argv[2]));
		if (!failed)
			printf("ok alive\n");
		return finish();
	}
	if (argc > 1 && strcmp(argv[1], "crowds") == 0) {
		setvbuf(stdout, NULL, _IONBF, 0); // a child prints nothing of its parent's
		RUN(crowds);
		return finish();
	}
	if (argc > 2 && strcmp(argv[1], "costs") == 0) {
		part = "costs";
		costs(atoi(argv[2]));
		if (!failed)
			printf("ok costs\n");
		return finish();
	}
	if (argc > 2 && strcmp(argv[1], "zombies") == 0) {
		part = "zombies";
		zombies(atoi(argv[2]));
		if (!failed)
			printf("ok zombies\n");
		return finish();
	}
	if (argc > 1)
		return other(argc, argv, envp);
	setvbuf(stdout, NULL, _IONBF, 0); // a child must not print what its parent has not
	RUN(forks);
	RUN(stacks);
	RUN(kernel_writes);
	RUN(protections);
	RUN(shared_memory);
	RUN(vforks);
	RUN(execs);
	RUN(bad_execs);
	RUN(waits);
	RUN(sigchld);
	RUN(orphans);
	RUN(pipes);
	RUN(groups);
	RUN(threads_of_processes);
	RUN(futexes);
	RUN(own_state);
	RUN(times_of_children);
	RUN(many);
	return finish();
}
