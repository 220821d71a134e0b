/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A finding in words.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "iommu/iommu.h"
#include "observe/sanitize_private.h"
#include "space/space.h"

void report_init(struct report *r, enum finding_kind kind)
{
	r->f = (struct finding){.kind = kind, .text = r->text};
	r->text[0] = r->iommu[0] = r->name[0] = '\0';
	r->program = false;
}

void report_device(struct report *r, const struct watcher *w)
{
	if (!w)
		return;
	r->f.rid = w->rid;
	memcpy(r->name, w->name, sizeof(r->name));
	if (r->name[0])
		r->f.device = r->name;
}

void report_text(struct report *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->text, sizeof(r->text), format, ap);
	va_end(ap);
}

/* What the makes' specifications call the number that a fault is recorded with. */
static const struct {
	const char *make, *words;
} codes[] = {
	{"vtd", "VT-d fault reason"},
	{"amd", "AMD IOMMU event log bits 63:48"},
	{"smmuv3", "SMMUv3 event"},
	{"riscv", "RISC-V IOMMU cause"},
	{"s390", "s390 PCI function error event"},
	{"power", "POWER PEST entry"},
};

static const char *code_words(const char *make)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (!strcmp(codes[i].make, make))
			return codes[i].words;
	return "fault code";
}

void report_iommu(struct report *r, const struct requester *requester, const struct iommu_fault *f)
{
	const char *words = iommu_fault_words(f->reason);

	if (f->code)
		snprintf(r->iommu, sizeof(r->iommu), "blocked it: %s (%s 0x%02x)", words,
			 code_words(requester_iommu(requester)->make->name), f->code);
	else
		snprintf(r->iommu, sizeof(r->iommu), "%s: %s",
			 f->reason == FAULT_BUS_MASTER ? "never saw it" : "blocked it", words);
	r->f.iommu = r->iommu;
}

const char *report_who(const struct report *r, char *buf, size_t len)
{
	if (r->program)
		snprintf(buf, len, "an access of the program itself");
	else if (r->f.device)
		snprintf(buf, len, "device %s", r->f.device);
	else
		snprintf(buf, len, "the device with requester ID %02x:%02x.%x",
			 r->f.rid >> 8 & 0xff, r->f.rid >> 3 & 31, r->f.rid & 7);
	return buf;
}

const char *report_place(const struct report *r, char *buf, size_t len)
{
	if (r->f.nested)
		snprintf(buf, len, "IOVA %#" PRIx64 " (guest physical address %#" PRIx64 ")",
			 r->f.iova, r->f.gpa);
	else
		snprintf(buf, len, "IOVA %#" PRIx64, r->f.iova);
	return buf;
}

void report_send(const struct sanitizer *s, const struct report *r)
{
	s->cfg.sink.report(s->cfg.sink.arg, &r->f);
}

const char *space_words(const struct shadow_space *sp, char *buf, size_t len)
{
	if (sp->container)
		snprintf(buf, len, "the container");
	else
		snprintf(buf, len, "IOAS %u", sp->id);
	return buf;
}

const char *length_words(uint64_t bytes, char *buf, size_t len)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	if (bytes < 1024 || bytes % 1024) {
		snprintf(buf, len, "%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
		return buf;
	}
	for (bytes /= 1024; !(bytes % 1024) && unit + 1 < ARRAY_SIZE(units); unit++)
		bytes /= 1024;
	snprintf(buf, len, "%" PRIu64 " %s", bytes, units[unit]);
	return buf;
}

const char *time_words(uint64_t ns, char *buf, size_t len)
{
	if (ns < 10000)
		snprintf(buf, len, "%" PRIu64 " ns", ns);
	else if (ns < 10000000)
		snprintf(buf, len, "%" PRIu64 " us", ns / 1000);
	else if (ns < 10000000000)
		snprintf(buf, len, "%" PRIu64 " ms", ns / 1000000);
	else
		snprintf(buf, len, "%" PRIu64 " s", ns / 1000000000);
	return buf;
}

const char *prot_words(int prot)
{
	static const char *const words[] = {"nothing", "reading", "writing", "reading and writing"};

	return words[prot & (SPACE_READ | SPACE_WRITE)];
}

void fill_mapping(const struct shadow_map *m, uint32_t space_id, uint64_t now,
		  struct finding_mapping *out)
{
	static const char *const sources[] = {
		[SOURCE_MEMORY] = "memory", [SOURCE_ANONYMOUS] = "anonymous",
		[SOURCE_SHARED] = "shared", [SOURCE_FILE] = "file",
		[SOURCE_DEVICE] = "device", [SOURCE_DMABUF] = "dma-buf",
	};

	const uint64_t used = __atomic_load_n(&m->used, __ATOMIC_RELAXED);

	*out = (struct finding_mapping){
		.there = true,
		.iova = m->iova,
		.last = shadow_last(m),
		.prot = m->prot,
		.va = m->va,
		.source = sources[m->source],
		.space_id = space_id,
		.age_ns = now > m->made ? now - m->made : 0,
		.uses = __atomic_load_n(&m->uses, __ATOMIC_RELAXED),
		.used_rid = (uint32_t)used,
		.used_at = (stack_id)(used >> 32),
		.mapped_at = m->mapped_at,
	};
}

void fill_gone(const struct shadow_gone *g, uint64_t now, struct finding_mapping *out)
{
	fill_mapping(&g->map, g->ioas, now, out);
	out->unmapped_at = g->unmapped_at;
}
