/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Flags of `resource`, as linux/ioport.h numbers them. */
#define RES_IO	     0x00000100
#define RES_MEM	     0x00000200
#define RES_PREFETCH 0x00002000
#define RES_SIZE     0x00040000
#define RES_MEM_64   0x00100000
#define RES_LINES    13 /* six BARs, the ROM, six of SR-IOV */
#define RES_VF_BARS  7

#define BAR_IO	     1u
#define BAR_64	     4u
#define BAR_PREFETCH 8u

/* Where firmware would have put the BARs. */
#define MEM_WINDOW 0xc0000000ull
#define IO_WINDOW  0x1000ull

/* Where the BARs of a device's virtual functions begin. */
struct vf_window {
	uint64_t start[PCI_NUM_BARS];
};

/* What is being written; the first error stays and silences the rest. */
struct tree {
	int dirfd;
	int rc;
	FILE *record; /* where to write down what belongs to a virtual function, instead of making
			 it */
	struct run_config *run;
	uint64_t next_mem, next_io;
	struct vf_window *vf_windows; /* of each device of the machine */
};

struct resource {
	uint64_t start, end, flags;
};

/* One device's folder and names. */
struct leaf {
	const struct host_device *slot;
	struct pci_dev *pci;
	struct vf_window *vf_window; /* its own, or its physical function's */
	uint32_t bdf;
	char name[RUN_BDF_LEN];
	char dir[64]; /* sys/devices/pci0000:01/0000:01:00.0 */
};

static int format(struct tree *t, char *out, size_t len, const char *fmt, va_list ap)
{
	if (!t->rc && (size_t)vsnprintf(out, len, fmt, ap) >= len)
		t->rc = -ENAMETOOLONG;
	return t->rc;
}

/* Makes the folders above the last part of @path. */
static void make_parents(struct tree *t, char *path)
{
	for (char *p = strchr(path, '/'); p && !t->rc; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(t->dirfd, path, 0755) && errno != EEXIST)
			t->rc = -errno;
		*p = '/';
	}
}

static void __attribute__((format(printf, 2, 3))) put_dir(struct tree *t, const char *fmt, ...)
{
	char path[256];
	va_list ap;

	va_start(ap, fmt);
	if (!format(t, path, sizeof(path) - 1, fmt, ap)) {
		strcat(path, "/");
		make_parents(t, path);
	}
	va_end(ap);
}

static void put_bytes(struct tree *t, char *path, const void *data, size_t len, mode_t mode)
{
	int fd;

	if (t->record) {
		fprintf(t->record, RUN_VF_FILE "\n", (unsigned int)mode, len, path);
		fwrite(data, 1, len, t->record);
		fputc('\n', t->record);
		return;
	}
	make_parents(t, path);
	if (t->rc)
		return;
	unlinkat(t->dirfd, path, 0);
	fd = openat(t->dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len || fchmod(fd, mode))
		t->rc = errno ? -errno : -EIO;
	if (fd >= 0)
		close(fd);
}

/* A read-only attribute: "path" under @dir with a line of text. */
static void __attribute__((format(printf, 4, 5)))
put(struct tree *t, const char *dir, const char *name, const char *fmt, ...)
{
	char path[256], text[1024];
	va_list ap;

	va_start(ap, fmt);
	if (!format(t, text, sizeof(text), fmt, ap)) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		put_bytes(t, path, text, strlen(text), 0444);
	}
	va_end(ap);
}

/* An attribute that is written to; empty unless @text says otherwise. */
static void put_writable(struct tree *t, const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	put_bytes(t, path, text, strlen(text), 0644);
}

/* @to begins at the top of the overlay ("sys/..."); the link is made relative to where it stands.
 */
