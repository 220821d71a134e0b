/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes sequences. It knows which objects, areas and files the calls so far have made, and mostly
 * names those; now and then it takes a value that is near a legal one, or absurd.
 */
#include "fuzz.h"

#include <ioas/abi/mock.h>
#include <ioas/abi/vfio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OBJECTS 48
#define MAX_AREAS   32
#define MAX_LENGTH  32

enum scene { SCENE_IOMMUFD, SCENE_CDEV, SCENE_TYPE1, SCENE_COMPAT, SCENE_MOCK };

struct area {
	uint8_t ctx;
	uint32_t ioas;
	uint64_t iova, len;
};

struct generator {
	uint64_t random;
	bool mock;
	enum scene scene;
	unsigned int nr_done, length, device;
	bool attached, second;
	struct {
		uint8_t ctx, kind;
		uint32_t id;
	} objects[MAX_OBJECTS];
	unsigned int nr_objects;
	struct area areas[MAX_AREAS];
	unsigned int nr_areas;
	const struct area *area; /* that the call at hand is about */
};

struct generator *generator_new(bool mock)
{
	struct generator *g = calloc(1, sizeof(*g));

	if (g)
		g->mock = mock;
	return g;
}

void generator_free(struct generator *g)
{
	free(g);
}

/* splitmix64: any seed will do, and it is the same everywhere. */
static uint64_t next(struct generator *g)
{
	uint64_t z = g->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t below(struct generator *g, uint64_t n)
{
	return n ? next(g) % n : 0;
}

static bool one_in(struct generator *g, unsigned int n)
{
	return !below(g, n);
}

void generator_begin(struct generator *g, uint64_t seed)
{
	static const enum scene scenes[8] = {SCENE_IOMMUFD, SCENE_IOMMUFD, SCENE_IOMMUFD,
					     SCENE_IOMMUFD, SCENE_CDEV,	   SCENE_CDEV,
					     SCENE_TYPE1,   SCENE_COMPAT};

	*g = (struct generator){.random = seed * 0x2545f4914f6cdd1dull, .mock = g->mock};
	g->scene = g->mock ? SCENE_MOCK : scenes[below(g, 8)];
	g->length = 8 + (unsigned int)below(g, MAX_LENGTH - 8);
	g->attached = !one_in(g, 3);
	g->second = one_in(g, 2);
}

/* --- Values --------------------------------------------------------------------------------------
 */

static uint64_t absurd(struct generator *g)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		3,
		0x7ff,
		0x800,
		0xfff,
		0x1000,
		0x1001,
		0x1fffff,
		0x200000,
		0xfedff000,
		0xfee00000,
		0xfee01000,
		0xfef00000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0x7ffffffff000,
		0x800000000000,
		0xfffffffff000,
		0x1000000000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xfffffffffffff000,
		0xfffffffffffffffe,
		0xffffffffffffffff,
		0xfffffffffffff,
		0x3f,
		0x40,
	};

	return values[below(g, ARRAY_SIZE(values))];
}

static uint64_t object_of(struct generator *g, uint64_t ctx, const uint8_t *kinds,
			  unsigned int nr_kinds)
{
	uint32_t fit[MAX_OBJECTS];
	unsigned int n = 0;

	for (unsigned int i = 0; i < g->nr_objects; i++)
		for (unsigned int k = 0; k < nr_kinds; k++)
			if (g->objects[i].ctx == ctx && g->objects[i].kind == kinds[k])
				fit[n++] = g->objects[i].id;
	if (n && !one_in(g, 12))
		return fit[below(g, n)];
	if (g->nr_objects && !one_in(g, 3))
		return g->objects[below(g, g->nr_objects)].id;
	return one_in(g, 2) ? below(g, 6) : absurd(g) & UINT32_MAX;
}

