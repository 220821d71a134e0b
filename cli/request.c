/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of `ioas run`.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "cli/cli.h"
#include "iommu/iommu.h"
#include "observe/log.h"

enum {
	OPT_IOMMU = 256,
	OPT_DEVICE,
	OPT_CONTAINER,
	OPT_LIMIT,
	OPT_INJECT,
	OPT_SEED,
	OPT_AS_USER,
	OPT_STRICT,
	OPT_SHARED,
	OPT_SUMMARY,
	OPT_EXPLAIN,
	OPT_RECORD,
	OPT_RECORD_LIMIT,
	OPT_SANITIZE,
	OPT_REPORT,
	OPT_SUPPRESSIONS,
	OPT_LEAKS,
	OPT_ADVICE,
	OPT_TRACK,
	OPT_NO_INSPECT,
};

static const struct argp_option options[] = {
	{"iommu", OPT_IOMMU, "MAKE[,KEY=VALUE...]", 0,
	 "the IOMMU (default: vtd); `ioas makes` lists them", 0},
	{"device", OPT_DEVICE, "MODEL[,KEY=VALUE...]", 0,
	 "a device, repeatable; `ioas devices` lists them; `none`: no device (default: nvme,size=64M, ioat, virtio-net)",
	 0},
	{"vfio-container", OPT_CONTAINER, "type1|iommufd", 0,
	 "what /dev/vfio/vfio is: the legacy container (default), or iommufd in its place", 0},
	{"limit", OPT_LIMIT, "KEY=VALUE[,KEY=VALUE...]", 0,
	 "be a smaller machine: memlock=real|BYTES, entries=N, aperture=BITS, pgsizes=SIZE+..., reserved=START-LAST, "
	 "pasids=BITS, dirty=off, ats=off, fds=N; repeatable; `--limit help` explains them",
	 0},
	{"inject", OPT_INJECT, "WHAT[@WHERE][:HOW]", 0,
	 "a fault on purpose: ERRNO@CALL such as ENOMEM@map, unmap-late, irq-before-data@DEVICE, "
	 "dma-fault@DEVICE,iova=FIRST-LAST or dma-delay@DEVICE,us=N; HOW: every=N, nth=N, after=N or p=CHANCE; repeatable",
	 0},
	{"seed", OPT_SEED, "N", 0,
	 "what --inject takes its chances by (default: another one in each run, which it tells)",
	 0},
	{"as-user", OPT_AS_USER, 0, 0, "answer every capability check as for an ordinary user", 0},
	{"strict", OPT_STRICT, 0, 0, "do the sane thing where the kernel has a quirk", 0},
	{"shared", OPT_SHARED, 0, 0,
	 "one machine for all processes of the run, in a process of its own (default: each that opens a node has its own)",
	 0},
	{"explain", OPT_EXPLAIN, 0, 0,
	 "show each call that fails, the rule that it met, and what would have been legal", 0},
	{"record", OPT_RECORD, "FILE", 0,
	 "record calls, mappings, DMA, faults and interrupts in FILE, for `ioas replay` and `ioas report`",
	 0},
	{"record-limit", OPT_RECORD_LIMIT, "SIZE", 0,
	 "let that file have at most SIZE bytes (256K or more) and keep the newest", 0},
	{"sanitize", OPT_SANITIZE, "exit-code|log|abort", OPTION_ARG_OPTIONAL,
	 "find DMA bugs, and show each when it happens, with stacks. When any was found the exit status is 86 (default); or "
	 "remains the program's; or the process is aborted",
	 0},
	{"report", OPT_REPORT, "FILE", 0,
	 "write what the sanitizer finds to FILE, too, a line of JSON each", 0},
	{"suppressions", OPT_SUPPRESSIONS, "FILE", 0,
	 "lines KIND:PATTERN of what the sanitizer is not to tell: a part of a function's, module's, source file's or device's name",
	 0},
	{"leaks", OPT_LEAKS, 0, 0,
	 "the sanitizer tells also of what is still mapped when a process ends", 0},
	{"advice", OPT_ADVICE, 0, 0,
	 "the sanitizer tells also of mappings that are wider than their use", 0},
	{"track", OPT_TRACK, 0, 0,
	 "keep ages and uses of mappings, as the sanitizer does, without looking for bugs", 0},
	{"no-inspect", OPT_NO_INSPECT, 0, 0,
	 "do not let `ioas ps` and the like look into the program: spares it a thread", 0},
	{"verbose", 'v', 0, 0, "show each call, and why it was refused", 0},
	{"log", 'o', "FILE", 0, "append what is shown to FILE instead of standard error", 0},
	{"summary", OPT_SUMMARY, 0, 0, "at the end say what the IOMMU saw", 0},
	{0},
};

