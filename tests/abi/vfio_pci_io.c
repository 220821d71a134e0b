/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading, writing and mapping a vfio-pci device's regions, with memory enabled and disabled, and
 * configuration space; section 13.6, rows read/write and mmap.
 */
#include "vfio_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define REGION(index) ((uint64_t)(index) << 40)
#define CLASS_VGA     0x0300u
#define PCI_BAR0      0x10

static struct vfio v;
static int bar; /* the first BAR of memory that can be mapped and is not all MSI-X table */
static uint64_t bar_size;
static uint64_t probe; /* a place in its first page that is not MSI-X table */
static int table_bar;
static uint64_t table, table_size;

static int get(void *buf, size_t len, uint64_t at)
{
	ssize_t n = pread(v.device, buf, len, at);

	return n < 0 ? -errno : (int)n;
}

static int put(const void *buf, size_t len, uint64_t at)
{
	ssize_t n = pwrite(v.device, buf, len, at);

	return n < 0 ? -errno : (int)n;
}

/* Results of get() and put(): a byte count, or an errno. */
static void gives(int got, int want)
{
	abi_true(got == want, "gave %d%s%s%s, want %d%s%s%s", got, got < 0 ? " (" : "",
		 got < 0 ? abi_errno_name(-got) : "", got < 0 ? ")" : "", want,
		 want < 0 ? " (" : "", want < 0 ? abi_errno_name(-want) : "", want < 0 ? ")" : "");
}

static bool is_memory_bar(int index)
{
	struct vfio_region_info info = region_info(v.device, index);

	return info.size >= PAGE && info.flags & VFIO_REGION_INFO_FLAG_MMAP &&
	       !(config_read(v.device, PCI_BAR0 + 4 * index, 4) & 1);
}

static void find_table(void)
{
	unsigned int cap = pci_capability(v.device, PCI_CAP_ID_MSIX);
	uint32_t where = cap ? config_read(v.device, cap + 4, 4) : 7;

	table_bar = where & 7;
	table = where & ~7u;
	table_size = cap ? 16 * ((config_read(v.device, cap + 2, 2) & 0x7ff) + 1) : 0;
}

static void open_device(enum vfio_road road, const struct vfio_id *id)
{
	vfio_open(&v, road, id);
	find_table();
	for (bar = 0; bar < 6; bar++) {
		probe = bar == table_bar && !table ? table_size : 0;
		if (is_memory_bar(bar) && probe < PAGE)
			break;
	}
	bar_size = bar < 6 ? region_info(v.device, bar).size : 0;
}

static void memory(bool enabled)
{
	pci_set_command(v.device, enabled ? PCI_COMMAND_MEMORY : 0);
}

static void wrong_regions(void)
{
	char bytes[8] = { 0 };

	if (abi_row("13.6.read", "no such region")) {
		gives(get(bytes, 4, REGION(9)), -EINVAL);
		gives(put(bytes, 4, REGION(9)), -EINVAL);
		gives(get(bytes, 4, REGION(0x7fffff)), -EINVAL);
	}
	if (abi_row("13.6.read", "VGA of what is none")) {
		if (v.id->class >> 8 == CLASS_VGA)
			abi_skip("%s is one", v.id->bdf);
		else
			gives(get(bytes, 1, REGION(VFIO_PCI_VGA_REGION_INDEX) + 0xa0000), -EINVAL);
	}
	if (abi_row("13.6.read", "a BAR that is not there")) {
		for (int i = 0; i < 6; i++) {
			if (region_info(v.device, i).size)
				continue;
			gives(get(bytes, 4, REGION(i)), -EINVAL);
			gives(put(bytes, 4, REGION(i)), -EINVAL);
		}
	}
	if (abi_row("13.6.write", "the ROM is for reading"))
		gives(put(bytes, 4, REGION(VFIO_PCI_ROM_REGION_INDEX)), -EINVAL);
}