static uint64_t object(struct generator *g, uint64_t ctx, enum kind kind)
{
	static const uint8_t pt[] = {K_IOAS, K_HWPT, K_VIOMMU};
	static const uint8_t any[] = {K_IOAS,  K_HWPT, K_VIOMMU, K_DEV,
				      K_FAULT, K_ANY,  K_STDEV,	 K_VEVENTQ};
	uint8_t one = kind;

	if (kind == K_PT)
		return object_of(g, ctx, pt, ARRAY_SIZE(pt));
	if (kind == K_ANY)
		return object_of(g, ctx, any, ARRAY_SIZE(any));
	return object_of(g, ctx, &one, 1);
}

static uint64_t address(struct generator *g)
{
	static const uint64_t places[] = {MEM_RO,  MEM_NONE, MEM_SHARED,
					  MEM_BIG, MEM_BIG,  MEM_SHARED};

	if (!one_in(g, 4))
		return MEM_RW + below(g, 60) * PAGE;
	if (!one_in(g, 4))
		return places[below(g, ARRAY_SIZE(places))] + below(g, 8) * PAGE;
	return one_in(g, 2) ? MEM_RW + below(g, 4) * 0x400 + 1 : absurd(g);
}

/* The mock's aperture begins at 16 MiB. */
static uint64_t iova(struct generator *g)
{
	if (!one_in(g, 10))
		return (g->mock ? 0x2000000 : 0x100000) + below(g, 24) * PAGE;
	return one_in(g, 2) ? below(g, 8) * 0x200000 : absurd(g);
}

static uint64_t length(struct generator *g)
{
	if (!one_in(g, 8))
		return (1 + below(g, 4)) * PAGE;
	return one_in(g, 3) ? BIG_SIZE : one_in(g, 2) ? 0x400 * (1 + below(g, 8)) : absurd(g);
}

/* A part of the area, all of it, or something around it. */
static uint64_t area_iova(struct generator *g)
{
	if (!g->area || one_in(g, 8))
		return iova(g);
	return one_in(g, 5) ? g->area->iova + PAGE - below(g, 3) * PAGE : g->area->iova;
}

static uint64_t area_length(struct generator *g)
{
	if (!g->area || one_in(g, 8))
		return length(g);
	return one_in(g, 5) ? g->area->len + PAGE - below(g, 3) * PAGE : g->area->len;
}

static uint64_t flags(struct generator *g, uint64_t mask)
{
	if (one_in(g, 24))
		return absurd(g);
	/* Maps mostly want both permissions and a fixed place. */
	if (mask == 7 && !one_in(g, 3))
		return 6 | below(g, 2);
	if (mask == 3 && !one_in(g, 3))
		return 3;
	/* HWPTs mostly want nothing, or one thing. */
	if (mask == 15 && !one_in(g, 4))
		return g->mock && !one_in(g, 3) ? 1ull << below(g, 4) : 0;
	return below(g, mask + 1);
}

static uint64_t target(struct generator *g, unsigned int kind);

static uint64_t field_value(struct generator *g, uint64_t ctx, const struct field *field)
{
	switch (field->kind) {
	case K_ZERO:
	case K_OUTFD:
		return one_in(g, 40) ? absurd(g) : 0;
	case K_FLAGS:
		return flags(g, field->arg);
	case K_BELOW:
		return one_in(g, 24) ? absurd(g) : below(g, field->arg);
	case K_FIXED:
		return one_in(g, 16) ? absurd(g) : field->arg;
	case K_AIOAS:
		return g->area && !one_in(g, 10) ? g->area->ioas : object(g, ctx, K_IOAS);
	case K_IOAS:
	case K_HWPT:
	case K_PT:
	case K_DEV:
	case K_FAULT:
	case K_VIOMMU:
	case K_ANY:
	case K_STDEV:
	case K_VEVENTQ:
		return object(g, ctx, field->kind);
	case K_ACCESS:
		return target(g, T_EVENT);
	case K_IOVA:
		return iova(g);
	case K_LEN:
		return length(g);
	case K_VA:
		return address(g);
	case K_AIOVA:
		return area_iova(g);
	case K_ALEN:
		return area_length(g);
	case K_BUF:
		return one_in(g, 24) ? address(g) : MEM_BUF;
	case K_FILE:
		return one_in(g, 8) ? below(g, 5) : 0;
	case K_CTX:
		return one_in(g, 12) ? below(g, 5) : 0;
	default:
		return 0;
	}
}

