/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client answers while it waits for its call to be done.
 */
#ifndef IOAS_DOORS_SHARED_ANSWER_H
#define IOAS_DOORS_SHARED_ANSWER_H

#include "doors/shared/channel.h"

/* Makes the answer of the question in the channel's page. */
void answer_ask(struct channel *ch, uint64_t server);

#endif
