/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVM commands, section 6. A write gathers all its data before it touches the namespace, so that a
 * failed transfer changes nothing.
 */
#include <endian.h>
#include <string.h>

#include "devices/nvme/nvme.h"

#define CDW12_FUA	 BIT(30)
#define CDW12_DEALLOCATE BIT(25)
#define DSM_DEALLOCATE	 BIT(2)
#define MAX_DSM_RANGES	 256

struct range {
	struct nvme_namespace *ns;
	uint64_t off, len; /* bytes */
};

static uint16_t check_range(struct nvme *n, const struct nvme_sqe *e, struct range *r)
{
	uint64_t slba = (uint64_t)e->cdw11 << 32 | e->cdw10, blocks = (e->cdw12 & 0xffff) + 1,
		 total;
	unsigned int lba_lg2;

	r->ns = nvme_ns(n, e->nsid);
	if (!r->ns)
		return nvme_no_ns(e->nsid);
	lba_lg2 = nvme_ns_lba_lg2(r->ns);
	total = r->ns->bytes >> lba_lg2;
	if (slba >= total || blocks > total - slba)
		return NVME_LBA_RANGE | NVME_DNR;
	r->off = slba << lba_lg2;
	r->len = blocks << lba_lg2;
	return NVME_SUCCESS;
}

static uint16_t check_transfer(struct nvme *n, const struct nvme_sqe *e, struct range *r)
{
	uint16_t status = check_range(n, e, r);

	if (!status && r->len > NVME_MAX_TRANSFER)
		status = NVME_INVALID_FIELD | NVME_DNR;
	return status;
}

static uint16_t io_read(struct nvme *n, struct nvme_cmd *cmd)
{
	struct range r;
	uint16_t status = check_transfer(n, &cmd->e, &r);
	const void *data;

	if (status)
		return status;
	n->smart.reads++;
	n->smart.read_bytes += r.len;
	data = nvme_ns_read(r.ns, n->buffer, r.off, (uint32_t)r.len);
	return data ? nvme_to_host(n, cmd, data, (uint32_t)r.len) : NVME_UNRECOVERED_READ;
}

static uint16_t io_write(struct nvme *n, struct nvme_cmd *cmd)
{
	bool durable = (cmd->e.cdw12 & CDW12_FUA) || !n->features.write_cache;
	struct range r;
	uint16_t status = check_transfer(n, &cmd->e, &r);

	if (status)
		return status;
	if (r.ns->readonly)
		return NVME_WRITE_PROTECTED | NVME_DNR;
	status = nvme_from_host(n, cmd, n->buffer, (uint32_t)r.len);
	if (status)
		return status;
	n->smart.writes++;
	n->smart.written_bytes += r.len;
	return nvme_ns_write(r.ns, n->buffer, r.off, (uint32_t)r.len, durable) ? NVME_WRITE_FAULT
									       : NVME_SUCCESS;
}

static uint16_t io_compare(struct nvme *n, struct nvme_cmd *cmd)
{
	struct range r;
	uint16_t status = check_transfer(n, &cmd->e, &r);
	const void *data;

	if (!status)
		status = nvme_from_host(n, cmd, n->buffer, (uint32_t)r.len);
	if (status)
		return status;
	n->smart.reads++;
	n->smart.read_bytes += r.len;
	data = nvme_ns_read(r.ns, n->compare, r.off, (uint32_t)r.len);
	if (!data)
		return NVME_UNRECOVERED_READ;
	return memcmp(n->buffer, data, r.len) ? NVME_COMPARE_FAILURE | NVME_DNR : NVME_SUCCESS;
}

static uint16_t io_write_zeroes(struct nvme *n, struct nvme_cmd *cmd)
{
	struct range r;
	uint16_t status = check_range(n, &cmd->e, &r);
	int rc;

	if (status)
		return status;
	if (r.ns->readonly)
		return NVME_WRITE_PROTECTED | NVME_DNR;
	rc = nvme_ns_zero(r.ns, r.off, r.len, cmd->e.cdw12 & CDW12_DEALLOCATE);
	if (!rc && ((cmd->e.cdw12 & CDW12_FUA) || !n->features.write_cache))
		rc = nvme_ns_flush(r.ns);
	return rc ? NVME_WRITE_FAULT : NVME_SUCCESS;
}

static uint16_t io_verify(struct nvme *n, struct nvme_cmd *cmd)
{
	struct range r;
	uint16_t status = check_range(n, &cmd->e, &r);

	while (!status && r.len) {
		uint32_t piece = (uint32_t)min_u64(r.len, NVME_MAX_TRANSFER);

		if (nvme_interrupted(n))
			return NVME_ABORT_REQUESTED;
		if (!nvme_ns_read(r.ns, n->buffer, r.off, piece))
			status = NVME_UNRECOVERED_READ;
		r.off += piece;
		r.len -= piece;
	}
	return status;
}

static uint16_t io_flush(struct nvme *n, const struct nvme_sqe *e)
{
	struct nvme_namespace *ns = nvme_ns(n, e->nsid);
	uint16_t status = NVME_SUCCESS;

	if (e->nsid != UINT32_MAX && !ns)
		return nvme_no_ns(e->nsid);
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++)
		if (n->ns[i].exists && (!ns || ns == &n->ns[i]) && nvme_ns_flush(&n->ns[i]))
			status = NVME_WRITE_FAULT;
	return status;
}

static uint16_t io_dsm(struct nvme *n, struct nvme_cmd *cmd)
{
	struct nvme_dsm_range ranges[MAX_DSM_RANGES];
	uint32_t nr = (cmd->e.cdw10 & 0xff) + 1;
	struct nvme_namespace *ns = nvme_ns(n, cmd->e.nsid);
	unsigned int lba_lg2;
	uint64_t total;
	uint16_t status;

	if (!ns)
		return nvme_no_ns(cmd->e.nsid);
	if (ns->readonly && (cmd->e.cdw11 & DSM_DEALLOCATE))
		return NVME_WRITE_PROTECTED | NVME_DNR;
	status = nvme_from_host(n, cmd, ranges, nr * sizeof(ranges[0]));
	if (status)
		return status;
	lba_lg2 = nvme_ns_lba_lg2(ns);
	total = ns->bytes >> lba_lg2;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t slba = le64toh(ranges[i].slba), blocks = le32toh(ranges[i].blocks);

		if (slba > total || blocks > total - slba)
			return NVME_LBA_RANGE | NVME_DNR;
	}
	for (uint32_t i = 0; (cmd->e.cdw11 & DSM_DEALLOCATE) && i < nr; i++) {
		uint64_t blocks = le32toh(ranges[i].blocks);

		if (blocks && nvme_ns_discard(ns, le64toh(ranges[i].slba) << lba_lg2,
					      blocks << lba_lg2))
			return NVME_WRITE_FAULT;
	}
	return NVME_SUCCESS;
}

uint16_t nvme_io(struct nvme *n, struct nvme_cmd *cmd)
{
	switch (cmd->e.opcode) {
	case NVME_IO_FLUSH:
		return io_flush(n, &cmd->e);
	case NVME_IO_WRITE:
		return io_write(n, cmd);
	case NVME_IO_READ:
		return io_read(n, cmd);
	case NVME_IO_COMPARE:
		return io_compare(n, cmd);
	case NVME_IO_WRITE_ZEROES:
		return io_write_zeroes(n, cmd);
	case NVME_IO_DSM:
		return io_dsm(n, cmd);
	case NVME_IO_VERIFY:
		return io_verify(n, cmd);
	default:
		return NVME_INVALID_OPCODE | NVME_DNR;
	}
}
