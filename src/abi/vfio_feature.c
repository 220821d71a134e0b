/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE: semantics 13.4. A feature without a row has no implementation here.
 */
#include <errno.h>
#include <string.h>

#include "abi/vfio_device.h"
#include "base/text.h"

#define GET   VFIO_DEVICE_FEATURE_GET
#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

/* What one feature offers; @data is where the caller's data begins. */
struct feature {
	int err;      /* known but not to be had: the answer to everything */
	uint32_t ops; /* GET, SET */
	uint32_t size;
	bool (*has)(const struct vfio_device *d); /* NULL: every device; false: as if it had no row */
	int (*body)(struct vfio_device *d, uint64_t data, struct caller *c);
};

/* Takes over @wake in success and failure. */
static int enter(struct vfio_device *d, struct abi_eventfd *wake)
{
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	if (d->low_power) {
		rc = refuse(device_sink(d), EINVAL, "FEAT.LOW_POWER", "feature", 0, "LOW_POWER_EXIT before");
	} else {
		d->low_power = true;
		__atomic_store_n(&d->wake, wake, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&d->lock);
	if (rc && wake)
		wake->ops->put(wake);
	return rc;
}

static int low_power_entry(struct vfio_device *d, uint64_t data, struct caller *c)
{
	return enter(d, NULL);
}

static int low_power_entry_with_wakeup(struct vfio_device *d, uint64_t data, struct caller *c)
{
	struct vfio_device_low_power_entry_with_wakeup entry;
	struct abi_eventfd *wake;
	int rc;

	if (copy_in(c, &entry, data, sizeof(entry)))
		return refuse(device_sink(d), EFAULT, "FEAT.LOW_POWER", "data", data, "a readable structure");
	if (entry.wakeup_eventfd < 0)
		return refuse(device_sink(d), EINVAL, "FEAT.LOW_POWER", "wakeup_eventfd",
			      (uint64_t)entry.wakeup_eventfd, "an eventfd");
	rc = c->ops->eventfd_get(c, entry.wakeup_eventfd, &wake);
	if (rc)
		return refuse(device_sink(d), -rc, "FEAT.LOW_POWER", "wakeup_eventfd",
			      (uint64_t)entry.wakeup_eventfd, "an eventfd");
	return enter(d, wake);
}

/* Gives back what was to be told of waking, for the caller to put once d->lock is free. */
static struct abi_eventfd *leave(struct vfio_device *d)
{
	struct abi_eventfd *wake = d->wake;

	d->low_power = false;
	__atomic_store_n(&d->wake, NULL, __ATOMIC_RELAXED);
	return wake;
}

static int low_power_exit(struct vfio_device *d, uint64_t data, struct caller *c)
{
	struct abi_eventfd *wake;

	pthread_mutex_lock(&d->lock);
	wake = leave(d);
	pthread_mutex_unlock(&d->lock);
	if (wake)
		wake->ops->put(wake);
	return 0;
}

void vfio_device_wake(struct vfio_device *d)
{
	struct abi_eventfd *wake;

	if (!__atomic_load_n(&d->wake, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&d->lock);
	wake = d->wake ? leave(d) : NULL;
	pthread_mutex_unlock(&d->lock);
	if (!wake)
		return;
	wake->ops->signal(wake);
	wake->ops->put(wake);
}

static bool has_vfs(const struct vfio_device *d)
{
	return d->hdev->has_vfs;
}

static int set_vf_token(struct vfio_device *d, uint64_t data, struct caller *c)
{
	struct host *h = d->hdev->group->host;
	uint8_t token[VF_TOKEN_LEN];

	if (copy_in(c, token, data, sizeof(token)))
		return refuse(device_sink(d), EFAULT, "FEAT.TOKEN", "data", data, "16 readable bytes");
	pthread_mutex_lock(&h->open_lock);
	memcpy(d->hdev->vf_token, token, sizeof(token));
	pthread_mutex_unlock(&h->open_lock);
	return 0;
}

static const struct feature features[] = {
	[VFIO_DEVICE_FEATURE_PCI_VF_TOKEN] = {
		.ops = SET, .size = VF_TOKEN_LEN, .has = has_vfs, .body = set_vf_token},
	[VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY] = {.ops = SET, .body = low_power_entry},
	[VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP] = {
		.ops = SET,
		.size = sizeof(struct vfio_device_low_power_entry_with_wakeup),
		.body = low_power_entry_with_wakeup},
	[VFIO_DEVICE_FEATURE_LOW_POWER_EXIT] = {.ops = SET, .body = low_power_exit},
	[VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2] = {.err = EINVAL},
};

static const struct feature *feature_of(const struct vfio_device *d, uint32_t number)
{
	static const struct feature none = {.err = ENOTTY};
	const struct feature *f = number < ARRAY_SIZE(features) ? &features[number] : &none;

	if (f->has && !f->has(d))
		return &none;
	return f->err || f->ops ? f : &none;
}

/* Those that there are. */
static const char *list_features(const struct vfio_device *d, char *buf, size_t len)
{
	struct text t = {buf, len, 0};

	for (uint32_t n = 0; n < ARRAY_SIZE(features); n++)
		if (!feature_of(d, n)->err)
			text_add(&t, "%s%u", t.len ? ", " : "", n);
	return buf;
}

/* Rows 1 to 3 and 5 to 6 of 13.4; row 4 is PROBE's success. */
static int check(struct vfio_device *d, const struct vfio_device_feature *f, const struct feature **out)
{
	const struct sink *sink = device_sink(d);
	const uint32_t number = f->flags & VFIO_DEVICE_FEATURE_MASK;
	const struct feature *feature = feature_of(d, number);
	char has[64] = "";

	*out = feature;
	if (f->flags & ~(VFIO_DEVICE_FEATURE_MASK | GET | SET | PROBE))
		return refuse(sink, EINVAL, "FEAT.1", "flags", f->flags, "a number with GET, SET, PROBE");
	if (!(f->flags & PROBE) && (f->flags & GET) && (f->flags & SET))
		return refuse(sink, EINVAL, "FEAT.1", "flags", f->flags, "GET or SET, or PROBE");
	if (feature->err)
		return refuse(sink, feature->err, "FEAT.2", "feature", number, "one of this device: %s",
			      list_features(d, has, sizeof(has)));
	if (f->flags & (GET | SET) & ~feature->ops)
		return refuse(sink, EINVAL, "FEAT.3", "flags", f->flags, "an operation of this feature");
	if (f->flags & PROBE)
		return 0;
	if (!(f->flags & (GET | SET)))
		return refuse(sink, EINVAL, "FEAT.5", "flags", f->flags, "GET or SET");
	if (f->argsz < sizeof(*f) + feature->size)
		return refuse(sink, EINVAL, "FEAT.6", "argsz", f->argsz, "%zu", sizeof(*f) + feature->size);
	return 0;
}

long vfio_device_feature(struct vfio_device *d, uint64_t arg, struct caller *c)
{
	const struct feature *feature;
	struct vfio_device_feature f;
	int rc;

	rc = vfio_copy_in(c, device_sink(d), "FEAT.1", arg, &f, sizeof(f));
	if (!rc)
		rc = check(d, &f, &feature);
	if (rc || (f.flags & PROBE))
		return rc;
	return feature->body(d, arg + sizeof(f), c);
}
