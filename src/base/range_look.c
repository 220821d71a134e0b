/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The set as it is looked at: by its owner, by readers without locks, for gaps, and for damage.
 */
#include "base/range.h"

#include <errno.h>

#include "base/range_node.h"

/* A range in its leaf; leaf NULL: past the end. */
struct cursor {
	struct range_node *leaf;
	unsigned int i;
};

static bool cursor_next(struct cursor *c)
{
	if (++c->i < node_count(c->leaf))
		return true;
	c->leaf = c->leaf->next;
	c->i = 0;
	return c->leaf;
}

/* The highest range that begins at or below x. */
static bool cursor_at(struct range_tree *t, uint64_t x, struct cursor *c)
{
	c->leaf = range_locate(t, x);
	if (!c->leaf)
		return false;
	c->i = leaf_search(c->leaf, c->leaf->head, x);
	if (!c->i) {
		c->leaf = c->leaf->prev;
		if (!c->leaf)
			return false;
		c->i = node_count(c->leaf);
	}
	c->i--;
	return true;
}

/* The lowest range that ends at or above x. */
static bool cursor_from(struct range_tree *t, uint64_t x, struct cursor *c)
{
	if (cursor_at(t, x, c))
		return c->leaf->last[c->i] >= x || cursor_next(c);
	c->leaf = t->root;
	if (!c->leaf || !t->count)
		return false;
	c->leaf = range_locate(t, 0);
	c->i = 0;
	return true;
}

bool range_find(struct range_tree *t, uint64_t point, struct range *out)
{
	return range_first_overlap(t, point, point, out);
}

bool range_first_overlap(struct range_tree *t, uint64_t start, uint64_t last, struct range *out)
{
	struct cursor c;

	if (!cursor_from(t, start, &c) || c.leaf->start[c.i] > last)
		return false;
	leaf_get(c.leaf, c.i, out);
	return true;
}

bool range_next(struct range_tree *t, struct range *r)
{
	return r->last != U64MAX && range_first_overlap(t, r->last + 1, U64MAX, r);
}

bool range_prev(struct range_tree *t, struct range *r)
{
	struct cursor c;

	if (!r->start || !cursor_at(t, r->start - 1, &c))
		return false;
	leaf_get(c.leaf, c.i, r);
	return true;
}

bool range_first(struct range_tree *t, struct range *out)
{
	return range_first_overlap(t, 0, U64MAX, out);
}

bool range_last(struct range_tree *t, struct range *out)
{
	struct cursor c;

	if (!t->count || !cursor_at(t, U64MAX, &c))
		return false;
	leaf_get(c.leaf, c.i, out);
	return true;
}

static bool head_valid(const struct range_node *n, uint64_t head)
{
	return get(&n->head) == head;
}

/*
 * Hand over hand: the next node's head is read before the version of the node that led there is
 * checked again, so that it was linked when its head was read. False: something changed on the way.
 */
static bool lookup_leaf(const struct range_tree *t, uint64_t point, const struct range_node **leaf,
			uint64_t *leaf_head)
{
	const struct range_node *n = get(&t->root), *child;
	uint64_t head, child_head;

	*leaf = NULL;
	if (!n)
		return true;
	head = get(&n->head);
	if (get(&t->root) != n)
		return false;
	while (head_level(head)) {
		if (head & HEAD_VERSION)
			return false;
		child = get(&n->child[inner_search(n, head, point)]);
		if (!head_valid(n, head))
			return false;
		child_head = get(&child->head);
		if (!head_valid(n, head))
			return false;
		n = child;
		head = child_head;
	}
	*leaf = n;
	*leaf_head = head;
	return !(head & HEAD_VERSION);
}

/* 1: found, 0: no range holds @point, -1: something changed on the way. */
static int try_lookup(const struct range_tree *t, uint64_t point, struct range *out)
{
	const struct range_node *n, *prev;
	uint64_t head, prev_head;
	unsigned int i;

	if (!lookup_leaf(t, point, &n, &head))
		return -1;
	if (!n)
		return 0;
	while (!(i = leaf_search(n, head, point))) {
		prev = get(&n->prev);
		if (!head_valid(n, head))
			return -1;
		if (!prev)
			return 0;
		prev_head = get(&prev->head);
		if ((prev_head & HEAD_VERSION) || !head_valid(n, head))
			return -1;
		n = prev;
		head = prev_head;
	}
	*out = (struct range){get(&n->start[i - 1]), get(&n->last[i - 1]), get(&n->value[i - 1])};
	if (!head_valid(n, head))
		return -1;
	return out->last >= point;
}

bool range_lookup(const struct range_tree *t, uint64_t point, struct range *out)
{
	struct range r;
	int found;

	while ((found = try_lookup(t, point, &r)) < 0)
		__builtin_ia32_pause();
	if (found)
		*out = r;
	return found;
}

/* Gaps. */

bool range_gap(struct range_tree *t, uint64_t from, uint64_t last, uint64_t *start, uint64_t *end)
{
	struct cursor c;
	bool more;

	if (from > last)
		return false;
	for (more = cursor_from(t, from, &c); more && c.leaf->start[c.i] <= from;
	     more = cursor_next(&c)) {
		if (c.leaf->last[c.i] >= last)
			return false;
		from = c.leaf->last[c.i] + 1;
	}
	*start = from;
	*end = more && c.leaf->start[c.i] <= last ? c.leaf->start[c.i] - 1 : last;
	return true;
}

