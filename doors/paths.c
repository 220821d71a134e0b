/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/bits.h"
#include "doors/preload/sys.h"

static const char *run_dir;
static size_t run_dir_len;
static const struct run_config *run_config;

/* Where the working directory lies: only there can a relative path without ".." mean something of
 * ours. */
enum cwd { CWD_UNKNOWN, CWD_ELSEWHERE, CWD_NEAR };
static enum cwd cwd_class;

void paths_init(const char *dir, const struct run_config *run)
{
	run_dir = dir;
	run_dir_len = strlen(dir);
	run_config = run;
}

void paths_chdir(void)
{
	__atomic_store_n(&cwd_class, CWD_UNKNOWN, __ATOMIC_RELAXED);
}

const char *node_name(const struct node *n, char *buf, size_t len)
{
	switch (n->kind) {
	case NODE_IOMMU:
		return "/dev/iommu";
	case NODE_VFIO:
		return "/dev/vfio/vfio";
	case NODE_GROUP:
		snprintf(buf, len, "/dev/vfio/%u", n->number);
		return buf;
	default:
		snprintf(buf, len, "/dev/vfio/devices/vfio%u", n->number);
		return buf;
	}
}

dev_t node_rdev(const struct node *n)
{
	switch (n->kind) {
	case NODE_IOMMU:
		return makedev(RUN_IOMMU_MAJOR, RUN_IOMMU_MINOR);
	case NODE_VFIO:
		return makedev(RUN_VFIO_MAJOR, RUN_VFIO_MINOR);
	case NODE_GROUP:
		return makedev(RUN_GROUP_MAJOR, n->number);
	default:
		return makedev(RUN_DEVICE_MAJOR, n->number);
	}
}

mode_t node_mode(const struct node *n)
{
	static const mode_t modes[] = {
		[NODE_IOMMU] = 0660, [NODE_VFIO] = 0666, [NODE_GROUP] = 0600, [NODE_DEVICE] = 0600};

	return S_IFCHR | modes[n->kind];
}

bool path_is_empty(const char *name)
{
	return !name || !*name;
}

/* Is @path @folder, or below it? */
static bool within(const char *path, const char *folder)
{
	const size_t n = strlen(folder);

	return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

size_t path_strip(char *text, size_t len)
{
	if (!run_dir || len < run_dir_len || memcmp(text, run_dir, run_dir_len) ||
	    (len > run_dir_len && text[run_dir_len] != '/'))
		return len;
	memmove(text, text + run_dir_len, len - run_dir_len);
	return len - run_dir_len;
}

static void link_path(int fd, char out[32])
{
	if (fd == AT_FDCWD)
		strcpy(out, "/proc/self/cwd");
	else
		snprintf(out, 32, "/proc/self/fd/%d", fd);
}

/* The absolute path of a folder into @out; its length, or 0. */
static size_t folder_path(int dirfd, char *out, size_t room)
{
	char link[32];
	long n;

	link_path(dirfd, link);
	n = sys_readlink(link, out, room);
	return n > 0 && (size_t)n < room && out[0] == '/' ? (size_t)n : 0;
}

static bool near(const char *path)
{
	return !strcmp(path, "/") || within(path, "/dev") || within(path, "/sys") ||
	       within(path, run_dir);
}

static bool cwd_is_near(void)
{
	enum cwd c = __atomic_load_n(&cwd_class, __ATOMIC_RELAXED);
	char text[PATH_ROOM];
	size_t n;

	if (c == CWD_UNKNOWN) {
		n = folder_path(AT_FDCWD, text, sizeof(text) - 1);
		text[n] = '\0';
		c = near(text) ? CWD_NEAR : CWD_ELSEWHERE;
		__atomic_store_n(&cwd_class, c, __ATOMIC_RELAXED);
	}
	return c == CWD_NEAR;
}

/* Could a relative path below some folder be one of ours? A cheap look that says no to nearly
 * everything. */
static bool worth_resolving(int dirfd, const char *name)
{
	const char *last = strrchr(name, '/');

	if (strstr(name, ".."))
		return true;
	if (dirfd == AT_FDCWD)
		return cwd_is_near();
	last = last ? last + 1 : name;
	return !strcmp(last, "iommu") || !strcmp(last, "vfio") || !strncmp(last, "vfio", 4) ||
	       (*last >= '0' && *last <= '9') || !strcmp(last, "kvm");
}

/* Appends @name to the @n bytes at @out, resolving "." and ".." by their letters. 0 when it does
 * not fit. */
static size_t append_clean(char *out, size_t n, size_t room, const char *name)
{
	while (*name) {
		const size_t part = strcspn(name, "/");

		if (part == 2 && !memcmp(name, "..", 2)) {
			while (n && out[--n] != '/')
				;
		} else if (part && !(part == 1 && *name == '.')) {
			if (n + part + 2 > room)
				return 0;
			out[n++] = '/';
			memcpy(out + n, name, part);
			n += part;
		}
		name += part;
		name += *name == '/';
	}
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return n;
}

/* The program's absolute path, cleaned, behind the run directory in p->text. */
static bool absolute(int dirfd, const char *name, struct path *p)
{
	const size_t room = sizeof(p->text) - run_dir_len;
	char *out = p->text + run_dir_len, base[PATH_ROOM];
	size_t n = 0;

	if (*name != '/') {
		n = folder_path(dirfd, base, sizeof(base) - 1);
		if (!n)
			return false;
		n = path_strip(base, n);
		base[n] = '\0';
		n = append_clean(out, 0, room, base);
		if (n == 1)
			n = 0;
		else if (!n)
			return false;
	} else if (within(name, run_dir)) {
		name += run_dir_len;
	}
	if (!append_clean(out, n, room, name))
		return false;
	memcpy(p->text, run_dir, run_dir_len);
	p->name = out;
	return true;
}

static bool parse_number(const char *s, unsigned int *out)
{
	char *end;
	unsigned long n;

	if (*s < '0' || *s > '9')
		return false;
	n = strtoul(s, &end, 10);
	*out = (unsigned int)n;
	return !*end && n <= UINT32_MAX;
}

static bool exists(const char *path)
{
	struct stat st;

	return !sys4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, AT_SYMLINK_NOFOLLOW);
}