static void put_link(struct tree *t, const char *dir, const char *name, const char *to)
{
	char path[256], target[512] = "";
	size_t common = 0;

	if (t->rc)
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (size_t i = 0; dir[i] && dir[i] == to[i]; i++)
		if (dir[i] == '/')
			common = i + 1;
	for (const char *s = dir + common; s; s = strchr(s, '/'), s = s ? s + 1 : NULL)
		strcat(target, "../");
	strncat(target, to + common, sizeof(target) - strlen(target) - 1);
	if (t->record) {
		fprintf(t->record, RUN_VF_LINK "\n", path, target);
		return;
	}
	make_parents(t, path);
	if (!t->rc && symlinkat(target, t->dirfd, path) && errno != EEXIST)
		t->rc = -errno;
}

static void own(struct tree *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void own(struct tree *t, const char *fmt, ...)
{
	char path[256];
	va_list ap;

	va_start(ap, fmt);
	if (!format(t, path, sizeof(path), fmt, ap))
		t->rc = run_config_own(t->run, path);
	va_end(ap);
}

static uint32_t config32(struct pci_dev *pci, unsigned int off)
{
	uint8_t b[4];

	pci_config_read(pci, off, sizeof(b), b);
	return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
}

static void store32(uint8_t *config, unsigned int off, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		config[off + i] = (uint8_t)(v >> (8 * i));
}

static uint64_t place(uint64_t *next, uint64_t size)
{
	const uint64_t at = align_up(*next, size);

	*next = at + size;
	return at;
}

/* Where a memory BAR is to lie. Virtual functions' BARs lie one after the other. */
static uint64_t place_memory(struct tree *t, const struct leaf *l, unsigned int i)
{
	const uint64_t size = l->pci->bars[i].size;

	if (l->pci->pf)
		return l->vf_window->start[i] + l->pci->vf_index * size;
	return place(&t->next_mem, max_u64(size, PAGE_SIZE));
}

static uint32_t memory_kind(const struct pci_bar *bar)
{
	return (bar->is_64 ? BAR_64 : 0) | (bar->prefetch ? BAR_PREFETCH : 0);
}

static uint64_t memory_flags(const struct pci_bar *bar)
{
	return RES_MEM | RES_SIZE | memory_kind(bar) | (bar->is_64 ? RES_MEM_64 : 0) |
	       (bar->prefetch ? RES_PREFETCH : 0);
}

/* Gives BAR @i an address and its register in @config, which a virtual function has not got. */
static void place_bar(struct tree *t, const struct leaf *l, unsigned int i, uint8_t *config,
		      struct resource *r)
{
	const struct pci_bar *bar = &l->pci->bars[i];

	if (!bar->size)
		return;
	r->start = bar->is_io ? place(&t->next_io, bar->size) : place_memory(t, l, i);
	r->end = r->start + bar->size - 1;
	r->flags = bar->is_io ? RES_IO | RES_SIZE | BAR_IO : memory_flags(bar);
	if (l->pci->pf)
		return;
	store32(config, 0x10 + 4 * i,
		(uint32_t)r->start | (bar->is_io ? BAR_IO : memory_kind(bar)));
	if (bar->is_64)
		store32(config, 0x14 + 4 * i, (uint32_t)(r->start >> 32));
}

/* Room for BAR @i of all virtual functions. */
static void place_vf_bar(struct tree *t, const struct leaf *l, unsigned int i, struct resource *r)
{
	const struct pci_sriov_config *vfs = &l->pci->sriov.cfg;
	const uint64_t size = vfs->bars[i].size;

	if (!size)
		return;
	r->start = place(&t->next_mem, max_u64(size, PAGE_SIZE));
	t->next_mem = r->start + size * vfs->total;
	l->vf_window->start[i] = r->start;
	r->end = t->next_mem - 1;
	r->flags = memory_flags(&vfs->bars[i]);
}

/* The file `resource`: six BARs, the ROM, six BARs of virtual functions. */
static size_t place_bars(struct tree *t, const struct leaf *l, uint8_t *config, char *text,
			 size_t len)
{
	struct resource lines[RES_LINES] = {0};
	size_t used = 0;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		place_bar(t, l, i, config, &lines[i]);
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		place_vf_bar(t, l, i, &lines[RES_VF_BARS + i]);
	for (unsigned int i = 0; i < RES_LINES; i++)
		used += (size_t)snprintf(text + used, len - used, "0x%016llx 0x%016llx 0x%016llx\n",
					 (unsigned long long)lines[i].start,
					 (unsigned long long)lines[i].end,
					 (unsigned long long)lines[i].flags);
	return used;
}

/* Registers that a virtual function leaves to its physical one (PCI Express 5.0, 9.3.4.1). */
static void blank_vf_config(uint8_t *config)
{
	store32(config, 0, UINT32_MAX);
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		store32(config, 0x10 + 4 * i, 0);
}

static void put_config(struct tree *t, const struct leaf *l)
{
	uint8_t config[PCIE_CONFIG_SIZE];
	char path[256], text[RES_LINES * 64];
	size_t len;

	pci_config_read(l->pci, 0, l->pci->config_len, config);
	if (l->pci->pf)
		blank_vf_config(config);
	len = place_bars(t, l, config, text, sizeof(text));
	snprintf(path, sizeof(path), "%s/resource", l->dir);
	put_bytes(t, path, text, len, 0444);
	snprintf(path, sizeof(path), "%s/config", l->dir);
	put_bytes(t, path, config, l->pci->config_len, 0644);
}

static void put_identity(struct tree *t, const struct leaf *l)
{
	const uint32_t id = config32(l->pci, 0), class = config32(l->pci, 8),
		       sub = config32(l->pci, 0x2c);
	const unsigned int base = class >> 24, subclass = class >> 16 & 0xff,
			   interface = class >> 8 & 0xff;

	put(t, l->dir, "vendor", "0x%04x\n", id & 0xffff);
	put(t, l->dir, "device", "0x%04x\n", id >> 16);
	put(t, l->dir, "subsystem_vendor", "0x%04x\n", sub & 0xffff);
	put(t, l->dir, "subsystem_device", "0x%04x\n", sub >> 16);
	put(t, l->dir, "class", "0x%06x\n", class >> 8);
	put(t, l->dir, "revision", "0x%02x\n", class & 0xff);
	put(t, l->dir, "modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", id & 0xffff,
	    id >> 16, sub & 0xffff, sub >> 16, base, subclass, interface);
	put(t, l->dir, "uevent",
	    "DRIVER=vfio-pci\nPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
	    "PCI_SLOT_NAME=%s\nMODALIAS=pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n",
	    class >> 8, id & 0xffff, id >> 16, sub & 0xffff, sub >> 16, l->name, id & 0xffff,
	    id >> 16, sub & 0xffff, sub >> 16, base, subclass, interface);
}

static void put_state(struct tree *t, const struct leaf *l)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);
	const bool one_word = cpus < 32;

	put(t, l->dir, "irq", "%u\n", config32(l->pci, 0x3c) >> 8 & 0xff ? 16 : 0);
	put(t, l->dir, "enable", "1\n");
	put(t, l->dir, "local_cpus", "%x\n", one_word ? (1u << cpus) - 1 : ~0u);
	put(t, l->dir, "local_cpulist", "0-%ld\n", cpus - 1);
	put(t, l->dir, "dma_mask_bits", "64\n");
	put(t, l->dir, "consistent_dma_mask_bits", "64\n");
	put(t, l->dir, "power_state", "D0\n");
	put(t, l->dir, "ari_enabled", "0\n");
	put(t, l->dir, "broken_parity_status", "0\n");
	put(t, l->dir, "d3cold_allowed", "0\n");
	put(t, l->dir, "msi_bus", "1\n");
	put(t, l->dir, "reset_method", "flr\n");
	put(t, l->dir, "power/runtime_status", "active\n");
	put_writable(t, l->dir, "numa_node", "0\n");
	put_writable(t, l->dir, "power/control", "on\n");
	/* vfio-pci catches the virtual functions of what it drives. */
	put_writable(t, l->dir, "driver_override", l->pci->pf ? "vfio-pci\n" : "(null)\n");
	put_writable(t, l->dir, "remove", "");
	put_writable(t, l->dir, "rescan", "");
	put_writable(t, l->dir, "reset", "");
}

