/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the library's headers share.
 */
#ifndef IOAS_TYPES_H
#define IOAS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IOAS_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define IOAS_BEGIN extern "C" {
#define IOAS_END   }
#else
#define IOAS_BEGIN
#define IOAS_END
#endif

IOAS_BEGIN

struct ioas_host;
struct ioas_port;
struct ioas_context;
struct ioas_device;
struct ioas_access;

/* Why a call was refused. The strings are valid during the callback. */
struct ioas_refusal {
	int err;	   /* positive errno */
	const char *rule;  /* the rule's label, such as "MAP.14" */
	const char *field; /* the argument at fault */
	uint64_t value;	   /* what it was */
	const char *legal; /* what would have been legal, in words */
};

/* A DMA that the IOMMU refused. */
struct ioas_fault {
	uint32_t requester_id; /* bus << 8 | device << 3 | function */
	uint64_t iova;
	uint64_t length; /* bytes asked for */
	bool write;
	uint32_t code;	    /* as the make's specification numbers it */
	const char *reason; /* in words; valid for ever */
	uint32_t pasid;	    /* of the request; 0: none */
};

enum ioas_log_level {
	IOAS_LOG_FAULT,	  /* the IOMMU refused a DMA */
	IOAS_LOG_REFUSAL, /* a call was refused */
};

/* A line of text; valid during the callback. */
struct ioas_log {
	uint64_t time; /* nanoseconds of the host's clock */
	enum ioas_log_level level;
	const char *text; /* without a newline */
};

/* IOVAs [start, last]. */
struct ioas_range {
	uint64_t start, last;
};

IOAS_END
#endif
