/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts, and the calls on IOASes: each is one command of the ABI.
 */
#include <ioas/abi/extensions.h>

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "library/engine.h"

SAME(IOAS_MAP_FIXED, IOMMU_IOAS_MAP_FIXED_IOVA);
SAME(IOAS_MAP_WRITE, IOMMU_IOAS_MAP_WRITEABLE);
SAME(IOAS_MAP_READ, IOMMU_IOAS_MAP_READABLE);
SAME(IOAS_OPTION_RLIMIT_MODE, IOMMU_OPTION_RLIMIT_MODE);
SAME(IOAS_OPTION_HUGE_PAGES, IOMMU_OPTION_HUGE_PAGES);
SAME(sizeof(struct ioas_range), sizeof(struct iommu_iova_range));
SAME(sizeof(struct ioas_map_range), sizeof(struct iommu_ioas_range));

static int open_embedded(struct ioas_context *c, const struct ioas_context_config *cfg)
{
	const struct ioas_host_config host = {.iommu = cfg->iommu};

	c->ops = &engine_embedded;
	c->host = cfg->host;
	c->own_host = !cfg->host;
	return c->own_host ? ioas_host_create(&host, &c->host, NULL, 0) : 0;
}

static int open_engine(struct ioas_context *c, const struct ioas_context_config *cfg)
{
	if (!!cfg->host + !!cfg->kernel + !!cfg->iommu > 1)
		return -EINVAL;
	if (!cfg->kernel)
		return open_embedded(c, cfg);
	c->ops = &engine_kernel;
	return 0;
}

int ioas_context_open(const struct ioas_context_config *cfg, struct ioas_context **out)
{
	static const struct ioas_context_config none;
	struct ioas_context *c = ioas_calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	cfg = cfg ? cfg : &none;
	rc = open_engine(c, cfg);
	if (rc)
		goto out_free;
	c->file = c->ops->open(c, cfg->kernel ? cfg->kernel : "/dev/iommu");
	if (c->file < 0) {
		rc = c->file;
		goto out_host;
	}
	*out = c;
	return 0;

out_host:
	if (c->own_host)
		ioas_host_destroy(c->host);
out_free:
	ioas_free(c);
	return rc;
}

void ioas_context_close(struct ioas_context *c)
{
	c->ops->close(c, c->file);
	if (c->own_host)
		ioas_host_destroy(c->host);
	ioas_free(c);
}

struct ioas_host *ioas_context_host(struct ioas_context *c)
{
	return c->host;
}

int ioas_context_file(struct ioas_context *c)
{
	return c->file;
}

long ioas_context_ioctl(struct ioas_context *c, int file, unsigned int cmd, uintptr_t arg)
{
	return c->ops->ioctl(c, file, cmd, arg);
}

ssize_t ioas_file_read(struct ioas_context *c, int file, void *buf, size_t len)
{
	return c->ops->read(c, file, buf, len);
}

ssize_t ioas_file_write(struct ioas_context *c, int file, const void *buf, size_t len)
{
	return c->ops->write(c, file, buf, len);
}

int ioas_file_poll_fd(struct ioas_context *c, int file)
{
	return c->ops->poll_fd(c, file);
}

int ioas_file_map(struct ioas_context *c, int file, uint64_t pos, size_t len, void **out)
{
	return c->ops->mmap(c, file, pos, len, out);
}

int ioas_file_close(struct ioas_context *c, int file)
{
	return c->ops->close(c, file);
}

int ioas_create(struct ioas_context *c, uint32_t *id)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	int rc = context_call(c, IOMMU_IOAS_ALLOC, &cmd);

	if (!rc)
		*id = cmd.out_ioas_id;
	return rc;
}

int ioas_destroy(struct ioas_context *c, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return context_call(c, IOMMU_DESTROY, &cmd);
}

int ioas_map(struct ioas_context *c, uint32_t ioas, const void *addr, uint64_t length,
	     uint32_t flags, uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)addr,
		.length = length,
		.iova = flags & IOAS_MAP_FIXED ? *iova : 0,
	};
	int rc = context_call(c, IOMMU_IOAS_MAP, &cmd);

	if (!rc)
		*iova = cmd.iova;
	return rc;
}

int ioas_map_file(struct ioas_context *c, uint32_t ioas, int fd, uint64_t start, uint64_t length,
		  uint32_t flags, uint64_t *iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = flags & IOAS_MAP_FIXED ? *iova : 0,
	};
	int rc = context_call(c, IOMMU_IOAS_MAP_FILE, &cmd);

	if (!rc)
		*iova = cmd.iova;
	return rc;
}

int ioas_copy(struct ioas_context *c, uint32_t ioas, const struct ioas_source *from, uint32_t flags,
	      uint64_t *iova)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = ioas,
		.src_ioas_id = from->ioas,
		.length = from->length,
		.src_iova = from->iova,
		.dst_iova = flags & IOAS_MAP_FIXED ? *iova : 0,
	};
	int rc = context_call(c, IOMMU_IOAS_COPY, &cmd);

	if (!rc)
		*iova = cmd.dst_iova;
	return rc;
}

