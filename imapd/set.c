/* set.c - see set.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/set.h"

static bool
parse_one(struct imapd_parse *p, uint32_t *out)
{
	uint64_t n;

	if (imapd_take(p, '*')) {
		*out = IMAPD_SET_STAR;
		return true;
	}
	if (!imapd_parse_number(p, UINT32_MAX, &n))
		return false;
	if (n == 0)
		return imapd_fault(p, "message numbers begin with 1");
	/* No message ever has the largest number, which stands for "*" here. */
	*out = CV_MIN((uint32_t)n, IMAPD_SET_STAR - 1);
	return true;
}

static bool
parse_range(struct imapd_parse *p, struct imapd_range *out)
{
	if (!parse_one(p, &out->from))
		return false;
	out->to = out->from;
	if (imapd_take(p, ':') && !parse_one(p, &out->to))
		return false;
	if (out->from > out->to) {
		uint32_t from = out->to;
		out->to = out->from;
		out->from = from;
	}
	return true;
}

/* How many elements there can be at most, so that the array is taken once. */
static size_t
count_commas(const struct imapd_parse *p)
{
	size_t n = 0;
	for (size_t at = p->pos; at < p->text.n; at++) {
		char c = p->text.p[at];
		if (c == ',')
			n++;
		else if (!cv_is_digit((unsigned char)c) && c != ':' && c != '*')
			break;
	}
	return n;
}

bool
imapd_parse_set(struct imapd_parse *p, struct imapd_set *out)
{
	size_t most = count_commas(p) + 1;

	*out = (struct imapd_set){0};
	if (imapd_take(p, '$')) {
		out->is_saved = true;
		return true;
	}
	if (most > IMAPD_SET_MAX)
		return imapd_fault(p, "the message set has too many elements");
	out->ranges = CV_ARENA_ARRAY(p->arena, struct imapd_range, most);
	do {
		if (!parse_range(p, &out->ranges[out->count]))
			return false;
		out->count++;
	} while (out->count < most && imapd_take(p, ','));
	return true;
}

bool
imapd_parse_partial(struct imapd_parse *p, struct imapd_partial *out)
{
	uint64_t n[2];
	bool from_end = imapd_peek(p) == '-';

	for (unsigned i = 0; i < 2; i++) {
		if ((i && !imapd_need(p, ':', "a range has no end")) ||
			(from_end && !imapd_need(p, '-', "both ends count from the same side")) ||
			!imapd_parse_number(p, UINT32_MAX, &n[i]))
			return false;
		if (!n[i])
			return imapd_fault(p, "places are numbered from 1");
	}
	*out = (struct imapd_partial){.is_given = true,
		.from_end = from_end,
		.first = (uint32_t)CV_MIN(n[0], n[1]),
		.last = (uint32_t)CV_MAX(n[0], n[1])};
	return true;
}

void
imapd_partial_cut(const struct imapd_partial *partial, size_t count, size_t *from_out,
	size_t *to_out)
{
	size_t first = CV_MIN((size_t)partial->first - 1, count);
	size_t last = CV_MIN((size_t)partial->last, count);

	*from_out = partial->from_end ? count - last : first;
	*to_out = partial->from_end ? count - first : last;
}

void
imapd_set_bind(
	struct imapd_set *set, const uint32_t *saved, uint32_t count, struct cv_arena *arena)
{
	if (!set->is_saved)
		return;
	set->ranges = CV_ARENA_ARRAY(arena, struct imapd_range, (size_t)count + 1);
	set->count = count;
	for (uint32_t i = 0; i < count; i++)
		set->ranges[i] = (struct imapd_range){saved[i], saved[i]};
}

static int
by_from(const void *a, const void *b)
{
	const struct imapd_range *x = a, *y = b;
	return (x->from > y->from) - (x->from < y->from);
}

/* Sorts RANGES and joins what touches; returns how many are left. */
static uint32_t
merge(struct imapd_range *ranges, uint32_t count)
{
	uint32_t n = 0;

	if (count > 1)
		qsort(ranges, count, sizeof(*ranges), by_from);
	for (uint32_t i = 0; i < count; i++) {
		if (n && (uint64_t)ranges[n - 1].to + 1 >= ranges[i].from)
			ranges[n - 1].to = CV_MAX(ranges[n - 1].to, ranges[i].to);
		else
			ranges[n++] = ranges[i];
	}
	return n;
}

