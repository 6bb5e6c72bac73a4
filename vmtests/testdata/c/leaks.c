// leaks: memory that was had is free again, to the page. Linux counts otherwise.
#include "check.h"

#include <sys/epoll.h>
#include <sys/sysinfo.h>

static char buf[1 << 20];

static long free_pages(void)
{
	struct sysinfo s;
	sysinfo(&s);
	return s.freeram * s.mem_unit / 4096;
}

// no_leak runs f until what it keeps for good is there, and then some more.
static void no_leak(void (*f)(void))
{
	for (int i = 0; i < 2; i++)
		f();
	long before = free_pages();
	for (int i = 0; i < 10; i++)
		f();
	CHECK(free_pages() == before, "%ld pages are free, before %ld", free_pages(), before);
}

static void some_pipes(void)
{
	int fds[800], n = 0, p[2], ep = epoll_create1(0);
	while (n < 800 && pipe2(p, O_NONBLOCK) == 0) {
		fds[n++] = p[0];
		fds[n++] = p[1];
		CHECK(write(p[1], buf, n % 3 ? 70000 : 5000) > 0, "write: %s", strerror(errno));
		if (n % 7 == 0)
			CHECK(fcntl(p[1], F_SETPIPE_SZ, 1 << 18) == 1 << 18, "size: %s", strerror(errno));
		struct epoll_event e = {.events = EPOLLIN};
		CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0, "epoll_ctl: %s", strerror(errno));
	}
	CHECK(n == 800, "%d ends of pipes", n);
	for (int i = 0; i < n; i += 10)
		CHECK(read(fds[i], buf, i * 100 + 1) > 0, "read: %s", strerror(errno));
	int dup_ep = dup(ep);
	close(ep);
	for (int i = 0; i < n; i++)
		close(fds[i * 7 % n]);
	close(dup_ep);
}

static void some_memfds(void)
{
	for (int i = 0; i < 10; i++) {
		int fd = memfd_create("x", 0);
		CHECK(ftruncate(fd, 1 << 20) == 0 && pwrite(fd, buf, 1 << 20, 1 << 20) == 1 << 20, "write: %s", strerror(errno));
		char *shared = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		char *private = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		shared[5] = shared[1 << 20] = private[7] = 1;
		munmap(shared + 4096, 4096);
		mprotect(shared + (1 << 20), 4096, PROT_READ);
		if (i % 2)
			CHECK(ftruncate(fd, 5000) == 0, "ftruncate: %s", strerror(errno));
		close(fd);
		munmap(shared, 2 << 20);
		private = mremap(private, 2 << 20, 4 << 20, MREMAP_MAYMOVE);
		CHECK(private != MAP_FAILED && munmap(private, 4 << 20) == 0, "mremap: %s", strerror(errno));
	}
}

static void some_areas(void)
{
	const long n = 4000;
	char *a = mmap(NULL, 4096 * n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long i = 0; i < n; i += 2)
		CHECK(mprotect(a + 4096 * i, 4096, PROT_READ) == 0, "mprotect: %s", strerror(errno));
	CHECK(mlock(a, 4096 * n) == 0, "mlock: %s", strerror(errno));
	munmap(a, 4096 * n);
}

static void some_files(void)
{
	int fds[300];
	for (int i = 0; i < 300; i++)
		fds[i] = open("/", O_RDONLY);
	for (int i = 0; i < 300; i++)
		CHECK(close(fds[i]) == 0, "close: %s", strerror(errno));
}

static void pipes(void) { no_leak(some_pipes); }
static void memfds(void) { no_leak(some_memfds); }
static void areas(void) { no_leak(some_areas); }
static void files(void) { no_leak(some_files); }

int main(void)
{
	memset(buf, 1, sizeof buf);
	RUN(pipes);
	RUN(memfds);
	RUN(areas);
	RUN(files);
	return finish();
}
