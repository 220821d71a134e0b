/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/preload/real.h"

#include "doors/preload/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "doors/preload/door.h"
#include "doors/preload/overlay.h"
#include "doors/preload/sys.h"

static size_t index_of(const struct run_device *d)
{
	return (size_t)(d - door.run.devices);
}

/* Virtual function @index of @pf; NULL. */
static const struct run_device *vf_of(const struct run_device *pf, unsigned int index)
{
	for (const struct run_device *d = pf + 1; d < door.run.devices + door.run.nr_devices; d++) {
		unsigned int i;
		size_t of;

		if (run_device_is_vf(d, &of, &i) && of == index_of(pf) && i == index)
			return d;
	}
	return NULL;
}

unsigned int vfs_total(const struct run_device *pf)
{
	unsigned int n = 0;

	while (vf_of(pf, n))
		n++;
	return n;
}

unsigned int vfs_enabled(const struct run_device *pf)
{
	struct overlay_path file;
	char text[16];

	overlay_device_file(pf, "sriov_numvfs", &file);
	return overlay_get_text(file.text, text, sizeof(text)) > 0
		       ? (unsigned int)strtoul(text, NULL, 10)
		       : 0;
}

/* ---- what a program finds of it ---- */

/* One record of its file, see RUN_VF_FOLDER. */
struct record {
	char kind;
	mode_t mode;
	const char *path; /* within the run directory */
	const char *data; /* of a file; or a link's target */
	size_t len;
};

/* Cuts the next record out of the text, in place; NULL at the end. */
static char *next_record(char *at, struct record *r)
{
	char *line = at, *space;

	at = strchr(line, '\n');
	if (!at)
		return NULL;
	*at++ = '\0';
	r->kind = line[0];
	space = strrchr(line, ' ');
	if (r->kind == 'l') {
		*space = '\0';
		r->path = line + 2;
		r->data = space + 1;
		return at;
	}
	r->path = space + 1;
	if (sscanf(line, "f %o %zu", &r->mode, &r->len) != 2)
		return NULL;
	r->data = at;
	return at + r->len + 1;
}

static void make_parents(char *path, size_t from)
{
	for (char *p = strchr(path + from, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		sys3(SYS_mkdir, (long)path, 0755, 0);
		*p = '/';
	}
}

/* Folders that are left empty go too. */
static void remove_parents(char *path, size_t from)
{
	for (char *p = strrchr(path, '/'); p > path + from; p = strrchr(path, '/')) {
		*p = '\0';
		if (sys3(SYS_rmdir, (long)path, 0, 0))
			return;
	}
}

static int make(const struct record *r, const char *path)
{
	long rc;
	int fd;

	if (r->kind == 'l') {
		rc = sys3(SYS_symlink, (long)r->data, (long)path, 0);
		return rc == -EEXIST ? 0 : (int)rc;
	}
	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return fd;
	rc = sys3(SYS_write, fd, (long)r->data, (long)r->len);
	if (rc >= 0)
		rc = sys3(SYS_fchmod, fd, (long)r->mode, 0);
	sys_close(fd);
	return rc < 0 ? (int)rc : 0;
}

static int put_record(const struct record *r, bool there)
{
	struct overlay_path path;
	const int n = snprintf(path.text, sizeof(path.text), "%s/", door.run_dir);

	snprintf(path.text + n, sizeof(path.text) - (size_t)n, "%s", r->path);
	if (there) {
		make_parents(path.text, (size_t)n);
		return make(r, path.text);
	}
	sys3(SYS_unlink, (long)path.text, 0, 0);
	remove_parents(path.text, (size_t)n);
	return 0;
}

static int put_all(const struct run_device *vf, bool there)
{
	char path[PATH_ROOM], bdf[RUN_BDF_LEN], *text, *at;
	struct record r;
	size_t len;
	int rc = 0;

	run_bdf_name(vf->bdf, bdf);
	snprintf(path, sizeof(path), "%s/" RUN_VF_FOLDER "/%s", door.run_dir, bdf);
	text = run_read_file(path, &len);
	if (!text)
		return -errno;
	for (at = text; !rc && (at = next_record(at, &r));)
		rc = put_record(&r, there);
	free(text);
	return rc;
}

/* ---- coming and going ---- */

static int appear(const struct run_device *pf, const struct run_device *vf)
{
	struct overlay_path file;
	char text[8];
	int rc;

	rc = put_all(vf, true);
	overlay_device_file(pf, "sriov_drivers_autoprobe", &file);
	if (!rc && overlay_get_text(file.text, text, sizeof(text)) > 0 && *text == '1')
		rc = overlay_bind(vf);
	return rc;
}

static void disappear(const struct run_device *vf)
{
	if (overlay_is_bound(vf))
		overlay_unbind(vf);
	put_all(vf, false);
}

static int tell_engine(const struct run_device *pf, unsigned int n, bool wait)
{
	if (door.run.shared)
		return client_set_vfs((unsigned int)index_of(pf), n, wait);
	return engine_here() ? engine_set_vfs(index_of(pf), n, wait) : 0;
}

int vfs_set(const struct run_device *pf, unsigned int n)
{
	const unsigned int total = vfs_total(pf);
	struct overlay_path file;
	char text[16];
	int rc = 0;

	/* Nobody finds it by a path before it is there, nor any more before it goes. */
	for (unsigned int i = n; i < total; i++)
		disappear(vf_of(pf, i));
	rc = tell_engine(pf, n, true);
	for (unsigned int i = 0; i < n && !rc; i++)
		rc = appear(pf, vf_of(pf, i));
	if (rc || !total)
		return rc;
	overlay_device_file(pf, "sriov_numvfs", &file);
	snprintf(text, sizeof(text), "%u\n", n);
	return overlay_put_text(file.text, text);
}

void vfs_follow(struct engine *e)
{
	for (size_t i = 0; i < e->machine.nr_devices; i++)
		if (machine_total_vfs(&e->machine, i))
			abi_set_num_vfs(e->machine.slots[i], vfs_enabled(&door.run.devices[i]),
					false);
}
