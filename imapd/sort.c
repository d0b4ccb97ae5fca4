/* sort.c - see sort.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/sort.h"

#include <stdlib.h>

static const struct {
	const char *word;
	enum imapd_column column; /* IMAPD_COLS: a number */
} rows[] = {
	[IMAPD_SORT_ARRIVAL] = {"ARRIVAL",         IMAPD_COLS                 },
	[IMAPD_SORT_CC] = {"CC",                   IMAPD_COL_SORT_CC          },
	[IMAPD_SORT_DATE] = {"DATE",               IMAPD_COLS                 },
	[IMAPD_SORT_DISPLAYFROM] = {"DISPLAYFROM", IMAPD_COL_SORT_DISPLAY_FROM},
	[IMAPD_SORT_DISPLAYTO] = {"DISPLAYTO",     IMAPD_COL_SORT_DISPLAY_TO  },
	[IMAPD_SORT_FROM] = {"FROM",               IMAPD_COL_SORT_FROM        },
	[IMAPD_SORT_RELEVANCY] = {"RELEVANCY",     IMAPD_COLS                 },
	[IMAPD_SORT_SIZE] = {"SIZE",               IMAPD_COLS                 },
	[IMAPD_SORT_SUBJECT] = {"SUBJECT",         IMAPD_COL_SORT_SUBJECT     },
	[IMAPD_SORT_TO] = {"TO",                   IMAPD_COL_SORT_TO          },
};

bool
imapd_parse_sort(struct imapd_parse *p, struct imapd_sort *out)
{
	*out = (struct imapd_sort){0};
	if (!imapd_need(p, '(', "sort keys in parentheses were expected"))
		return false;
	do {
		size_t i = 0;
		if (out->count == IMAPD_SORT_KEYS_MAX)
			return imapd_fault(p, "too many sort keys");
		if (imapd_take_word(p, "REVERSE")) {
			out->keys[out->count].is_reverse = true;
			if (!imapd_parse_sp(p))
				return false;
		}
		while (i < CV_COUNT(rows) && !imapd_take_word(p, rows[i].word))
			i++;
		if (i == CV_COUNT(rows))
			return imapd_fault(p, "an unknown sort key");
		out->by_relevancy |= i == IMAPD_SORT_RELEVANCY;
		out->keys[out->count++].key = (enum imapd_sort_key)i;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

static uint64_t
number_of(enum imapd_sort_key key, const struct imapd_sorted *item)
{
	const struct imapd_facts *f = item->facts;

	if (key == IMAPD_SORT_RELEVANCY)
		return UINT8_MAX - item->score;
	if (key == IMAPD_SORT_SIZE)
		return f->size_bytes;
	int64_t secs = key == IMAPD_SORT_DATE ? imapd_facts_sent(f) : f->internal_secs;
	return (uint64_t)secs ^ 1ull << 63; /* signed order as unsigned */
}

static struct cv_str
text_of(enum imapd_sort_key key, const struct imapd_sorted *item)
{
	return imapd_facts_text(item->block, item->facts, rows[key].column);
}

/* The text's first eight bytes as a number that orders like them. */
static uint64_t
prefix_of(struct cv_str text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 8; i++)
		n = n << 8 | (i < text.n ? (unsigned char)text.p[i] : 0);
	return n;
}

static int
compare_by(enum imapd_sort_key key, const struct imapd_sorted *a, const struct imapd_sorted *b)
{
	if (rows[key].column != IMAPD_COLS)
		return cv_str_cmp(text_of(key, a), text_of(key, b));
	uint64_t x = number_of(key, a), y = number_of(key, b);
	return (x > y) - (x < y);
}

int
imapd_sort_compare(const struct imapd_sort *sort, const struct imapd_sorted *a,
	const struct imapd_sorted *b)
{
	for (unsigned i = 0; i < sort->count; i++) {
		int order = compare_by(sort->keys[i].key, a, b);
		if (order)
			return sort->keys[i].is_reverse ? -order : order;
	}
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static int
compare(const void *va, const void *vb, void *arg)
{
	const struct imapd_sorted *a = va, *b = vb;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return imapd_sort_compare(arg, a, b);
}

void
imapd_sort_messages(const struct imapd_sort *sort, struct imapd_sorted *items, size_t count)
{
	enum imapd_sort_key key = sort->keys[0].key;

	for (size_t i = 0; i < count; i++) {
		items[i].first = rows[key].column == IMAPD_COLS
		                         ? number_of(key, &items[i])
		                         : prefix_of(text_of(key, &items[i]));
		if (sort->keys[0].is_reverse)
			items[i].first = ~items[i].first;
	}
	qsort_r(items, count, sizeof *items, compare, (void *)(uintptr_t)sort);
}
