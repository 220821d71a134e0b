/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/vtd/descriptor.h"

#define QI_TYPE_LOW  FIELD(3, 0)
#define QI_TYPE_HIGH FIELD(11, 9)
#define QI_TYPE	     (QI_TYPE_LOW | QI_TYPE_HIGH)
#define QI_G	     FIELD(5, 4)
#define QI_DID	     FIELD(31, 16)
#define QI_PASID     FIELD(51, 32)

#define CONTEXT_SID FIELD(47, 32)
#define CONTEXT_FM  FIELD(49, 48)

#define IOTLB_DRAIN FIELD(7, 6) /* reads and writes: always drained */
#define IOTLB1_AM   FIELD(5, 0)
#define IOTLB1_IH   BIT(6)
#define IOTLB1_ADDR FIELD(63, 12)

/* PFSID lies in two pieces; it and the depth of the device's queue are for flow control. */
#define DEVICE_PFSID (FIELD(15, 12) | FIELD(63, 52))
#define DEVICE_MIP   FIELD(20, 16)
#define DEVICE_SID   FIELD(47, 32)
#define DEVICE1_S    BIT(0)
#define DEVICE1_ADDR FIELD(63, 12)
#define PDEVICE_MIP  FIELD(8, 4)
#define PDEVICE_SID  FIELD(31, 16)
#define PDEVICE1_G   BIT(0)
#define PDEVICE1_S   BIT(11)

#define INTERRUPT_G    BIT(4)
#define INTERRUPT_IM   FIELD(31, 27)
#define INTERRUPT_IIDX FIELD(47, 32)

#define WAIT_IF	    BIT(4)
#define WAIT_SW	    BIT(5)
#define WAIT_FN	    BIT(6) /* fence: descriptors are carried out in order anyway */
#define WAIT_PD	    BIT(7) /* drains page requests */
#define WAIT_STATUS FIELD(63, 32)
#define WAIT1_ADDR  FIELD(63, 2)

static bool only(const uint64_t *raw, uint64_t known0, uint64_t known1)
{
	return !(raw[0] & ~(known0 | QI_TYPE) || raw[1] & ~known1);
}

/* 2^@am pages from @addr on, whose low bits count as 0. */
static void set_pages(struct vtd_descriptor *d, uint64_t addr, unsigned int am)
{
	d->first = addr & ~MASK(PAGE_SHIFT + am);
	d->last = d->first | MASK(PAGE_SHIFT + am);
}

static bool decode_context(const struct vtd_ids *ids, const uint64_t *raw, struct vtd_descriptor *d)
{
	static const enum vtd_scope scopes[] = {0, VTD_ALL, VTD_OF_DOMAIN, VTD_OF_DEVICE};
	static const uint16_t masks[] = {0, 4, 6, 7}; /* 6.5.2.1, FM */
	const uint64_t g = field_get(QI_G, raw[0]);

	d->scope = scopes[g];
	d->did = (uint16_t)field_get(QI_DID, raw[0]);
	d->rid = (uint16_t)field_get(CONTEXT_SID, raw[0]);
	d->rid_mask = masks[field_get(CONTEXT_FM, raw[0])];
	return g && only(raw, QI_G | QI_DID | CONTEXT_SID | CONTEXT_FM, 0);
}

static bool decode_iotlb(const struct vtd_ids *ids, const uint64_t *raw, struct vtd_descriptor *d)
{
	static const enum vtd_scope scopes[] = {0, VTD_ALL, VTD_OF_DOMAIN, VTD_OF_PAGES};
	const uint64_t g = field_get(QI_G, raw[0]), am = field_get(IOTLB1_AM, raw[1]);

	d->scope = scopes[g];
	d->did = (uint16_t)field_get(QI_DID, raw[0]);
	d->leaf = d->scope == VTD_OF_PAGES && raw[1] & IOTLB1_IH;
	d->last = U64MAX;
	if (d->scope == VTD_OF_PAGES) {
		if (!(ids->cap & VTD_CAP_PSI) || am > field_get(VTD_CAP_MAMV, ids->cap))
			return false;
		set_pages(d, raw[1] & IOTLB1_ADDR, (unsigned int)am);
	}
	return g && only(raw, QI_G | IOTLB_DRAIN | QI_DID, IOTLB1_AM | IOTLB1_IH | IOTLB1_ADDR);
}

static bool decode_pasid_iotlb(const struct vtd_ids *ids, const uint64_t *raw,
			       struct vtd_descriptor *d)
{
	const uint64_t g = field_get(QI_G, raw[0]), am = field_get(IOTLB1_AM, raw[1]);

	d->scope = g == 3 ? VTD_OF_PAGES : VTD_OF_PASID;
	d->did = (uint16_t)field_get(QI_DID, raw[0]);
	d->pasid = (uint32_t)field_get(QI_PASID, raw[0]);
	d->leaf = d->scope == VTD_OF_PAGES && raw[1] & IOTLB1_IH;
	d->last = U64MAX;
	if (d->scope == VTD_OF_PAGES) {
		if (am > field_get(VTD_CAP_MAMV, ids->cap))
			return false;
		set_pages(d, raw[1] & IOTLB1_ADDR, (unsigned int)am);
	}
	return ids->ecap & VTD_ECAP_SMTS && g >= 2 &&
	       only(raw, QI_G | QI_DID | QI_PASID, IOTLB1_AM | IOTLB1_IH | IOTLB1_ADDR);
}

