/* thread.c - see thread.h.
 *
 * A node is a message, or a place for one that is referred to but is not here. Node 0 is the root:
 * threads are its children. Children form a list by `next`; lists are put into order by gathering
 * them in an array, which also serves the walk that writes the answer.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/thread.h"

#include <stdlib.h>

#define ROOT     0u
#define NONE     UINT32_MAX
#define WALK_MAX 1000u /* steps upwards in looking for a loop; what is deeper is not linked */

struct node {
	const struct imapd_threaded *item; /* NULL: a place only */
	uint32_t parent, child, next;      /* NONE: none */
	uint32_t prev;                     /* kept while messages are added, and no longer */
	int64_t secs;                      /* what it is sorted by */
};

struct slot {
	uint64_t key; /* 0: free */
	uint32_t node;
};

struct threads {
	struct node *nodes;
	uint32_t count, room;
	struct slot *slots; /* by message id; a power of two */
	size_t slot_mask, slots_used;
	uint32_t *list; /* room for as many as there are nodes */
};

/* ---- nodes ---- */

static uint32_t
add_node(struct threads *t, const struct imapd_threaded *item)
{
	if (t->count == t->room) {
		t->room *= 2;
		t->nodes = cv_realloc(t->nodes, t->room * sizeof *t->nodes);
	}
	t->nodes[t->count] = (struct node){item, NONE, NONE, NONE, NONE, 0};
	return t->count++;
}

static struct slot *
find_slot(const struct threads *t, uint64_t key)
{
	size_t i = key & t->slot_mask;

	while (t->slots[i].key && t->slots[i].key != key)
		i = (i + 1) & t->slot_mask;
	return &t->slots[i];
}

static void
grow_slots(struct threads *t)
{
	struct slot *old = t->slots;
	size_t old_count = t->slot_mask + 1;

	t->slot_mask = 2 * old_count - 1;
	t->slots = cv_calloc(2 * old_count, sizeof *t->slots);
	for (size_t i = 0; i < old_count; i++)
		if (old[i].key)
			*find_slot(t, old[i].key) = old[i];
	free(old);
}

/* The node of message id KEY, made when there is none. */
static uint32_t
node_of(struct threads *t, uint64_t key)
{
	struct slot *slot = find_slot(t, key);

	if (slot->key)
		return slot->node;
	if (2 * ++t->slots_used > t->slot_mask) {
		grow_slots(t);
		slot = find_slot(t, key);
	}
	*slot = (struct slot){key, add_node(t, NULL)};
	return slot->node;
}

/* Whether CHILD stands above NODE or is it. Too far up to tell counts as yes. */
static bool
is_above(const struct threads *t, uint32_t child, uint32_t node)
{
	if (child == node)
		return true;
	if (t->nodes[child].child == NONE)
		return false;
	for (unsigned steps = 0; node != NONE; node = t->nodes[node].parent)
		if (node == child || ++steps > WALK_MAX)
			return true;
	return false;
}

static void
unlink_node(struct threads *t, uint32_t node)
{
	struct node *n = &t->nodes[node];

	if (n->parent == NONE)
		return;
	if (n->prev == NONE)
		t->nodes[n->parent].child = n->next;
	else
		t->nodes[n->prev].next = n->next;
	if (n->next != NONE)
		t->nodes[n->next].prev = n->prev;
	n->parent = n->next = n->prev = NONE;
}

static void
link_node(struct threads *t, uint32_t parent, uint32_t node)
{
	uint32_t first = t->nodes[parent].child;

	if (first != NONE)
		t->nodes[first].prev = node;
	t->nodes[node].parent = parent;
	t->nodes[node].prev = NONE;
	t->nodes[node].next = first;
	t->nodes[parent].child = node;
}

/* ---- references: steps 1 and 2 of RFC 5256 3 ---- */

static uint64_t
ref_at(const struct imapd_threaded *item, size_t i)
{
	uint64_t key;
	memcpy(&key, (const char *)item->refs + i * sizeof key, sizeof key);
	return key;
}

/* Links what ITEM refers to in a chain; the last of it, or NONE. */
static uint32_t
link_references(struct threads *t, const struct imapd_threaded *item)
{
	uint32_t before = NONE;

	for (size_t i = 0; i < item->ref_count; i++) {
		uint32_t node = node_of(t, ref_at(item, i));
		if (before != NONE && t->nodes[node].parent == NONE && !is_above(t, node, before))
			link_node(t, before, node);
		before = node;
	}
	return before;
}