static void put_cdev(struct tree *t, const struct leaf *l)
{
	char dir[128], dev[32], name[16], at[64];

	snprintf(name, sizeof(name), "vfio%u", l->slot->cdev);
	snprintf(dir, sizeof(dir), "%s/vfio-dev/%s", l->dir, name);
	snprintf(dev, sizeof(dev), "%d:%u", RUN_DEVICE_MAJOR, l->slot->cdev);
	put(t, dir, "dev", "%s\n", dev);
	put(t, dir, "uevent", "MAJOR=%d\nMINOR=%u\nDEVNAME=vfio/devices/%s\n", RUN_DEVICE_MAJOR,
	    l->slot->cdev, name);
	put_link(t, dir, "device", l->dir);
	put_link(t, dir, "subsystem", "sys/class/vfio-dev");
	put_link(t, "sys/class/vfio-dev", name, dir);
	put_link(t, "sys/dev/char", dev, dir);
	own(t, "/sys/dev/char/%s", dev);
	snprintf(at, sizeof(at), "dev/vfio/devices/%s", name);
	put_bytes(t, at, "", 0, 0600);
}

static void put_group(struct tree *t, const struct leaf *l)
{
	const unsigned int id = l->slot->group->id;
	char group[64], dir[80], dev[32], name[16];

	snprintf(group, sizeof(group), "sys/kernel/iommu_groups/%u", id);
	snprintf(dir, sizeof(dir), "%s/devices", group);
	put_link(t, dir, l->name, l->dir);
	put_link(t, l->dir, "iommu_group", group);
	snprintf(name, sizeof(name), "%u", id);
	snprintf(dir, sizeof(dir), "sys/devices/virtual/vfio/%u", id);
	snprintf(dev, sizeof(dev), "%d:%u", RUN_GROUP_MAJOR, id);
	put(t, dir, "dev", "%s\n", dev);
	put(t, dir, "uevent", "MAJOR=%d\nMINOR=%u\nDEVNAME=vfio/%u\n", RUN_GROUP_MAJOR, id, id);
	put_link(t, dir, "subsystem", "sys/class/vfio");
	put_link(t, "sys/class/vfio", name, dir);
	put_link(t, "sys/dev/char", dev, dir);
	own(t, "/sys/dev/char/%s", dev);
	snprintf(dir, sizeof(dir), "dev/vfio/%u", id);
	put_bytes(t, dir, "", 0, 0600);
}

