/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes in what the processes of a run report (doors/preload/findings_send.c): each has a
 * connection, on which a packet is a finding or its new count. Findings that are the same in two
 * processes, or in one before and after an exec, are counted together.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/findings.h"
#include "cli/plain.h"
#include "cli/record.h"

#define PACKET_MAX (1u << 18)

/* What a process calls a finding by its number. */
struct numbered {
	uint64_t told;	 /* of its count, already in that of all */
	json_t *finding; /* borrowed; NULL: suppressed, or not known */
	bool known;
};

struct client {
	int sock;
	struct numbered *numbered;
	size_t nr_numbered;
	struct client *next;
};

struct keeper {
	struct keeper_config cfg;
	struct symbols *symbols;
	int listener, end; /* @end: an eventfd */
	int report, text;  /* fds; -1: no report */
	struct client *clients;
	json_t *kept;  /* an array of findings */
	json_t *known; /* an object: from what makes a finding one to the finding, null: suppressed
			*/
	uint64_t suppressed, lost;
	pthread_t thread;
};

/* ---- what is written ---- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		const ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static void write_report(struct keeper *k, const json_t *line)
{
	char *text = k->report >= 0 ? json_dumps(line, JSON_COMPACT) : NULL, *all = NULL;
	int rc;

	if (!text)
		return;
	rc = asprintf(&all, "%s\n", text);
	rc = rc < 0 ? -ENOMEM : write_all(k->report, all, (size_t)rc);
	free(all);
	free(text);
	if (!rc)
		return;
	fprintf(stderr, "ioas: cannot write %s: %s; the report ends here\n", k->cfg.report,
		strerror(-rc));
	close(k->report);
	k->report = -1;
}

static void write_text(struct keeper *k, const json_t *finding)
{
	json_t *shown = json_deep_copy(finding ? finding : k->kept);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	plain_json(shown);
	if (finding)
		findings_print(f, shown);
	else
		findings_print_end(f, shown, k->suppressed, k->lost);
	if (!fclose(f))
		write_all(k->text, text, len);
	json_decref(shown);
	free(text);
}

/* The last line: what was not known when the others were written. */
static void write_summary(struct keeper *k)
{
	json_t *line = json_object(), *counts = json_array();
	const json_t *f;
	size_t i;

	json_array_foreach(k->kept, i, f) json_array_append(counts, json_object_get(f, "count"));
	json_object_set_new(line, "kind", json_string("summary"));
	json_object_set_new(line, "findings", json_integer((json_int_t)json_array_size(k->kept)));
	json_object_set_new(line, "suppressed", json_integer((json_int_t)k->suppressed));
	json_object_set_new(line, "lost", json_integer((json_int_t)k->lost));
	json_object_set_new(line, "counts", counts);
	write_report(k, line);
	json_decref(line);
}

/* ---- findings ---- */

/* What makes two of them one: the kind, the device, and the stacks; without any, the page. */
static char *key_of(const json_t *finding)
{
	static const char *const parts[] = {"kind", "device", "pasid", "access", "stacks"};
	json_t *stacks = json_object_get(finding, "stacks"), *stack, *key = json_array();
	const char *iova = json_string_value(json_object_get(finding, "iova")), *name;
	size_t frames = 0;
	char *text;

	json_object_foreach(stacks, name, stack) frames += json_array_size(stack);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		json_array_append(key, json_object_get(finding, parts[i]));
	if (!frames && iova)
		json_array_append_new(key,
				      json_integer((json_int_t)(strtoull(iova, NULL, 0) >> 12)));
	text = json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(key);
	return text;
}

static void add_count(json_t *finding, uint64_t more)
{
	json_t *count = json_object_get(finding, "count");

	json_integer_set(count, json_integer_value(count) + (json_int_t)more);
}

static void write_recording(struct keeper *k, const json_t *finding)
{
	const json_int_t pid = json_integer_value(json_object_get(finding, "pid"));
	char *text = k->cfg.recording ? json_dumps(finding, JSON_COMPACT) : NULL;

	if (text)
		recording_finding(k->cfg.recording, (uint32_t)pid, text);
	free(text);
}

/* A new one: told to the user, and kept; or suppressed. What it is from now on. */
static json_t *keep(struct keeper *k, json_t *finding, const char *key)
{
	symbols_add(k->symbols, finding);
	if (suppressions_match(k->cfg.suppressions, finding)) {
		k->suppressed++;
		json_object_set_new(k->known, key, json_null());
		return NULL;
	}
	json_object_set_new(finding, "count", json_integer(1));
	write_text(k, finding);
	write_report(k, finding);
	write_recording(k, finding);
	json_array_append(k->kept, finding);
	json_object_set(k->known, key, finding);
	return finding;
}

static struct numbered *number(struct client *c, uint64_t id)
{
	if (id >= (1u << 16))
		return NULL;
	if (id >= c->nr_numbered) {
		struct numbered *more = realloc(c->numbered, (id + 1) * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + c->nr_numbered, 0, (id + 1 - c->nr_numbered) * sizeof(*more));
		c->numbered = more;
		c->nr_numbered = id + 1;
	}
	return &c->numbered[id];
}

