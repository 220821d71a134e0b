/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's threads in a stranger's process: a device's started only when it works, deaf to the
 * program's signals, on the processors that the process started with, and named. Run with an NVMe
 * controller as the only device. argv[1]: how many threads there are for those that look.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "door_test.h"

#define NVME_CC	  0x14
#define NVME_CSTS 0x1c
#define NVME_AQA  0x24
#define NVME_ASQ  0x28
#define NVME_ACQ  0x30
#define NVME_TAIL 0x1000

struct thread {
	char name[32];
	uint64_t blocked;
	char cpus[64];
};

static char *line_of(char *text, const char *key)
{
	char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

static void read_thread(const char *tid, struct thread *t)
{
	char path[300], text[4096];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	f = fopen(path, "r");
	NEED(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	sscanf(line_of(text, "Name:\t"), "%31[^\n]", t->name);
	t->blocked = strtoull(line_of(text, "SigBlk:\t"), NULL, 16);
	sscanf(line_of(text, "Cpus_allowed_list:\t"), "%63[^\n]", t->cpus);
}

/* Every thread but the one that asks. */
static int other_threads(struct thread *out, int room)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	NEED(d);
	for (struct dirent *e; (e = readdir(d));)
		if (*e->d_name != '.' && atoi(e->d_name) != (int)gettid() && n < room)
			read_thread(e->d_name, &out[n++]);
	closedir(d);
	return n;
}

static void enable(int device)
{
	const off_t at = (off_t)bar_offset(VFIO_PCI_CONFIG_REGION_INDEX) + 4;
	const uint16_t command = 6;

	NEED(pwrite(device, &command, 2, at) == 2);
}

/* Admin queues in a page of the program's, the controller on, and an Identify in its queue. */
static void work(const struct scratch *s, volatile uint8_t *bar, volatile uint8_t *page)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					      IOMMU_IOAS_MAP_WRITEABLE,
				     .user_va = (uint64_t)(uintptr_t)page,
				     .length = 0x3000,
				     .iova = 0x10000};

	NEED(!ioctl(s->iommufd, IOMMU_IOAS_ALLOC, &alloc));
	attach.pt_id = map.ioas_id = alloc.out_ioas_id;
	NEED(!ioctl(s->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	NEED(!ioctl(s->iommufd, IOMMU_IOAS_MAP, &map));
	*reg32(bar, NVME_AQA) = 0x000f000f;
	*reg64(bar, NVME_ASQ) = 0x10000;
	*reg64(bar, NVME_ACQ) = 0x11000;
	*reg32(bar, NVME_CC) = 0x00460001;
	for (int i = 0; i < 2000 && !(*reg32(bar, NVME_CSTS) & 1); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	NEED(*reg32(bar, NVME_CSTS) & 1);
	*reg32(page, 0) = 0x00010006; /* Identify, command 1 */
	*reg64(page, 24) = 0x12000;   /* PRP1 */
	*reg32(page, 40) = 1;	      /* the controller */
	*reg32(bar, NVME_TAIL) = 1;
	for (int i = 0; i < 2000 && !(*reg32(page, 0x100c) & 0x10000); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	CHECK(*reg32(page, 0x100c) == 0x10001);
}

static volatile int signals;

static void count(int sig)
{
	(void)sig;
	signals++;
}

int main(int argc, char **argv)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	const uint64_t blockable =
		~0ull & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 3ull << 31);
	const uint64_t faults = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1);
	volatile uint8_t *bar, *page;
	struct thread t[8], me;
	struct scratch s;
	char tid[16];
	cpu_set_t one;
	const int lookers = argc > 1 ? atoi(argv[1]) : 1;
	int n;

	snprintf(tid, sizeof(tid), "%d", (int)gettid());
	read_thread(tid, &me);
	/* The program pins itself, as DPDK does, before it opens anything. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	NEED(!sched_setaffinity(0, sizeof(one), &one));
	s.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	s.device = open(SCRATCH, O_RDWR | O_CLOEXEC);
	NEED(s.iommufd >= 0 && s.device >= 0);
	bind.iommufd = s.iommufd;
	NEED(!ioctl(s.device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	enable(s.device);
	bar = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, s.device, 0);
	page = mmap(NULL, 0x3000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(bar != MAP_FAILED && page != MAP_FAILED);
	CHECK(other_threads(t, 8) == lookers);
	work(&s, bar, page);
	n = other_threads(t, 8);
	CHECK(n == lookers + 1);
	for (int i = 0; i < n; i++) {
		CHECK(!strcmp(t[i].name, "ioas-look") ? lookers == 1
						      : !strncmp(t[i].name, "nvme ", 5));
		CHECK((t[i].blocked & blockable) == (blockable & ~faults));
		CHECK(!strcmp(t[i].cpus, me.cpus));
	}
	signal(SIGUSR1, count);
	for (int i = 0; i < 100; i++)
		kill(getpid(), SIGUSR1);
	CHECK(signals == 100);
	munmap((void *)bar, 0x2000);
	scratch_close(&s);
	return finish();
}
