/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of /dev/iommu that a make brings along (host.commands): the mock's test command, as
 * Linux's iommufd has it when it is built with its test driver.
 */
#ifndef IOAS_MOCK_COMMANDS_H
#define IOAS_MOCK_COMMANDS_H

#include "abi/command.h"

struct iommu_make;

/* NULL: the make has none, as is usual. */
const struct abi_commands *make_commands(const struct iommu_make *make);

#endif
