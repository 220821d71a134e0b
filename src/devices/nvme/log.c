/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Log Page, section 5.14: errors, SMART, firmware, commands supported and effects.
 */
#include <endian.h>
#include <string.h>

#include "devices/nvme/nvme.h"

#define LOG_MAX 4096

static void put64(uint8_t *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

static void put32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void put16(uint8_t *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, sizeof(v));
}

/* 64 bytes each, the newest first. */
static uint32_t error_log(const struct nvme *n, uint8_t *d)
{
	for (unsigned int i = 0; i < NVME_ERROR_ENTRIES && i < n->nr_errors; i++) {
		const struct nvme_error_entry *e =
			&n->errors[(n->nr_errors - i) % NVME_ERROR_ENTRIES];
		uint8_t *at = d + i * 64;

		put64(at, e->count);
		put16(at + 8, e->sqid);
		put16(at + 10, e->cid);
		put16(at + 12, e->status);
		put16(at + 14, e->location);
		put64(at + 16, e->lba);
		put32(at + 24, e->nsid);
	}
	return NVME_ERROR_ENTRIES * 64;
}

/* Data units are thousands of 512 bytes, rounded up. */
static uint64_t data_units(uint64_t bytes)
{
	return (bytes / 512 + 999) / 1000;
}

static uint32_t smart_log(const struct nvme *n, uint8_t *d)
{
	d[0] = nvme_temperature_warning(n) ? BIT(1) : 0;
	put16(d + 1, NVME_TEMPERATURE);
	d[3] = 100; /* available spare */
	d[4] = 10;
	put64(d + 32, data_units(n->smart.read_bytes));
	put64(d + 48, data_units(n->smart.written_bytes));
	put64(d + 64, n->smart.reads);
	put64(d + 80, n->smart.writes);
	put64(d + 112,
	      1); /* power cycles: the drive is on from the machine's beginning to its end */
	put64(d + 176, n->nr_errors);
	return 512;
}

static uint32_t firmware_log(uint8_t *d)
{
	d[0] = 1; /* slot 1 is active */
	memcpy(d + 8, "1.0     ", 8);
	return 512;
}

#define SUPPORTED  BIT(0)
#define CHANGES	   BIT(1) /* logical block content */
#define CHANGES_NS BIT(2) /* capabilities of a namespace: here its block size */
#define ALONE	   field_prep(FIELD(18, 16), 2) /* no other command, on any namespace */

static uint32_t effects_log(uint8_t *d)
{
	static const uint8_t admin[] = {
		NVME_ADMIN_DELETE_SQ,	NVME_ADMIN_CREATE_SQ,	 NVME_ADMIN_GET_LOG_PAGE,
		NVME_ADMIN_DELETE_CQ,	NVME_ADMIN_CREATE_CQ,	 NVME_ADMIN_IDENTIFY,
		NVME_ADMIN_ABORT,	NVME_ADMIN_SET_FEATURES, NVME_ADMIN_GET_FEATURES,
		NVME_ADMIN_ASYNC_EVENT,
	};
	static const uint8_t reads[] = {NVME_IO_FLUSH, NVME_IO_READ, NVME_IO_COMPARE,
					NVME_IO_VERIFY};
	static const uint8_t writes[] = {NVME_IO_WRITE, NVME_IO_WRITE_ZEROES, NVME_IO_DSM};

	for (size_t i = 0; i < ARRAY_SIZE(admin); i++)
		put32(d + admin[i] * 4, SUPPORTED);
	put32(d + NVME_ADMIN_FORMAT * 4, SUPPORTED | CHANGES | CHANGES_NS | ALONE);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		put32(d + 1024 + reads[i] * 4, SUPPORTED);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		put32(d + 1024 + writes[i] * 4, SUPPORTED | CHANGES);
	return 4096;
}

uint16_t nvme_get_log_page(struct nvme *n, struct nvme_cmd *cmd)
{
	uint64_t dwords = ((uint64_t)(cmd->e.cdw11 & 0xffff) << 16 | cmd->e.cdw10 >> 16) + 1;
	uint64_t offset = (uint64_t)cmd->e.cdw13 << 32 | cmd->e.cdw12;
	unsigned int id = cmd->e.cdw10 & 0xff;
	uint64_t want = dwords * 4;
	uint8_t d[LOG_MAX] = {0};
	uint32_t len;
	uint16_t status;

	switch (id) {
	case NVME_LOG_ERROR:
		len = error_log(n, d);
		break;
	case NVME_LOG_SMART:
		if (cmd->e.nsid &&
		    cmd->e.nsid != UINT32_MAX) /* of the controller only (LPA bit 0) */
			return NVME_INVALID_FIELD | NVME_DNR;
		len = smart_log(n, d);
		break;
	case NVME_LOG_FIRMWARE:
		len = firmware_log(d);
		break;
	case NVME_LOG_EFFECTS:
		len = effects_log(d);
		break;
	default:
		return NVME_LOG_PAGE_INVALID | NVME_DNR;
	}
	if ((offset & 3) || offset > len || want > NVME_MAX_TRANSFER)
		return NVME_INVALID_FIELD | NVME_DNR;
	/* Past the page's end there are zeroes. */
	memset(n->buffer, 0, want);
	memcpy(n->buffer, d + offset, min_u64(want, len - offset));
	status = nvme_to_host(n, cmd, n->buffer, (uint32_t)want);
	if (!status && !(cmd->e.cdw10 & BIT(15)))
		nvme_event_log_read(n, id);
	return status;
}