static void config_bounds(void)
{
	uint64_t base = REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	uint32_t size = region_info(v.device, VFIO_PCI_CONFIG_REGION_INDEX).size;
	char bytes[8192];

	if (abi_row("13.6.read", "configuration space: to its last byte, and past it")) {
		gives(get(bytes, size, base), size);
		gives(get(bytes, 1, base + size - 1), 1);
		gives(get(bytes, 4, base + size - 4), 4);
		gives(get(bytes, 1, base + size), -EFAULT);
		gives(get(bytes, size + 1, base), -EFAULT);
		gives(get(bytes, 8, base + size - 4), -EFAULT);
		gives(get(bytes, 4, base + 0x10000), -EFAULT);
	}
	if (abi_row("13.6.read", "past it: not a byte is read")) {
		memset(bytes, 0x5a, 16);
		gives(get(bytes, 16, base + size - 8), -EFAULT);
		for (int i = 0; i < 16; i++)
			abi_equal((uint8_t)bytes[i], 0x5a);
	}
	if (abi_row("13.6.write", "past it: not a byte is written")) {
		uint16_t command = pci_command(v.device);

		memset(bytes, 0, sizeof(bytes));
		gives(put(bytes, size + 1 - PCI_COMMAND, base + PCI_COMMAND), -EFAULT);
		gives(put(bytes, 1, base + size), -EFAULT);
		abi_equal(pci_command(v.device), command);
	}
	if (abi_row("13.6.read", "no length: nothing"))
		gives(get(bytes, 0, base), 0);
	if (abi_row("13.6.read", "memory that is not there"))
		gives(get(abi_memory()->none, 4, base), -EFAULT);
	if (abi_row("13.6.write", "memory that is not there"))
		gives(put(abi_memory()->none, 4, base + PCI_COMMAND), -EFAULT);
}

