/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One thread takes what is in the rings and writes it down, so that nobody waits for the disk but
 * this thread. A process hands over its ring when its engine is made; what a process that was
 * killed had in its ring is still there.
 */
#include "cli/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "doors/run.h"
#include "observe/log.h"
#include "observe/ring.h"

/* How long a round waits for a process that connects: while there is much, and while there is
 * nothing. Records that are fewer than a chunk are written after KEEP_NS. */
#define BUSY_MS 1
#define IDLE_MS 10
#define KEEP_NS 50000000ull

struct peer {
	struct peer *next;
	struct ring ring;
	uint32_t pid;
	int pidfd;	/* -1: not known when it ends */
	uint64_t since; /* when the first of @records was taken */
	size_t len;
	uint8_t records[LOG_CHUNK_MAX];
};

struct finding_line {
	struct finding_line *next;
	uint32_t pid;
	char text[];
};

struct recording {
	const char *file;
	struct log_writer *writer;
	uint64_t start;
	int listener;
	struct peer *peers;
	pthread_t thread;
	int status;
	bool stop;	      /* atomic */
	bool failed;	      /* it was said that something could not be written */
	pthread_mutex_t lock; /* findings */
	struct finding_line *findings, **last_finding;
};

uint64_t recording_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void write_chunk(struct recording *r, uint32_t pid, const void *records, size_t len)
{
	int rc = log_write(r->writer, pid, records, len);

	if (!rc || r->failed)
		return;
	r->failed = true;
	fprintf(stderr, "ioas: cannot write %s: %s: a part of the recording is missing\n", r->file,
		strerror(-rc));
}

static void write_event(struct recording *r, struct log_event *e)
{
	static const size_t room = LOG_RECORD_MAX;
	uint8_t *records = malloc(room);
	size_t len;

	e->time = recording_clock() - r->start;
	len = records ? log_encode(records, room, e) : 0;
	if (len)
		write_chunk(r, e->pid, records, len);
	free(records);
}

/* ---- processes ---- */

/* Who it is, as we see it, and its ring. -1: none came. */
static int receive_ring(int sock, struct ucred *who)
{
	char byte;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct timeval patience = {.tv_sec = 1};
	socklen_t len = sizeof(*who);
	const struct cmsghdr *c;
	int fd = -1;

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, who, &len) ||
	    recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static bool is_sealed_ring(int fd)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_GROW, seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & wanted) == wanted && !fstat(fd, &st) &&
	       st.st_size == RING_FILE_SIZE;
}

/* Its command line, with spaces. */
static void tell_process(struct recording *r, uint32_t pid)
{
	char path[64], text[1024];
	struct log_event e = {.type = LOG_process, .pid = pid};
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		close(fd);
	}
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	e.process.name = (struct log_bytes){(const uint8_t *)text, n > 0 ? (size_t)n : 0};
	write_event(r, &e);
}

static bool has_ended(const struct peer *p)
{
	struct pollfd f = {.fd = p->pidfd, .events = POLLIN};

	return p->pidfd >= 0 && poll(&f, 1, 0) > 0;
}

/* ---- draining ---- */

static void flush_peer(struct recording *r, struct peer *p)
{
	if (p->len)
		write_chunk(r, p->pid, p->records, p->len);
	p->len = 0;
}

static bool take(struct recording *r, struct peer *p, bool dead)
{
	const size_t n =
		ring_take(&p->ring, p->records + p->len, sizeof(p->records) - p->len, dead);

	if (n && !p->len)
		p->since = recording_clock();
	p->len += n;
	return n;
}

/* Says so where the dropped records would have been. */
static bool pass_gap(struct recording *r, struct peer *p)
{
	const uint64_t lost = ring_take_lost(&p->ring);

	if (!lost)
		return false;
	flush_peer(r, p);
	write_event(r, &(struct log_event){.type = LOG_lost, .pid = p->pid, .lost.count = lost});
	return true;
}

/* Everything that is there. Was there much? */
static bool drain(struct recording *r, struct peer *p, bool dead)
{
	bool much = false;

	while (take(r, p, dead) || pass_gap(r, p))
		if (p->len > sizeof(p->records) - LOG_RECORD_MAX) {
			flush_peer(r, p);
			much = true;
		}
	if (p->len && recording_clock() - p->since > KEEP_NS)
		flush_peer(r, p);
	return much;
}

static void free_peer(struct recording *r, struct peer **at)
{
	struct peer *p = *at;

	flush_peer(r, p);
	*at = p->next;
	ring_unmap(&p->ring);
	if (p->pidfd >= 0)
		close(p->pidfd);
	free(p);
}

static bool drain_all(struct recording *r, bool last)
{
	bool much = false;

	for (struct peer **at = &r->peers; *at;) {
		/* Looked at before, so that nothing comes afterwards. */
		const bool dead = has_ended(*at);

		much |= drain(r, *at, dead);
		if (dead || last)
			free_peer(r, at);
		else
			at = &(*at)->next;
	}
	return much;
}

/* ---- who comes ---- */

