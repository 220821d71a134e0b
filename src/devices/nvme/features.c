/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Set Features and Get Features, section 5.21. Nothing is saveable.
 */
#include "devices/nvme/nvme.h"

enum { SELECT_CURRENT = 0, SELECT_DEFAULT = 1, SELECT_SAVED = 2, SELECT_CAPABILITIES = 3 };
#define CHANGEABLE BIT(2)

static void defaults(struct nvme_features *f)
{
	*f = (struct nvme_features){
		.arbitration = 7, /* no limit on a burst */
		.over_temperature = 343,
		.write_cache = true,
	};
	for (unsigned int i = 0; i < ARRAY_SIZE(f->vectors); i++)
		f->vectors[i] = i;
}

void nvme_features_reset(struct nvme *n)
{
	defaults(&n->features);
}

static uint32_t queues_value(const struct nvme *n)
{
	return (n->nr_queues - 1) | (n->nr_queues - 1) << 16;
}

/* The value of a feature in @f; false: no such feature. */
static bool value_of(const struct nvme *n, const struct nvme_features *f, const struct nvme_sqe *e,
		     uint32_t *out)
{
	uint32_t vector = e->cdw11 & 0xffff;

	switch (e->cdw10 & 0xff) {
	case NVME_FEAT_ARBITRATION:
		*out = f->arbitration;
		return true;
	case NVME_FEAT_POWER:
		*out = f->power;
		return true;
	case NVME_FEAT_TEMPERATURE:
		*out = e->cdw11 >> 16 & 0xf ? 0
		       : e->cdw11 >> 20 & 3 ? f->under_temperature
					    : f->over_temperature;
		return true;
	case NVME_FEAT_ERROR_RECOVERY:
		*out = f->error_recovery;
		return true;
	case NVME_FEAT_WRITE_CACHE:
		*out = f->write_cache;
		return true;
	case NVME_FEAT_QUEUES:
		*out = queues_value(n);
		return true;
	case NVME_FEAT_COALESCING:
		*out = f->coalescing;
		return true;
	case NVME_FEAT_VECTOR:
		if (vector > n->nr_queues)
			return false;
		*out = f->vectors[vector];
		return true;
	case NVME_FEAT_ATOMICITY:
		*out = f->atomicity;
		return true;
	case NVME_FEAT_ASYNC_EVENTS:
		*out = f->async_events;
		return true;
	default:
		return false;
	}
}

uint16_t nvme_get_features(struct nvme *n, struct nvme_cmd *cmd)
{
	struct nvme_features f = n->features;
	unsigned int select = cmd->e.cdw10 >> 8 & 7;

	if (select > SELECT_CAPABILITIES)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (select == SELECT_DEFAULT || select == SELECT_SAVED)
		defaults(&f);
	if (!value_of(n, &f, &cmd->e, &cmd->dw0))
		return NVME_INVALID_FIELD | NVME_DNR;
	if (select == SELECT_CAPABILITIES)
		cmd->dw0 = CHANGEABLE;
	return NVME_SUCCESS;
}

unsigned int nvme_temperature_warning(const struct nvme *n)
{
	return (NVME_TEMPERATURE >= n->features.over_temperature ? 1 : 0) |
	       (NVME_TEMPERATURE <= n->features.under_temperature ? 2 : 0);
}

/* Section 5.2: told when the threshold is crossed and that event is wanted. */
static void tell_temperature(struct nvme *n)
{
	if (nvme_temperature_warning(n) && (n->features.async_events & BIT(1)))
		nvme_event(n, NVME_AE_SMART, NVME_AE_SMART_TEMPERATURE, NVME_LOG_SMART);
}

static uint16_t set_temperature(struct nvme *n, uint32_t v)
{
	struct nvme_features *f = &n->features;
	unsigned int sensor = v >> 16 & 0xf, type = v >> 20 & 3;
	uint16_t threshold = (uint16_t)v;

	if (type > 1 || (sensor && sensor != 0xf))
		return NVME_INVALID_FIELD | NVME_DNR;
	if (type)
		f->under_temperature = threshold;
	else
		f->over_temperature = threshold;
	tell_temperature(n);
	return NVME_SUCCESS;
}

/* Section 5.21.1.7: too late once an I/O queue exists. All that there are were given already. */
static uint16_t set_queues(struct nvme *n, struct nvme_cmd *cmd)
{
	for (unsigned int i = 1; i <= n->nr_queues; i++)
		if (n->cq[i].exists || n->sq[i].exists)
			return NVME_SEQUENCE_ERROR | NVME_DNR;
	if ((cmd->e.cdw11 & 0xffff) == 0xffff || cmd->e.cdw11 >> 16 == 0xffff)
		return NVME_INVALID_FIELD | NVME_DNR;
	cmd->dw0 = queues_value(n);
	return NVME_SUCCESS;
}

/* Switching the write cache off makes what it holds durable first. */
static uint16_t set_write_cache(struct nvme *n, bool on)
{
	for (unsigned int i = 0; !on && i < NVME_MAX_NAMESPACES; i++)
		if (n->ns[i].exists && nvme_ns_flush(&n->ns[i]))
			return NVME_INTERNAL_ERROR;
	n->features.write_cache = on;
	return NVME_SUCCESS;
}

uint16_t nvme_set_features(struct nvme *n, struct nvme_cmd *cmd)
{
	struct nvme_features *f = &n->features;
	uint32_t v = cmd->e.cdw11;

	if (cmd->e.cdw10 & BIT(31))
		return NVME_FEATURE_NOT_SAVEABLE | NVME_DNR;
	switch (cmd->e.cdw10 & 0xff) {
	case NVME_FEAT_ARBITRATION:
		f->arbitration = v;
		return NVME_SUCCESS;
	case NVME_FEAT_POWER:
		if (v & 0x1f)
			return NVME_INVALID_FIELD | NVME_DNR;
		f->power = v;
		return NVME_SUCCESS;
	case NVME_FEAT_TEMPERATURE:
		return set_temperature(n, v);
	case NVME_FEAT_ERROR_RECOVERY:
		if (v & BIT(16)) /* DULBE: no namespace has such an error */
			return NVME_INVALID_FIELD | NVME_DNR;
		f->error_recovery = v & 0xffff;
		return NVME_SUCCESS;
	case NVME_FEAT_WRITE_CACHE:
		return set_write_cache(n, v & 1);
	case NVME_FEAT_QUEUES:
		return set_queues(n, cmd);
	case NVME_FEAT_COALESCING:
		f->coalescing = v & 0xffff;
		return NVME_SUCCESS;
	case NVME_FEAT_VECTOR:
		if ((v & 0xffff) > n->nr_queues)
			return NVME_INVALID_FIELD | NVME_DNR;
		f->vectors[v & 0xffff] = v & 0x1ffff;
		return NVME_SUCCESS;
	case NVME_FEAT_ATOMICITY:
		f->atomicity = v & 1;
		return NVME_SUCCESS;
	case NVME_FEAT_ASYNC_EVENTS:
		f->async_events = v & 0xff;
		tell_temperature(n);
		return NVME_SUCCESS;
	default:
		return NVME_INVALID_FIELD | NVME_DNR;
	}
}
