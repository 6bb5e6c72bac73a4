// fil: pipes, polling, directories and descriptors.
#include "../c/check.h"
#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>

static void *wr(void *v)
{
	int fd = *(int *)v;
	char b[1000];
	for (int i = 0; i < 2000; i++) {
		memset(b, i, 1000);
		int o = 0;
		while (o < 1000) {
			int r = write(fd, b + o, 1000 - o);
			if (r < 0)
				return (void *)(long)errno;
			o += r;
		}
	}
	close(fd);
	return 0;
}

static void t_pipe(void)
{
	int p[2];
	CHECK(pipe2(p, O_CLOEXEC) == 0, "pipe2");
	pthread_t t;
	pthread_create(&t, 0, wr, &p[1]);
	long n = 0, bad = 0;
	char b[3777];
	int r;
	while ((r = read(p[0], b, sizeof b)) > 0) {
		for (int i = 0; i < r; i++)
			if (b[i] != (char)((n + i) / 1000))
				bad++;
		n += r;
	}
	CHECK(r == 0 && n == 2000000 && bad == 0, "r %d n %ld bad %ld", r, n, bad);
	void *e;
	pthread_join(t, &e);
	close(p[0]);
	CHECK(pipe(p) == 0, "p");
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(p[1], "x", 1) == -1 && errno == EPIPE, "epipe");
	close(p[1]);
	CHECK(fcntl(99, F_GETFL) == -1 && errno == EBADF, "badf");
}

static void t_poll(void)
{
	int p[2];
	pipe(p);
	struct pollfd f = {.fd = p[0], .events = POLLIN};
	double t = now();
	CHECK(poll(&f, 1, 30) == 0, "to");
	CHECK(now() - t >= 0.029, "%f", now() - t);
	write(p[1], "x", 1);
	CHECK(poll(&f, 1, -1) == 1 && f.revents == POLLIN, "in %x", f.revents);
	close(p[1]);
	CHECK(poll(&f, 1, -1) == 1 && f.revents == (POLLIN | POLLHUP), "%x", f.revents);
	f.fd = 77;
	CHECK(poll(&f, 1, 0) == 1 && f.revents == POLLNVAL, "nval %x", f.revents);
	fd_set s;
	FD_ZERO(&s);
	FD_SET(p[0], &s);
	struct timeval tv = {0, 10000};
	int r = select(p[0] + 1, &s, 0, 0, &tv);
	CHECK(r == 1, "select r=%d", r);
	struct timespec ts = {0, 1000};
	FD_SET(p[0], &s);
	r = pselect(p[0] + 1, &s, 0, 0, &ts, 0);
	CHECK(r == 1, "pselect r=%d", r);
	close(p[0]);
	tv = (struct timeval){0, 20000};
	t = now();
	r = select(0, 0, 0, 0, &tv);
	CHECK(r == 0, "select as sleep r=%d", r);
}

static void *ev(void *v)
{
	usleep(20000);
	uint64_t x = 3;
	write(*(int *)v, &x, 8);
	return 0;
}

static void t_epoll(void)
{
	int e = epoll_create1(0);
	CHECK(e >= 0, "ep");
	int f = eventfd(0, EFD_NONBLOCK);
	CHECK(f >= 0, "efd");
	struct epoll_event x = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdefull}, y;
	CHECK(epoll_ctl(e, EPOLL_CTL_ADD, f, &x) == 0, "add");
	CHECK(epoll_ctl(e, EPOLL_CTL_ADD, f, &x) == -1 && errno == EEXIST, "exist");
	CHECK(epoll_wait(e, &y, 1, 10) == 0, "none");
	pthread_t t;
	pthread_create(&t, 0, ev, &f);
	CHECK(epoll_wait(e, &y, 1, -1) == 1 && y.data.u64 == x.data.u64 && y.events == EPOLLIN, "ev %x", y.events);
	CHECK(epoll_wait(e, &y, 1, 0) == 0, "edge");
	uint64_t v;
	CHECK(read(f, &v, 8) == 8 && v == 3, "v");
	CHECK(read(f, &v, 8) == -1 && errno == EAGAIN, "again");
	pthread_join(t, 0);
	CHECK(epoll_ctl(e, EPOLL_CTL_DEL, f, 0) == 0, "del");
	CHECK(epoll_ctl(e, EPOLL_CTL_DEL, f, 0) == -1 && errno == ENOENT, "noent");
	close(f);
	close(e);
	int s = eventfd(5, EFD_SEMAPHORE);
	CHECK(read(s, &v, 8) == 8 && v == 1, "sem");
	close(s);
}

static void t_dir(void)
{
	DIR *d = opendir("/");
	CHECK(d != 0, "opendir");
	if (d) {
		struct dirent *e;
		int n = 0;
		while ((e = readdir(d))) {
			n++;
			if (!strcmp(e->d_name, "init"))
				CHECK(e->d_type == DT_REG, "type");
		}
		CHECK(n >= 2, "n %d", n);
		rewinddir(d);
		int k = 0;
		while (readdir(d))
			k++;
		CHECK(k == n, "rewind %d %d", k, n);
		closedir(d);
	}
}

static void t_fds(void)
{
	int n = 0, f[2000];
	while (n < 2000 && (f[n] = dup(1)) >= 0)
		n++;
	CHECK(n >= 1000, "only %d dup()s, then %s", n, strerror(errno));
	while (n)
		close(f[--n]);
	int p[200][2];
	for (n = 0; n < 200; n++)
		if (pipe(p[n]))
			break;
	CHECK(n == 200, "only %d pipes: %s", n, strerror(errno));
	while (n) {
		n--;
		close(p[n][0]);
		close(p[n][1]);
	}
	struct rlimit rl;
	CHECK(getrlimit(RLIMIT_NOFILE, &rl) == 0, "rl");
	CHECK(rl.rlim_cur >= 1024, "RLIMIT_NOFILE %ld", (long)rl.rlim_cur);
}

static void t_self(void)
{
	char b[100];
	CHECK(open("/dev/null", O_RDWR) >= 0, "/dev/null");
	CHECK(open("/dev/zero", O_RDWR) >= 0, "/dev/zero");
	CHECK(open("/dev/urandom", O_RDONLY) >= 0, "/dev/urandom");
	CHECK(readlink("/proc/self/exe", b, 100) > 0, "/proc/self/exe");
	CHECK(time(0) > 1600000000, "time %ld", time(0));
}

int main(void)
{
	RUN(t_pipe);
	RUN(t_poll);
	RUN(t_epoll);
	RUN(t_dir);
	RUN(t_fds);
	RUN(t_self);
	return finish();
}