/* --- Calls ---------------------------------------------------------------------------------------
 */

/* A file that is open, of the kind wanted if there is one. */
static uint64_t target(struct generator *g, unsigned int kind)
{
	uint64_t fit[T_END];
	unsigned int n = 0;

	for (unsigned int i = kind; i < kind + NR_EACH; i++)
		if (world_has(i))
			fit[n++] = i;
	for (unsigned int i = T_GDEV; kind == T_CDEV && i < T_GDEV + NR_EACH; i++)
		if (world_has(i))
			fit[n++] = i;
	if (n && !one_in(g, 60))
		return fit[below(g, n)];
	for (unsigned int i = n = 0; i < T_END; i++)
		if (world_has(i))
			fit[n++] = i;
	return n ? fit[below(g, n)] : 0;
}

static bool wanted(const struct generator *g, const struct command *command)
{
	unsigned int number = command->request & 0xff;
	bool container = command->target == T_CTX && number < 0x80;

	if (command->mock && !g->mock)
		return false;
	switch (g->scene) {
	case SCENE_IOMMUFD:
	case SCENE_MOCK:
		return command->target == T_CTX;
	case SCENE_CDEV:
		return command->target != T_GROUP && !container;
	case SCENE_TYPE1:
		return container || command->target != T_CTX;
	default:
		return true;
	}
}

static const struct command *pick(struct generator *g)
{
	const struct command *command;

	/* By weight; the container's calls are rare where it is not the scene. */
	do {
		command = &commands[below(g, nr_commands)];
	} while (!wanted(g, command) || below(g, 24) >= command->weight ||
		 ((g->scene == SCENE_IOMMUFD || g->mock) && (command->request & 0xff) < 0x80 &&
		  !one_in(g, 6)));
	return command;
}

static void choose_area(struct generator *g, uint64_t ctx)
{
	g->area = NULL;
	for (unsigned int tries = 0; tries < 4 && g->nr_areas; tries++) {
		const struct area *area = &g->areas[below(g, g->nr_areas)];

		if (area->ctx == ctx)
			g->area = area;
	}
}

static void make_command(struct generator *g, struct op *op)
{
	const struct command *command = pick(g);
	uint64_t ctx = target(g, command->target);

	*op = (struct op){.command = command, .nr_args = 2 + command_nr_fields(command)};
	op->args[0] = ctx;
	op->args[1] = one_in(g, 16) ? below(g, NR_SHAPES) : SHAPE_FULL;
	/* A device's command is about the objects of what it is bound to: the first context. */
	if (command->target != T_CTX)
		ctx = 0;
	choose_area(g, ctx);
	for (unsigned int i = 0; i < command_nr_fields(command); i++)
		op->args[2 + i] = field_value(g, ctx, &command->field[i]);
}

static void make_special(struct op *op, enum special special, uint64_t a, uint64_t b)
{
	*op = (struct op){.special = special, .nr_args = specials[special].nr_args};
	op->args[0] = a;
	op->args[1] = b;
}

static void make_ranges(struct generator *g, struct op *op)
{
	make_special(op, S_RANGES, 0, 0);
	/* Answers to faults, entries to invalidate: two small numbers each. */
	for (unsigned int i = 1; g->mock && i < op->nr_args; i++)
		op->args[i] = below(g, 3) | below(g, 4) << 32;
	if (g->mock && one_in(g, 2))
		return;
	for (unsigned int i = 1; i < op->nr_args; i += 2) {
		op->args[i] = iova(g);
		op->args[i + 1] = one_in(g, 8) ? absurd(g) : op->args[i] + length(g) - 1;
	}
}