static void put_regions(struct tree *t, const struct machine *m, unsigned int group)
{
	struct iommu_region regions[IOMMU_MAX_REGIONS];
	const size_t n = iommu_regions(m->host->iommu, regions, ARRAY_SIZE(regions));
	char dir[64], text[ARRAY_SIZE(regions) * 64] = "";
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "0x%016llx 0x%016llx %s\n",
			(unsigned long long)regions[i].start, (unsigned long long)regions[i].last,
			regions[i].msi ? "msi" : "reserved");
	snprintf(dir, sizeof(dir), "sys/kernel/iommu_groups/%u", group);
	put(t, dir, "reserved_regions", "%s", text);
	put_writable(t, dir, "type", "DMA\n");
}

/* The IOMMU as sysfs names it. */
static const char *iommu_node(const struct machine *m)
{
	const char *make = m->host->iommu->make->name;

	if (!strcmp(make, "vtd"))
		return "dmar0";
	if (!strcmp(make, "amd"))
		return "ivhd0";
	return make;
}

static void put_sriov(struct tree *t, const struct leaf *l)
{
	const uint16_t first = pci_vf_rid((uint16_t)l->bdf, 0);

	put(t, l->dir, "sriov_totalvfs", "%u\n", l->pci->sriov.cfg.total);
	put(t, l->dir, "sriov_offset", "%u\n", first - (uint16_t)l->bdf);
	put(t, l->dir, "sriov_stride", "%u\n", pci_vf_rid((uint16_t)l->bdf, 1) - first);
	put(t, l->dir, "sriov_vf_device", "%x\n", l->pci->sriov.cfg.device);
	put(t, l->dir, "sriov_vf_total_msix", "0\n");
	put_writable(t, l->dir, "sriov_numvfs", "0\n");
	put_writable(t, l->dir, "sriov_drivers_autoprobe", "1\n");
}