static bool decode_pasid_cache(const struct vtd_ids *ids, const uint64_t *raw,
			       struct vtd_descriptor *d)
{
	static const enum vtd_scope scopes[] = {VTD_OF_DOMAIN, VTD_OF_PASID, 0, VTD_ALL};
	const uint64_t g = field_get(QI_G, raw[0]);

	d->scope = scopes[g];
	d->did = (uint16_t)field_get(QI_DID, raw[0]);
	d->pasid = (uint32_t)field_get(QI_PASID, raw[0]);
	return ids->ecap & VTD_ECAP_SMTS && g != 2 && only(raw, QI_G | QI_DID | QI_PASID, 0);
}

/*
 * PCIe, ATS 10.3.7: without S one page; with it the lowest clear bit from bit 12 on tells the size;
 * all of them set means all addresses.
 */
static void set_ats_pages(struct vtd_descriptor *d, uint64_t addr, bool s)
{
	const uint64_t ones = addr >> PAGE_SHIFT;
	unsigned int lg2 = 0;

	while (s && lg2 < 64 - PAGE_SHIFT && ones & BIT(lg2))
		lg2++;
	set_pages(d, addr, s ? (unsigned int)min_u64(lg2 + 1, 64 - PAGE_SHIFT) : 0);
}

static bool decode_device_tlb(const struct vtd_ids *ids, const uint64_t *raw,
			      struct vtd_descriptor *d)
{
	d->scope = VTD_OF_PAGES;
	d->rid = (uint16_t)field_get(DEVICE_SID, raw[0]);
	set_ats_pages(d, raw[1] & DEVICE1_ADDR, raw[1] & DEVICE1_S);
	return ids->ecap & VTD_ECAP_DT &&
	       only(raw, DEVICE_PFSID | DEVICE_MIP | DEVICE_SID, DEVICE1_S | DEVICE1_ADDR);
}

static bool decode_pasid_device_tlb(const struct vtd_ids *ids, const uint64_t *raw,
				    struct vtd_descriptor *d)
{
	d->scope = VTD_OF_PAGES;
	d->rid = (uint16_t)field_get(PDEVICE_SID, raw[0]);
	d->pasid = (uint32_t)field_get(QI_PASID, raw[0]);
	d->all_pasids = raw[1] & PDEVICE1_G;
	set_ats_pages(d, raw[1] & DEVICE1_ADDR, raw[1] & PDEVICE1_S);
	return ids->ecap & VTD_ECAP_DT && ids->ecap & VTD_ECAP_SMTS &&
	       only(raw, DEVICE_PFSID | PDEVICE_MIP | PDEVICE_SID | QI_PASID,
		    PDEVICE1_G | PDEVICE1_S | DEVICE1_ADDR);
}

static bool decode_interrupt(const struct vtd_ids *ids, const uint64_t *raw,
			     struct vtd_descriptor *d)
{
	return ids->ecap & VTD_ECAP_IR && only(raw, INTERRUPT_G | INTERRUPT_IM | INTERRUPT_IIDX, 0);
}

static bool decode_wait(const struct vtd_ids *ids, const uint64_t *raw, struct vtd_descriptor *d)
{
	d->interrupt = raw[0] & WAIT_IF;
	d->writes = raw[0] & WAIT_SW;
	d->status = (uint32_t)field_get(WAIT_STATUS, raw[0]);
	d->status_addr = raw[1] & WAIT1_ADDR;
	if (raw[0] & WAIT_PD && !(ids->ecap & VTD_ECAP_PRS))
		return false;
	return only(raw, WAIT_IF | WAIT_SW | WAIT_FN | WAIT_PD | WAIT_STATUS, WAIT1_ADDR);
}

bool vtd_descriptor_decode(const struct vtd_ids *ids, const uint64_t *raw, unsigned int words,
			   struct vtd_descriptor *out)
{
	static bool (*const decoders[])(const struct vtd_ids *ids, const uint64_t *raw,
					struct vtd_descriptor *d) = {
		[VTD_QI_CONTEXT] = decode_context,
		[VTD_QI_IOTLB] = decode_iotlb,
		[VTD_QI_DEVICE_TLB] = decode_device_tlb,
		[VTD_QI_INTERRUPT] = decode_interrupt,
		[VTD_QI_WAIT] = decode_wait,
		[VTD_QI_PASID_IOTLB] = decode_pasid_iotlb,
		[VTD_QI_PASID_CACHE] = decode_pasid_cache,
		[VTD_QI_PASID_DEVICE_TLB] = decode_pasid_device_tlb,
	};
	const uint64_t type = field_get(QI_TYPE_LOW, raw[0]) | field_get(QI_TYPE_HIGH, raw[0]) << 4;

	*out = (struct vtd_descriptor){.type = (enum vtd_descriptor_type)type};
	for (unsigned int k = 2; k < words; k++)
		if (raw[k])
			return false;
	return type < ARRAY_SIZE(decoders) && decoders[type] && decoders[type](ids, raw, out);
}