static void config_content(void)
{
	uint64_t base = REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	static const uint8_t ones[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t whole[64], part[8];
	uint32_t mask, old;

	gives(get(whole, sizeof(whole), base), sizeof(whole));
	if (abi_row("13.6.read", "%s: configuration space is what sysfs says", v.id->bdf)) {
		abi_equal(whole[0] | whole[1] << 8, v.id->vendor);
		abi_equal(whole[2] | whole[3] << 8, v.id->device);
		abi_equal(whole[9] | whole[10] << 8 | whole[11] << 16, v.id->class);
	}
	if (abi_row("13.6.read", "configuration space: any length and alignment")) {
		for (size_t len = 1; len <= 8; len++) {
			for (size_t at = 0; at + len <= sizeof(whole); at++) {
				gives(get(part, len, base + at), len);
				abi_true(!memcmp(part, whole + at, len), "%zu bytes at %zu", len, at);
			}
		}
	}
	if (abi_row("13.6.write", "read-only bits are written without effect")) {
		gives(put(ones, 4, base), 4);
		gives(put(ones, 4, base + 8), 4);
		gives(put(ones, 8, base), 8);
		pci_set_command(v.device, 0);
		abi_equal(config_read(v.device, 0, 4), v.id->vendor | (uint32_t)v.id->device << 16);
		abi_equal(config_read(v.device, 8, 4) >> 8, v.id->class);
	}
	for (int i = 0; i < 6; i++) {
		struct vfio_region_info info = region_info(v.device, i);

		if (!info.size || !abi_row("13.6.write", "%s: size of BAR %d", v.id->bdf, i))
			continue;
		old = config_read(v.device, PCI_BAR0 + 4 * i, 4);
		gives(put(ones, 4, base + PCI_BAR0 + 4 * i), 4);
		mask = config_read(v.device, PCI_BAR0 + 4 * i, 4);
		gives(put(&old, 4, base + PCI_BAR0 + 4 * i), 4);
		abi_equal((uint32_t)~(mask & ~(mask & 1 ? 3u : 15u)) + 1, info.size);
		abi_equal(config_read(v.device, PCI_BAR0 + 4 * i, 4), old);
	}
	if (abi_row("13.6.write", "the command register keeps what is written")) {
		const uint16_t bits = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

		pci_set_command(v.device, bits);
		abi_equal(pci_command(v.device) & bits, bits);
		pci_set_command(v.device, PCI_COMMAND_MEMORY);
		abi_equal(pci_command(v.device) & bits, PCI_COMMAND_MEMORY);
		pci_set_command(v.device, 0);
		abi_equal(pci_command(v.device) & bits, 0);
	}
}

static void bar_access(void)
{
	uint8_t bytes[16];
	uint32_t half[2];
	uint64_t whole;

	memory(true);
	if (abi_row("13.6.read", "%s BAR %d: start at or past its end", v.id->bdf, bar)) {
		gives(get(bytes, 4, REGION(bar) + bar_size), -EINVAL);
		gives(get(bytes, 4, REGION(bar) + bar_size + 4096), -EINVAL);
		gives(put(bytes, 4, REGION(bar) + bar_size), -EINVAL);
	}
	if (abi_row("13.6.read", "%s BAR %d: across its end", v.id->bdf, bar)) {
		gives(get(bytes, 16, REGION(bar) + bar_size - 4), 4);
		gives(get(bytes, 8, REGION(bar) + bar_size - 8), 8);
		gives(get(bytes, 16, REGION(bar) + bar_size - 1), 1);
	}
	if (v.id->class == CLASS_NVME && abi_row("13.6.read", "8 bytes are two times 4")) {
		gives(get(&whole, 8, REGION(bar)), 8);
		gives(get(&half[0], 4, REGION(bar)), 4);
		gives(get(&half[1], 4, REGION(bar) + 4), 4);
		abi_equal(half[0] | (uint64_t)half[1] << 32, whole);
	}
	if (abi_row("13.6.read", "memory that is not there"))
		gives(get(abi_memory()->none, 4, REGION(bar) + probe), -EFAULT);
	memory(false);
	if (abi_row("13.6.read", "%s BAR %d disabled", v.id->bdf, bar)) {
		gives(get(bytes, 4, REGION(bar) + probe), -EIO);
		gives(get(bytes, 1, REGION(bar) + probe + 3), -EIO);
		gives(put(bytes, 4, REGION(bar) + probe), -EIO);
	}
	if (abi_row("13.6.read", "%s BAR %d disabled: past its end first", v.id->bdf, bar))
		gives(get(bytes, 4, REGION(bar) + bar_size), -EINVAL);
	if (abi_row("13.6.read", "%s BAR %d enabled again", v.id->bdf, bar)) {
		memory(true);
		gives(get(bytes, 4, REGION(bar) + probe), 4);
		memory(false);
	}
}

/* The MSI-X table is the kernel's: it reads as ones, and what is written to it is dropped. */
static void msix_table(void)
{
	uint64_t at = REGION(table_bar) + table;
	uint32_t value = 0;

	if (!table_size || !abi_row("13.6.read", "%s: MSI-X table", v.id->bdf))
		return;
	memory(true);
	gives(put(&value, 4, at), 4);
	gives(get(&value, 4, at), 4);
	abi_equal(value, ~0u);
	gives(get(&value, 4, at + table_size - 4), 4);
	abi_equal(value, ~0u);
	memory(false);
}

/* The errno of an mmap; a mapping that was made is taken away again. */
static int map(uint64_t at, size_t len, int prot, int flags)
{
	void *va = mmap(NULL, len, prot, flags, v.device, at);

	if (va == MAP_FAILED)
		return errno;
	munmap(va, len);
	return 0;
}

static void mmap_arguments(void)
{
	const int rw = PROT_READ | PROT_WRITE;

	if (abi_row("13.6.mmap", "what can be mapped")) {
		abi_errno(map(REGION(bar), bar_size, rw, MAP_SHARED), 0);
		abi_errno(map(REGION(bar), PAGE, PROT_READ, MAP_SHARED), 0);
		abi_errno(map(REGION(bar), PAGE, PROT_WRITE, MAP_SHARED), 0);
		abi_errno(map(REGION(bar) + bar_size - PAGE, PAGE, rw, MAP_SHARED), 0);
		abi_errno(map(REGION(bar), 100, rw, MAP_SHARED), 0);
	}
	if (abi_row("13.6.mmap", "not shared")) {
		abi_errno(map(REGION(bar), PAGE, rw, MAP_PRIVATE), EINVAL);
		abi_errno(map(REGION(bar), PAGE, PROT_READ, MAP_PRIVATE), EINVAL);
	}
	if (abi_row("13.6.mmap", "beyond the BAR")) {
		abi_errno(map(REGION(bar), bar_size + PAGE, rw, MAP_SHARED), EINVAL);
		abi_errno(map(REGION(bar) + bar_size, PAGE, rw, MAP_SHARED), EINVAL);
		abi_errno(map(REGION(bar) + bar_size - PAGE, 2 * PAGE, rw, MAP_SHARED), EINVAL);
	}
	if (abi_row("13.6.mmap", "what is no BAR, and what is no region"))
		for (int i = VFIO_PCI_ROM_REGION_INDEX; i < 12; i++)
			abi_errno(map(REGION(i), PAGE, PROT_READ, MAP_SHARED), EINVAL);
	if (abi_row("13.6.mmap", "a BAR that does not offer it")) {
		for (int i = 0; i < 6; i++) {
			struct vfio_region_info info = region_info(v.device, i);

			if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
				abi_errno(map(REGION(i), PAGE, PROT_READ, MAP_SHARED), EINVAL);
		}
	}
	if (abi_row("13.6.mmap", "an offset within a page"))
		abi_errno(map(REGION(bar) + 1, PAGE, rw, MAP_SHARED), EINVAL);
}

static sigjmp_buf escape;
static volatile sig_atomic_t last_signal, last_code;

static void handler(int number, siginfo_t *info, void *context)
{
	last_signal = number;
	last_code = info->si_code;
	siglongjmp(escape, 1);
}

/* The signal that an access raises, 0 for none. */
static int signal_of(volatile uint32_t *at, bool store)
{
	last_signal = 0;
	if (!sigsetjmp(escape, 1)) {
		if (store)
			*at = 0;
		else
			(void)*at;
	}
	return last_signal;
}

static void mmap_disabled(void)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO }, bus, segv;
	volatile uint32_t *va;

	memory(true);
	va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v.device, REGION(bar));
	if (va == MAP_FAILED)
		abi_broken("mmap of BAR %d: %s", bar, strerror(errno));
	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	if (abi_row("13.6.mmap", "%s BAR %d enabled", v.id->bdf, bar)) {
		uint32_t by_read;

		abi_equal(signal_of(va, false), 0);
		gives(get(&by_read, 4, REGION(bar) + probe), 4);
		abi_equal(va[probe / 4], by_read);
	}
	memory(false);
	if (abi_row("13.6.mmap", "%s BAR %d disabled: SIGBUS", v.id->bdf, bar)) {
		abi_equal(signal_of(va, false), SIGBUS);
		abi_equal(last_code, BUS_ADRERR);
		abi_equal(signal_of(va, true), SIGBUS);
		abi_equal(signal_of(va + 16, false), SIGBUS);
	}
	if (abi_row("13.6.mmap", "a mapping may be made of a disabled BAR"))
		abi_errno(map(REGION(bar), PAGE, PROT_READ, MAP_SHARED), 0);
	memory(true);
	if (abi_row("13.6.mmap", "%s BAR %d enabled again", v.id->bdf, bar))
		abi_equal(signal_of(va, false), 0);
	munmap((void *)va, PAGE);
	if (abi_row("13.6.mmap", "%s BAR %d unmapped: SIGSEGV", v.id->bdf, bar))
		abi_equal(signal_of(va, false), SIGSEGV);
	va = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, v.device, REGION(bar));
	if (abi_row("13.6.mmap", "%s BAR %d mapped for reading: a store is SIGSEGV", v.id->bdf, bar)) {
		abi_equal(signal_of(va, false), 0);
		abi_equal(signal_of(va, true), SIGSEGV);
		abi_equal(last_code, SEGV_ACCERR);
	}
	munmap((void *)va, PAGE);
	memory(false);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
}

