/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Annotations for the DMA sanitizer (ioas run --sanitize): which bytes of a mapping a device may
 * touch. The IOMMU maps whole pages; a program that asked for a buffer of 100 bytes can say so, and
 * a DMA to byte 101 is found.
 *
 *	ioas_sanitize_meant(iommufd, ioas_id, iova, 100);
 *
 * This file needs nothing but the C library and may be compiled in everywhere, as C or C++. Without
 * the sanitizer a call does nothing but one ioctl, which ioas and every kernel answer with ENOTTY:
 * these functions change neither errno nor anything else then.
 *
 * What is declared belongs to the mappings that it lies in. A mapping of which nothing was declared
 * may be touched everywhere. From the first ioas_sanitize_meant() on only what was declared may be;
 * ioas_sanitize_not_meant() takes bytes away again (of a mapping of which nothing was declared: all
 * others stay). Nothing is left of it when the mapping is unmapped.
 *
 * @fd: an iommufd, or a VFIO container, with @ioas_id 0. (An iommufd in a container's place: 0, or
 * the IOAS's id.)
 *
 * Result: 0: a sanitizer knows it now; else a negative errno: -ENOTTY: there is none; -ENOENT: no
 * such IOAS; -EINVAL or -EOVERFLOW: no such range. It need not be looked at.
 */
#ifndef IOAS_SANITIZE_H
#define IOAS_SANITIZE_H

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* struct iommu_sanitize of <ioas/abi/extensions.h>. */
struct ioas_sanitize_request {
	uint32_t size, flags, ioas_id, reserved;
	uint64_t iova, length;
};

#define IOAS_SANITIZE_REQUEST	_IO(';', 0xe3)
#define IOAS_SANITIZE_NOT_MEANT 1u

static inline int ioas_sanitize_declare(int fd, uint32_t ioas_id, uint64_t iova, uint64_t length,
					uint32_t flags)
{
	struct ioas_sanitize_request request;
	const int before = errno;
	int rc;

	request.size = sizeof(request);
	request.flags = flags;
	request.ioas_id = ioas_id;
	request.reserved = 0;
	request.iova = iova;
	request.length = length;
	rc = ioctl(fd, IOAS_SANITIZE_REQUEST, &request);
	if (rc < 0)
		rc = -errno;
	errno = before;
	return rc;
}

/* A device may touch bytes [iova, iova + length). */
static inline int ioas_sanitize_meant(int fd, uint32_t ioas_id, uint64_t iova, uint64_t length)
{
	return ioas_sanitize_declare(fd, ioas_id, iova, length, 0);
}

/* No device may touch them from now on. */
static inline int ioas_sanitize_not_meant(int fd, uint32_t ioas_id, uint64_t iova, uint64_t length)
{
	return ioas_sanitize_declare(fd, ioas_id, iova, length, IOAS_SANITIZE_NOT_MEANT);
}

#ifdef __cplusplus
}
#endif

#endif