static void make_some_special(struct generator *g, struct op *op)
{
	bool type1 = g->scene == SCENE_TYPE1 || g->scene == SCENE_COMPAT;
	uint64_t n = below(g, 4);

	switch (below(g, 14)) {
	case 0:
		make_special(op, S_OPEN, below(g, 2), g->scene == SCENE_TYPE1);
		return;
	case 1:
		make_special(op, S_CLOSE,
			     target(g, one_in(g, 3) ? T_CTX
				       : type1	    ? T_GDEV
						    : T_CDEV),
			     0);
		return;
	case 2:
		if (g->scene != SCENE_IOMMUFD && !g->mock) {
			make_special(op, type1 ? S_OPEN_GROUP : S_OPEN_CDEV,
				     (type1 ? T_GROUP : T_CDEV) + n, 0);
			return;
		}
		break;
	case 3:
		make_special(op, one_in(g, 2) ? S_READ : S_WRITE, target(g, T_EVENT),
			     below(g, 13) * 8);
		return;
	case 4:
	case 5:
		make_special(op, S_EXTENSION, target(g, T_CTX), below(g, 12));
		return;
	case 6:
		make_special(op, S_SET_IOMMU, target(g, T_CTX),
			     one_in(g, 8)   ? below(g, 12)
			     : one_in(g, 2) ? 1
					    : 3);
		return;
	case 7:
		make_special(op, S_API_VERSION, target(g, T_CTX), 0);
		return;
	case 8:
		make_special(op, S_RAW, target(g, T_CTX), 0x3b60 + below(g, 0x48));
		return;
	case 9:
	case 10:
		if (type1) {
			make_special(op, S_SET_CONTAINER, target(g, T_GROUP),
				     one_in(g, 12) ? 3 : 0);
			return;
		}
		break;
	case 11:
		if (type1) {
			make_special(op, S_GET_DEVICE_FD, target(g, T_GROUP), n);
			return;
		}
		break;
	case 12:
		if (type1) {
			make_special(op, S_UNSET_CONTAINER, target(g, T_GROUP), 0);
			return;
		}
		break;
	case 13:
		if (g->scene != SCENE_IOMMUFD && !g->mock && one_in(g, 3)) {
			make_special(op, S_RESET, target(g, T_CDEV), 0);
			return;
		}
		break;
	}
	make_ranges(g, op);
}

