/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One command of /dev/iommu, as a row; and how a room above adds rows of its own.
 *
 * host_config.commands points to a table that lives as long as the host. A row's structure begins
 * with `__u32 size` and passes through the same envelope as every command: ENV.2 to ENV.8, then
 * execute(), which answers with call_respond() when it has something to report. Its number (_IOC_NR
 * of the word) lies behind the ABI's own; the numbers between are answered as holes are (ENV.1).
 */
#ifndef IOAS_ABI_COMMAND_H
#define IOAS_ABI_COMMAND_H

#include <stddef.h>
#include <stdint.h>

struct call; /* abi/iommufd.h */

#define ABI_COMMAND_MAX 128 /* bytes of the largest structure */

struct abi_command {
	const char *name;
	unsigned int word;
	uint32_t min_size, full_size;
	int (*execute)(struct call *call);
};

struct abi_commands {
	const struct abi_command *rows;
	size_t n;
};

#endif
