/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The set that changes: insertion, erasure, and the memory of the nodes. range_node.h has the
 * invariants.
 *
 * It is called for every map and unmap, with up to ten million ranges.
 */
#include "base/range.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/range_node.h"

/* A block is a quarter of what is held already, so that little lies idle, within these sizes. */
#define BLOCK_MIN 4096u
#define BLOCK_MAX (2u << 20)

struct range_block {
	struct range_block *next;
	size_t size;
};

/* The way down from the root: slot[l] is the child taken at level l, node[0] the leaf. */
struct path {
	struct range_node *node[MAX_HEIGHT + 1];
	unsigned int slot[MAX_HEIGHT + 1];
	uint64_t low, high; /* the interval of node[1] */
};

static void node_begin(struct range_node *n)
{
	set(&n->head, n->head + HEAD_VERSION);
}

static void node_end(struct range_node *n, unsigned int count)
{
	set(&n->head, (n->head + HEAD_VERSION) - node_count(n) + count);
}

static void leaf_set(struct range_node *n, unsigned int i, const struct range *r)
{
	set(&n->start[i], r->start);
	set(&n->last[i], r->last);
	set(&n->value[i], r->value);
}

/* Memory. */

static void *default_alloc(void *arg, size_t size, size_t align)
{
	void *p = ioas_aligned_alloc(align, size);

	if (p && size >= BLOCK_MAX)
		madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void default_free(void *arg, void *block, size_t size)
{
	ioas_free(block);
}

void range_init(struct range_tree *t, const struct range_allocator *allocator)
{
	*t = (struct range_tree){.gap_dirty = U64MAX};
	if (allocator)
		t->allocator = *allocator;
	if (!t->allocator.alloc)
		t->allocator.alloc = default_alloc;
	if (!t->allocator.free)
		t->allocator.free = default_free;
}

void range_destroy(struct range_tree *t)
{
	for (struct range_block *b = t->blocks, *next; b; b = next) {
		next = b->next;
		t->allocator.free(t->allocator.arg, b, b->size);
	}
	range_init(t, &t->allocator);
}

size_t range_footprint(const struct range_tree *t)
{
	return t->footprint;
}

static void node_release(struct range_tree *t, struct range_node *n)
{
	set(&n->next, t->free_nodes);
	t->free_nodes = n;
	t->nr_free++;
}

static struct range_node *node_fresh(struct range_tree *t)
{
	struct range_node *n = (struct range_node *)t->fresh;

	t->fresh += sizeof(*n);
	set(&n->head, 0);
	return n;
}

static size_t nodes_fresh(const struct range_tree *t)
{
	return (size_t)(t->fresh_end - t->fresh) / sizeof(struct range_node);
}

static size_t block_size(const struct range_tree *t)
{
	size_t quarter = t->footprint / 4;

	if (quarter < BLOCK_MIN)
		return BLOCK_MIN;
	return quarter > BLOCK_MAX ? BLOCK_MAX : BIT(log2_floor(quarter));
}

static int block_add(struct range_tree *t)
{
	size_t size = block_size(t), align = size == BLOCK_MAX ? BLOCK_MAX : LINE;
	struct range_block *b = t->allocator.alloc(t->allocator.arg, size, align);

	if (!b)
		return -ENOMEM;
	while (nodes_fresh(t))
		node_release(t, node_fresh(t));
	*b = (struct range_block){t->blocks, size};
	t->blocks = b;
	t->fresh = (char *)b + LINE;
	t->fresh_end = (char *)b + size;
	t->footprint += size;
	return 0;
}

/* Makes sure that @n calls of node_take() succeed. */
static int nodes_reserve(struct range_tree *t, unsigned int n)
{
	while (t->nr_free + nodes_fresh(t) < n) {
		int err = block_add(t);

		if (err)
			return err;
	}
	return 0;
}

/* An empty node, begun: the caller ends it. A reserved one must be there. */
static struct range_node *node_take(struct range_tree *t, unsigned int level)
{
	struct range_node *n = t->free_nodes;

	if (n) {
		t->free_nodes = n->next;
		t->nr_free--;
	} else {
		n = node_fresh(t);
	}
	set(&n->head, ((n->head + HEAD_VERSION) & ~(HEAD_VERSION - 1)) | level << 8);
	for (unsigned int i = 0; level && i < INNER_MAX - 1; i++)
		set(&n->key[i], U64MAX);
	for (unsigned int i = 0; !level && i < LEAF_MAX; i++)
		set(&n->start[i], U64MAX);
	if (!level) {
		set(&n->prev, NULL);
		set(&n->next, NULL);
	}
	return n;
}

/* Takes a begun node out of use: readers that hold it see another version. */
static void node_drop(struct range_tree *t, struct range_node *n)
{
	node_end(n, 0);
	node_release(t, n);
}

/* All lines of a node at once, instead of one after the other as they are needed. */
static void prefetch(const struct range_node *n)
{
	for (size_t at = 0; at < sizeof(*n); at += LINE)
		__builtin_prefetch((const char *)n + at, 1);
}

static struct range_node *descend(struct range_tree *t, uint64_t x)
{
	struct range_node *n = t->root;
	uint64_t low = 0, high = U64MAX;

	if (!n)
		return NULL;
	while (head_level(n->head)) {
		unsigned int i = inner_search(n, n->head, x);

		if (i)
			low = n->key[i - 1];
		if (i + 1 < node_count(n))
			high = n->key[i] - 1;
		n = n->child[i];
		prefetch(n);
	}
	t->hint = n;
	t->hint_low = low;
	t->hint_high = high;
	return n;
}

struct range_node *range_locate(struct range_tree *t, uint64_t x)
{
	return likely(range_is_near(t, x)) ? t->hint : descend(t, x);
}

static void locate_path(struct range_tree *t, uint64_t x, struct path *p)
{
	struct range_node *n = t->root;

	p->low = 0;
	p->high = U64MAX;
	for (unsigned int l = t->height; l; l--) {
		unsigned int i = inner_search(n, n->head, x);

		p->node[l] = n;
		p->slot[l] = i;
		if (l > 1 && i)
			p->low = n->key[i - 1];
		if (l > 1 && i + 1 < node_count(n))
			p->high = n->key[i] - 1;
		n = n->child[i];
	}
	p->node[0] = n;
}

/* The child in slot @i of node[1] becomes the hint. */
static void hint_child(struct range_tree *t, const struct path *p, unsigned int i)
{
	const struct range_node *n = p->node[1];

	t->hint = n->child[i];
	t->hint_low = i ? n->key[i - 1] : p->low;
	t->hint_high = i + 1 < node_count(n) ? n->key[i] - 1 : p->high;
}

/* Steps that change the tree's shape. */

/* What two siblings hold: ranges, or children each with the separator in front of it (that of [0]
 * is the parent's). */
struct content {
	unsigned int n;
	union {
		struct range range[2 * LEAF_MAX];
		struct {
			uint64_t key;
			struct range_node *child;
		} entry[2 * INNER_MAX];
	};
};

/* Appends what @n holds; @key is the separator in front of it. */
static void content_load(struct content *c, const struct range_node *n, uint64_t key)
{
	for (unsigned int i = 0; i < node_count(n); i++, c->n++) {
		if (!head_level(n->head)) {
			leaf_get(n, i, &c->range[c->n]);
			continue;
		}
		c->entry[c->n].key = i ? n->key[i - 1] : key;
		c->entry[c->n].child = n->child[i];
	}
}

/* Makes [from, to) the whole content of a begun node, and ends it. */
static void content_store(const struct content *c, unsigned int from, unsigned int to,
			  struct range_node *n)
{
	unsigned int count = to - from;

	if (!head_level(n->head)) {
		for (unsigned int i = 0; i < count; i++)
			leaf_set(n, i, &c->range[from + i]);
		for (unsigned int i = count; i < LEAF_MAX; i++)
			set(&n->start[i], U64MAX);
	} else {
		for (unsigned int i = 0; i < count; i++) {
			if (i)
				set(&n->key[i - 1], c->entry[from + i].key);
			set(&n->child[i], c->entry[from + i].child);
		}
		for (unsigned int i = count ? count - 1 : 0; i < INNER_MAX - 1; i++)
			set(&n->key[i], U64MAX);
	}
	node_end(n, count);
}

static uint64_t content_key(const struct content *c, unsigned int i, unsigned int level)
{
	return level ? c->entry[i].key : c->range[i].start;
}

/* Puts @child behind slot @i of a begun inner node that is not full, and ends it. */
static void inner_insert(struct range_node *n, unsigned int i, uint64_t key,
			 struct range_node *child)
{
	unsigned int count = node_count(n);

	for (unsigned int k = count - 1; k > i; k--) {
		set(&n->child[k + 1], n->child[k]);
		set(&n->key[k], n->key[k - 1]);
	}
	set(&n->child[i + 1], child);
	set(&n->key[i], key);
	node_end(n, count + 1);
}

/* Takes out the child behind slot @i of a begun inner node, and ends it. */
static void inner_remove(struct range_node *n, unsigned int i)
{
	unsigned int count = node_count(n);

	for (unsigned int k = i + 1; k + 1 < count; k++) {
		set(&n->child[k], n->child[k + 1]);
		set(&n->key[k - 1], n->key[k]);
	}
	set(&n->key[count - 2], U64MAX);
	node_end(n, count - 1);
}

/* n->next's link back, as a step of its own: range_lookup() follows prev under the version of the
 * node that it leaves. */
static void leaf_set_prev(struct range_node *n, struct range_node *prev)
{
	node_begin(n);
	set(&n->prev, prev);
	node_end(n, node_count(n));
}

/*
 * Splits the full child in slot @i of @parent, which is not full: its content from @at on goes to a
 * new right sibling. @key separates them if that leaves the sibling empty.
 */
static void split(struct range_tree *t, struct range_node *parent, unsigned int i, unsigned int at,
		  uint64_t key)
{
	struct range_node *left = parent->child[i];
	unsigned int level = head_level(left->head);
	struct range_node *right = node_take(t, level);
	struct content c;

	c.n = 0;
	node_begin(parent);
	node_begin(left);
	content_load(&c, left, 0);
	if (at < c.n)
		key = content_key(&c, at, level);
	if (!level) {
		set(&right->prev, left);
		set(&right->next, left->next);
		set(&left->next, right);
	}
	content_store(&c, at, c.n, right);
	if (!level && right->next)
		leaf_set_prev(right->next, right);
	inner_insert(parent, i, key, right);
	content_store(&c, 0, at, left);
}

/* Adds a level: a root whose only child is the old one. */
static void grow(struct range_tree *t)
{
	struct range_node *root = node_take(t, t->height + 1);

	set(&root->child[0], t->root);
	node_end(root, 1);
	set(&t->root, root);
	t->height++;
}

/* Takes away the level of a root with one child. */
static void shrink(struct range_tree *t)
{
	struct range_node *root = t->root;

	node_begin(root);
	set(&t->root, root->child[0]);
	t->height--;
	node_drop(t, root);
}

/* The leaf that the hint's interval belonged to was split: leaves the half that @start belongs to.
 */
static void hint_half(struct range_tree *t, const struct range_node *parent, unsigned int i,
		      uint64_t start)
{
	if (start >= parent->key[i]) {
		t->hint = parent->child[i + 1];
		t->hint_low = parent->key[i];
	} else {
		t->hint = parent->child[i];
		t->hint_high = parent->key[i] - 1;
	}
}

/*
 * Makes room in the leaf for @start, reached by @p and by the hint: splits every full node of the
 * lowest full part of the path, from the top down. A run leaves the leaf behind it full: an
 * ascending one has to itself what is left of the leaf that it began in, and then leaves of its
 * own.
 */
static void make_room(struct range_tree *t, struct path *p, uint64_t start, bool run)
{
	unsigned int top = 0, max = LEAF_MAX;

	while (top <= t->height && node_count(p->node[top]) == max) {
		top++;
		max = INNER_MAX;
	}
	if (top > t->height) {
		grow(t);
		p->node[top] = t->root;
		p->slot[top] = 0;
	}
	for (unsigned int l = top; l; l--) {
		struct range_node *n = p->node[l - 1], *parent = p->node[l];
		unsigned int pos = l > 1 ? p->slot[l - 1] : leaf_search(n, n->head, start);
		unsigned int at = node_count(n) / 2;

		if (l == 1 && run)
			at = pos;
		else if (l > 1 && pos == node_count(n) - 1)
			at = INNER_MAX - INNER_MIN;
		split(t, parent, p->slot[l], at, start);
		if (l > 1 && pos >= at) {
			p->node[l - 1] = parent->child[p->slot[l] + 1];
			p->slot[l - 1] = pos - at;
		}
		if (l == 1)
			hint_half(t, parent, p->slot[1], start);
	}
}

/* Merges the children in slots @i and @i + 1 of @parent, or makes them equally full: one that is
 * nearly full would be split by the next insertion, even where the other is empty. The caller sees
 * to the hint. */
static void join(struct range_tree *t, struct range_node *parent, unsigned int i)
{
	struct range_node *left = parent->child[i], *right = parent->child[i + 1];
	unsigned int level = head_level(left->head), max = level ? INNER_MAX : LEAF_MAX;
	struct content c;

	c.n = 0;
	node_begin(parent);
	node_begin(left);
	node_begin(right);
	content_load(&c, left, 0);
	content_load(&c, right, parent->key[i]);
	if (c.n <= max - max / 4) {
		if (!level && right->next)
			leaf_set_prev(right->next, left);
		if (!level)
			set(&left->next, right->next);
		inner_remove(parent, i);
		content_store(&c, 0, c.n, left);
		node_drop(t, right);
	} else {
		set(&parent->key[i], content_key(&c, c.n / 2, level));
		node_end(parent, node_count(parent));
		content_store(&c, c.n / 2, c.n, right);
		content_store(&c, 0, c.n / 2, left);
	}
}

/* A leaf so far away, below the same parent, that has at most so many ranges can make room: what is
 * between the two, full, is evened out pair by pair, and none of them is full any more. */
static const uint8_t most_to_share[] = {LEAF_MAX, LEAF_MAX - 2, LEAF_MAX - 4, LEAF_MAX - 8};

/* Makes room in the full leaf of @p out of what others near it have to spare, if they have: so
 * leaves stay fuller than if each were split. */
static bool share(struct range_tree *t, const struct path *p, uint64_t start)
{
	struct range_node *parent = p->node[1];
	unsigned int at = p->slot[1], count = node_count(parent), i;

	for (unsigned int far = 1; far < ARRAY_SIZE(most_to_share); far++) {
		if (at >= far && node_count(parent->child[at - far]) <= most_to_share[far]) {
			for (i = at - far; i < at; i++)
				join(t, parent, i);
			i = at - 1;
		} else if (at + far < count &&
			   node_count(parent->child[at + far]) <= most_to_share[far]) {
			for (i = at + far; i > at;)
				join(t, parent, --i);
		} else {
			continue;
		}
		hint_child(t, p, i + (start >= parent->key[i]));
		return true;
	}
	return false;
}

/* After the erasure of @start from the leaf of @p: no node but the root stays nearly empty. */
static void fill_up(struct range_tree *t, struct path *p, uint64_t start)
{
	for (unsigned int l = 1, min = LEAF_MIN; l <= t->height; l++, min = INNER_MIN) {
		struct range_node *parent = p->node[l];
		unsigned int i = p->slot[l] ? p->slot[l] - 1 : 0;

		if (node_count(p->node[l - 1]) >= min)
			break;
		join(t, parent, i);
		if (l == 1)
			hint_child(t, p,
				   i + (i + 1 < node_count(parent) && start >= parent->key[i]));
	}
	while (t->height && node_count(t->root) == 1)
		shrink(t);
}

/* Changing the set. */

static bool meets_neighbour(const struct range_tree *t, const struct range_node *n,
			    unsigned int pos, uint64_t start, uint64_t last)
{
	const struct range_node *other = n->prev;

	if (pos ? n->last[pos - 1] >= start : other && other->last[node_count(other) - 1] >= start)
		return true;
	if (pos < node_count(n))
		return n->start[pos] <= last;
	return last > t->hint_high && n->next && n->next->start[0] <= last;
}

/* Is what comes to @pos of a full leaf the next of an ascending run, or in front of the leaf that
 * of a descending one? */
static bool is_run(const struct range_tree *t, const struct range_node *n, unsigned int pos)
{
	return n->start[pos ? pos - 1 : 0] == t->newest;
}

/* Room for @start in the leaf that it belongs to, @n, which is full; @pos: its place there. */
static int make_or_share_room(struct range_tree *t, uint64_t start, const struct range_node *n,
			      unsigned int pos)
{
	bool run = is_run(t, n, pos);
	struct path p;
	int err;

	locate_path(t, start, &p);
	if (t->height && !run && share(t, &p, start))
		return 0;
	err = nodes_reserve(t, t->height + 2);
	if (!err)
		make_room(t, &p, start, run);
	return err;
}

static void leaf_insert(struct range_node *n, unsigned int pos, const struct range *r)
{
	unsigned int count = node_count(n);

	node_begin(n);
	for (unsigned int i = count; i > pos; i--) {
		set(&n->start[i], n->start[i - 1]);
		set(&n->last[i], n->last[i - 1]);
		set(&n->value[i], n->value[i - 1]);
	}
	leaf_set(n, pos, r);
	node_end(n, count + 1);
}

static void leaf_remove(struct range_node *n, unsigned int pos)
{
	unsigned int count = node_count(n) - 1;

	node_begin(n);
	for (unsigned int i = pos; i < count; i++) {
		set(&n->start[i], n->start[i + 1]);
		set(&n->last[i], n->last[i + 1]);
		set(&n->value[i], n->value[i + 1]);
	}
	set(&n->start[count], U64MAX);
	node_end(n, count);
}

static int plant(struct range_tree *t)
{
	struct range_node *leaf;
	int err = nodes_reserve(t, 1);

	if (err)
		return err;
	leaf = node_take(t, 0);
	node_end(leaf, 0);
	set(&t->root, leaf);
	return 0;
}

int range_find_spot(struct range_tree *t, uint64_t start, uint64_t last, struct range_spot *spot)
{
	int err;

	if (start > last)
		return -EINVAL;
	if (unlikely(!t->root)) {
		err = plant(t);
		if (err)
			return err;
	}
	spot->leaf = range_locate(t, start);
	spot->pos = leaf_search(spot->leaf, spot->leaf->head, start);
	return meets_neighbour(t, spot->leaf, spot->pos, start, last) ? -EEXIST : 0;
}

int range_insert_at(struct range_tree *t, struct range_spot spot, uint64_t start, uint64_t last,
		    void *value)
{
	struct range r = {start, last, value};
	int err;

	if (!spot.leaf) {
		err = range_find_spot(t, start, last, &spot);
		if (err)
			return err;
	}
	if (unlikely(node_count(spot.leaf) == LEAF_MAX)) {
		err = make_or_share_room(t, start, spot.leaf, spot.pos);
		if (err)
			return err;
		spot.leaf = t->hint;
		spot.pos = leaf_search(spot.leaf, spot.leaf->head, start);
	}
	leaf_insert(spot.leaf, spot.pos, &r);
	t->newest = start;
	t->count++;
	return 0;
}

int range_insert(struct range_tree *t, uint64_t start, uint64_t last, void *value)
{
	return range_insert_at(t, (struct range_spot){0}, start, last, value);
}

/* The leaf and place of the range that begins at @start. */
static struct range_node *find_start(struct range_tree *t, uint64_t start, unsigned int *pos)
{
	struct range_node *n = range_locate(t, start);

	if (!n)
		return NULL;
	*pos = leaf_search(n, n->head, start) - 1;
	return *pos < node_count(n) && n->start[*pos] == start ? n : NULL;
}

int range_erase(struct range_tree *t, uint64_t start, struct range *old)
{
	unsigned int pos;
	struct range_node *n = find_start(t, start, &pos);
	struct path p;

	if (!n)
		return -ENOENT;
	if (old)
		leaf_get(n, pos, old);
	leaf_remove(n, pos);
	t->count--;
	t->gap_dirty = min_u64(t->gap_dirty, start);
	if (node_count(n) < LEAF_MIN && t->height) {
		locate_path(t, start, &p);
		fill_up(t, &p, start);
	}
	return 0;
}

int range_update(struct range_tree *t, uint64_t start, uint64_t last, void *value)
{
	unsigned int pos, count;
	struct range_node *n = find_start(t, start, &pos);

	if (start > last)
		return -EINVAL;
	if (!n)
		return -ENOENT;
	count = node_count(n);
	if (pos + 1 < count ? n->start[pos + 1] <= last : n->next && n->next->start[0] <= last)
		return -EEXIST;
	if (last < n->last[pos])
		t->gap_dirty = min_u64(t->gap_dirty, last + 1);
	node_begin(n);
	set(&n->last[pos], last);
	set(&n->value[pos], value);
	node_end(n, count);
	return 0;
}