static const struct command *named(const char *name)
{
	for (size_t i = 0; i < nr_commands; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* A command without a flaw; of its fields only the one that matters is given. */
static void make_plain(struct op *op, const char *name, uint64_t to, unsigned int field,
		       uint64_t value)
{
	const struct command *command = named(name);

	*op = (struct op){.command = command, .nr_args = 2 + command_nr_fields(command)};
	op->args[0] = to;
	op->args[2 + field] = value;
}

static void make_test(struct op *op, const char *name, uint64_t operation, uint64_t id)
{
	make_plain(op, name, 0, 0, operation);
	op->args[3] = id;
}

/*
 * What a sequence begins with, so that the rest has something to be about: a context, address
 * spaces, a device. False when that is done. Of the steps that can be done without, some are left
 * out.
 */
static bool make_opening(struct generator *g, struct op *op)
{
	unsigned int step = g->nr_done;

	if (step == 0) {
		g->device = (unsigned int)below(g, NR_EACH);
		make_special(op, S_OPEN, 0, g->scene == SCENE_TYPE1);
		return true;
	}
	switch (g->scene) {
	case SCENE_MOCK:
		if (step == 1)
			make_plain(op, "IOAS_ALLOC", 0, 0, 0);
		else if (step <= 2u + g->second && g->attached)
			make_test(op, "MOCK_DOMAIN", IOMMU_TEST_OP_MOCK_DOMAIN, 1);
		else
			return false;
		return true;
	case SCENE_CDEV:
		if (step == 1)
			make_special(op, S_OPEN_CDEV, T_CDEV + g->device, 0);
		else if (step == 2)
			make_plain(op, "BIND", T_CDEV + g->device, 1, 0);
		else if (step == 3)
			make_plain(op, "IOAS_ALLOC", 0, 0, 0);
		else if (step == 4 && g->attached)
			make_plain(op, "ATTACH", T_CDEV + g->device, 1, 2);
		else if (step == 5 && g->attached && g->second)
			make_special(op, S_OPEN_CDEV, T_CDEV + (g->device ^ 1), 0);
		else if (step == 6 && g->attached && g->second)
			make_plain(op, "BIND", T_CDEV + (g->device ^ 1), 1, 0);
		else
			return false;
		return true;
	case SCENE_TYPE1:
	case SCENE_COMPAT:
		if (step == 1)
			make_special(op, S_OPEN_GROUP, T_GROUP + g->device, 0);
		else if (step == 2)
			make_special(op, S_SET_CONTAINER, T_GROUP + g->device, 0);
		else if (step == 3)
			make_special(op, S_SET_IOMMU, 0, one_in(g, 2) ? 1 : 3);
		else if (step == 4 && g->attached)
			make_special(op, S_GET_DEVICE_FD, T_GROUP + g->device, g->device);
		else
			return false;
		return true;
	default:
		if (step <= 1u + g->attached)
			make_plain(op, "IOAS_ALLOC", 0, 0, 0);
		return step <= 1u + g->attached;
	}
}

bool generator_next(struct generator *g, struct op *op)
{
	if (g->nr_done >= g->length)
		return false;
	if (make_opening(g, op))
		;
	else if (one_in(g, 6))
		make_some_special(g, op);
	else
		make_command(g, op);
	g->nr_done++;
	return true;
}

/* --- What came of it -----------------------------------------------------------------------------
 */

static void add_object(struct generator *g, uint64_t ctx, uint8_t kind, uint64_t id)
{
	if (g->nr_objects == MAX_OBJECTS)
		return;
	g->objects[g->nr_objects].ctx = (uint8_t)ctx;
	g->objects[g->nr_objects].kind = kind;
	g->objects[g->nr_objects++].id = (uint32_t)id;
}

static void forget_object(struct generator *g, uint64_t ctx, uint64_t id)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < g->nr_objects; i++)
		if (g->objects[i].ctx != ctx || g->objects[i].id != id)
			g->objects[kept++] = g->objects[i];
	g->nr_objects = kept;
}

static void add_area(struct generator *g, const struct op *op, uint64_t at)
{
	struct area area = {.ctx = (uint8_t)op->args[0], .iova = at};
	const struct command *command = op->command;

	for (unsigned int i = 0; i < command_nr_fields(command); i++) {
		if (command->field[i].kind == K_LEN || command->field[i].kind == K_ALEN)
			area.len = op->args[2 + i];
		if (command->field[i].kind == K_IOAS)
			area.ioas = (uint32_t)op->args[2 + i];
	}
	g->areas[g->nr_areas < MAX_AREAS ? g->nr_areas++ : below(g, MAX_AREAS)] = area;
}

void generator_learn(struct generator *g, const struct op *op, const struct answer *answer)
{
	const struct command *command = op->command;
	uint64_t ctx = op->args[0];

	if (answer->err || !command)
		return;
	for (unsigned int i = 0; i < answer->nr_also; i++)
		add_object(g, ctx, answer->also[i].kind, answer->also[i].id);
	if (command->request == IOMMU_DESTROY) {
		forget_object(g, ctx, op->args[2]);
	} else if (command->makes == K_IOVA) {
		add_area(g, op, answer->made);
	} else if (command->request == VFIO_DEVICE_ATTACH_IOMMUFD_PT) {
		/* It may have made an automatic HWPT. */
		if (answer->made != op->args[3])
			add_object(g, 0, K_HWPT, answer->made);
	} else if (command->makes) {
		add_object(g, command->target == T_CTX ? ctx : 0, command->makes, answer->made);
	}
}
