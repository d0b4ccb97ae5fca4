/* fuzz: imapd */
/* imap_set_fuzz.c - any bytes as a sequence set and, behind a blank, as a partial range; both name
 * in a small mailbox what a plain reading of RFC 3501 section 9 says. The first octets say which
 * UIDs there are. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/set.h"
#include "tests/unit/imapd/views.h"

#define MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each bit of BITS is a UID, far apart at times so that they are on several pages. */
static struct cv_view *
make_view(struct cv_arena *arena, uint64_t bits, unsigned step)
{
	struct cv_entry entries[MOST];
	uint32_t n = 0;

	for (uint32_t i = 0; i < MOST; i++)
		if (bits >> i & 1)
			entries[n++] = (struct cv_entry){.uid = 1 + i * step, .modseq = 1};
	return view_of(arena, entries, n, NULL);
}

/* Whether one of the elements as written covers VALUE, where "*" is MAX. */
static bool
covers(const struct imapd_set *set, uint32_t value, uint32_t max)
{
	for (uint32_t i = 0; i < set->count; i++) {
		uint32_t a = set->ranges[i].from, b = set->ranges[i].to;
		a = a == IMAPD_SET_STAR ? max : a;
		b = b == IMAPD_SET_STAR ? max : b;
		if (value >= CV_MIN(a, b) && value <= CV_MAX(a, b))
			return true;
	}
	return false;
}

static void
check_ranges(const struct imapd_range *ranges, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert(ranges[i].from <= ranges[i].to);
		assert(!i || (uint64_t)ranges[i - 1].to + 1 < ranges[i].from);
	}
}

/* UIDS written as a set and read again are the same. */
static void
check_written(const uint32_t *uids, uint32_t count, struct cv_arena *arena)
{
	struct cv_buf text = CV_BUF_INIT(16 * MOST);
	struct imapd_set set;
	uint32_t at = 0;

	imapd_set_write(&text, uids, count);
	struct imapd_parse p = {.text = cv_buf_view(&text), .arena = arena};
	if (count) {
		bool is_set = imapd_parse_set(&p, &set);
		assert(is_set && imapd_at_end(&p));
		for (uint32_t i = 0; i < set.count; i++)
			for (uint32_t uid = set.ranges[i].from; uid <= set.ranges[i].to; uid++)
				assert(at < count && uids[at++] == uid);
	}
	assert(at == count);
	cv_buf_done(&text);
}

static void
check_partial(struct cv_str text, struct imapd_range *ranges, uint32_t count,
	const struct cv_view *view, struct cv_arena *arena)
{
	struct imapd_parse p = {.text = text, .arena = arena};
	struct imapd_partial partial;
	uint32_t all_count, cut_count;
	size_t from, to;

	if (!imapd_parse_partial(&p, &partial))
		return;
	assert(partial.first && partial.first <= partial.last);
	const uint32_t *all = imapd_seqs_uids(ranges, count, view, arena, &all_count);
	imapd_partial_cut(&partial, all_count, &from, &to);
	assert(from <= to && to <= all_count && to - from <= partial.last - partial.first + 1u);
	uint32_t left = imapd_ranges_cut(ranges, count, &partial);
	const uint32_t *cut = imapd_seqs_uids(ranges, left, view, arena, &cut_count);
	assert(cut_count == to - from);
	assert(!cut_count || !memcmp(cut, all + from, cut_count * sizeof(*cut)));
}

static void
check_set(const struct imapd_set *set, bool is_uid, const struct cv_view *view, struct cv_str rest,
	struct cv_arena *arena)
{
	struct imapd_range *ranges;
	uint32_t count, named = 0, total;
	const struct cv_entry *last = cv_view_seq(view, view->exists);
	uint32_t max = is_uid && last ? last->uid : view->exists;

	imapd_set_seqs(set, is_uid, view, arena, &ranges, &count);
	check_ranges(ranges, count);
	for (uint32_t seq = 1; seq <= view->exists; seq++) {
		bool is_named = covers(set, is_uid ? cv_view_seq(view, seq)->uid : seq, max);
		assert(is_named == imapd_ranges_have(ranges, count, seq));
		named += is_named;
	}
	assert(named == imapd_ranges_total(ranges, count));
	const uint32_t *uids = imapd_seqs_uids(ranges, count, view, arena, &total);
	assert(total == named);
	check_written(uids, total, arena);
	check_partial(rest, ranges, count, view, arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t bits;
	struct cv_arena arena = CV_ARENA_INIT;

	if (size < sizeof(bits) + 1)
		return 0;
	memcpy(&bits, data, sizeof(bits));
	const struct cv_view *view = make_view(&arena, bits, 1 + data[sizeof(bits)]);
	struct cv_str text = cv_str((const char *)data + sizeof(bits) + 1, size - sizeof(bits) - 1);
	struct imapd_parse p = {.text = text, .arena = &arena};
	struct imapd_set set;
	if (imapd_parse_set(&p, &set)) {
		struct cv_str rest = cv_str_sub(text, p.pos + 1, text.n);
		uint32_t saved[MOST], count = 0;
		for (uint32_t seq = 1; set.is_saved && seq <= view->exists; seq += 2)
			saved[count++] = cv_view_seq(view, seq)->uid;
		bool is_saved = set.is_saved;
		imapd_set_bind(&set, saved, count, &arena);
		if (!is_saved) {
			check_set(&set, false, view, rest, &arena);
			(void)imapd_set_is_beyond(&set, view->exists);
		}
		check_set(&set, true, view, rest, &arena);
	}
	cv_arena_done(&arena);
	return 0;
}