static void
add_message(struct threads *t, const struct imapd_threaded *item)
{
	uint32_t node = item->message_id ? node_of(t, item->message_id) : NONE;

	/* A second message of the same id is one by itself. */
	if (node == NONE || t->nodes[node].item)
		node = add_node(t, item);
	t->nodes[node].item = item;
	uint32_t parent = link_references(t, item);
	/* Its own word on its parent counts more than what others' references say. */
	if (t->nodes[node].parent != NONE && t->nodes[node].parent != parent)
		unlink_node(t, node);
	if (parent != NONE && t->nodes[node].parent == NONE && !is_above(t, node, parent))
		link_node(t, parent, node);
}

static void
gather_roots(struct threads *t)
{
	for (uint32_t i = t->count - 1; i > ROOT; i--)
		if (t->nodes[i].parent == NONE)
			link_node(t, ROOT, i);
}

/* ---- places without message: step 3 ---- */

/* All nodes below the root into LIST, parents before children; how many. */
static uint32_t
list_nodes(struct threads *t)
{
	uint32_t n = 0;

	t->list = cv_realloc(t->list, t->count * sizeof *t->list);
	for (uint32_t c = t->nodes[ROOT].child; c != NONE; c = t->nodes[c].next)
		t->list[n++] = c;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t c = t->nodes[t->list[i]].child; c != NONE; c = t->nodes[c].next)
			t->list[n++] = c;
	return n;
}

/* NODE goes and its children stand in its place, which *AT points to. */
static void
replace_by_children(struct threads *t, uint32_t *at, uint32_t node)
{
	uint32_t parent = t->nodes[node].parent, last = NONE;

	for (uint32_t c = t->nodes[node].child; c != NONE; c = t->nodes[c].next) {
		t->nodes[c].parent = parent;
		last = c;
	}
	if (last == NONE) {
		*at = t->nodes[node].next;
		return;
	}
	t->nodes[last].next = t->nodes[node].next;
	*at = t->nodes[node].child;
}

/* Drops the empty places among the children of PARENT. Those below are in order already. */
static void
prune_children(struct threads *t, uint32_t parent)
{
	uint32_t *at = &t->nodes[parent].child;

	while (*at != NONE) {
		uint32_t node = *at, first = t->nodes[node].child;
		bool has_many = first != NONE && t->nodes[first].next != NONE;
		/* A thread whose beginning is not here stays together. */
		if (t->nodes[node].item || (parent == ROOT && has_many))
			at = &t->nodes[node].next;
		else
			replace_by_children(t, at, node);
	}
}

static void
prune(struct threads *t)
{
	/* From the leaves up: a place that lost its last child must be seen to be empty. */
	for (uint32_t n = list_nodes(t); n > 0; n--)
		prune_children(t, t->list[n - 1]);
	prune_children(t, ROOT);
}

/* ---- order ---- */

static int
compare_nodes(const void *va, const void *vb, void *arg)
{
	const struct node *nodes = arg;
	uint32_t ia = *(const uint32_t *)va, ib = *(const uint32_t *)vb;
	const struct node *a = &nodes[ia], *b = &nodes[ib];

	if (a->secs != b->secs)
		return a->secs < b->secs ? -1 : 1;
	uint32_t na = a->item ? a->item->number : 0, nb = b->item ? b->item->number : 0;
	return na != nb ? (na < nb ? -1 : 1) : ia < ib ? -1 : ia > ib;
}

/* Sorts the children of PARENT by their `secs`; ROOM has place for them. */
static void
sort_children(struct threads *t, uint32_t parent, uint32_t *room)
{
	uint32_t n = 0;

	for (uint32_t c = t->nodes[parent].child; c != NONE; c = t->nodes[c].next)
		room[n++] = c;
	if (n < 2)
		return;
	qsort_r(room, n, sizeof *room, compare_nodes, t->nodes);
	for (uint32_t i = 0; i < n; i++)
		t->nodes[room[i]].next = i + 1 < n ? room[i + 1] : NONE;
	t->nodes[parent].child = room[0];
}