/* Does the gap [start, end] hold it? Where, into *at. */
static bool fits(const struct range_fit *f, uint64_t start, uint64_t end, uint64_t *at)
{
	uint64_t low = max_u64(start, f->from), high = min_u64(end, f->last), shift;

	if (low > high)
		return false;
	shift = (f->offset - low) & (f->align - 1);
	if (shift > high - low || f->len - 1 > high - low - shift)
		return false;
	*at = low + shift;
	return true;
}

/* The number that the gap at @x, if there is one, begins with. */
static uint64_t gap_begin(struct range_tree *t, uint64_t x)
{
	struct cursor c;

	if (!cursor_at(t, x, &c))
		return 0;
	return c.leaf->last[c.i] < x ? c.leaf->last[c.i] + 1 : x;
}

/* What is known for searches from @from of this order; a new entry replaces the oldest. */
static struct range_memo *recall(struct range_tree *t, uint64_t from, unsigned int order)
{
	struct range_memo *m;

	for (m = t->memo; t->gap_dirty != U64MAX && m < t->memo + RANGE_MEMOS; m++)
		m->floor = max_u64(m->from, min_u64(m->floor, t->gap_dirty));
	t->gap_dirty = U64MAX;
	for (m = t->memo; m < t->memo + RANGE_MEMOS; m++) {
		if (m->from == from && m->order == order)
			return m;
	}
	m = &t->memo[t->next_memo++ % RANGE_MEMOS];
	*m = (struct range_memo){from, from, order};
	return m;
}

int range_find_free(struct range_tree *t, const struct range_fit *fit, uint64_t *start)
{
	uint64_t low, high, from;
	struct range_memo *memo;
	bool big, full = true; /* full: nothing of this order was seen yet */

	if (!fit->len || !is_pow2(fit->align) || fit->offset >= fit->align)
		return -EINVAL;
	memo = recall(t, fit->from, log2_floor(fit->len));
	from = max_u64(fit->from, gap_begin(t, memo->floor));
	while (range_gap(t, from, U64MAX, &low, &high) && low <= fit->last) {
		big = high - low >= MASK(memo->order);
		if (full)
			memo->floor = big ? low : high;
		full &= !big;
		if (fits(fit, low, high, start))
			return 0;
		if (high == U64MAX)
			break;
		from = high + 1;
	}
	return -ENOSPC;
}

/* Damage. */

struct check {
	const struct range_tree *t;
	const struct range_node *prev_leaf;
	uint64_t next_free; /* lowest number that the next range may begin with */
	bool ended;	    /* a range ended at U64MAX */
	size_t count;
};

static const char *check_leaf(struct check *c, const struct range_node *n, uint64_t low,
			      uint64_t high)
{
	unsigned int count = head_count(n->head);

	if (n->prev != c->prev_leaf || (c->prev_leaf && c->prev_leaf->next != n))
		return "leaves are not linked in order";
	c->prev_leaf = n;
	if ((!count && c->t->height) || count > LEAF_MAX)
		return "a leaf is empty or overfull";
	for (unsigned int i = 0; i < count; i++) {
		if (n->start[i] < low || n->start[i] > high)
			return "a start lies outside its leaf's interval";
		if (c->ended || n->start[i] < c->next_free || n->last[i] < n->start[i])
			return "ranges overlap or are out of order";
		c->ended = n->last[i] == U64MAX;
		c->next_free = n->last[i] + 1;
	}
	for (unsigned int i = count; i < LEAF_MAX; i++) {
		if (n->start[i] != U64MAX)
			return "an unused start is set";
	}
	c->count += count;
	return NULL;
}

static const char *check_node(struct check *c, const struct range_node *n, unsigned int level,
			      uint64_t low, uint64_t high)
{
	unsigned int count = head_count(n->head);
	const char *wrong = NULL;

	if ((n->head & HEAD_VERSION) || head_level(n->head) != level)
		return "a node was left begun or has the wrong level";
	if (!level)
		return check_leaf(c, n, low, high);
	if (count < (n == c->t->root ? 2 : INNER_MIN) || count > INNER_MAX)
		return "an inner node has too few or too many children";
	for (unsigned int i = count - 1; i < INNER_MAX - 1; i++) {
		if (n->key[i] != U64MAX)
			return "an unused key is set";
	}
	for (unsigned int i = 0; !wrong && i < count; i++) {
		uint64_t below = i + 1 < count ? n->key[i] - 1 : high;

		if (below < low || below > high)
			return "keys are out of order";
		wrong = check_node(c, n->child[i], level - 1, low, below);
		low = below + 1;
	}
	return wrong;
}

static bool hint_wrong(struct range_tree *t)
{
	struct range_node *hint = t->hint;
	uint64_t low = t->hint_low, high = t->hint_high;

	t->hint = NULL;
	return hint && (range_locate(t, low) != hint || t->hint_low != low || t->hint_high != high);
}

const char *range_check(struct range_tree *t)
{
	struct check c = {.t = t};
	const char *wrong = t->root ? check_node(&c, t->root, t->height, 0, U64MAX) : NULL;

	if (!wrong && c.count != t->count)
		wrong = "the count is wrong";
	if (!wrong && c.prev_leaf && c.prev_leaf->next)
		wrong = "leaves are not linked in order";
	if (!wrong && hint_wrong(t))
		wrong = "the hint is wrong";
	return wrong;
}