void
imapd_set_resolve(const struct imapd_set *set, uint32_t max, struct cv_arena *arena,
	struct imapd_range **out, uint32_t *count_out)
{
	struct imapd_range *ranges = CV_ARENA_ARRAY(arena, struct imapd_range, set->count + 1);

	for (uint32_t i = 0; i < set->count; i++) {
		struct imapd_range r = set->ranges[i];
		if (r.to == IMAPD_SET_STAR)
			r.to = max;
		if (r.from == IMAPD_SET_STAR)
			r.from = max;
		ranges[i].from = CV_MIN(r.from, r.to);
		ranges[i].to = CV_MAX(r.from, r.to);
	}
	*count_out = merge(ranges, set->count);
	*out = ranges;
}

bool
imapd_ranges_have(const struct imapd_range *ranges, uint32_t count, uint32_t value)
{
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (ranges[mid].to < value)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && ranges[low].from <= value;
}

bool
imapd_set_is_beyond(const struct imapd_set *set, uint32_t exists)
{
	if (set->is_saved)
		return false;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct imapd_range *r = &set->ranges[i];
		if (!exists || (r->from > exists && r->from != IMAPD_SET_STAR) ||
			(r->to > exists && r->to != IMAPD_SET_STAR))
			return true;
	}
	return false;
}

/* The largest UID in VIEW, 0 when it is empty. */
static uint32_t
last_uid(const struct cv_view *view)
{
	if (!view->exists)
		return 0;
	const struct cv_page *page = view->pages[view->pages_count - 1].page;
	return page->entries[page->count - 1].uid;
}

void
imapd_set_seqs(const struct imapd_set *set, bool is_uid, const struct cv_view *view,
	struct cv_arena *arena, struct imapd_range **out, uint32_t *count_out)
{
	is_uid |= set->is_saved;
	uint32_t max = is_uid ? last_uid(view) : view->exists;
	struct imapd_range *ranges;
	uint32_t count, n = 0;

	*out = NULL;
	*count_out = 0;
	if (!view->exists)
		return;
	imapd_set_resolve(set, max, arena, &ranges, &count);
	for (uint32_t i = 0; i < count && ranges[i].from <= max; i++) {
		struct imapd_range r = {ranges[i].from, CV_MIN(ranges[i].to, max)};
		if (is_uid) {
			r.from = cv_view_seq_at(view, r.from);
			r.to = cv_view_seq_at(view, r.to + 1) - 1;
		}
		if (r.from <= r.to)
			ranges[n++] = r;
	}
	*out = ranges;
	*count_out = merge(ranges, n);
}

uint32_t
imapd_ranges_cut(struct imapd_range *ranges, uint32_t count, const struct imapd_partial *partial)
{
	size_t from, to, before = 0;
	uint32_t n = 0;

	imapd_partial_cut(partial, imapd_ranges_total(ranges, count), &from, &to);
	for (uint32_t i = 0; i < count; i++) {
		size_t length = (size_t)ranges[i].to - ranges[i].from + 1;
		size_t first = CV_MAX(from, before), end = CV_MIN(to, before + length);
		uint32_t start = ranges[i].from;
		if (first < end)
			ranges[n++] = (struct imapd_range){start + (uint32_t)(first - before),
				start + (uint32_t)(end - before) - 1};
		before += length;
	}
	return n;
}

uint32_t
imapd_ranges_total(const struct imapd_range *ranges, uint32_t count)
{
	uint32_t total = 0;
	for (uint32_t i = 0; i < count; i++)
		total += ranges[i].to - ranges[i].from + 1;
	return total;
}

uint32_t *
imapd_seqs_uids(const struct imapd_range *ranges, uint32_t count, const struct cv_view *view,
	struct cv_arena *arena, uint32_t *total_out)
{
	uint32_t total = imapd_ranges_total(ranges, count), n = 0;
	uint32_t *uids = CV_ARENA_ARRAY(arena, uint32_t, total + 1);

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t seq = ranges[i].from; seq <= ranges[i].to; seq++)
			uids[n++] = cv_view_seq(view, seq)->uid;
	*total_out = n;
	return uids;
}

void
imapd_set_write(struct cv_buf *out, const uint32_t *values, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;
		while (end < count && values[end] == values[end - 1] + 1)
			end++;
		if (i)
			cv_buf_c(out, ',');
		cv_buf_u64(out, values[i]);
		if (end - i > 1) {
			cv_buf_c(out, ':');
			cv_buf_u64(out, values[end - 1]);
		}
		i = end;
	}
}

int
imapd_by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}