/* Is the process to end for it? */
static bool take(struct keeper *k, struct client *c, json_t *packet)
{
	const uint64_t count = (uint64_t)json_integer_value(json_object_get(packet, "count"));
	struct numbered *n = number(c, (uint64_t)json_integer_value(json_object_get(packet, "id")));
	char *key;
	json_t *known;

	k->lost += (uint64_t)json_integer_value(json_object_get(packet, "lost"));
	if (!n || json_object_get(packet, "lost"))
		return false;
	if (json_object_get(packet, "kind") && !n->known) {
		json_object_del(packet, "id");
		json_object_del(packet, "count");
		key = key_of(packet);
		known = key ? json_object_get(k->known, key) : NULL;
		n->known = true;
		n->told = known ? 0 : 1;
		n->finding = known ? known : key ? keep(k, packet, key) : NULL;
		if (json_is_null(n->finding))
			n->finding = NULL;
		free(key);
	}
	if (n->finding && count > n->told)
		add_count(n->finding, count - n->told);
	n->told = count;
	return n->finding;
}

/* ---- connections ---- */

static void accept_all(struct keeper *k)
{
	int sock;

	while ((sock = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct client *c = calloc(1, sizeof(*c));

		if (!c) {
			close(sock);
			continue;
		}
		c->sock = sock;
		c->next = k->clients;
		k->clients = c;
	}
}

/* Takes what is there. False: the process has gone. */
static bool read_client(struct keeper *k, struct client *c, char *room)
{
	ssize_t n;

	while ((n = recv(c->sock, room, PACKET_MAX, 0)) > 0) {
		json_t *packet = json_loadb(room, (size_t)n, 0, NULL);
		const bool fatal = packet && take(k, c, packet);
		const char answer = fatal ? RUN_FINDING_FATAL : '.';

		if (k->cfg.sanitize == RUN_SANITIZE_ABORT && json_object_get(packet, "kind"))
			send(c->sock, &answer, 1, MSG_NOSIGNAL);
		json_decref(packet);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void drop(struct client *c)
{
	close(c->sock);
	free(c->numbered);
	free(c);
}

static void read_all(struct keeper *k, char *room)
{
	struct client **at = &k->clients, *c;

	while ((c = *at)) {
		if (read_client(k, c, room)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		drop(c);
	}
}

static void wait_for_work(struct keeper *k, bool *ending)
{
	size_t n = 2;
	struct pollfd *p;
	uint64_t word;

	for (const struct client *c = k->clients; c; c = c->next)
		n++;
	p = calloc(n, sizeof(*p));
	if (!p)
		return;
	p[0] = (struct pollfd){.fd = k->listener, .events = POLLIN};
	p[1] = (struct pollfd){.fd = k->end, .events = POLLIN};
	n = 2;
	for (const struct client *c = k->clients; c; c = c->next)
		p[n++] = (struct pollfd){.fd = c->sock, .events = POLLIN};
	poll(p, n, -1);
	*ending = read(k->end, &word, sizeof(word)) > 0;
	free(p);
}

static void *listen_loop(void *arg)
{
	struct keeper *k = arg;
	char *room = malloc(PACKET_MAX);
	bool ending = false;

	while (room && !ending) {
		wait_for_work(k, &ending);
		accept_all(k);
		read_all(k, room);
	}
	free(room);
	return NULL;
}

/* ---- the beginning and the end ---- */

static void dispose(struct keeper *k)
{
	struct client *c, *next;

	for (c = k->clients; c; c = next) {
		next = c->next;
		drop(c);
	}
	symbols_free(k->symbols);
	json_decref(k->kept);
	json_decref(k->known);
	if (k->listener >= 0)
		close(k->listener);
	if (k->end >= 0)
		close(k->end);
	if (k->report >= 0)
		close(k->report);
	if (k->text >= 0 && k->text != STDERR_FILENO)
		close(k->text);
	free(k);
}

static int open_files(struct keeper *k)
{
	const struct keeper_config *c = &k->cfg;

	if (c->report) {
		k->report =
			open(c->report, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
		if (k->report < 0) {
			fprintf(stderr, "ioas: cannot write %s: %s\n", c->report, strerror(errno));
			return -errno;
		}
	}
	if (!c->log)
		return 0;
	k->text = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (k->text < 0)
		k->text = STDERR_FILENO;
	return 0;
}

/* With all signals blocked: they are for the program. */
static int start_thread(struct keeper *k)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&k->thread, NULL, listen_loop, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

static int start(struct keeper *k)
{
	int rc = 0;

	k->symbols = symbols_new();
	k->kept = json_array();
	k->known = json_object();
	k->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->listener = rundir_listen(k->cfg.dir, RUN_FINDINGS);
	if (k->end < 0 || k->listener < 0)
		rc = -errno;
	else if (!k->symbols || !k->kept || !k->known)
		rc = -ENOMEM;
	else if (fcntl(k->listener, F_SETFL, O_NONBLOCK))
		rc = -errno;
	return rc ? rc : start_thread(k);
}

struct keeper *keeper_start(const struct keeper_config *cfg)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return NULL;
	*k = (struct keeper){
		.cfg = *cfg, .listener = -1, .end = -1, .report = -1, .text = STDERR_FILENO};
	if (!open_files(k)) {
		rc = start(k);
		if (!rc)
			return k;
		fprintf(stderr, "ioas: cannot listen for the sanitizer: %s\n", strerror(-rc));
	}
	dispose(k);
	return NULL;
}

uint64_t keeper_end(struct keeper *k)
{
	const uint64_t one = 1;
	uint64_t found;

	if (write(k->end, &one, sizeof(one)) == sizeof(one))
		pthread_join(k->thread, NULL);
	found = json_array_size(k->kept);
	if (found || k->suppressed || k->lost)
		write_text(k, NULL);
	write_summary(k);
	dispose(k);
	return found;
}