/* Sorts every level, the deepest first: a place is dated by its first child (steps 4 and 6). */
static void
sort_all(struct threads *t, enum imapd_thread_how how)
{
	uint32_t *room = cv_malloc(t->count * sizeof *room);

	for (uint32_t n = list_nodes(t); n > 0; n--) {
		struct node *node = &t->nodes[t->list[n - 1]];
		sort_children(t, t->list[n - 1], room);
		node->secs = node->item              ? node->item->sent_secs
			     : node->child != NONE ? t->nodes[node->child].secs
						     : 0;
	}
	/* REFS: the thread with the newest message comes last. */
	if (how == IMAPD_THREAD_REFS)
		for (uint32_t n = list_nodes(t); n > 0; n--) {
			struct node *node = &t->nodes[t->list[n - 1]];
			int64_t newest = node->item ? node->item->sent_secs : INT64_MIN;
			for (uint32_t c = node->child; c != NONE; c = t->nodes[c].next)
				newest = CV_MAX(newest, t->nodes[c].secs);
			node->secs = newest;
		}
	sort_children(t, ROOT, room);
	free(room);
}

/* ---- subjects: step 5 ---- */

/* The message whose subject is the thread's. */
static const struct imapd_threaded *
speaker(const struct threads *t, uint32_t node)
{
	while (node != NONE && !t->nodes[node].item)
		node = t->nodes[node].child;
	return node == NONE ? NULL : t->nodes[node].item;
}

/* Threads by subject: open addressing over nodes. */
struct subjects {
	uint32_t *slots; /* NONE: free */
	size_t mask;
};

static uint32_t *
subject_slot(const struct subjects *s, const struct threads *t, struct cv_str subject)
{
	size_t i = cv_hash(subject.p, subject.n, s->mask) & s->mask;

	while (s->slots[i] != NONE && !cv_str_eq(speaker(t, s->slots[i])->subject, subject))
		i = (i + 1) & s->mask;
	return &s->slots[i];
}

/* Whether thread A should be the one that others of its subject join, rather than B. */
static bool
is_better_head(const struct threads *t, uint32_t a, uint32_t b)
{
	if (!t->nodes[b].item)
		return false;
	return !t->nodes[a].item || (t->nodes[b].item->is_reply && !t->nodes[a].item->is_reply);
}

static void
append_children(struct threads *t, uint32_t to, uint32_t from)
{
	uint32_t *at = &t->nodes[to].child;

	while (*at != NONE)
		at = &t->nodes[*at].next;
	*at = t->nodes[from].child;
	for (uint32_t c = *at; c != NONE; c = t->nodes[c].next)
		t->nodes[c].parent = to;
	t->nodes[from].child = NONE;
}

/* Thread NODE joins HEAD, which has the same subject; what stands in HEAD's place afterwards. */
static uint32_t
join(struct threads *t, uint32_t head, uint32_t node)
{
	const struct imapd_threaded *h = t->nodes[head].item, *n = t->nodes[node].item;

	if (!h && !n) {
		append_children(t, head, node);
		return head;
	}
	if (!h || (n && n->is_reply && !h->is_reply)) {
		link_node(t, head, node);
		return head;
	}
	/* Two of equal rank: a place above both, which the walk will not meet. */
	uint32_t above = add_node(t, NULL);
	link_node(t, above, node);
	link_node(t, above, head);
	return above;
}

static void
fill_subjects(struct subjects *s, const struct threads *t, uint32_t n)
{
	size_t slots = 16;

	while (slots < 2 * (size_t)n)
		slots *= 2;
	s->mask = slots - 1;
	s->slots = cv_malloc(slots * sizeof *s->slots);
	memset(s->slots, 0xff, slots * sizeof *s->slots);
	for (uint32_t i = 0; i < n; i++) {
		const struct imapd_threaded *m = speaker(t, t->list[i]);
		if (!m->subject.n)
			continue;
		uint32_t *slot = subject_slot(s, t, m->subject);
		if (*slot == NONE || is_better_head(t, t->list[i], *slot))
			*slot = t->list[i];
	}
}

