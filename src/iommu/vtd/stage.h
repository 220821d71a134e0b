/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How one address space of a guest's is translated by the tables that the guest wrote: what a PASID
 * table entry, or a context entry of legacy mode, says of them, wherever it came from.
 *
 * First-stage tables (3.6) are x86-64's; second-stage ones (3.7) are there in a guest's own
 * configuration only, where the guest believes that they are the only stage.
 */
#ifndef IOAS_IOMMU_VTD_STAGE_H
#define IOAS_IOMMU_VTD_STAGE_H

#include "iommu/nested.h"
#include "iommu/vtd/vtd.h"

struct vtd_stage {
	struct pt_regime regime;
	bool legacy; /* mode: its fault reasons are others */
	bool sre, wpe, ere, smep, eafe;
	bool fpd;	 /* qualified faults are not recorded (7.1.3) */
	bool privileged; /* requests are the supervisor's (RID_PRIV) */
};

/* nested_tag.regime: a guest's entries of the two kinds of tables are known apart (6.2.4), and have
 * other domain IDs than those of tables that the VMM handed in. */
enum { VTD_REGIME_FIRST, VTD_REGIME_GUEST_FIRST, VTD_REGIME_GUEST_SECOND };

/* First-stage tables of 4 or 5 levels, @large: with leaves of 1 GiB. */
struct pt_regime vtd_first_stage_regime(uint64_t root, unsigned int levels, bool large);

/* As nested_ops.permits and .marked. */
unsigned int vtd_stage_permits(const struct vtd_stage *s, const struct pt_walk *w,
			       unsigned int access);
uint64_t vtd_stage_marked(const struct vtd_stage *s, uint64_t raw, bool table, bool dirty);

/* Why a request failed, to whoever is told. */
struct vtd_reason {
	enum iommu_fault_reason reason;
	enum vtd_fault code;
};
/*
 * The reasons of 7.1.3. @nested: in the eyes of the host, who knows of both stages; else in the
 * guest's, where the parent's translations are how memory is reached.
 */
struct vtd_reason vtd_stage_reason(const struct vtd_stage *s, const struct nested_request *q,
				   const struct nested_fault *f, bool nested);

#endif
