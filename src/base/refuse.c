/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/refuse.h"

#include <stdarg.h>
#include <stdio.h>

void refuse_report(const struct sink *sink, int err, const char *rule, const char *field,
		   uint64_t value, const char *legal, ...)
{
	char text[REFUSE_TEXT];
	va_list ap;

	if (!refuse_heard(sink))
		return;
	va_start(ap, legal);
	vsnprintf(text, sizeof(text), legal, ap);
	va_end(ap);
	sink->fn(sink->arg, &(struct refusal){.err = err,
					      .rule = rule,
					      .field = field,
					      .value = value,
					      .legal = text});
}