static void
merge_subjects(struct threads *t)
{
	struct subjects s;
	uint32_t n = 0, kept = 0, *threads;

	for (uint32_t c = t->nodes[ROOT].child; c != NONE; c = t->nodes[c].next)
		t->list[n++] = c;
	fill_subjects(&s, t, n);
	threads = t->list;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t node = threads[i];
		struct cv_str subject = speaker(t, node)->subject;
		t->nodes[node].parent = t->nodes[node].next = NONE;
		uint32_t *slot = subject.n ? subject_slot(&s, t, subject) : NULL;
		if (!slot || *slot == node)
			threads[kept++] = node;
		else
			*slot = join(t, *slot, node);
	}
	t->nodes[ROOT].child = NONE;
	for (uint32_t i = kept; i > 0; i--) {
		uint32_t node = threads[i - 1];
		/* A place may have been put above it since. */
		while (t->nodes[node].parent != NONE && t->nodes[node].parent != ROOT)
			node = t->nodes[node].parent;
		if (t->nodes[node].parent == NONE)
			link_node(t, ROOT, node);
	}
	free(s.slots);
}

/* ---- ORDEREDSUBJECT ---- */

static int
compare_subjects(const void *va, const void *vb)
{
	const struct imapd_threaded *a = *(const struct imapd_threaded *const *)va,
				    *b = *(const struct imapd_threaded *const *)vb;
	int order = cv_str_cmp(a->subject, b->subject);

	if (order)
		return order;
	if (a->sent_secs != b->sent_secs)
		return a->sent_secs < b->sent_secs ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* Each subject's first message, with all others right below it. */
static void
order_by_subject(struct threads *t, const struct imapd_threaded *items, size_t count)
{
	const struct imapd_threaded **sorted = cv_malloc(count * sizeof(void *));
	uint32_t head = NONE;

	for (size_t i = 0; i < count; i++)
		sorted[i] = &items[i];
	qsort(sorted, count, sizeof(void *), compare_subjects);
	for (size_t i = 0; i < count; i++) {
		uint32_t node = add_node(t, sorted[i]);
		if (head != NONE && cv_str_eq(sorted[i]->subject, t->nodes[head].item->subject))
			link_node(t, head, node);
		else
			head = node;
	}
	free(sorted);
}

/* ---- the answer ---- */

/* Writes NODE and, as long as there is one child each, what is below it; the children where it
 * branches, or NONE. */
static uint32_t
write_run(const struct threads *t, uint32_t node, struct cv_buf *out)
{
	bool is_first = true;

	for (;;) {
		if (t->nodes[node].item) {
			if (!is_first)
				cv_buf_c(out, ' ');
			cv_buf_u64(out, t->nodes[node].item->number);
			is_first = false;
		}
		uint32_t child = t->nodes[node].child;
		if (child == NONE || t->nodes[child].next != NONE) {
			if (child != NONE && !is_first)
				cv_buf_c(out, ' ');
			return child;
		}
		node = child;
	}
}

static void
write_all(const struct threads *t, struct cv_buf *out)
{
	uint32_t depth = 0, room = 64;
	uint32_t *stack = cv_malloc(room * sizeof *stack); /* siblings to come, level by level */

	stack[0] = t->nodes[ROOT].child;
	for (;;) {
		uint32_t node = stack[depth];
		if (node == NONE) {
			if (!depth)
				break;
			cv_buf_c(out, ')');
			depth--;
			continue;
		}
		stack[depth] = t->nodes[node].next;
		cv_buf_c(out, '(');
		uint32_t branches = write_run(t, node, out);
		if (branches == NONE) {
			cv_buf_c(out, ')');
			continue;
		}
		if (++depth == room) {
			room *= 2;
			stack = cv_realloc(stack, room * sizeof *stack);
		}
		stack[depth] = branches;
	}
	free(stack);
}

void
imapd_thread_write(enum imapd_thread_how how, const struct imapd_threaded *items, size_t count,
	struct cv_buf *out)
{
	struct threads t = {.room = (uint32_t)count + 64, .slot_mask = 255};

	if (!count)
		return;
	t.nodes = cv_malloc(t.room * sizeof *t.nodes);
	t.slots = cv_calloc(t.slot_mask + 1, sizeof *t.slots);
	add_node(&t, NULL); /* the root */
	if (how == IMAPD_THREAD_ORDEREDSUBJECT)
		order_by_subject(&t, items, count);
	else
		for (size_t i = 0; i < count; i++)
			add_message(&t, &items[i]);
	gather_roots(&t);
	prune(&t);
	if (how == IMAPD_THREAD_REFERENCES) {
		sort_all(&t, how);
		merge_subjects(&t);
	}
	sort_all(&t, how);
	cv_buf_c(out, ' ');
	write_all(&t, out);
	free(t.nodes);
	free(t.slots);
	free(t.list);
}