/* A virtual function's driver is linked when it is enabled. */
static void put_family(struct tree *t, const struct leaf *l, const struct leaf *pf)
{
	char name[24];

	if (!l->pci->pf) {
		put_link(t, l->dir, "driver", "sys/bus/pci/drivers/vfio-pci");
		put_link(t, "sys/bus/pci/drivers/vfio-pci", l->name, l->dir);
		return;
	}
	put_link(t, l->dir, "physfn", pf->dir);
	snprintf(name, sizeof(name), "virtfn%u", l->pci->vf_index);
	put_link(t, pf->dir, name, l->dir);
}

static void put_device(struct tree *t, const struct machine *m, struct leaf *l,
		       const struct leaf *pf)
{
	char dir[128];

	own(t, "/%s", l->dir);
	put_config(t, l);
	put_identity(t, l);
	put_state(t, l);
	if (l->pci->sriov.cap)
		put_sriov(t, l);
	put_link(t, l->dir, "subsystem", "sys/bus/pci");
	put_link(t, "sys/bus/pci/devices", l->name, l->dir);
	put_family(t, l, pf);
	put_group(t, l);
	put_regions(t, m, l->slot->group->id);
	put_cdev(t, l);
	snprintf(dir, sizeof(dir), "sys/devices/virtual/iommu/%s", iommu_node(m));
	put_link(t, l->dir, "iommu", dir);
	snprintf(dir, sizeof(dir), "sys/devices/virtual/iommu/%s/devices", iommu_node(m));
	put_link(t, dir, l->name, l->dir);
}

static void leaf_init(struct leaf *l, const struct machine *m, const struct tree *t, size_t i)
{
	*l = (struct leaf){.slot = m->slots[i],
			   .pci = m->devices[i],
			   .vf_window = &t->vf_windows[i],
			   .bdf = t->run->devices[i].bdf};
	run_bdf_name(l->bdf, l->name);
	snprintf(l->dir, sizeof(l->dir), "sys/devices/pci%04x:%02x/%s", l->bdf >> 16,
		 l->bdf >> 8 & 0xff, l->name);
}

/* What is to be found while a virtual function is enabled: a file of its own tells. */
static void record_vf(struct tree *t, const struct machine *m, struct leaf *l, size_t pf_index)
{
	char path[64];
	struct leaf pf;
	int fd;

	leaf_init(&pf, m, t, pf_index);
	l->vf_window = pf.vf_window;
	put_dir(t, RUN_VF_FOLDER);
	snprintf(path, sizeof(path), RUN_VF_FOLDER "/%s", l->name);
	fd = t->rc ? -1 : openat(t->dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	t->record = fd < 0 ? NULL : fdopen(fd, "w");
	if (!t->record) {
		t->rc = t->rc ? t->rc : -errno;
		return;
	}
	put_device(t, m, l, &pf);
	if (fclose(t->record) && !t->rc)
		t->rc = -errno;
	t->record = NULL;
}

static void put_iommu(struct tree *t, const struct machine *m)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "sys/devices/virtual/iommu/%s", iommu_node(m));
	put_dir(t, "%s/devices", dir);
	put_link(t, dir, "subsystem", "sys/class/iommu");
	put_link(t, "sys/class/iommu", iommu_node(m), dir);
}

