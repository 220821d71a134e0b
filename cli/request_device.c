/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --device MODEL[,key=value...]: bdf= and group= are everybody's and are taken out here, the rest
 * is the model's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "cli/cli.h"
#include "devices/pci.h"

static const struct option_key common_keys[] = {
	{"bdf", OPTION_BDF, NULL, 0, 0, "PCI address"},
	{"group", OPTION_NUMBER, NULL, 0, 9999, "IOMMU group"},
	{0},
};

/* No address yet. */
#define BDF_UNPLACED UINT32_MAX

/* The length of the element at @s: to its comma, doubled ones being text. */
static size_t element_length(const char *s)
{
	size_t n = 0;

	while (s[n] && (s[n] != ',' || s[n + 1] == ','))
		n += s[n] == ',' ? 2 : 1;
	return n;
}

/* Appends a text with every comma doubled. */
static char *append_doubled(char *to, const char *text)
{
	for (; *text; text++) {
		if (*text == ',')
			*to++ = ',';
		*to++ = *text;
	}
	return to;
}

/* Names a file relative to where the command was given, for the program may go elsewhere. */
static bool is_relative_file(const char *element, size_t n)
{
	const char *eq = memchr(element, '=', n);

	return !strncmp(element, "file", 4) && eq && eq[1] != '/' && eq + 1 < element + n;
}

static bool is_common(const char *element, size_t n)
{
	const char *eq = memchr(element, '=', n);
	const size_t key = eq ? (size_t)(eq - element) : n;

	for (const struct option_key *k = common_keys; k->name; k++)
		if (strlen(k->name) == key && !memcmp(element, k->name, key))
			return true;
	return false;
}

struct split {
	char *own;    /* "nvme,size=64M" */
	char *common; /* "nvme,bdf=..." */
};

static int split_text(const char *text, struct split *out)
{
	char *cwd = getcwd(NULL, 0), *own, *common;
	const size_t room =
		2 * strlen(text) + (cwd ? 2 * strlen(cwd) + 2 : 0) * (strlen(text) / 6 + 1) + 1;
	size_t n = strcspn(text, ",");
	int rc = -ENOMEM;

	out->own = own = malloc(room);
	out->common = common = malloc(room);
	if (!cwd || !own || !common)
		goto out;
	own = mempcpy(own, text, n);
	common = mempcpy(common, text, n);
	for (text += n; *text; text += n) {
		text++;
		n = element_length(text);
		if (is_common(text, n)) {
			*common++ = ',';
			common = mempcpy(common, text, n);
			continue;
		}
		*own++ = ',';
		if (is_relative_file(text, n)) {
			const size_t key = (size_t)((char *)memchr(text, '=', n) - text) + 1;

			own = append_doubled(mempcpy(own, text, key), cwd);
			*own++ = '/';
			own = mempcpy(own, text + key, n - key);
		} else {
			own = mempcpy(own, text, n);
		}
	}
	*own = *common = '\0';
	rc = 0;
out:
	free(cwd);
	if (rc) {
		free(out->own);
		free(out->common);
	}
	return rc;
}

static int list_models(char *why, size_t why_len, const char *name)
{
	size_t used =
		(size_t)snprintf(why, why_len, "there is no device model '%s'; there are:", name);

	for (const struct pci_model *const *m = pci_models; *m && used < why_len; m++)
		used += (size_t)snprintf(why + used, why_len - used, " %s", (*m)->name);
	if (used < why_len)
		snprintf(why + used, why_len - used, " (see `ioas devices`)");
	return -EINVAL;
}

/* The model exists and takes these options. */
static int check_model(const char *text, char *why, size_t why_len)
{
	char *name = options_name(text);
	const struct pci_model *model = name ? pci_model_find(name) : NULL;
	struct options o;
	int rc = name ? 0 : -ENOMEM;

	if (!rc && !model)
		rc = list_models(why, why_len, name);
	if (!rc && model)
		rc = options_parse(text, model->keys, &o, why, why_len);
	if (!rc)
		options_free(&o);
	ioas_free(name);
	return rc;
}

int request_add_device(struct run_config *c, const char *text, char *why, size_t why_len)
{
	struct split s;
	struct options o;
	int rc;

	snprintf(why, why_len, "out of memory");
	if (strchr(text, '\n')) {
		snprintf(why, why_len, "an option cannot hold a line break");
		return -EINVAL;
	}
	rc = split_text(text, &s);
	if (rc)
		return rc;
	rc = check_model(s.own, why, why_len);
	if (!rc)
		rc = options_parse(s.common, common_keys, &o, why, why_len);
	if (!rc) {
		const struct option_value *bdf = options_get(&o, "bdf"),
					  *group = options_get(&o, "group");

		rc = run_config_add_device(c, bdf->given ? (uint32_t)bdf->number : BDF_UNPLACED,
					   group->given ? (int)group->number : -1, s.own);
		options_free(&o);
	}
	free(s.own);
	free(s.common);
	return rc;
}

static bool bus_taken(const struct run_config *c, unsigned int bus)
{
	for (size_t i = 0; i < c->nr_devices; i++)
		if (c->devices[i].bdf != BDF_UNPLACED && c->devices[i].bdf >> 8 == bus)
			return true;
	return false;
}

int request_place_devices(struct run_config *c, char *why, size_t why_len)
{
	unsigned int bus = 1;

	for (size_t i = 0; i < c->nr_devices; i++) {
		if (c->devices[i].bdf != BDF_UNPLACED)
			continue;
		while (bus < 256 && bus_taken(c, bus))
			bus++;
		if (bus == 256) {
			snprintf(why, why_len,
				 "no bus is left in domain 0 for '%s': give it a bdf=",
				 c->devices[i].text);
			return -EINVAL;
		}
		c->devices[i].bdf = bus << 8;
	}
	return 0;
}
