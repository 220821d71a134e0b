/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sanitizer's files share: sanitize.c hears of mappings and contexts, sanitize_dma.c of
 * DMA and faults, sanitize_files.c of files; sanitize_text.c says it in words.
 */
#ifndef IOAS_OBSERVE_SANITIZE_PRIVATE_H
#define IOAS_OBSERVE_SANITIZE_PRIVATE_H

#include "base/observe.h"
#include "observe/sanitize.h"
#include "observe/shadow.h"

struct iommu_fault;

/*
 * What is known of a requester. Its DMA thread alone writes it, but for the lines that say
 * otherwise; others read the transfer, and look at @turn before and behind: odd while one runs.
 * Never freed before the sanitizer; one that comes to lie where another was takes over its place.
 */
struct watcher {
	const struct requester *requester;
	uint64_t turn;	   /* counts beginnings and ends of transfers */
	uint64_t at, next; /* what moves now is [at, next); atomic, as all of the transfer */
	uint64_t begin, last;
	int access;
	uint64_t used;		    /* as of shadow_map, of what it uses */
	struct shadow_space *space; /* that it goes through; NULL: nothing was translated yet */
	uint64_t until; /* so far it is known where it goes: last, or the end of what moves now */
	/*
	 * Behind a guest's tables at, next and until are guest physical addresses, and change
	 * between two counts of @steps. What moves now, or moved last, is @step bytes from IOVA
	 * step_iova on; 0: nothing did, or nobody knows.
	 */
	uint64_t steps, step, step_iova;
	uint64_t gone; /* mappings that had ever gone when its first step began; not atomic */
	uint64_t told; /* the turn of a transfer that a finding was reported for; by anybody */

	/* The record used last, and what makes it still true. */
	struct shadow_map *map;
	struct shadow_space *map_space;
	uint64_t map_changes, map_iova, map_last;

	/* Under the shadow's lock. */
	char name[16]; /* empty: unknown */
	uint32_t rid;
	struct watcher *link;
} __attribute__((aligned(64)));

/* Open addressing by the requester; read without locks, replaced by a larger one. */
struct watcher_table {
	struct watcher_table *older;
	size_t mask;
	struct watcher *slots[];
};

/* A context whose own file was closed while something else keeps it. */
struct orphan {
	const void *context;
	bool told;
	struct orphan *next;
};

struct sanitizer {
	struct host *host;
	struct sanitizer_config cfg;
	struct shadow shadow;
	struct watcher_table *watchers; /* atomic */
	struct watcher *all_watchers;	/* atomic */
	size_t nr_watchers;
	struct orphan *orphans; /* under shadow.lock; read atomically for whether there are any */
	struct left *left;	/* closed contexts' mappings, not told yet; as orphans */
	struct stale *stale;	/* NULL: translations that should be gone are not looked for */
	bool ending;		/* atomic */
	bool noted;		/* atomic */
};

static inline bool sanitizer_reports(const struct sanitizer *s)
{
	return !s->cfg.quiet;
}

static inline bool sanitizer_is_ending(const struct sanitizer *s)
{
	return __atomic_load_n(&s->ending, __ATOMIC_RELAXED);
}

/* Memory ran out. Not under the shadow's lock. */
void sanitizer_say_lost(struct sanitizer *s);
static inline void sanitizer_look_lost(struct sanitizer *s)
{
	if (unlikely(s->shadow.lost) && !__atomic_load_n(&s->noted, __ATOMIC_RELAXED))
		sanitizer_say_lost(s);
}

stack_id sanitizer_stack(const struct sanitizer *s);
/* Of the program's last store to the device's registers. */
stack_id sanitizer_device_stack(const struct sanitizer *s, const struct requester *r);
uint64_t sanitizer_now(const struct sanitizer *s);

/* sanitize_dma.c. */
void sanitizer_dma_begin(void *arg, const struct event_dma *e);
void sanitizer_dma_step(void *arg, const struct event_dma_step *e);
void sanitizer_dma_end(void *arg, const struct event_dma *e);
void sanitizer_attach(void *arg, const struct event_attach *e);
void sanitizer_access(void *arg, const struct event_access *e);
/* sanitize_fault.c. */
void sanitizer_fault(void *arg, const struct event_fault *e);
/* An access of software's that was refused. */
void sanitizer_refused(struct sanitizer *s, struct shadow_space *sp, const struct event_access *e);

/* The watcher of @r; @make: it is made if it has none. NULL: there is none. */
struct watcher *sanitizer_watcher(struct sanitizer *s, struct requester *r, bool make);
/* Within a section: the space that requests with @pasid go through. NULL: none that is known.
 * *nested: by a guest's tables. */
struct shadow_space *sanitizer_space_of(struct sanitizer *s, struct requester *r, uint32_t pasid,
					bool *nested);

/* A transfer that runs, as another thread sees it: what is known of it, up to @last. */
struct flight {
	const struct watcher *watcher;
	uint64_t turn, at, next, last;
	int access;
	bool nested; /* these are guest physical addresses; the IOVA of @at: */
	uint64_t iova;
};
/* One that still has to touch bytes of [iova, last] of @sp. */
bool sanitizer_in_flight(struct sanitizer *s, const struct shadow_space *sp, uint64_t iova,
			 uint64_t last, struct flight *out);
void sanitizer_free_watchers(struct sanitizer *s);

/* sanitize_advice.c: of what lies in [iova, last]; of everything. */
void sanitizer_advise(struct sanitizer *s, struct shadow_space *sp, uint64_t iova, uint64_t last,
		      stack_id stack);
void sanitizer_advise_all(struct sanitizer *s);

/* A node is opened. */
void sanitizer_lives_on(struct sanitizer *s);

/* sanitize_files.c. */
void sanitizer_call(void *arg, const struct event_call *e);
/* With the lock: the context is gone for good. */
void sanitizer_forget_orphan(struct sanitizer *s, const void *context);
void sanitizer_stray_at_exit(struct sanitizer *s);
void sanitizer_free_orphans(struct sanitizer *s);

/* sanitize_text.c. A finding and room for its words; report with text_report(). */
#define TEXT_MAX 384
struct report {
	struct finding f;
	char text[TEXT_MAX], iommu[128], name[16];
	bool program; /* no device's: an access of the program itself, by an access object */
};
void report_init(struct report *r, enum finding_kind kind);
/* With the lock. @w may be NULL. */
void report_device(struct report *r, const struct watcher *w);
void report_text(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_iommu(struct report *r, const struct requester *requester, const struct iommu_fault *f);
/* "device 0000:01:00.0", "the device 01:00.0" */
const char *report_who(const struct report *r, char *buf, size_t len);
/* "IOVA 0x1000", "IOVA 0x1000 (guest physical address 0x2000)": where the finding is */
#define PLACE_MAX 80
const char *report_place(const struct report *r, char *buf, size_t len);
void report_send(const struct sanitizer *s, const struct report *r);
/* "IOAS 2", "the container" */
const char *space_words(const struct shadow_space *sp, char *buf, size_t len);
const char *length_words(uint64_t bytes, char *buf, size_t len);
const char *time_words(uint64_t ns, char *buf, size_t len);
/* With the lock, or for a record that stays. */
void fill_mapping(const struct shadow_map *m, uint32_t space_id, uint64_t now,
		  struct finding_mapping *out);
void fill_gone(const struct shadow_gone *g, uint64_t now, struct finding_mapping *out);
const char *prot_words(int prot);

#endif
