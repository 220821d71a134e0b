/* SPDX-License-Identifier: BSD-3-Clause */
#include "observe/finding.h"

#include "base/bits.h"

#define FINDING_NAME(name, text) [FINDING_##name] = (text),
static const char *const names[] = {FINDING_KINDS(FINDING_NAME)};

const char *finding_kind_name(enum finding_kind kind)
{
	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}