static const char doc[] =
	"Run PROGRAM on a machine with an IOMMU and devices behind it: /dev/iommu, /dev/vfio and the devices' folders in /sys "
	"are there for it and for what it starts. The exit status is PROGRAM's; 128+N when signal N ended it.\v"
	"Examples:\n"
	"  ioas run -- ./my-driver\n"
	"  ioas run --device nvme,file=disk.img --device ioat,bdf=0000:02:00.0 -- dpdk-test\n"
	"  ioas run --explain --iommu vtd,aw=39 -- ./my-driver\n"
	"  ioas run --sanitize --report bugs.jsonl -- ./my-driver\n";

static void __attribute__((format(printf, 2, 3)))
fail(struct argp_state *state, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	argp_failure(state, EXIT_USAGE, 0, "%s", text);
}

static void set_limit(struct run_config *c, const char *arg, struct argp_state *state)
{
	char why[512];

	if (!strcmp(arg, "help")) {
		list_limits();
		exit(0);
	}
	if (strchr(arg, '\n'))
		fail(state, "--limit: a limit cannot hold a line break");
	if (run_config_limit(c, arg, why, sizeof(why)))
		fail(state, "--limit %s: %s", arg, why);
}

static void add_injection(struct run_config *c, const char *arg, struct argp_state *state)
{
	char why[512];

	if (strchr(arg, '\n'))
		fail(state, "--inject: a fault cannot hold a line break");
	if (run_config_inject(c, arg, why, sizeof(why)))
		fail(state, "--inject %s: %s", arg, why);
}

static void set_container(struct run_config *c, const char *arg, struct argp_state *state)
{
	if (strcmp(arg, "type1") && strcmp(arg, "iommufd"))
		fail(state, "--vfio-container=%s: give type1 or iommufd", arg);
	c->iommufd_container = !strcmp(arg, "iommufd");
}

static void list_makes(struct argp_state *state, const char *arg)
{
	char names[256] = "";

	for (const struct iommu_make *const *m = iommu_makes; *m; m++) {
		strncat(names, " ", sizeof(names) - strlen(names) - 1);
		strncat(names, (*m)->name, sizeof(names) - strlen(names) - 1);
	}
	fail(state, "--iommu %s: there is no such make; there are:%s (see `ioas makes`)", arg,
	     names);
}

static void set_iommu(struct run_config *c, const char *arg, struct argp_state *state)
{
	char *name = options_name(arg), why[512];
	const struct iommu_make *make = name ? iommu_make_find(name) : NULL;
	struct options o;

	if (!make)
		list_makes(state, arg);
	else if (strchr(arg, '\n'))
		fail(state, "--iommu: an option cannot hold a line break");
	else if (options_parse(arg, make->keys, &o, why, sizeof(why)))
		fail(state, "--iommu %s: %s", arg, why);
	else
		options_free(&o);
	ioas_free(name);
	free(c->iommu);
	c->iommu = strdup(arg);
}

static void set_record_limit(struct run_request *r, const char *arg, struct argp_state *state)
{
	if (!limit_bytes(arg, &r->record_limit) || r->record_limit < LOG_LIMIT_MIN)
		fail(state, "--record-limit=%s: give a size of 256K or more, such as 64M", arg);
}

struct parsing {
	struct run_request *request;
	bool seeded;
	bool no_device;
};

static void add_device(struct parsing *p, const char *arg, struct argp_state *state)
{
	char why[512];

	if (!strcmp(arg, "none"))
		p->no_device = true;
	else if (request_add_device(&p->request->config, arg, why, sizeof(why)))
		fail(state, "--device %s: %s", arg, why);
}

