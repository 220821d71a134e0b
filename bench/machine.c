/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine can do at all, with nothing of ours in the way. */
#include "bench.h"

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} chases[] = {{"pointer chase in 16 KiB", 16 << 10},
		      {"pointer chase in 512 KiB", 512 << 10},
		      {"pointer chase in 128 MiB", 128 << 20}};
	static const struct bench_cost none;
	struct bench b;

	bench_begin(&b, argc, argv);
	for (int i = 0; i < 3; i++)
		bench_row(&b, chases[i].name, bench_chase(&b, chases[i].bytes), NULL, none);
	bench_row(&b, "memcpy of 4 KiB within 128 KiB", bench_memcpy(&b, 4096, 128 << 10), NULL,
		  none);
	bench_row(&b, "memcpy of 4 KiB within 64 MiB", bench_memcpy(&b, 4096, 64 << 20), NULL,
		  none);
	bench_row(&b, "an atomic addition", bench_atomic(&b), NULL, none);
	bench_row(&b, "an empty ioctl", bench_ioctl(&b), NULL, none);
	bench_row(&b, "a fault, an empty signal handler, the return", bench_signal(&b), NULL, none);
	bench_row(&b, "membarrier, another thread running", bench_membarrier(&b), NULL, none);
	bench_row(&b, "a word to another thread and back", bench_round_trip(&b), NULL, none);
	return bench_end(&b);
}
