/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVM Express Base Specification 1.4: registers, commands, status codes and data structures, by
 * their names there. All fields are little-endian in memory.
 */
#ifndef IOAS_DEVICES_NVME_SPEC_H
#define IOAS_DEVICES_NVME_SPEC_H

#include <stdint.h>

#include "base/bits.h"

/* Controller registers, section 3.1. */
#define NVME_CAP       0x00
#define NVME_VS	       0x08
#define NVME_INTMS     0x0c
#define NVME_INTMC     0x10
#define NVME_CC	       0x14
#define NVME_CSTS      0x1c
#define NVME_NSSR      0x20
#define NVME_AQA       0x24
#define NVME_ASQ       0x28
#define NVME_ACQ       0x30
#define NVME_DOORBELLS 0x1000

#define NVME_CAP_MQES	FIELD(15, 0)
#define NVME_CAP_CQR	BIT(16)
#define NVME_CAP_TO	FIELD(31, 24)
#define NVME_CAP_CSS	FIELD(44, 37)
#define NVME_CAP_MPSMIN FIELD(51, 48)
#define NVME_CAP_MPSMAX FIELD(55, 52)

#define NVME_CC_EN     BIT(0)
#define NVME_CC_CSS    FIELD(6, 4)
#define NVME_CC_MPS    FIELD(10, 7)
#define NVME_CC_AMS    FIELD(13, 11)
#define NVME_CC_SHN    FIELD(15, 14)
#define NVME_CC_IOSQES FIELD(19, 16)
#define NVME_CC_IOCQES FIELD(23, 20)

#define NVME_CSTS_RDY	    BIT(0)
#define NVME_CSTS_CFS	    BIT(1)
#define NVME_CSTS_SHST	    FIELD(3, 2)
#define NVME_SHST_OCCURRING 1u
#define NVME_SHST_COMPLETE  2u

/* Section 4.2 and 4.6. */
struct nvme_sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr;
	uint64_t dptr[2];
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "a submission queue entry is 64 bytes");

#define NVME_FLAGS_FUSE FIELD(1, 0)
#define NVME_FLAGS_PSDT FIELD(7, 6)

struct nvme_cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid, cid, status; /* status: phase in bit 0 */
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "a completion queue entry is 16 bytes");

/* Status: status code type << 8 | status code, section 4.6.1; DNR in bit 14 (of the field without
 * the phase). */
enum nvme_status {
	NVME_SUCCESS = 0x000,
	NVME_INVALID_OPCODE = 0x001,
	NVME_INVALID_FIELD = 0x002,
	NVME_DATA_TRANSFER_ERROR = 0x004,
	NVME_INTERNAL_ERROR = 0x006,
	NVME_ABORT_REQUESTED = 0x007,
	NVME_INVALID_NAMESPACE = 0x00b,
	NVME_SEQUENCE_ERROR = 0x00c,
	NVME_INVALID_SGL_SEGMENT = 0x00d,
	NVME_INVALID_SGL_COUNT = 0x00e,
	NVME_SGL_LENGTH_INVALID = 0x00f,
	NVME_SGL_TYPE_INVALID = 0x011,
	NVME_INVALID_PRP_OFFSET = 0x013,
	NVME_WRITE_PROTECTED = 0x020,
	NVME_LBA_RANGE = 0x080,
	NVME_CQ_INVALID = 0x100,
	NVME_QID_INVALID = 0x101,
	NVME_QUEUE_SIZE_INVALID = 0x102,
	NVME_AER_LIMIT = 0x105,
	NVME_VECTOR_INVALID = 0x108,
	NVME_LOG_PAGE_INVALID = 0x109,
	NVME_FORMAT_INVALID = 0x10a,
	NVME_QUEUE_DELETION_INVALID = 0x10c,
	NVME_FEATURE_NOT_SAVEABLE = 0x10d,
	NVME_FEATURE_NOT_CHANGEABLE = 0x10e,
	NVME_COMPARE_FAILURE = 0x285,
	NVME_WRITE_FAULT = 0x280,
	NVME_UNRECOVERED_READ = 0x281,
};
#define NVME_DNR 0x4000u

enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_GET_LOG_PAGE = 0x02,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_ADMIN_GET_FEATURES = 0x0a,
	NVME_ADMIN_ASYNC_EVENT = 0x0c,
	NVME_ADMIN_FORMAT = 0x80,
};

enum nvme_io_opcode {
	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
	NVME_IO_COMPARE = 0x05,
	NVME_IO_WRITE_ZEROES = 0x08,
	NVME_IO_DSM = 0x09,
	NVME_IO_VERIFY = 0x0c,
};

enum nvme_feature {
	NVME_FEAT_ARBITRATION = 0x01,
	NVME_FEAT_POWER = 0x02,
	NVME_FEAT_TEMPERATURE = 0x04,
	NVME_FEAT_ERROR_RECOVERY = 0x05,
	NVME_FEAT_WRITE_CACHE = 0x06,
	NVME_FEAT_QUEUES = 0x07,
	NVME_FEAT_COALESCING = 0x08,
	NVME_FEAT_VECTOR = 0x09,
	NVME_FEAT_ATOMICITY = 0x0a,
	NVME_FEAT_ASYNC_EVENTS = 0x0b,
};

/* Asynchronous event types and what they tell, figure 147 to 149. */
enum { NVME_AE_ERROR = 0, NVME_AE_SMART = 1, NVME_AE_NOTICE = 2 };
enum { NVME_AE_INVALID_DOORBELL = 0, NVME_AE_INVALID_DOORBELL_VALUE = 1 };
enum { NVME_AE_SMART_TEMPERATURE = 1 };
enum { NVME_LOG_ERROR = 1, NVME_LOG_SMART = 2, NVME_LOG_FIRMWARE = 3, NVME_LOG_EFFECTS = 5 };

/* SGL descriptor, section 4.4. */
struct nvme_sgl {
	uint64_t address;
	uint32_t length;
	uint8_t reserved[3];
	uint8_t id; /* type in the high nibble, subtype in the low */
};
enum {
	NVME_SGL_DATA = 0,
	NVME_SGL_BIT_BUCKET = 1,
	NVME_SGL_SEGMENT = 2,
	NVME_SGL_LAST_SEGMENT = 3
};

struct nvme_dsm_range {
	uint32_t attributes, blocks;
	uint64_t slba;
};

#endif
