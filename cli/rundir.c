/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The run directory: made before the program starts, removed when it has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "doors/machine.h"
#include "doors/sysfs.h"

static bool usable_folder(const char *path)
{
	return path && *path == '/' && !strchr(path, '\n') && !access(path, W_OK | X_OK);
}

static char *make_folder(void)
{
	/* Root's own folder would be closed to a program that gives up its privileges. */
	const char *bases[] = {geteuid() ? getenv("XDG_RUNTIME_DIR") : NULL, getenv("TMPDIR"), "/tmp"};
	char *dir = NULL;

	for (size_t i = 0; i < 3; i++) {
		if (!usable_folder(bases[i]) || asprintf(&dir, "%s/ioas-XXXXXX", bases[i]) < 0)
			continue;
		if (mkdtemp(dir) && !chmod(dir, 0755))
			return dir;
		free(dir);
		dir = NULL;
	}
	fprintf(stderr,
		"ioas: cannot make a folder for the run in $XDG_RUNTIME_DIR, $TMPDIR or /tmp: %s\n",
		strerror(errno));
	return NULL;
}

static int build(const struct run_config *c, struct machine *m)
{
	const struct machine_config cfg = {0};
	char why[512];
	int rc;

	rc = machine_create(c, &cfg, m, why, sizeof(why));
	if (rc)
		fprintf(stderr, "ioas: cannot build the machine: %s\n", why);
	return rc;
}

/* Lists the virtual functions that the devices can have. How many were added, or -errno. */
static int add_vfs(struct run_config *c, const struct machine *m)
{
	int added = 0;

	for (size_t pf = 0; pf < m->nr_devices; pf++) {
		const uint32_t bdf = c->devices[pf].bdf;

		for (unsigned int i = 0; i < machine_total_vfs(m, pf); i++, added++) {
			const uint32_t rid = pci_vf_rid((uint16_t)bdf, i);
			char text[64];
			int rc;

			snprintf(text, sizeof(text), RUN_VF_TEXT, pf, i);
			rc = run_config_add_device(c, (bdf & ~0xffffu) | rid, -1, text);
			if (rc)
				return rc;
		}
	}
	return added;
}

/*
 * Builds the machine, which finds all that is wrong with its options, and describes it. Only a device tells what virtual functions
 * it can have: with these the machine is built again.
 */
static int describe(int dirfd, struct run_config *c)
{
	struct machine m;
	int rc;

	if (build(c, &m))
		return EXIT_USAGE;
	rc = add_vfs(c, &m);
	if (rc > 0) {
		machine_destroy(&m);
		if (build(c, &m))
			return EXIT_USAGE;
	}
	if (rc >= 0)
		rc = sysfs_write(dirfd, &m, c);
	machine_destroy(&m);
	if (!rc)
		rc = run_config_write(c, dirfd);
	if (!rc)
		return 0;
	fprintf(stderr, "ioas: cannot write the run directory: %s\n", strerror(-rc));
	return EXIT_FAILED;
}

char *rundir_make(struct run_config *c)
{
	const mode_t mask = umask(022);
	char *dir = make_folder();
	int dirfd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = dirfd < 0 ? EXIT_FAILED : describe(dirfd, c);

	umask(mask);
	if (dirfd >= 0)
		close(dirfd);
	if (!rc)
		return dir;
	if (dir)
		rundir_remove(dir);
	free(dir);
	exit(rc);
}

int rundir_listen(const char *dir, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const int on = 1, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name) >=
	    sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 64) &&
		   !setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))) {
		/* For whatever user a program becomes. */
		chmod(a.sun_path, 0666);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

void rundir_remove(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
