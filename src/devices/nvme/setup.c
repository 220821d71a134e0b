/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an NVMe controller is made of: its options, its function, its namespaces.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "devices/nvme/nvme.h"

#define DEVICE_ID    0x0010
#define BAR_SIZE     0x4000
#define NVME_MAX_VFS 64

const struct option_key nvme_keys[] = {
	{"file", OPTION_STRING, NULL, 0, 0, "image of namespace 1; without one it is memory"},
	{"size", OPTION_SIZE, NULL, 4096, 1ull << 46,
	 "bytes of namespace 1; makes or lengthens the file (default for memory: 64M)"},
	{"file2", OPTION_STRING, NULL, 0, 0, "image of namespace 2"},
	{"size2", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 2"},
	{"file3", OPTION_STRING, NULL, 0, 0, "image of namespace 3"},
	{"size3", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 3"},
	{"file4", OPTION_STRING, NULL, 0, 0, "image of namespace 4"},
	{"size4", OPTION_SIZE, NULL, 4096, 1ull << 46, "bytes of namespace 4"},
	{"readonly", OPTION_BOOL, "off", 0, 0, "write-protect every namespace"},
	{"lba", OPTION_NUMBER, "512", 512, 4096, "bytes of a logical block: 512 or 4096"},
	{"queues", OPTION_NUMBER, "16", 1, NVME_MAX_QUEUES, "I/O queue pairs"},
	{"msi", OPTION_NUMBER, "32", 0, 32, "MSI vectors, a power of two; 0: MSI-X only"},
	{"vfs", OPTION_NUMBER, "0", 0, NVME_MAX_VFS,
	 "virtual functions (SR-IOV), there once sriov_numvfs is written; they share the namespaces"},
	{"serial", OPTION_STRING, NULL, 0, 0, "serial number, at most 20 characters"},
	{NULL},
};

#define DEFAULT_RAM (64ull << 20)

static int open_namespaces(struct nvme *n, const struct options *o, char *why, size_t why_len)
{
	uint64_t lba = options_number(o, "lba");

	if (lba != 512 && lba != 4096) {
		snprintf(why, why_len, "nvme: lba=%llu: give 512 or 4096", (unsigned long long)lba);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++) {
		struct nvme_ns_config cfg = {
			.dev = n->dev, .nsid = i + 1, .lba_lg2 = log2_floor(lba)};
		char file_key[8] = "file", size_key[8] = "size";
		int rc;

		if (i) {
			snprintf(file_key, sizeof(file_key), "file%u", i + 1);
			snprintf(size_key, sizeof(size_key), "size%u", i + 1);
		}
		cfg.file = options_string(o, file_key);
		cfg.size = options_number(o, size_key);
		cfg.readonly = options_bool(o, "readonly");
		if (!cfg.file && !cfg.size && i)
			continue;
		if (!cfg.file && !cfg.size)
			cfg.size = DEFAULT_RAM;
		rc = nvme_ns_open(&n->ns[i], &cfg, why, why_len);
		if (rc)
			return rc;
	}
	return 0;
}

void nvme_destroy(struct pci_dev *dev)
{
	struct nvme *n = pci_model_data(dev);

	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++) {
		if (!n->own_ns[i].exists)
			continue;
		nvme_ns_flush(&n->own_ns[i]);
		nvme_ns_close(&n->own_ns[i]);
	}
	ioas_free(n->buffer);
	ioas_free(n->compare);
	ioas_free(n);
}

static int setup_function(struct nvme *n, unsigned int msi)
{
	static const struct pci_ids ids = {
		.vendor = 0x1b36,
		.device = DEVICE_ID,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x010802,
		.revision = 2,
		.pcie = true,
	};
	int rc;

	pci_set_ids(n->dev, &ids);
	rc = pci_add_bar(n->dev, 0, BAR_SIZE, true, false);
	/* Without masking of its own: INTMS masks (section 3.1.3). */
	if (!rc && msi)
		rc = pci_add_msi(n->dev, msi, false);
	if (!rc)
		rc = pci_add_msix(n->dev, 0, n->nr_queues + 1, NVME_MSIX_TABLE, NVME_MSIX_PBA);
	return rc;
}

static int setup_physical(struct nvme *n, const struct options *o, char *why, size_t why_len)
{
	const struct pci_sriov_config sriov = {
		.total = (unsigned int)options_number(o, "vfs"),
		.device = DEVICE_ID,
		.bars[0] = {.size = BAR_SIZE, .is_64 = true},
	};
	const uint64_t msi = options_number(o, "msi");
	int rc;

	if (msi && !is_pow2(msi)) {
		snprintf(why, why_len, "nvme: msi=%llu: give a power of two",
			 (unsigned long long)msi);
		return -EINVAL;
	}
	rc = setup_function(n, (unsigned int)msi);
	pci_set_intx_pin(n->dev, 1);
	if (!rc && sriov.total)
		rc = pci_add_sriov(n->dev, &sriov, why, why_len);
	return rc;
}

static int set_serial(struct nvme *n, const char *text, char *why, size_t why_len)
{
	if (text && (!*text || strlen(text) >= sizeof(n->serial))) {
		snprintf(why, why_len, "nvme: serial=%s: give 1 to %zu characters", text,
			 sizeof(n->serial) - 1);
		return -EINVAL;
	}
	if (text)
		snprintf(n->serial, sizeof(n->serial), "%s", text);
	else
		snprintf(n->serial, sizeof(n->serial), "IOAS%04x%04x", n->dev->cfg.domain,
			 n->dev->cfg.rid);
	return 0;
}

static struct nvme *new_controller(struct pci_dev *dev, unsigned int nr_queues)
{
	struct nvme *n = ioas_calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->dev = dev;
	n->ns = n->own_ns;
	n->nr_queues = nr_queues;
	for (unsigned int i = 0; i < NVME_MAX_NAMESPACES; i++)
		n->own_ns[i].fd = -1;
	pci_set_model_data(dev, n);
	n->buffer = ioas_malloc(NVME_MAX_TRANSFER);
	n->compare = ioas_malloc(NVME_MAX_TRANSFER);
	if (n->buffer && n->compare)
		return n;
	nvme_destroy(dev);
	return NULL;
}

int nvme_create(struct pci_dev *dev, const struct options *o, char *why, size_t why_len)
{
	struct nvme *n = new_controller(dev, (unsigned int)options_number(o, "queues"));
	int rc;

	if (!n)
		return -ENOMEM;
	rc = set_serial(n, options_string(o, "serial"), why, why_len);
	if (!rc)
		rc = setup_physical(n, o, why, why_len);
	if (!rc)
		rc = open_namespaces(n, o, why, why_len);
	if (rc)
		nvme_destroy(dev);
	return rc;
}

int nvme_create_vf(struct pci_dev *dev, char *why, size_t why_len)
{
	const struct nvme *pf = pci_model_data(dev->pf);
	struct nvme *n = new_controller(dev, pf->nr_queues);
	int rc;

	if (!n)
		return -ENOMEM;
	n->ns = pf->ns;
	memcpy(n->serial, pf->serial, sizeof(n->serial));
	rc = setup_function(n, 0);
	if (rc)
		nvme_destroy(dev);
	return rc;
}