static void put_modules(struct tree *t)
{
	static const char *const modules[] = {"vfio", "vfio_pci", "vfio_pci_core",
					      "vfio_iommu_type1", "iommufd"};
	char dir[64];

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		snprintf(dir, sizeof(dir), "sys/module/%s", modules[i]);
		put(t, dir, "initstate", "live\n");
		put(t, dir, "refcnt", "1\n");
		own(t, "/%s", dir);
	}
	put(t, "sys/module/vfio/parameters", "enable_unsafe_noiommu_mode", "N\n");
	put(t, "sys/module/vfio_iommu_type1/parameters", "allow_unsafe_interrupts", "N\n");
	put(t, "sys/module/vfio_iommu_type1/parameters", "disable_hugepages", "N\n");
	put(t, "sys/module/vfio_iommu_type1/parameters", "dma_entry_limit", "65535\n");
	put(t, "sys/module/vfio_pci/parameters", "disable_idle_d3", "N\n");
	put(t, "sys/module/vfio_pci/parameters", "enable_sriov", "Y\n");
}

static void put_bus(struct tree *t)
{
	static const char *const driver = "sys/bus/pci/drivers/vfio-pci";

	put_writable(t, driver, "bind", "");
	put_writable(t, driver, "unbind", "");
	put_writable(t, driver, "new_id", "");
	put_writable(t, driver, "remove_id", "");
	put_writable(t, driver, "uevent", "");
	put_link(t, driver, "module", "sys/module/vfio_pci");
	put_dir(t, "sys/bus/pci/devices");
	put_writable(t, "sys/bus/pci", "drivers_probe", "");
	put_writable(t, "sys/bus/pci", "drivers_autoprobe", "1\n");
	put_writable(t, "sys/bus/pci", "rescan", "");
	put_writable(t, "sys/bus/pci", "uevent", "");
	put_dir(t, "sys/kernel/iommu_groups");
	put_dir(t, "sys/class/vfio");
	put_dir(t, "sys/class/vfio-dev");
}

static void put_nodes(struct tree *t)
{
	static const char *const nodes[] = {"dev/iommu", "dev/vfio/vfio"};
	char path[32];

	put_dir(t, "dev/vfio/devices");
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		strcpy(path, nodes[i]);
		put_bytes(t, path, "", 0, 0666);
	}
	put(t, "sys/class/misc/iommu", "dev", "%d:%d\n", RUN_IOMMU_MAJOR, RUN_IOMMU_MINOR);
	put(t, "sys/class/misc/vfio", "dev", "%d:%d\n", RUN_VFIO_MAJOR, RUN_VFIO_MINOR);
	own(t, "/dev/vfio");
	own(t, "/dev/iommu");
	own(t, "/sys/bus/pci");
	own(t, "/sys/kernel/iommu_groups");
	own(t, "/sys/class/vfio");
	own(t, "/sys/class/vfio-dev");
	own(t, "/sys/class/iommu");
	own(t, "/sys/class/misc/iommu");
	own(t, "/sys/class/misc/vfio");
	own(t, "/sys/devices/virtual/vfio");
	own(t, "/sys/devices/virtual/iommu");
}

int sysfs_write(int dirfd, const struct machine *m, struct run_config *run)
{
	struct tree t = {.dirfd = dirfd, .run = run, .next_mem = MEM_WINDOW, .next_io = IO_WINDOW};

	t.vf_windows = calloc(m->nr_devices + 1, sizeof(*t.vf_windows));
	if (!t.vf_windows)
		return -ENOMEM;
	put_nodes(&t);
	put_bus(&t);
	put_modules(&t);
	put_iommu(&t, m);
	for (size_t i = 0; i < m->nr_devices; i++) {
		unsigned int index;
		struct leaf l;
		size_t pf;

		leaf_init(&l, m, &t, i);
		run->devices[i].group = (int)l.slot->group->id;
		if (run_device_is_vf(&run->devices[i], &pf, &index))
			record_vf(&t, m, &l, pf);
		else
			put_device(&t, m, &l, NULL);
	}
	free(t.vf_windows);
	return t.rc;
}