int ioas_unmap(struct ioas_context *c, uint32_t ioas, uint64_t iova, uint64_t length,
	       uint64_t *unmapped)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = length};
	int rc = context_call(c, IOMMU_IOAS_UNMAP, &cmd);

	if (unmapped)
		*unmapped = rc ? 0 : cmd.length;
	return rc;
}

static int map_array(struct ioas_context *c, unsigned int word, struct iommu_ioas_array *cmd,
		     uint32_t *done)
{
	int rc = context_call(c, word, cmd);

	*done = cmd->done;
	return rc;
}

static int map_each(struct ioas_context *c, uint32_t ioas, uint32_t flags, struct ioas_map_range *r,
		    uint32_t n, uint32_t *done)
{
	int rc = 0;

	for (*done = 0; *done < n; ++*done, r++) {
		rc = ioas_map(c, ioas, r->addr, r->length, flags, &r->iova);
		if (rc)
			return rc;
	}
	return 0;
}

static int unmap_each(struct ioas_context *c, uint32_t ioas, struct ioas_map_range *r, uint32_t n,
		      uint32_t *done)
{
	uint64_t bytes;
	int rc = 0;

	for (*done = 0; *done < n; ++*done, r++) {
		rc = ioas_unmap(c, ioas, r->iova, r->length, &bytes);
		if (rc)
			return rc;
		r->length = bytes;
	}
	return 0;
}

int ioas_map_ranges(struct ioas_context *c, uint32_t ioas, uint32_t flags,
		    struct ioas_map_range *ranges, uint32_t n, uint32_t *done)
{
	struct iommu_ioas_array cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .ioas_id = ioas,
				       .count = n,
				       .ranges = (uintptr_t)ranges};
	uint32_t unwanted;
	int rc;

	done = done ? done : &unwanted;
	rc = map_array(c, IOMMU_IOAS_MAP_ARRAY, &cmd, done);
	return rc == -ENOTTY ? map_each(c, ioas, flags, ranges, n, done) : rc;
}

int ioas_unmap_ranges(struct ioas_context *c, uint32_t ioas, struct ioas_map_range *ranges,
		      uint32_t n, uint32_t *done)
{
	struct iommu_ioas_array cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .count = n, .ranges = (uintptr_t)ranges};
	uint32_t unwanted;
	int rc;

	done = done ? done : &unwanted;
	rc = map_array(c, IOMMU_IOAS_UNMAP_ARRAY, &cmd, done);
	return rc == -ENOTTY ? unmap_each(c, ioas, ranges, n, done) : rc;
}

int ioas_get_ranges(struct ioas_context *c, uint32_t ioas, struct ioas_range *ranges, uint32_t *n,
		    uint64_t *alignment)
{
	struct iommu_ioas_iova_ranges cmd = {.size = sizeof(cmd),
					     .ioas_id = ioas,
					     .num_iovas = *n,
					     .allowed_iovas = (uintptr_t)ranges};
	int rc = context_call(c, IOMMU_IOAS_IOVA_RANGES, &cmd);

	if (rc && rc != -EMSGSIZE)
		return rc;
	*n = cmd.num_iovas;
	if (alignment)
		*alignment = cmd.out_iova_alignment;
	return rc;
}

int ioas_allow(struct ioas_context *c, uint32_t ioas, const struct ioas_range *ranges, uint32_t n)
{
	struct iommu_ioas_allow_iovas cmd = {.size = sizeof(cmd),
					     .ioas_id = ioas,
					     .num_iovas = n,
					     .allowed_iovas = (uintptr_t)ranges};

	return context_call(c, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static int call_option(struct ioas_context *c, uint16_t op, enum ioas_option option, uint32_t id,
		       uint64_t *value)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = option,
				   .op = op,
				   .object_id = id,
				   .val64 = *value};
	int rc = context_call(c, IOMMU_OPTION, &cmd);

	if (!rc)
		*value = cmd.val64;
	return rc;
}

int ioas_set_option(struct ioas_context *c, enum ioas_option option, uint32_t id, uint64_t value)
{
	return call_option(c, IOMMU_OPTION_OP_SET, option, id, &value);
}

int ioas_get_option(struct ioas_context *c, enum ioas_option option, uint32_t id, uint64_t *value)
{
	*value = 0;
	return call_option(c, IOMMU_OPTION_OP_GET, option, id, value);
}

int ioas_change_process(struct ioas_context *c)
{
	struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};

	return context_call(c, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static int call_vfio_ioas(struct ioas_context *c, uint16_t op, uint32_t *ioas)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd), .ioas_id = *ioas, .op = op};
	int rc = context_call(c, IOMMU_VFIO_IOAS, &cmd);

	if (!rc)
		*ioas = cmd.ioas_id;
	return rc;
}

int ioas_get_vfio_ioas(struct ioas_context *c, uint32_t *ioas)
{
	*ioas = 0;
	return call_vfio_ioas(c, IOMMU_VFIO_IOAS_GET, ioas);
}

int ioas_set_vfio_ioas(struct ioas_context *c, uint32_t ioas)
{
	return call_vfio_ioas(c, IOMMU_VFIO_IOAS_SET, &ioas);
}

int ioas_clear_vfio_ioas(struct ioas_context *c)
{
	return call_vfio_ioas(c, IOMMU_VFIO_IOAS_CLEAR, &(uint32_t){0});
}
