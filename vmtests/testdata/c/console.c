// Writes ARGV[1] MiB of all kinds of bytes to the console, in pieces of many
// sizes. x is Knuth's MMIX generator.
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static uint8_t bytes[1 << 20];

int main(int argc, char **argv)
{
	uint64_t x = 1;
	size_t size = 1;
	for (int mib = argc > 1 ? atoi(argv[1]) : 0; mib > 0; mib--) {
		for (size_t i = 0; i < sizeof bytes; i++) {
			x = x * 6364136223846793005ULL + 1442695040888963407ULL;
			bytes[i] = x >> 56;
		}
		for (size_t done = 0; done < sizeof bytes;) {
			size_t left = sizeof bytes - done;
			ssize_t n = write(1, bytes + done, size < left ? size : left);
			if (n <= 0)
				return 1;
			done += n;
			size = size * 7 % 30011;
		}
	}
	return 0;
}