/* A pipe must not see an end before the beginning: it is looked at only. */
static bool can_append(const char *path)
{
	struct stat st;
	int fd;

	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		errno = EISDIR;
		return !S_ISDIR(st.st_mode) && !access(path, W_OK);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void set_log(struct run_config *c, const char *arg, struct argp_state *state)
{
	char *cwd = *arg == '/' ? NULL : getcwd(NULL, 0);

	if (strchr(arg, '\n'))
		fail(state, "--log: a file name cannot hold a line break");
	if (!can_append(arg))
		fail(state, "--log %s: %s", arg, strerror(errno));
	free(c->log);
	if (asprintf(&c->log, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", arg) < 0)
		c->log = NULL;
	free(cwd);
}

static void set_sanitize(struct run_config *c, const char *arg, struct argp_state *state)
{
	if (!arg || !strcmp(arg, "exit-code"))
		c->sanitize = RUN_SANITIZE_EXIT_CODE;
	else if (!strcmp(arg, "log"))
		c->sanitize = RUN_SANITIZE_LOG;
	else if (!strcmp(arg, "abort"))
		c->sanitize = RUN_SANITIZE_ABORT;
	else
		fail(state, "--sanitize=%s: give exit-code, log or abort", arg);
}

/* Options that say how to sanitize, without being told to. */
static void check_sanitize(const struct run_request *r, struct argp_state *state)
{
	const struct run_config *c = &r->config;
	const char *of = r->report	 ? "--report"
			 : r->suppressions ? "--suppressions"
			 : c->leaks	 ? "--leaks"
			 : c->advice	 ? "--advice"
					 : NULL;

	if (of && !run_sanitizes(c))
		fail(state, "%s: give --sanitize, too", of);
}

static void set_seed(struct parsing *p, const char *arg, struct argp_state *state)
{
	char *end;

	errno = 0;
	p->request->config.seed = strtoull(arg, &end, 0);
	if (errno || end == arg || *end || *arg == '-')
		fail(state, "--seed %s: give a number", arg);
	p->seeded = true;
}

/* Chances are taken by a seed that can be given again. */
static void choose_seed(struct run_config *c)
{
	struct injector *i;
	char why[512];

	if (run_config_injector(c, &i, why, sizeof(why)) || !i)
		return;
	if (injector_is_random(i)) {
		if (getrandom(&c->seed, sizeof(c->seed), 0) < 0)
			c->seed = (uint64_t)getpid();
		c->seed >>= 32;
		fprintf(stderr, "ioas: --seed %" PRIu64 "\n", c->seed);
	}
	injector_destroy(i);
}

static void finish(struct parsing *p, struct argp_state *state)
{
	static const char *const defaults[] = {"nvme,size=64M", "ioat", "virtio-net"};
	struct run_config *c = &p->request->config;
	char why[512];

	if (p->no_device && c->nr_devices)
		fail(state, "--device none: leave out the other devices, or this one");
	if (!p->no_device && !c->nr_devices)
		for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
			add_device(p, defaults[i], state);
	check_sanitize(p->request, state);
	if (request_place_devices(c, why, sizeof(why)))
		fail(state, "--device: %s", why);
	if (p->request->record_limit && !p->request->record)
		fail(state, "--record-limit: give --record=FILE too");
	if (!c->iommu)
		c->iommu = strdup("vtd");
	if (!p->seeded)
		choose_seed(c);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct run_config *c = &p->request->config;

	switch (key) {
	case OPT_IOMMU:
		set_iommu(c, arg, state);
		break;
	case OPT_DEVICE:
		add_device(p, arg, state);
		break;
	case OPT_CONTAINER:
		set_container(c, arg, state);
		break;
	case OPT_LIMIT:
		set_limit(c, arg, state);
		break;
	case OPT_INJECT:
		add_injection(c, arg, state);
		break;
	case OPT_SEED:
		set_seed(p, arg, state);
		break;
	case OPT_AS_USER:
		c->as_user = true;
		break;
	case OPT_STRICT:
		c->strict = true;
		break;
	case OPT_SHARED:
		c->shared = daemon_name();
		break;
	case OPT_SUMMARY:
		p->request->summary = true;
		break;
	case OPT_EXPLAIN:
		c->show = c->show == RUN_VERBOSE ? RUN_VERBOSE : RUN_EXPLAIN;
		break;
	case OPT_RECORD:
		p->request->record = arg;
		break;
	case OPT_RECORD_LIMIT:
		set_record_limit(p->request, arg, state);
		break;
	case OPT_SANITIZE:
		set_sanitize(c, arg, state);
		break;
	case OPT_REPORT:
		p->request->report = arg;
		break;
	case OPT_SUPPRESSIONS:
		p->request->suppressions = arg;
		break;
	case OPT_LEAKS:
		c->leaks = true;
		break;
	case OPT_ADVICE:
		c->advice = true;
		break;
	case OPT_TRACK:
		if (!c->sanitize)
			c->sanitize = RUN_SANITIZE_TRACK;
		break;
	case OPT_NO_INSPECT:
		c->no_inspect = true;
		break;
	case 'v':
		c->show = RUN_VERBOSE;
		break;
	case 'o':
		set_log(c, arg, state);
		break;
	case ARGP_KEY_ARG:
		/* The program: what follows is its own. */
		p->request->program = &state->argv[state->next - 1];
		state->next = state->argc;
		break;
	case ARGP_KEY_NO_ARGS:
		fail(state, "which program? Usage: ioas run [OPTION...] -- PROGRAM [ARGUMENT...]");
		break;
	case ARGP_KEY_END:
		finish(p, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void request_parse(struct run_request *r, int argc, char **argv)
{
	static const struct argp argp = {options, parse, "-- PROGRAM [ARGUMENT...]", doc, NULL,
					 NULL,	  NULL};
	static char name[] = "ioas run";
	struct parsing p = {.request = r};

	run_config_init(&r->config);
	argp_err_exit_status = EXIT_USAGE;
	argv[0] = name;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &p);
}
