/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The token that the users of a physical function and of its virtual functions share:
 * semantics 13.2, as vfio_pci_core_match_token_uuid() and vfio_pci_core_match() have it.
 */
#include <errno.h>
#include <string.h>

#include "abi/vfio_device.h"

#define TOKEN_ARG "vf_token="
#define UUID_TEXT 36

static int wants_token(const struct sink *sink, const struct host_device *pf)
{
	return refuse(sink, EACCES, "BIND.6", "token", 0, "the token that the user of %s has set",
		      pf->name);
}

static bool is_token(const struct host_device *pf, const uint8_t *token)
{
	return token && !memcmp(token, pf->vf_token, VF_TOKEN_LEN);
}

/* Nobody uses its virtual functions: a token that is given to open it becomes theirs. */
static int match_pf(const struct sink *sink, struct host_device *pf, const uint8_t *token)
{
	if (pf->vf_users)
		return is_token(pf, token) ? 0 : wants_token(sink, pf);
	if (token)
		memcpy(pf->vf_token, token, VF_TOKEN_LEN);
	return 0;
}

int vf_token_match(struct host_device *hdev, const uint8_t *token)
{
	struct host *h = hdev->group->host;
	int rc = 0;

	pthread_mutex_lock(&h->open_lock);
	if (hdev->physfn)
		rc = is_token(hdev->physfn, token) ? 0 : wants_token(&h->sink, hdev->physfn);
	else if (hdev->has_vfs)
		rc = match_pf(&h->sink, hdev, token);
	else if (token)
		rc = refuse(&h->sink, EINVAL, "BIND.6", "token", 0,
			    "no token: this device uses none");
	pthread_mutex_unlock(&h->open_lock);
	return rc;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 hexadecimal digits, in the order of the bytes. */
static bool parse_uuid(const char *text, uint8_t *out)
{
	for (unsigned int i = 0, n = 0; i < UUID_TEXT; i++) {
		const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		const int v = nibble(text[i]);

		if (dash ? text[i] != '-' : v < 0)
			return false;
		if (!dash) {
			out[n / 2] = n % 2 ? (uint8_t)(out[n / 2] | v) : (uint8_t)(v << 4);
			n++;
		}
	}
	return true;
}

int vf_token_parse(const struct sink *sink, const char *options, uint8_t token[VF_TOKEN_LEN],
		   bool *given)
{
	*given = false;
	for (const char *s = options; *s;) {
		if (*s == ' ') {
			s++;
			continue;
		}
		if (*given || strncmp(s, TOKEN_ARG, strlen(TOKEN_ARG)) ||
		    strlen(s) < strlen(TOKEN_ARG) + UUID_TEXT ||
		    !parse_uuid(s + strlen(TOKEN_ARG), token))
			return refuse(sink, EINVAL, "GRP.FD.1", "name", 0,
				      "the name alone, or with one vf_token=UUID");
		s += strlen(TOKEN_ARG) + UUID_TEXT;
		*given = true;
	}
	return 0;
}
