/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identify (section 5.15) and Format NVM (5.23).
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "devices/nvme/nvme.h"

#define IDENTIFY_LEN 4096
#define NR_FORMATS   2

static const uint8_t format_lg2[NR_FORMATS] = {9, 12};

static void put16(uint8_t *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, sizeof(v));
}

static void put32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void put64(uint8_t *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

/* Blank-padded ASCII, as the specification's strings are. */
static void put_text(uint8_t *at, size_t len, const char *text)
{
	size_t n = strlen(text);

	memset(at, ' ', len);
	memcpy(at, text, n < len ? n : len);
}

/* The physical function's controller is 0. */
static uint16_t cntlid(const struct nvme *n)
{
	return n->dev->pf ? (uint16_t)(n->dev->vf_index + 1) : 0;
}

static bool shares(const struct nvme *n)
{
	return n->dev->pf || n->dev->sriov.cap;
}

/* Several controllers in the subsystem; this one is a virtual function's. */
static uint8_t cmic(const struct nvme *n)
{
	return (shares(n) ? BIT(1) : 0) | (n->dev->pf ? BIT(2) : 0);
}

/* Offsets of figure 249. */
static void fill_controller(const struct nvme *n, uint8_t *d)
{
	put16(d + 0, 0x1b36);
	put16(d + 2, 0x1af4);
	put_text(d + 4, 20, n->serial);
	put_text(d + 24, 40, "ioas NVMe controller");
	put_text(d + 64, 8, "1.0");
	d[72] = 6;			     /* RAB */
	d[77] = NVME_MDTS;		     /* MDTS */
	d[76] = cmic(n);
	put16(d + 78, cntlid(n));
	put32(d + 80, 0x00010400);	     /* VER */
	d[111] = 1;			     /* CNTRLTYPE: I/O controller */
	put16(d + 256, BIT(1));		     /* OACS: Format */
	d[258] = 3;			     /* ACL */
	d[259] = NVME_MAX_AER - 1;	     /* AERL */
	d[260] = 0x3;			     /* FRMW: one read-only slot */
	d[261] = BIT(1) | BIT(2);	     /* LPA: effects log, extended data */
	d[262] = NVME_ERROR_ENTRIES - 1;     /* ELPE */
	put16(d + 266, 343);		     /* WCTEMP */
	put16(d + 268, 353);		     /* CCTEMP */
	d[512] = 0x66;			     /* SQES */
	d[513] = 0x44;			     /* CQES */
	put32(d + 516, NVME_MAX_NAMESPACES); /* NN */
	put16(d + 520, BIT(0) | BIT(2) | BIT(3) | BIT(4) |
			       BIT(7)); /* ONCS: Compare, DSM, Write Zeroes, Select, Verify */
	d[524] = BIT(0) | BIT(1);	/* FNA: Format and its erasure act on all namespaces */
	d[525] = BIT(0) | 0x6;		/* VWC: present; Flush takes NSID FFFFFFFFh */
	put32(d + 536,
	      BIT(0) | BIT(16) | BIT(18)); /* SGLS: supported, bit buckets, longer than the data */
	snprintf((char *)d + 768, 256, "nqn.2026-01.io.ioas:%s", n->serial);
	put16(d + 2048, 2500); /* power state 0: 25 W */
}

static void fill_namespace(const struct nvme *n, const struct nvme_namespace *ns, uint8_t *d)
{
	const unsigned int lba_lg2 = nvme_ns_lba_lg2(ns);
	uint64_t blocks = ns->bytes >> lba_lg2;

	put64(d + 0, blocks);
	put64(d + 8, blocks);
	put64(d + 16, blocks);
	d[25] = NR_FORMATS - 1;
	for (unsigned int i = 0; i < NR_FORMATS; i++) {
		if (format_lg2[i] == lba_lg2)
			d[26] = (uint8_t)i;
		put32(d + 128 + i * 4, (uint32_t)format_lg2[i] << 16);
	}
	d[30] = shares(n); /* NMIC */
	d[33] = 1 |
		BIT(3); /* DLFEAT: deallocated blocks read as zeroes; Write Zeroes can deallocate */
	d[99] = ns->readonly;	      /* NSATTR: write protected */
	memcpy(d + 120, ns->uuid, 8); /* EUI64 */
}

static uint16_t namespace_data(struct nvme *n, const struct nvme_sqe *e, uint8_t *d)
{
	struct nvme_namespace *ns = nvme_ns(n, e->nsid);

	if (e->nsid == UINT32_MAX) {
		/* What all have in common: the formats. */
		d[25] = NR_FORMATS - 1;
		for (unsigned int i = 0; i < NR_FORMATS; i++)
			put32(d + 128 + i * 4, (uint32_t)format_lg2[i] << 16);
		return NVME_SUCCESS;
	}
	if (!e->nsid || e->nsid > NVME_MAX_NAMESPACES)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	if (ns)
		fill_namespace(n, ns, d);
	return NVME_SUCCESS; /* inactive: all zeroes */
}

static uint16_t namespace_list(struct nvme *n, const struct nvme_sqe *e, uint8_t *d)
{
	unsigned int k = 0;

	if (e->nsid >= UINT32_MAX - 1)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	for (uint32_t id = e->nsid + 1; id <= NVME_MAX_NAMESPACES; id++)
		if (nvme_ns(n, id))
			put32(d + 4 * k++, id);
	return NVME_SUCCESS;
}

/* Descriptors: type, length, 2 reserved bytes, then the identifier. */
static uint16_t namespace_descriptors(struct nvme *n, const struct nvme_sqe *e, uint8_t *d)
{
	struct nvme_namespace *ns = nvme_ns(n, e->nsid);

	if (!ns)
		return nvme_no_ns(e->nsid);
	d[0] = 1; /* EUI64 */
	d[1] = 8;
	memcpy(d + 4, ns->uuid, 8);
	d[12] = 3; /* UUID */
	d[13] = 16;
	memcpy(d + 16, ns->uuid, 16);
	return NVME_SUCCESS;
}

uint16_t nvme_identify(struct nvme *n, struct nvme_cmd *cmd)
{
	uint8_t d[IDENTIFY_LEN] = {0};
	uint16_t status = NVME_SUCCESS;

	switch (cmd->e.cdw10 & 0xff) {
	case 0x00:
		status = namespace_data(n, &cmd->e, d);
		break;
	case 0x01:
		fill_controller(n, d);
		break;
	case 0x02:
		status = namespace_list(n, &cmd->e, d);
		break;
	case 0x03:
		status = namespace_descriptors(n, &cmd->e, d);
		break;
	default:
		status = NVME_INVALID_FIELD | NVME_DNR;
	}
	return status ? status : nvme_to_host(n, cmd, d, sizeof(d));
}

static uint16_t format_one(struct nvme *n, struct nvme_namespace *ns, unsigned int lba_lg2)
{
	for (uint64_t off = 0; off < ns->bytes; off += NVME_ZERO_PIECE) {
		if (nvme_interrupted(n))
			return NVME_ABORT_REQUESTED;
		if (nvme_ns_zero(ns, off, min_u64(ns->bytes - off, NVME_ZERO_PIECE), true))
			return NVME_INTERNAL_ERROR;
	}
	if (nvme_ns_flush(ns))
		return NVME_INTERNAL_ERROR;
	__atomic_store_n(&ns->lba_lg2, lba_lg2, __ATOMIC_RELAXED);
	return NVME_SUCCESS;
}

/* All namespaces (FNA). The block size is the controller's until its end: an image does not tell
 * it. */
uint16_t nvme_format(struct nvme *n, struct nvme_cmd *cmd)
{
	uint32_t format = cmd->e.cdw10 & 0xf, erase = cmd->e.cdw10 >> 9 & 7;
	uint16_t status = NVME_SUCCESS;

	if (format >= NR_FORMATS ||
	    (cmd->e.cdw10 & 0x1f0)) /* no metadata, no protection information */
		return NVME_FORMAT_INVALID | NVME_DNR;
	if (erase > 1)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (cmd->e.nsid != UINT32_MAX && !nvme_ns(n, cmd->e.nsid))
		return nvme_no_ns(cmd->e.nsid);
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++)
		if (n->ns[i].exists && n->ns[i].readonly)
			return NVME_WRITE_PROTECTED | NVME_DNR;
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES && !status; i++)
		if (n->ns[i].exists)
			status = format_one(n, &n->ns[i], format_lg2[format]);
	return status;
}