/* A mapping outlives the file it was made from; the device is open until it goes. */
static void mmap_outlives(void)
{
	volatile uint32_t *va;

	if (!abi_row("13.6.mmap", "%s BAR %d outlives its file", v.id->bdf, bar))
		return;
	memory(true);
	va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v.device, REGION(bar));
	close(v.device);
	v.device = -1;
	(void)*va;
	if (v.group >= 0)
		abi_errno(abi_ioctl(v.group, VFIO_GROUP_UNSET_CONTAINER, NULL),
			  vfio_is_iommufd(v.container) ? 0 : EBUSY);
	munmap((void *)va, PAGE);
}

static void on_road(enum vfio_road road)
{
	bool found = false;

	for (unsigned int n = 0; vfio_nth(n); n++) {
		open_device(road, vfio_nth(n));
		config_content();
		if (!found && bar < 6) {
			found = true;
			wrong_regions();
			config_bounds();
			mmap_arguments();
		}
		if (bar < 6) {
			bar_access();
			msix_table();
			mmap_disabled();
			mmap_outlives();
		}
		vfio_close(&v);
	}
}

static void by_group(void)
{
	on_road(ROAD_TYPE1V2);
}

static void by_cdev(void)
{
	on_road(ROAD_CDEV);
}

int main(int argc, char **argv)
{
	static const struct abi_part parts[] = { ABI_PART(by_group), ABI_PART(by_cdev) };

	if (!vfio_any())
		abi_cannot_run("no device is bound to vfio-pci");
	return abi_main(argc, argv, parts, ARRAY_SIZE(parts));
}
