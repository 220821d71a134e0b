/* SPDX-License-Identifier: BSD-3-Clause */
#include "doors/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void run_bdf_name(uint32_t bdf, char out[RUN_BDF_LEN])
{
	snprintf(out, RUN_BDF_LEN, "%04x:%02x:%02x.%x", bdf >> 16, bdf >> 8 & 0xff, bdf >> 3 & 31,
		 bdf & 7);
}

int run_config_add_device(struct run_config *c, uint32_t bdf, int group, const char *text)
{
	struct run_device *d = realloc(c->devices, (c->nr_devices + 1) * sizeof(*d));

	if (!d)
		return -ENOMEM;
	c->devices = d;
	d += c->nr_devices;
	*d = (struct run_device){.bdf = bdf, .group = group, .text = strdup(text)};
	if (!d->text)
		return -ENOMEM;
	c->nr_devices++;
	return 0;
}

bool run_device_is_vf(const struct run_device *d, size_t *pf, unsigned int *index)
{
	return sscanf(d->text, RUN_VF_TEXT, pf, index) == 2;
}

static int add_text(char ***texts, size_t *n, const char *text)
{
	char **more = realloc(*texts, (*n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	*texts = more;
	more[*n] = strdup(text);
	if (!more[*n])
		return -ENOMEM;
	++*n;
	return 0;
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

int run_config_own(struct run_config *c, const char *path)
{
	return add_text(&c->owned, &c->nr_owned, path);
}

int run_config_limit(struct run_config *c, const char *text, char *why, size_t why_len)
{
	int rc = limits_parse(&c->limits, text, why, why_len);

	return rc ? rc : add_text(&c->limit_texts, &c->nr_limit_texts, text);
}

int run_config_inject(struct run_config *c, const char *text, char *why, size_t why_len)
{
	struct injector *i;
	int rc;

	snprintf(why, why_len, "out of memory");
	rc = add_text(&c->injections, &c->nr_injections, text);
	if (rc)
		return rc;
	rc = run_config_injector(c, &i, why, why_len);
	if (!rc)
		injector_destroy(i);
	return rc;
}

int run_config_injector(const struct run_config *c, struct injector **out, char *why,
			size_t why_len)
{
	int rc = 0;

	*out = NULL;
	if (!c->nr_injections)
		return 0;
	snprintf(why, why_len, "out of memory");
	rc = injector_create(c->seed, out);
	for (size_t i = 0; i < c->nr_injections && !rc; i++)
		rc = injector_add(*out, c->injections[i], why, why_len);
	if (rc)
		injector_destroy(*out);
	return rc;
}

void run_config_init(struct run_config *c)
{
	*c = (struct run_config){0};
	limits_init(&c->limits);
}

static void print_config(FILE *f, const struct run_config *c)
{
	char bdf[RUN_BDF_LEN];

	fprintf(f, "iommu %s\n", c->iommu);
	fprintf(f, "iommufd-container %d\n", c->iommufd_container);
	fprintf(f, "strict %d\n", c->strict);
	fprintf(f, "as-user %d\n", c->as_user);
	fprintf(f, "no-inspect %d\n", c->no_inspect);
	fprintf(f, "show %d\n", (int)c->show);
	fprintf(f, "sanitize %d\n", (int)c->sanitize);
	fprintf(f, "leaks %d\n", c->leaks);
	fprintf(f, "advice %d\n", c->advice);
	fprintf(f, "shared %" PRIu64 "\n", c->shared);
	fprintf(f, "record %" PRIu64 "\n", c->record);
	for (size_t i = 0; i < c->nr_limit_texts; i++)
		fprintf(f, "limit %s\n", c->limit_texts[i]);
	for (size_t i = 0; i < c->nr_injections; i++)
		fprintf(f, "inject %s\n", c->injections[i]);
	fprintf(f, "seed %" PRIu64 "\n", c->seed);
	if (c->log)
		fprintf(f, "log %s\n", c->log);
	for (size_t i = 0; i < c->nr_devices; i++) {
		run_bdf_name(c->devices[i].bdf, bdf);
		fprintf(f, "device %s %d %s\n", bdf, c->devices[i].group, c->devices[i].text);
	}
	for (size_t i = 0; i < c->nr_owned; i++)
		fprintf(f, "own %s\n", c->owned[i]);
}

int run_config_write(const struct run_config *c, int dirfd)
{
	int fd = openat(dirfd, "host", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int rc;

	if (!f) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	print_config(f, c);
	rc = ferror(f) ? -EIO : 0;
	return fclose(f) && !rc ? -errno : rc;
}

static int parse_device(struct run_config *c, const char *value)
{
	unsigned int domain, bus, dev, fn;
	int group, used = 0;

	if (sscanf(value, "%x:%x:%x.%x %d %n", &domain, &bus, &dev, &fn, &group, &used) < 5 ||
	    !used)
		return -EINVAL;
	return run_config_add_device(c, domain << 16 | bus << 8 | dev << 3 | fn, group,
				     value + used);
}

static int set_string(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int parse_line(struct run_config *c, const char *key, const char *value)
{
	const uint64_t n = strtoull(value, NULL, 10);
	char why[512];

	if (!strcmp(key, "device"))
		return parse_device(c, value);
	if (!strcmp(key, "inject"))
		return run_config_inject(c, value, why, sizeof(why));
	if (!strcmp(key, "limit"))
		return run_config_limit(c, value, why, sizeof(why));
	if (!strcmp(key, "own"))
		return run_config_own(c, value);
	if (!strcmp(key, "iommu"))
		return set_string(&c->iommu, value);
	if (!strcmp(key, "log"))
		return set_string(&c->log, value);
	if (!strcmp(key, "iommufd-container"))
		c->iommufd_container = n;
	else if (!strcmp(key, "strict"))
		c->strict = n;
	else if (!strcmp(key, "seed"))
		c->seed = n;
	else if (!strcmp(key, "as-user"))
		c->as_user = n;
	else if (!strcmp(key, "no-inspect"))
		c->no_inspect = n;
	else if (!strcmp(key, "show"))
		c->show = (enum run_show)n;
	else if (!strcmp(key, "sanitize"))
		c->sanitize = (enum run_sanitize)n;
	else if (!strcmp(key, "leaks"))
		c->leaks = n;
	else if (!strcmp(key, "advice"))
		c->advice = n;
	else if (!strcmp(key, "shared"))
		c->shared = n;
	else if (!strcmp(key, "record"))
		c->record = n;
	else
		return -EINVAL;
	return 0;
}

/* The whole file with a NUL behind it; the doors have no use for stdio here. */
char *run_read_file(const char *path, size_t *len)
{
	size_t size = 0, room = 4096;
	char *text = malloc(room);
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && text && (n = read(fd, text + size, room - size - 1)) > 0) {
		size += (size_t)n;
		if (size + 1 == room) {
			char *more = realloc(text, room *= 2);

			if (!more)
				break;
			text = more;
		}
	}
	if (fd >= 0)
		close(fd);
	if (fd < 0 || !text || n) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	*len = size;
	return text;
}

int run_config_parse(struct run_config *c, char *text, bool lenient)
{
	char *line, *save = NULL;
	int rc = 0;

	run_config_init(c);
	for (line = strtok_r(text, "\n", &save); line && !rc; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		if (value)
			*value++ = '\0';
		rc = value ? parse_line(c, line, value) : -EINVAL;
		if (rc == -EINVAL && lenient)
			rc = 0;
	}
	if (!rc && !c->iommu)
		rc = -EINVAL;
	if (rc)
		run_config_free(c);
	return rc;
}

int run_config_read(struct run_config *c, const char *dir)
{
	char path[4096], *text;
	size_t len;
	int rc;

	run_config_init(c);
	if ((size_t)snprintf(path, sizeof(path), "%s/host", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	text = run_read_file(path, &len);
	if (!text)
		return errno ? -errno : -EIO;
	rc = run_config_parse(c, text, false);
	free(text);
	return rc;
}

void run_config_free(struct run_config *c)
{
	for (size_t i = 0; i < c->nr_devices; i++)
		free(c->devices[i].text);
	free_texts(c->owned, c->nr_owned);
	free_texts(c->limit_texts, c->nr_limit_texts);
	free_texts(c->injections, c->nr_injections);
	free(c->devices);
	free(c->iommu);
	free(c->log);
	*c = (struct run_config){0};
}

struct run_stats *run_stats_map(const char *dir)
{
	char path[4096];
	void *p = MAP_FAILED;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/stats", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return NULL;
	/* Counted by whatever user a program becomes. */
	fchmod(fd, 0666);
	if (!ftruncate(fd, sizeof(struct run_stats)))
		p = mmap(NULL, sizeof(struct run_stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}
