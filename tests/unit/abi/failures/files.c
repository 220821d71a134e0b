/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening what there is to open. */
#include "failures.h"

static long open_iommufd(struct scene *s)
{
	return bed_open_iommufd(s->b);
}

static long open_container(struct scene *s)
{
	return bed_open_container(s->b);
}

static long open_group(struct scene *s)
{
	return bed_open_group(s->b, 1);
}

static long open_cdev(struct scene *s)
{
	return bed_open_cdev(s->b, 0);
}

static const struct failing cases[] = {
	{"open /dev/iommu", nothing, open_iommufd},
	{"open /dev/vfio/vfio", nothing, open_container},
	{"open a group", nothing, open_group},
	{"open a cdev", nothing, open_cdev},
};

NOUN(failing_files, "files");