static void add_peer(struct recording *r, uint32_t pid, int fd)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		return;
	if (!is_sealed_ring(fd) || ring_map(fd, &p->ring)) {
		free(p);
		return;
	}
	/* Its program has changed, and with it the engine. */
	for (struct peer **at = &r->peers; *at;)
		if ((*at)->pid == pid) {
			drain(r, *at, true);
			free_peer(r, at);
		} else {
			at = &(*at)->next;
		}
	p->pid = pid;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	p->next = r->peers;
	r->peers = p;
	tell_process(r, pid);
}

static void welcome(struct recording *r)
{
	const int sock = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who;
	int fd;

	if (sock < 0)
		return;
	fd = receive_ring(sock, &who);
	if (fd >= 0) {
		add_peer(r, (uint32_t)who.pid, fd);
		close(fd);
	}
	close(sock);
}

/* ---- findings ---- */

void recording_finding(struct recording *r, uint32_t pid, const char *line)
{
	const size_t len = strlen(line);
	struct finding_line *f = len < LOG_BYTES_MAX ? malloc(sizeof(*f) + len + 1) : NULL;

	if (!f)
		return;
	f->next = NULL;
	f->pid = pid;
	memcpy(f->text, line, len + 1);
	pthread_mutex_lock(&r->lock);
	*r->last_finding = f;
	r->last_finding = &f->next;
	pthread_mutex_unlock(&r->lock);
}

static void write_findings(struct recording *r)
{
	struct finding_line *f, *next;

	pthread_mutex_lock(&r->lock);
	f = r->findings;
	r->findings = NULL;
	r->last_finding = &r->findings;
	pthread_mutex_unlock(&r->lock);
	for (; f; f = next) {
		next = f->next;
		write_event(r, &(struct log_event){.type = LOG_finding,
						   .pid = f->pid,
						   .finding.text = {(const uint8_t *)f->text,
								    strlen(f->text)}});
		free(f);
	}
}

/* ---- the thread ---- */

static void *record_main(void *arg)
{
	struct recording *r = arg;
	struct pollfd f = {.fd = r->listener, .events = POLLIN};
	bool much = false;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		if (poll(&f, 1, much ? BUSY_MS : IDLE_MS) > 0)
			welcome(r);
		much = drain_all(r, false);
		write_findings(r);
	}
	/* Who came when nobody looked any more. */
	while (poll(&f, 1, 0) > 0)
		welcome(r);
	drain_all(r, true);
	write_findings(r);
	write_event(r, &(struct log_event){.type = LOG_end, .end.status = (uint64_t)r->status});
	return NULL;
}

static int listen_in(const char *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/" RUN_RECORD, dir) >=
	    sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 64)) {
		/* For whatever user a program becomes. */
		chmod(a.sun_path, 0666);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The signals of `ioas run` are for its main thread; a file that grew too large is an error of
 * write(), not an end. */
static int start_thread(struct recording *r)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&r->thread, NULL, record_main, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

/* Chunks are written over when there is a limit, and read again: it cannot be a pipe. */
static int open_file(const char *path)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0644);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -ESPIPE;
}

static int open_writer(struct recording *r, uint64_t limit, const char *dir)
{
	struct timespec t;
	struct log_event e = {.type = LOG_machine, .machine.version = LOG_VERSION};
	const int fd = open_file(r->file);
	uint8_t *first = malloc(LOG_RECORD_MAX);
	char path[4096], *text = NULL;
	size_t len = 0;
	int rc = fd < 0 ? fd : 0;

	snprintf(path, sizeof(path), "%s/host", dir);
	if (!rc)
		text = run_read_file(path, &len);
	clock_gettime(CLOCK_REALTIME, &t);
	e.machine.realtime = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	e.machine.text = (struct log_bytes){(const uint8_t *)text, len};
	if (!rc && (!text || !first))
		rc = -ENOMEM;
	if (!rc) {
		len = len <= LOG_BYTES_MAX ? log_encode(first, LOG_RECORD_MAX, &e) : 0;
		rc = len ? log_writer_create(fd, limit, first, len, &r->writer) : -E2BIG;
		if (!len)
			close(fd);
	} else if (fd >= 0) {
		close(fd);
	}
	free(first);
	free(text);
	return rc;
}

struct recording *recording_start(const char *file, uint64_t limit, const char *dir, uint64_t start)
{
	struct recording *r = calloc(1, sizeof(*r));
	int rc = r ? 0 : -ENOMEM;

	if (!rc) {
		*r = (struct recording){.file = file, .start = start, .listener = -1};
		pthread_mutex_init(&r->lock, NULL);
		r->last_finding = &r->findings;
		rc = open_writer(r, limit, dir);
	}
	if (!rc) {
		r->listener = listen_in(dir);
		rc = r->listener < 0 ? -errno : start_thread(r);
	}
	if (!rc)
		return r;
	fprintf(stderr, "ioas: cannot record to %s: %s\n", file,
		rc == -ESPIPE ? "it is no regular file" : strerror(-rc));
	if (r && r->listener >= 0)
		close(r->listener);
	if (r && r->writer)
		log_writer_close(r->writer);
	free(r);
	return NULL;
}

void recording_end(struct recording *r, int status)
{
	int rc;

	r->status = status;
	__atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
	pthread_join(r->thread, NULL);
	close(r->listener);
	rc = log_writer_close(r->writer);
	if (rc && !r->failed)
		fprintf(stderr, "ioas: cannot write %s: %s\n", r->file, strerror(-rc));
	free(r);
}