/* A virtual function's nodes are there while it is. */
static bool is_there(const struct run_device *d, const struct path *p)
{
	unsigned int index;
	size_t pf;

	return !run_device_is_vf(d, &pf, &index) || exists(p->text);
}

static bool find_node(struct path *p)
{
	static const char group[] = "/dev/vfio/", device[] = "/dev/vfio/devices/vfio";
	unsigned int n;

	p->node = (struct node){0};
	if (!strcmp(p->name, "/dev/iommu")) {
		p->node.kind = NODE_IOMMU;
		return true;
	}
	if (!strcmp(p->name, "/dev/vfio/vfio")) {
		p->node.kind = NODE_VFIO;
		return true;
	}
	if (!strncmp(p->name, device, sizeof(device) - 1) &&
	    parse_number(p->name + sizeof(device) - 1, &n) && n < run_config->nr_devices) {
		p->node = (struct node){NODE_DEVICE, n};
		return is_there(&run_config->devices[n], p);
	}
	if (strncmp(p->name, group, sizeof(group) - 1) ||
	    !parse_number(p->name + sizeof(group) - 1, &n))
		return false;
	p->node = (struct node){NODE_GROUP, n};
	for (size_t i = 0; i < run_config->nr_devices; i++)
		if (run_config->devices[i].group == (int)n)
			return is_there(&run_config->devices[i], p);
	return false;
}

static bool is_owned(const char *name)
{
	for (size_t i = 0; i < run_config->nr_owned; i++)
		if (within(name, run_config->owned[i]))
			return true;
	return false;
}

static bool is_attr(const char *name)
{
	static const char *const attrs[] = {"bind",
					    "unbind",
					    "new_id",
					    "remove_id",
					    "driver_override",
					    "remove",
					    "rescan",
					    "reset",
					    "drivers_probe",
					    "control",
					    "type",
					    "numa_node",
					    "drivers_autoprobe",
					    "sriov_numvfs",
					    "sriov_drivers_autoprobe"};
	const char *last = strrchr(name, '/') + 1;

	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++)
		if (!strcmp(last, attrs[i]))
			return true;
	return false;
}

/* The program's own letters for a path in the overlay: dots may follow a link, a slash at the end
 * follows one. */
static void keep_letters(const char *name, struct path *p)
{
	const size_t n = strlen(p->text), len = strlen(name);

	if (!strncmp(name, "/sys", 4) && run_dir_len + len < sizeof(p->text))
		memcpy(p->text + run_dir_len, name, len + 1);
	else if (len && name[len - 1] == '/' && n + 1 < sizeof(p->text))
		strcpy(p->text + n, "/");
}

/*
 * Owned folders are the overlay's even where it has nothing; elsewhere the machine's own come
 * first, and the overlay helps out where the machine has nothing.
 */
static enum path_kind find_sys(const char *name, struct path *p)
{
	const bool owned = is_owned(p->name), there = exists(p->name);

	if (owned && is_attr(p->name))
		return PATH_ATTR;
	keep_letters(name, p);
	if (owned)
		return PATH_OVERLAY;
	return there || !exists(p->text) ? PATH_PLAIN : PATH_OVERLAY;
}

enum path_kind path_find(int dirfd, const char *name, struct path *p)
{
	p->kind = PATH_PLAIN;
	if (!run_dir || !name || !*name)
		return p->kind;
	if (*name == '/') {
		const char *s = name + strspn(name, "/");

		if (strncmp(s, "dev", 3) && strncmp(s, "sys", 3) && !strstr(s, "..") && *s != '.' &&
		    strncmp(name, run_dir, run_dir_len))
			return p->kind;
	} else if (!worth_resolving(dirfd, name)) {
		return p->kind;
	}
	if (!absolute(dirfd, name, p))
		return p->kind;
	if (within(p->name, "/dev")) {
		if (find_node(p))
			p->kind = PATH_NODE;
		else if (is_owned(p->name))
			p->kind = PATH_OVERLAY;
		else if (!strcmp(p->name, "/dev/kvm"))
			p->kind = PATH_KVM;
	} else if (within(p->name, "/sys")) {
		p->kind = find_sys(name, p);
	}
	return p->kind;
}
