// maps: as many areas as Linux gives a process (sysctl vm.max_map_count).
#include "../c/check.h"

static void areas(void)
{
	int n = 0;
	while (n < 65000 &&
	       mmap(0, 4096, n % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		n++;
	CHECK(n == 65000, "mmap %d: %s", n, strerror(errno));
}

int main(void)
{
	RUN(areas);
	return finish();
}
