/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every format, in every number of levels, and what else changes the tables that come out.
 */
#include "naive.h"

#define VTD_SIZES (BIT(12) | BIT(21) | BIT(30))

const struct geometry geometries[] = {
	{"vtd 3", &pt_vtd_ss, &naive_vtd_ss, 3, 0, PT_DIRTY},
	{"vtd 4", &pt_vtd_ss, &naive_vtd_ss, 4, 0, PT_DIRTY | PT_COHERENT},
	{"vtd 5", &pt_vtd_ss, &naive_vtd_ss, 5, 0, PT_DIRTY},
	{"vtd 4, no 1G", &pt_vtd_ss, &naive_vtd_ss, 4, BIT(12) | BIT(21), PT_DIRTY},
	{"vtd 4, 4K", &pt_vtd_ss, &naive_vtd_ss, 4, 0, PT_DIRTY | PT_NO_HUGE},
	{"amd 3", &pt_amdv1, &naive_amdv1, 3, 0, PT_DIRTY},
	{"amd 4", &pt_amdv1, &naive_amdv1, 4, 0, PT_DIRTY | PT_COHERENT},
	{"amd 5", &pt_amdv1, &naive_amdv1, 5, 0, PT_DIRTY},
	{"amd 6", &pt_amdv1, &naive_amdv1, 6, 0, PT_DIRTY},
	{"amd 4, no runs", &pt_amdv1, &naive_amdv1, 4, VTD_SIZES, PT_DIRTY},
	{"amd 4, 32K", &pt_amdv1, &naive_amdv1, 4, BIT(12) | BIT(15), PT_DIRTY},
	{"amdv2 4", &pt_amdv2, &naive_x86, 4, 0, PT_DIRTY},
	{"amdv2 5", &pt_amdv2, &naive_x86, 5, 0, PT_DIRTY},
	{"amdv2 4, all bits", &pt_amdv2, &naive_x86, 4, 0, PT_DIRTY | PT_UNSIGNED},
	{"amdv2 5, all bits", &pt_amdv2, &naive_x86, 5, 0, PT_DIRTY | PT_UNSIGNED},
	{"amdv2 4, as Linux", &pt_amdv2, &naive_x86, 4, 0, PT_UNSIGNED, .ias = 47},
	{"amdv2 5, as Linux", &pt_amdv2, &naive_x86, 5, 0, PT_UNSIGNED, .ias = 56},
	{"s390 region third", &pt_s390, &naive_s390, 3},
	{"s390 region second", &pt_s390, &naive_s390, 4},
	{"s390 region first", &pt_s390, &naive_s390, 5},
	{"s390 4K", &pt_s390, &naive_s390, 3, BIT(12)},
	{"power 4K 1", &pt_power_4k, &naive_power, 1, .ias = 31},
	{"power 4K 2", &pt_power_4k, &naive_power, 2},
	{"power 4K 3", &pt_power_4k, &naive_power, 3},
	{"power 4K 4", &pt_power_4k, &naive_power, 4},
	{"power 4K 5", &pt_power_4k, &naive_power, 5, .ias = 54},
	{"power 64K 1", &pt_power_64k, &naive_power, 1, .ias = 31},
	{"power 64K 2", &pt_power_64k, &naive_power, 2, .ias = 31},
	{"power 64K 3", &pt_power_64k, &naive_power, 3},
	{"power 64K 4", &pt_power_64k, &naive_power, 4},
	{"power 64K 5", &pt_power_64k, &naive_power, 5, .ias = 53},
	{"power 2M 1", &pt_power_2m, &naive_power, 1, .ias = 40},
	{"power 2M 2", &pt_power_2m, &naive_power, 2},
	{"power 2M 3", &pt_power_2m, &naive_power, 3},
	{"power 2M 4", &pt_power_2m, &naive_power, 4, .ias = 50},
	{"power 16M 1", &pt_power_16m, &naive_power, 1, .ias = 40},
	{"power 16M 2", &pt_power_16m, &naive_power, 2},
	{"power 16M 3", &pt_power_16m, &naive_power, 3},
	{"power 16M 4", &pt_power_16m, &naive_power, 4, .ias = 54},
	{"mock 4", &pt_mock, &naive_mock, 4, 0, PT_DIRTY},
	{"mock 5", &pt_mock, &naive_mock, 5, 0, PT_DIRTY | PT_COHERENT},
	{"mock 4, huge", &pt_mock, &naive_mock, 4, BIT(12) | BIT(20), PT_DIRTY},
};
const size_t nr_geometries = ARRAY_SIZE(geometries);
