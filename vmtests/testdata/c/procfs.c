// procfs: what /proc/PID/stat and /proc/PID/syscall say of a child that sleeps with an RSP that
// is known, of the reader itself, of a zombie and of nobody. Newer kernels show no kstkesp of a
// task that lives: 0 is right, too. WITHOUT=rsp leaves out what Linux 3.19 has wrong.
#include "check.h"

#include <stddef.h>
#include <sys/wait.h>

// shared is where the child tells of itself, and its stack's top.
static struct {
	unsigned long rsp;
	unsigned long stack[512];
} *shared;

static int text(pid_t pid, const char *file, char *out, int size)
{
	char path[64];
	if (pid)
		snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	else
		snprintf(path, sizeof path, "/proc/self/%s", file);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	int n = read(fd, out, size - 1), err = errno;
	close(fd);
	if (n < 0)
		return -err;
	out[n] = 0;
	return n;
}

// sleeper is a child that sleeps in pause, on a stack of its own.
static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		unsigned long top = (unsigned long)&shared->stack[256];
		asm volatile("mov %0, %%rsp\n\t"
			     "mov %%rsp, (%1)\n\t"
			     "mov %2, %%eax\n\t"
			     "syscall\n\t"
			     "hlt" ::"r"(top), "r"(&shared->rsp), "i"(SYS_pause)
			     : "memory");
		__builtin_unreachable();
	}
	while (*(volatile unsigned long *)&shared->rsp == 0)
		sched_yield();
	struct timespec ts = {0, 20000000};
	nanosleep(&ts, NULL);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	shared->rsp = 0;
}

// fields reads stat: the number of its fields, and those behind the name.
static int fields(const char *t, char *state, unsigned long long f[64])
{
	const char *at = strrchr(t, ')');
	if (!at || sscanf(at, ") %c", state) != 1)
		return 0;
	int n = 3;
	for (at += 3; *at && n < 64; n++) {
		char *to;
		f[n + 1] = strtoll(at, &to, 10);
		if (f[n + 1] == 0x7fffffffffffffff)
			f[n + 1] = strtoull(at, &to, 10);
		if (to == at)
			break;
		at = to;
	}
	return n;
}

static void stat_of_a_sleeper(void)
{
	char t[1024], state = 0, name[32] = "";
	unsigned long long f[66] = {0};
	int p = 0;
	pid_t pid = sleeper();
	CHECK(text(pid, "stat", t, sizeof t) > 0, "%s", strerror(errno));
	CHECK(sscanf(t, "%d (%31[^)])", &p, name) == 2 && p == pid && name[0], "%s", t);
	int n = fields(t, &state, f);
	CHECK(n == 52, "%d fields in %s", n, t);
	CHECK(state == 'S', "state %c", state);
	CHECK(f[4] == (unsigned)getpid(), "parent %llu", f[4]);
	CHECK(f[5] == (unsigned)getpgrp() && f[6] == (unsigned)getsid(0), "group %llu, session %llu", f[5], f[6]);
	CHECK(f[20] == 1, "%llu threads", f[20]);
	CHECK(f[38] == SIGCHLD, "exit signal %llu", f[38]);
	CHECK(f[29] == 0 || f[29] == shared->rsp, "kstkesp %#llx, want %#lx", f[29], shared->rsp);
	end(pid);
}

static void call_of_a_sleeper(void)
{
	char t[256];
	long nr = -1;
	unsigned long args[6], sp = 0, pc = 0;
	pid_t pid = sleeper();
	int n = text(pid, "syscall", t, sizeof t);
	CHECK(n > 0, "%s", strerror(-n));
	CHECK(sscanf(t, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &nr, args, args + 1, args + 2, args + 3, args + 4, args + 5, &sp, &pc) == 9, "%s", t);
	CHECK(nr == SYS_pause, "%s", t);
	CHECK(pc > 0x1000 && pc < 1UL << 47, "%s", t);
	if (wanted("rsp"))
		CHECK(sp == shared->rsp, "sp %#lx, want %#lx: %s", sp, shared->rsp, t);
	end(pid);
}

static void own(void)
{
	char t[1024], state = 0;
	unsigned long long f[66];
	long nr = -1;
	unsigned long fd = 0;
	CHECK(text(0, "stat", t, sizeof t) > 0 && fields(t, &state, f) == 52 && state == 'R' && atoi(t) == getpid(), "%s", t);
	int n = text(0, "syscall", t, sizeof t);
	CHECK(n > 0 && sscanf(t, "%ld %lx", &nr, &fd) == 2 && nr == SYS_read && fd < 1024, "%d: %s", n, t);
}

static void zombies(void)
{
	char t[1024], state = 0;
	unsigned long long f[66] = {0};
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	siginfo_t si;
	CHECK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT) == 0, "%s", strerror(errno));
	CHECK(text(pid, "stat", t, sizeof t) > 0 && fields(t, &state, f) == 52 && state == 'Z', "%s", t);
	CHECK(f[52] == 3 << 8 || f[52] == 0, "exit code %llu", f[52]);
	CHECK(f[29] == 0, "kstkesp of a zombie %#llx", f[29]);
	waitpid(pid, NULL, 0);
	int n = text(pid, "stat", t, sizeof t);
	CHECK(n == -ENOENT, "%d", n);
}

static void nobody(void)
{
	char t[64];
	static const char *const paths[] = {
		"/proc/0/stat", "/proc/999999999999999999/stat", "/proc/1x/stat", "/proc/-1/stat", "/proc/1/statx", "/proc//1/no", "/proc/01x",
	};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		int fd = open(paths[i], O_RDONLY);
		CHECK(fd < 0 && errno == ENOENT, "%s: %d, errno %d", paths[i], fd, errno);
	}
	int fd = open("/proc/self/stat", O_RDONLY);
	CHECK(read(fd, t, 5) == 5 && read(fd, t + 5, 5) == 5, "read in two parts");
	t[10] = 0;
	CHECK(atoi(t) == getpid(), "%s", t);
	CHECK(pread(fd, t, 5, 100000) == 0, "beyond the end");
	CHECK(read(fd, (void *)-4096L, 5) == -1 && errno == EFAULT, "errno %d", errno);
	close(fd);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	RUN(stat_of_a_sleeper);
	RUN(call_of_a_sleeper);
	RUN(own);
	RUN(zombies);
	RUN(nobody);
	return finish();
}
