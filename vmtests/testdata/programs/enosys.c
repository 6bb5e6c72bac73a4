// enosys: names each call that the kernel does not have, of those that C and C++
// libraries, Go and Rust make, or that programs often do.
#include "../c/check.h"
#include <dirent.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/wait.h>

// TRY names the call x if there is none. The libraries return what the kernel
// did in errno, a bare syscall of a few in the result.
#define TRY(x)                                          \
	do {                                            \
		errno = 0;                              \
		long r = (long)(x);                     \
		if (errno == ENOSYS || r == -ENOSYS)    \
			puts(#x);                       \
	} while (0)

int main(void)
{
	static char b[4096] __attribute__((aligned(4096)));
	struct timeval tv = {0, 1000};
	struct timespec ts = {0, 1};
	struct itimerval it = {{0, 0}, {100, 0}};
	struct itimerspec its = {{0, 0}, {0, 0}};
	struct rusage ru;
	struct tms tm;
	struct statfs sf;
	struct sched_param sp;
	siginfo_t si;
	sigset_t m;
	timer_t id = 0;
	unsigned cpu;
	sigemptyset(&m);

	// Time and timers.
	TRY(select(0, 0, 0, 0, &tv));
	TRY(pselect(0, 0, 0, 0, &ts, 0));
	TRY(ppoll(0, 0, &ts, 0));
	TRY(getitimer(ITIMER_REAL, &it));
	TRY(setitimer(ITIMER_REAL, &it, 0));
	TRY(alarm(0));
	TRY(timer_create(CLOCK_MONOTONIC, 0, &id));
	TRY(timer_settime(id, 0, &its, 0));
	TRY(timer_gettime(id, &its));
	TRY(timer_getoverrun(id));
	TRY(timer_delete(id));
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	TRY(timerfd_create(CLOCK_MONOTONIC, 0));
	TRY(timerfd_settime(timer, 0, &its, 0));
	TRY(timerfd_gettime(timer, &its));
	TRY(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
	TRY(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	TRY(clock_settime(-1, &ts)); // of no clock: this may be run by root
	TRY(clock());
	TRY(getrusage(RUSAGE_SELF, &ru));
	TRY(times(&tm));

	// Processes, threads and signals.
	TRY(sigqueue(getpid(), 0, (union sigval){0}));
	TRY(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &si));
	TRY(syscall(SYS_set_robust_list, b, 24));
	TRY(syscall(SYS_get_robust_list, 0, b, b + 8));
	TRY(syscall(SYS_futex, b, 6, 0, 0, 0, 0));
	TRY(syscall(SYS_futex, b, 5, 1, 1, b + 4, 0));
	TRY(syscall(SYS_membarrier, 0, 0, 0));
	TRY(getpgrp());
	TRY(getpgid(0));
	TRY(getsid(0));
	TRY(setsid());
	TRY(setpgid(0, 0));
	TRY(getpriority(PRIO_PROCESS, 0));
	TRY(setpriority(PRIO_PROCESS, 0, 0));
	TRY(sched_getcpu());
	TRY(syscall(SYS_getcpu, &cpu, 0, 0));
	TRY(sched_getscheduler(0));
	TRY(sched_getparam(0, &sp));
	TRY(sched_get_priority_max(SCHED_FIFO));
	TRY(sched_get_priority_min(SCHED_FIFO));
	TRY(sched_rr_get_interval(0, &ts));
	TRY(wait4(-1, 0, 0, 0));
	TRY(waitid(P_ALL, 0, &si, WEXITED));
	TRY(prctl(PR_SET_NAME, "x", 0, 0, 0));

	// Memory.
	TRY(mlock(b, 4096));
	TRY(munlock(b, 4096));
	TRY(mlockall(MCL_CURRENT));
	TRY(munlockall());
	TRY(msync(b, 4096, MS_SYNC));
	TRY(mincore(b, 4096, (unsigned char *)b));

	// Files. None of the names exist: this may be run by root.
	TRY(syscall(SYS_statx, AT_FDCWD, "/", 0, 0x7ff, b));
	TRY(statfs("/", &sf));
	TRY(fstatfs(0, &sf));
	TRY(mkdir("/no/x", 0755));
	TRY(rmdir("/no/x"));
	TRY(unlink("/no/x"));
	TRY(rename("/no/x", "/no/y"));
	TRY(link("/no/x", "/no/y"));
	TRY(symlink("/no/x", "/no/y"));
	TRY(mknod("/no/x", S_IFIFO, 0));
	TRY(open("/no/x", O_CREAT | O_WRONLY, 0644));
	TRY(truncate("/no/x", 0));
	TRY(ftruncate(-1, 0));
	TRY(chmod("/no/x", 0755));
	TRY(fchmod(-1, 0755));
	TRY(fchmodat(AT_FDCWD, "/no/x", 0755, 0));
	TRY(chown("/no/x", 0, 0));
	TRY(fchown(-1, 0, 0));
	TRY(lchown("/no/x", 0, 0));
	TRY(fchownat(AT_FDCWD, "/no/x", 0, 0, 0));
	TRY(utimensat(AT_FDCWD, "/no/x", 0, 0));
	TRY(utimes("/no/x", 0));
	TRY(fallocate(-1, 0, 0, 10));
	TRY(preadv(-1, 0, 0, 0));
	TRY(pwritev(-1, 0, 0, 0));
	TRY((sync(), 0));

	puts("end");
	return 0;
}
